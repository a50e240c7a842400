"""The processes behind the deployed functions, as the kernel shows them, to kill and to count."""

import contextlib
import os
import signal
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from local.emulator import Emulator

CODEC = "imagepress.codec_process"
GONE_SECONDS = 10.0
_PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Process:
    """One process; `started` tells it from a later one with the same number."""

    pid: int
    started: str

    @classmethod
    def of(cls, pid: int) -> Self | None:
        """The process that has this number now, unless it has ended."""
        fields = _stat(pid)
        return cls(pid, fields[19]) if fields and fields[0] not in ("Z", "X") else None

    @property
    def alive(self) -> bool:
        """Whether it still runs; one that has ended and was not waited for does not."""
        return Process.of(self.pid) == self

    @property
    def is_codec(self) -> bool:
        """Whether it is a codec process."""
        return CODEC in _text(self.pid, "cmdline")

    @property
    def function(self) -> str:
        """The function whose worker, or whose worker's child, this is."""
        for line in _text(self.pid, "environ").split("\0"):
            name, _, value = line.partition("=")
            if name == "AWS_LAMBDA_FUNCTION_NAME":
                return value
        return ""

    def kill(self) -> bool:
        """End it at once; whether it was there to be ended."""
        if not self.alive:
            return False
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
            return True
        return False


def below(emulator: Emulator) -> list[Process]:
    """Everything that an emulator has started, and what that has started."""
    root = int((emulator.folder / "lock").read_text("ascii").partition(" ")[0])
    children: dict[int, list[int]] = {}
    for entry in _PROC.iterdir():
        if entry.name.isdigit() and (fields := _stat(int(entry.name))):
            children.setdefault(int(fields[1]), []).append(int(entry.name))
    found: list[int] = []
    waiting = [root]
    while waiting:
        of_one = children.get(waiting.pop(), [])
        found += of_one
        waiting += of_one
    return [process for process in map(Process.of, found) if process]


def workers(emulator: Emulator, function: str) -> list[Process]:
    """The processes that run a function's invocations."""
    return [
        process
        for process in below(emulator)
        if process.function == function and not process.is_codec
    ]


def codecs(emulator: Emulator) -> list[Process]:
    """The codec processes of all functions."""
    return [process for process in below(emulator) if process.is_codec]


def await_gone(processes: Iterable[Process], *, seconds: float = GONE_SECONDS) -> list[Process]:
    """Wait until these have ended; those that have not in time."""
    left = list(processes)
    deadline = time.monotonic() + seconds
    while left and time.monotonic() < deadline:
        left = [process for process in left if process.alive]
        time.sleep(0.01)
    return left


def _stat(pid: int) -> list[str]:
    """The fields of /proc/<pid>/stat from the third on: state, parent …; none: it is gone."""
    return _text(pid, "stat").rpartition(")")[2].split()


def _text(pid: int, name: str) -> str:
    try:
        return (_PROC / str(pid) / name).read_text("utf-8", errors="replace")
    except OSError:
        return ""
