"""Short runs of every kind, each with a clean course that fault points are taken from."""

import gzip
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import moto.s3.models
import pytest

from imagepress import growing_object, reporting
from imagepress.run import RunStatus
from tests.faults.invariants import Report
from tests.faults.world import World
from tests.integration.service import csv_of
from tests.integration.stack import CHUNKS, IMAGES
from tests.integration.wire import Wire, die
from tests.pictures import jpeg, photograph, png

KEYS = ("a.jpg", "b.jpg", "c.png", "missing.jpg", "a.jpg")
ENDED_EARLY = {
    "COMPRESSED",
    "SKIPPED/DUPLICATE",
    "SKIPPED/CANCELLED",
    "FAILED/NOT_FOUND",
}
WRITES = (
    "PutObject",
    "CopyObject",
    "DeleteObject",
    "DeleteObjects",
    "CreateMultipartUpload",
    "CompleteMultipartUpload",
    "PutObjectTagging",
    "PutObjectAcl",
)
SIZE = (16, 16)
PROPERTIES = {
    "ContentType": "image/jpeg",
    "CacheControl": "max-age=60",
    "ContentDisposition": "inline",
    "ContentLanguage": "pt",
    "Metadata": {"author": "somebody"},
    "Tagging": "team=web&kind=photo",
}


def put_images(world: World) -> None:
    """Two JPEG files, one with everything that an object can have, and a PNG."""
    world.stack.put_image("a.jpg", jpeg(photograph(size=SIZE)), **PROPERTIES)
    world.stack.put_image("b.jpg", jpeg(photograph(size=SIZE, seed=1)))
    world.stack.put_image("c.png", png(photograph(size=SIZE, seed=2)))
    world.remember()


def as_ever(clean: Sequence[Report], reports: Sequence[Report]) -> None:
    """One fault changes nothing of what comes of a run."""
    for before, after in zip(clean, reports, strict=True):
        assert after.run.status is before.run.status
        assert after.run.message == before.run.message
        assert after.outcomes() == before.outcomes()
        assert after.summary["bytes_saved"] == before.summary["bytes_saved"]


@dataclass(frozen=True, slots=True)
class Scenario:
    """A run: what goes before it, without faults; its course; and what must have come of it.

    Where `thorough`, all of its calls are fault points, else those that no scenario before has.
    """

    name: str
    course: Callable[[World], None]
    before: Callable[[World], None] = put_images
    keys: tuple[str, ...] = KEYS
    judge: Callable[[Sequence[Report], Sequence[Report]], None] = as_ever
    look: Callable[[World], None] = lambda _: None
    thorough: bool = False

    def __str__(self) -> str:
        return self.name


def _compress(world: World) -> None:
    world.upload(KEYS)
    world.end()


def _compressed(world: World) -> None:
    put_images(world)
    _compress(world)


def _restore(world: World) -> None:
    (run,) = world.runs()
    answer = world.ask({"action": "restore", "run_id": run.run_id})
    assert answer["status"] != RunStatus.FAILED
    world.end()


def _is_as_before(world: World) -> None:
    """Each object has its bytes and all that belongs to it back, by one more version."""
    for key, versions in world.images().items():
        (original,) = world.before[key]
        assert len(versions) == 3
        assert versions[-1].same_but_for_version(original), key


def _cancel(world: World) -> None:
    def cancel() -> None:
        (run,) = world.runs()
        world.ask({"action": "cancel", "run_id": run.run_id})

    world.wire.after("GetObject", lambda _: world.meanwhile(cancel), Bucket=IMAGES, Key="b.jpg")
    world.upload(KEYS)
    world.end()


def _ended_early(clean: Sequence[Report], reports: Sequence[Report]) -> None:
    (report,) = reports
    assert report.run.status is RunStatus.CANCELLED
    assert {outcome for _, outcome in report.outcomes()} <= ENDED_EARLY
    # The second chunk was never begun.
    assert len(report.compressed()) <= 3


def _try_dry(world: World) -> None:
    world.upload(["a.jpg", "missing.jpg"], parameters={"dry-run": "true"})
    world.end()


def _nothing_was_written(world: World) -> None:
    """No call that writes was even made."""
    assert written(world.wire) == []
    assert world.images() == world.before


def written(wire: Wire) -> list[str]:
    """The calls that would change the images bucket."""
    return [
        call.operation
        for call in wire.calls
        if call.parameters.get("Bucket") == IMAGES and call.operation in WRITES
    ]


def _lose_chunks(world: World) -> None:
    world.upload(KEYS)
    world.send_out()
    world.pump.lose(CHUNKS)
    world.end()


def _bury_a_chunk(world: World) -> None:
    """The first chunk dies with a replacement made and unreported, and its queue gives it up."""
    world.upload(KEYS)
    world.send_out()
    first = world.pump.waiting(CHUNKS)[0]
    world.wire.after("PutObject", die, Bucket=IMAGES, Key="b.jpg")
    world.pump.deliver_copy(first)
    world.pump.bury(first)
    world.end()


def _nothing_is_lost(clean: Sequence[Report], reports: Sequence[Report]) -> None:
    """Rows of a chunk that was given up may have failed; what was replaced is known."""
    (report,) = reports
    assert report.run.status is RunStatus.COMPLETED
    assert {outcome for _, outcome in report.outcomes()} <= {
        *ENDED_EARLY,
        "FAILED/RETRIES_EXHAUSTED",
    } - {"SKIPPED/CANCELLED"}
    # The other chunk was not given up.
    assert len(report.compressed()) >= 1


def _report_in_steps(world: World) -> None:
    """Each chunk's rows are followed by a checkpoint, and parts are small."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reporting, "CHUNKS_A_CHECKPOINT", 1)
        patch.setattr(growing_object, "PART_BYTES", 1000)
        patch.setattr(moto.s3.models, "S3_UPLOAD_PART_MIN_SIZE", 1)
        _compress(world)


def _report_without_time(world: World) -> None:
    """Each reporter has the time for one chunk."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reporting, "STEP_RESERVE_SECONDS", 10_000.0)
        _compress(world)


def _unpack(world: World) -> None:
    world.upload(gzip.compress(csv_of(["c.png"]), mtime=0), key="list.csv.gz")
    world.end()


def _list(world: World) -> None:
    answer = world.ask({"prefix": "c"})
    assert answer["status"] != RunStatus.FAILED
    world.end()


def _refuse(world: World) -> None:
    world.upload(b"name\nc.png\n")
    world.end()


def _refused(clean: Sequence[Report], reports: Sequence[Report]) -> None:
    as_ever(clean, reports)
    assert [report.run.status for report in reports] == [RunStatus.FAILED]


SCENARIOS = (
    Scenario("compress", _compress, thorough=True),
    Scenario("restore", _restore, before=_compressed, look=_is_as_before, thorough=True),
    Scenario("cancel", _cancel, judge=_ended_early),
    Scenario(
        "dry run",
        _try_dry,
        keys=("a.jpg", "missing.jpg"),
        look=_nothing_was_written,
    ),
    Scenario("lost chunks", _lose_chunks),
    Scenario("buried chunk", _bury_a_chunk, judge=_nothing_is_lost),
    Scenario("report in steps", _report_in_steps),
    Scenario("report without time", _report_without_time),
    Scenario("gzipped CSV", _unpack, keys=("c.png",)),
    Scenario("prefix", _list, keys=("c.png",)),
    Scenario("refused CSV", _refuse, keys=(), judge=_refused, thorough=True),
)
