"""Messages get lost and functions die between two calls: the sweeper sees to it that runs end."""

from dataclasses import replace

import pytest

from imagepress.sweep import MAX_RESENDS, STALLED_SECONDS
from tests.integration.functions import Functions
from tests.integration.pump import Pump
from tests.integration.service import Service
from tests.integration.stack import CHUNKS, DISPATCHES, IMAGES, REPORTS, Stack, queue_url
from tests.integration.wire import Wire, die, throttle
from tests.pictures import jpeg, photograph

KEYS = [f"{number}.jpg" for number in range(4)]
LONG = STALLED_SECONDS + 60


@pytest.fixture(autouse=True)
def pictures(stack: Stack) -> None:
    for number, key in enumerate(KEYS):
        stack.put_image(key, jpeg(photograph(size=(32, 32), seed=number)))


@pytest.fixture
def run_id(service: Service) -> str:
    """A run that has been started, and no more."""
    return service.start_upload(KEYS)


def sweep(pump: Pump, stack: Stack, seconds: float = LONG) -> dict[str, str]:
    """What the sweeper does when that much time has passed."""
    stack.let_time_pass(seconds)
    done: dict[str, str] = pump.invoke("sweeper", {"source": "aws.scheduler"})
    return done


def assert_whole(service: Service, stack: Stack, run_id: str) -> None:
    """Every picture has been replaced, once, and the run knows it."""
    assert service.finish(run_id).outcomes() == ["COMPRESSED"] * len(KEYS)
    assert sorted(key for key, *_ in stack.versions()) == sorted(KEYS * 2)


def test_there_is_nothing_to_do_where_nothing_runs(pump: Pump, stack: Stack) -> None:
    assert sweep(pump, stack) == {}


def test_a_run_that_has_ended_is_left_alone(
    service: Service, pump: Pump, stack: Stack, run_id: str
) -> None:
    service.finish(run_id)

    assert sweep(pump, stack) == {}
    assert pump.waiting() == []


def test_a_lost_dispatch_message_is_sent_again(
    service: Service, pump: Pump, stack: Stack, run_id: str
) -> None:
    assert pump.lose(DISPATCHES) == 1

    assert "next step" in sweep(pump, stack)[run_id]
    assert_whole(service, stack, run_id)


def test_lost_chunks_are_sent_again(
    service: Service, pump: Pump, stack: Stack, run_id: str
) -> None:
    pump.step(DISPATCHES)
    assert pump.lose(CHUNKS) == len(KEYS)

    assert sweep(pump, stack)[run_id] == "sent lost chunks again"
    assert_whole(service, stack, run_id)


def test_only_chunks_that_are_not_done_are_sent_again(
    service: Service, pump: Pump, stack: Stack, run_id: str
) -> None:
    pump.step(DISPATCHES)
    pump.step(CHUNKS)
    pump.step(CHUNKS)
    assert pump.lose(CHUNKS) == 2
    sweep(pump, stack)
    pump.step(DISPATCHES)

    assert len(pump.waiting(CHUNKS)) == 2
    assert_whole(service, stack, run_id)


def test_chunks_that_keep_getting_lost_are_given_up(
    service: Service, pump: Pump, stack: Stack, run_id: str
) -> None:
    pump.step(DISPATCHES)
    pump.step(CHUNKS)
    for _ in range(MAX_RESENDS):
        pump.lose(CHUNKS)
        assert sweep(pump, stack)[run_id] == "sent lost chunks again"
        pump.step(DISPATCHES)
    pump.lose(CHUNKS)

    assert sweep(pump, stack)[run_id] == "gave up lost chunks"

    run = service.finish(run_id)
    assert run.status == "FAILED"
    assert "lost" in run.message
    assert run.outcomes() == ["COMPRESSED", *["FAILED/RUN_FAILED"] * 3]
    assert run.failed == KEYS[1:]


def test_chunks_that_turn_up_after_they_were_given_up_are_dropped(
    service: Service, pump: Pump, stack: Stack, wire: Wire, run_id: str
) -> None:
    pump.step(DISPATCHES)
    found = pump.waiting(CHUNKS)
    for _ in range(MAX_RESENDS):
        pump.lose(CHUNKS)
        sweep(pump, stack)
        pump.step(DISPATCHES)
    pump.lose(CHUNKS)
    sweep(pump, stack)
    run = service.finish(run_id)
    assert run.outcomes() == ["FAILED/RUN_FAILED"] * len(KEYS)

    for delivery in found:
        stack.send(CHUNKS, delivery.body)
    pump.run()

    assert wire.made("GetObject", Bucket=IMAGES) == []
    assert service.finished(run_id) == run


