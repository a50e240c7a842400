"""The bill counts what the code asks for: each count here is taken from the real calls of a run."""

import io
import json
import logging
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest

from imagepress.costs import (
    CHUNK_READS,
    CHUNK_REQUESTS,
    CHUNK_WRITES,
    LOG_ROW_BYTES,
    TAGS,
    Work,
    queue_requests,
    table_reads,
)
from imagepress.part import part_from_lines
from tests.integration.functions import Functions
from tests.integration.pump import Pump
from tests.integration.service import FinishedRun, Service
from tests.integration.stack import CHUNKS, IMAGES, RUNS, Stack, queue_url
from tests.integration.wire import Call, Wire, refuse, throttle
from tests.pictures import jpeg, photograph, png

RECORD_BYTES = 26
# Longer than what a small picture takes.
SLOW_SECONDS = 1.0
ROWS = {
    "a.jpg": "COMPRESSED",
    "b.png": "COMPRESSED",
    "ia.jpg": "COMPRESSED",
    "gone.jpg": "FAILED/NOT_FOUND",
    "x.gif": "SKIPPED/UNSUPPORTED_FORMAT",
    "broken.jpg": "FAILED/CORRUPT_IMAGE",
    "zipped.jpg": "SKIPPED/CONTENT_ENCODED",
    "cold.jpg": "SKIPPED/ARCHIVED",
    "": "FAILED/INVALID_ROW",
    "annotated.jpg": "SKIPPED/ANNOTATED",
    "done/20240201T120000Z-list-01234567/a.jpg": "SKIPPED/BACKUP",
    "taken.jpg": "FAILED/CHANGED_MEANWHILE",
}


