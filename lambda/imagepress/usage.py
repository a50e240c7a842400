"""What a run has used and replaced, summed up while its rows go by: what its bill is made from."""

from collections import Counter
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Self

from imagepress.costs import TAGS, Care, Replaced, row_requests
from imagepress.outcome import Outcome, RowResult, SkipReason
from imagepress.part import Part
from imagepress.prices import STANDARD

# Their bodies are not asked for.
_UNREAD = (SkipReason.ALREADY_COMPRESSED, SkipReason.LOSSY_BEFORE, SkipReason.UNSUPPORTED_FORMAT)


@dataclass(slots=True)
class Usage:
    """Sums by storage class: rows by how they ended, bytes that were read, objects replaced.

    `chunks` have parts, `timed_chunks` of them say how long their attempts took, which is
    `compute_seconds` in all.
    """

    endings: dict[str, Counter[str]] = field(default_factory=dict)
    read: dict[str, int] = field(default_factory=dict)
    replaced: dict[str, Replaced] = field(default_factory=dict)
    chunks: int = 0
    timed_chunks: int = 0
    compute_seconds: float = 0.0

    def add(self, result: RowResult) -> None:
        """Count one row."""
        name = result.storage_class or STANDARD
        ending = result.reason or result.outcome
        self.endings.setdefault(name, Counter())[ending] += 1
        if result.bytes_before is not None and ending not in _UNREAD:
            self.read[name] = self.read.get(name, 0) + result.bytes_before
        if (
            result.outcome is Outcome.COMPRESSED
            and result.bytes_before is not None
            and result.bytes_after is not None
        ):
            self.replaced.setdefault(name, Replaced()).add(
                name, result.bytes_before, result.bytes_after, result.age_days
            )

    def add_part(self, part: Part) -> None:
        """Count one chunk that was worked on."""
        self.chunks += 1
        if part.compute_seconds is not None:
            self.timed_chunks += 1
            self.compute_seconds += part.compute_seconds

    @property
    def seconds(self) -> float | None:
        """What the compressors' attempts took; None where not all chunks say so."""
        return self.compute_seconds if self.chunks and self.timed_chunks == self.chunks else None

    def requests(self, care: Care) -> dict[str, Counter[str]]:
        """All requests to the images bucket, by storage class; retries are not known of."""
        asked: dict[str, Counter[str]] = {}
        for name, endings in self.endings.items():
            sums: Counter[str] = Counter()
            for ending, rows in endings.items():
                for request, count in row_requests(ending, care).items():
                    sums[request] += rows * count
            asked[name] = sums
        first = self._replacements
        if first:
            # The first object of a chunk that is replaced is asked for tags in any case.
            likely = max(first, key=lambda name: first[name])
            asked[likely][TAGS] += min(max(1, self.chunks), first.total())
        return asked

    @property
    def _replacements(self) -> Counter[str]:
        replaced = (Outcome.COMPRESSED, Outcome.RESTORED)
        return +Counter(
            {name: sum(rows[one] for one in replaced) for name, rows in self.endings.items()}
        )

    def to_json(self) -> dict[str, Any]:
        """What was counted so far, as plain values."""
        replaced = {
            # `asdict` would count the items of a Counter.
            name: {**asdict(replace(sums, due=Counter())), "due": dict(sums.due)}
            for name, sums in self.replaced.items()
        }
        return {
            "endings": {name: dict(rows) for name, rows in self.endings.items()},
            "read": dict(self.read),
            "replaced": replaced,
            "chunks": self.chunks,
            "timed_chunks": self.timed_chunks,
            "compute_seconds": self.compute_seconds,
        }

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Self:
        """Read back what `to_json` wrote, with or without JSON in between."""
        replaced = {
            name: Replaced(
                **{**sums, "due": Counter({int(day): size for day, size in sums["due"].items()})}
            )
            for name, sums in values["replaced"].items()
        }
        endings = {name: Counter(counts) for name, counts in values["endings"].items()}
        return cls(**{**values, "replaced": replaced, "endings": endings})
