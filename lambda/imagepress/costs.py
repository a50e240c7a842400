"""What a run costs and what it saves, from counts and seconds to dollars: plain arithmetic.

The counts are those of the code: what `worker`, `image_store` and `restore` ask of S3 for a row,
and what `chunk_work` and `completion` ask for a chunk. Retries are not in them, nor a second look
at an original (`from_original`). What has no known price is left out of a bill, never zero.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from imagepress.chunk import BATCH_ENTRIES
from imagepress.outcome import FailureCode, Outcome, SkipReason
from imagepress.prices import (
    GIGABYTE,
    MONTH_HOURS,
    SQS_REQUEST_BYTES,
    STANDARD,
    STORAGE_RULES,
    Prices,
    StorageRules,
)

GET, HEAD, PUT = "GetObject", "HeadObject", "PutObject"
TAGS, ACL, ANNOTATIONS = "GetObjectTagging", "GetObjectAcl", "ListObjectAnnotations"

MEGABYTES = 1024
FREE_TEMP_MB = 512
MONTH_DAYS = MONTH_HOURS / 24
# What `telemetry` counts, each in the one dimension of the service.
METRICS = 5
# A row in CloudWatch with the 26 bytes of its record, as measured by the integration tests.
LOG_ROW_BYTES = 1450
# A row in a chunk's message: a key of some 45 bytes, its number and what JSON takes.
MESSAGE_ROW_BYTES = 60
# Of a chunk: its message is received, hidden while it is worked on, and deleted.
CHUNK_QUEUE_REQUESTS = 3
# The run before and after, the chunk, and its state once more for the report; all under 4 KB.
CHUNK_READS = 4
# Beginning an attempt, and ending it: a transaction of two items under 1 KB, each of them twice.
CHUNK_WRITES = 1 + 2 * 2
# A part is written, and read by the reporter.
CHUNK_REQUESTS: Mapping[str, int] = {PUT: 1, GET: 1}
# While rows are worked on, the run is looked at to see whether it is to stop.
WATCH_SECONDS = 3.0

_UNTOUCHED = (
    FailureCode.INVALID_ROW,
    FailureCode.RUN_FAILED,
    SkipReason.BACKUP,
    SkipReason.NOT_SAMPLED,
)
_REQUESTS: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(_UNTOUCHED, ()),
    Outcome.COMPRESSED: (GET, HEAD, PUT),
    Outcome.RESTORED: (HEAD, GET, PUT),
    SkipReason.ANNOTATED: (GET, HEAD),
    SkipReason.CANCELLED: (HEAD,),
    SkipReason.CHANGED_LATER: (HEAD, GET),
    SkipReason.FOREIGN_OWNER: (GET, HEAD),
    FailureCode.BACKUP_FAILED: (GET, HEAD),
    FailureCode.CHANGED_MEANWHILE: (GET, HEAD, HEAD),
    FailureCode.NO_ORIGINAL: (HEAD, GET),
    FailureCode.RETRIES_EXHAUSTED: (HEAD,),
    FailureCode.WORKER_LOST: (HEAD,),
}
_WITH_ANNOTATIONS = (Outcome.COMPRESSED, Outcome.RESTORED, SkipReason.ANNOTATED)
_WITH_ACL = (*_WITH_ANNOTATIONS, SkipReason.FOREIGN_OWNER)
_WITH_BACKUP = (
    Outcome.COMPRESSED,
    SkipReason.ANNOTATED,
    FailureCode.BACKUP_FAILED,
    FailureCode.CHANGED_MEANWHILE,
)


@dataclass(frozen=True, slots=True)
class Care:
    """What makes a replacement ask more of S3 than its three requests."""

    annotations: bool = True
    acls: bool = False
    backup: bool = False


def row_requests(ending: str, care: Care) -> Counter[str]:
    """What a row asks of the images bucket; `ending` is its reason, or its outcome without one.

    An object with tags has them read as well, and so has the first of a chunk that is replaced.
    """
    requests = Counter(_REQUESTS.get(ending, (GET,)))
    if care.annotations and ending in _WITH_ANNOTATIONS:
        requests[ANNOTATIONS] += 1
    if care.acls and ending in _WITH_ACL:
        requests[ACL] += 1
    if care.backup and ending in _WITH_BACKUP:
        requests[PUT] += 1
        requests[ACL] += care.acls
    return +requests


@dataclass(frozen=True, slots=True)
class Machine:
    """What a function gets: it is billed for the memory, and for /tmp beyond 512 MB."""

    memory_mb: int
    architecture: str = "x86_64"
    tmp_mb: int = FREE_TEMP_MB

    @property
    def gigabytes(self) -> float:
        """Its memory as it is billed."""
        return self.memory_mb / MEGABYTES


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What a run did; all that is None was not measured.

    `requests` are those to the images bucket, `read` the bytes of objects that were read, both by
    storage class. `chunks` and what follows it are those of a deployed run.
    """

    requests: Mapping[str, Mapping[str, int]]
    read: Mapping[str, int] = field(default_factory=dict)
    keys_used: int | None = None
    rows: int = 0
    chunks: int = 0
    shards: int = 1
    compute_seconds: float | None = None
    dispatch_seconds: float | None = None
    report_seconds: float | None = None
    hours: float | None = None