@pytest.fixture(autouse=True)
def _one_at_a_time(functions: Functions, one_chunk: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of rows side by side several may be the first to ask for tags."""
    monkeypatch.setattr(functions.compressor, "THREADS_A_PROCESSOR", 1)


@pytest.fixture
def pictures(stack: Stack, wire: Wire) -> list[str]:
    """A row for each way to end that can be brought about in one run."""
    stack.put_image("a.jpg", jpeg())
    stack.put_image("b.png", png())
    stack.put_image("ia.jpg", jpeg(), StorageClass="STANDARD_IA")
    stack.put_image("x.gif", b"GIF89a" + bytes(100))
    stack.put_image("broken.jpg", jpeg()[:900])
    stack.put_image("zipped.jpg", jpeg(), ContentEncoding="gzip")
    stack.put_image("cold.jpg", jpeg(), StorageClass="DEEP_ARCHIVE")
    stack.put_image("annotated.jpg", jpeg())
    stack.put_image("taken.jpg", jpeg())
    annotated = {"Annotations": [{"AnnotationName": "a"}]}
    wire.after(
        "ListObjectAnnotations", lambda call: call.answer.update(annotated), Key="annotated.jpg"
    )
    wire.before(
        "HeadObject", lambda _: stack.put_image("taken.jpg", jpeg(quality=90)), Key="taken.jpg"
    )
    return [*ROWS, "a.jpg"]


def asked_of_images(wire: Wire) -> Counter[str]:
    """The requests for objects in the images bucket."""
    return Counter(
        call.operation
        for call in wire.calls
        if call.parameters.get("Bucket") == IMAGES and "Key" in call.parameters
    )


def upload(service: Service, wire: Wire, keys: Sequence[str], **given: str) -> FinishedRun:
    wire.calls.clear()
    return service.upload(keys, metadata=given)


def close_acls(stack: Stack) -> None:
    rules = {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    stack.s3.put_bucket_ownership_controls(
        Bucket=IMAGES,
        OwnershipControls=rules,  # type: ignore[arg-type]
    )


@pytest.mark.parametrize("acls", [True, False], ids=["acls", "no-acls"])
@pytest.mark.parametrize(
    "given",
    [{}, {"backup_prefix": "backups"}, {"dry_run": "true"}],
    ids=["plain", "backup", "dry-run"],
)
def test_a_summary_counts_the_requests_to_the_images_bucket(
    service: Service,
    stack: Stack,
    wire: Wire,
    pictures: list[str],
    given: dict[str, str],
    acls: bool,  # noqa: FBT001 - a parameter of the table
) -> None:
    if not acls:
        close_acls(stack)

    run = upload(service, wire, pictures, **given)

    if not given:
        assert run.outcomes() == [*ROWS.values(), "SKIPPED/DUPLICATE"]
    assert run.summary["cost"]["s3_requests"] == asked_of_images(wire)


def test_annotations_that_are_not_checked_are_not_counted(
    service: Service, stack: Stack, wire: Wire
) -> None:
    stack.put_image("a.jpg", jpeg())

    run = upload(service, wire, ["a.jpg"], check_annotations="false")

    counted = run.summary["cost"]["s3_requests"]
    assert counted == asked_of_images(wire)
    assert "ListObjectAnnotations" not in counted


def test_the_rows_of_second_runs_and_of_a_restore_are_counted(
    service: Service, stack: Stack, wire: Wire, pump: Pump
) -> None:
    for key in ("a.jpg", "b.jpg", "c.jpg"):
        stack.put_image(key, jpeg())
    first = service.upload(["a.jpg", "b.jpg", "c.jpg"])
    stack.put_image("c.jpg", jpeg(quality=90))

    again = upload(service, wire, ["a.jpg", "b.jpg"])
    assert again.outcomes() == ["SKIPPED/ALREADY_COMPRESSED"] * 2
    assert again.summary["cost"]["s3_requests"] == asked_of_images(wire)

    other = upload(service, wire, ["a.jpg", "b.jpg"], perc_compression_quality="50")
    assert other.outcomes() == ["SKIPPED/LOSSY_BEFORE"] * 2
    assert other.summary["cost"]["s3_requests"] == asked_of_images(wire)

    wire.calls.clear()
    answer = service.invoke({"action": "restore", "run_id": first.run_id})
    pump.run()
    key = f"runs/{answer['run_id']}/summary.json"
    summary = json.loads(stack.s3.get_object(Bucket=RUNS, Key=key)["Body"].read())
    assert summary["outcomes"]["RESTORED"] == 2
    assert summary["reasons"] == {"CHANGED_LATER": 1}
    assert summary["cost"]["s3_requests"] == asked_of_images(wire)


def test_each_object_with_tags_has_them_read(service: Service, stack: Stack, wire: Wire) -> None:
    for key in ("a.jpg", "b.jpg", "c.jpg"):
        stack.put_image(key, jpeg(), Tagging="a=b")

    run = upload(service, wire, ["a.jpg", "b.jpg", "c.jpg"])

    # Rows do not say whether they have tags: only the first of the chunk is in the bill.
    asked = asked_of_images(wire)
    assert asked[TAGS] == 3
    asked[TAGS] = 1
    assert run.summary["cost"]["s3_requests"] == asked


def calls_of(service: Service, stack: Stack, wire: Wire, rows: int) -> Counter[tuple[str, str]]:
    """Everything that a run with a chunk for each row asks for, by operation and kind of place."""
    keys = [f"{rows}/{number}.jpg" for number in range(rows)]
    for key in keys:
        stack.put_image(key, jpeg(photograph(size=(40, 30))))
    run = upload(service, wire, keys)
    assert run.run.chunks_total == rows
    assert run.run.shards == 1
    return Counter(
        (call.operation, str(call.parameters.get("Bucket") or call.parameters.get("QueueUrl", "")))
        for call in wire.calls
    )


def test_a_chunk_costs_what_the_bill_says(
    service: Service, stack: Stack, wire: Wire, many_workers: None
) -> None:
    few, many, more = 2, 9, 7
    asked = calls_of(service, stack, wire, many) - calls_of(service, stack, wire, few)
    work = Work(requests={}, chunks=more)

    assert {name: asked[name, RUNS] for name in CHUNK_REQUESTS} == {
        name: count * more for name, count in CHUNK_REQUESTS.items()
    }
    # The report reads the state of 100 chunks at once: that is a unit each, and one request.
    assert asked["GetItem", ""] == (CHUNK_READS - 1) * more
    assert asked["BatchGetItem", ""] == work.shards * more
    assert table_reads(work) == (CHUNK_READS + work.shards) * more
    assert asked["UpdateItem", ""] + 4 * asked["TransactWriteItems", ""] == CHUNK_WRITES * more
    # Received and deleted it is by Lambda's poller, which nobody hears.
    assert asked["ChangeMessageVisibility", queue_url(CHUNKS)] == more
    assert queue_requests(work) == pytest.approx(more * (0.1 + 1 + 2))


def test_a_row_in_cloudwatch_has_about_the_size_that_the_bill_says(
    service: Service, stack: Stack, pump: Pump, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = io.StringIO()
    for handler in logging.getLogger("imagepress").handlers:
        if isinstance(handler, logging.StreamHandler):
            monkeypatch.setattr(handler, "stream", written)
    keys = [f"photographs/2024/11/event-{number:04}/IMG_{number:08}.jpg" for number in range(3)]
    for key in keys:
        stack.put_image(key, jpeg())

    service.upload(keys)

    records = [line for line in written.getvalue().splitlines() if line]
    rows = [line for line in records if json.loads(line).get("message") == "row"]
    assert len(rows) == len(keys)
    size = sum(len(line) + RECORD_BYTES for line in rows) / len(rows)
    assert size == pytest.approx(LOG_ROW_BYTES, rel=0.1)


def test_a_summary_has_dollars_and_what_is_saved(service: Service, stack: Stack) -> None:
    stack.put_image("a.jpg", jpeg())

    summary = service.upload(["a.jpg"]).summary

    cost: dict[str, Any] = summary["cost"]
    assert cost["compute_seconds"] > 0
    assert cost["gigabyte_seconds"] == pytest.approx(
        cost["compute_seconds"] * 1769 / 1024, abs=0.01
    )
    assert cost["prices"]["region"] == "us-east-1"
    parts = {name: value for name, value in cost["dollars"].items() if name != "total"}
    assert {"compressor", "s3_requests", "sqs", "dynamodb", "logs"} <= parts.keys()
    assert cost["dollars"]["total"] == pytest.approx(sum(parts.values()), abs=1e-5)
    # The bucket keeps old versions for ever: so far it has grown.
    assert summary["bytes_saved_now"] == summary["bytes_saved_after_retention"]
    assert summary["bytes_saved_now"] == -int(stack.head("a.jpg")["ContentLength"])
    assert summary["undo_until"] is None
    assert cost["months_to_pay_back"] is None


def test_old_versions_that_expire_are_saved_then(service: Service, stack: Stack) -> None:
    rule = {
        "ID": "old",
        "Status": "Enabled",
        "Filter": {"Prefix": ""},
        "NoncurrentVersionExpiration": {"NoncurrentDays": 30},
    }
    stack.s3.put_bucket_lifecycle_configuration(
        Bucket=IMAGES,
        LifecycleConfiguration={"Rules": [rule]},  # type: ignore[list-item]
    )
    stack.put_image("a.jpg", jpeg())

    run = service.upload(["a.jpg"])

    assert run.summary["bytes_saved_after_retention"] == run.summary["bytes_saved"]
    assert run.summary["bytes_saved_now"] < 0
    assert run.summary["undo_until"] > f"{run.run.started:%Y-%m-%d}"
    assert run.summary["cost"]["months_to_pay_back"] > 0


def test_a_lifecycle_that_may_not_be_read_is_left_out(
    service: Service, stack: Stack, wire: Wire
) -> None:

    wire.before("GetBucketLifecycleConfiguration", refuse("AccessDenied", status=403))
    stack.put_image("a.jpg", jpeg())

    summary = service.upload(["a.jpg"]).summary

    assert summary["status"] == "COMPLETED"
    assert "undo_until" not in summary
    assert "bytes_saved_after_retention" not in summary
    assert "months_to_pay_back" not in summary["cost"]


def test_the_time_of_all_attempts_is_added_up(
    service: Service, stack: Stack, wire: Wire, functions: Functions
) -> None:

    stack.put_image("a.jpg", jpeg())

    def throttle_slowly(call: Call) -> None:
        time.sleep(SLOW_SECONDS)
        throttle(call)

    wire.before("GetObject", throttle_slowly, Key="a.jpg")

    run = service.upload(["a.jpg"])

    def seconds(attempt: int) -> float:
        key = f"runs/{run.run_id}/parts/0/{attempt}.jsonl"
        text = stack.s3.get_object(Bucket=RUNS, Key=key)["Body"].read().decode()
        return part_from_lines(text.split("\n")).compute_seconds or 0.0

    assert SLOW_SECONDS < seconds(1) < seconds(2)
    assert run.summary["cost"]["compute_seconds"] == pytest.approx(seconds(2), abs=0.002)
