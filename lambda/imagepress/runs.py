"""The runs table: what is known of a run while it goes on, and who wins where one must.

One DynamoDB item each for the run, its chunks, its counters (several, as one would be a hot key)
and the token that started it. All decisions are conditional writes, so that repeated deliveries
and concurrent invocations agree.
"""

import hashlib
import json
import random
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from botocore.exceptions import ClientError

from imagepress.aws_errors import error_code, passing_errors
from imagepress.errors import PassingError, Throttled, TokenReused
from imagepress.manifest import S3List
from imagepress.outcome import Outcome, Totals
from imagepress.pinned_object import PinnedObject
from imagepress.run import (
    BucketFacts,
    ChunkState,
    Cursor,
    Listing,
    ManifestPointer,
    Run,
    RunProgress,
    RunStatus,
)
from imagepress.settings import RunSettings

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

STATUS_INDEX = "status-index"
VOID_ATTEMPT = 0
KEEP_SECONDS = 400 * 24 * 3600
BATCH_GET_ITEMS = 100
CONDITION_FAILED = "ConditionalCheckFailedException"
TRANSACTION_CANCELLED = "TransactionCanceledException"
# The SDK does not repeat what was cancelled because somebody else counted at the same moment.
CONFLICT_TRIES = 8
CONFLICT_PAUSE_SECONDS = 0.05


