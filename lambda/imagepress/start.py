"""Starting runs: everything that a run needs is decided here, at once, and written down.

A refusal is a run as well: FAILED, with a log and a summary, as nobody watches a Lambda's retries.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from imagepress.bucket_facts import NO_WAY_BACK
from imagepress.chunk import chunk_size
from imagepress.errors import Refused, TokenReused
from imagepress.listing import Lister
from imagepress.manifest_store import Inspected, ManifestStore
from imagepress.messages import dispatch_message, report_message
from imagepress.order import Order, Wish, direct_wish, run_wish, upload_wish
from imagepress.queues import Queue
from imagepress.run import (
    GZIPPED_REPORT_ROWS,
    BucketFacts,
    Cursor,
    Listing,
    Run,
    RunStatus,
    sample_share,
    shards_for,
)
from imagepress.run_id import make_run_id
from imagepress.run_store import RunFiles, RunStore
from imagepress.runs import RunsTable
from imagepress.settings import RunSettings, check_temp_dir, with_defaults
from imagepress.undo import UNDO_COLUMNS

# What a queue holds a message for, and what a row of a mixed set takes one compressor.
MOST_DAYS = 14
USUAL_ROW_SECONDS = 0.6
TOO_LONG = (
    "About {rows:,} rows may take {days:,} days with the compressors that the stack was deployed "
    "for, and a run ends after 14: raise compressor_concurrency, or split the list."
)
NO_ROWS = "There is nothing to do: {source} names no object."


@dataclass(frozen=True, slots=True)
class Deployment:
    """What this stack was deployed with."""

    trigger_bucket: str
    manifest_buckets: Sequence[str]
    image_buckets: Sequence[str]
    run_defaults: Mapping[str, Any]
    concurrency: int


@dataclass(frozen=True, slots=True)
class Starter:
    """What it takes to start a run; `look_at(bucket)` asks S3 about a bucket."""

    deployment: Deployment
    runs: RunsTable
    manifests: ManifestStore
    lister: Lister
    store: RunStore
    look_at: Callable[[str], BucketFacts]
    dispatches: Queue
    reports: Queue

    def start(self, order: Order) -> dict[str, Any]:
        """Start the run of an order, or record why it is refused; answer for the caller."""
        run_id = make_run_id(order.started, order.name, order.token)
        try:
            run_id = self.runs.claim(order.token, order.fingerprint(), run_id)
        except TokenReused as refusal:
            token = f"{order.token}:{order.fingerprint()}"
            run_id = make_run_id(order.started, order.name, token)
            return self._record(self._refused(run_id, order, str(refusal)), 0)
        known = self.runs.load(run_id)
        if known is not None:
            return self._record(known, 0)
        try:
            run, estimated_rows = self._planned(run_id, order)
        except Refused as refusal:
            run, estimated_rows = self._refused(run_id, order, str(refusal)), 0
        return self._record(run, estimated_rows)

    def _planned(self, run_id: str, order: Order) -> tuple[Run, int]:
        if order.restores is not None:
            return self._planned_restore(run_id, order, order.restores)
        wish = self._wish(order)
        bucket = self._bucket(wish.values.get("bucket_name"))
        settings = with_defaults(self.deployment.run_defaults, wish.values)
        check_temp_dir(settings.temp_dir)
        notes = list(wish.notes)
        if wish.csv is None:
            source, listing, found = self._looked_through(bucket, wish.values["prefix"], notes)
        else:
            csv, listing = wish.csv, None
            found = self.manifests.inspect(
                csv.bucket, csv.key, csv.version_id, images_bucket=bucket
            )
            source = csv.url
        facts = self.look_at(bucket)
        if not facts.versioned and not settings.backup_prefix and not settings.only_measures:
            notes.append(NO_WAY_BACK.format(bucket=bucket))
        days = found.estimated_rows * USUAL_ROW_SECONDS / self.deployment.concurrency / 86_400
        if days > MOST_DAYS:
            notes.append(TOO_LONG.format(rows=found.estimated_rows, days=round(days)))
        run = self._run(run_id, order, source, bucket, settings, facts, found, listing)
        sample = sample_share(settings, found.estimated_rows)
        return replace(run, notes=tuple(notes), sample=sample), found.estimated_rows

    def _looked_through(
        self, bucket: str, prefix: str, notes: list[str]
    ) -> tuple[str, Listing | None, Inspected]:
        """Where the objects under a prefix are, and how many at least; None if there are none."""
        count, is_all = self.lister.look(bucket, prefix)
        if not is_all:
            notes.append(f"The prefix holds over {count:,} objects, which will be counted.")
        listing = Listing(prefix) if count or not is_all else None
        return f"s3://{bucket}/{prefix}", listing, Inspected(None, count)

    def _planned_restore(self, run_id: str, order: Order, wanted: str) -> tuple[Run, int]:
        run_wish(order.event or {})
        target = self.runs.load(wanted)
        if target is None:
            raise Refused(f"run_id: there is no run {wanted!r}.")
        if target.restores is not None:
            raise Refused(f"run_id: {wanted} is itself a restore; only a compression is undone.")
        if not target.status.has_ended:
            raise Refused(f"run_id: {wanted} is still {target.status}; cancel it or let it end.")
        undo = RunFiles.of(target).undo
        found = self.manifests.inspect(self.store.bucket, undo, None, extra=UNDO_COLUMNS)
        facts = self.look_at(self._bucket(target.bucket_name))
        run = self._run(
            run_id,
            order,
            self.store.url(undo),
            target.bucket_name,
            target.settings,
            facts,
            found,
        )
        return replace(run, restores=wanted), found.estimated_rows

    def _wish(self, order: Order) -> Wish:
        if order.upload is not None:
            upload = order.upload
            metadata = self.manifests.metadata(upload.bucket, upload.key, upload.version_id)
            return upload_wish(upload, metadata)
        deployment = self.deployment
        readable = (deployment.trigger_bucket, self.store.bucket, *deployment.manifest_buckets)
        return direct_wish(order.event or {}, deployment.trigger_bucket, readable)

    def _bucket(self, wished: str | None) -> str:
        allowed = self.deployment.image_buckets
        bucket = wished or (allowed[0] if len(allowed) == 1 else None)
        if bucket is None or bucket not in allowed:
            given = f"is {bucket!r}" if bucket else "is missing"
            raise Refused(
                f"bucket_name {given}; the stack was deployed for {', '.join(allowed)}. Add a "
                "bucket to image_buckets and deploy again to use it."
            )
        return bucket

    def _run(
        self,
        run_id: str,
        order: Order,
        source: str,
        bucket: str,
        settings: RunSettings,
        facts: BucketFacts,
        found: Inspected,
        listing: Listing | None = None,
    ) -> Run:
        size = chunk_size(found.estimated_rows, self.deployment.concurrency)
        pointer = found.pointer
        run = Run(
            run_id=run_id,
            created=order.started.timestamp(),
            source=source,
            bucket_name=bucket,
            settings=settings,
            chunk_size=size,
            shards=shards_for(found.estimated_rows // size),
            bucket=facts,
            gzipped_report=found.estimated_rows > GZIPPED_REPORT_ROWS,
            manifest=pointer,
            listing=listing,
            cursor=Cursor(pointer.start) if pointer else None,
        )
        if pointer is None and listing is None:
            return replace(
                run,
                status=RunStatus.REPORTING,
                chunks_total=0,
                rows_total=0,
                message=NO_ROWS.format(source=source),
            )
        return run

    def _refused(self, run_id: str, order: Order, message: str) -> Run:
        return Run(
            run_id=run_id,
            created=order.started.timestamp(),
            source=order.upload.url if order.upload else order.name,
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
        failed = run.end_status is RunStatus.FAILED
        rows = run.rows_total if run.rows_total is not None else estimated_rows
        return {
            "run_id": run.run_id,
            "status": RunStatus.FAILED if failed else run.status,
            "message": run.message,
            "estimated_rows": rows,
            "estimated_chunks": -(-rows // run.chunk_size),
            "chunk_size": run.chunk_size,
            **self.store.links(run),
            "bucket_name": run.bucket_name,
            "parameters": run.settings.to_json(),
            "notes": list(run.notes),
        }
