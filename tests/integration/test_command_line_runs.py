"""What the command line does with runs: show, interrupt, go on, look back."""

import csv
import json
import os
import pty
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from imagepress import desktop
from imagepress.command_line import main
from imagepress.display import Lines
from tests.integration.service import csv_of
from tests.integration.stack import IMAGES, Stack
from tests.integration.wire import Call, Wire
from tests.pictures import jpeg, photograph

KEYS = [f"{number:03}.jpg" for number in range(200)]


@pytest.fixture
def folder(tmp_path: Path, stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the command is called, with a CSV of 200 rows; every tenth is a picture."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dataset.csv").write_bytes(csv_of(KEYS))
    for number, key in enumerate(KEYS[::10]):
        stack.put_image(key, jpeg(photograph(size=(48, 48), seed=number)))
    return tmp_path


def compress(*arguments: str) -> int:
    return main(["--bucket_name", IMAGES, "--csv_path", "dataset.csv", *arguments])


def summary_of(folder: Path) -> dict[str, Any]:
    newest = max(folder.glob("*.summary.json"))
    found: dict[str, Any] = json.loads(newest.read_text())
    return found


def ended(folder: Path) -> list[str]:
    """The paths that all runs in the folder have brought to an end."""
    found = []
    for file in sorted(folder.glob("*.results.csv")):
        with file.open(newline="") as stream:
            rows = csv.DictReader(stream)
            found += [row["path"] for row in rows if row["reason"] != "CANCELLED"]
    return found


