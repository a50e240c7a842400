"""What is done with a row: compressed, or, where the run undoes another, put back."""

from collections.abc import Callable
from dataclasses import dataclass

from imagepress import restore, worker
from imagepress.errors import RowFailed, RowSkipped
from imagepress.image_store import ImageStore
from imagepress.manifest import Row
from imagepress.outcome import FailureCode
from imagepress.part import RowReport
from imagepress.run import Run
from imagepress.worker import Job
from imagepress.workshop import Workshop

type LastLook = Callable[[Row, RowFailed | RowSkipped], RowReport]


@dataclass(frozen=True, slots=True)
class Bench:
    """Where rows are worked on, and how a row is looked at before it is given up."""

    press: Callable[[Row], RowReport]
    last_look: LastLook


def bench_for(run: Run, workshop: Workshop) -> Bench:
    """The bench for the rows of a run."""
    look = last_look_for(run, workshop.store)
    if run.restores:
        return Bench(lambda row: restore.put_back(row, workshop), look)
    job = Job(run.run_id, run.settings, run.sample, run.bucket.versioned)
    return Bench(lambda row: worker.press(row, job, workshop), look)


def bench_without_temp_dir(run: Run, store: ImageStore, why: OSError) -> Bench:
    """The bench of a machine on which nothing can be saved: every row fails and says so."""
    failed = RowFailed(
        FailureCode.NO_TEMP_SPACE,
        f"temp_dir {run.settings.temp_dir} cannot be written to: {why}.",
    )
    return Bench(lambda row: worker.without_trying(row, failed), last_look_for(run, store))


def last_look_for(run: Run, store: ImageStore) -> LastLook:
    """How a row of a run is looked at before it is given up: its work may have been done."""
    if run.restores:
        return lambda row, given_up: restore.last_look(row, store, given_up)
    return lambda row, given_up: worker.last_look(row, run.run_id, store, given_up)
