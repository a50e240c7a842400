"""Every call of a run goes wrong once, in every way: nothing is lost, and the run ends as ever.

The calls are those of a clean run, so that a new one is covered by itself. `FAULTS=all` leaves
nothing out: neither the calls that scenarios share, nor those between the first two and the last
of a kind, nor faults that leave AWS in the state of another one.
"""

import os
from dataclasses import dataclass, replace

import pytest

from imagepress.run import RunStatus
from tests.faults.fault_points import Place, Way, at, places, spoil
from tests.faults.invariants import Report, check_everything
from tests.faults.scenarios import SCENARIOS, SIZE, Scenario
from tests.faults.world import World, Worlds
from tests.integration.stack import IMAGES
from tests.integration.wire import Moment
from tests.pictures import jpeg, photograph

ALL = os.environ.get("FAULTS") == "all"
AT_LEAST = 3000 if ALL else 450
AT_LEAST_UPLOADS = 30
FIRST_OF_A_KIND = 2
ANOTHER = jpeg(photograph(size=SIZE, seed=9))
BESIDE_A_STRANGER = {"", "NOT_FOUND", "DUPLICATE", "CHANGED_MEANWHILE", "CHANGED_LATER"}
COMPRESS, RESTORE = SCENARIOS[:2]


@dataclass(frozen=True, slots=True)
class Clean:
    """What a scenario does without any fault."""

    calls: list[Place]
    reports: list[Report]


@pytest.fixture(scope="module")
def clean(worlds: Worlds) -> dict[str, Clean]:
    """The clean run of each scenario."""
    return {scenario.name: run(worlds, scenario) for scenario in SCENARIOS}


@pytest.mark.parametrize("way", Way, ids=lambda way: way.name.lower())
@pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
def test_a_fault_at_any_call_loses_nothing(
    worlds: Worlds,
    clean: dict[str, Clean],
    scenario: Scenario,
    way: Way,
    subtests: pytest.Subtests,
) -> None:
    for place in fault_points(clean, scenario, way):
        with subtests.test(f"{way.name} at {place}"):
            reports = run(worlds, scenario, (place, way)).reports
            scenario.judge(clean[scenario.name].reports, reports)


@pytest.mark.parametrize("scenario", [COMPRESS, RESTORE], ids=str)
def test_an_upload_of_somebody_else_before_any_call_survives(
    worlds: Worlds, clean: dict[str, Clean], scenario: Scenario, subtests: pytest.Subtests
) -> None:
    for place in moments_of_images(clean, scenario):
        with subtests.test(f"uploaded before {place}"), worlds() as world:
            scenario.before(world)
            world.wire.clear()
            interfere(world, place)
            scenario.course(world)

            for report in check_everything(world, scenario.keys):
                assert report.run.status is RunStatus.COMPLETED
                assert {row["reason"] for row in report.rows} <= BESIDE_A_STRANGER
            assert len(world.strangers) == 1


def interfere(world: World, place: Place) -> None:
    """Let somebody put another picture before the call at `place`: where it is about to look."""
    bucket, _, key = place.about.partition("/")
    target = key if bucket == IMAGES and key in world.before else "b.jpg"
    at(world.wire, place, Moment.BEFORE, lambda _: world.overwrite(target, ANOTHER))


def test_there_are_many_fault_points(clean: dict[str, Clean]) -> None:
    counted = {
        scenario.name: sum(len(fault_points(clean, scenario, way)) for way in Way)
        for scenario in SCENARIOS
    }
    uploads = sum(len(moments_of_images(clean, scenario)) for scenario in (COMPRESS, RESTORE))
    print("Fault points:", sum(counted.values()), counted, "uploads:", uploads)  # noqa: T201

    assert sum(counted.values()) >= AT_LEAST
    assert uploads >= AT_LEAST_UPLOADS


def moments_of_images(clean: dict[str, Clean], scenario: Scenario) -> list[Place]:
    """The calls that look at images or change them: between others nobody notices an upload."""
    calls = clean[scenario.name].calls
    return [place for place in calls if ALL or place.about.startswith(f"{IMAGES}/")]


def fault_points(clean: dict[str, Clean], scenario: Scenario, way: Way) -> list[Place]:
    """The calls of a scenario that are to go wrong in that way."""
    fitting = [place for place in clean[scenario.name].calls if way.fits(place)]
    if ALL:
        return fitting
    if way is Way.DIES_BEFORE:  # else it is as after the call before
        telling = fitting[:1]
    else:
        telling = [place for place in fitting if way.leaves_another_state(place)]
    if scenario.thorough:
        return telling
    before = SCENARIOS[: SCENARIOS.index(scenario)]
    known = {place for one in before for place in clean[one.name].calls}
    last = {replace(place, nth=1): place for place in clean[scenario.name].calls}
    some = {*last.values(), *(place for place in telling if place.nth <= FIRST_OF_A_KIND)}
    return [place for place in telling if place in some - known]


def run(worlds: Worlds, scenario: Scenario, fault: tuple[Place, Way] | None = None) -> Clean:
    """A scenario from its beginning to its end; its calls and its reports."""
    with worlds() as world:
        scenario.before(world)
        world.wire.clear()
        went_wrong = spoil(world.wire, *fault) if fault else lambda: True
        scenario.course(world)
        found = places(world.wire.calls)
        assert went_wrong(), "The call was not made this time."
        reports = check_everything(world, scenario.keys)
        scenario.look(world)
        return Clean(found, reports)
