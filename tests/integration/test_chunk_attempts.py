"""Chunks are delivered at least once, by workers that may die anywhere: each row ends once."""

import fcntl
import json
import signal
import struct
import termios
import threading
import time
from collections import Counter
from typing import IO

import pytest

from imagepress import runs
from imagepress.codec_pool import CodecPool, _CodecProcess
from tests.integration.functions import LONG_SECONDS, Context, Functions
from tests.integration.pump import Delivery, Pump, newest
from tests.integration.service import Service
from tests.integration.stack import (
    CHUNKS,
    DISPATCHES,
    IMAGES,
    RUNS,
    Stack,
    queue_url,
)
from tests.integration.wire import (
    Act,
    Call,
    Moment,
    Wire,
    break_down,
    die,
    lose_the_answer,
    refuse,
    throttle,
)
from tests.pictures import jpeg, photograph

KEYS = [f"{number}.jpg" for number in range(6)]
OUT_OF_TIME = 15.0


@pytest.fixture(autouse=True)
def pictures(stack: Stack) -> None:
    for number, key in enumerate(KEYS):
        stack.put_image(key, jpeg(photograph(size=(32, 32), seed=number)))


@pytest.fixture
def chunk(service: Service, pump: Pump, one_chunk: None) -> Delivery:
    """All rows as one chunk, waiting for its first worker."""
    service.start_upload(KEYS)
    pump.step(DISPATCHES)
    (delivery,) = pump.waiting(CHUNKS)
    return delivery


def run_of(delivery: Delivery) -> str:
    """The run that a chunk's message belongs to."""
    run_id: str = json.loads(delivery.body)["run_id"]
    return run_id


def replaced_once(stack: Stack) -> bool:
    """Whether every picture has its original and one replacement, and no more."""
    versions = [key for key, *_ in stack.versions()]
    return versions == sorted(KEYS * 2)


# Deliveries


def test_messages_that_are_delivered_twice_count_once(
    service: Service, stack: Stack, pump: Pump, wire: Wire
) -> None:
    run_id = service.start_upload(KEYS)

    pump.run(copies=2)

    assert service.finished(run_id).outcomes() == ["COMPRESSED"] * len(KEYS)
    assert len(wire.made("GetObject", Bucket=IMAGES)) == len(KEYS)
    assert replaced_once(stack)


def test_messages_that_are_delivered_in_reverse_and_thrice_count_once(
    service: Service, stack: Stack, pump: Pump
) -> None:
    run_id = service.start_upload(KEYS)

    pump.run(choose=newest, copies=3)

    assert service.finished(run_id).outcomes() == ["COMPRESSED"] * len(KEYS)
    assert replaced_once(stack)


def test_a_copy_that_comes_after_the_run_has_ended_does_nothing(
    service: Service, stack: Stack, pump: Pump, wire: Wire, chunk: Delivery
) -> None:
    run = service.finish(run_of(chunk))
    wire.clear()

    stack.send(CHUNKS, chunk.body)
    pump.run()

    assert service.finished(run.run_id) == run
    assert wire.made("GetObject", Bucket=IMAGES) == []


def test_a_copy_that_comes_while_the_first_is_at_work_waits(
    service: Service, stack: Stack, pump: Pump, wire: Wire, chunk: Delivery
) -> None:
    def deliver_the_copy(_: Call) -> None:
        assert not pump.deliver_copy(chunk)

    wire.before("PutObject", deliver_the_copy, Bucket=IMAGES)

    run = service.finish(run_of(chunk))

    assert run.outcomes() == ["COMPRESSED"] * len(KEYS)
    assert len(wire.made("GetObject", Bucket=IMAGES)) == len(KEYS)
    assert replaced_once(stack)
    hidden = [call.parameters["VisibilityTimeout"] for call in wire.made("ChangeMessageVisibility")]
    assert 890 <= max(seconds for seconds in hidden if seconds < 930) <= 901


