"""The command line with --stack: upload, follow, fetch, look back, undo."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from infra import STACK_ID
from tests.e2e.system import System, csv_of
from tests.pictures import jpeg

pytestmark = pytest.mark.e2e

SCRIPT = Path(__file__).parents[2] / "compress_images_from_S3.py"


class Command:
    """The script, called in a folder by somebody who has credentials for the local AWS."""

    def __init__(self, system: System, folder: Path) -> None:
        self._folder = folder
        self._environment = {**os.environ, **system.emulator.environment()}

    def __call__(self, *arguments: str, stack: str = STACK_ID) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, str(SCRIPT), "--stack", stack, *arguments],
            cwd=self._folder,
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )


@pytest.fixture
def command(system: System, tmp_path: Path) -> Command:
    return Command(system, tmp_path)


def rows(folder: Path) -> list[dict[str, str]]:
    with max(folder.glob("*.results.csv")).open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_stack_does_the_work_and_the_results_come_here(
    system: System, command: Command, tmp_path: Path, name: str
) -> None:
    keys = [f"{name}/1.jpg", f"{name}/missing.jpg"]
    system.put(keys[0], jpeg())
    (tmp_path / "dataset.csv").write_bytes(csv_of(keys))
    bucket = system.deployment.images_bucket

    run = command("--bucket_name", bucket, "--csv_path", "dataset.csv")

    assert run.returncode == 1, run.stderr  # one row failed
    assert "2 images: 1 compressed, 0 skipped, 1 failed" in run.stdout
    assert [row["outcome"] for row in rows(tmp_path)] == ["COMPRESSED", "FAILED"]
    summary = json.loads(max(tmp_path.glob("*.summary.json")).read_text())
    run_id = summary["run_id"]
    assert f"Run {run_id} has begun" in run.stderr
    assert list(tmp_path.glob("compression_*.log"))

    listed = command("--list")
    assert f"{run_id}  COMPLETED" in listed.stdout
    status = json.loads(command("--status", run_id).stdout)
    assert (status["rows_done"], status["outcomes"]["COMPRESSED"]) == (2, 1)

    restored = command("--restore", run_id)
    assert restored.returncode == 0, restored.stderr
    assert "1 restored" in restored.stdout
    assert system.get(keys[0]) == jpeg()


def test_a_prefix_is_followed_as_json(
    system: System, command: Command, tmp_path: Path, name: str
) -> None:
    system.put(f"{name}/1.jpg", jpeg())
    bucket = system.deployment.images_bucket

    run = command("--bucket_name", bucket, "--prefix", f"{name}/", "--dry_run", "--json")

    *looks, last = map(json.loads, run.stdout.splitlines())
    assert all("rows_done" in look["status"] for look in looks)
    assert last["summary"]["reasons"] == {"DRY_RUN": 1}
    assert all(Path(tmp_path, file).exists() for file in last["summary"]["files"].values())
    assert system.get(f"{name}/1.jpg") == jpeg()


def test_a_run_that_is_over_cannot_be_cancelled_but_is_told_of(
    system: System, command: Command, name: str
) -> None:
    run = system.await_run(system.upload_csv(f"{name}.csv", [f"{name}/missing.jpg"]))

    cancelled = command("--cancel", run.run_id)

    assert cancelled.returncode == 0
    assert f"{run.run_id}: COMPLETED" in cancelled.stderr


@pytest.mark.parametrize(
    ("arguments", "stack", "words"),
    [
        (("--list",), "nothing", "region us-east-1 has no such stack"),
        (("--status", "nobody"), STACK_ID, "there is no run 'nobody'"),
        (("--cancel", "nobody"), STACK_ID, "there is no run 'nobody'"),
        (("--restore", "nobody"), STACK_ID, "there is no run 'nobody'"),
        (("--csv_path", "none.csv"), STACK_ID, "csv_path is 'none.csv'; it cannot be read"),
        (
            ("--bucket_name", "others", "--prefix", ""),
            STACK_ID,
            "bucket_name is 'others'; the stack was deployed for",
        ),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(
    command: Command, arguments: tuple[str, ...], stack: str, words: str
) -> None:
    run = command(*arguments, stack=stack)

    assert run.returncode == 2
    assert words in run.stderr
    assert run.stderr.count("\n") == 1