class RunsTable:
    """All reads and conditional writes on the runs table; raises `PassingError` when it refuses."""

    def __init__(self, dynamodb: "DynamoDBClient", table: str) -> None:
        self._client = dynamodb
        self._table = table

    # Starting

    def claim(self, token: str, parameters: str, run_id: str) -> str:
        """The run that `token` stands for: `run_id`, or the one that it started before."""
        digest = hashlib.sha256(token.encode("utf-8", "backslashreplace")).hexdigest()
        item = {
            "pk": f"token#{digest}",
            "run_id": run_id,
            "parameters": parameters,
            "expires_at": _expiry(),
        }
        if self._put_new(item):
            return run_id
        before = self._get(f"token#{digest}") or item
        if before["parameters"] != parameters:
            raise TokenReused(
                f"client_token was used before, with other parameters, by run {before['run_id']}."
            )
        return str(before["run_id"])

    def create(self, run: Run) -> bool:
        """Record a new run; False where it is there already."""
        fixed = {
            "created": run.created,
            "source": run.source,
            "bucket_name": run.bucket_name,
            "settings": run.settings.to_json(),
            "bucket": asdict(run.bucket),
            "restores": run.restores,
            "notes": run.notes,
            "gzipped_report": run.gzipped_report,
        }
        item = {
            "pk": _run_key(run.run_id),
            "run_id": run.run_id,
            "status": run.status,
            "fixed": json.dumps(fixed),
            "chunk_size": run.chunk_size,
            "shards": run.shards,
            "sample": str(run.sample),
            "manifest": json.dumps(asdict(run.manifest)) if run.manifest else None,
            "listing": json.dumps(asdict(run.listing)) if run.listing else None,
            "cursor": json.dumps(asdict(run.cursor)) if run.cursor else None,
            "fence": 0,
            "chunk_limit": 0,
            "chunks_total": run.chunks_total,
            "rows_total": run.rows_total,
            "end_status": run.end_status,
            "message": run.message,
            "updated": _milliseconds(time.time()),
            "ended": _milliseconds(time.time()) if run.status is RunStatus.REPORTING else None,
            "expires_at": _expiry(),
        }
        return self._put_new({name: value for name, value in item.items() if value is not None})

    def load(self, run_id: str) -> Run | None:
        """The run, read consistently."""
        item = self._get(_run_key(run_id))
        return _run(item) if item else None

    # Dispatching

    def move_listing(self, run: Run, listing: Listing) -> Run | None:
        """Record how far the listing is; None: another step has gone on, or the run is to stop."""
        return self._advance(run, {"listing": json.dumps(asdict(listing))}, {"listing": listing})

    def use_manifest(self, run: Run, sized: Run) -> Run | None:
        """Record the manifest that a listing came to, and what follows from its length.

        None: another step has gone on, or the run is to stop.
        """
        changes = {
            "manifest": sized.manifest,
            "chunk_size": sized.chunk_size,
            "shards": sized.shards,
            "sample": sized.sample,
        }
        columns = {
            **changes,
            "manifest": json.dumps(asdict(sized.manifest)) if sized.manifest else None,
            "sample": str(sized.sample),
        }
        return self._advance(run, columns, changes)

    def move_cursor(self, run: Run, cursor: Cursor, chunk_limit: int) -> Run | None:
        """Record that everything before `cursor` is sent, and nothing from `chunk_limit` on.

        None: another step has gone on, or the run is to stop.
        """
        return self._advance(
            run,
            {"cursor": json.dumps(asdict(cursor)), "chunk_limit": chunk_limit},
            {"cursor": cursor, "chunk_limit": chunk_limit},
        )

    def finish_dispatch(self, run: Run, cursor: Cursor) -> Run | None:
        """Record that the manifest has ended at `cursor`; None: another step has gone on."""
        values = {"chunks_total": cursor.chunk, "rows_total": cursor.row - 1}
        return self._advance(
            run, {"cursor": json.dumps(asdict(cursor)), **values}, {"cursor": cursor, **values}
        )

    def close_dispatch(self, run: Run) -> Run | None:
        """Record that a stopping run sends no further chunk."""
        values = {"chunks_total": run.chunk_limit}
        return self._advance(run, values, values)

    def rewind(self, run: Run, manifest: ManifestPointer) -> Run | None:
        """Send the cursor back to the first row, to send again what was lost."""
        cursor = Cursor(manifest.start)
        values = {"resends": run.resends + 1}
        return self._advance(
            run,
            {"cursor": json.dumps(asdict(cursor)), **values},
            {"cursor": cursor, "chunks_total": None, "rows_total": None, **values},
            remove="REMOVE chunks_total, rows_total",
        )

    def _advance(
        self, run: Run, columns: Mapping[str, Any], changes: Mapping[str, Any], remove: str = ""
    ) -> Run | None:
        names = {f"#{name}": name for name in columns}
        sets = ", ".join(f"#{name} = :{name}" for name in columns)
        values = {f":{name}": value for name, value in columns.items()}
        updated = self._update(
            _run_key(run.run_id),
            f"SET {sets}, fence = :next, updated = :now {remove}".strip(),
            condition="fence = :fence AND #status = :before",
            names={**names, "#status": "status"},
            values={
                **values,
                ":next": run.fence + 1,
                ":fence": run.fence,
                ":before": run.status,
                ":now": _milliseconds(time.time()),
            },
        )
        return replace(run, fence=run.fence + 1, **changes) if updated is not None else None

    # Chunks

    def chunk_state(self, run_id: str, number: int) -> ChunkState:
        """What is known of a chunk."""
        return _chunk_state(number, self._get(_chunk_key(run_id, number)) or {})

    def chunk_states(self, run_id: str, numbers: Sequence[int]) -> list[ChunkState]:
        """What is known of several chunks, in the order of `numbers`."""
        keys = [_chunk_key(run_id, number) for number in numbers]
        items = self._get_many(keys)
        return [
            _chunk_state(number, items.get(key, {}))
            for number, key in zip(numbers, keys, strict=True)
        ]

    def begin_attempt(
        self, run_id: str, before: ChunkState, open_until: float
    ) -> ChunkState | None:
        """Open the next attempt on a chunk, charging a death to the one that never closed.

        None: another invocation was quicker.
        """
        died = before.open_until is not None
        row_deaths = dict(before.row_deaths or {})
        if died and before.in_hand is not None:
            row_deaths[before.in_hand] = row_deaths.get(before.in_hand, 0) + 1
        state = replace(
            before,
            attempts=before.attempts + 1,
            deaths=before.deaths + died,
            open_until=open_until,
            in_hand=None,
            row_deaths=row_deaths,
        )
        item = self._update(
            _chunk_key(run_id, before.number),
            "SET attempts = :attempts, deaths = :deaths, open_until = :until, "
            "row_deaths = :row_deaths, expires_at = :expiry REMOVE in_hand",
            condition="attribute_not_exists(done_attempt) AND "
            "(attribute_not_exists(attempts) OR attempts = :before)",
            values={
                ":attempts": state.attempts,
                ":before": before.attempts,
                ":deaths": state.deaths,
                ":until": _milliseconds(open_until),
                ":row_deaths": {str(row): count for row, count in row_deaths.items()},
                ":expiry": _expiry(),
            },
        )
        return state if item is not None else None

    def void(self, run: Run, number: int, *, even_if_begun: bool) -> None:
        """Count a chunk that is not done as done, with nothing in it."""
        condition = "attribute_not_exists(done_attempt)"
        if not even_if_begun:
            condition += " AND attribute_not_exists(attempts)"
        self._complete(run, number, VOID_ATTEMPT, Totals(), condition=condition)

    def take_in_hand(self, run_id: str, state: ChunkState, row: int) -> None:
        """Record which row is worked on, so that a death can be charged to it."""
        self._update(
            _chunk_key(run_id, state.number),
            "SET in_hand = :row",
            condition="attempts = :attempts",
            values={":row": row, ":attempts": state.attempts},
        )

    def close_attempt(self, run_id: str, state: ChunkState, saved_attempt: int | None) -> None:
        """End an attempt in good order, naming the part that holds what has been finished."""
        saved = ", saved_attempt = :saved" if saved_attempt is not None else ""
        self._update(
            _chunk_key(run_id, state.number),
            f"SET closed = :true{saved} REMOVE open_until, in_hand",
            condition="attempts = :attempts",
            values={
                ":attempts": state.attempts,
                ":true": True,
                **({":saved": saved_attempt} if saved_attempt is not None else {}),
            },
        )

    def complete_chunk(self, run: Run, number: int, attempt: int, totals: Totals) -> bool:
        """Mark a chunk done by `attempt` and count it, once; False where it was done before."""
        return self._complete(
            run, number, attempt, totals, condition="attribute_not_exists(done_attempt)"
        )

    def _complete(
        self, run: Run, number: int, attempt: int, totals: Totals, *, condition: str
    ) -> bool:
        counts = {
            "chunks_done": 1,
            Outcome.COMPRESSED: totals.compressed,
            Outcome.SKIPPED: totals.skipped,
            Outcome.FAILED: totals.failed,
            Outcome.RESTORED: totals.restored,
            "bytes_before": totals.bytes_before,
            "bytes_after": totals.bytes_after,
        }
        adds = ", ".join(f"{name} :{name}" for name in counts)
        chunk = self._update_request(
            _chunk_key(run.run_id, number),
            "SET done_attempt = :attempt, expires_at = :expiry REMOVE open_until, in_hand",
            condition=condition,
            values={":attempt": attempt, ":expiry": _expiry()},
        )
        counter = self._update_request(
            _counter_key(run.run_id, number % run.shards),
            f"SET expires_at = :expiry ADD {adds}",
            values={":expiry": _expiry(), **{f":{name}": value for name, value in counts.items()}},
        )
        for again in range(CONFLICT_TRIES):
            if again:
                time.sleep(CONFLICT_PAUSE_SECONDS * 2**again * random.uniform(0.5, 1))  # noqa: S311
            reasons = self._transact(chunk, counter)
            if not reasons:
                return True
            if reasons[0] == "ConditionalCheckFailed":
                return False
        raise Throttled(f"Recording a chunk: {CONFLICT_TRIES} tries met {reasons}")

    def _transact(self, *updates: Mapping[str, Any]) -> list[str]:
        """Make all updates or none; why none was made, for each of them, empty where all were."""
        try:
            with passing_errors("Recording a chunk"):
                self._client.transact_write_items(
                    TransactItems=[{"Update": update} for update in updates]  # type: ignore[typeddict-item]
                )
        except ClientError as error:
            if error_code(error) != TRANSACTION_CANCELLED:
                raise
            return [reason["Code"] for reason in error.response["CancellationReasons"]]
        return []

    # Ending

    def progress(self, run: Run) -> RunProgress:
        """The sum of the run's counters, read consistently."""
        keys = [_counter_key(run.run_id, shard) for shard in range(run.shards)]
        counters = self._get_many(keys).values()

        def total(name: str) -> int:
            return sum(int(counter.get(name, 0)) for counter in counters)

        totals = Totals(
            compressed=total(Outcome.COMPRESSED),
            skipped=total(Outcome.SKIPPED),
            failed=total(Outcome.FAILED),
            restored=total(Outcome.RESTORED),
            bytes_before=total("bytes_before"),
            bytes_after=total("bytes_after"),
        )
        return RunProgress(total("chunks_done"), totals)

    def stop(self, run_id: str, end_status: RunStatus, message: str) -> bool:
        """RUNNING to STOPPING: no row is begun any more; False where it is not RUNNING."""
        return self._change_status(
            run_id, RunStatus.RUNNING, RunStatus.STOPPING, end_status, message
        )

    def start_report(self, run: Run, end_status: RunStatus, message: str) -> bool:
        """To REPORTING, once; False where the run is not any more what `run` says."""
        return self._change_status(run.run_id, run.status, RunStatus.REPORTING, end_status, message)

    def move_report(self, run: Run) -> Run | None:
        """Record that the report's next checkpoint counts; None: another reporter has gone on."""
        updated = self._update(
            _run_key(run.run_id),
            "SET report_step = :next, updated = :now",
            condition="#status = :reporting AND "
            "(attribute_not_exists(report_step) OR report_step = :before)",
            names={"#status": "status"},
            values={
                ":next": run.report_step + 1,
                ":before": run.report_step,
                ":reporting": RunStatus.REPORTING,
                ":now": _milliseconds(time.time()),
            },
        )
        return replace(run, report_step=run.report_step + 1) if updated is not None else None

    def end(self, run_id: str, end_status: RunStatus, message: str) -> bool:
        """REPORTING to the end, once."""
        return self._change_status(run_id, RunStatus.REPORTING, end_status, end_status, message)

    def with_status(self, status: RunStatus) -> Iterator[str]:
        """Ids of the runs that have `status`, oldest first."""
        with passing_errors("Listing runs"):
            pages = self._client.get_paginator("query").paginate(**self._of_status(status))
            for page in pages:
                for item in page["Items"]:
                    yield item["run_id"]["S"]

    def newest(self, limit: int) -> list[Run]:
        """The newest runs, the last one first."""
        ids: list[str] = []
        for status in RunStatus:
            with passing_errors("Listing runs"):
                answer = self._client.query(**self._of_status(status, newest=True), Limit=limit)
            ids += [item["run_id"]["S"] for item in answer["Items"]]
        # An index is a moment behind its table: a run may be in it twice, or not be there yet.
        keys = [_run_key(run_id) for run_id in sorted(set(ids), reverse=True)[:limit]]
        items = self._get_many(keys)
        return [_run(items[key]) for key in keys if key in items]

    def _of_status(self, status: RunStatus, *, newest: bool = False) -> Any:
        return {
            "TableName": self._table,
            "IndexName": STATUS_INDEX,
            "KeyConditionExpression": "#status = :status",
            "ExpressionAttributeNames": {"#status": "status"},
            "ExpressionAttributeValues": {":status": {"S": status}},
            "ScanIndexForward": not newest,
        }

    def _change_status(
        self,
        run_id: str,
        before: RunStatus,
        after: RunStatus,
        end_status: RunStatus,
        message: str,
    ) -> bool:
        ended = ", ended = :now" if after is RunStatus.REPORTING else ""
        item = self._update(
            _run_key(run_id),
            f"SET #status = :after, end_status = :end, message = :message, updated = :now{ended}",
            condition="#status = :before",
            names={"#status": "status"},
            values={
                ":before": before,
                ":after": after,
                ":end": end_status,
                ":message": message,
                ":now": _milliseconds(time.time()),
            },
        )
        return item is not None

    # DynamoDB

    def _get(self, key: str) -> dict[str, Any] | None:
        with passing_errors("Reading the runs table"):
            answer = self._client.get_item(
                TableName=self._table, Key={"pk": {"S": key}}, ConsistentRead=True
            )
        item = answer.get("Item")
        return _plain(item) if item else None

    def _get_many(self, keys: Iterable[str]) -> dict[str, dict[str, Any]]:
        wanted = [{"pk": {"S": key}} for key in keys]
        found: dict[str, dict[str, Any]] = {}
        pending: Sequence[Any] = ()
        while wanted or pending:
            batch = [*pending, *wanted[: BATCH_GET_ITEMS - len(pending)]]
            wanted = wanted[BATCH_GET_ITEMS - len(pending) :]
            with passing_errors("Reading the runs table"):
                answer = self._client.batch_get_item(
                    RequestItems={self._table: {"Keys": batch, "ConsistentRead": True}}
                )
            for item in answer["Responses"].get(self._table, []):
                found[item["pk"]["S"]] = _plain(item)
            unprocessed = answer.get("UnprocessedKeys", {}).get(self._table)
            pending = unprocessed["Keys"] if unprocessed else ()
            if len(pending) == len(batch):
                raise PassingError("Reading the runs table: it refuses all keys for now")
        return found

    def _put_new(self, item: Mapping[str, Any]) -> bool:
        try:
            with passing_errors("Writing the runs table"):
                self._client.put_item(
                    TableName=self._table,
                    Item=_typed(item),
                    ConditionExpression="attribute_not_exists(pk)",
                )
        except ClientError as error:
            if error_code(error) == CONDITION_FAILED:
                return False
            raise
        return True

    def _update(
        self,
        key: str,
        expression: str,
        *,
        condition: str,
        values: Mapping[str, Any],
        names: Mapping[str, str] | None = None,
    ) -> dict[str, Any] | None:
        """The item after the update, or None where the condition did not hold."""
        request = self._update_request(
            key, expression, condition=condition, values=values, names=names
        )
        try:
            with passing_errors("Writing the runs table"):
                answer = self._client.update_item(**request, ReturnValues="ALL_NEW")
        except ClientError as error:
            if error_code(error) == CONDITION_FAILED:
                return None
            raise
        return _plain(answer["Attributes"])

    def _update_request(
        self,
        key: str,
        expression: str,
        *,
        values: Mapping[str, Any],
        condition: str | None = None,
        names: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        request: dict[str, Any] = {
            "TableName": self._table,
            "Key": {"pk": {"S": key}},
            "UpdateExpression": expression,
            "ExpressionAttributeValues": _typed(values),
        }
        if condition:
            request["ConditionExpression"] = condition
        if names:
            request["ExpressionAttributeNames"] = dict(names)
        return request


_SERIALIZER = TypeSerializer()
_DESERIALIZER = TypeDeserializer()


def _typed(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: _SERIALIZER.serialize(str(value) if isinstance(value, StrEnum) else value)
        for name, value in values.items()
    }


def _plain(item: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _DESERIALIZER.deserialize(value) for name, value in item.items()}


def _run_key(run_id: str) -> str:
    return f"run#{run_id}"


def _chunk_key(run_id: str, number: int) -> str:
    return f"chunk#{run_id}#{number}"


def _counter_key(run_id: str, shard: int) -> str:
    return f"counter#{run_id}#{shard}"


def _expiry() -> int:
    return int(time.time()) + KEEP_SECONDS


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)


