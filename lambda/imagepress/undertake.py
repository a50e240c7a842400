"""The undertaker: ends what was given up by a queue, so that its run can end.

Before a row is written off its object is looked at: an attempt may have replaced it and died
before it could say so, and then the marker remembers.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

from imagepress.bench import last_look_for
from imagepress.chunk import Chunk
from imagepress.completion import Completion
from imagepress.errors import PassingError, RowFailed
from imagepress.image_store import ImageStore
from imagepress.outcome import FailureCode
from imagepress.part import EMPTY_PART, Part, RowReport
from imagepress.run import WORKING, Run, RunStatus
from imagepress.run_store import RunStore

DISPATCH_GIVEN_UP = "Sending out the CSV failed too often; see the dispatcher's log."
REPORT_GIVEN_UP = "Writing the report failed too often; see the reporter's log."
CHUNK_GIVEN_UP = "The chunk was delivered too often without an end."


@dataclass(frozen=True, slots=True)
class Undertaker:
    """The undertaker's tools; `announce` hears of runs that end without a report, and why."""

    completion: Completion
    store: RunStore
    images: Callable[[str], ImageStore]
    announce: Callable[[Run, str], None]

    def end_chunk(self, chunk: Chunk) -> tuple[RowReport, ...]:
        """End every row of a chunk that the queue gave up; the rows that were ended here."""
        runs = self.completion.runs
        run = runs.load(chunk.run_id)
        if run is None or run.status not in WORKING:
            return ()
        before = runs.chunk_state(chunk.run_id, chunk.number)
        if before.done_attempt is not None:
            self.completion.finish_if_done(chunk.run_id)
            return ()
        state = runs.begin_attempt(chunk.run_id, before, time.time())
        if state is None:
            raise PassingError(f"Chunk {chunk.number} of run {chunk.run_id} is in other hands")
        before_it = EMPTY_PART
        if state.saved_attempt is not None:
            before_it = self.store.read_part(run.run_id, chunk.number, state.saved_attempt)
        saved = before_it.reports
        look = last_look_for(run, self.images(run.bucket_name))
        given_up = RowFailed(FailureCode.RETRIES_EXHAUSTED, CHUNK_GIVEN_UP)
        reports = {row.number: saved.get(row.number) or look(row, given_up) for row in chunk.rows}
        part = Part(reports, {}, before_it.compute_seconds)
        self.store.write_part(run.run_id, state.number, state.attempts, part)
        self.completion.end_chunk(run, state, part)
        return tuple(report for number, report in reports.items() if number not in saved)

    def end_dispatch(self, run_id: str) -> None:
        """End a run whose manifest could not be sent out."""
        self.completion.stop(run_id, RunStatus.FAILED, DISPATCH_GIVEN_UP)

    def end_report(self, run_id: str) -> None:
        """End a run whose report could not be written."""
        run = self.completion.runs.load(run_id)
        if run is not None and run.status is RunStatus.REPORTING:
            self.announce(run, REPORT_GIVEN_UP)
            self.completion.runs.end(run_id, RunStatus.FAILED, REPORT_GIVEN_UP)
