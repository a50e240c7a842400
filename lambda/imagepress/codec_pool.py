"""The parent's side of the codec processes: lent out one by one, replaced when they die."""

import json
import os
import selectors
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from queue import LifoQueue
from typing import IO, Self, cast

from imagepress.codec_process import BOOT
from imagepress.codec_protocol import (
    CodecRequest,
    Encoded,
    SampleRequest,
    is_last,
    reply_from_line,
    sample_from_line,
)
from imagepress.errors import RowFailed
from imagepress.outcome import FailureCode
from imagepress.sample import Sample

STDERR_TAIL = 400


class CodecPool:
    """Up to `size` codec processes, started when first needed, each bounded in memory."""

    def __init__(self, size: int, memory_limit: int) -> None:
        self.size = size
        self._memory_limit = memory_limit
        # A process dies with the thread that started it (PR_SET_PDEATHSIG), and rows' threads end.
        self._starter = ThreadPoolExecutor(1, thread_name_prefix="codec-starter")
        self._idle: LifoQueue[_CodecProcess | None] = LifoQueue()
        for _ in range(size):
            self._idle.put(None)

    def encode(self, request: CodecRequest, timeout: float) -> Encoded:
        """Have one image compressed within `timeout` seconds, or raise the row's outcome."""
        with self._lent() as process:
            return process.encode(request, timeout)

    def sample(self, request: SampleRequest, timeout: float) -> Sample:
        """Have a piece of a picture shown before and after, or raise `RowFailed`."""
        with self._lent() as process:
            return sample_from_line(process.ask(request, timeout))

    def close(self) -> None:
        """End all processes that are idle."""
        for process in [self._idle.get() for _ in range(self.size)]:
            if process is not None:
                process.end()
            self._idle.put(None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def _lent(self) -> Iterator["_CodecProcess"]:
        process = self._idle.get()
        try:
            if process is None or not process.alive:
                process = self._starter.submit(_CodecProcess, self._memory_limit).result()
            yield process
        finally:
            self._idle.put(process if process is not None and process.alive else None)


class _CodecProcess:
    def __init__(self, memory_limit: int) -> None:
        # Not on the pipe of the caller's own output, which may be somebody's protocol.
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as it
        self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and code
            [sys.executable, "-I", "-c", BOOT, json.dumps(sys.path), str(memory_limit)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            bufsize=0,
            # Ctrl-C is for the parent: what is being encoded may end.
            start_new_session=True,
        )

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def encode(self, request: CodecRequest, timeout: float) -> Encoded:
        return reply_from_line(self.ask(request, timeout))

    def ask(self, request: CodecRequest | SampleRequest, timeout: float) -> bytes:
        self._errors.seek(0)
        self._errors.truncate()
        try:
            cast("IO[bytes]", self._process.stdin).write(request.to_line())
            line = self._read_line(timeout)
        except BrokenPipeError:
            line = b""
        except TimeoutError:
            self.end()
            raise RowFailed(
                FailureCode.CODEC_TIMEOUT, f"Compressing took over {timeout:.0f} s and was stopped."
            ) from None
        if not line.endswith(b"\n"):
            raise self._crashed()
        if is_last(line):
            self.end()
        return line

    def end(self) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout, self._errors):
            if pipe is not None:
                pipe.close()

    def _read_line(self, timeout: float) -> bytes:
        replies = cast("IO[bytes]", self._process.stdout)
        line = b""
        with selectors.DefaultSelector() as selector:
            selector.register(replies, selectors.EVENT_READ)
            while not line.endswith(b"\n"):
                if not selector.select(timeout):
                    raise TimeoutError
                data = os.read(replies.fileno(), 1 << 16)
                if not data:
                    break
                line += data
        return line

    def _crashed(self) -> RowFailed:
        status = self._process.wait()
        self._errors.seek(0)
        last_words = self._errors.read()[-STDERR_TAIL:].decode("utf-8", "replace").strip()
        self.end()
        how = f"was killed by signal {-status}" if status < 0 else f"ended with status {status}"
        return RowFailed(
            FailureCode.CODEC_CRASHED,
            f"The codec process {how} on this image; the original stays. {last_words}".strip(),
        )
