"""How a run of a million, a hundred million and a thousand million keys would go.

`python -m bench.simulate` prints the tables of docs/scale.md. It is arithmetic under AWS's rules,
and one small simulation of events: whether compressors meet at the counters. No AWS is asked.
"""

import argparse
import heapq
import json
import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Final

from bench.cost import DISPATCHED_ROWS, PROCESSOR_MB, REPORTED_ROWS, Assumptions, estimate
from bench.markdown import table
from imagepress.chunk import MAX_ROWS, chunk_size
from imagepress.costs import (
    CHUNK_READS,
    CHUNK_WRITES,
    LOG_ROW_BYTES,
    PUT,
    WATCH_SECONDS,
    Care,
    row_requests,
)
from imagepress.outcome import Outcome
from imagepress.run import MAX_SHARDS, shards_for
from imagepress.runs import CONFLICT_PAUSE_SECONDS, CONFLICT_TRIES

DAY: Final = 86_400
MINUTE: Final = 60
# What the functions get; the dispatcher and the reporter go on in further steps.
DISPATCHER_MB: Final = 1024
DISPATCH_STEP_SECONDS: Final = 300 - 15
REPORT_STEP_SECONDS: Final = 900 - 30
# Lambda's mapping to a standard queue (services-sqs-scaling): starts with 5, 300 more a minute, and
# in provisioned mode 1,000 more a minute.
FIRST_COMPRESSORS: Final = 5
MORE_A_MINUTE: Final = 300
PROVISIONED_MORE_A_MINUTE: Final = 1000
# Limits, as AWS gives them: S3 for a prefix that was not asked for more before; a new table on
# demand, and one of its items; messages in flight; a region's concurrency; how long SQS keeps a
# message.
PREFIX_WRITES: Final = 3500
PREFIX_READS: Final = 5500
TABLE_WRITES: Final = 4000
TABLE_READS: Final = 12_000
ITEM_READS: Final = 3000
IN_FLIGHT: Final = 120_000
ACCOUNT_CONCURRENCY: Final = 1000
RETENTION: Final = 14 * DAY
# What is throttled, dies or comes back takes longer.
SAFE_SHARE: Final = 0.7
# An assumption: DynamoDB's single requests take about 5 ms, a transaction several of them.
TRANSACTION_SECONDS: Final = 0.02

SIZES: Final = (10**6, 10**8, 10**9)
CONCURRENCIES: Final = (50, 1000)
SECONDS_A_ROW: Final = 0.6
# Rows that are compressed, that are small, that an earlier run has done.
MEETING_SECONDS: Final = (0.6, 0.1, 0.03)
_SEED: Final = 4
_ENDS: Final = 20_000
_SPREAD: Final = 0.2

TURN: Final[Mapping[str, str]] = {
    "14 days of the queue": "raise `compressor_concurrency`, or cut the list",
    "S3 reads of a prefix": "lower `compressor_concurrency`, or mix prefixes in the list",
    "S3 writes of a prefix": "lower `compressor_concurrency`, or mix prefixes in the list",
    "writes of the table": "pre-warm the table",
    "reads of the table": "pre-warm the table",
    "reads of the run's item": "lower `compressor_concurrency`: one item bears no more",
    "messages in flight": "nothing: it is far off",
    "concurrency of the account": "ask AWS for a higher quota",
}


