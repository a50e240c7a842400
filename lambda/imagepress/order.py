"""An order: somebody's wish for a run, from a direct invocation or an upload, before any check."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Self

from imagepress.errors import Refused
from imagepress.settings import check_action, check_event, read_metadata
from imagepress.storable import storable

MISSING_CSV_PATH = (
    "csv_path is missing; it must be the key of a CSV in the trigger bucket or s3://bucket/key. "
    "Or give prefix, to take all objects under it."
)
TWO_SOURCES = "csv_path and prefix are both given; give one of them."
MISSING_RUN_ID = "run_id is missing; it must be the id of a run."
UNWANTED_RUN_ID = "run_id is given; the action list is about all runs. Did you mean status?"


@dataclass(frozen=True, slots=True)
class Location:
    """One object, or one version of it."""

    bucket: str
    key: str
    version_id: str | None = None

    @classmethod
    def at(cls, url: str) -> Self:
        """The object at `s3://bucket/key`."""
        bucket, _, key = url.removeprefix("s3://").partition("/")
        return cls(bucket, key)

    @property
    def url(self) -> str:
        """`s3://bucket/key`."""
        return f"s3://{self.bucket}/{self.key}"


@dataclass(frozen=True, slots=True)
class Order:
    """What was asked for.

    Orders with equal `token` are the same run, which `name` describes. `event` holds a direct
    invocation's parameters; an upload's stand in its object's metadata. `restores` is the run to
    undo.
    """

    token: str
    started: datetime
    name: str
    event: Mapping[str, Any] | None = None
    upload: Location | None = None
    restores: str | None = None

    def fingerprint(self) -> str:
        """What must be equal where a token comes again."""
        wish = {"event": self.event, "upload": self.upload.url if self.upload else None}
        return json.dumps(wish, sort_keys=True, default=str)


@dataclass(frozen=True, slots=True)
class Wish:
    """An order whose parameters are known and valid; without `csv` it names a prefix."""

    values: Mapping[str, Any]
    csv: Location | None
    notes: Sequence[str] = field(default_factory=tuple)


def direct_order(event: Mapping[str, Any], request_id: str, now: float) -> Order:
    """The order of a direct invocation; retries of one asynchronous call share `request_id`."""
    names = (event.get(name) for name in ("csv_path", "prefix", "bucket_name"))
    return Order(
        token=_token(event, request_id),
        started=datetime.fromtimestamp(now, UTC),
        name=next((storable(name) for name in names if name and isinstance(name, str)), ""),
        event=dict(event),
    )


def restore_order(event: Mapping[str, Any], request_id: str, now: float) -> Order:
    """The order of `{"action": "restore", "run_id": …}`."""
    wanted = event.get("run_id")
    return Order(
        token=_token(event, request_id),
        started=datetime.fromtimestamp(now, UTC),
        name="restore",
        event=dict(event),
        restores=storable(wanted) if isinstance(wanted, str) else "",
    )


def upload_order(upload: Location, sequencer: str, event_time: str) -> Order:
    """The order of an uploaded CSV; repeated notifications of one upload share `sequencer`."""
    return Order(
        token=f"upload:{upload.url}:{upload.version_id or ''}:{sequencer}",
        started=datetime.fromisoformat(event_time),
        name=upload.key,
        upload=upload,
    )


def direct_wish(event: Mapping[str, Any], trigger_bucket: str, readable: Sequence[str]) -> Wish:
    """Check a direct invocation; raise `Refused` for anything wrong."""
    values = check_event(event)
    if "prefix" in values:
        if "csv_path" in values:
            raise Refused(TWO_SOURCES)
        return Wish(values, None)
    if "csv_path" not in values:
        raise Refused(MISSING_CSV_PATH)
    path = values["csv_path"]
    csv = Location.at(path) if path.startswith("s3://") else Location(trigger_bucket, path)
    if csv.bucket not in readable or not csv.key:
        raise Refused(
            f"csv_path is {path!r}; it must be a key in the trigger bucket or "
            f"s3://bucket/key with one of the buckets {', '.join(readable)}."
        )
    return Wish(values, csv)


def run_wish(event: Mapping[str, Any]) -> str:
    """The run that an action such as `{"action": "cancel", "run_id": …}` names; or `Refused`."""
    values = check_action(event)
    if "run_id" not in values:
        raise Refused(MISSING_RUN_ID)
    return str(values["run_id"])


def list_wish(event: Mapping[str, Any]) -> None:
    """Check `{"action": "list"}`; raise `Refused` for anything else in it."""
    if "run_id" in check_action(event):
        raise Refused(UNWANTED_RUN_ID)


def upload_wish(upload: Location, metadata: Mapping[str, str]) -> Wish:
    """Check the parameters in an uploaded CSV's metadata; raise `Refused` for anything wrong."""
    values, ignored = read_metadata(metadata)
    notes = []
    if ignored:
        notes.append(f"Metadata of the CSV that is no parameter was ignored: {', '.join(ignored)}.")
    return Wish(values, upload, notes)


def _token(event: Mapping[str, Any], request_id: str) -> str:
    token = event.get("client_token")
    return f"client:{token}" if token else f"request:{request_id}"
