"""The dispatcher: starts runs, and sends out their manifests in numbered chunks.

Starting is quick and decides everything that a run needs; sending goes on in steps, each of which
may die anywhere: the next goes on from the cursor, and a chunk sent twice is the same chunk.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from imagepress.chunk import Chunk, batches, chunk_size, chunks
from imagepress.completion import finish_if_done, start_report
from imagepress.errors import Refused, TokenReused
from imagepress.manifest_store import Inspected, ManifestStore
from imagepress.messages import dispatch_message, report_message
from imagepress.order import Order, Wish, direct_wish, upload_wish
from imagepress.queues import Queue
from imagepress.run import Cursor, ManifestPointer, Run, RunStatus, shards_for
from imagepress.run_id import make_run_id
from imagepress.run_store import RunFiles, RunStore, run_prefix
from imagepress.runs import RunsTable
from imagepress.settings import RunSettings, check_temp_dir, with_defaults

COMMIT_SECONDS = 2.0
STEP_RESERVE_SECONDS = 15.0
MAX_HOPS = 10_000
NO_ROWS = "The CSV is empty: there is nothing to do."


@dataclass(frozen=True, slots=True)
class Deployment:
    """What this stack was deployed with."""

    trigger_bucket: str
    image_buckets: Sequence[str]
    run_defaults: Mapping[str, Any]
    concurrency: int


@dataclass(frozen=True, slots=True)
class Dispatcher:
    """The dispatcher's tools; a method for each of the two things that it does."""

    deployment: Deployment
    runs: RunsTable
    manifests: ManifestStore
    store: RunStore
    dispatches: Queue
    chunk_queue: Queue
    reports: Queue

    def start(self, order: Order) -> dict[str, Any]:
        """Start the run of an order, or record why it is refused; answer for the caller."""
        run_id = make_run_id(order.started, order.csv, order.token)
        try:
            run_id = self.runs.claim(order.token, order.fingerprint(), run_id)
        except TokenReused as refusal:
            token = f"{order.token}:{order.fingerprint()}"
            run_id = make_run_id(order.started, order.csv, token)
            return self._record(self._refused(run_id, order, str(refusal)), 0)
        known = self.runs.load(run_id)
        if known is not None:
            return self._record(known, 0)
        try:
            wish = self._wish(order)
            bucket, settings = self._checked(wish)
            found = self.manifests.inspect(wish.csv.bucket, wish.csv.key, wish.csv.version_id)
        except Refused as refusal:
            return self._record(self._refused(run_id, order, str(refusal)), 0)
        run = self._planned(run_id, order, wish, bucket, settings, found)
        return self._record(run, found.estimated_rows)

    def step(self, run_id: str, hop: int, seconds_left: Callable[[], float]) -> None:
        """Send out chunks from the cursor on, as long as there is time; then ask to go on."""
        run = self.runs.load(run_id)
        if run is None or run.status is not RunStatus.RUNNING or run.manifest is None:
            return
        if run.fully_dispatched:
            finish_if_done(run_id, self.runs, self.reports)
            return
        try:
            if hop > MAX_HOPS:
                raise Refused(f"The CSV was not sent out after {MAX_HOPS:,} steps.")
            if run.manifest.gzipped:
                run = self._unpacked(run, run.manifest)
            if run is None or self._send(run, hop, seconds_left):
                finish_if_done(run_id, self.runs, self.reports)
        except Refused as refusal:
            start_report(run_id, RunStatus.FAILED, str(refusal), self.runs, self.reports)

    # Starting

    def _wish(self, order: Order) -> Wish:
        if order.upload is not None:
            upload = order.upload
            metadata, _ = self.manifests.metadata(upload.bucket, upload.key, upload.version_id)
            return upload_wish(upload, metadata)
        readable = (self.deployment.trigger_bucket, self.store.bucket)
        return direct_wish(order.event or {}, self.deployment.trigger_bucket, readable)

    def _checked(self, wish: Wish) -> tuple[str, RunSettings]:
        allowed = self.deployment.image_buckets
        bucket = wish.values.get("bucket_name", allowed[0] if len(allowed) == 1 else None)
        if bucket not in allowed:
            given = f"is {bucket!r}" if bucket else "is missing"
            raise Refused(
                f"bucket_name {given}; the stack was deployed for {', '.join(allowed)}. Add a "
                "bucket to image_buckets and deploy again to use it."
            )
        settings = with_defaults(self.deployment.run_defaults, wish.values)
        check_temp_dir(settings.temp_dir)
        return bucket, settings

    def _planned(
        self,
        run_id: str,
        order: Order,
        wish: Wish,
        bucket: str,
        settings: RunSettings,
        found: Inspected,
    ) -> Run:
        size = chunk_size(found.estimated_rows, self.deployment.concurrency)
        pointer = found.pointer
        run = Run(
            run_id=run_id,
            created=order.started.timestamp(),
            source=wish.csv.url,
            bucket_name=bucket,
            settings=settings,
            chunk_size=size,
            shards=shards_for(found.estimated_rows // size),
            notes=tuple(wish.notes),
            manifest=pointer,
            cursor=Cursor(pointer.start) if pointer else None,
        )
        if pointer is None:
            return replace(
                run, status=RunStatus.REPORTING, chunks_total=0, rows_total=0, message=NO_ROWS
            )
        return run

    def _refused(self, run_id: str, order: Order, message: str) -> Run:
        return Run(
            run_id=run_id,
            created=order.started.timestamp(),
            source=order.upload.url if order.upload else order.csv,
            bucket_name="",
            settings=with_defaults(self.deployment.run_defaults, {}),
            chunk_size=1,
            shards=1,
            status=RunStatus.REPORTING,
            chunks_total=0,
            rows_total=0,
            end_status=RunStatus.FAILED,
            message=message,
        )

    def _record(self, run: Run, estimated_rows: int) -> dict[str, Any]:
        """Write the run down, then wake who goes on with it; both may be repeated."""
        self.runs.create(run)
        if run.status is RunStatus.RUNNING and not run.fully_dispatched:
            self.dispatches.send(dispatch_message(run.run_id))
        elif run.status is RunStatus.REPORTING:
            self.reports.send(report_message(run.run_id))
        return self._answer(run, estimated_rows)

    def _answer(self, run: Run, estimated_rows: int) -> dict[str, Any]:
        files = RunFiles.of(run)
        failed = run.end_status is RunStatus.FAILED
        rows = run.rows_total if run.rows_total is not None else estimated_rows
        return {
            "run_id": run.run_id,
            "status": RunStatus.FAILED if failed else run.status,
            "message": run.message,
            "estimated_rows": rows,
            "estimated_chunks": -(-rows // run.chunk_size),
            "chunk_size": run.chunk_size,
            "log": self.store.url(files.log),
            "results": self.store.url(files.results),
            "failed": self.store.url(files.failed),
            "summary": self.store.url(files.summary),
            "bucket_name": run.bucket_name,
            "parameters": run.settings.to_json(),
            "notes": list(run.notes),
        }

    # Sending

    def _unpacked(self, run: Run, packed: ManifestPointer) -> Run | None:
        """Write a gzipped manifest out as a plain one, so that a cursor is a byte offset."""
        key = f"{run_prefix(run.run_id)}manifest.csv"
        head = self.store.upload_blocks(self.manifests.plain_blocks(packed), key)
        plain = replace(
            packed,
            bucket=self.store.bucket,
            key=key,
            version_id=head.get("VersionId"),
            etag=head["ETag"],
            size=head["ContentLength"],
            gzipped=False,
        )
        return self.runs.use_manifest(run, plain)

    def _send(self, run: Run, hop: int, seconds_left: Callable[[], float]) -> bool:
        """Whether the manifest's end was reached, by this step or another."""
        if run.manifest is None or run.cursor is None:
            return True
        cursor = run.cursor
        committed = time.monotonic()
        rows = self.manifests.rows(run.manifest, cursor)
        cut = chunks(run.run_id, rows, run.chunk_size, first=cursor.chunk)
        for batch in batches((chunk, chunk.to_message()) for chunk in cut):
            bodies = [body for chunk, body in batch if not self._is_done(run, chunk)]
            if bodies:
                self.chunk_queue.send_batch(bodies)
            last = batch[-1][0]
            cursor = Cursor(last.rows[-1].end, last.number + 1, last.rows[-1].number + 1)
            out_of_time = seconds_left() < STEP_RESERVE_SECONDS
            if out_of_time or time.monotonic() - committed > COMMIT_SECONDS:
                moved = self.runs.move_cursor(run, cursor)
                if moved is None:
                    return False
                run = moved
                committed = time.monotonic()
            if out_of_time:
                self.dispatches.send(dispatch_message(run.run_id, hop + 1))
                return False
        # None: another step was quicker, or the answer to our own write was lost; both are done.
        self.runs.finish_dispatch(run, cursor)
        return True

    def _is_done(self, run: Run, chunk: Chunk) -> bool:
        """Only a run that is sent out again can have chunks that are done."""
        if not run.resends:
            return False
        return self.runs.chunk_state(run.run_id, chunk.number).done_attempt is not None