@dataclass(frozen=True, slots=True)
class Scenario:
    """A run: so many rows, so many compressors, billed seconds of a row in its chunk."""

    rows: int
    concurrency: int
    seconds_a_row: float = SECONDS_A_ROW
    more_a_minute: int = MORE_A_MINUTE

    @property
    def chunk_rows(self) -> int:
        """Rows of a chunk, as the dispatcher chooses."""
        return chunk_size(self.rows, self.concurrency)

    @property
    def chunks(self) -> int:
        """How many there are."""
        return -(-self.rows // self.chunk_rows)

    @property
    def shards(self) -> int:
        """Counters of the run."""
        return shards_for(self.chunks)

    @property
    def dispatch_seconds(self) -> float:
        """Until all chunks are sent."""
        return self.rows / (DISPATCHED_ROWS * min(1, DISPATCHER_MB / PROCESSOR_MB))

    @property
    def ramp_seconds(self) -> float:
        """Until all compressors are at work."""
        return max(0, self.concurrency - FIRST_COMPRESSORS) / self.more_a_minute * MINUTE

    @property
    def compress_seconds(self) -> float:
        """Until all rows are done; chunks are sent faster than they are taken."""
        work = self.rows * self.seconds_a_row
        slope = self.more_a_minute / MINUTE
        ramp = self.ramp_seconds
        while_ramping = FIRST_COMPRESSORS * ramp + slope * ramp**2 / 2
        if work < while_ramping:
            return (math.sqrt(FIRST_COMPRESSORS**2 + 2 * slope * work) - FIRST_COMPRESSORS) / slope
        return ramp + (work - while_ramping) / self.concurrency

    @property
    def report_seconds(self) -> float:
        """Until the report is written."""
        return self.rows / REPORTED_ROWS

    @property
    def seconds(self) -> float:
        """Of the whole run; what is sent is worked on at once."""
        return max(self.dispatch_seconds, self.compress_seconds) + self.report_seconds

    @property
    def rows_a_second(self) -> float:
        """With all compressors at work."""
        return self.concurrency / self.seconds_a_row

    @property
    def concurrency_needed(self) -> int:
        """Compressors with which all rows are done well before the queue drops their messages."""
        return math.ceil(self.rows * self.seconds_a_row / (SAFE_SHARE * RETENTION))

    def used(self) -> dict[str, float]:
        """How much of each limit is used, 1 = all; every object under one prefix."""
        requests = row_requests(Outcome.COMPRESSED, Care())
        writes = requests[PUT]
        chunks = self.rows_a_second / self.chunk_rows
        return {
            "14 days of the queue": self.compress_seconds / RETENTION,
            "S3 reads of a prefix": self.rows_a_second * (requests.total() - writes) / PREFIX_READS,
            "S3 writes of a prefix": self.rows_a_second * writes / PREFIX_WRITES,
            "writes of the table": chunks * CHUNK_WRITES / TABLE_WRITES,
            "reads of the table": chunks * (CHUNK_READS + self.shards) / TABLE_READS,
            "reads of the run's item": (self.concurrency / WATCH_SECONDS + 2 * chunks) / ITEM_READS,
            "messages in flight": self.concurrency / IN_FLIGHT,
            "concurrency of the account": self.concurrency / ACCOUNT_CONCURRENCY,
        }

    @property
    def first_limit(self) -> str:
        """The limit that is nearest, or furthest exceeded; the account's is a setting."""
        used = {name: part for name, part in self.used().items() if "account" not in name}
        return max(used, key=lambda name: used[name])


@dataclass(frozen=True, slots=True)
class Meetings:
    """How often compressors met at a counter: first tries refused, most tries, and given up."""

    seconds_a_row: float
    ends_a_second: float
    busy: float
    refused: float
    most_tries: int
    given_up: int


def meet(concurrency: int, seconds_a_row: float, shards: int = MAX_SHARDS) -> Meetings:
    """Simulate chunks that end: each adds to its counter in a transaction, and none may overlap.

    What is refused comes back after a pause, as `RunsTable` has it; who is refused
    `CONFLICT_TRIES` times leaves its chunk to the next delivery.
    """
    chance = random.Random(_SEED)  # noqa: S311 - a simulation
    mean = MAX_ROWS * seconds_a_row
    queue = [(chance.uniform(0, mean), worker, 0) for worker in range(concurrency)]
    heapq.heapify(queue)
    chunk_of = dict(enumerate(range(concurrency)))
    free_at = [0.0] * shards
    held = refused = given_up = ended = most = 0
    numbers, last = concurrency, 0.0
    while ended < _ENDS:
        now, worker, tries = heapq.heappop(queue)
        last = now
        shard = chunk_of[worker] % shards
        most = max(most, tries + 1)
        done = now >= free_at[shard]
        if done:
            free_at[shard] = now + TRANSACTION_SECONDS
            held += 1
        elif tries + 1 < CONFLICT_TRIES:
            refused += tries == 0
            pause = CONFLICT_PAUSE_SECONDS * 2 ** (tries + 1) * chance.uniform(0.5, 1)
            heapq.heappush(queue, (now + TRANSACTION_SECONDS + pause, worker, tries + 1))
            continue
        else:
            given_up += 1
        ended += 1
        chunk_of[worker] = numbers
        numbers += 1
        takes = mean * chance.uniform(1 - _SPREAD, 1 + _SPREAD)
        heapq.heappush(queue, (now + takes, worker, 0))
    busy = held * TRANSACTION_SECONDS / shards / last
    return Meetings(seconds_a_row, ended / last, busy, refused / ended, most, given_up)


def scenarios() -> list[Scenario]:
    """Those of the tables."""
    return [Scenario(rows, concurrency) for rows in SIZES for concurrency in CONCURRENCIES]


def time_table(runs: Sequence[Scenario]) -> str:
    """How long each part of a run takes."""
    rows = [
        (
            f"{run.rows:,}",
            f"{run.concurrency:,}",
            f"{run.chunks:,}",
            _in_steps(run.dispatch_seconds, DISPATCH_STEP_SECONDS),
            _time(run.compress_seconds),
            _in_steps(run.report_seconds, REPORT_STEP_SECONDS),
            _in_time(run),
        )
        for run in runs
    ]
    head = ("rows", "compressors", "chunks", "dispatch", "compress", "report", "within 14 days")
    return table(head, rows)


def limit_table(runs: Sequence[Scenario]) -> str:
    """How much of each limit is used with all compressors at work."""
    names = list(runs[0].used())
    rows = [
        (
            f"{run.rows:,}",
            f"{run.concurrency:,}",
            *(_percent(run.used()[name]) for name in names),
            run.first_limit,
        )
        for run in runs
    ]
    return table(("rows", "compressors", *names, "nearest"), rows)


def volume_table(runs: Sequence[Scenario]) -> str:
    """What a run leaves in CloudWatch, and what it costs."""
    rows = []
    for run in runs:
        # The seconds of a row are those of a compressor, whatever it does with its processors.
        given = Assumptions(images=run.rows, concurrency=run.concurrency)
        seconds = run.seconds_a_row * given.processors / given.megapixels
        found = estimate(
            Assumptions(images=run.rows, concurrency=run.concurrency, seconds_per_megapixel=seconds)
        )
        rows.append(
            (
                f"{run.rows:,}",
                f"{run.concurrency:,}",
                f"{run.rows * LOG_ROW_BYTES / 1e9:,.0f} GB",
                f"$ {found.parts['logs']:,.0f}",
                f"$ {found.total:,.0f}",
            )
        )
    return table(("rows", "compressors", "logs", "logs cost", "the run costs"), rows)


def ramp_table() -> str:
    """What the ways of scaling up are worth."""
    rows = []
    for size in SIZES:
        for concurrency, more, how in (
            (CONCURRENCIES[-1], MORE_A_MINUTE, "maximum concurrency"),
            (CONCURRENCIES[-1], PROVISIONED_MORE_A_MINUTE, "provisioned mode"),
            (5000, PROVISIONED_MORE_A_MINUTE, "provisioned mode"),
        ):
            run = Scenario(size, concurrency, more_a_minute=more)
            rows.append(
                (
                    f"{size:,}",
                    how,
                    f"{concurrency:,}",
                    _time(run.ramp_seconds),
                    _time(run.compress_seconds),
                    _percent(run.used()["S3 reads of a prefix"]),
                )
            )
    head = ("rows", "mapping", "compressors", "until all work", "compress", "S3 reads of a prefix")
    return table(head, rows)


def meeting_table() -> str:
    """How often compressors meet at a counter."""
    found = [meet(CONCURRENCIES[-1], seconds) for seconds in MEETING_SECONDS]
    rows = [
        (
            f"{one.seconds_a_row:g}",
            f"{one.ends_a_second:,.0f}",
            _percent(one.busy),
            _percent(one.refused),
            str(one.most_tries),
            str(one.given_up),
        )
        for one in found
    ]
    head = (
        "seconds a row",
        "chunks that end a second",
        "a counter is busy",
        "first tries refused",
        "most tries",
        "given up",
    )
    return table(head, rows)


def turn_table() -> str:
    """What to do about each limit."""
    return table(("limit", "what to turn"), TURN.items())


def tables() -> dict[str, str]:
    """All tables of docs/scale.md, by what they are about."""
    runs = scenarios()
    return {
        "time": time_table(runs),
        "limits": limit_table(runs),
        "turn": turn_table(),
        "ramp": ramp_table(),
        "counters": meeting_table(),
        "volume": volume_table(runs),
    }


def _percent(part: float) -> str:
    percent = 100 * part
    return f"{percent:,.0f} %" if percent >= 1 else f"{percent:.1f} %" if percent >= 0.05 else "0 %"


def _in_steps(seconds: float, step: float) -> str:
    count = math.ceil(seconds / step)
    return f"{_time(seconds)} in {count:,} step{'s' * (count > 1)}"


def _in_time(run: Scenario) -> str:
    if run.compress_seconds < SAFE_SHARE * RETENTION:
        return "yes"
    word = "barely" if run.compress_seconds < RETENTION else "no"
    return f"{word}: take {run.concurrency_needed:,} compressors"


def _time(seconds: float) -> str:
    for unit, name in ((DAY, "d"), (3600, "h"), (MINUTE, "min")):
        if seconds >= 2 * unit:
            return f"{seconds / unit:,.1f} {name}"
    return f"{seconds:.0f} s"


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the tables; with `--json` all figures as the last line."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.simulate", description="See docs/scale.md."
    )
    parser.add_argument("--json", action="store_true", help="all figures as the last line")
    as_json = parser.parse_args(arguments).json
    for name, text in tables().items():
        print(f"## {name}\n\n{text}\n")
    if as_json:
        runs = [
            {
                **asdict(run),
                "chunks": run.chunks,
                "dispatch_seconds": run.dispatch_seconds,
                "compress_seconds": run.compress_seconds,
                "report_seconds": run.report_seconds,
                "used": run.used(),
                "first_limit": run.first_limit,
            }
            for run in scenarios()
        ]
        met = [asdict(meet(CONCURRENCIES[-1], seconds)) for seconds in MEETING_SECONDS]
        print(json.dumps({"runs": runs, "counters": met}))


if __name__ == "__main__":
    main()
