"""The deployed system, from a CSV or an invocation to replaced objects and a report."""

import csv
import gzip
import hashlib
import io
import json
from typing import Any

import pytest

from imagepress.run import RunStatus
from tests.e2e.system import System, csv_of
from tests.pictures import decoded, encoded, jpeg, photograph

pytestmark = pytest.mark.e2e


def test_an_uploaded_csv_replaces_its_images(system: System, name: str) -> None:
    body = jpeg()
    keys = [f"{name}/{number}.jpg" for number in range(3)]
    for key in keys:
        system.put(key, body, ContentType="image/jpeg", CacheControl="max-age=60")

    run = system.await_run(system.upload_csv(f"{name}.csv", keys))

    assert run.status is RunStatus.COMPLETED
    assert run.outcomes() == ["COMPRESSED"] * 3
    for key in keys:
        now = system.get(key)
        assert now is not None
        assert len(now) < len(body)
        assert decoded(now).size == decoded(body).size
        assert system.head(key)["CacheControl"] == "max-age=60"


def test_the_log_has_the_actions_of_each_row_in_order(system: System, name: str) -> None:
    keys = [f"{name}/a b+c.jpg", f"{name}/missing.jpg"]
    body = jpeg()
    system.put(keys[0], body)

    run = system.await_run(system.upload_csv(f"{name}.csv", keys))

    bucket = system.deployment.images_bucket
    said = [line for line in run.log_lines if "a b+c" in line or "missing" in line]
    assert said[0] == f"INFO - Downloading object {keys[0]} from AWS S3."
    assert any(
        line.startswith(f"INFO - Upload object {keys[0]} for bucket {bucket} with size")
        for line in said
    )
    assert run.log_lines[0].startswith("INFO - Processing started")
    assert run.log_lines[-1].startswith("INFO - Processing finished: COMPLETED, 2 images")
    assert run.outcomes() == ["COMPRESSED", "FAILED/NOT_FOUND"]
    assert [row["path"] for row in csv.DictReader(io.StringIO(run.failed))] == [keys[1]]


def test_a_direct_invocation_answers_at_once_and_runs(system: System, name: str) -> None:
    key = f"{name}/picture.jpg"
    system.put(key, jpeg())
    system.put_csv(f"{name}.txt", f"path\n{key}\n".encode())

    answer = system.invoke({"csv_path": f"{name}.txt", "perc_compression_quality": 70})

    assert answer["status"] == "RUNNING"
    assert answer["estimated_rows"] >= 1
    run = system.await_run(answer["run_id"])
    assert run.outcomes() == ["COMPRESSED"]
    assert run.summary["parameters"]["perc_compression_quality"] == 70
    assert answer["log"].startswith(f"s3://{system.deployment.runs_bucket}/runs/{run.run_id}/")


def test_a_second_run_touches_nothing(system: System, name: str) -> None:
    keys = [f"{name}/{number}.jpg" for number in range(2)]
    for key in keys:
        system.put(key, jpeg())
    system.await_run(system.upload_csv(f"{name}-1.csv", keys))
    before = [system.head(key) for key in keys]

    second = system.await_run(system.upload_csv(f"{name}-2.csv", keys))

    assert second.outcomes() == ["SKIPPED/ALREADY_COMPRESSED"] * 2
    for key, head in zip(keys, before, strict=True):
        assert system.head(key)["VersionId"] == head["VersionId"]


def test_every_awkward_row_has_its_outcome(system: System, name: str) -> None:
    objects = {
        "cut.jpg": jpeg()[:2000],
        "animation.gif": encoded(photograph("P"), "GIF"),
        "wrong.png": jpeg(),
    }
    for key, body in objects.items():
        system.put(f"{name}/{key}", body)
    rows = [*(f"{name}/{key}" for key in objects), f"{name}/no.jpg"]

    run = system.await_run(system.upload_csv(f"{name}.csv", rows))

    assert run.outcomes() == [
        "FAILED/CORRUPT_IMAGE",
        "SKIPPED/UNSUPPORTED_FORMAT",
        "COMPRESSED",
        "FAILED/NOT_FOUND",
    ]
    for key in ("cut.jpg", "animation.gif"):
        assert system.get(f"{name}/{key}") == objects[key]


def test_an_object_with_annotations_stays(system: System, name: str) -> None:
    key = f"{name}/noted.jpg"
    system.put(key, jpeg())
    system.clients.s3.put_object_annotation(
        Bucket=system.deployment.images_bucket,
        Key=key,
        AnnotationName="caption",
        AnnotationPayload=b"Tejo, 1974",
    )

    run = system.await_run(system.upload_csv(f"{name}.csv", [key]))

    assert run.outcomes() == ["SKIPPED/ANNOTATED"]
    assert system.get(key) == jpeg()


def test_a_key_named_twice_is_done_once(system: System, name: str) -> None:
    key = f"{name}/picture.jpg"
    system.put(key, jpeg())

    run = system.await_run(system.upload_csv(f"{name}.csv", [key, key]))

    # Which row gets to it first is open: they may be in two chunks.
    assert sorted(run.outcomes()) == ["COMPRESSED", "SKIPPED/DUPLICATE"]


def test_a_csv_without_the_column_is_a_failed_run_with_a_reason(system: System, name: str) -> None:
    run = system.await_run(system.upload_csv(f"{name}.csv", b"file\na.jpg\n"))

    assert run.status is RunStatus.FAILED
    assert "file" in run.summary["message"]


def test_an_empty_csv_is_a_completed_run(system: System, name: str) -> None:
    run = system.await_run(system.upload_csv(f"{name}.csv", b"path\n"))

    assert run.status is RunStatus.COMPLETED
    assert run.summary["rows"] == 0


def test_a_gzipped_csv_is_read_as_a_plain_one(system: System, name: str) -> None:
    key = f"{name}/picture.jpg"
    system.put(key, jpeg())

    run = system.await_run(system.upload_csv(f"{name}.csv.gz", gzip.compress(csv_of([key]))))

    assert run.outcomes() == ["COMPRESSED"]


def test_all_objects_under_a_prefix_can_be_the_list(system: System, name: str) -> None:
    keys = [f"{name}/a + b.jpg", f"{name}/ç.jpg"]
    for key in keys:
        system.put(key, jpeg())

    run = system.await_run(system.invoke({"prefix": f"{name}/"})["run_id"])

    assert [row["path"] for row in run.results] == keys
    assert run.outcomes() == ["COMPRESSED", "COMPRESSED"]


def test_an_inventory_can_be_the_list(system: System, name: str) -> None:
    key, folder = f"{name}/picture.jpg", f"{name}/inventory"
    system.put(key, jpeg())
    bucket = system.deployment.images_bucket
    packed = gzip.compress(f'"{bucket}","{key}"\n'.encode())
    file: dict[str, Any] = {
        "key": f"{folder}/data/1.bin",
        "size": len(packed),
        "MD5checksum": hashlib.md5(packed, usedforsecurity=False).hexdigest(),
    }
    manifest = {
        "sourceBucket": bucket,
        "fileFormat": "CSV",
        "fileSchema": "Bucket, Key",
        "files": [file],
    }
    trigger = system.deployment.trigger_bucket
    system.clients.s3.put_object(Bucket=trigger, Key=file["key"], Body=packed)
    system.clients.s3.put_object(
        Bucket=trigger, Key=f"{folder}/manifest.json", Body=json.dumps(manifest).encode()
    )

    run = system.await_run(system.invoke({"csv_path": f"{folder}/manifest.json"})["run_id"])

    assert run.outcomes() == ["COMPRESSED"]
