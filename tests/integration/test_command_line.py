"""The original script's command, on this machine."""

import csv
import gzip
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from imagepress import completion, desktop
from imagepress.command_line import main
from tests.integration.service import RESULT_COLUMNS, csv_of
from tests.integration.stack import CREDENTIALS, IMAGES, Stack
from tests.integration.wire import Call, Wire, break_down, lose_the_answer, throttle
from tests.pictures import jpeg, photograph, png

SCRIPT = Path(__file__).parents[2] / "compress_images_from_S3.py"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the command is called."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def command(stack: Stack, folder: Path) -> Callable[..., int]:
    """The command with the bucket and `dataset.csv`, and more arguments."""

    def call(*arguments: str) -> int:
        return main(["--bucket_name", IMAGES, "--csv_path", "dataset.csv", *arguments])

    return call


def write_csv(folder: Path, *keys: str) -> None:
    (folder / "dataset.csv").write_bytes(csv_of(keys))


def results(folder: Path) -> list[dict[str, str]]:
    (file,) = folder.glob("compression_*.results.csv")
    with file.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_all_well_is_exit_code_0(stack: Stack, folder: Path, command: Callable[..., int]) -> None:
    stack.put_image("a.jpg", jpeg())
    stack.put_image("b.png", png())
    write_csv(folder, "a.jpg", "b.png")

    assert command() == 0

    assert [row["outcome"] for row in results(folder)] == ["COMPRESSED", "COMPRESSED"]
    assert len(stack.image("a.jpg") or b"") < len(jpeg())
    assert len(stack.image("b.png") or b"") < len(png())


def test_a_failed_row_is_exit_code_1(
    stack: Stack, folder: Path, command: Callable[..., int]
) -> None:
    stack.put_image("a.jpg", jpeg())
    write_csv(folder, "a.jpg", "missing.jpg")

    assert command() == 1
    assert [row["reason"] for row in results(folder)] == ["", "NOT_FOUND"]


def test_a_skipped_row_is_no_failure(
    stack: Stack, folder: Path, command: Callable[..., int]
) -> None:
    stack.put_image("a.txt", b"hello")
    write_csv(folder, "a.txt")

    assert command() == 0


def test_all_files_share_one_stem(stack: Stack, folder: Path, command: Callable[..., int]) -> None:
    stack.put_image("a.jpg", jpeg())
    write_csv(folder, "a.jpg", "missing.jpg")
    (folder / "reports").mkdir()

    command("--output_dir", "reports")

    names = sorted(path.name for path in (folder / "reports").iterdir())
    stem = names[0].split(".")[0]
    assert re.fullmatch(r"compression_\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d", stem)
    assert names == [
        f"{stem}.{end}"
        for end in ("failed.csv", "log", "report.html", "results.csv", "summary.json", "undo.csv")
    ]
    assert sorted(path.name for path in folder.iterdir()) == ["dataset.csv", "reports"]


def test_the_files_say_what_a_deployed_run_says(
    stack: Stack, folder: Path, command: Callable[..., int]
) -> None:
    stack.put_image("a.jpg", jpeg())
    write_csv(folder, "a.jpg", "missing.jpg", "a.jpg")

    command()

    (log,) = folder.glob("*.log")
    lines = [one.split(" - ", 1)[1] for one in log.read_text().splitlines()]
    assert lines[0].startswith("INFO - Processing started: run ")
    assert lines[1] == "INFO - Downloading object a.jpg from AWS S3."
    assert lines[-1].startswith("INFO - Processing finished: COMPLETED, 3 images: 1 compressed")
    (file,) = folder.glob("*.results.csv")
    assert file.read_text().splitlines()[0] == RESULT_COLUMNS
    (summary,) = (json.loads(path.read_text()) for path in folder.glob("*.summary.json"))
    assert summary["outcomes"] == {"COMPRESSED": 1, "SKIPPED": 1, "FAILED": 1}
    assert summary["source"] == "dataset.csv"
    assert all((folder / path).exists() for path in summary["files"].values())
    (failed,) = folder.glob("*.failed.csv")
    assert failed.read_text().splitlines()[1].startswith("missing.jpg,NOT_FOUND,")


