"""A report that is long: it goes on in several invocations, which may die, and is the same."""

from collections.abc import Callable
from dataclasses import dataclass

import moto.s3.models
import pytest

from imagepress import growing_object, reporting, start
from imagepress.errors import RowFailed
from imagepress.manifest import Row
from imagepress.outcome import FailureCode, Totals
from imagepress.part import Part
from imagepress.run import Cursor, Run, RunStatus
from imagepress.run_store import RunFiles, RunStore, run_prefix
from imagepress.worker import without_trying
from tests.integration.pump import Delivery, Pump
from tests.integration.service import Service
from tests.integration.stack import DISPATCHES, REPORTS, RUNS, TABLE, TRIGGER, Stack
from tests.integration.wire import Call, Moment, Wire, die, lose_the_answer, refuse, throttle
from tests.pictures import jpeg, photograph

KEYS = [f"missing/{number}.jpg" for number in range(8)]
PART_BYTES = 400
CHUNKS_A_CHECKPOINT = 3
NO_TIME = 10.0
ENDED = 1_706_788_999_000
MISSING = RowFailed(FailureCode.NOT_FOUND, "There is no such object.")
FILES = ("log", "results", "failed", "undo", "report", "summary")


@pytest.fixture
def long_report(monkeypatch: pytest.MonkeyPatch, many_workers: None) -> None:
    """Eight rows make a long report: a chunk for each, small parts, many checkpoints."""
    monkeypatch.setattr(growing_object, "PART_BYTES", PART_BYTES)
    monkeypatch.setattr(growing_object, "GZIP_BLOCK_BYTES", PART_BYTES)
    monkeypatch.setattr(reporting, "CHUNKS_A_CHECKPOINT", CHUNKS_A_CHECKPOINT)
    monkeypatch.setattr(moto.s3.models, "S3_UPLOAD_PART_MIN_SIZE", 1)


@dataclass(frozen=True, slots=True)
class Reporting:
    """A run of which only the report is missing."""

    run_id: str
    service: Service
    stack: Stack
    pump: Pump
    wire: Wire

    @property
    def run(self) -> Run:
        run = self.stack.table.load(self.run_id)
        assert run is not None
        return run

    def steps(self) -> int:
        """Let the report come to its end; how many invocations that took."""
        steps = 0
        while self.pump.waiting() or self.pump._hidden:
            self.pump.step(REPORTS)
            steps += 1
        return steps

    def files(self) -> dict[str, bytes]:
        """What the run has left, after a look at what must hold of every run."""
        self.service.finished(self.run_id)
        keys = RunFiles.of(self.run)
        return {name: self._read(getattr(keys, name)) for name in FILES}

    def assert_whole(self) -> None:
        """Its files are to the byte those of a report that nothing ever happens to."""
        found = self.files()
        self._ask_again()
        self.stack.send(REPORTS, {"report": self.run_id})
        self.pump.clock.seconds = 900
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(growing_object, "PART_BYTES", 8 << 20)
            patch.setattr(reporting, "CHUNKS_A_CHECKPOINT", 10_000)
            assert self.steps() == 1
        assert found == self.files()

    def versions(self) -> dict[str, int]:
        """How often each file of the report was written."""
        keys = RunFiles.of(self.run)
        return {name: self._versions(getattr(keys, name)) for name in FILES}

    def ended_at(self, milliseconds: int) -> None:
        """Let the run's rows have been done at another time."""
        self.stack.dynamodb.update_item(
            TableName=TABLE,
            Key={"pk": {"S": f"run#{self.run_id}"}},
            UpdateExpression="SET ended = :then",
            ExpressionAttributeValues={":then": {"N": str(milliseconds)}},
        )

    def _ask_again(self) -> None:
        """Let the run be as if nobody had begun its report."""
        self.stack.dynamodb.update_item(
            TableName=TABLE,
            Key={"pk": {"S": f"run#{self.run_id}"}},
            UpdateExpression="SET #status = :reporting REMOVE report_step",
            ExpressionAttributeNames={"#status": "status"},
            ExpressionAttributeValues={":reporting": {"S": "REPORTING"}},
        )

    def _read(self, key: str) -> bytes:
        return self.stack.s3.get_object(Bucket=RUNS, Key=key)["Body"].read()

    def _versions(self, key: str) -> int:
        return len(self.stack.s3.list_object_versions(Bucket=RUNS, Prefix=key)["Versions"])


@pytest.fixture
def reporting_run(
    service: Service, stack: Stack, pump: Pump, wire: Wire, long_report: None
) -> Reporting:
    return run_to_report(service, stack, pump, wire)


