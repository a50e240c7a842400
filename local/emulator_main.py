"""The emulator's process: started by `local/emulator.py` on the emulator's own interpreter.

The emulator's own command is almost what is wanted. This adds a lock that tells others whether the
instance lives, an end that takes along all it started, the recorder of permission decisions, a few
fixes, and no listener on port 443.
"""

import ctypes
import fcntl
import importlib
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

from local import emulator_fixes, iam_recorder

END_SIGNAL = signal.SIGUSR1
"""Ends it at once; at SIGTERM it would wait for its clients' idle connections first."""

_END_SECONDS = 2.0
_PR_SET_CHILD_SUBREAPER = 36


def main() -> None:
    """Serve until `END_SIGNAL`, or until the owner's end of standard input is closed."""
    folder = Path(sys.argv[1])
    with (folder / "lock").open("a", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        lock.truncate(0)
        lock.write(f"{os.getpid()} {os.environ['GATEWAY_PORT']}")
        lock.flush()
        _adopt_orphans()
        signal.signal(END_SIGNAL, lambda *_: _end())
        if "--with-owner" in sys.argv[2:]:
            threading.Thread(target=_end_with_owner, daemon=True).start()
        iam_recorder.install(folder / "iam.jsonl")
        emulator_fixes.install()
        app: Any = importlib.import_module("ministack.app")
        # With TLS it listens on 443 as well wherever it may: a second instance, or another
        # program that wants that port, would be disturbed.
        app._port_is_bindable = lambda _host, _port: False  # noqa: SLF001
        sys.argv = ["ministack"]
        try:
            app.main()
        finally:
            _end()


def _adopt_orphans() -> None:
    """Be the parent of what a function leaves behind, so that it can be ended and reaped here."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _end_with_owner() -> None:
    sys.stdin.buffer.read()
    os.kill(os.getpid(), END_SIGNAL)


def _end() -> None:
    """End the whole process group, this process last.

    Everything is in memory, so there is nothing to save. Children are reaped here rather than left
    to the system's first process, which in a container may never do it.
    """
    if os.getpgrp() != os.getpid():
        return  # started by hand: the group is somebody else's too
    signal.signal(signal.SIGTERM, lambda *_: None)
    deadline = time.monotonic() + _END_SECONDS
    while time.monotonic() < deadline:
        os.killpg(os.getpid(), signal.SIGTERM)
        try:
            reaped, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            break  # none is left
        if not reaped:
            time.sleep(0.005)
    os.killpg(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main()
