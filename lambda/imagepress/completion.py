"""Ending chunks and runs: exactly one of all that may see the last chunk done starts the report.

A run ends only when no chunk can be at work any more, since the report must know every row's
outcome. A run that stops early therefore runs dry first: chunks that were sent end at once, and
those that may not have been are declared void, so that nobody will work on them.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from imagepress.engine import in_order
from imagepress.errors import RowFailed, RowSkipped
from imagepress.messages import report_message
from imagepress.outcome import FailureCode, SkipReason, Totals
from imagepress.part import Part
from imagepress.queues import Queue
from imagepress.run import WORKING, ChunkState, Run, RunProgress, RunStatus
from imagepress.runs import RunsTable
from imagepress.settings import RunSettings

ROWS_BEFORE_JUDGING = 1000
VOIDING_THREADS = 16


@dataclass(frozen=True, slots=True)
class Completion:
    """What it takes to end things."""

    runs: RunsTable
    reports: Queue

    def end_chunk(self, run: Run, state: ChunkState, part: Part) -> None:
        """Make `part`, which is saved, count for its chunk, unless another does already."""
        totals = Totals.of(report.result for report in part.reports.values())
        self.runs.complete_chunk(run, state.number, state.attempts, totals)
        self.finish_if_done(run.run_id)

    def finish_if_done(self, run_id: str) -> bool:
        """Start the report if every chunk is done; whether the run has nothing left to do.

        Where the answer to an earlier try was lost the run is REPORTING already: the report is
        asked for again, since writing it twice does no harm.
        """
        tried = False
        while True:
            run = self.runs.load(run_id)
            if run is None or run.status not in WORKING:
                if tried:
                    self.remind(run)
                return True
            progress = self.runs.progress(run)
            if run.chunks_total is None or progress.chunks_done < run.chunks_total:
                self._judge(run, progress)
                return False
            tried = True
            if self.runs.start_report(run, run.end_status, run.message):
                self.reports.send(report_message(run_id))
                return True

    def remind(self, run: Run | None) -> None:
        """Ask again for the report of a run that came back: its first request may be lost."""
        if run is not None and run.status is RunStatus.REPORTING:
            self.reports.send(report_message(run.run_id))

    def stop(self, run_id: str, end_status: RunStatus, message: str) -> bool:
        """End a run early; whether it was running. May be repeated."""
        stopped = self.runs.stop(run_id, end_status, message)
        run = self.runs.load(run_id)
        if run is not None and run.status is RunStatus.STOPPING:
            if not run.fully_dispatched:
                sent_perhaps = range(run.cursor.chunk if run.cursor else 0, run.chunk_limit)
                self._void(run, sent_perhaps, even_if_begun=False)
                self.runs.close_dispatch(run)
            self.finish_if_done(run_id)
        return stopped

    def give_up_chunks(self, run: Run) -> None:
        """Void what is left of a stopping run whose queue holds no message any more."""
        self._void(run, range(run.chunks_total or 0), even_if_begun=True)
        self.finish_if_done(run.run_id)

    def _judge(self, run: Run, progress: RunProgress) -> None:
        """Stop a run most of whose rows fail: something is wrong that nobody is watching."""
        message = too_many_failures(progress.totals, run.settings)
        if run.status is RunStatus.RUNNING and message:
            self.stop(run.run_id, RunStatus.ABORTED, message)

    def _void(self, run: Run, numbers: Iterable[int], *, even_if_begun: bool) -> None:
        def void(number: int) -> None:
            self.runs.void(run, number, even_if_begun=even_if_begun)

        for _ in in_order(void, numbers, VOIDING_THREADS):
            pass


def too_many_failures(totals: Totals, settings: RunSettings) -> str | None:
    """Why a run with these totals should stop itself, or None while it may go on."""
    limit = settings.stop_at_failure_percent
    if totals.rows < ROWS_BEFORE_JUDGING or totals.failed * 100 <= limit * totals.rows:
        return None
    return (
        f"The run stopped itself: {totals.failed:,} of {totals.rows:,} rows failed, and "
        f"stop_at_failure_percent is {limit}."
    )


def never_ended(run: Run) -> RowSkipped | RowFailed:
    """The outcome of a row that no attempt ended: the run's."""
    match run.end_status:
        case RunStatus.CANCELLED | RunStatus.ABORTED:
            why = run.message or "The run was cancelled before this row's turn."
            return RowSkipped(SkipReason.CANCELLED, why)
        case RunStatus.FAILED:
            return RowFailed(FailureCode.RUN_FAILED, run.message)
        case _:
            return RowFailed(FailureCode.WORKER_LOST, "No worker brought this row to an end.")
