"""Follows a run from outside, by reading the runs table as any user may."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from imagepress.run import Run, RunProgress, RunStatus
from imagepress.run_id import csv_slug
from imagepress.runs import RunsTable

_POLL_SECONDS = 0.2


class FollowError(Exception):
    """The run did not start, or did not end, in time; the text says how far it came."""


@dataclass(frozen=True, slots=True)
class Look:
    """A run as it stood at one moment."""

    run: Run
    progress: RunProgress

    @property
    def ended(self) -> bool:
        return self.run.status.has_ended

    def __str__(self) -> str:
        rows = f"{self.progress.totals.rows} of {_known(self.run.rows_total)} rows"
        chunks = f"{self.progress.chunks_done} of {_known(self.run.chunks_total)} chunks"
        said = f" {self.run.message}" if self.run.message else ""
        return f"{self.run.run_id}: {self.run.status}, {rows}, {chunks}.{said}"


def await_start(table: RunsTable, csv_key: str, *, seconds: float) -> str:
    """The id of the run that an uploaded CSV starts; the newest, where it started several."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if run_id := newest_run(table, csv_key):
            return run_id
        time.sleep(_POLL_SECONDS)
    raise FollowError(f"No run for {csv_key} was started within {seconds:.0f} s.")


def newest_run(table: RunsTable, csv_key: str) -> str | None:
    """The newest run of a CSV: run ids begin with the time and hold the CSV's name."""
    slug = csv_slug(csv_key)
    ids = (run_id for status in RunStatus for run_id in table.with_status(status))
    return max((run_id for run_id in ids if _slug_of(run_id) == slug), default=None)


def await_end(
    table: RunsTable,
    run_id: str,
    *,
    stalled_seconds: float,
    seen: Callable[[Look], None] | None = None,
) -> Look:
    """Wait until a run has ended, its report written; `seen` is told of each look at it.

    However long it takes, as long as it goes on: it is given up when nothing has changed for
    `stalled_seconds`.
    """
    changed = time.monotonic()
    last = None
    while time.monotonic() < changed + stalled_seconds:
        look = _look(table, run_id)
        if look != last:
            changed, last = time.monotonic(), look
        if look and seen:
            seen(look)
        if look and look.ended:
            return look
        time.sleep(_POLL_SECONDS)
    where = last or f"There is no run {run_id}."
    raise FollowError(f"The run has not moved for {stalled_seconds:.0f} s. {where}")


def _look(table: RunsTable, run_id: str) -> Look | None:
    run = table.load(run_id)
    return Look(run, table.progress(run)) if run else None


def _slug_of(run_id: str) -> str:
    return run_id.partition("-")[2].rpartition("-")[0]


def _known(total: int | None) -> str:
    return "?" if total is None else str(total)
