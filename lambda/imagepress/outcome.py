"""What became of a row: the three outcomes, their reasons and codes, and the record of a row.

Reasons and codes are part of the public contract: they stand in `results.csv`, in
`summary.json`, in CloudWatch and in docs/reference.md.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from typing import Any, Self


class Outcome(StrEnum):
    """Every row of a manifest ends in exactly one of these."""

    COMPRESSED = "COMPRESSED"
    SKIPPED = "SKIPPED"
    FAILED = "FAILED"
    RESTORED = "RESTORED"


class SkipReason(StrEnum):
    """Why an object was left as it is, on purpose."""

    ALREADY_COMPRESSED = "ALREADY_COMPRESSED"
    LOSSY_BEFORE = "LOSSY_BEFORE"
    NOT_SMALLER = "NOT_SMALLER"
    UNSUPPORTED_FORMAT = "UNSUPPORTED_FORMAT"
    UNSUPPORTED_IMAGE = "UNSUPPORTED_IMAGE"
    CONTENT_ENCODED = "CONTENT_ENCODED"
    ARCHIVED = "ARCHIVED"
    CUSTOMER_KEY = "CUSTOMER_KEY"
    OBJECT_LOCKED = "OBJECT_LOCKED"
    METADATA_NOT_CARRIED = "METADATA_NOT_CARRIED"
    DUPLICATE = "DUPLICATE"
    CANCELLED = "CANCELLED"
    BACKUP = "BACKUP"
    FOREIGN_OWNER = "FOREIGN_OWNER"
    ANNOTATED = "ANNOTATED"
    DRY_RUN = "DRY_RUN"
    NOT_SAMPLED = "NOT_SAMPLED"
    CHANGED_LATER = "CHANGED_LATER"


class FailureCode(StrEnum):
    """Why a row could not be done."""

    INVALID_ROW = "INVALID_ROW"
    NOT_FOUND = "NOT_FOUND"
    ACCESS_DENIED = "ACCESS_DENIED"
    CORRUPT_IMAGE = "CORRUPT_IMAGE"
    TOO_MANY_PIXELS = "TOO_MANY_PIXELS"
    TOO_LARGE_FOR_MEMORY = "TOO_LARGE_FOR_MEMORY"
    TOO_LARGE = "TOO_LARGE"
    NO_TEMP_SPACE = "NO_TEMP_SPACE"
    CHANGED_MEANWHILE = "CHANGED_MEANWHILE"
    NO_ORIGINAL = "NO_ORIGINAL"
    BACKUP_FAILED = "BACKUP_FAILED"
    UNFAITHFUL = "UNFAITHFUL"
    CODEC_CRASHED = "CODEC_CRASHED"
    CODEC_TIMEOUT = "CODEC_TIMEOUT"
    REQUEST_REFUSED = "REQUEST_REFUSED"
    RETRIES_EXHAUSTED = "RETRIES_EXHAUSTED"
    WORKER_LOST = "WORKER_LOST"
    RUN_FAILED = "RUN_FAILED"


@dataclass(frozen=True, slots=True, kw_only=True)
class RowResult:
    """One row of `results.csv`; sizes in bytes, `quality` 0-100 or None where nothing was lossy.

    `storage_class` is None for S3's Standard, as S3 has it, or where no object was read; of an
    object of another class that is replaced, `age_days` is its age. Both are for the bill alone.
    """

    row: int
    path: str
    outcome: Outcome
    reason: SkipReason | FailureCode | None = None
    format: str | None = None
    bytes_before: int | None = None
    bytes_after: int | None = None
    encoder: str | None = None
    quality: int | None = None
    seconds: float | None = None
    etag_before: str | None = None
    etag_after: str | None = None
    version_before: str | None = None
    version_after: str | None = None
    message: str = ""
    storage_class: str | None = None
    age_days: int | None = None

    def to_json(self) -> dict[str, Any]:
        """The row without its empty fields, ready for JSON."""
        values = {name: getattr(self, name) for name in _FIELDS}
        always = ("row", "path", "outcome")
        return {
            name: value
            for name, value in values.items()
            if name in always or value not in (None, "")
        }

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Self:
        """Read back what `to_json` wrote."""
        values = {name: record[name] for name in _FIELDS if name in record}
        outcome = Outcome(values.pop("outcome"))
        reason = values.pop("reason", None)
        if reason is not None:
            reason = SkipReason(reason) if outcome is Outcome.SKIPPED else FailureCode(reason)
        return cls(outcome=outcome, reason=reason, **values)

    def with_message(self, message: str) -> Self:
        """The same row with another message."""
        return replace(self, message=message)


_FIELDS = tuple(field.name for field in fields(RowResult))
RESULT_COLUMNS = tuple(name for name in _FIELDS if name not in ("storage_class", "age_days"))


@dataclass(frozen=True, slots=True)
class Totals:
    """Counts and bytes of a set of rows; adds up. Bytes count rows whose object was read."""

    compressed: int = 0
    skipped: int = 0
    failed: int = 0
    restored: int = 0
    bytes_before: int = 0
    bytes_after: int = 0

    @property
    def rows(self) -> int:
        """How many rows these totals stand for."""
        return self.compressed + self.skipped + self.failed + self.restored

    @property
    def bytes_saved(self) -> int:
        """Bytes that the compressed rows' objects are smaller by."""
        return self.bytes_before - self.bytes_after

    @classmethod
    def of(cls, results: Iterable[RowResult]) -> "Totals":
        """The totals of `results`."""
        totals = cls()
        for result in results:
            totals = totals.plus(result)
        return totals

    def plus(self, result: RowResult) -> "Totals":
        """These totals with one more row; an object that stayed counts its size on both sides."""
        before = result.bytes_before or 0
        replaced = result.outcome in (Outcome.COMPRESSED, Outcome.RESTORED)
        changed = replaced and result.bytes_after is not None
        after = (result.bytes_after or 0) if changed else before
        return Totals(
            compressed=self.compressed + (result.outcome is Outcome.COMPRESSED),
            skipped=self.skipped + (result.outcome is Outcome.SKIPPED),
            failed=self.failed + (result.outcome is Outcome.FAILED),
            restored=self.restored + (result.outcome is Outcome.RESTORED),
            bytes_before=self.bytes_before + before,
            bytes_after=self.bytes_after + after,
        )
