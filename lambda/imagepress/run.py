"""What is known of a run and of its chunks: plain values, as the runs table keeps them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum

from imagepress.manifest import S3List
from imagepress.outcome import Totals
from imagepress.pinned_object import PinnedObject
from imagepress.settings import RunSettings

MAX_SHARDS = 32
CHUNKS_A_SHARD = 16
GZIPPED_REPORT_ROWS = 1_000_000


class RunStatus(StrEnum):
    """RUNNING, STOPPING if it is to end early, then REPORTING, then one of the ends."""

    RUNNING = "RUNNING"
    STOPPING = "STOPPING"
    REPORTING = "REPORTING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    ABORTED = "ABORTED"

    @property
    def has_ended(self) -> bool:
        """Whether nothing changes any more: the rows are done, and the report is written."""
        return self not in (RunStatus.RUNNING, RunStatus.STOPPING, RunStatus.REPORTING)


WORKING = (RunStatus.RUNNING, RunStatus.STOPPING)


@dataclass(frozen=True, slots=True)
class ManifestPointer:
    """A manifest that cannot change while a run reads it.

    `column` is the index of the field with the key, `extra` are those of other columns that rows
    carry along; rows start at byte `start`. With `inventory` the pinned object names the files.
    """

    pinned: PinnedObject
    column: int
    start: int
    extra: tuple[int, ...] = ()
    s3_list: S3List | None = None
    inventory: bool = False


@dataclass(frozen=True, slots=True)
class Listing:
    """How far the listing of a prefix is: keys up to `after` are in `files`, `keys` in all."""

    prefix: str
    after: str = ""
    keys: int = 0
    files: tuple[PinnedObject, ...] = ()
    done: bool = False


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far the dispatcher is: next byte of the manifest's file, next chunk, next row."""

    offset: int
    chunk: int = 0
    row: int = 1
    file: int = 0


@dataclass(frozen=True, slots=True)
class BucketFacts:
    """`versioned` only where versioning is Enabled: Suspended destroys the null version.

    `acl_owner` is the owner's canonical id where ACLs are on, else None. `noncurrent_days` is how
    long the bucket keeps an old version, None: for ever, or (not `lifecycle_known`) nobody knows.
    """

    versioned: bool = False
    acl_owner: str | None = None
    noncurrent_days: int | None = None
    lifecycle_known: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run as the table knows it; the first group never changes.

    `sample` is the share of rows that a dry run draws; `restores` the run that this one undoes.
    `chunk_limit`: no chunk of that number or above has been sent yet. With `listing` there is no
    manifest until all is listed, and `chunk_size`, `shards` and `sample` are guesses till then.
    `ended`: when there was nothing left but the report, or, before that, the last change.
    `report_step` numbers the report's checkpoints.
    """

    run_id: str
    created: float
    source: str
    bucket_name: str
    settings: RunSettings
    chunk_size: int
    shards: int
    bucket: BucketFacts = field(default_factory=BucketFacts)
    sample: float = 1.0
    restores: str | None = None
    notes: tuple[str, ...] = ()
    gzipped_report: bool = False

    status: RunStatus = RunStatus.RUNNING
    manifest: ManifestPointer | None = None
    listing: Listing | None = None
    cursor: Cursor | None = None
    fence: int = 0
    chunk_limit: int = 0
    chunks_total: int | None = None
    rows_total: int | None = None
    end_status: RunStatus = RunStatus.COMPLETED
    message: str = ""
    updated: float = 0.0
    resends: int = 0
    ended: float = 0.0
    report_step: int = 0

    @property
    def started(self) -> datetime:
        """When the run began, UTC."""
        return datetime.fromtimestamp(self.created, UTC)

    @property
    def fully_dispatched(self) -> bool:
        """Whether all chunks have been sent."""
        return self.chunks_total is not None


@dataclass(frozen=True, slots=True)
class ChunkState:
    """A chunk's item: attempts begun, how many died, which row each death had in hand.

    `open_until` is set while an attempt is on (seconds since the epoch); `saved_attempt` names
    the part with what earlier attempts finished; `done_attempt` the part that counts.
    """

    number: int
    attempts: int = 0
    deaths: int = 0
    open_until: float | None = None
    in_hand: int | None = None
    row_deaths: Mapping[int, int] | None = None
    saved_attempt: int | None = None
    done_attempt: int | None = None


@dataclass(frozen=True, slots=True)
class RunProgress:
    """The sum of a run's counters."""

    chunks_done: int
    totals: Totals


def shards_for(estimated_chunks: int) -> int:
    """How many counter items a run of this size wants."""
    return max(1, min(MAX_SHARDS, estimated_chunks // CHUNKS_A_SHARD))


def sample_share(settings: RunSettings, rows: int) -> float:
    """The share of about `rows` rows that a dry run draws; 1 where it draws all."""
    if settings.dry_run_sample is None:
        return 1.0
    return min(1.0, settings.dry_run_sample / max(1, rows))
