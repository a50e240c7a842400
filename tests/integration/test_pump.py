"""The harness itself: what the other tests lean on does what it says."""

import pytest

from imagepress.run import RunStatus
from tests.integration.pump import Pump, newest
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
from tests.integration.wire import Call, Moment, Wire, die, lose_the_answer, refuse, throttle
from tests.pictures import jpeg

KEYS = ["a.jpg", "b.jpg"]


@pytest.fixture
def run_id(service: Service, stack: Stack) -> str:
    stack.put_image("a.jpg", jpeg())
    return service.start_upload(KEYS)


def test_every_call_of_the_functions_is_on_the_wire(
    service: Service, wire: Wire, run_id: str
) -> None:
    service.finish(run_id)

    assert [call.number for call in wire.calls] == [*range(1, len(wire.calls) + 1)]
    assert {call.service for call in wire.calls} == {"s3", "sqs", "dynamodb", "sns"}
    (put,) = wire.made("PutObject", Bucket=IMAGES)
    assert put.parameters["Key"] == "a.jpg"


def test_the_tests_own_calls_are_not_on_the_wire(stack: Stack, wire: Wire) -> None:
    stack.put_image("a.jpg", jpeg())

    assert wire.calls == []


def test_a_fault_before_a_call_keeps_it_from_arriving(
    stack: Stack, pump: Pump, wire: Wire, run_id: str
) -> None:
    wire.before("SendMessageBatch", throttle)

    assert not pump.step(DISPATCHES)
    assert pump.waiting(CHUNKS) == []


def test_a_fault_after_a_call_finds_it_applied(pump: Pump, wire: Wire, run_id: str) -> None:
    wire.after("SendMessageBatch", lose_the_answer)

    assert not pump.step(DISPATCHES)
    assert len(pump.waiting(CHUNKS)) == len(KEYS)


def test_the_dead_make_no_more_calls(stack: Stack, pump: Pump, wire: Wire, run_id: str) -> None:
    """Not even those that a `finally` or another thread would make."""
    pump.step(DISPATCHES)
    wire.before("GetObject", die, Bucket=IMAGES)
    pump.step(CHUNKS)

    assert pump.deaths == 1
    assert wire.calls[-1].operation == "GetObject"
    state = stack.table.chunk_state(run_id, 0)
    assert state.open_until is not None


def test_a_fault_can_be_set_at_the_nth_call_of_all(
    service: Service, pump: Pump, wire: Wire, run_id: str
) -> None:
    wire.clear()
    fired: list[Call] = []
    wire.at(Moment.BEFORE, lambda _: True, fired.append, nth=5)

    service.finish(run_id)

    assert [call.number for call in fired] == [5]


def test_what_comes_back_comes_back_when_its_time_is_over(
    stack: Stack, pump: Pump, wire: Wire, run_id: str
) -> None:
    pump.step(DISPATCHES)
    wire.before("GetObject", die, Bucket=IMAGES)
    pump.step(CHUNKS)
    assert len(pump.waiting(CHUNKS)) == len(KEYS) - 1
    pump.step(CHUNKS)
    assert pump.waiting(CHUNKS) == []

    assert pump.step(CHUNKS)

    assert stack.table.chunk_state(run_id, 0).deaths == 1


def test_what_comes_back_too_often_becomes_a_dead_letter(
    stack: Stack, pump: Pump, wire: Wire
) -> None:
    stack.send(CHUNKS, {"run_id": "nobody", "chunk": 0, "rows": []})
    wire.before("ChangeMessageVisibility", throttle, times=99, QueueUrl=queue_url(CHUNKS))

    pump.run()

    assert len(wire.made("ChangeMessageVisibility")) == MAX_RECEIVES
    assert pump.waiting(dead_letters(CHUNKS)) == []


def test_an_error_that_a_function_raises_is_the_tests_own_unless_it_is_tolerated(
    pump: Pump, wire: Wire, run_id: str
) -> None:
    wire.before("GetItem", refuse("ValidationException"), times=2)
    with pytest.raises(Exception, match="ValidationException"):
        pump.step(DISPATCHES)


def test_messages_can_be_chosen(service: Service, pump: Pump, wire: Wire, run_id: str) -> None:
    pump.step(DISPATCHES)

    pump.run(choose=newest)

    assert [call.parameters["Key"] for call in wire.made("GetObject", Bucket=IMAGES)] == KEYS[::-1]


def test_messages_can_be_lost(stack: Stack, pump: Pump, run_id: str) -> None:
    pump.step(DISPATCHES)

    assert pump.lose(CHUNKS) == len(KEYS)

    pump.run()
    run = stack.table.load(run_id)
    assert run is not None
    assert run.status is RunStatus.RUNNING
    assert pump.waiting(REPORTS) == []
