"""What a run would cost and save: `python -m bench.cost --images 1e6 --megapixels 12`.

Prices and counts are those of `summary.json`; how long a picture takes and what it saves are
assumptions, which a dry run or a first run replaces by its own figures.
"""

import argparse
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from bench.markdown import table
from imagepress.chunk import chunk_size
from imagepress.costs import (
    TAGS,
    Care,
    Keeping,
    Machine,
    Machines,
    Replaced,
    Savings,
    Work,
    bill,
    row_requests,
    savings,
)
from imagepress.outcome import Outcome
from imagepress.prices import AS_OF, GIGABYTE, REGIONS, STORAGE_RULES
from imagepress.run import shards_for

MILLION: Final = 1_000_000
PROCESSOR_MB: Final = 1769
KILOBYTE: Final = 1000
# Of bench.processors: JPEGs of 2 and 12 megapixels; a small one takes that long however small.
SECONDS_A_MEGAPIXEL: Final = 0.07
LEAST_SECONDS: Final = 0.12
# Of the same pictures, saved at quality 92.
KB_A_MEGAPIXEL: Final = 284
# An assumption, and a cautious one: those pictures lose 65 %, most of what people publish less.
SAVED_PERCENT: Final = 50
# Rows in a second of a whole processor, and what the two functions get.
DISPATCHED_ROWS: Final = 150_000
REPORTED_ROWS: Final = 25_000
DISPATCHER: Final = Machine(1024)
REPORTER: Final = Machine(PROCESSOR_MB)