def run_to_report(
    service: Service, stack: Stack, pump: Pump, wire: Wire, done: int = len(KEYS)
) -> Reporting:
    """Start a run, and do what the dispatcher and the compressors would, with fewer requests.

    Where only the first rows are `done`, the run has stopped itself.
    """
    found = Reporting(service.start_upload(KEYS), service, stack, pump, wire)
    run = found.run
    pump.lose(DISPATCHES)
    for number, key in enumerate(KEYS[:done]):
        part = Part({number + 1: without_trying(Row(number + 1, key, 0), MISSING)}, {})
        RunStore(stack.s3, RUNS).write_part(run.run_id, number, 1, part)
        stack.table.complete_chunk(run, number, 1, Totals(failed=1))
    assert run.manifest is not None
    stack.table.finish_dispatch(run, Cursor(run.manifest.pinned.size, len(KEYS), len(KEYS) + 1))
    for number in range(done, len(KEYS)):
        stack.table.void(run, number, even_if_begun=False)
    end = RunStatus.COMPLETED if done == len(KEYS) else RunStatus.ABORTED
    stack.table.start_report(run, end, "" if done == len(KEYS) else "Most rows failed.")
    stack.send(REPORTS, {"report": run.run_id})
    wire.clear()
    found.ended_at(ENDED)
    return found


def test_a_short_report_costs_no_request_more_than_its_files(
    service: Service, stack: Stack, pump: Pump, wire: Wire
) -> None:
    run_to_report(service, stack, pump, wire).steps()

    assert [call.operation for call in wire.calls if call.operation != "GetObject"] == [
        "ChangeMessageVisibility",
        "GetItem",
        "BatchGetItem",
        *["PutObject"] * len(FILES),
        "Publish",
        "UpdateItem",
    ]


def test_a_long_report_is_uploaded_in_parts(reporting_run: Reporting) -> None:
    assert reporting_run.steps() == 1

    wire = reporting_run.wire
    keys = RunFiles.of(reporting_run.run)
    parts = [call.parameters for call in wire.made("UploadPart", Key=keys.log)]
    assert len(parts) >= 3
    assert [part["PartNumber"] for part in parts] == [*range(1, len(parts) + 1)]
    assert {part["Body"].getbuffer().nbytes for part in parts[:-1]} == {PART_BYTES}
    assert len(wire.made("CompleteMultipartUpload", Key=keys.log)) == 1
    # Nothing was replaced, so this one stays small.
    assert wire.made("UploadPart", Key=keys.undo) == []
    assert reporting_run.stack.s3.head_object(Bucket=RUNS, Key=keys.results)["ContentType"] == (
        "text/csv; charset=utf-8"
    )
    reporting_run.assert_whole()


def test_a_reporter_without_time_goes_on_in_the_next_invocation(reporting_run: Reporting) -> None:
    reporting_run.pump.clock.seconds = NO_TIME

    assert reporting_run.steps() == len(KEYS) + 1
    reporting_run.assert_whole()


def test_no_part_is_read_twice_where_nothing_dies(reporting_run: Reporting) -> None:
    reporting_run.pump.clock.seconds = NO_TIME
    reporting_run.steps()

    keys = [call.parameters["Key"] for call in reporting_run.wire.made("UploadPart")]
    numbers = [call.parameters["PartNumber"] for call in reporting_run.wire.made("UploadPart")]
    assert len({*zip(keys, numbers, strict=True)}) == len(keys)


def saves(call: Call) -> bool:
    return call.operation == "PutObject" and "/parts/report/" in call.parameters["Key"]


def moves(call: Call) -> bool:
    return "report_step" in call.parameters.get("UpdateExpression", "")


def ends(call: Call) -> bool:
    return call.operation == "UpdateItem" and not moves(call)


def is_a(operation: str) -> Callable[[Call], bool]:
    return lambda call: call.operation == operation


PLACES = {
    "part": is_a("UploadPart"),
    "beginning of an upload": is_a("CreateMultipartUpload"),
    "checkpoint": saves,
    "step": moves,
    "message": is_a("SendMessage"),
    "completion": is_a("CompleteMultipartUpload"),
    "end": ends,
}