def test_the_screen_shows_the_log_and_the_totals(
    stack: Stack,
    folder: Path,
    command: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
) -> None:
    stack.put_image("a.jpg", jpeg())
    stack.put_image("notes.jpg", b"no picture")
    write_csv(folder, "a.jpg", "missing.jpg", "notes.jpg", "a.jpg", "notes.jpg")

    command()

    shown = capsys.readouterr()
    assert " - INFO - Downloading object a.jpg from AWS S3.\n" in shown.out
    assert "5 images: 1 compressed, 3 skipped, 1 failed;" in shown.out
    assert "\nSkipped: 2 UNSUPPORTED_FORMAT, 1 DUPLICATE\n" in shown.out
    assert re.search(r"^Log: compression_\S+\.log$", shown.out, re.MULTILINE)
    assert shown.err == ""


@pytest.mark.parametrize("name", ["dataset.csv", "dataset.csv.gz"])
def test_a_gzipped_csv_is_read(
    stack: Stack, folder: Path, command: Callable[..., int], name: str
) -> None:
    stack.put_image("a.jpg", jpeg())
    (folder / name).write_bytes(gzip.compress(csv_of(["a.jpg"])))

    assert command("--csv_path", name) == 0


@pytest.mark.parametrize("content", [b"", b"path\n"])
def test_an_empty_csv_is_all_well(
    folder: Path, command: Callable[..., int], content: bytes
) -> None:
    (folder / "dataset.csv").write_bytes(content)

    assert command() == 0
    assert results(folder) == []


def test_parameters_have_the_original_scripts_names(
    stack: Stack, folder: Path, command: Callable[..., int]
) -> None:
    stack.put_image("a.jpg", jpeg())
    stack.put_image("b.jpg", jpeg(photograph(size=(128, 128))))
    write_csv(folder, "a.jpg", "b.jpg")
    (folder / "scratch").mkdir()

    code = command(
        "--perc_compression_quality", "75", "--max_image_pixels", "10000", "--temp_dir", "scratch"
    )

    assert code == 1
    assert [row["quality"] or row["reason"] for row in results(folder)] == ["75", "TOO_MANY_PIXELS"]
    assert list((folder / "scratch").iterdir()) == []


def test_rows_are_in_the_manifests_order(
    stack: Stack, folder: Path, command: Callable[..., int]
) -> None:
    keys = [f"{number}.jpg" for number in range(20)]
    for key in keys[::3]:
        stack.put_image(key, jpeg(photograph(size=(32, 32))))
    write_csv(folder, *keys)

    command()

    assert [row["path"] for row in results(folder)] == keys


def test_a_second_call_touches_nothing(
    stack: Stack, folder: Path, command: Callable[..., int]
) -> None:
    stack.put_image("a.jpg", jpeg())
    write_csv(folder, "a.jpg")
    for name in ("first", "second"):
        (folder / name).mkdir()
    command("--output_dir", "first")
    versions = stack.versions()

    assert command("--output_dir", "second") == 0

    assert results(folder / "second")[0]["reason"] == "ALREADY_COMPRESSED"
    assert stack.versions() == versions


def test_a_change_made_meanwhile_stays(
    stack: Stack, folder: Path, command: Callable[..., int], line: Wire
) -> None:
    stack.put_image("a.jpg", jpeg())
    write_csv(folder, "a.jpg")
    line.before("PutObject", lambda _: stack.put_image("a.jpg", b"newer"))

    assert command() == 1
    assert stack.image("a.jpg") == b"newer"


