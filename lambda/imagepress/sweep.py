"""The sweeper: finishes whatever somebody died before finishing.

Everything that it does others do in the normal course; it only notices that they did not.
"""

import time
from dataclasses import dataclass

from imagepress.completion import Completion
from imagepress.errors import PassingError
from imagepress.messages import dispatch_message, report_message
from imagepress.queues import Queue
from imagepress.run import Run, RunStatus

STALLED_SECONDS = 20 * 60
MAX_RESENDS = 3
CHUNKS_LOST = "Chunks were lost on their way and could not be sent again."


@dataclass(frozen=True, slots=True)
class Sweeper:
    """The sweeper's tools; `stalled_seconds` without a sign of life make a run suspect."""

    completion: Completion
    dispatches: Queue
    chunk_queue: Queue
    stalled_seconds: float = STALLED_SECONDS

    def sweep(self) -> dict[str, str]:
        """Look at every run that has not ended; what was done, by run."""
        runs = self.completion.runs
        done = {}
        for status in (RunStatus.RUNNING, RunStatus.STOPPING, RunStatus.REPORTING):
            for run_id in list(runs.with_status(status)):
                try:
                    run = runs.load(run_id)
                    action = self._look_at(run) if run else None
                except PassingError as error:
                    action = f"put off: {error}"
                if action:
                    done[run_id] = action
        return done

    def _look_at(self, run: Run) -> str | None:
        stalled = time.time() - run.updated > self.stalled_seconds
        match run.status:
            case RunStatus.REPORTING:
                if not stalled:
                    return None
                self.completion.reports.send(report_message(run.run_id))
                return "asked for the report again"
            case RunStatus.RUNNING | RunStatus.STOPPING:
                if self.completion.finish_if_done(run.run_id):
                    return "started the report"
                return self._push(run) if stalled else None
            case _:
                return None

    def _push(self, run: Run) -> str | None:
        if not run.fully_dispatched:
            if run.status is RunStatus.STOPPING:
                self.completion.stop(run.run_id, run.end_status, run.message)
                return "let it stop"
            self.dispatches.send(dispatch_message(run.run_id))
            return "asked for the next step of sending out again"
        if not self.chunk_queue.is_idle():
            return None
        return self._recover_chunks(run)

    def _recover_chunks(self, run: Run) -> str | None:
        """The queue is empty and the run is not done: chunks were lost."""
        if run.status is RunStatus.STOPPING:
            self.completion.give_up_chunks(run)
            return "gave up lost chunks"
        if run.resends >= MAX_RESENDS or run.manifest is None:
            self.completion.stop(run.run_id, RunStatus.FAILED, CHUNKS_LOST)
            stopping = self.completion.runs.load(run.run_id)
            if stopping and stopping.status is RunStatus.STOPPING:
                self.completion.give_up_chunks(stopping)
            return "gave up lost chunks"
        if self.completion.runs.rewind(run, run.manifest) is None:
            return None
        self.dispatches.send(dispatch_message(run.run_id))
        return "sent lost chunks again"
