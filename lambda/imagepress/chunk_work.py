"""One delivery of a chunk: what earlier attempts left is taken over, the rest is worked on.

An attempt that ends in good order says so; one that does not has died, and the next goes
carefully: one row at a time, with the row in hand on record, rows under suspicion last. So a
picture that kills its worker costs itself and not its neighbours.
"""

import random
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from imagepress.bench import Bench
from imagepress.chunk import Chunk
from imagepress.completion import Completion, never_ended
from imagepress.engine import in_order
from imagepress.errors import PassingError, RowFailed, Throttled
from imagepress.manifest import Row
from imagepress.outcome import FailureCode
from imagepress.part import EMPTY_PART, Part, RowReport
from imagepress.run import WORKING, ChunkState, Run, RunStatus
from imagepress.run_store import RunStore
from imagepress.runs import RunsTable

ROW_TRIES = 3
ROW_DEATHS = 2
RETRY_SECONDS = 5.0
THROTTLED_SECONDS = 5.0
LONGEST_PAUSE_SECONDS = 600.0
BUSY_MARGIN_SECONDS = 1.0
ROW_RESERVE_SECONDS = 20.0
WATCH_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of one delivery of a chunk.

    `reports` are the rows that this attempt ended, `faults` what put rows off, each with the row's
    key, None: the chunk; `again_after` seconds the chunk wants to be delivered again, None: it is
    done.
    """

    reports: tuple[RowReport, ...] = ()
    faults: tuple[tuple[str | None, Exception], ...] = ()
    again_after: float | None = None


@dataclass(slots=True)
class _Attempt:
    """What an attempt has come to so far: rows that ended, and tries of those that did not."""

    reports: dict[int, RowReport]
    tries: dict[int, int]
    seconds_before: float
    fresh: list[RowReport] = field(default_factory=list)
    faults: list[tuple[str | None, Exception]] = field(default_factory=list)

    def end(self, report: RowReport) -> None:
        self.reports[report.result.row] = report
        self.tries.pop(report.result.row, None)
        self.fresh.append(report)

    def put_off(self, row: Row, fault: Exception) -> None:
        # Whoever asked too much has to wait; that is no try.
        if not isinstance(fault, Throttled):
            self.tries[row.number] = self.tries.get(row.number, 0) + 1
        self.faults.append((row.key, fault))

    def missing(self, chunk: Chunk) -> list[Row]:
        return [row for row in chunk.rows if row.number not in self.reports]

    def delivery(self, again_after: float | None) -> Delivery:
        return Delivery(tuple(self.fresh), tuple(self.faults), again_after)


@dataclass(frozen=True, slots=True)
class ChunkWork:
    """The compressor's tools; `seconds_left` is how long this invocation can still go on."""

    completion: Completion
    store: RunStore
    threads: int
    seconds_left: Callable[[], float]

    def take(self, chunk: Chunk, bench: Callable[[Run], AbstractContextManager[Bench]]) -> Delivery:
        """Work on one delivery of `chunk`; raise `PassingError` where nothing can be recorded.

        `bench(run)` opens what rows of that run are pressed with.
        """
        started, runs = time.monotonic(), self.completion.runs
        run = runs.load(chunk.run_id)
        if run is None or run.status not in WORKING:
            self.completion.remind(run)
            return Delivery()
        before = runs.chunk_state(chunk.run_id, chunk.number)
        if before.done_attempt is not None:
            self.completion.finish_if_done(chunk.run_id)
            return Delivery()
        now = time.time()
        if before.open_until is not None and before.open_until > now:
            return Delivery(again_after=before.open_until - now + BUSY_MARGIN_SECONDS)
        state = runs.begin_attempt(chunk.run_id, before, now + self.seconds_left())
        if state is None:
            return Delivery(again_after=RETRY_SECONDS)
        try:
            with bench(run) as opened:
                attempt = self._work(_Watch(run, runs), chunk, state, opened)
            return self._settle(run, chunk, state, attempt, started)
        except Exception:
            # Whatever rises here has not killed this process: it must not count as a death.
            runs.close_attempt(run.run_id, state, None)
            raise

    def _work(self, watch: "_Watch", chunk: Chunk, state: ChunkState, bench: Bench) -> _Attempt:
        saved, run_id = EMPTY_PART, chunk.run_id
        if state.saved_attempt is not None:
            saved = self.store.read_part(run_id, chunk.number, state.saved_attempt)
        seconds_before = saved.compute_seconds or 0.0
        attempt = _Attempt(dict(saved.reports), dict(saved.tries), seconds_before)
        deaths = state.row_deaths or {}

        def end(row: Row) -> RowReport | Exception | None:
            """The row's report, what put it off, or None where there was no time to begin."""
            given_up = _given_up(row, attempt.tries.get(row.number, 0), deaths.get(row.number, 0))
            try:
                if given_up or watch.stopping:
                    return bench.last_look(row, given_up or never_ended(watch.run))
                return bench.press(row) if self._has_time() else None
            except Exception as fault:  # noqa: BLE001 - a bug that one odd picture meets costs its row
                return fault

        rows = sorted(attempt.missing(chunk), key=lambda row: deaths.get(row.number, 0))
        if state.deaths:
            for row in rows:
                self.completion.runs.take_in_hand(run_id, state, row.number)
                _note(attempt, row, end(row))
        else:
            for row, ended in zip(rows, in_order(end, rows, self.threads), strict=True):
                _note(attempt, row, ended)
        return attempt

    def _settle(
        self, run: Run, chunk: Chunk, state: ChunkState, attempt: _Attempt, started: float
    ) -> Delivery:
        seconds = attempt.seconds_before + time.monotonic() - started
        part, runs = Part(attempt.reports, attempt.tries, round(seconds, 3)), self.completion.runs
        self.store.write_part(run.run_id, chunk.number, state.attempts, part)
        if not attempt.missing(chunk):
            try:
                self.completion.end_chunk(run, state, part)
                return attempt.delivery(None)
            except PassingError as fault:
                attempt.faults.append((None, fault))
        runs.close_attempt(run.run_id, state, state.attempts)
        return attempt.delivery(_pause(state, [fault for _, fault in attempt.faults]))

    def _has_time(self) -> bool:
        return self.seconds_left() > ROW_RESERVE_SECONDS


