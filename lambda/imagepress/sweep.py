"""The sweeper: finishes whatever somebody died before finishing.

Everything that it does others do in the normal course; it only notices that they did not.
"""

import time
from dataclasses import dataclass

from imagepress.completion import finish_if_done, start_report
from imagepress.messages import dispatch_message, report_message
from imagepress.queues import Queue
from imagepress.run import Run, RunStatus
from imagepress.runs import RunsTable

STALLED_SECONDS = 20 * 60
MAX_RESENDS = 3
CHUNKS_LOST = "Chunks were lost on their way and could not be sent again."


@dataclass(frozen=True, slots=True)
class Sweeper:
    """The sweeper's tools; `stalled_seconds` without a sign of life make a run suspect."""

    runs: RunsTable
    dispatches: Queue
    chunk_queue: Queue
    reports: Queue
    stalled_seconds: float = STALLED_SECONDS

    def sweep(self) -> dict[str, str]:
        """Look at every run that has not ended; what was done, by run."""
        done = {}
        for status in (RunStatus.RUNNING, RunStatus.REPORTING):
            for run_id in list(self.runs.with_status(status)):
                run = self.runs.load(run_id)
                action = self._look_at(run) if run else None
                if action:
                    done[run_id] = action
        return done

    def _look_at(self, run: Run) -> str | None:
        stalled = time.time() - run.updated > self.stalled_seconds
        if run.status is RunStatus.REPORTING and stalled:
            self.reports.send(report_message(run.run_id))
            return "asked for the report again"
        if run.status is not RunStatus.RUNNING:
            return None
        if finish_if_done(run.run_id, self.runs, self.reports):
            return "started the report"
        if not stalled:
            return None
        if not run.fully_dispatched:
            self.dispatches.send(dispatch_message(run.run_id))
            return "asked for the next step of sending out again"
        if not self.chunk_queue.is_idle():
            return None
        return self._send_out_again(run)

    def _send_out_again(self, run: Run) -> str | None:
        """The queue is empty and the run is not done: chunks were lost."""
        if run.resends >= MAX_RESENDS or run.manifest is None:
            start_report(run.run_id, RunStatus.FAILED, CHUNKS_LOST, self.runs, self.reports)
            return "gave up lost chunks"
        if self.runs.rewind(run, run.manifest) is None:
            return None
        self.dispatches.send(dispatch_message(run.run_id))
        return "sent lost chunks again"
