"""Ending a run: exactly one of all that may see the last chunk done starts the report."""

from imagepress.messages import report_message
from imagepress.outcome import Totals
from imagepress.part import Part
from imagepress.queues import Queue
from imagepress.run import ChunkState, Run, RunStatus
from imagepress.run_store import RunStore
from imagepress.runs import RunsTable


def end_chunk(
    run: Run, state: ChunkState, part: Part, runs: RunsTable, store: RunStore, reports: Queue
) -> None:
    """Make `part` the one that counts for its chunk, unless another does already."""
    store.write_part(run.run_id, state.number, state.attempts, part)
    totals = Totals.of(report.result for report in part.reports.values())
    runs.complete_chunk(run, state.number, state.attempts, totals)
    finish_if_done(run.run_id, runs, reports)


def start_report(
    run_id: str, end_status: RunStatus, message: str, runs: RunsTable, reports: Queue
) -> None:
    """Close the run to further work and ask for its report.

    Where the answer to an earlier try was lost the run is REPORTING already: ask again, since
    writing a report twice does no harm.
    """
    if not runs.start_report(run_id, end_status, message):
        run = runs.load(run_id)
        if run is None or run.status is not RunStatus.REPORTING:
            return
    reports.send(report_message(run_id))


def finish_if_done(run_id: str, runs: RunsTable, reports: Queue) -> bool:
    """Start the report if every chunk is done; whether the run has nothing left to do."""
    run = runs.load(run_id)
    if run is None or run.status is not RunStatus.RUNNING:
        return True
    if run.chunks_total is None or runs.progress(run).chunks_done < run.chunks_total:
        return False
    start_report(run_id, RunStatus.COMPLETED, run.message, runs, reports)
    return True
