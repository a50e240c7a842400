"""What a queue gives up is ended all the same, and what was done before is not forgotten."""

import json

import pytest

from tests.integration.pump import Delivery, Pump
from tests.integration.service import Service
from tests.integration.stack import (
    CHUNKS,
    DISPATCHES,
    IMAGES,
    MAX_RECEIVES,
    REPORTS,
    Stack,
    dead_letters,
    queue_url,
)
from tests.integration.wire import Call, Wire, die, lose_the_answer, refuse, throttle
from tests.pictures import jpeg, photograph

KEYS = [f"{number}.jpg" for number in range(6)]


@pytest.fixture(autouse=True)
def pictures(stack: Stack) -> None:
    for number, key in enumerate(KEYS):
        stack.put_image(key, jpeg(photograph(size=(32, 32), seed=number)))


@pytest.fixture
def run_id(service: Service, pump: Pump, one_chunk: None) -> str:
    """A run whose only chunk waits for its first worker."""
    started = service.start_upload(KEYS)
    pump.step(DISPATCHES)
    return started


@pytest.fixture
def chunk(run_id: str, pump: Pump) -> Delivery:
    (delivery,) = pump.waiting(CHUNKS)
    return delivery


def test_a_chunk_that_fails_every_time_is_written_off(
    service: Service, stack: Stack, pump: Pump, wire: Wire, run_id: str
) -> None:
    before = stack.versions()
    pump.tolerated = (Exception,)
    wire.before(
        "ChangeMessageVisibility", refuse("AccessDenied"), times=99, QueueUrl=queue_url(CHUNKS)
    )

    run = service.finish(run_id)

    assert len(wire.made("ChangeMessageVisibility", QueueUrl=queue_url(CHUNKS))) == MAX_RECEIVES
    assert run.status == "COMPLETED"
    assert run.outcomes() == ["FAILED/RETRIES_EXHAUSTED"] * len(KEYS)
    assert run.failed == KEYS
    assert stack.versions() == before


def test_a_row_that_was_replaced_before_its_worker_died_keeps_its_undo_record(
    service: Service, stack: Stack, pump: Pump, wire: Wire, chunk: Delivery, run_id: str
) -> None:
    before = stack.head(KEYS[2])
    wire.after("PutObject", die, Bucket=IMAGES, Key=KEYS[2])
    pump.step(CHUNKS)
    pump.lose(CHUNKS)
    stack.send(dead_letters(CHUNKS), chunk.body)

    run = service.finish(run_id)

    row = run.row(KEYS[2])
    assert row["outcome"] == "COMPRESSED"
    assert row["version_before"] == before["VersionId"]
    assert row["version_after"] == stack.head(KEYS[2])["VersionId"]
    for other in run.results:
        replaced = stack.head(other["path"])["ETag"].strip('"') == other["etag_after"]
        assert replaced == (other["outcome"] == "COMPRESSED")


@pytest.mark.usefixtures("four_rows_at_once")
def test_rows_that_an_attempt_saved_stay_as_they_ended(
    service: Service, stack: Stack, pump: Pump, wire: Wire, chunk: Delivery, run_id: str
) -> None:
    def time_runs_out(_: Call) -> None:
        pump.clock.seconds = 15

    stack.put_image(KEYS[0], b"hello")
    wire.after("PutObject", time_runs_out, Bucket=IMAGES)
    pump.deliver(chunk)
    (again,) = pump.waiting(CHUNKS)
    pump.bury(again)

    run = service.finish(run_id)

    replaced = len(wire.made("PutObject", Bucket=IMAGES))
    assert replaced >= 1
    assert run.outcomes()[0] == "SKIPPED/UNSUPPORTED_FORMAT"
    assert run.outcomes().count("COMPRESSED") == replaced
    assert run.outcomes()[-1] == "FAILED/RETRIES_EXHAUSTED"


def test_rows_that_cannot_be_done_keep_their_own_reason(
    service: Service, pump: Pump, one_chunk: None
) -> None:
    run_id = service.start_upload(["x" * 1025, "missing.jpg"])
    pump.step(DISPATCHES)
    pump.bury(pump.waiting(CHUNKS)[0])

    run = service.finish(run_id)

    assert run.outcomes() == ["FAILED/INVALID_ROW", "FAILED/RETRIES_EXHAUSTED"]


