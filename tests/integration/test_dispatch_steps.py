"""The dispatcher sends a manifest out in steps that may end anywhere; each row goes out once."""

import gzip
import io
import json
from collections.abc import Iterable

import pytest
from botocore.response import StreamingBody

from imagepress import dispatch, queues
from imagepress.chunk import BATCH_ENTRIES, Chunk
from imagepress.dispatch import MAX_HOPS
from tests.integration.pump import Delivery, Pump, newest
from tests.integration.service import Service, csv_of
from tests.integration.stack import CHUNKS, DISPATCHES, TABLE, TRIGGER, Stack, queue_url
from tests.integration.wire import Call, Wire, die, lose_the_answer, throttle
from tests.pictures import jpeg, photograph

KEYS = [f"missing/{number}.jpg" for number in range(45)]


@pytest.fixture(autouse=True)
def small_waves(monkeypatch: pytest.MonkeyPatch) -> None:
    """A wave of chunks is what one request sends."""
    monkeypatch.setattr(dispatch, "CHUNKS_A_WAVE", BATCH_ENTRIES)


@pytest.fixture
def run_id(service: Service, many_workers: None) -> str:
    """A run of 45 chunks with a row each, in 5 waves, of which none has been sent."""
    return service.start_upload(KEYS)


def rows(deliveries: Iterable[Delivery]) -> dict[int, list[tuple[int, str]]]:
    """The rows of each chunk; what is sent twice must be the same."""
    found: dict[int, list[tuple[int, str]]] = {}
    for delivery in deliveries:
        chunk = Chunk.from_message(delivery.body)
        content = [(row.number, row.key) for row in chunk.rows]
        assert found.setdefault(chunk.number, content) == content
    return found


def assert_all_sent(pump: Pump, *, copies: int | None = 1) -> None:
    """Every row is in exactly one chunk, and every chunk on the queue."""
    sent = pump.waiting(CHUNKS)
    assert rows(sent) == {number: [(number + 1, key)] for number, key in enumerate(KEYS)}
    if copies is not None:
        assert len(sent) == copies * len(KEYS)


def finish_dispatching(pump: Pump, stack: Stack, run_id: str) -> int:
    """Let the dispatcher come to the manifest's end; how many steps it took."""
    for steps in range(1, 100):
        pump.step(DISPATCHES)
        run = stack.table.load(run_id)
        assert run is not None
        if run.fully_dispatched:
            assert (run.chunks_total, run.rows_total) == (len(KEYS), len(KEYS))
            return steps
    raise AssertionError("The manifest was never sent out.")


def test_a_small_manifest_goes_out_in_one_step(pump: Pump, stack: Stack, run_id: str) -> None:
    assert finish_dispatching(pump, stack, run_id) == 1
    assert_all_sent(pump)


def test_a_dispatcher_without_time_goes_on_in_the_next_invocation(
    pump: Pump, stack: Stack, run_id: str
) -> None:
    pump.clock.seconds = 10

    assert finish_dispatching(pump, stack, run_id) >= 5
    assert_all_sent(pump)


def test_steps_count_their_hops(pump: Pump, run_id: str) -> None:
    pump.clock.seconds = 10
    hops = []
    for _ in range(3):
        (waiting,) = pump.waiting(DISPATCHES)
        hops.append(json.loads(waiting.body)["hop"])
        pump.step(DISPATCHES)

    assert hops == [0, 1, 2]


def test_rows_keep_their_numbers_however_many_steps_it_takes(
    service: Service, pump: Pump, stack: Stack, many_workers: None
) -> None:
    """Quoted line breaks, blank lines and bad rows in between, and a run to its end."""
    stack.put_image("new\nline.jpg", jpeg(photograph(size=(32, 32))))
    keys = [f"{number}.jpg" for number in range(14)]
    content = csv_of([*keys[:7], "new\nline.jpg", "x" * 2000, *keys[7:]])
    pump.clock.seconds = 10
    run_id = service.start_upload(content.replace(b"3.jpg", b"3.jpg\n\n\n"))
    for _ in range(2):
        pump.step(DISPATCHES)
    pump.clock.seconds = 900

    run = service.finish(run_id)

    assert len(run.results) == 16
    assert [row["path"] for row in run.results[:8]] == [*keys[:7], "new\nline.jpg"]
    assert [row["path"] for row in run.results[9:]] == keys[7:]
    assert run.outcomes()[7:9] == ["COMPRESSED", "FAILED/INVALID_ROW"]


