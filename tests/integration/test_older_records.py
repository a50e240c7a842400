"""What an earlier version has written, today's code reads: its runs go on, and can be undone."""

import os
from dataclasses import dataclass

import pytest

from imagepress import __version__, dispatch
from imagepress.run import RunStatus
from tests.integration.pump import Delivery, Pump
from tests.integration.records import FOLDER, Records
from tests.integration.service import Service, csv_of
from tests.integration.stack import CHUNKS, DISPATCHES, IMAGES, TRIGGER, Stack
from tests.integration.wire import Call, Wire, die
from tests.pictures import jpeg, photograph

OUT_OF_TIME, LITTLE_TIME, MUCH_TIME = 15.0, 10.0, 900.0
# The session's own folder would be on record, and gone.
IN_TMP = {"temp_dir": "/tmp"}
UNLISTED = {"prefix": "g/", "client_token": "pictures-of-november", **IN_TMP}
FILES = sorted(FOLDER.glob("*.json"))
CHANGED = """
What is written has another form than in {name}, and an update meets records of that form. If
{name} is of a released version, keep it and give __version__ its next value; else delete
it. Then record the new form, and see that the other tests here still pass:
    RECORD=1 PYTEST_ADDOPTS="tests/integration/test_older_records.py" make test
"""


@dataclass(frozen=True, slots=True)
class Past:
    """A version at work: the runs that it has begun, each at another point."""

    service: Service
    pump: Pump
    stack: Stack
    wire: Wire

    def leave(self) -> Records:
        """Do what is done until now, and see what is on record."""
        for name in ("a", "b", "c", "d", "e", "f", "g"):
            self.stack.put_image(f"{name}/0.jpg", picture(name))
        runs = {
            "ended": self.ended(),
            "undone": self.half_undone(),
            "short": self.out_of_time(),
            "reporting": self.about_to_be_reported(),
            "prefix": self.listed(),
            "begun": self.half_sent(),
            "unlisted": self.service.invoke(UNLISTED)["run_id"],
        }
        return Records.of(self.stack, runs)

    def ended(self) -> str:
        return self.service.upload(["a/0.jpg"], key="ended.csv", metadata=IN_TMP).run_id

    def half_undone(self) -> str:
        """A restore whose only row waits for its worker."""
        run_id = self.service.upload(["b/0.jpg"], key="undone.csv", metadata=IN_TMP).run_id
        restore: str = self.service.invoke({"action": "restore", "run_id": run_id})["run_id"]
        self.step(DISPATCHES, restore)
        return restore

    def out_of_time(self) -> str:
        """A chunk of which one row is done and saved, when no time is left for the other."""
        keys = ["c/0.jpg", *missing("short", 7)]
        run_id = self.service.start_upload(keys, key="short.csv", metadata=IN_TMP)
        self.step(DISPATCHES, run_id)
        self.wire.after("PutObject", self.time_runs_out, Bucket=IMAGES)
        self.step(CHUNKS, run_id)
        self.pump.clock.seconds = MUCH_TIME
        return run_id

    def time_runs_out(self, _: Call) -> None:
        self.pump.clock.seconds = OUT_OF_TIME

    def about_to_be_reported(self) -> str:
        run_id = self.service.start_upload(["d/0.jpg"], key="reporting.csv", metadata=IN_TMP)
        self.step(DISPATCHES, run_id)
        self.step(CHUNKS, run_id)
        return run_id

    def listed(self) -> str:
        run_id: str = self.service.invoke({"prefix": "e/", **IN_TMP})["run_id"]
        self.step(DISPATCHES, run_id)
        return run_id

    def half_sent(self) -> str:
        """A list of which half is sent out, one chunk done, and one died with a row in hand."""
        nowhere = missing("begun", 7)
        keys = [*nowhere[:2], "f/0.jpg", *nowhere[2:]]
        event = {"csv_path": "lists/begun", "min_savings_percent": 2, **IN_TMP}
        self.stack.s3.put_object(Bucket=TRIGGER, Key="lists/begun", Body=csv_of(keys))
        run_id: str = self.service.invoke(event)["run_id"]
        self.pump.clock.seconds = LITTLE_TIME
        self.step(DISPATCHES, run_id)
        self.pump.clock.seconds = MUCH_TIME
        self.step(CHUNKS, run_id)
        for _ in range(2):
            self.wire.before("PutObject", die, Bucket=IMAGES)
            self.pump.deliver_copy(self.first(CHUNKS, run_id))
            self.stack.let_time_pass(MUCH_TIME)
        return run_id

    def step(self, queue: str, run_id: str) -> None:
        self.pump.deliver(self.first(queue, run_id))

    def first(self, queue: str, run_id: str) -> Delivery:
        """The first message of a run."""
        return next(one for one in self.pump.waiting(queue) if run_id in one.body)


