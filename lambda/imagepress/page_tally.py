"""What the run's page shows beyond the summary, gathered row by row, in bounds that no run exceeds.

A page of ten million rows is as large as one of a few hundred: the largest savings, the first
failures, a histogram, and as many samples as were asked for.
"""

import heapq
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from imagepress.outcome import Outcome, RowResult, SkipReason
from imagepress.part import RowReport
from imagepress.sample import Sample, lot

MOST_SAVINGS = 20
MOST_FAILURES = 50
MOST_LETTERS = 500


@dataclass(slots=True)
class FormatSizes:
    """The pictures of one format that became smaller; bytes."""

    images: int = 0
    before: int = 0
    after: int = 0


@dataclass(frozen=True, slots=True)
class Saving:
    """A picture that became smaller; bytes, quality 0-100 or None where nothing was lossy."""

    row: int
    path: str
    format: str
    quality: int | None
    before: int
    after: int

    def __lt__(self, other: "Saving") -> bool:
        """Whether less was saved; of equals a later row is less."""
        return self._rank < other._rank

    @property
    def _rank(self) -> tuple[int, int]:
        return self.before - self.after, -self.row


@dataclass(frozen=True, slots=True)
class Failure:
    """A row that failed."""

    row: int
    path: str
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class ShownSample:
    """A sample, and the picture that it is a piece of."""

    saving: Saving
    sample: Sample


@dataclass(slots=True)
class PageTally:
    """Gathers rows in the manifest's order; `wanted` is how many samples were asked for.

    `sizes_before` and `sizes_after` count pictures that became smaller, by `size_bin`.
    """

    run_id: str = ""
    wanted: int = 0
    sizes_before: Counter[int] = field(default_factory=Counter)
    sizes_after: Counter[int] = field(default_factory=Counter)
    formats: dict[str, FormatSizes] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)
    _savings: list[Saving] = field(default_factory=list)
    _samples: list[ShownSample] = field(default_factory=list)

    @property
    def savings(self) -> list[Saving]:
        """The largest, in order."""
        return sorted(self._savings, reverse=True)

    @property
    def samples(self) -> list[ShownSample]:
        """Those drawn, in the manifest's order."""
        return sorted(self._samples, key=lambda shown: shown.saving.row)

    def add(self, report: RowReport) -> None:
        """Take a row in."""
        result = report.result
        if result.outcome is Outcome.FAILED and len(self.failures) < MOST_FAILURES:
            message = result.message[:MOST_LETTERS]
            self.failures.append(Failure(result.row, result.path, str(result.reason), message))
        elif _became_smaller(result):
            self._add_smaller(result, report.sample)

    def to_json(self) -> dict[str, Any]:
        """What was gathered so far, as plain values."""
        return {
            "run_id": self.run_id,
            "wanted": self.wanted,
            "sizes_before": sorted(self.sizes_before.items()),
            "sizes_after": sorted(self.sizes_after.items()),
            "formats": {name: asdict(sizes) for name, sizes in self.formats.items()},
            "failures": [asdict(failure) for failure in self.failures],
            "savings": [asdict(saving) for saving in self.savings],
            "samples": [
                {"saving": asdict(shown.saving), "sample": shown.sample.to_json()}
                for shown in self.samples
            ],
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Read back what `to_json` wrote."""
        savings = [Saving(**saving) for saving in values["savings"]]
        heapq.heapify(savings)
        return cls(
            run_id=values["run_id"],
            wanted=values["wanted"],
            sizes_before=Counter(dict(values["sizes_before"])),
            sizes_after=Counter(dict(values["sizes_after"])),
            formats={name: FormatSizes(**sizes) for name, sizes in values["formats"].items()},
            failures=[Failure(**failure) for failure in values["failures"]],
            _savings=savings,
            _samples=[
                ShownSample(Saving(**shown["saving"]), Sample.from_json(shown["sample"]))
                for shown in values["samples"]
            ],
        )

    def _add_smaller(self, result: RowResult, sample: Sample | None) -> None:
        before, after = result.bytes_before or 0, result.bytes_after or 0
        self.sizes_before[size_bin(before)] += 1
        self.sizes_after[size_bin(after)] += 1
        sizes = self.formats.setdefault(result.format or "", FormatSizes())
        sizes.images += 1
        sizes.before += before
        sizes.after += after
        saving = Saving(result.row, result.path, result.format or "", result.quality, before, after)
        if before > after:
            if len(self._savings) < MOST_SAVINGS:
                heapq.heappush(self._savings, saving)
            elif self._savings[0] < saving:
                heapq.heapreplace(self._savings, saving)
        if sample is not None:
            self._add_sample(ShownSample(saving, sample))

    def _add_sample(self, shown: ShownSample) -> None:
        """Keep those whose lots are the lowest: each row was as likely to be among them."""
        lots = {lot(self.run_id, one.saving.row): one for one in (*self._samples, shown)}
        self._samples = [lots[number] for number in sorted(lots)[: self.wanted]]


def size_bin(size: int) -> int:
    """The bin of a size in bytes: two a doubling, so that bin 20 begins at 1,024 bytes."""
    return max(0, (size * size).bit_length() - 1)


def bin_start(number: int) -> float:
    """The least size in bytes that falls into a bin."""
    return 0.0 if number == 0 else 2.0 ** (number / 2)


def _became_smaller(result: RowResult) -> bool:
    """Whether a picture was compressed, or would have been; what a restore brings back was not."""
    done = result.outcome is Outcome.COMPRESSED or result.reason is SkipReason.DRY_RUN
    return done and result.bytes_before is not None and result.bytes_after is not None
