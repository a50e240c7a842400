"""Lists that S3 itself makes, or that were made for it: Inventory, and Batch Operations."""

import gzip
import hashlib
import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from imagepress import dispatch
from tests.integration.pump import Pump
from tests.integration.service import FinishedRun, Service
from tests.integration.stack import DISPATCHES, IMAGES, INVENTORIES, Stack
from tests.pictures import jpeg, photograph

MANIFEST = "inventory/images/2026-11-22T01-00Z/manifest.json"
SCHEMA = "Bucket, Key, VersionId, IsLatest, IsDeleteMarker, Size"
LINE = f'"{IMAGES}","%s","null","%s","%s","1000"\n'


def line(key: str, *, latest: bool = True, deleted: bool = False) -> str:
    return LINE % (key, str(latest).lower(), str(deleted).lower())


def put_inventory(stack: Stack, files: Sequence[str], /, **changes: Any) -> None:
    """Deliver an inventory of the images bucket into its bucket."""
    entries = []
    for number, text in enumerate(files):
        body = gzip.compress(text.encode())
        key = f"inventory/images/data/{number}.csv.gz"
        stack.s3.put_object(Bucket=INVENTORIES, Key=key, Body=body)
        digest = hashlib.md5(body, usedforsecurity=False).hexdigest()
        entries.append({"key": key, "size": len(body), "MD5checksum": digest})
    manifest = {
        "sourceBucket": IMAGES,
        "destinationBucket": f"arn:aws:s3:::{INVENTORIES}",
        "version": "2016-11-30",
        "fileFormat": "CSV",
        "fileSchema": SCHEMA,
        "files": entries,
        **changes,
    }
    stack.s3.put_object(Bucket=INVENTORIES, Key=MANIFEST, Body=json.dumps(manifest).encode())


def run_inventory(service: Service) -> FinishedRun:
    return service.finish(service.invoke({"csv_path": f"s3://{INVENTORIES}/{MANIFEST}"})["run_id"])


def test_an_inventory_is_a_manifest(service: Service, stack: Stack) -> None:
    """Several files, encoded keys, old versions and delete markers among them."""
    picture = jpeg(photograph(size=(64, 64)))
    keys = ["a b/ç+.jpg", "c.jpg", "d.jpg"]
    for key in keys:
        stack.put_image(key, picture)
    first = line("a+b/%C3%A7%2B.jpg") + line("c.jpg", latest=False) + line("c.jpg")
    second = line("gone.jpg", deleted=True) + line("d.jpg") + line("nowhere.jpg")
    put_inventory(stack, [first, "", second])

    run = run_inventory(service)

    assert [row["path"] for row in run.results] == [*keys, "nowhere.jpg"]
    assert run.outcomes() == [*["COMPRESSED"] * 3, "FAILED/NOT_FOUND"]


def test_steps_go_on_in_the_file_where_the_last_one_stopped(
    service: Service, stack: Stack, pump: Pump, many_workers: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatch, "CHUNKS_A_WAVE", 4)
    files = ["".join(line(f"{file}/{row}.jpg") for row in range(7)) for file in range(5)]
    put_inventory(stack, files)
    pump.clock.seconds = 10
    run_id = service.invoke({"csv_path": f"s3://{INVENTORIES}/{MANIFEST}"})["run_id"]
    steps = 0
    while not stack.table.load(run_id).fully_dispatched:  # type: ignore[union-attr]
        pump.step(DISPATCHES)
        steps += 1
    pump.clock.seconds = 900

    run = service.finish(run_id)

    assert steps >= 8
    assert [row["path"] for row in run.results] == [
        f"{file}/{row}.jpg" for file in range(5) for row in range(7)
    ]


def test_an_inventory_without_objects_has_nothing_to_do(service: Service, stack: Stack) -> None:
    put_inventory(stack, [])

    run = run_inventory(service)

    assert (run.status, run.results) == ("COMPLETED", [])


def other_file(stack: Stack) -> None:
    body = gzip.compress(line("other.jpg").encode())
    stack.s3.put_object(Bucket=INVENTORIES, Key="inventory/images/data/0.csv.gz", Body=body)


def no_file(stack: Stack) -> None:
    stack.s3.delete_object(Bucket=INVENTORIES, Key="inventory/images/data/0.csv.gz")


@pytest.mark.parametrize(
    ("changes", "harm", "words"),
    [
        ({"fileFormat": "ORC"}, None, "it is ORC; set the inventory's output format to CSV"),
        ({"sourceBucket": "others"}, None, "is an inventory of the bucket others"),
        ({"fileSchema": "Bucket, Size"}, None, "'Key' is not in list"),
        ({"files": [{"key": "x"}]}, None, "KeyError: 'size'"),
        ({"files": 7}, None, "TypeError"),
        ({}, other_file, "is not the one that its inventory lists"),
        ({}, no_file, "there is no object"),
    ],
)
def test_an_inventory_that_cannot_be_read_is_a_failed_run(
    service: Service,
    stack: Stack,
    changes: dict[str, Any],
    harm: Callable[[Stack], None] | None,
    words: str,
) -> None:
    put_inventory(stack, [line("a.jpg")], **changes)
    if harm:
        harm(stack)

    run = run_inventory(service)

    assert run.status == "FAILED"
    assert words in run.message


def test_a_manifest_json_that_is_no_inventory_is_refused(service: Service, stack: Stack) -> None:
    stack.s3.put_object(Bucket=INVENTORIES, Key="manifest.json", Body=b"[1]")

    run = service.finish(
        service.invoke({"csv_path": f"s3://{INVENTORIES}/manifest.json"})["run_id"]
    )

    assert "is no manifest.json of an S3 Inventory" in run.message


def test_a_list_for_s3_batch_operations_is_a_manifest(service: Service, stack: Stack) -> None:
    stack.put_image("a b.jpg", jpeg(photograph(size=(64, 64))))
    content = f"{IMAGES},a%20b.jpg\n{IMAGES},none.jpg,v1\nothers,a%20b.jpg\n"

    run = service.upload(content.encode())

    assert run.outcomes() == ["COMPRESSED", "FAILED/NOT_FOUND", "FAILED/INVALID_ROW"]
    assert "names the bucket others" in run.results[2]["message"]
