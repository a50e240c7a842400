"""What must hold of every run that has ended, whatever went wrong while it was on.

Nothing here believes the run: objects are read again with all their versions, and what the run
says of them is held against it.
"""

import csv
import io
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from imagepress.marker import METADATA_NAME, Marker
from imagepress.run import Run, RunStatus
from imagepress.run_store import RunFiles, run_prefix
from tests.faults.world import Image, World
from tests.integration.service import size_that_stays
from tests.integration.stack import RUNS
from tests.pictures import decoded

type Table = list[dict[str, str]]


@dataclass(frozen=True, slots=True)
class Report:
    """What a run left in the runs bucket."""

    run: Run
    rows: Table
    failed: Table
    undo: Table
    summary: dict[str, Any]
    log: str

    @classmethod
    def of(cls, world: World, run: Run) -> "Report":
        """Read it."""
        files = RunFiles.of(run)

        def read(key: str) -> str:
            return world.stack.s3.get_object(Bucket=RUNS, Key=key)["Body"].read().decode()

        return cls(
            run=run,
            rows=_table(read(files.results)),
            failed=_table(read(files.failed)),
            undo=_table(read(files.undo)),
            summary=json.loads(read(files.summary)),
            log=read(files.log),
        )

    def outcomes(self) -> list[tuple[str, str]]:
        """Path and outcome of each row, sorted: rows with the same key may change places."""
        return sorted(
            (row["path"], "/".join(filter(None, (row["outcome"], row["reason"]))))
            for row in self.rows
        )

    def compressed(self) -> Table:
        """The rows whose object was replaced."""
        return [row for row in self.rows if row["outcome"] == "COMPRESSED"]


def check_everything(world: World, keys: Sequence[str]) -> list[Report]:
    """Check a world in which one run over `keys`, and perhaps its restore, has ended."""
    assert world.quiet()
    assert world.pump.waiting() == []
    assert list(world.temp_dir.iterdir()) == []
    reports = [Report.of(world, run) for run in world.runs()]
    assert [report.run.restores for report in reports] == [
        None,
        *[reports[0].run.run_id] * (len(reports) - 1),
    ]
    assert tuple(row["path"] for row in reports[0].rows) == tuple(keys)
    for report in reports:
        _check_accounts(world, report)
        _check_files(world, report)
    check_objects(world, reports)
    return reports


def _check_accounts(world: World, report: Report) -> None:
    """Every row has one outcome, and every sum is the sum of the rows."""
    run, rows, summary = report.run, report.rows, report.summary
    assert [int(row["row"]) for row in rows] == [*range(1, len(rows) + 1)]
    assert all(row["outcome"] in ("COMPRESSED", "SKIPPED", "FAILED", "RESTORED") for row in rows)
    assert all(bool(row["reason"]) == (row["outcome"] in ("SKIPPED", "FAILED")) for row in rows)
    counted = Counter(row["outcome"] for row in rows)
    assert summary["status"] == run.status
    assert summary["rows"] == len(rows)
    assert Counter(summary["outcomes"]) == counted
    assert summary["reasons"] == Counter(row["reason"] for row in rows if row["reason"])
    assert [row["path"] for row in report.failed] == [
        row["path"] for row in rows if row["outcome"] == "FAILED"
    ]
    progress = world.stack.table.progress(run)
    assert progress.chunks_done == run.chunks_total
    totals = progress.totals
    if run.status is RunStatus.COMPLETED:
        assert run.rows_total == len(rows)
        assert (totals.compressed, totals.skipped, totals.failed, totals.restored) == (
            counted["COMPRESSED"],
            counted["SKIPPED"],
            counted["FAILED"],
            counted["RESTORED"],
        )
    else:
        # Rows that no chunk took to an end are the reporter's.
        assert totals.rows <= len(rows)
        assert totals.compressed == counted["COMPRESSED"]
    before = sum(int(row["bytes_before"] or 0) for row in rows)
    after = sum(int(row[size_that_stays(row)] or 0) for row in rows)
    assert (summary["bytes_before"], summary["bytes_after"]) == (before, after)
    if run.status is RunStatus.COMPLETED:
        assert (totals.bytes_before, totals.bytes_after) == (before, after)