def test_a_step_that_is_delivered_twice_sends_the_same_chunks(
    pump: Pump, stack: Stack, run_id: str
) -> None:
    (step,) = pump.waiting(DISPATCHES)
    pump.clock.seconds = 10
    pump.deliver_copy(step)
    pump.deliver(step)
    finish_dispatching(pump, stack, run_id)
    while pump.waiting(DISPATCHES):
        pump.step(DISPATCHES)

    assert_all_sent(pump, copies=None)


def test_two_steps_at_once_send_the_same_chunks(
    pump: Pump, stack: Stack, wire: Wire, run_id: str
) -> None:
    """The other step sends all while this one is about to send its first wave, its only one."""
    (step,) = pump.waiting(DISPATCHES)
    wire.before("SendMessageBatch", lambda _: pump.deliver_copy(step))

    assert finish_dispatching(pump, stack, run_id) == 1

    assert_all_sent(pump, copies=None)
    assert len(pump.waiting(CHUNKS)) == len(KEYS) + BATCH_ENTRIES


def test_of_two_steps_at_once_only_one_goes_on(
    pump: Pump, stack: Stack, wire: Wire, run_id: str
) -> None:
    """Both have time for one batch; the one that is slower to move the cursor leaves it there."""
    (step,) = pump.waiting(DISPATCHES)
    pump.clock.seconds = 10
    wire.before("SendMessageBatch", lambda _: pump.deliver_copy(step))
    pump.deliver(step)

    assert len(pump.waiting(DISPATCHES)) == 1
    finish_dispatching(pump, stack, run_id)
    assert_all_sent(pump, copies=None)
    assert len(pump.waiting(CHUNKS)) == len(KEYS) + 10


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize(
    ("operation", "where", "nth"),
    [
        ("GetItem", {}, 1),
        ("GetObject", {"Bucket": TRIGGER}, 2),
        ("SendMessageBatch", {}, 1),
        ("SendMessageBatch", {}, 3),
        ("UpdateItem", {"TableName": TABLE}, 1),
        ("UpdateItem", {"TableName": TABLE}, 3),
        ("SendMessage", {"QueueUrl": queue_url(DISPATCHES)}, 1),
        ("SendMessage", {"QueueUrl": queue_url(DISPATCHES)}, 2),
    ],
    ids=["load", "read", "send 1", "send 3", "cursor 1", "cursor 3", "go on 1", "go on 2"],
)
def test_a_dispatcher_may_die_at_any_call(
    pump: Pump,
    stack: Stack,
    wire: Wire,
    run_id: str,
    operation: str,
    where: dict[str, str],
    nth: int,
    moment: str,
) -> None:
    pump.clock.seconds = 10
    getattr(wire, moment)(operation, die, nth=nth, **where)

    finish_dispatching(pump, stack, run_id)

    assert pump.deaths == 1
    assert_all_sent(pump, copies=None)


def test_an_answer_that_hides_failed_entries_is_seen_through(
    pump: Pump, stack: Stack, wire: Wire, run_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """HTTP 200, and yet some entries were not taken."""
    monkeypatch.setattr(queues, "FIRST_PAUSE_SECONDS", 0)

    def lose_two(call: Call) -> None:
        lost, call.answer["Successful"] = (
            call.answer["Successful"][:2],
            call.answer["Successful"][2:],
        )
        call.answer["Failed"] = [
            {"Id": entry["Id"], "SenderFault": False, "Code": "InternalError"} for entry in lost
        ]
        take_back(stack, {entry["MessageId"] for entry in lost})

    wire.after("SendMessageBatch", lose_two, times=2)

    finish_dispatching(pump, stack, run_id)

    assert_all_sent(pump)


def take_back(stack: Stack, message_ids: set[str]) -> None:
    """Remove messages from the chunk queue as if they had never been taken."""
    url = queue_url(CHUNKS)
    while message_ids:
        answer = stack.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)
        for message in answer["Messages"]:
            handle = message["ReceiptHandle"]
            if message["MessageId"] in message_ids:
                stack.sqs.delete_message(QueueUrl=url, ReceiptHandle=handle)
                message_ids.remove(message["MessageId"])
            else:
                stack.sqs.change_message_visibility(
                    QueueUrl=url, ReceiptHandle=handle, VisibilityTimeout=0
                )