WAYS = {
    "dies before": (Moment.BEFORE, die),
    "dies after": (Moment.AFTER, die),
    "refused": (Moment.BEFORE, throttle),
    "answer lost": (Moment.AFTER, lose_the_answer),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("nth", [1, 3])
@pytest.mark.parametrize("place", PLACES)
def test_a_reporter_may_be_killed_anywhere(
    reporting_run: Reporting, place: str, nth: int, way: str
) -> None:
    moment, act = WAYS[way]
    # Of messages there are only some where time is short, of ends only one.
    reporting_run.pump.clock.seconds = NO_TIME if place == "message" else 900
    sprung = []

    def go_wrong(call: Call) -> None:
        sprung.append(call)
        act(call)

    reporting_run.wire.at(moment, PLACES[place], go_wrong, 1 if place == "end" else nth)

    steps = reporting_run.steps()

    assert sprung
    assert steps >= 2
    reporting_run.assert_whole()


def test_a_death_costs_no_more_than_the_work_since_the_last_checkpoint(
    reporting_run: Reporting,
) -> None:
    reporting_run.wire.at(Moment.AFTER, moves, die, 2)

    reporting_run.steps()

    read = [call.parameters["Key"] for call in reporting_run.wire.made("GetObject")]
    first = f"{run_prefix(reporting_run.run_id)}parts/0/1.jsonl"
    assert read.count(first) == 1
    reporting_run.assert_whole()


@pytest.mark.parametrize(("seconds", "nth"), [(900, 1), (900, 3), (NO_TIME, 2)])
@pytest.mark.parametrize("place", PLACES)
def test_two_reporters_at_once_write_one_report(
    reporting_run: Reporting, place: str, nth: int, seconds: float
) -> None:
    pump, wire = reporting_run.pump, reporting_run.wire
    pump.clock.seconds = seconds
    twice = {"report": reporting_run.run_id}
    others: list[Delivery] = []

    def another(_: Call) -> None:
        reporting_run.stack.send(REPORTS, twice)
        (other,) = pump.waiting(REPORTS)
        others.append(other)
        pump.deliver(other)

    wire.at(Moment.BEFORE, PLACES[place], another, 1 if place == "end" else nth)

    reporting_run.steps()

    assert others or (place == "message" and seconds > NO_TIME)
    reporting_run.assert_whole()


@pytest.mark.parametrize(("place", "nth"), [("checkpoint", 1), ("step", 1), ("part", 2)])
def test_a_reporter_that_another_has_overtaken_writes_no_file(
    reporting_run: Reporting, place: str, nth: int
) -> None:
    pump, wire = reporting_run.pump, reporting_run.wire

    def another(_: Call) -> None:
        reporting_run.stack.send(REPORTS, {"report": reporting_run.run_id})
        (other,) = pump.waiting(REPORTS)
        pump.deliver(other)
        assert reporting_run.run.status == "COMPLETED"

    wire.at(Moment.BEFORE, PLACES[place], another, nth)

    assert reporting_run.steps() == 1

    assert reporting_run.versions() == dict.fromkeys(FILES, 1)


@pytest.mark.parametrize("moment", Moment, ids=lambda moment: moment.name.lower())
@pytest.mark.parametrize("nth", [1, 2])
def test_a_death_between_completions_repeats_none(
    reporting_run: Reporting, nth: int, moment: Moment
) -> None:
    reporting_run.wire.at(moment, is_a("CompleteMultipartUpload"), die, nth)

    assert reporting_run.steps() == 2

    assert reporting_run.versions() == dict.fromkeys(FILES, 1)
    reporting_run.assert_whole()


def test_uploads_that_were_aborted_are_begun_again(reporting_run: Reporting) -> None:
    def abort(_: Call) -> None:
        s3 = reporting_run.stack.s3
        for upload in s3.list_multipart_uploads(Bucket=RUNS)["Uploads"]:
            s3.abort_multipart_upload(Bucket=RUNS, Key=upload["Key"], UploadId=upload["UploadId"])

    reporting_run.wire.at(Moment.AFTER, moves, abort, 2)

    assert reporting_run.steps() == 2
    reporting_run.assert_whole()


def test_a_checkpoint_is_a_sign_of_life(reporting_run: Reporting) -> None:
    before = reporting_run.run.updated
    reporting_run.stack.let_time_pass(3600)
    reporting_run.pump.clock.seconds = NO_TIME

    reporting_run.pump.step(REPORTS)

    assert reporting_run.run.updated >= before


def test_checkpoints_carry_the_tag_that_lets_them_expire(reporting_run: Reporting) -> None:
    reporting_run.steps()

    prefix = f"{run_prefix(reporting_run.run_id)}parts/report/"
    s3 = reporting_run.stack.s3
    checkpoints = s3.list_objects_v2(Bucket=RUNS, Prefix=prefix)["Contents"]
    # The last is in front of the completions.
    assert len(checkpoints) == len(KEYS) // CHUNKS_A_CHECKPOINT + 1
    for checkpoint in checkpoints:
        tags = s3.get_object_tagging(Bucket=RUNS, Key=checkpoint["Key"])["TagSet"]
        assert tags == [{"Key": "imagepress", "Value": "part"}]


def test_a_manifest_that_is_gone_in_between_leaves_what_the_parts_say(
    reporting_run: Reporting,
) -> None:
    reporting_run.pump.clock.seconds = NO_TIME
    for _ in range(3):
        reporting_run.pump.step(REPORTS)
    manifest = reporting_run.run.manifest
    assert manifest is not None
    reporting_run.stack.s3.delete_object(
        Bucket=TRIGGER, Key=manifest.pinned.key, VersionId=manifest.pinned.version_id or ""
    )

    assert reporting_run.steps() == len(KEYS) - 2
    assert [
        row["path"] for row in reporting_run.service.finished(reporting_run.run_id).results
    ] == KEYS
    reporting_run.assert_whole()


def test_a_manifest_that_was_lost_once_is_not_looked_for_again(reporting_run: Reporting) -> None:
    """Its offset is not known any more."""
    reporting_run.pump.clock.seconds = NO_TIME
    forbidden = refuse("AccessDenied", status=403)
    reporting_run.wire.before("GetObject", forbidden, nth=2, Bucket=TRIGGER)

    reporting_run.steps()

    run = reporting_run.service.finished(reporting_run.run_id)
    assert [row["path"] for row in run.results] == KEYS
    reporting_run.assert_whole()


def test_the_reports_times_are_the_runs(reporting_run: Reporting) -> None:
    reporting_run.steps()

    run = reporting_run.service.finished(reporting_run.run_id)
    assert run.log.splitlines()[-1].startswith("2024-02-01 12:03:19 - INFO - Processing finished")
    assert run.summary["finished"] == "2024-02-01T12:03:19Z"
    assert run.summary["seconds"] == 199.0


def test_rows_that_no_attempt_ended_ended_with_the_run(
    service: Service, stack: Stack, pump: Pump, wire: Wire, long_report: None
) -> None:
    stopped = run_to_report(service, stack, pump, wire, done=5)
    stopped.steps()

    run = service.finished(stopped.run_id)
    assert run.outcomes() == ["FAILED/NOT_FOUND"] * 5 + ["SKIPPED/CANCELLED"] * 3
    assert {row["seconds"] for row in run.results[5:]} == {"0.0"}
    lines = [line for line in run.log.splitlines() if KEYS[-1] in line]
    assert [line[:19] for line in lines] == ["2024-02-01 12:03:19"]
    stopped.assert_whole()


# Large ones


@pytest.fixture
def large_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(start, "GZIPPED_REPORT_ROWS", 3)


def test_a_large_report_is_gzipped(large_run: None, reporting_run: Reporting) -> None:
    reporting_run.pump.clock.seconds = NO_TIME
    reporting_run.steps()

    keys = RunFiles.of(reporting_run.run)
    assert keys.log.endswith(".log.gz")
    assert keys.summary.endswith("summary.json")
    assert reporting_run.files()["results"].count(b"\x1f\x8b\x08") >= 2
    head = reporting_run.stack.s3.head_object(Bucket=RUNS, Key=keys.results)
    assert head["ContentType"] == "application/gzip"
    assert "ContentEncoding" not in dict(head)
    run = reporting_run.service.finished(reporting_run.run_id)
    assert [row["path"] for row in run.results] == KEYS
    assert run.failed == KEYS
    reporting_run.assert_whole()


def test_the_answer_names_the_files_of_a_large_run(
    large_run: None, service: Service, stack: Stack
) -> None:
    service.put_csv("large.csv", KEYS)
    answer = service.invoke({"csv_path": "large.csv"})

    run = service.finish(answer["run_id"])

    names = FILES
    assert run.summary["files"] == {name: answer[name] for name in names}
    assert [answer[name].endswith(".gz") for name in names] == [
        True,
        True,
        True,
        True,
        False,
        False,
    ]
    for name in names:
        key = answer[name].removeprefix(f"s3://{RUNS}/")
        assert stack.s3.head_object(Bucket=RUNS, Key=key)["ContentLength"]


def test_a_large_run_can_be_undone(large_run: None, service: Service, stack: Stack) -> None:
    keys = [f"{number}.jpg" for number in range(4)]
    for number, key in enumerate(keys):
        stack.put_image(key, jpeg(photograph(size=(32, 32), seed=number)))
    before = {key: stack.image(key) for key in keys}
    compressed = service.upload(keys)
    assert compressed.outcomes() == ["COMPRESSED"] * 4

    answer = service.invoke({"action": "restore", "run_id": compressed.run_id})

    assert service.finish(answer["run_id"]).outcomes() == ["RESTORED"] * 4
    assert {key: stack.image(key) for key in keys} == before
