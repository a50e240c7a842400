"""Images pass through `temp_dir`: it may be missing, full or somebody else's."""

import resource
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.pump import Pump
from tests.integration.service import Service
from tests.integration.stack import IMAGES, RUNS, Stack
from tests.integration.wire import Wire
from tests.pictures import jpeg, photograph, png

SMALL_DISK = 256 * 1024


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of a few kilobytes."""
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SMALL_DISK}", "tmpfs", str(tmp_path)]
    if not shutil.which("mount") or subprocess.call(mount, stderr=subprocess.DEVNULL):
        pytest.skip("mounting a file system takes rights that are not there")
    yield tmp_path
    subprocess.run(["umount", str(tmp_path)], check=True)


def fill(disk: Path, *, but: int = 0) -> None:
    """Leave no more than `but` bytes free."""
    with (disk / "filler").open("wb") as stream:
        stream.write(bytes(max(0, shutil.disk_usage(disk).free - but)))


def limit_files(size: int) -> None:
    """No file may grow beyond `size` bytes from now on."""
    highest = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, highest))


def test_a_folder_of_ones_own_is_used_and_left_as_it_was(
    service: Service, stack: Stack, tmp_path: Path
) -> None:
    stack.put_image("a.jpg", jpeg())
    (tmp_path / "imagepress-not-ours").mkdir()
    (tmp_path / "somebody's.txt").write_text("keep me")

    run = service.upload(["a.jpg", "missing.jpg"], metadata={"temp-dir": str(tmp_path)})

    assert run.outcomes() == ["COMPRESSED", "FAILED/NOT_FOUND"]
    assert f"File saved in {tmp_path}/imagepress-" in run.log
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "imagepress-not-ours",
        "somebody's.txt",
    ]


@pytest.mark.parametrize("name", ["missing", "file", "file/below"])
def test_a_temp_dir_that_is_no_folder_is_refused(
    service: Service, stack: Stack, tmp_path: Path, name: str
) -> None:
    stack.put_image("a.jpg", jpeg())
    before = stack.versions()
    (tmp_path / "file").touch()
    temp_dir = str(tmp_path / name)

    run = service.upload(["a.jpg"], metadata={"temp-dir": temp_dir})

    assert run.status == "FAILED"
    assert temp_dir in run.message
    assert "must be a folder that exists and is writable" in run.message
    assert f"ERROR - {run.message}" in run.log_lines
    assert stack.versions() == before


def test_a_temp_dir_that_vanishes_fails_its_rows(
    service: Service, stack: Stack, pump: Pump, tmp_path: Path
) -> None:
    stack.put_image("a.jpg", jpeg())
    folder = tmp_path / "gone"
    folder.mkdir()
    run_id = service.start_upload(["a.jpg"], metadata={"temp-dir": str(folder)})
    folder.rmdir()
    pump.tolerated = (Exception,)

    run = service.finish(run_id)

    assert run.outcomes() == ["FAILED/NO_TEMP_SPACE"]
    assert str(folder) in run.results[0]["message"]


def test_an_object_that_does_not_fit_is_refused_before_its_download(
    service: Service, stack: Stack, small_disk: Path
) -> None:
    big = png(photograph(size=(400, 300)))
    assert len(big) > SMALL_DISK // 2
    stack.put_image("big.png", big)
    stack.put_image("small.jpg", jpeg())

    run = service.upload(["big.png", "small.jpg"], metadata={"temp-dir": str(small_disk)})

    assert run.outcomes() == ["FAILED/NO_TEMP_SPACE", "COMPRESSED"]
    message = run.results[0]["message"]
    assert f"{2 * len(big):,} bytes" in message
    assert str(small_disk) in message
    assert stack.image("big.png") == big
    assert list(small_disk.iterdir()) == []


def test_a_disk_that_is_full_fails_the_row(
    service: Service, stack: Stack, small_disk: Path
) -> None:
    stack.put_image("a.jpg", jpeg())
    fill(small_disk)

    run = service.upload(["a.jpg"], metadata={"temp-dir": str(small_disk)})

    assert run.outcomes() == ["FAILED/NO_TEMP_SPACE"]
    assert str(small_disk) in run.results[0]["message"]
    assert stack.image("a.jpg") == jpeg()
    assert [path.name for path in small_disk.iterdir()] == ["filler"]


def test_a_disk_that_fills_up_during_the_download_fails_the_row(
    service: Service, stack: Stack, wire: Wire, small_disk: Path
) -> None:
    body = png(photograph(size=(200, 150)))
    stack.put_image("a.png", body)
    wire.after("GetObject", lambda _: fill(small_disk, but=len(body) // 2), Bucket=IMAGES)

    run = service.upload(["a.png"], metadata={"temp-dir": str(small_disk)})

    assert run.outcomes() == ["FAILED/NO_TEMP_SPACE"]
    assert "No space left" in run.results[0]["message"]
    assert stack.image("a.png") == body
    assert [path.name for path in small_disk.iterdir()] == ["filler"]


def test_a_disk_that_fills_up_during_the_compression_fails_the_row(
    service: Service, stack: Stack, wire: Wire, small_disk: Path
) -> None:
    body = png(photograph(size=(200, 150)))
    stack.put_image("a.png", body)
    wire.after("GetObject", lambda _: fill(small_disk, but=len(body) + 8192), Bucket=IMAGES)

    run = service.upload(["a.png"], metadata={"temp-dir": str(small_disk)})

    assert run.outcomes() == ["FAILED/NO_TEMP_SPACE"]
    assert "The result cannot be saved: " in run.results[0]["message"]
    assert stack.image("a.png") == body
    assert [path.name for path in small_disk.iterdir()] == ["filler"]


def test_a_download_over_a_quota_fails_the_row(service: Service, stack: Stack, wire: Wire) -> None:
    stack.put_image("a.jpg", jpeg())
    stack.put_image("small.jpg", jpeg(photograph(size=(16, 16))))
    assert len(jpeg()) > 2048 > len(jpeg(photograph(size=(16, 16))))
    wire.after("GetObject", lambda _: limit_files(2048), times=2, Bucket=IMAGES)
    wire.before("PutObject", lambda _: limit_files(resource.RLIM_INFINITY), times=9, Bucket=RUNS)

    run = service.upload(["a.jpg", "small.jpg"])

    assert run.outcomes() == ["FAILED/NO_TEMP_SPACE", "COMPRESSED"]
    assert "The download cannot be saved: " in run.results[0]["message"]
    assert stack.image("a.jpg") == jpeg()