def test_a_copy_of_a_chunk_that_is_done_is_ended_at_once(
    service: Service, pump: Pump, wire: Wire
) -> None:
    service.start_upload(KEYS)
    pump.step(DISPATCHES)
    first = pump.waiting(CHUNKS)[0]
    assert pump.deliver_copy(first)

    assert pump.deliver(first)

    assert len(wire.made("GetObject", Bucket=IMAGES)) == 1


def test_a_worker_that_was_taken_for_dead_does_not_count_a_second_time(
    service: Service, stack: Stack, pump: Pump, wire: Wire, chunk: Delivery
) -> None:
    """It stops for longer than its time, and goes on when another has done its work."""

    def sleep_through_the_other(_: Call) -> None:
        stack.let_time_pass(1000)
        assert pump.deliver_copy(chunk)

    wire.before("PutObject", sleep_through_the_other, Bucket=RUNS)

    run = service.finish(run_of(chunk))

    assert run.outcomes() == ["COMPRESSED"] * len(KEYS)
    assert stack.table.progress(run.run).chunks_done == 1
    assert replaced_once(stack)


@pytest.mark.parametrize("run_id", ["20240201T120000Z-nobody-knows-00000000", ""])
def test_a_chunk_of_a_run_that_nobody_knows_is_dropped(
    stack: Stack, pump: Pump, wire: Wire, run_id: str
) -> None:
    body = json.dumps({"run_id": run_id, "chunk": 0, "rows": [[1, KEYS[0]]]})
    stack.send(CHUNKS, body)

    pump.run()

    assert wire.made("GetObject", Bucket=IMAGES) == []


def test_a_chunk_in_hand_is_hidden_until_its_worker_must_have_ended(
    service: Service, pump: Pump, wire: Wire, chunk: Delivery
) -> None:
    pump.clock.seconds = 300

    pump.deliver(chunk)

    (call,) = wire.made("ChangeMessageVisibility", ReceiptHandle=chunk.receipt_handle)
    assert call.parameters["QueueUrl"] == queue_url(CHUNKS)
    assert call.parameters["VisibilityTimeout"] == 330


# Time


@pytest.mark.usefixtures("four_rows_at_once")
def test_an_attempt_that_runs_out_of_time_saves_what_is_done_and_comes_back(
    service: Service, stack: Stack, pump: Pump, wire: Wire, chunk: Delivery
) -> None:
    """The other rows find no time left."""

    def time_runs_out(_: Call) -> None:
        pump.clock.seconds = OUT_OF_TIME

    wire.after("PutObject", time_runs_out, Bucket=IMAGES)

    assert not pump.deliver(chunk)
    done = len(wire.made("PutObject", Bucket=IMAGES))
    assert 1 <= done < len(KEYS)

    pump.clock.seconds = 900
    run = service.finish(run_of(chunk))

    assert run.outcomes() == ["COMPRESSED"] * len(KEYS)
    assert len(wire.made("GetObject", Bucket=IMAGES)) == len(KEYS)
    assert replaced_once(stack)
    assert stack.table.chunk_state(run.run_id, 0).deaths == 0


def test_an_attempt_without_any_time_does_nothing_and_comes_back_at_once(
    service: Service, pump: Pump, wire: Wire, chunk: Delivery
) -> None:
    pump.clock.seconds = OUT_OF_TIME

    assert not pump.deliver(chunk)

    assert wire.made("GetObject", Bucket=IMAGES) == []
    again = pump.waiting(CHUNKS)
    assert [one.receives for one in again] == [2]
    pump.clock.seconds = 900
    assert service.finish(run_of(chunk)).outcomes() == ["COMPRESSED"] * len(KEYS)


# Deaths