def test_duplicates_are_told_by_their_marker(service: Service, pump: Pump, stack: Stack) -> None:
    run_id = service.start_upload([KEYS[0], KEYS[0]])
    pump.step(DISPATCHES)
    pump.step(CHUNKS)
    pump.bury(pump.waiting(CHUNKS)[0])

    assert service.finish(run_id).outcomes() == ["COMPRESSED", "SKIPPED/DUPLICATE"]


def test_a_chunk_that_was_done_after_all_counts_once(
    service: Service, stack: Stack, pump: Pump, chunk: Delivery, run_id: str
) -> None:
    pump.deliver(chunk)
    stack.send(dead_letters(CHUNKS), chunk.body)

    assert service.finish(run_id).outcomes() == ["COMPRESSED"] * len(KEYS)


def test_a_worker_that_comes_late_does_not_undo_what_was_written_off(
    service: Service, stack: Stack, pump: Pump, chunk: Delivery, run_id: str
) -> None:
    stack.send(dead_letters(CHUNKS), chunk.body)
    assert pump.step(dead_letters(CHUNKS))
    before = stack.versions()

    run = service.finish(run_id)

    assert run.outcomes() == ["FAILED/RETRIES_EXHAUSTED"] * len(KEYS)
    assert stack.versions() == before


def test_images_that_cannot_be_looked_at_now_are_looked_at_later(
    service: Service, stack: Stack, pump: Pump, wire: Wire, chunk: Delivery, run_id: str
) -> None:
    wire.after("PutObject", die, Bucket=IMAGES, Key=KEYS[2])
    pump.deliver(chunk)
    pump.lose(CHUNKS)
    stack.send(dead_letters(CHUNKS), chunk.body)
    wire.before("HeadObject", throttle, times=2, Bucket=IMAGES)

    run = service.finish(run_id)

    assert run.row(KEYS[2])["outcome"] == "COMPRESSED"
    assert len(wire.made("HeadObject", Bucket=IMAGES)) > len(KEYS)


def test_a_manifest_that_cannot_be_sent_out_fails_the_run(
    service: Service, stack: Stack, pump: Pump, wire: Wire
) -> None:
    before = stack.versions()
    run_id = service.start_upload(KEYS)
    pump.tolerated = (Exception,)
    wire.before("SendMessageBatch", refuse("AccessDenied"), times=99)

    run = service.finish(run_id)

    assert run.status == "FAILED"
    assert "Sending out the CSV failed too often" in run.message
    assert run.outcomes() == ["FAILED/RUN_FAILED"] * len(KEYS)
    assert run.failed == KEYS
    assert stack.versions() == before


def test_a_run_whose_failing_was_recorded_and_its_answer_lost_gets_its_report(
    service: Service, stack: Stack, pump: Pump, wire: Wire
) -> None:
    run_id = service.start_upload(KEYS)
    pump.bury(pump.waiting(DISPATCHES)[0])
    wire.after("UpdateItem", lose_the_answer)

    assert service.finish(run_id).status == "FAILED"


def test_a_report_that_cannot_be_written_ends_the_run_as_failed(
    stack: Stack, pump: Pump, wire: Wire, run_id: str
) -> None:
    def deny(call: Call) -> None:
        if call.parameters["Key"].endswith(("results.csv", ".log")):
            refuse("AccessDenied", status=403)(call)

    pump.tolerated = (Exception,)
    wire.before("PutObject", deny, times=999, Bucket="runs")

    pump.run()

    run = stack.table.load(run_id)
    assert run is not None
    assert run.status == "FAILED"
    assert "reporter's log" in run.message


@pytest.mark.parametrize("body", [{"hello": "world"}, {"requestPayload": {}}])
def test_a_message_that_nothing_can_be_done_about_stays_for_somebody_to_see(
    stack: Stack, pump: Pump, body: dict[str, object]
) -> None:
    stack.send(dead_letters(DISPATCHES), body)

    assert not pump.step(dead_letters(DISPATCHES))


@pytest.mark.parametrize(
    ("queue", "body"),
    [
        (CHUNKS, {"run_id": "nobody", "chunk": 0, "rows": [[1, KEYS[0]]]}),
        (DISPATCHES, {"dispatch": "nobody", "hop": 0}),
        (REPORTS, {"report": "nobody"}),
    ],
)
def test_dead_letters_of_a_run_that_nobody_knows_are_dropped(
    stack: Stack, pump: Pump, queue: str, body: dict[str, object]
) -> None:
    before = stack.versions()
    stack.send(dead_letters(queue), json.dumps(body))

    assert pump.step(dead_letters(queue))
    assert stack.versions() == before
