"""One emulator instance: what it listens on, and that nothing of it stays."""

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from local import emulator
from local.emulator import EmulatorError
from local.layout import ROOT


def test_listens_on_one_loopback_port_only(tmp_path: Path) -> None:
    with emulator.instance(tmp_path / "aws") as instance:
        assert _listening(_pid(instance.folder)) == {("127.0.0.1", instance.port)}


def test_two_instances_do_not_meet(tmp_path: Path) -> None:
    with (
        emulator.instance(tmp_path / "one") as one,
        emulator.instance(tmp_path / "two") as two,
    ):
        assert one.port != two.port
        assert emulator.find(one.folder) == one
        assert emulator.find(two.folder) == two


def test_leaves_no_process_and_no_temporary_file(tmp_path: Path) -> None:
    with emulator.instance(tmp_path / "aws") as instance:
        pid = _pid(instance.folder)

    assert emulator.find(instance.folder) is None
    with pytest.raises(ProcessLookupError):
        os.killpg(pid, 0)
    assert not (instance.folder / "tmp").exists()


def test_ends_when_its_owner_is_killed(tmp_path: Path) -> None:
    program = (
        "import sys, time; from pathlib import Path; from local import emulator\n"
        "with emulator.instance(Path(sys.argv[1])): print('up', flush=True); time.sleep(600)\n"
    )
    owner = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path / "aws")], cwd=ROOT, stdout=subprocess.PIPE
    )
    assert owner.stdout
    with owner.stdout:
        assert owner.stdout.readline() == b"up\n"
    assert emulator.find(tmp_path / "aws")

    owner.send_signal(signal.SIGKILL)
    owner.wait()

    deadline = time.monotonic() + 10
    while emulator.find(tmp_path / "aws") and time.monotonic() < deadline:
        time.sleep(0.02)
    assert emulator.find(tmp_path / "aws") is None


def test_stays_after_start_until_stop(tmp_path: Path) -> None:
    started = emulator.start(tmp_path / "aws")
    try:
        assert emulator.start(tmp_path / "aws") == started
    finally:
        assert emulator.stop(tmp_path / "aws")
    assert not emulator.stop(tmp_path / "aws")


def test_a_taken_port_is_said_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        monkeypatch.setenv("LOCAL_AWS_PORT", str(port))
        with pytest.raises(EmulatorError, match=f"^Port {port} .* is taken: [^\n]*$"):
            emulator.start(tmp_path / "aws")


def _pid(folder: Path) -> int:
    return int((folder / "lock").read_text(encoding="ascii").split()[0])


def _listening(pid: int) -> set[tuple[str, int]]:
    """The TCP addresses that a process listens on, from Linux's own tables."""
    table = Path(f"/proc/{pid}/net/tcp")
    if not table.exists():
        pytest.skip("only Linux tells which process listens where")
    sockets = set()
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # it may be closed by now, and was no listener then
            sockets.add(str(descriptor.readlink()))
    found = set()
    for file in (table, table.with_name("tcp6")):
        for line in file.read_text("ascii").splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and f"socket:[{fields[9]}]" in sockets:
                address, _, port = fields[1].partition(":")
                found.add((_ip(address), int(port, 16)))
    return found


def _ip(little_endian: str) -> str:
    if len(little_endian) > 8:
        return little_endian
    return socket.inet_ntoa(bytes.fromhex(little_endian)[::-1])
