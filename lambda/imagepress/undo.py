"""The undo record of one replaced object: a row of `undo.csv`, which is a restore's manifest."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from imagepress.outcome import RowResult

UNDO_COLUMNS = (
    "etag_after",
    "version_after",
    "etag_before",
    "version_before",
    "backup",
    "bytes_after",
)


@dataclass(frozen=True, slots=True)
class Undo:
    """What a run replaced: the object that it wrote, and where the original is kept."""

    etag_after: str
    version_after: str
    etag_before: str
    version_before: str
    backup: str
    bytes_after: str

    @classmethod
    def of(cls, fields: Sequence[str]) -> Self:
        """Read the fields of `UNDO_COLUMNS`."""
        return cls(*fields)

    @classmethod
    def for_result(cls, result: RowResult, backup: str, *, versioned: bool) -> Self:
        """What undoing this replacement takes; versions count only where the bucket keeps them."""
        return cls(
            etag_after=result.etag_after or "",
            version_after=(result.version_after or "") if versioned else "",
            etag_before=result.etag_before or "",
            version_before=(result.version_before or "") if versioned else "",
            backup=backup,
            bytes_after=str(result.bytes_after),
        )
