"""The undertaker: ends what was given up by a queue, so that its run can end.

Before a row is written off its object is looked at: an attempt may have replaced it and died
before it could say so, and then the marker remembers.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from imagepress.chunk import Chunk
from imagepress.completion import end_chunk, finish_if_done, start_report
from imagepress.errors import PassingError, RowFailed, RowSkipped
from imagepress.image_store import ImageStore, duplicate_of
from imagepress.manifest import Row
from imagepress.outcome import FailureCode
from imagepress.part import Part, RowReport
from imagepress.queues import Queue
from imagepress.run import Run, RunStatus
from imagepress.run_store import RunStore
from imagepress.runs import RunsTable
from imagepress.worker import replaced_before, without_trying

DISPATCH_GIVEN_UP = "Sending out the CSV failed too often; see the dispatcher's log."
REPORT_GIVEN_UP = "Writing the report failed too often; see the reporter's log."


@dataclass(frozen=True, slots=True)
class Undertaker:
    """The undertaker's tools."""

    runs: RunsTable
    store: RunStore
    reports: Queue
    images: Callable[[str], ImageStore]

    def end_chunk(self, chunk: Chunk) -> tuple[RowReport, ...]:
        """End every row of a chunk that the queue gave up; the rows that were ended here."""
        run = self.runs.load(chunk.run_id)
        if run is None or run.status is not RunStatus.RUNNING:
            return ()
        before = self.runs.chunk_state(chunk.run_id, chunk.number)
        if before.done_attempt is not None:
            finish_if_done(chunk.run_id, self.runs, self.reports)
            return ()
        state = self.runs.begin_attempt(chunk.run_id, before, time.time())
        if state is None:
            raise PassingError(f"Chunk {chunk.number} of run {chunk.run_id} is in other hands")
        saved: Mapping[int, RowReport] = {}
        if state.saved_attempt is not None:
            saved = self.store.read_part(run.run_id, chunk.number, state.saved_attempt).reports
        images = self.images(run.bucket_name)
        reports = {
            row.number: saved.get(row.number) or _written_off(row, run, images)
            for row in chunk.rows
        }
        end_chunk(run, state, Part(reports, {}), self.runs, self.store, self.reports)
        return tuple(report for number, report in reports.items() if number not in saved)

    def end_dispatch(self, run_id: str) -> None:
        """End a run whose manifest could not be sent out."""
        start_report(run_id, RunStatus.FAILED, DISPATCH_GIVEN_UP, self.runs, self.reports)

    def end_report(self, run_id: str) -> None:
        """End a run whose report could not be written."""
        self.runs.end(run_id, RunStatus.FAILED, REPORT_GIVEN_UP)


def _written_off(row: Row, run: Run, images: ImageStore) -> RowReport:
    if row.problem:
        return without_trying(row, RowFailed(FailureCode.INVALID_ROW, f"{row.problem}."))
    given_up = RowFailed(
        FailureCode.RETRIES_EXHAUSTED, "The chunk was delivered too often without an end."
    )
    try:
        stored = images.head(row.key)
    except (RowSkipped, RowFailed):
        return without_trying(row, given_up)
    marker = stored.marker if stored else None
    if stored and marker and marker.size == stored.size and marker.run == run.run_id:
        if marker.row == row.number:
            return replaced_before(row, stored, marker)
        return without_trying(row, duplicate_of(marker))
    return without_trying(row, given_up)
