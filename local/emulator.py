"""Starts and stops one emulator instance, each in a folder of its own.

Instances share nothing: own port, own temporary folder, own certificate, so that a demo, a test
run and a stack left up do not meet. The emulator hands its environment on to the Lambda functions,
so it gets a clean one: the host's certificate bundles and credentials would break them.
"""

import contextlib
import fcntl
import os
import shutil
import signal
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from local.certificate import write_certificate
from local.emulator_main import END_SIGNAL
from local.layout import EMULATOR_PYTHON, ROOT

REGION = "us-east-1"
ACCOUNT = "000000000000"
PORT_VARIABLE = "LOCAL_AWS_PORT"

_HOST = "127.0.0.1"
_START_SECONDS = 60.0
_STOP_SECONDS = 5.0
_TRIES = 3


class EmulatorError(Exception):
    """The emulator cannot start, or does not answer; the text says why in a line or two."""


@dataclass(frozen=True, slots=True)
class Emulator:
    """A running instance and what its clients need to know."""

    folder: Path
    port: int

    @property
    def endpoint(self) -> str:
        return f"https://{_HOST}:{self.port}"

    @property
    def certificate(self) -> Path:
        return self.folder / "server.crt"

    @property
    def iam_log(self) -> Path:
        return self.folder / "iam.jsonl"

    @property
    def log(self) -> Path:
        return self.folder / "emulator.log"

    def environment(self) -> dict[str, str]:
        """The variables that point any AWS client at this instance."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_CA_BUNDLE": str(self.certificate),
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
        }


@contextlib.contextmanager
def instance(folder: Path) -> Iterator[Emulator]:
    """An instance that ends with this block, and with this process should that be killed."""
    started, owner = _start(folder, None, owned=True)
    try:
        yield started
    finally:
        stop(folder)
        if owner.stdin:
            owner.stdin.close()
        owner.wait()


def start(folder: Path) -> Emulator:
    """An instance that stays until `stop`, or the one that already runs in the folder.

    It takes the port that the variable `LOCAL_AWS_PORT` names, or else a free one.
    """
    return find(folder) or _start(folder, _wished_port(), owned=False)[0]


def find(folder: Path) -> Emulator | None:
    """The instance that runs in the folder, if one does."""
    held = _holder(folder)
    return Emulator(folder, held.port) if held else None


def stop(folder: Path) -> bool:
    """End the folder's instance and all it started. True if there was one."""
    held = _holder(folder)
    if held is None:
        return False
    with contextlib.suppress(ProcessLookupError):
        os.kill(held.pid, END_SIGNAL)
    deadline = time.monotonic() + _STOP_SECONDS
    while _holder(folder) == held:
        if time.monotonic() > deadline:  # it is stuck
            with contextlib.suppress(ProcessLookupError):
                os.killpg(held.pid, signal.SIGKILL)
        time.sleep(0.01)
    shutil.rmtree(folder / "tmp", ignore_errors=True)
    return True


def _start(
    folder: Path, port: int | None, *, owned: bool
) -> tuple[Emulator, subprocess.Popen[bytes]]:
    if not EMULATOR_PYTHON.exists():
        raise EmulatorError("The emulator is not installed: run it by `make`, which installs it.")
    if find(folder):
        raise EmulatorError(f"An instance already runs in {folder}.")
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "tmp").mkdir(parents=True)
    emulator = Emulator(folder, 0)
    write_certificate(emulator.certificate, folder / "server.key")
    for attempt in range(1, _TRIES + 1):
        emulator = Emulator(folder, port or _free_port())
        process = _spawn(emulator, owned=owned)
        try:
            _await_answer(emulator, process)
        except BaseException as error:
            process.kill()
            process.wait()
            if isinstance(error, EmulatorError) and not port and attempt < _TRIES:
                continue  # somebody may have taken the port between our look and the emulator's
            raise
        return emulator, process
    raise AssertionError  # the last attempt returns or raises


def _spawn(emulator: Emulator, *, owned: bool) -> subprocess.Popen[bytes]:
    folder = emulator.folder
    command = [str(EMULATOR_PYTHON), "-m", "local.emulator_main", str(folder)]
    with emulator.log.open("ab") as log:
        return subprocess.Popen(
            [*command, "--with-owner"] if owned else command,
            cwd=ROOT,
            env=_clean_environment(emulator),
            stdin=subprocess.PIPE if owned else subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is ours to handle, and its group can be ended whole
        )


def _clean_environment(emulator: Emulator) -> dict[str, str]:
    certificate = str(emulator.certificate)
    kept = ("PATH", "HOME", "LD_LIBRARY_PATH")  # the last for interpreters that need it to start
    return {
        **{name: os.environ[name] for name in kept if name in os.environ},
        "TMPDIR": str(emulator.folder / "tmp"),
        "LANG": "C.UTF-8",
        "BIND_HOST": _HOST,
        "GATEWAY_PORT": str(emulator.port),
        "AUTH": "true",
        "USE_SSL": "1",
        "MINISTACK_SSL_CERT": certificate,
        "MINISTACK_SSL_KEY": str(emulator.folder / "server.key"),
        "MINISTACK_REGION": REGION,
        "MINISTACK_ACCOUNT_ID": ACCOUNT,
        "IOT_MTLS_ENABLED": "0",  # that listener ignores BIND_HOST
        "SFTP_ENABLED": "0",
        # Its Lambda functions inherit these: what they call is this instance alone.
        "AWS_CA_BUNDLE": certificate,
        "SSL_CERT_FILE": certificate,
        "NODE_EXTRA_CA_CERTS": certificate,
    }


def _await_answer(emulator: Emulator, process: subprocess.Popen[bytes]) -> None:
    trust = ssl.create_default_context(cafile=str(emulator.certificate))
    no_proxy = urllib.request.ProxyHandler({})
    opener = urllib.request.build_opener(no_proxy, urllib.request.HTTPSHandler(context=trust))
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise EmulatorError(f"The emulator ended at its start:\n{_tail(emulator.log)}")
        try:
            with opener.open(f"{emulator.endpoint}/_ministack/health", timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)
    raise EmulatorError(
        f"The emulator did not answer within {_START_SECONDS:.0f} s:\n{_tail(emulator.log)}"
    )


def _wished_port() -> int | None:
    text = os.environ.get(PORT_VARIABLE, "")
    if not text:
        return None
    if not text.isdigit() or not 0 < int(text) < 65536:
        raise EmulatorError(f"{PORT_VARIABLE}={text} is not a port number.")
    if _taken(int(text)):
        raise EmulatorError(
            f"Port {text} ({PORT_VARIABLE}) is taken: name another, or unset it to get a free one."
        )
    return int(text)


def _taken(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_HOST, port))
        except OSError:
            return True
    return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((_HOST, 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True, slots=True)
class _Holder:
    pid: int
    port: int


def _holder(folder: Path) -> _Holder | None:
    """The process that serves from the folder: it holds a lock there for as long as it lives."""
    try:
        lock = (folder / "lock").open(encoding="ascii")
    except FileNotFoundError:
        return None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            pid, _, port = lock.read().partition(" ")
            return _Holder(int(pid), int(port)) if port else None
    return None


def _tail(log: Path, lines: int = 15) -> str:
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])
