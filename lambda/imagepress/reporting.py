"""The reporter: walks the manifest again, in order, beside the parts that count.

So every row of the manifest has exactly one outcome by construction: its part's, or, where no
attempt ever ended it, the run's own. What is written follows from the parts and the run alone:
whether the reporter is killed, goes on elsewhere or is at work twice, the report is the same.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from html import escape
from itertools import batched
from typing import Any

from imagepress.chunk import Chunk, chunks
from imagepress.completion import never_ended
from imagepress.engine import in_order
from imagepress.errors import Refused, UploadLost
from imagepress.growing_object import GrowingObject, Growth
from imagepress.manifest import Row
from imagepress.manifest_store import ManifestStore
from imagepress.messages import report_message
from imagepress.page_tally import PageTally
from imagepress.part import RowReport, part_from_lines
from imagepress.queues import Queue
from imagepress.report import (
    Ending,
    ReportSinks,
    ReportWriter,
    RunFacts,
    Tally,
    summary_text,
)
from imagepress.report_checkpoint import Checkpoint
from imagepress.report_page import render_page
from imagepress.run import ChunkState, Cursor, Run, RunStatus
from imagepress.run_cost import Billing
from imagepress.run_store import RunFiles, RunStore
from imagepress.runs import RunsTable
from imagepress.worker import without_trying

STATES_AT_ONCE = 100
READERS = 16
# About a minute's work, which is what a death costs.
CHUNKS_A_CHECKPOINT = 10_000
STEP_RESERVE_SECONDS = 30.0
TEXT = "text/plain; charset=utf-8"
CSV = "text/csv; charset=utf-8"
HTML = "text/html; charset=utf-8"
JSON = "application/json"


@dataclass(slots=True)
class _Progress:
    """A report while it is written; see `Checkpoint` for what stands in one."""

    run: Run
    cursor: Cursor | None
    manifest_lost: bool
    objects: Mapping[str, GrowingObject]
    writer: ReportWriter

    def add(self, chunk: Chunk | None, number: int, part: str) -> None:
        """Write the rows of the next chunk; None: the manifest is gone, and the part is all."""
        read = part_from_lines(part.split("\n"))
        ended = read.reports
        if part:
            self.writer.tally.usage.add_part(read)
        if chunk is None:
            self.writer.add(ended.values())
            self.cursor, self.manifest_lost = Cursor(0, number + 1), True
        else:
            self.writer.add(ended.get(row.number) or self._never_ended(row) for row in chunk.rows)
            last = chunk.rows[-1]
            self.cursor = Cursor(last.end, number + 1, last.number + 1, last.file)

    def close(self) -> None:
        """Write what stands below the rows; upload the rest of what is in parts."""
        self.writer.close(self.finished, self.ending)
        for one in self.objects.values():
            one.seal()
        self.cursor = None

    @property
    def in_parts(self) -> bool:
        """Whether an object of the report is too large to be put at once."""
        return any(one.in_parts for one in self.objects.values())

    @property
    def checkpoint(self) -> Checkpoint:
        """How far it has come."""
        growths = {name: one.growth for name, one in self.objects.items()}
        return Checkpoint(self.cursor, self.manifest_lost, self.writer.tally.to_json(), growths)

    @property
    def finished(self) -> datetime:
        """When the run had nothing left to do but this."""
        return datetime.fromtimestamp(self.run.ended, UTC)

    @property
    def ending(self) -> Ending:
        """How the run ended."""
        return Ending(self.run.end_status, self.run.message)

    def _never_ended(self, row: Row) -> RowReport:
        """The report of a row that no attempt ended, the same whenever it is written."""
        report = without_trying(row, never_ended(self.run))
        events = tuple(replace(event, time=self.run.ended) for event in report.events)
        return RowReport(replace(report.result, seconds=0.0), events)


@dataclass(frozen=True, slots=True)
class Reporter:
    """The reporter's tools; `announce` is given the summary of each run that ends."""

    runs: RunsTable
    manifests: ManifestStore
    store: RunStore
    reports: Queue
    announce: Callable[[Mapping[str, Any]], None]
    billing: Billing | None = None

    def report(self, run_id: str, seconds_left: Callable[[], float]) -> dict[str, Any] | None:
        """Write the report of a run and end it; its summary, or None where others do.

        As time runs out, the report is asked for again, and goes on from its last checkpoint.
        """
        run = self.runs.load(run_id)
        if run is None or run.status is not RunStatus.REPORTING:
            return None
        progress = self._resumed(run)
        try:
            if progress.cursor is not None and not self._write(
                progress, progress.cursor, seconds_left
            ):
                return None
            return self._end(progress)
        except UploadLost:
            # Another reporter has completed it, and the next step is not ours; or it was aborted,
            # and the report begins again: there is no checkpoint for the next step.
            if self.runs.move_report(progress.run) is not None:
                self.reports.send(report_message(run_id))
            return None

    def _resumed(self, run: Run) -> _Progress:
        """The report as its last checkpoint has it, or begun."""
        at = self.store.read_checkpoint(run.run_id, run.report_step) if run.report_step else None
        growths = at.growths if at else {}
        keys = RunFiles.of(run)
        # In the order in which they will appear.
        wanted = {
            "results": (keys.results, CSV),
            "failed": (keys.failed, CSV),
            "undo": (keys.undo, CSV),
            "log": (keys.log, TEXT),
        }
        objects = {
            name: self.store.growing_object(
                key, kind, growths.get(name, Growth()), gzipped=run.gzipped_report
            )
            for name, (key, kind) in wanted.items()
        }
        facts = replace(facts_of(run), billing=self.billing)
        tally = Tally.from_json(at.tally) if at else Tally.of(facts)
        writer = ReportWriter(facts, ReportSinks(**objects), tally)
        if at is not None:
            return _Progress(run, at.cursor, at.manifest_lost, objects, writer)
        writer.open()
        start = run.manifest.start if run.manifest else 0
        return _Progress(run, Cursor(start), manifest_lost=False, objects=objects, writer=writer)

    def _write(
        self, progress: _Progress, cursor: Cursor, seconds_left: Callable[[], float]
    ) -> bool:
        """Write the rows from `cursor` on; whether the last was reached, by this reporter.

        Parts are completed behind a checkpoint that says so: none that counts has to add to them.
        """
        states = self._with_states(progress.run, cursor, manifest_lost=progress.manifest_lost)
        for chunk, number, part in in_order(
            lambda one: self._with_part(progress.run, *one), states, READERS
        ):
            progress.add(chunk, number, part)
            has_time = seconds_left() >= STEP_RESERVE_SECONDS
            if has_time and (number + 1) % CHUNKS_A_CHECKPOINT:
                continue
            if not self._save(progress):
                return False
            if not has_time:
                self.reports.send(report_message(progress.run.run_id))
                return False
        progress.close()
        return not progress.in_parts or self._save(progress)

    def _save(self, progress: _Progress) -> bool:
        """Let a checkpoint count; False where another reporter has gone on.

        Two that save the same step may overwrite each other: either is as good.
        """
        run = progress.run
        self.store.write_checkpoint(run.run_id, run.report_step + 1, progress.checkpoint)
        moved = self.runs.move_report(run)
        if moved is not None:
            progress.run = moved
        return moved is not None

    def _end(self, progress: _Progress) -> dict[str, Any]:
        """Let the files appear, and end the run."""
        run = progress.run
        for one in progress.objects.values():
            one.complete()
        links, keys = self.store.links(run), RunFiles.of(run)
        summary = progress.writer.summary(progress.finished, progress.ending, links)
        page = _page(summary, progress.writer.tally.page)
        # The summary last, so that whoever sees it finds the others.
        for key, kind, text in (
            (keys.report, HTML, page),
            (keys.summary, JSON, summary_text(summary)),
        ):
            one = self.store.growing_object(key, kind, Growth())
            one.write(text)
            one.seal()
            one.complete()
        # Before the end is recorded, after which nobody would make up for a notice that was lost.
        self.announce(summary)
        self.runs.end(run.run_id, run.end_status, run.message)
        return summary

    def _with_states(
        self, run: Run, cursor: Cursor, *, manifest_lost: bool
    ) -> Iterator[tuple[Chunk | None, ChunkState]]:
        """Each chunk of the manifest with its state; the state alone where the manifest is gone."""
        number = cursor.chunk
        try:
            cut = self._cut(run, cursor, manifest_lost=manifest_lost)
            for group in batched(cut, STATES_AT_ONCE):
                numbers = [chunk.number for chunk in group]
                yield from zip(group, self.runs.chunk_states(run.run_id, numbers), strict=True)
                number = numbers[-1] + 1
        except Refused:
            for rest in batched(range(number, run.chunks_total or 0), STATES_AT_ONCE):
                for state in self.runs.chunk_states(run.run_id, rest):
                    yield None, state

    def _cut(self, run: Run, cursor: Cursor, *, manifest_lost: bool) -> Iterator[Chunk]:
        if manifest_lost:
            raise Refused("The manifest was gone before.")
        if run.manifest is not None:
            rows = self.manifests.rows(run.manifest, cursor)
            yield from chunks(run.run_id, rows, run.chunk_size, first=cursor.chunk)

    def _with_part(
        self, run: Run, chunk: Chunk | None, state: ChunkState
    ) -> tuple[Chunk | None, int, str]:
        """A chunk, its number and the text of the part that counts."""
        attempt = state.done_attempt or state.saved_attempt
        part = self.store.part_text(run.run_id, state.number, attempt) if attempt else ""
        return chunk, state.number, part


def _page(summary: Mapping[str, Any], tally: PageTally) -> str:
    """The run's page; where it cannot be made the run ends all the same, and the page says why."""
    try:
        return render_page(summary, tally)
    except Exception as error:  # noqa: BLE001 - the other files tell the same, and more
        return f"<!doctype html><title>imagepress</title><pre>{escape(repr(error))}</pre>"


def facts_of(run: Run) -> RunFacts:
    """What the report says of a run."""
    return RunFacts(
        run_id=run.run_id,
        started=run.started,
        source=run.source,
        bucket_name=run.bucket_name,
        settings=run.settings,
        bucket=run.bucket,
        sample=run.sample,
        restores=run.restores,
        notes=run.notes,
        shards=run.shards,
    )
