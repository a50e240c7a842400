"""The dispatcher's steps: sends a run's manifest out in numbered chunks.

Each step may die anywhere: the next goes on from the cursor, and a chunk sent twice is the same
chunk. Before chunks are sent a limit for their numbers is written down, so that whoever stops the
run knows which may be on their way.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from imagepress.chunk import Chunk, batches, chunks
from imagepress.completion import Completion
from imagepress.errors import Refused
from imagepress.manifest_store import ManifestStore
from imagepress.messages import dispatch_message
from imagepress.queues import Queue
from imagepress.run import Cursor, ManifestPointer, Run, RunStatus
from imagepress.run_store import RunStore, run_prefix

CHUNKS_A_COMMIT = 200
STEP_RESERVE_SECONDS = 15.0
MAX_HOPS = 10_000


@dataclass(frozen=True, slots=True)
class Dispatcher:
    """What it takes to send a manifest out."""

    completion: Completion
    store: RunStore
    manifests: ManifestStore
    dispatches: Queue
    chunk_queue: Queue

    def step(self, run_id: str, hop: int, seconds_left: Callable[[], float]) -> None:
        """Send out chunks from the cursor on, as long as there is time; then ask to go on."""
        run = self.completion.runs.load(run_id)
        if run is None or run.status is not RunStatus.RUNNING or run.manifest is None:
            self.completion.remind(run)
            return
        if run.fully_dispatched:
            self.completion.finish_if_done(run_id)
            return
        try:
            if hop > MAX_HOPS:
                raise Refused(f"The CSV was not sent out after {MAX_HOPS:,} steps.")
            unpacked = self._unpacked(run, run.manifest) if run.manifest.gzipped else run
            if unpacked is None or self._send(unpacked, hop, seconds_left):
                self.completion.finish_if_done(run_id)
        except Refused as refusal:
            self.completion.stop(run_id, RunStatus.FAILED, str(refusal))

    def _unpacked(self, run: Run, packed: ManifestPointer) -> Run | None:
        """Write a gzipped manifest out as a plain one, so that a cursor is a byte offset."""
        store = self.store
        key = f"{run_prefix(run.run_id)}manifest.csv"
        head = store.upload_blocks(self.manifests.plain_blocks(packed), key)
        plain = replace(
            packed,
            bucket=store.bucket,
            key=key,
            version_id=head.get("VersionId"),
            etag=head["ETag"],
            size=head["ContentLength"],
            gzipped=False,
        )
        return self.completion.runs.use_manifest(run, plain)

    def _send(self, run: Run, hop: int, seconds_left: Callable[[], float]) -> bool:
        """Whether the manifest's end was reached, by this step or another."""
        if run.manifest is None or run.cursor is None:
            return True
        runs, cursor = self.completion.runs, run.cursor
        rows = self.manifests.rows(run.manifest, cursor)
        cut = chunks(run.run_id, rows, run.chunk_size, first=cursor.chunk)
        for batch in batches((chunk, chunk.to_message()) for chunk in cut):
            last = batch[-1][0]
            if last.number >= run.chunk_limit:
                moved = runs.move_cursor(run, cursor, last.number + 1 + CHUNKS_A_COMMIT)
                if moved is None:
                    return False
                run = moved
            bodies = [body for chunk, body in batch if not self._is_done(run, chunk)]
            if bodies:
                self.chunk_queue.send_batch(bodies)
            cursor = Cursor(last.rows[-1].end, last.number + 1, last.rows[-1].number + 1)
            if seconds_left() < STEP_RESERVE_SECONDS:
                if runs.move_cursor(run, cursor, run.chunk_limit) is not None:
                    self.dispatches.send(dispatch_message(run.run_id, hop + 1))
                return False
        # None: another step was quicker, or the answer to our own write was lost; both are done.
        runs.finish_dispatch(run, cursor)
        return True

    def _is_done(self, run: Run, chunk: Chunk) -> bool:
        """Only a run that is sent out again can have chunks that are done."""
        if not run.resends:
            return False
        state = self.completion.runs.chunk_state(run.run_id, chunk.number)
        return state.done_attempt is not None