def test_after_a_death_a_chunk_is_taken_row_by_row_with_the_row_on_record(
    service: Service, stack: Stack, wire: Wire, chunk: Delivery
) -> None:
    run_id = run_of(chunk)
    before = stack.table.chunk_state(run_id, 0)
    stack.table.begin_attempt(run_id, before, time.time() - 1)

    run = service.finish(run_id)

    assert run.outcomes() == ["COMPRESSED"] * len(KEYS)
    in_hand = [
        call.parameters["ExpressionAttributeValues"][":row"]["N"]
        for call in wire.made("UpdateItem", UpdateExpression="SET in_hand = :row")
    ]
    assert in_hand == ["1", "2", "3", "4", "5", "6"]
    state = stack.table.chunk_state(run_id, 0)
    assert (state.attempts, state.deaths, state.done_attempt) == (2, 1, 2)


def test_an_attempt_that_may_still_be_alive_is_waited_for(
    stack: Stack, pump: Pump, wire: Wire, chunk: Delivery
) -> None:
    before = stack.table.chunk_state(run_of(chunk), 0)
    stack.table.begin_attempt(run_of(chunk), before, time.time() + 500)

    assert not pump.deliver(chunk)

    assert wire.made("GetObject", Bucket=IMAGES) == []
    hidden = wire.made("ChangeMessageVisibility")[-1].parameters["VisibilityTimeout"]
    assert 499 <= hidden <= 502


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize(
    ("operation", "where"),
    [
        ("ChangeMessageVisibility", {"QueueUrl": queue_url(CHUNKS)}),
        ("UpdateItem", {}),
        ("GetObject", {"Bucket": IMAGES}),
        ("PutObject", {"Bucket": IMAGES}),
        ("PutObject", {"Bucket": RUNS}),
        ("TransactWriteItems", {}),
        ("SendMessage", {"QueueUrl": queue_url("reports")}),
    ],
    ids=["hold", "begin", "download", "upload", "part", "count", "report"],
)
def test_a_worker_may_die_at_any_call(
    service: Service,
    stack: Stack,
    pump: Pump,
    wire: Wire,
    chunk: Delivery,
    operation: str,
    where: dict[str, str],
    moment: str,
) -> None:
    getattr(wire, moment)(operation, die, **where)
    pump.step(CHUNKS)
    assert pump.deaths == 1

    pump.run()
    stack.let_time_pass(3600)
    pump.invoke("sweeper", {})
    run = service.finish(run_of(chunk))

    assert run.outcomes() == ["COMPRESSED"] * len(KEYS)
    assert replaced_once(stack)
    for row in run.results:
        old = stack.s3.get_object(Bucket=IMAGES, Key=row["path"], VersionId=row["version_before"])
        assert old["ContentLength"] == int(row["bytes_before"])


def test_a_row_that_kills_its_worker_is_lost_and_its_neighbours_go_on(
    service: Service, stack: Stack, pump: Pump, wire: Wire, chunk: Delivery
) -> None:
    before = stack.image(KEYS[2])
    wire.before("GetObject", die, times=99, Bucket=IMAGES, Key=KEYS[2])

    run = service.finish(run_of(chunk))

    assert run.row(KEYS[2])["reason"] == "WORKER_LOST"
    assert KEYS[2] in run.row(KEYS[2])["message"]
    assert run.outcomes().count("COMPRESSED") == len(KEYS) - 1
    assert run.failed == [KEYS[2]]
    assert stack.image(KEYS[2]) == before
    assert pump.deaths == 3


def test_a_row_that_killed_once_is_taken_last(
    service: Service, wire: Wire, chunk: Delivery
) -> None:
    wire.before("GetObject", die, times=2, Bucket=IMAGES, Key=KEYS[0])

    run = service.finish(run_of(chunk))

    assert run.outcomes() == ["COMPRESSED"] * len(KEYS)
    order = [call.parameters["Key"] for call in wire.made("GetObject", Bucket=IMAGES)]
    assert order[-1] == KEYS[0]


def test_a_row_that_died_after_its_write_keeps_its_undo_record(
    service: Service, stack: Stack, wire: Wire, chunk: Delivery
) -> None:
    before = stack.head(KEYS[0])["VersionId"]
    wire.before("GetObject", die, times=2, Bucket=IMAGES, Key=KEYS[0])
    wire.after("PutObject", die, Bucket=IMAGES, Key=KEYS[0])

    run = service.finish(run_of(chunk))

    assert stack.head(KEYS[0])["VersionId"] != before
    assert run.row(KEYS[0])["outcome"] == "COMPRESSED"
    assert run.row(KEYS[0])["version_before"] == before