@dataclass(slots=True)
class _Watch:
    """Notices within seconds that the run is to stop."""

    run: Run
    runs: RunsTable
    looked: float = field(default_factory=time.monotonic)

    @property
    def stopping(self) -> bool:
        if time.monotonic() - self.looked > WATCH_SECONDS:
            self.looked = time.monotonic()
            self.run = self.runs.load(self.run.run_id) or self.run
        return self.run.status is not RunStatus.RUNNING


def _pause(state: ChunkState, faults: Sequence[Exception]) -> float:
    """Seconds until what is left is tried again: throttled work waits longer each time."""
    if any(isinstance(fault, Throttled) for fault in faults):
        longest = min(THROTTLED_SECONDS * 2**state.attempts, LONGEST_PAUSE_SECONDS)
        return random.uniform(longest / 2, longest)  # noqa: S311 - not all at once
    return RETRY_SECONDS if faults else 0


def _note(attempt: _Attempt, row: Row, ended: RowReport | Exception | None) -> None:
    if isinstance(ended, RowReport):
        attempt.end(ended)
    elif ended is not None:
        attempt.put_off(row, ended)


def _given_up(row: Row, tries: int, deaths: int) -> RowFailed | None:
    if deaths >= ROW_DEATHS:
        return RowFailed(
            FailureCode.WORKER_LOST,
            f"The worker was lost {deaths + 1} times with {row.key} in hand.",
        )
    if tries >= ROW_TRIES:
        return RowFailed(
            FailureCode.RETRIES_EXHAUSTED,
            f"{tries} tries ended in passing errors; upload failed.csv to try again.",
        )
    return None