@pytest.mark.parametrize(("times", "code"), [(2, 0), (3, 1)])
def test_a_row_has_three_tries(
    stack: Stack,
    folder: Path,
    command: Callable[..., int],
    line: Wire,
    monkeypatch: pytest.MonkeyPatch,
    times: int,
    code: int,
) -> None:
    monkeypatch.setattr(desktop, "RETRY_SECONDS", 0)
    stack.put_image("a.jpg", jpeg())
    write_csv(folder, "a.jpg")
    line.before("GetObject", break_down, times=times)

    assert command() == code
    assert results(folder)[0]["reason"] == ("RETRIES_EXHAUSTED" if code else "")


def test_whoever_asks_too_much_waits_and_spends_no_tries(
    stack: Stack,
    folder: Path,
    command: Callable[..., int],
    line: Wire,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(desktop, "RETRY_SECONDS", 0)
    stack.put_image("a.jpg", jpeg())
    write_csv(folder, "a.jpg")
    line.before("GetObject", throttle, times=desktop.ROW_REFUSALS - 1)

    assert command() == 0


def test_a_last_try_that_was_applied_is_not_given_up(
    stack: Stack,
    folder: Path,
    command: Callable[..., int],
    line: Wire,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(desktop, "RETRY_SECONDS", 0)
    stack.put_image("a.jpg", jpeg())
    write_csv(folder, "a.jpg")
    line.before("GetObject", break_down, times=2)

    def go_silent(call: Call) -> None:
        line.before("HeadObject", break_down)
        lose_the_answer(call)

    line.after("PutObject", go_silent)

    assert command() == 0
    assert results(folder)[0]["outcome"] == "COMPRESSED"


def test_an_interruption_is_said_in_one_line(
    stack: Stack,
    folder: Path,
    command: Callable[..., int],
    line: Wire,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def interrupt(_: Call) -> None:
        raise KeyboardInterrupt

    stack.put_image("a.jpg", jpeg())
    write_csv(folder, "a.jpg")
    line.before("PutObject", interrupt)

    assert command() == 130
    assert capsys.readouterr().err.startswith("Interrupted: ")
    assert stack.image("a.jpg") == jpeg()


# Bad use


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--quality", "75"], ("--quality; did you mean --perc_compression_quality?",)),
        (["--perc_compresion_quality", "75"], ("did you mean --perc_compression_quality?",)),
        (["--perc-compression-quality=75"], ("did you mean --perc_compression_quality?",)),
        (["--temp", "/tmp"], ("unknown argument --temp",)),
        (["extra"], ("unknown argument extra",)),
        (["--perc_compression_quality", "101"], ("101", "0 to 100")),
        (["--perc_compression_quality", "-1"], ("-1", "0 to 100")),
        (["--perc_compression_quality", "80.5"], ("80.5", "0 to 100")),
        (["--perc_compression_quality", "high"], ("high", "0 to 100")),
        (["--perc_compression_quality", ""], ("perc_compression_quality", "0 to 100")),
        (["--max_image_pixels", "0"], ("max_image_pixels", "at least 1")),
        (["--perc_compression_quality"], ("expected one argument",)),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, list) else "",
)
def test_a_wrong_argument_is_exit_code_2_and_says_what_is_right(
    stack: Stack,
    folder: Path,
    command: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    words: tuple[str, ...],
) -> None:
    stack.put_image("a.jpg", jpeg())
    write_csv(folder, "a.jpg")

    with pytest.raises(SystemExit) as exit_:
        command(*arguments)

    assert exit_.value.code == 2
    shown = capsys.readouterr().err
    for word in words:
        assert word in shown
    assert stack.image("a.jpg") == jpeg()


def test_missing_arguments_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main([])

    assert exit_.value.code == 2
    shown = capsys.readouterr().err
    assert "--bucket_name" in shown
    assert "--csv_path" in shown


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, ("csv_path is '", "dataset.csv'; it cannot be read: No such file or directory\n")),
        (b"file\na.jpg\n", ("no column path", "file")),
        (png(), ("UTF-8",)),
        (gzip.compress(b"path\na.jpg\n")[:20], ("cannot be read",)),
        (b"\x1f\x8b no gzip", ("cannot be read",)),
    ],
    ids=["missing", "no column", "picture", "cut gzip", "no gzip"],
)
def test_a_csv_that_cannot_be_read_is_exit_code_2(
    stack: Stack,
    folder: Path,
    command: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
    content: bytes | None,
    words: tuple[str, ...],
) -> None:
    if content is not None:
        (folder / "dataset.csv").write_bytes(content)

    assert command() == 2

    shown = capsys.readouterr().err
    assert shown.startswith("error: ")
    for word in words:
        assert word in shown
    assert list(folder.glob("compression_*")) == []


