"""The dispatcher's steps: sends a run's manifest out in numbered chunks.

Each step may die anywhere: the next goes on from the cursor, and a chunk sent twice is the same
chunk. Chunks go out in waves. Before each a limit for their numbers is written down, so that
whoever stops the run knows which may be on their way.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import batched

from imagepress.chunk import Chunk, batches, chunk_size, chunks
from imagepress.completion import Completion
from imagepress.errors import Refused
from imagepress.listing import Lister
from imagepress.manifest_store import ManifestStore
from imagepress.messages import dispatch_message
from imagepress.queues import Queue
from imagepress.run import Cursor, ManifestPointer, Run, RunStatus, sample_share, shards_for

# Each wave costs a write to the table; what a step that dies has sent of one is sent again.
CHUNKS_A_WAVE = 200
# SQS answers in 10 to 20 ms: with one sender it would be waited for most of the time.
SENDERS = 8
STEP_RESERVE_SECONDS = 15.0
MAX_HOPS = 10_000


@dataclass(frozen=True, slots=True)
class Dispatcher:
    """What it takes to send a manifest out."""

    completion: Completion
    manifests: ManifestStore
    lister: Lister
    concurrency: int
    dispatches: Queue
    chunk_queue: Queue

    def step(self, run_id: str, hop: int, seconds_left: Callable[[], float]) -> None:
        """Send out chunks from the cursor on, as long as there is time; then ask to go on."""
        run = self.completion.runs.load(run_id)
        if run is None or run.status is not RunStatus.RUNNING:
            self.completion.remind(run)
            return
        if run.fully_dispatched:
            self.completion.finish_if_done(run_id)
            return
        try:
            if hop > MAX_HOPS:
                raise Refused(f"The CSV was not sent out after {MAX_HOPS:,} steps.")
            has_time = lambda: seconds_left() > STEP_RESERVE_SECONDS  # noqa: E731
            listed = self._listed(run, hop, has_time) if run.manifest is None else run
            if listed and listed.manifest and self._send(listed, listed.manifest, hop, has_time):
                self.completion.finish_if_done(run_id)
        except Refused as refusal:
            self.completion.stop(run_id, RunStatus.FAILED, str(refusal))

    def _listed(self, run: Run, hop: int, has_time: Callable[[], bool]) -> Run | None:
        """The run with the manifest that its listing came to; None where others go on with it."""
        runs, listing = self.completion.runs, run.listing
        if listing is None:
            return None
        while not listing.done:
            listing = self.lister.go_on(run, listing, has_time)
            moved = runs.move_listing(run, listing)
            if moved is None:
                return None
            run = moved
            if not has_time():
                self.dispatches.send(dispatch_message(run.run_id, hop + 1))
                return None
        manifest = self.lister.manifest(run, listing)
        return runs.use_manifest(run, replace(self._sized(run, listing.keys), manifest=manifest))

    def _sized(self, run: Run, rows: int) -> Run:
        size = chunk_size(rows, self.concurrency)
        return replace(
            run,
            chunk_size=size,
            shards=shards_for(rows // size),
            sample=sample_share(run.settings, rows),
        )

    def _send(
        self, run: Run, manifest: ManifestPointer, hop: int, has_time: Callable[[], bool]
    ) -> bool:
        """Whether the manifest's end was reached, by this step or another."""
        runs, cursor = self.completion.runs, run.cursor or Cursor(manifest.start)
        rows = self.manifests.rows(manifest, cursor)
        cut = chunks(run.run_id, rows, run.chunk_size, first=cursor.chunk)
        with ThreadPoolExecutor(SENDERS, thread_name_prefix="sender") as senders:
            for wave in batched(cut, CHUNKS_A_WAVE):
                last = wave[-1]
                limit = max(run.chunk_limit, last.number + 1)
                moved = runs.move_cursor(run, cursor, limit)
                if moved is None:
                    return False
                run = moved
                todo = batches((chunk, chunk.to_message()) for chunk in self._open(run, wave))
                for _ in senders.map(self._send_batch, todo):
                    pass
                row = last.rows[-1]
                cursor = Cursor(row.end, last.number + 1, row.number + 1, row.file)
                if not has_time():
                    if runs.move_cursor(run, cursor, run.chunk_limit) is not None:
                        self.dispatches.send(dispatch_message(run.run_id, hop + 1))
                    return False
        # None: another step was quicker, or the answer to our own write was lost; both are done.
        runs.finish_dispatch(run, cursor)
        return True

    def _send_batch(self, batch: list[tuple[Chunk, str]]) -> None:
        self.chunk_queue.send_batch([body for _, body in batch])

    def _open(self, run: Run, wave: Sequence[Chunk]) -> list[Chunk]:
        """Those that are not done; only a run that is sent out again can have some that are."""
        if not run.resends:
            return list(wave)
        states = self.completion.runs.chunk_states(run.run_id, [chunk.number for chunk in wave])
        return [
            chunk for chunk, state in zip(wave, states, strict=True) if state.done_attempt is None
        ]