def test_entries_that_are_never_taken_bring_the_step_back(
    pump: Pump, stack: Stack, wire: Wire, run_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queues, "FIRST_PAUSE_SECONDS", 0)

    def all_fail(call: Call) -> None:
        entries = call.answer.pop("Successful")
        take_back(stack, {entry["MessageId"] for entry in entries})
        call.answer["Failed"] = [
            {"Id": entry["Id"], "SenderFault": False, "Code": "InternalError"} for entry in entries
        ]

    wire.after("SendMessageBatch", all_fail, times=queues.SEND_ATTEMPTS)

    assert not pump.step(DISPATCHES)
    finish_dispatching(pump, stack, run_id)

    assert_all_sent(pump)


@pytest.mark.parametrize("operation", ["SendMessageBatch", "UpdateItem", "GetItem"])
@pytest.mark.parametrize("moment", ["before", "after"])
def test_queue_and_table_may_refuse_for_a_while(
    pump: Pump, stack: Stack, wire: Wire, run_id: str, operation: str, moment: str
) -> None:
    fault = throttle if moment == "before" else lose_the_answer
    getattr(wire, moment)(operation, fault, times=2)

    finish_dispatching(pump, stack, run_id)

    assert_all_sent(pump, copies=None)


def test_a_broken_connection_to_the_csv_is_taken_up_where_it_broke(
    pump: Pump, stack: Stack, wire: Wire, run_id: str
) -> None:
    def break_off(call: Call) -> None:
        length = call.answer["ContentLength"]
        start = call.answer["Body"].read(length // 2)
        call.answer["Body"] = StreamingBody(io.BytesIO(start), length)

    wire.after("GetObject", break_off, times=3, Bucket=TRIGGER)

    assert finish_dispatching(pump, stack, run_id) == 1

    ranges = [call.parameters["Range"] for call in wire.made("GetObject", Bucket=TRIGGER)][1:]
    assert len(set(ranges)) == len(ranges) == 4
    assert_all_sent(pump)


def test_a_step_too_many_fails_the_run(
    service: Service, stack: Stack, pump: Pump, run_id: str
) -> None:
    pump.lose(DISPATCHES)
    stack.send(DISPATCHES, {"dispatch": run_id, "hop": MAX_HOPS + 1})

    run = service.finish(run_id)

    assert run.status == "FAILED"
    assert "10,000 steps" in run.message
    assert run.outcomes() == ["FAILED/RUN_FAILED"] * len(KEYS)


@pytest.mark.parametrize("run_id", ["nobody-knows", ""])
def test_a_step_of_a_run_that_nobody_knows_does_nothing(
    stack: Stack, pump: Pump, run_id: str
) -> None:
    stack.send(DISPATCHES, {"dispatch": run_id, "hop": 0})

    pump.run()

    assert pump.waiting() == []


# Gzipped manifests


@pytest.fixture
def packed_run_id(service: Service, many_workers: None) -> str:
    return service.start_upload(gzip.compress(csv_of(KEYS)), key="list.csv.gz")


def test_a_gzipped_manifest_goes_out_in_as_many_steps(
    pump: Pump, stack: Stack, packed_run_id: str
) -> None:
    pump.clock.seconds = 10

    assert finish_dispatching(pump, stack, packed_run_id) >= 5

    assert_all_sent(pump)


@pytest.mark.parametrize("nth", [1, 2, 3])
def test_a_dispatcher_may_die_while_it_reads_a_gzipped_manifest(
    pump: Pump, stack: Stack, wire: Wire, packed_run_id: str, nth: int
) -> None:
    pump.clock.seconds = 10
    wire.before("GetObject", die, nth=nth, Bucket=TRIGGER)

    finish_dispatching(pump, stack, packed_run_id)

    assert pump.deaths == 1
    assert_all_sent(pump)


# Whole runs


def test_a_run_is_exact_with_steps_and_chunks_mixed_and_doubled(
    service: Service, stack: Stack, pump: Pump, many_workers: None
) -> None:
    keys = [f"{number}.jpg" for number in range(24)]
    for key in keys[::4]:
        stack.put_image(key, jpeg(photograph(size=(32, 32))))
    pump.clock.seconds = 10
    run_id = service.start_upload(keys)
    pump.step(DISPATCHES)
    pump.clock.seconds = 900

    pump.run(choose=newest, copies=2)

    run = service.finished(run_id)
    assert run.outcomes() == ["COMPRESSED", *["FAILED/NOT_FOUND"] * 3] * 6
