"""The emulator's process: started by `local/emulator.py` on the emulator's own interpreter.

The emulator's own command is almost what is wanted. This adds a lock that tells others whether the
instance lives, an end together with its owner, the recorder of permission decisions, a few fixes,
and no listener on port 443.
"""

import fcntl
import importlib
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

from local import emulator_fixes, iam_recorder


def main() -> None:
    """Serve until SIGTERM, or until the owner's end of standard input is closed."""
    folder = Path(sys.argv[1])
    with (folder / "lock").open("a", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        lock.truncate(0)
        lock.write(f"{os.getpid()} {os.environ['GATEWAY_PORT']}")
        lock.flush()
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
            _end_group()


def _end_with_owner() -> None:
    sys.stdin.buffer.read()
    _end_group()


def _end_group() -> None:
    """End at once, with all that Lambda functions started: nothing in memory is worth a delay."""
    if os.getpgrp() == os.getpid():
        os.killpg(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main()