def _optional_int(value: Any) -> int | None:
    return int(value) if value is not None else None


def _run(item: Mapping[str, Any]) -> Run:
    fixed = json.loads(item["fixed"])
    manifest, cursor, listing = (item.get(name) for name in ("manifest", "cursor", "listing"))
    return Run(
        run_id=item["run_id"],
        created=fixed["created"],
        source=fixed["source"],
        bucket_name=fixed["bucket_name"],
        settings=RunSettings.from_json(fixed["settings"]),
        chunk_size=int(item["chunk_size"]),
        shards=int(item["shards"]),
        bucket=BucketFacts(**fixed["bucket"]),
        sample=float(item["sample"]),
        restores=fixed["restores"],
        notes=tuple(fixed["notes"]),
        gzipped_report=fixed.get("gzipped_report", False),
        status=RunStatus(item["status"]),
        manifest=_pointer(json.loads(manifest)) if manifest else None,
        listing=_listing(json.loads(listing)) if listing else None,
        cursor=Cursor(**json.loads(cursor)) if cursor else None,
        fence=int(item["fence"]),
        chunk_limit=int(item["chunk_limit"]),
        chunks_total=_optional_int(item.get("chunks_total")),
        rows_total=_optional_int(item.get("rows_total")),
        end_status=RunStatus(item["end_status"]),
        message=item["message"],
        updated=float(item["updated"]) / 1000,
        resends=int(item.get("resends", 0)),
        ended=float(item.get("ended", item["updated"])) / 1000,
        report_step=int(item.get("report_step", 0)),
    )


def _pointer(values: dict[str, Any]) -> ManifestPointer:
    listed = values["s3_list"]
    if listed:
        left_out = tuple((index, value) for index, value in listed["left_out"])
        listed = S3List(**{**listed, "left_out": left_out})
    given = {"pinned": PinnedObject(**values["pinned"]), "extra": tuple(values["extra"])}
    return ManifestPointer(**{**values, **given, "s3_list": listed})


def _listing(values: dict[str, Any]) -> Listing:
    files = tuple(PinnedObject(**file) for file in values["files"])
    return Listing(**{**values, "files": files})


def _chunk_state(number: int, item: Mapping[str, Any]) -> ChunkState:
    open_until = item.get("open_until")
    return ChunkState(
        number=number,
        attempts=int(item.get("attempts", 0)),
        deaths=int(item.get("deaths", 0)),
        open_until=float(open_until) / 1000 if open_until is not None else None,
        in_hand=_optional_int(item.get("in_hand")),
        row_deaths={int(row): int(count) for row, count in item.get("row_deaths", {}).items()},
        saved_attempt=_optional_int(item.get("saved_attempt")),
        done_attempt=_optional_int(item.get("done_attempt")),
    )