@dataclass(frozen=True, slots=True)
class Machines:
    """The functions that a run is billed for."""

    compressor: Machine
    dispatcher: Machine | None = None
    reporter: Machine | None = None


def bill(work: Work, prices: Prices, machines: Machines | None = None) -> dict[str, float]:
    """Dollars by part; without `machines` nothing is deployed, and S3 is all that costs.

    Requests to objects of a storage class without a known price are not in it.
    """
    parts: dict[str, float | None] = {}
    if machines is not None:
        parts |= {
            "compressor": compute(work.compute_seconds, machines.compressor, prices),
            "dispatcher": compute(work.dispatch_seconds, machines.dispatcher, prices),
            "reporter": compute(work.report_seconds, machines.reporter, prices),
            "invocations": work.chunks * prices.invocation,
            "part_requests": _requests(CHUNK_REQUESTS, STANDARD, prices, work.chunks),
            "sqs": _times(queue_requests(work), prices.queue_request),
            "dynamodb": _dynamodb(work, prices),
            "logs": work.rows * LOG_ROW_BYTES / GIGABYTE * prices.log_gigabyte,
            "metrics": _times(_metric_months(work), prices.metric),
        }
    known = [name for name in work.requests if name in prices.storage]
    if known:
        parts["s3_requests"] = sum(_requests(work.requests[name], name, prices) for name in known)
        parts["s3_retrieval"] = sum(
            work.read.get(name, 0) / GIGABYTE * prices.storage[name].retrieved_gigabyte
            for name in known
        )
    parts["kms"] = _times(work.keys_used, prices.key_request)
    return {name: dollars for name, dollars in parts.items() if dollars is not None}


def compute(seconds: float | None, machine: Machine | None, prices: Prices) -> float | None:
    """Dollars for a function's seconds; None where one of both is not known."""
    if seconds is None or machine is None or machine.architecture not in prices.compute:
        return None
    temp = max(0, machine.tmp_mb - FREE_TEMP_MB) / MEGABYTES
    if temp and prices.temp_gigabyte_second is None:
        # A five-hundredth of the memory's price: better left out than the whole.
        temp = 0.0
    second = machine.gigabytes * prices.compute[machine.architecture]
    return seconds * (second + temp * (prices.temp_gigabyte_second or 0.0))


def queue_requests(work: Work) -> float:
    """Requests to SQS for all chunks: sent in batches, and taken one by one."""
    sends = max(work.chunks / BATCH_ENTRIES, work.rows * MESSAGE_ROW_BYTES / SQS_REQUEST_BYTES)
    return sends + work.chunks * CHUNK_QUEUE_REQUESTS


def table_reads(work: Work) -> float:
    """Read units for all chunks: each looks at all counters, to see whether it was the last."""
    watched = (work.compute_seconds or 0.0) / WATCH_SECONDS
    return work.chunks * (CHUNK_READS + work.shards) + watched


