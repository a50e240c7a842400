"""Undoing a run: everything comes back as it was, and nothing that somebody changed later."""

from datetime import UTC, datetime
from typing import Any

import pytest

from imagepress.run import RunStatus
from tests.e2e.system import System
from tests.pictures import jpeg, photograph, png

pytestmark = pytest.mark.e2e

FULL: dict[str, Any] = {
    "ContentType": "image/x-tested",
    "CacheControl": "public, max-age=31536000, immutable",
    "ContentDisposition": 'attachment; filename="a picture.jpg"',
    "ContentLanguage": "de-DE",
    "Expires": datetime(2031, 2, 3, 4, 5, 6, tzinfo=UTC),
    "Metadata": {"owner": "A. Tester", "album": "summer+autumn=2"},
    "Tagging": "cost=50%25&who=A+%26+B",
}


def test_a_run_and_its_restore_leave_every_object_as_before(system: System, name: str) -> None:
    bodies = {
        f"{name}/bare.jpg": (jpeg(), {}),
        f"{name}/full.jpg": (jpeg(photograph(seed=1)), FULL),
        f"{name}/a b+ü.png": (png(photograph("RGBA")), FULL),
    }
    for key, (body, properties) in bodies.items():
        system.put(key, body, **properties)
    keys = [*bodies, f"{name}/missing.jpg"]
    before = {key: system.stored(key) for key in bodies}
    run = system.await_run(system.upload_csv(f"{name}.csv", keys))
    assert run.outcomes() == [*["COMPRESSED"] * 3, "FAILED/NOT_FOUND"]
    for key in bodies:
        now = system.stored(key)
        assert now.body != before[key].body
        assert now.marker is not None
        assert now.without_marker() == before[key].without_marker()

    answer = system.invoke({"action": "restore", "run_id": run.run_id, "client_token": name})
    again = system.invoke({"action": "restore", "run_id": run.run_id, "client_token": name})
    restore = system.await_run(answer["run_id"])

    assert again["run_id"] == answer["run_id"]
    assert restore.status is RunStatus.COMPLETED
    assert restore.outcomes() == ["RESTORED"] * 3
    assert restore.summary["restores"] == run.run_id
    assert {key: system.stored(key) for key in bodies} == before

    # Somebody presses the button once more, later.
    versions = system.versions(name)
    repeated = system.invoke({"action": "restore", "run_id": run.run_id})
    assert repeated["run_id"] != answer["run_id"]
    assert system.await_run(repeated["run_id"]).outcomes() == ["RESTORED"] * 3
    assert system.versions(name) == versions


def test_what_was_changed_after_the_run_stays(system: System, name: str) -> None:
    keys = [f"{name}/{what}.jpg" for what in ("changed", "deleted", "kept")]
    original = jpeg()
    for key in keys:
        system.put(key, original)
    run = system.await_run(system.upload_csv(f"{name}.csv", keys))
    newer = jpeg(photograph(seed=9))
    system.put(keys[0], newer, ContentType="image/jpeg")
    system.clients.s3.delete_object(Bucket=system.deployment.images_bucket, Key=keys[1])

    answer = system.invoke({"action": "restore", "run_id": run.run_id})
    restore = system.await_run(answer["run_id"])

    assert restore.outcomes() == ["SKIPPED/CHANGED_LATER", "SKIPPED/CHANGED_LATER", "RESTORED"]
    assert [system.get(key) for key in keys] == [newer, None, original]


@pytest.mark.parametrize(
    ("event", "message"),
    [
        ({"run_id": "20200101T000000-nothing-00000000"}, "there is no run"),
        ({}, "run_id is missing"),
        ({"run_id": "x", "runid": 1}, "Did you mean run_id?"),
    ],
)
def test_a_restore_that_makes_no_sense_is_refused(
    system: System, event: dict[str, Any], message: str
) -> None:
    answer = system.invoke({"action": "restore", **event})

    assert answer["status"] == "FAILED"
    assert message in answer["message"]
    assert system.await_run(answer["run_id"]).status is RunStatus.FAILED


def test_a_restore_is_not_itself_restored(system: System, name: str) -> None:
    system.put(f"{name}/picture.jpg", jpeg())
    run = system.await_run(system.upload_csv(f"{name}.csv", [f"{name}/picture.jpg"]))
    restore = system.invoke({"action": "restore", "run_id": run.run_id})
    system.await_run(restore["run_id"])

    answer = system.invoke({"action": "restore", "run_id": restore["run_id"]})

    assert answer["status"] == "FAILED"
    assert "itself a restore" in answer["message"]