def test_chunks_that_wait_their_turn_are_not_lost(
    service: Service, pump: Pump, stack: Stack, run_id: str
) -> None:
    pump.step(DISPATCHES)

    assert sweep(pump, stack) == {}
    assert_whole(service, stack, run_id)


def test_a_chunk_in_flight_is_not_lost(pump: Pump, stack: Stack, run_id: str) -> None:
    pump.step(DISPATCHES)
    assert len(pump.waiting(CHUNKS)) == len(KEYS)

    assert sweep(pump, stack) == {}


def test_a_lost_report_message_is_sent_again(
    service: Service, pump: Pump, stack: Stack, run_id: str
) -> None:
    pump.step(DISPATCHES)
    for _ in KEYS:
        pump.step(CHUNKS)
    assert pump.lose(REPORTS) == 1

    assert sweep(pump, stack)[run_id] == "asked for the report again"
    assert_whole(service, stack, run_id)


def test_a_run_whose_last_worker_died_before_it_flipped_is_flipped(
    service: Service, pump: Pump, stack: Stack, wire: Wire, run_id: str
) -> None:
    pump.step(DISPATCHES)
    wire.after("TransactWriteItems", die, nth=len(KEYS))
    for _ in KEYS:
        pump.step(CHUNKS)
    pump.lose(CHUNKS)

    assert sweep(pump, stack, seconds=0)[run_id] == "started the report"
    assert_whole(service, stack, run_id)


def test_a_run_whose_last_worker_died_between_flip_and_message_gets_its_report(
    service: Service, pump: Pump, stack: Stack, wire: Wire, run_id: str
) -> None:
    wire.before("SendMessage", die, QueueUrl=queue_url(REPORTS))
    while pump.deaths == 0:
        pump.deliver(pump.waiting()[0])
    pump.lose(CHUNKS)

    assert sweep(pump, stack)[run_id] == "asked for the report again"
    assert_whole(service, stack, run_id)


@pytest.mark.parametrize("queue", [DISPATCHES, CHUNKS, REPORTS])
def test_a_run_that_moves_is_left_alone(
    service: Service, pump: Pump, stack: Stack, run_id: str, queue: str
) -> None:
    while not pump.waiting(queue):
        pump.deliver(pump.waiting()[0])

    assert sweep(pump, stack, STALLED_SECONDS / 2) == {}
    assert_whole(service, stack, run_id)


def test_what_makes_a_run_suspect_can_be_set(
    functions: Functions, pump: Pump, stack: Stack, run_id: str
) -> None:
    pump.lose(DISPATCHES)
    stack.let_time_pass(10)
    sweeper = functions.sweeper._sweeper

    assert replace(sweeper, stalled_seconds=60).sweep() == {}
    assert [*replace(sweeper, stalled_seconds=5).sweep()] == [run_id]


def test_all_runs_are_looked_at(service: Service, pump: Pump, stack: Stack) -> None:
    runs = [service.start_upload(KEYS[:1], key=f"{number}.csv") for number in range(3)]
    pump.lose(DISPATCHES)

    assert sorted(sweep(pump, stack)) == sorted(runs)
    assert [service.finish(run_id).status for run_id in runs] == ["COMPLETED"] * 3


def test_a_run_that_cannot_be_helped_now_does_not_keep_others_from_help(
    service: Service, pump: Pump, stack: Stack, wire: Wire
) -> None:
    runs = [service.start_upload(KEYS[:1], key=f"{number}.csv") for number in range(2)]
    pump.lose(DISPATCHES)
    wire.before("SendMessage", throttle, QueueUrl=queue_url(DISPATCHES))

    done = sweep(pump, stack)

    assert sum(action.startswith("put off") for action in done.values()) == 1
    assert len(done) == len(runs)


def test_a_sweep_that_comes_twice_does_no_harm(
    service: Service, pump: Pump, stack: Stack, run_id: str
) -> None:
    pump.step(DISPATCHES)
    pump.lose(CHUNKS)
    sweep(pump, stack)
    sweep(pump, stack)

    assert_whole(service, stack, run_id)
