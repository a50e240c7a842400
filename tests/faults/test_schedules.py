"""Random schedules: anything may happen at any call, and messages come in any order.

They are the same ones every time; `HYPOTHESIS_PROFILE=search` looks for new ones.
"""

import os
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum, auto

import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from imagepress import start
from imagepress.run import RunStatus
from tests.faults.fault_points import fail
from tests.faults.invariants import Report, check_everything
from tests.faults.scenarios import SIZE, put_images
from tests.faults.world import World, Worlds
from tests.integration.pump import Choice, Delivery
from tests.integration.wire import Call, Moment, die, lose_the_answer
from tests.pictures import jpeg, photograph

SEARCHING = os.environ.get("HYPOTHESIS_PROFILE") == "search"
BATCHES = 10
SCHEDULES_A_BATCH = 2000 if SEARCHING else 30
LAST_CALL = 80
KEYS = ("a.jpg", "b.jpg", "c.png", "missing.jpg")
EXISTING = KEYS[:3]
# Few, so that the same bytes come again: an ETag does not tell them apart.
OTHERS = [jpeg(photograph(size=SIZE, seed=seed)) for seed in (7, 8, 9)]


class Event(Enum):
    """What happens at a call."""

    FAILS = auto()
    DIES = auto()
    ANSWER_LOST = auto()
    OVERWRITTEN = auto()
    OTHER_WORKER = auto()
    MESSAGE_DOUBLED = auto()
    CANCELLED = auto()


FAULTS = (Event.FAILS, Event.DIES, Event.ANSWER_LOST)


@dataclass(frozen=True, slots=True)
class Incident:
    """`event` happens at call `number`, on one side of it; `which` says to whom."""

    number: int
    event: Event
    moment: Moment
    which: int


@dataclass(frozen=True, slots=True)
class Schedule:
    """A run, and all that happens to it; `order` chooses among the messages that wait."""

    keys: tuple[str, ...]
    rows_a_chunk: int
    uploads: int
    restored: bool
    order: tuple[int, ...]
    incidents: tuple[Incident, ...]

    def count(self, *events: Event) -> int:
        """How often one of `events` happens."""
        return sum(incident.event in events for incident in self.incidents)


incidents = st.builds(
    Incident,
    number=st.integers(1, LAST_CALL),
    event=st.sampled_from(Event),
    moment=st.sampled_from(Moment),
    which=st.integers(0, 2),
)
schedules = st.builds(
    Schedule,
    keys=st.lists(st.sampled_from(KEYS), min_size=1, max_size=4).map(tuple),
    rows_a_chunk=st.integers(1, 3),
    uploads=st.integers(1, 2),
    restored=st.booleans(),
    order=st.lists(st.integers(0, 3), max_size=20).map(tuple),
    incidents=st.lists(incidents, min_size=1, max_size=6).map(tuple),
)


@pytest.mark.parametrize("batch", range(BATCHES))
def test_no_schedule_loses_anything(worlds: Worlds, batch: int) -> None:
    @seed(secrets.randbits(32) if SEARCHING else batch)
    @settings(
        max_examples=SCHEDULES_A_BATCH,
        database=None,
        deadline=None,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(schedule=schedules)
    def follow(schedule: Schedule) -> None:
        with worlds() as world:
            live_through(world, schedule)

    follow()


def live_through(world: World, schedule: Schedule) -> None:
    """Let a run, and perhaps its restore, come to their ends under `schedule`; check them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(start, "chunk_size", lambda rows, concurrency: schedule.rows_a_chunk)
        put_images(world)
        for incident in schedule.incidents:
            arrange(world, incident)
        choose = chosen_by(schedule.order)
        world.upload(schedule.keys, copies=schedule.uploads)
        world.end(choose)
        if schedule.restored:
            (run,) = world.runs()
            world.ask({"action": "restore", "run_id": run.run_id})
            world.end(choose)

        reports = check_everything(world, schedule.keys)

    assert len(reports) == 1 + schedule.restored
    check_outcomes(schedule, reports)


def check_outcomes(schedule: Schedule, reports: Sequence[Report]) -> None:
    """Nothing fails that nothing has happened to."""
    ends = {RunStatus.COMPLETED}
    if schedule.count(Event.CANCELLED):
        ends.add(RunStatus.CANCELLED)
    assert {report.run.status for report in reports} <= ends
    possible = {"NOT_FOUND", "DUPLICATE", ""}
    if schedule.count(Event.CANCELLED):
        possible.add("CANCELLED")
    if schedule.count(Event.OVERWRITTEN):
        possible |= {"CHANGED_MEANWHILE", "CHANGED_LATER", "NOT_SMALLER"}
    if schedule.count(*FAULTS) >= 2:
        possible |= {"WORKER_LOST", "RETRIES_EXHAUSTED"}
    assert {row["reason"] for report in reports for row in report.rows} <= possible


def chosen_by(order: Sequence[int]) -> Choice:
    """Chooses by `order`, then the oldest."""
    numbers = iter(order)

    def choose(waiting: Sequence[Delivery]) -> int:
        return next(numbers, 0) % len(waiting)

    return choose


def arrange(world: World, incident: Incident) -> None:
    """Let `incident` happen when its time comes."""
    act = _act(world, incident)
    world.wire.at(incident.moment, lambda call: call.number == incident.number, act)


def _act(world: World, incident: Incident) -> Callable[[Call], object]:
    which = incident.which
    match incident.event:
        case Event.FAILS | Event.ANSWER_LOST:
            return fail if incident.moment is Moment.BEFORE else lose_the_answer
        case Event.DIES:
            return die
        case Event.OVERWRITTEN:
            return lambda call: world.overwrite(_target(call, which), OTHERS[which])
        case Event.OTHER_WORKER:
            return lambda _: world.meanwhile(lambda: _deliver(world, which))
        case Event.MESSAGE_DOUBLED:
            return lambda _: _double(world, which)
        case Event.CANCELLED:
            return lambda _: world.meanwhile(lambda: _cancel(world))


def _target(call: Call, which: int) -> str:
    """The object that a call is about, or any."""
    key = call.parameters.get("Key")
    return key if key in EXISTING else EXISTING[which]


def _deliver(world: World, which: int) -> None:
    if waiting := world.pump.waiting():
        world.pump.deliver(waiting[which % len(waiting)])


def _double(world: World, which: int) -> None:
    if waiting := world.pump.waiting():
        message = waiting[which % len(waiting)]
        world.stack.send(message.queue, message.body)


def _cancel(world: World) -> None:
    for run in world.runs():
        world.ask({"action": "cancel", "run_id": run.run_id})