def test_a_folder_is_no_csv(
    folder: Path, command: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "dataset.csv").mkdir()

    assert command() == 2
    assert "cannot be read" in capsys.readouterr().err


def test_a_csv_that_breaks_in_the_middle_leaves_a_whole_report(
    stack: Stack, folder: Path, command: Callable[..., int]
) -> None:
    stack.put_image("a.jpg", jpeg())
    too_long = [f"{number:01100}" for number in range(3000)]
    packed = gzip.compress(csv_of(["a.jpg", *too_long]))
    (folder / "dataset.csv").write_bytes(packed[:-100])

    assert command() != 0

    assert stack.image("a.jpg") == jpeg() or list(folder.glob("*.summary.json"))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--bucket_name", "no-such-bucket"], ("bucket_name", "no bucket no-such-bucket")),
        pytest.param(
            ["--bucket_name", "Not A Bucket!"],
            ("bucket_name", "Not A Bucket!"),
        ),
        (["--bucket_name", f"s3://{IMAGES}"], (f"s3://{IMAGES}", "name alone")),
        (["--csv_path", "s3://lists/a.csv"], ("'s3://lists/a.csv'", "file on this machine")),
        (["--temp_dir", "/does/not/exist"], ("temp_dir", "/does/not/exist", "writable")),
        (["--output_dir", "/does/not/exist"], ("output_dir", "/does/not/exist", "writable")),
        (["--output_dir", "dataset.csv"], ("output_dir", "dataset.csv", "folder")),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, list) else "",
)
def test_a_place_that_is_wrong_is_exit_code_2(
    stack: Stack,
    folder: Path,
    command: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    words: tuple[str, ...],
) -> None:
    stack.put_image("a.jpg", jpeg())
    write_csv(folder, "a.jpg")

    assert command(*arguments) == 2

    shown = capsys.readouterr().err
    assert shown.startswith("error: ")
    assert shown.count("\n") == 1
    for word in words:
        assert word in shown
    assert stack.image("a.jpg") == jpeg()
    assert list(folder.glob("compression_*")) == []


def test_missing_credentials_are_exit_code_2_and_say_how_to_set_them_up(
    stack: Stack,
    folder: Path,
    command: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write_csv(folder, "a.jpg")
    for name in CREDENTIALS:
        if "REGION" not in name:
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(folder / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(folder / "none"))

    assert command() == 2

    shown = capsys.readouterr().err
    assert shown.startswith("error: ")
    assert "Unable to locate credentials. Set up credentials and region" in shown
    assert "aws configure" in shown


def test_the_script_itself_runs(tmp_path: Path) -> None:
    def call(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(SCRIPT), *arguments]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    version, nothing = call("--version"), call()

    assert (version.returncode, nothing.returncode) == (0, 2)
    assert version.stdout.startswith("imagepress ")
    assert "--csv_path" in nothing.stderr


def test_a_run_most_of_whose_rows_fail_stops_itself(
    stack: Stack,
    folder: Path,
    command: Callable[..., int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(completion, "ROWS_BEFORE_JUDGING", 2)
    stack.put_image("last.jpg", jpeg())
    write_csv(folder, *(f"missing-{number}.jpg" for number in range(600)), "last.jpg")

    assert command() == 1

    rows = results(folder)
    assert len(rows) == 601
    assert rows[0]["outcome"] == "FAILED"
    assert (rows[-1]["outcome"], rows[-1]["reason"]) == ("SKIPPED", "CANCELLED")
    assert stack.image("last.jpg") == jpeg()