def picture(name: str) -> bytes:
    return jpeg(photograph(size=(32, 32), seed=ord(name)))


def missing(name: str, count: int) -> list[str]:
    return [f"missing/{name}-{number}.jpg" for number in range(count)]


@pytest.fixture
def past(
    service: Service, pump: Pump, stack: Stack, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> Past:
    monkeypatch.setattr(dispatch, "CHUNKS_A_WAVE", 2)
    return Past(service, pump, stack, wire)


def test_todays_records_have_the_form_of_those_that_are_kept(past: Past) -> None:
    now = past.leave()
    newest = FILES[-1] if FILES else FOLDER
    if os.environ.get("RECORD"):
        newest = FOLDER / f"{__version__}.json"
        assert not newest.exists(), f"{newest.name} is there already."
        now.write(newest)

    kept = Records.read(newest)

    assert now.form() == kept.form(), CHANGED.format(name=newest.name)


COMPRESSED, RESTORED, NOT_FOUND = "COMPRESSED", "RESTORED", "FAILED/NOT_FOUND"
HOW = {
    "ended": [COMPRESSED],
    "undone": [RESTORED],
    "short": [COMPRESSED, *[NOT_FOUND] * 7],
    "reporting": [COMPRESSED],
    "prefix": [COMPRESSED],
    "begun": [*[NOT_FOUND] * 2, COMPRESSED, *[NOT_FOUND] * 5],
    "unlisted": [COMPRESSED],
}


@pytest.fixture(params=FILES, ids=lambda file: file.stem)
def older(request: pytest.FixtureRequest, stack: Stack) -> Records:
    """What a released version has left, and nothing else."""
    records = Records.read(request.param)
    records.put_into(stack)
    return records


def test_runs_that_an_older_version_began_end_exactly(
    service: Service, pump: Pump, stack: Stack, older: Records
) -> None:
    pump.run()

    ended = {name: service.finished(older.runs[name]) for name in HOW if name != "ended"}
    assert {name: run.outcomes() for name, run in ended.items()} == {
        name: outcomes for name, outcomes in HOW.items() if name != "ended"
    }
    assert {run.status for run in ended.values()} == {RunStatus.COMPLETED}
    # What was compressed then or now was written once, what was undone twice.
    written = [key for key, _, _ in stack.versions()]
    assert {key: written.count(key) for key in written} == {
        **{f"{name}/0.jpg": 2 for name in "acdefg"},
        "b/0.jpg": 3,
    }


def test_runs_that_an_older_version_ended_are_listed_and_can_be_undone(
    service: Service, stack: Stack, older: Records
) -> None:
    run_id = older.runs["ended"]
    listed = {run["run_id"]: run["status"] for run in service.invoke({"action": "list"})["runs"]}
    look = service.invoke({"action": "status", "run_id": run_id})

    undone = service.finish(service.invoke({"action": "restore", "run_id": run_id})["run_id"])

    assert set(older.runs.values()) <= set(listed)
    assert (listed[run_id], look["outcomes"]["COMPRESSED"]) == ("COMPLETED", 1)
    assert undone.outcomes() == [RESTORED]
    assert stack.image("a/0.jpg") == older.bodies("a/0.jpg")[0]


def test_deaths_of_an_older_version_count(pump: Pump, stack: Stack, older: Records) -> None:
    before = stack.table.chunk_state(older.runs["begun"], 1)

    pump.run()

    assert (before.attempts, before.deaths, before.in_hand) == (2, 1, 3)
    after = stack.table.chunk_state(older.runs["begun"], 1)
    assert (after.deaths, after.row_deaths) == (2, {3: 1})


def test_what_an_older_version_has_compressed_is_left_alone(
    service: Service, older: Records
) -> None:
    run = service.upload(["a/0.jpg"], key="again.csv")

    assert run.outcomes() == ["SKIPPED/ALREADY_COMPRESSED"]


def test_a_token_of_an_older_version_stands_for_its_run(service: Service, older: Records) -> None:
    assert service.invoke(UNLISTED)["run_id"] == older.runs["unlisted"]