# Passing errors


def test_a_row_that_is_put_off_twice_is_done_the_third_time(
    service: Service, stack: Stack, wire: Wire, chunk: Delivery
) -> None:
    wire.before("GetObject", break_down, times=2, Bucket=IMAGES, Key=KEYS[3])

    run = service.finish(run_of(chunk))

    assert run.outcomes() == ["COMPRESSED"] * len(KEYS)
    assert len(wire.made("GetObject", Bucket=IMAGES)) == len(KEYS) + 2
    assert replaced_once(stack)


def test_throttled_rows_spend_no_tries_and_wait_longer_each_time(
    service: Service, wire: Wire, chunk: Delivery
) -> None:
    wire.before("GetObject", throttle, times=7, Bucket=IMAGES, Key=KEYS[3])

    run = service.finish(run_of(chunk))

    assert run.outcomes() == ["COMPRESSED"] * len(KEYS)
    pauses = [
        call.parameters["VisibilityTimeout"]
        for call in wire.made("ChangeMessageVisibility", QueueUrl=queue_url(CHUNKS))
        if call.parameters["VisibilityTimeout"] < LONG_SECONDS
    ]
    assert len(pauses) == 7
    longest = [min(5 * 2**n, 600) for n in range(1, 8)]
    assert all(most / 2 <= pause <= most for most, pause in zip(longest, pauses, strict=True))


def test_a_row_that_is_put_off_three_times_is_given_up(
    service: Service, stack: Stack, wire: Wire, chunk: Delivery
) -> None:
    before = stack.image(KEYS[3])
    wire.before("GetObject", break_down, times=99, Bucket=IMAGES, Key=KEYS[3])

    run = service.finish(run_of(chunk))

    assert run.row(KEYS[3])["reason"] == "RETRIES_EXHAUSTED"
    assert "failed.csv" in run.row(KEYS[3])["message"]
    assert run.outcomes().count("COMPRESSED") == len(KEYS) - 1
    assert len(wire.made("GetObject", Bucket=IMAGES, Key=KEYS[3])) == 3
    assert stack.image(KEYS[3]) == before


def test_a_row_whose_last_try_was_applied_is_not_given_up(
    service: Service, stack: Stack, wire: Wire, chunk: Delivery
) -> None:
    before = stack.head(KEYS[0])["VersionId"]
    wire.before("GetObject", break_down, times=2, Bucket=IMAGES, Key=KEYS[0])

    def go_silent(call: Call) -> None:
        wire.before("HeadObject", break_down, times=5, Bucket=IMAGES, Key=KEYS[0])
        lose_the_answer(call)

    wire.after("PutObject", go_silent, Bucket=IMAGES, Key=KEYS[0])

    run = service.finish(run_of(chunk))

    assert stack.head(KEYS[0])["VersionId"] != before
    assert run.row(KEYS[0])["outcome"] == "COMPRESSED"
    assert run.row(KEYS[0])["version_before"] == before


@pytest.mark.parametrize(
    ("operation", "where"),
    [
        ("GetItem", {}),
        ("UpdateItem", {}),
        ("PutObject", {"Bucket": RUNS}),
        ("TransactWriteItems", {}),
        ("BatchGetItem", {}),
        ("SendMessage", {"QueueUrl": queue_url("reports")}),
    ],
)
@pytest.mark.parametrize("moment", ["before", "after"])
def test_table_bucket_and_queue_may_refuse_for_a_while(
    service: Service,
    stack: Stack,
    pump: Pump,
    wire: Wire,
    chunk: Delivery,
    operation: str,
    where: dict[str, str],
    moment: str,
) -> None:
    fault = throttle if moment == "before" else lose_the_answer
    getattr(wire, moment)(operation, fault, times=1, **where)

    pump.run()
    stack.let_time_pass(3600)
    pump.invoke("sweeper", {})
    run = service.finish(run_of(chunk))

    assert run.outcomes() == ["COMPRESSED"] * len(KEYS)
    assert replaced_once(stack)