@dataclass(frozen=True, slots=True, kw_only=True)
class Assumptions:
    """A run that has not been made; `noncurrent_days` None: the bucket keeps versions for ever."""

    images: float = MILLION
    megapixels: float = 12
    seconds_per_megapixel: float = SECONDS_A_MEGAPIXEL
    memory_mb: int = 3008
    architecture: str = "x86_64"
    tmp_mb: int = 4096
    concurrency: int = 50
    chunk_size: int | None = None
    kb_before: float | None = None
    saved_percent: float = SAVED_PERCENT
    storage_class: str = "STANDARD"
    age_days: int | None = None
    versioned: bool = False
    noncurrent_days: int | None = None
    backup: bool = False
    annotations: bool = True
    kms: bool = False
    region: str = "us-east-1"

    @property
    def machine(self) -> Machine:
        """What the compressor gets."""
        return Machine(self.memory_mb, self.architecture, self.tmp_mb)

    @property
    def processors(self) -> float:
        """A compressor's share of processors, which Lambda gives by memory."""
        return self.memory_mb / PROCESSOR_MB

    @property
    def image_seconds(self) -> float:
        """CPU seconds of a picture."""
        return max(LEAST_SECONDS, self.megapixels * self.seconds_per_megapixel)

    @property
    def bytes_before(self) -> int:
        """The size of a picture."""
        kilobytes = self.kb_before or self.megapixels * KB_A_MEGAPIXEL
        return round(kilobytes * KILOBYTE)

    @property
    def compute_seconds(self) -> float:
        """Billed seconds of all compressors, none of whose processors ever waits."""
        return self.images * self.image_seconds / self.processors

    def work(self) -> Work:
        """All rows end as compressed, the dearest that can become of them."""
        rows = round(self.images)
        size = self.chunk_size or chunk_size(rows, self.concurrency)
        chunks = -(-rows // size)
        care = Care(annotations=self.annotations, backup=self.backup)
        requests = Counter(
            {name: rows * count for name, count in row_requests(Outcome.COMPRESSED, care).items()}
        )
        requests[TAGS] += chunks
        return Work(
            requests={self.storage_class: requests},
            read={self.storage_class: rows * self.bytes_before},
            # A GET decrypts, a PUT asks for a data key; bucket keys spare nearly all of it.
            keys_used=rows * (2 + self.backup) if self.kms else None,
            rows=rows,
            chunks=chunks,
            shards=shards_for(chunks),
            compute_seconds=self.compute_seconds,
            dispatch_seconds=rows / DISPATCHED_ROWS * PROCESSOR_MB / DISPATCHER.memory_mb,
            report_seconds=rows / REPORTED_ROWS,
            hours=self.compute_seconds / self.concurrency / 3600,
        )

    def replaced(self) -> dict[str, Replaced]:
        """What the run would replace."""
        after = round(self.bytes_before * (1 - self.saved_percent / 100))
        one = Replaced()
        one.add(self.storage_class, self.bytes_before, after, self.age_days)
        rows = round(self.images)
        sums = {name: value * rows for name, value in asdict(one).items() if name != "due"}
        due = Counter({days: size * rows for days, size in one.due.items()})
        return {self.storage_class: Replaced(**sums, due=due)}


@dataclass(frozen=True, slots=True)
class Estimate:
    """Dollars by part, and what is saved on storage; None where that has no known price."""

    assumptions: Assumptions
    parts: Mapping[str, float]
    savings: Savings | None
    gigabytes_saved: float

    @property
    def total(self) -> float:
        """Dollars of all parts."""
        return sum(self.parts.values())

    @property
    def months_to_pay_back(self) -> float | None:
        """Months until storage has saved what the run cost; None: never."""
        return self.savings.months_to_pay_back(self.total) if self.savings else None

    def to_json(self) -> dict[str, Any]:
        """All figures as plain values."""
        return {
            "assumptions": asdict(self.assumptions),
            "prices_as_of": AS_OF,
            "dollars": {**self.parts, "total": self.total},
            "dollars_per_million": {
                name: value * MILLION / self.assumptions.images
                for name, value in {**self.parts, "total": self.total}.items()
            },
            "gigabytes_saved": self.gigabytes_saved,
            "savings": asdict(self.savings) if self.savings else None,
            "months_to_pay_back": self.months_to_pay_back,
        }


def estimate(given: Assumptions) -> Estimate:
    """What the run would cost and save."""
    prices = REGIONS[given.region]
    machines = Machines(
        given.machine,
        Machine(DISPATCHER.memory_mb, given.architecture),
        Machine(REPORTER.memory_mb, given.architecture),
    )
    parts = bill(given.work(), prices, machines)
    keeping = Keeping(given.versioned, given.noncurrent_days, given.backup)
    replaced = given.replaced()
    sums = replaced[given.storage_class]
    saved = (sums.before - sums.after) / GIGABYTE
    return Estimate(given, parts, savings(replaced, keeping, prices), saved)


def cost_table(found: Estimate) -> str:
    """Dollars per million images by part, the dearest first."""
    million = MILLION / found.assumptions.images
    parts = sorted(found.parts.items(), key=lambda part: -part[1])
    rows = [
        (name.replace("_", " "), _cents(dollars * million), _share(dollars, found.total))
        for name, dollars in [*parts, ("total", found.total)]
        if dollars
    ]
    return table(("part", "$ per million images", "share"), rows)


def savings_lines(found: Estimate) -> list[str]:
    """What is saved, in sentences."""
    saved = found.savings
    if saved is None:
        return ["What is saved is not known: the storage class has no known price."]
    months = found.months_to_pay_back
    lines = [
        (
            f"Saved: {found.gigabytes_saved:,.0f} GB; $ {saved.month_after:,.2f} a month when "
            f"originals have expired ($ {saved.month_now:,.2f} till then)."
        )
    ]
    if saved.leaving:
        lines.append(f"Originals cost $ {saved.leaving:,.2f} until they are gone.")
    pays = "never pays" if months is None else f"pays after {months:,.1f} months"
    return [*lines, f"The run costs $ {found.total:,.2f} and {pays}."]


def _cents(dollars: float) -> str:
    return f"{dollars:,.2f}" if dollars >= 0.01 else "< 0.01"


def _share(part: float, total: float) -> str:
    share = 100 * part / total
    return f"{share:.0f} %" if share >= 1 else "< 1 %"


@dataclass(frozen=True, slots=True)
class Measured:
    """CPU seconds of a picture by processors at work, as `python -m bench.processors` has them."""

    megapixels: float
    on_one: float
    on_two: float


# Eight photographs at each size, effort balanced, quality 80, on an x86_64 with two processors.
MEASURED: Final = (
    Measured(0.5, 0.095, 0.100),
    Measured(2, 0.170, 0.181),
    Measured(12, 0.808, 0.840),
)


def memory_table() -> str:
    """GB-seconds of a picture by the compressor's memory, all processors at work."""
    processor = PROCESSOR_MB / 1024
    rows = [
        (
            f"{one.megapixels:g}",
            f"{one.on_one:.2f}",
            f"{one.on_two:.2f}",
            f"{one.on_one * processor:.2f}",
            f"{one.on_two * processor:.2f}",
            "not measured",
        )
        for one in MEASURED
    ]
    head = (
        "megapixels",
        "CPU s on one",
        "on two",
        "GB-s at 1,769 MB",
        "at 3,538 MB",
        "at 7,076 MB",
    )
    return table(head, rows)


def size_table() -> str:
    """Dollars by the size of the pictures."""
    rows = []
    for megapixels in (0.5, 2, 12, 48):
        x86 = estimate(Assumptions(megapixels=megapixels))
        arm = estimate(Assumptions(megapixels=megapixels, architecture="arm64"))
        rows.append(
            (
                f"{megapixels:g}",
                f"{x86.parts['compressor']:,.2f}",
                f"{x86.parts['s3_requests']:,.2f}",
                f"{x86.total:,.2f}",
                f"{arm.total:,.2f}",
            )
        )
    head = ("megapixels", "compressor", "S3 requests", "total", "total on arm64 at equal seconds")
    return table(head, rows)


def region_table() -> str:
    """Dollars by region; parts without a known price are not in the total."""
    found = {region: estimate(Assumptions(region=region)) for region in REGIONS}
    names = sorted(
        {name for one in found.values() for name, value in one.parts.items() if value >= 0.005}
    )
    rows = [
        (
            region,
            *(f"{one.parts[name]:,.2f}" if name in one.parts else "?" for name in names),
            f"{one.total:,.2f}",
        )
        for region, one in found.items()
    ]
    return table(("region", *(name.replace("_", " ") for name in names), "total"), rows)


def savings_table() -> str:
    """What keeping originals does to the savings, by storage class."""
    keepings: dict[str, dict[str, Any]] = {
        "not at all": {},
        "versions, 30 days": {"versioned": True, "noncurrent_days": 30},
        "versions, for ever": {"versioned": True},
        "`backup_prefix`": {"backup": True},
    }
    cases: list[tuple[str, int | None, str]] = [("STANDARD", None, how) for how in keepings]
    cases += [("STANDARD_IA", 10, "not at all"), ("STANDARD_IA", 10, "versions, 30 days")]
    cases += [("GLACIER_IR", 10, "not at all"), ("GLACIER_IR", 400, "not at all")]
    rows = []
    for name, age, how in cases:
        found = estimate(Assumptions(storage_class=name, age_days=age, **keepings[how]))
        saved, months = found.savings, found.months_to_pay_back
        if saved is None:
            continue
        rows.append(
            (
                name if age is None else f"{name}, {age} days old",
                how,
                f"{found.total:,.2f}",
                f"{saved.month_now:,.2f}",
                f"{saved.month_after:,.2f}",
                f"{saved.leaving:,.2f}",
                "never" if months is None else f"{months:,.1f}",
            )
        )
    head = (
        "storage class",
        "originals are kept",
        "the run costs",
        "saved a month now",
        "saved a month at last",
        "originals till then",
        "months to pay back",
    )
    return table(head, rows)


def tables() -> dict[str, str]:
    """All tables of docs/costs.md, by what they are about."""
    return {
        "parts": cost_table(estimate(Assumptions())),
        "sizes": size_table(),
        "regions": region_table(),
        "memory": memory_table(),
        "savings": savings_table(),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table, what is saved, and with `--json` one line with all figures."""
    given = _parser().parse_args(arguments)
    if given.tables:
        for name, text in tables().items():
            print(f"## {name}\n\n{text}\n")
        return
    as_json = given.json
    del given.json, given.tables
    found = estimate(Assumptions(**vars(given)))
    print(cost_table(found), "", *savings_lines(found), sep="\n")
    if as_json:
        print(json.dumps(found.to_json()))


def _parser() -> argparse.ArgumentParser:
    default = Assumptions()
    parser = argparse.ArgumentParser(
        prog="python -m bench.cost",
        description="What a run would cost and save, in US dollars, free tiers left out.",
        epilog="Seconds and savings are assumptions: replace them by your own run's summary.json "
        "(gigabyte_seconds of its cost, saved_percent) or by a dry run's.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--images", type=float, default=default.images, help="rows, all of them compressed")
    add("--megapixels", type=float, default=default.megapixels, help="of each picture")
    add(
        "--seconds-per-megapixel",
        type=float,
        default=default.seconds_per_megapixel,
        help="CPU seconds, an assumption: measured with effort balanced on large JPEGs, on a "
        f"machine that is not Lambda; a picture takes at least {LEAST_SECONDS} s (%(default)s)",
    )
    add("--memory-mb", type=int, default=default.memory_mb, help="of the compressor (%(default)s)")
    add("--architecture", choices=("x86_64", "arm64"), default=default.architecture)
    add("--tmp-mb", type=int, default=default.tmp_mb, help="of the compressor (%(default)s)")
    add("--concurrency", type=int, default=default.concurrency, help="compressors (%(default)s)")
    add("--chunk-size", type=int, help="rows of a chunk; as the dispatcher chooses it")
    add("--kb-before", type=float, help=f"of a picture; {KB_A_MEGAPIXEL} a megapixel")
    add(
        "--saved-percent",
        type=float,
        default=default.saved_percent,
        help="an assumption (%(default)s)",
    )
    add("--storage-class", choices=tuple(STORAGE_RULES), default=default.storage_class)
    add("--age-days", type=int, help="of the originals; old enough for their class")
    add("--versioned", action="store_true", help="the bucket keeps what is replaced")
    add("--noncurrent-days", type=int, help="for so many days; for ever")
    add("--backup", action="store_true", help="a backup_prefix is given")
    add("--no-annotations", dest="annotations", action="store_false", help="not checked for")
    add("--kms", action="store_true", help="the bucket has a KMS key, and no bucket key")
    add("--region", choices=tuple(REGIONS), default=default.region)
    add("--tables", action="store_true", help="print the tables of docs/costs.md instead")
    add("--json", action="store_true", help="all figures as the last line")
    return parser


if __name__ == "__main__":
    main()