def _check_files(world: World, report: Report) -> None:
    """One log, one of each of its companions, and nothing but parts and what was listed besides."""
    prefix = run_prefix(report.run.run_id)
    answer = world.stack.s3.list_objects_v2(Bucket=RUNS, Prefix=prefix)
    names = [one["Key"].removeprefix(prefix) for one in answer["Contents"]]
    logs = [name for name in names if name.endswith(".log")]
    assert len(logs) == 1
    found = sorted(name for name in names if not name.startswith(("parts/", "manifest/")))
    others = ["results.csv", "failed.csv", "undo.csv", "report.html", "summary.json"]
    assert found == sorted([*logs, *others])
    assert report.log.count(" - INFO - Processing started: ") == 1
    assert report.log.count(" - INFO - Processing finished: ") == 1
    assert report.log.endswith("\n")


def check_objects(world: World, reports: list[Report]) -> None:
    """Each object is an untouched original or what a run wrote over the very object it read."""
    images = world.images()
    assert set(images) == set(world.before)
    compression, *restores = reports
    undo = {row["version_after"]: row for row in compression.undo}
    assert len(undo) == len(compression.undo) == len(compression.compressed())
    for key, versions in images.items():
        originals = world.before[key]
        assert versions[: len(originals)] == originals
        steps = list(pairwise(versions))
        changes = [(old, new) for old, new in steps if new.version not in world.strangers]
        written = [(old, new) for old, new in changes if _marker(new)]
        put_back = [(old, new) for old, new in changes if not _marker(new)]
        for old, new in written:
            _check_replacement(old, new, compression.run.run_id)
        for old, new in put_back:
            _check_restoration(old, new, undo, versions)
        winners = [row for row in compression.compressed() if row["path"] == key]
        _check_undo_records(winners, written, undo)
        restored = [
            row
            for restore in restores
            for row in restore.rows
            if row["path"] == key and row["outcome"] == "RESTORED"
        ]
        if len(changes) == len(steps):
            # Nobody else was there: what was written is what is reported, and it was written once.
            assert len(written) == len(winners) <= 1
            assert len(put_back) == len(restored)


def _check_replacement(old: Image, new: Image, run_id: str) -> None:
    """`new` took the place of `old`, which it was made from, and nothing but its bytes changed."""
    marker = _marker(new)
    assert marker is not None
    assert marker.run == run_id
    assert (marker.version_before, marker.etag_before, marker.size_before) == (
        old.version,
        old.etag,
        len(old.body),
    )
    assert marker.size == len(new.body) < len(old.body)
    assert {**new.metadata, METADATA_NAME: ""} == {**old.metadata, METADATA_NAME: ""}
    assert (new.properties, new.tags) == (old.properties, old.tags)
    was, now = decoded(old.body), decoded(new.body)
    assert (now.format, now.size, now.getexif()) == (was.format, was.size, was.getexif())


def _check_restoration(
    old: Image, new: Image, undo: dict[str, dict[str, str]], versions: list[Image]
) -> None:
    """`new` is what the run had replaced, and took the place of the very replacement."""
    (original,) = (one for one in versions if one.version == undo[old.version]["version_before"])
    assert new.same_but_for_version(original)


def _check_undo_records(
    winners: Table, written: list[tuple[Image, Image]], undo: dict[str, dict[str, str]]
) -> None:
    """What a row and the undo list say is what can be read from the bucket."""
    by_version = {new.version: (old, new) for old, new in written}
    for row in winners:
        old, new = by_version[row["version_after"]]
        assert _row_of(new) == int(row["row"])
        for record in (row, undo[new.version]):
            assert record["version_before"] == old.version
            assert record["etag_before"] == old.etag
            assert record["version_after"] == new.version
            assert record["etag_after"] == new.etag
        assert (int(row["bytes_before"]), int(row["bytes_after"])) == (
            len(old.body),
            len(new.body),
        )


def _marker(image: Image) -> Marker | None:
    return Marker.from_metadata(image.metadata)


def _row_of(image: Image) -> int | None:
    marker = _marker(image)
    return marker.row if marker else None


def _table(content: str) -> Table:
    return list(csv.DictReader(io.StringIO(content, newline="")))