def table_writes(work: Work) -> float:
    """Write units for all chunks."""
    return float(work.chunks * CHUNK_WRITES)


def _dynamodb(work: Work, prices: Prices) -> float | None:
    if prices.read_unit is None or prices.write_unit is None:
        return None
    return table_reads(work) * prices.read_unit + table_writes(work) * prices.write_unit


def _requests(
    requests: Mapping[str, int], storage_class: str, prices: Prices, times: int = 1
) -> float:
    """All that is not a write costs what a GET does; so AWS's list has it for annotations too."""
    storage = prices.storage[storage_class]
    return times * sum(
        count * (storage.put if name == PUT else storage.get) for name, count in requests.items()
    )


def _metric_months(work: Work) -> float | None:
    return METRICS * work.hours / MONTH_HOURS if work.hours is not None else None


def _times(count: float | None, price: float | None) -> float | None:
    return count * price if count is not None and price is not None else None


# Storage


@dataclass(slots=True)
class Replaced:
    """Objects of one storage class that a run replaced, in bytes; `billed` ones at their least.

    `due` has the billed bytes of originals that were younger than the class's least duration, by
    the days that were missing.
    """

    objects: int = 0
    before: int = 0
    after: int = 0
    billed_before: int = 0
    billed_after: int = 0
    due: Counter[int] = field(default_factory=Counter)

    def add(self, storage_class: str, before: int, after: int, age_days: int | None) -> None:
        """Count one object."""
        rules = STORAGE_RULES.get(storage_class, StorageRules())
        billed = max(before, rules.least_bytes)
        self.objects += 1
        self.before += before
        self.after += after
        self.billed_before += billed
        self.billed_after += max(after, rules.least_bytes)
        missing = rules.least_days - age_days if age_days is not None else 0
        if missing > 0:
            self.due[missing] += billed


@dataclass(frozen=True, slots=True)
class Keeping:
    """How long originals are kept: as old versions, `days` long or (None) for ever; as copies."""

    versions: bool = False
    days: int | None = None
    copies: bool = False

    @property
    def for_ever(self) -> bool:
        """Whether an original is paid for as long as there is the bucket."""
        return self.copies or (self.versions and self.days is None)


def bytes_saved(before: int, after: int, keeping: Keeping) -> tuple[int, int]:
    """What a bucket is smaller by, just after a run and when old versions have expired."""
    for_ever = before * (keeping.copies + (keeping.versions and keeping.days is None))
    now = before * (keeping.copies + keeping.versions)
    return before - after - now, before - after - for_ever


@dataclass(frozen=True, slots=True)
class Savings:
    """In dollars: each month now and after retention, and what originals still cost till then."""

    month_now: float
    month_after: float
    leaving: float

    def months_to_pay_back(self, cost: float) -> float | None:
        """Months until `cost` is saved; None: never."""
        return (cost + self.leaving) / self.month_after if self.month_after > 0 else None


def savings(classes: Mapping[str, Replaced], keeping: Keeping, prices: Prices) -> Savings | None:
    """What a run saves on storage of the classes with a known price; None where there is none.

    An original that leaves before its class's least duration is paid for till then.
    """
    known = {name: replaced for name, replaced in classes.items() if name in prices.storage}
    if not known:
        return None
    now = after = leaving = 0.0
    for name, replaced in known.items():
        month = prices.storage[name].gigabyte_month / GIGABYTE
        sizes = (replaced.billed_before, replaced.billed_after)
        at_once, at_last = bytes_saved(*sizes, keeping)
        now += at_once * month
        after += at_last * month
        leaving += month / MONTH_DAYS * _byte_days(replaced, keeping)
    return Savings(now, after, leaving)


def _byte_days(replaced: Replaced, keeping: Keeping) -> float:
    """Bytes of originals times the days that they are still paid for, where that ends."""
    if keeping.versions and keeping.days is None:
        return 0
    kept = keeping.days or 0 if keeping.versions else 0
    late = sum(size * max(0, days - kept) for days, size in replaced.due.items())
    return replaced.billed_before * kept + late