@pytest.mark.parametrize("code", ["TransactionConflict", "ThrottlingError"])
@pytest.mark.parametrize("times", [2, runs.CONFLICT_TRIES + 1])
def test_a_transaction_that_conflicts_is_tried_again(
    service: Service,
    wire: Wire,
    chunk: Delivery,
    monkeypatch: pytest.MonkeyPatch,
    code: str,
    times: int,
) -> None:
    """At once, and, where that does not help, in a later attempt, which takes the part over."""
    monkeypatch.setattr(runs, "CONFLICT_PAUSE_SECONDS", 0)

    def conflict(call: Call) -> None:
        error = refuse("TransactionCanceledException")
        try:
            error(call)
        except Exception as raised:
            raised.response["CancellationReasons"] = [  # type: ignore[attr-defined]
                {"Code": "None"},
                {"Code": code},
            ]
            raise

    wire.before("TransactWriteItems", conflict, times=times)

    run = service.finish(run_of(chunk))

    assert run.outcomes() == ["COMPRESSED"] * len(KEYS)
    assert len(wire.made("TransactWriteItems")) == times + 1
    assert len(wire.made("GetObject", Bucket=IMAGES)) == len(KEYS)


@pytest.mark.parametrize(
    "fault",
    [
        refuse("ConditionalCheckFailedException"),
        lose_the_answer,
    ],
    ids=["and the SDK asked again", "for good"],
)
def test_a_run_whose_flip_was_applied_and_its_answer_lost_gets_its_report(
    service: Service, wire: Wire, chunk: Delivery, fault: Act
) -> None:
    """At once, and not when the sweeper comes by."""

    def is_flip(call: Call) -> bool:
        return call.operation == "UpdateItem" and "REPORTING" in str(call.parameters)

    wire.at(Moment.AFTER, is_flip, fault)

    assert service.finish(run_of(chunk)).outcomes() == ["COMPRESSED"] * len(KEYS)


# Codec processes


@pytest.fixture
def pool(functions: Functions) -> CodecPool:
    """The compressor's codec processes, none of them started yet."""
    compressor = functions.compressor
    memory = (Context.memory_limit_in_mb - compressor.OWN_MEGABYTES) * compressor.MEGABYTE
    found: CodecPool = compressor._pool(1, memory)
    found.close()
    return found


def test_a_codec_process_stays_warm_between_chunks(service: Service, pool: CodecPool) -> None:
    service.upload(KEYS[:1])
    (first,) = kept(pool)
    service.upload(KEYS[1:])

    assert kept(pool) == [first]
    assert first.alive


def test_a_codec_process_that_is_killed_at_work_is_followed_by_the_next_codec(
    service: Service, chunk: Delivery, pool: CodecPool
) -> None:
    """As by the kernel, when memory runs out: it is stopped first, to be sure that it works."""
    with pool._lent() as process:
        process._process.send_signal(signal.SIGSTOP)

    def kill_at_work() -> None:
        while not bytes_in(process._process.stdin):
            pass
        process._process.kill()

    killer = threading.Thread(target=kill_at_work)
    killer.start()
    run = service.finish(run_of(chunk))
    killer.join()

    assert set(run.outcomes()) == {"COMPRESSED"}
    encoders = Counter(row["encoder"] for row in run.results)
    assert encoders["pillow-jpeg"] == 1
    assert encoders["jpegli"] == len(run.results) - 1


def kept(pool: CodecPool) -> list[_CodecProcess]:
    """The processes that have been started."""
    return [process for process in pool._idle.queue if process is not None]


def bytes_in(pipe: IO[bytes] | None) -> int:
    """How much of what was written to a pipe has not been read."""
    assert pipe is not None
    (count,) = struct.unpack("i", fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)))
    return int(count)
