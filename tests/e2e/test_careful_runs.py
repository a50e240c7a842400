"""Dry runs, backups, buckets without versions, and a run that is cancelled."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import pytest

from imagepress.run import RunStatus
from tests.e2e.system import System
from tests.e2e.test_restores import FULL
from tests.pictures import jpeg, photograph, png

pytestmark = pytest.mark.e2e


def test_a_dry_run_writes_nothing_and_estimates(system: System, name: str) -> None:
    keys = [f"{name}/{number}.jpg" for number in range(4)]
    for number, key in enumerate(keys):
        system.put(key, jpeg(photograph(seed=number)))
    system.put_csv(f"{name}.txt", csv_text(keys))
    before = system.versions()

    answer = system.invoke({"csv_path": f"{name}.txt", "dry_run": True, "backup_prefix": "copies"})
    dry = system.await_run(answer["run_id"])

    assert system.versions() == before
    assert dry.outcomes() == ["SKIPPED/DRY_RUN"] * 4
    assert dry.undo == []
    estimate = dry.summary["dry_run"]
    assert (estimate["rows_drawn"], estimate["would_compress"]) == (4, 4)
    assert estimate["bytes_saved"] == estimate["bytes_saved_drawn"] > 0
    assert estimate["interval_95"] == [estimate["bytes_saved"]] * 2

    wet = system.await_run(system.upload_csv(f"wet-{name}.csv", keys))
    assert wet.summary["bytes_saved"] == estimate["bytes_saved"]


def test_originals_are_copied_with_all_their_properties(system: System, name: str) -> None:
    keys = [f"{name}/a b.jpg", f"{name}/c.png"]
    system.put(keys[0], jpeg(), **FULL)
    system.put(keys[1], png(), **FULL)
    before = [system.stored(key) for key in keys]

    metadata = {"backup-prefix": f"{name}-copies"}
    run = system.await_run(system.upload_csv(f"{name}.csv", keys, metadata))

    copies = [f"{name}-copies/{run.run_id}/{key}" for key in keys]
    assert run.outcomes() == ["COMPRESSED"] * 2
    assert [system.stored(copy) for copy in copies] == before
    assert [row["backup"] for row in run.undo] == copies
    assert run.summary["undo"] == "backup"

    # A manifest that names the copies too, as one made from a listing would.
    second = system.await_run(system.upload_csv(f"again-{name}.csv", [*keys, *copies], metadata))
    assert second.outcomes() == [
        *["SKIPPED/ALREADY_COMPRESSED"] * 2,
        *["SKIPPED/BACKUP"] * 2,
    ]
    assert [system.stored(copy) for copy in copies] == before


def test_without_versions_a_run_says_that_there_is_no_way_back(system: System, name: str) -> None:
    key = f"{name}/picture.jpg"
    with versioning(system, "Suspended"):
        system.put(key, jpeg())
        system.put_csv(f"{name}.txt", csv_text([key]))
        answer = system.invoke({"csv_path": f"{name}.txt"})
        run = system.await_run(answer["run_id"])
        compressed = system.stored(key)
        restore_answer = system.invoke({"action": "restore", "run_id": run.run_id})
        restore = system.await_run(restore_answer["run_id"])

    (note,) = answer["notes"]
    assert "does not keep versions" in note
    assert "cannot be brought back" in note
    assert run.outcomes() == ["COMPRESSED"]
    assert run.summary["notes"] == [note]
    assert run.summary["undo"] == "none"
    assert run.log_lines[1] == f"WARNING - {note}"
    assert restore.outcomes() == ["FAILED/NO_ORIGINAL"]
    assert system.stored(key) == compressed


def test_without_versions_a_backup_is_the_way_back(system: System, name: str) -> None:
    key = f"{name}/picture.jpg"
    with versioning(system, "Suspended"):
        system.put(key, jpeg(), **FULL)
        before = system.stored(key)
        system.put_csv(f"{name}.txt", csv_text([key]))
        answer = system.invoke({"csv_path": f"{name}.txt", "backup_prefix": f"{name}-copies"})
        run = system.await_run(answer["run_id"])
        restore_answer = system.invoke({"action": "restore", "run_id": run.run_id})
        restore = system.await_run(restore_answer["run_id"])

    assert answer["notes"] == []
    assert run.outcomes() == ["COMPRESSED"]
    assert restore.outcomes() == ["RESTORED"]
    assert system.stored(key) == before


def test_a_cancelled_run_ends_soon_and_accounts_for_every_row(system: System, name: str) -> None:
    picture = png(photograph(size=(900, 700)))
    keys = [f"{name}/{number}.png" for number in range(32)]
    for key in keys:
        system.put(key, picture)
    before = system.versions(name)
    run_id = system.upload_csv(f"{name}.csv", keys)
    system.await_rows(run_id)
    too_early = system.invoke({"action": "restore", "run_id": run_id})

    answer = system.invoke({"action": "cancel", "run_id": run_id})
    again = system.invoke({"action": "cancel", "run_id": run_id})
    run = system.await_run(run_id)

    assert too_early["status"] == "FAILED"
    assert "still RUNNING" in too_early["message"]
    for told in (answer, again):
        assert told["run_id"] == run_id
        assert told["status"] in ("STOPPING", "REPORTING", "CANCELLED")
    assert run.status is RunStatus.CANCELLED
    assert [row["path"] for row in run.results] == keys
    outcomes = run.outcomes()
    assert set(outcomes) == {"COMPRESSED", "SKIPPED/CANCELLED"}
    touched = {key for key, ids in system.versions(name).items() if ids != before[key]}
    done = {key for key, outcome in zip(keys, outcomes, strict=True) if outcome == "COMPRESSED"}
    assert touched == done == {row["path"] for row in run.undo}
    assert run.summary["outcomes"] == {
        "COMPRESSED": len(done),
        "SKIPPED": len(keys) - len(done),
        "FAILED": 0,
    }

    # What is cancelled can be gone on with.
    late = system.invoke({"action": "cancel", "run_id": run_id})
    assert late["status"] == "CANCELLED"


def test_cancelling_what_is_not_there_is_refused(system: System) -> None:
    answer = system.invoke({"action": "cancel", "run_id": "20200101T000000-nothing-00000000"})

    assert answer["status"] == "FAILED"
    assert "there is no run" in answer["message"]


@contextmanager
def versioning(system: System, status: Literal["Enabled", "Suspended"]) -> Iterator[None]:
    """The images bucket with its versioning set so."""
    set_versioning = system.clients.s3.put_bucket_versioning
    bucket: Any = system.deployment.images_bucket
    set_versioning(Bucket=bucket, VersioningConfiguration={"Status": status})
    try:
        yield
    finally:
        set_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})


def csv_text(keys: list[str]) -> bytes:
    """A manifest of plain keys."""
    return "\n".join(["path", *keys, ""]).encode()