@pytest.fixture
def interrupt(line: Wire, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Press Ctrl-C at a call for a key, which goes on when that was heard; no row overtakes it."""
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    monkeypatch.setattr(desktop, "THREADS_A_PROCESSOR", 1)
    heard = threading.Event()
    say = Lines.say

    def hear(lines: Lines, text: str) -> None:
        say(lines, text)
        heard.set()

    monkeypatch.setattr(Lines, "say", hear)

    def press(_: Call) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        assert heard.wait(30)

    return lambda operation, key: line.before(operation, press, Key=key)


def test_an_interrupted_run_ends_what_has_begun_and_can_be_gone_on_with(
    stack: Stack,
    folder: Path,
    interrupt: Callable[[str, str], None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    interrupt("GetObject", KEYS[60])

    assert compress() == 130

    first = summary_of(folder)
    assert first["status"] == "CANCELLED"
    assert f"--resume {first['run_id']}" in first["message"]
    assert "Ending what has begun" in capsys.readouterr().err
    assert KEYS[60] in ended(folder)
    assert len(ended(folder)) < len(KEYS)

    assert main(["--resume", first["run_id"]]) == 1  # nine of ten are no objects

    assert sorted(ended(folder)) == KEYS
    assert summary_of(folder)["parameters"] == first["parameters"]
    for key in KEYS[::10]:
        assert len(stack.image(key) or b"") < len(jpeg(photograph(size=(48, 48))))


def test_an_interrupted_restore_can_be_gone_on_with(
    stack: Stack, folder: Path, interrupt: Callable[[str, str], None]
) -> None:
    before = {key: stack.image(key) for key in KEYS[::10]}
    compress()
    run_id = summary_of(folder)["run_id"]
    interrupt("HeadObject", KEYS[0])
    main(["--bucket_name", IMAGES, "--restore", run_id])
    interrupted = summary_of(folder)
    assert interrupted["status"] == "CANCELLED"

    assert main(["--resume", interrupted["run_id"]]) == 0

    assert {key: stack.image(key) for key in KEYS[::10]} == before


def test_a_killed_run_can_be_gone_on_with(
    stack: Stack, folder: Path, line: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It left what it had written so far; what it did after that is known by its marker."""

    def die(_: Call) -> None:
        raise KeyboardInterrupt

    line.before("GetObject", die, Key=KEYS[90])
    assert compress() == 130
    killed = summary_of(folder)
    assert killed["status"] == "RUNNING"
    (results,) = folder.glob("*.results.csv")
    results.write_bytes(results.read_bytes()[:-30])

    main(["--resume", killed["run_id"]])

    paths = ended(folder)
    assert set(paths) == set(KEYS)
    assert len(paths) <= len(KEYS) + 1


def test_a_csv_that_was_changed_is_not_gone_on_with(
    folder: Path, interrupt: Callable[[str, str], None], capsys: pytest.CaptureFixture[str]
) -> None:
    interrupt("GetObject", KEYS[60])
    compress()
    (folder / "dataset.csv").write_bytes(csv_of(reversed(KEYS)))

    main(["--resume", summary_of(folder)["run_id"]])

    assert summary_of(folder)["status"] == "FAILED"
    assert "Start a new run." in capsys.readouterr().err


def test_runs_are_listed_and_shown(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    compress("--dry_run")
    run_id = summary_of(folder)["run_id"]
    capsys.readouterr()

    assert main(["--list"]) == 0
    assert capsys.readouterr().out == f"{run_id}  COMPLETED  dataset.csv\n"
    assert main(["--status", run_id]) == 0
    assert json.loads(capsys.readouterr().out)["outcomes"]["SKIPPED"] == len(KEYS) // 10


@pytest.mark.parametrize("what", ["--resume", "--status", "--restore"])
def test_a_run_that_is_not_there_is_said(
    folder: Path, capsys: pytest.CaptureFixture[str], what: str
) -> None:
    assert main(["--bucket_name", IMAGES, what, "nobody"]) == 2
    assert "There is no run nobody" in capsys.readouterr().err


def test_json_is_one_object_a_line(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    compress("--json")

    first, *rows, last = map(json.loads, capsys.readouterr().out.splitlines())

    assert first["rows"] == len(KEYS)
    assert [row["result"]["path"] for row in rows] == KEYS
    assert last["summary"]["run_id"] == first["run_id"]
    assert Path(last["summary"]["files"]["log"]).exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--csv_path", "a.csv"], "required: --bucket_name"),
        (["--cancel", "x"], "--cancel needs --stack"),
        (["--resume", "x", "--stack", "s"], "--resume is for runs on this machine"),
        (["--list", "--status", "x"], "not allowed with argument"),
    ],
)
def test_what_does_not_go_together_is_said(
    capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(arguments)

    assert exit_.value.code == 2
    assert words in capsys.readouterr().err


def test_the_help_shows_how_it_is_used(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])

    shown = capsys.readouterr().out
    assert "examples:" in shown
    assert "--perc_compression_quality QUALITY" in shown
    assert "100 = lossless only" in shown
    assert "(default: 80)" in shown


def test_a_terminal_shows_a_bar_and_failures_without_control_characters() -> None:
    """A key must not be able to move the cursor."""
    script = (
        "from imagepress.display import display_for, Live\n"
        "from imagepress.outcome import *\n"
        "from imagepress.part import RowReport\n"
        "shown = display_for(as_json=False)\n"
        "assert isinstance(shown, Live)\n"
        "shown.begin(None, lambda: 2)\n"
        "shown.row(RowReport(RowResult(row=1, path='a.jpg', outcome=Outcome.COMPRESSED,"
        " bytes_before=3000000, bytes_after=1000000), ()))\n"
        "shown.row(RowReport(RowResult(row=2, path='evil\\x1b[2Jkey', outcome=Outcome.FAILED,"
        " reason=FailureCode.NOT_FOUND, message='no such object'), ()))\n"
        "shown.end({'rows': 2, 'run_id': 'r', 'outcomes': {'COMPRESSED': 1, 'SKIPPED': 0,"
        " 'FAILED': 1}, 'bytes_before': 3000000, 'bytes_after': 1000000, 'saved_percent': 66.7,"
        " 'reasons': {'NOT_FOUND': 1}},"
        " {'log': 'x.log'})\n"
    )
    screen = on_a_terminal([sys.executable, "-c", script])

    assert "2/2" in screen
    assert "2.0 MB saved (67 %)" in screen
    assert r"FAILED evil\x1b[2Jkey: NOT_FOUND: no such object" in screen
    assert "\x1b[2J" not in screen
    assert "Log: x.log" in screen


def on_a_terminal(command: list[str]) -> str:
    """What a command shows on a terminal of 120 columns."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        command,
        stdout=theirs,
        stderr=theirs,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "120"},
    ) as process:
        os.close(theirs)
        shown = b""
        while data := _read(ours):
            shown += data
        os.close(ours)
    assert process.returncode == 0, shown.decode()
    return shown.decode()


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 1 << 16)
    except OSError:  # the other end is closed
        return b""
