"""What must hold after the demo's run; pure, so that each rule can be shown to bite."""

import io
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from PIL import Image

from imagepress.outcome import Outcome, SkipReason
from local.corpus import Row


@dataclass(frozen=True, slots=True)
class Result:
    """What `results.csv` says of one row of the CSV."""

    row: int
    path: str
    outcome: str
    reason: str
    bytes_before: int | None
    bytes_after: int | None

    @property
    def full_outcome(self) -> str:
        """`FAILED/NOT_FOUND`, or `COMPRESSED` where there is no reason to give."""
        return f"{self.outcome}/{self.reason}" if self.reason else self.outcome


def read_results(records: Iterator[Mapping[str, str]]) -> list[Result]:
    """The rows of `results.csv`, from `csv.DictReader`."""
    return [
        Result(
            row=int(record["row"]),
            path=record["path"],
            outcome=record["outcome"],
            reason=record["reason"],
            bytes_before=_size(record["bytes_before"]),
            bytes_after=_size(record["bytes_after"]),
        )
        for record in records
    ]


def problems(
    rows: Sequence[Row], results: Sequence[Result], after: Mapping[str, bytes | None]
) -> Iterator[str]:
    """Every rule that does not hold, in words; `after` has each key's bytes, None where gone."""
    yield from _rows_without_one_outcome(rows, results)
    yield from _done_twice(results)
    compressed = {result.path for result in results if result.outcome == Outcome.COMPRESSED}
    for row in {row.key: row for row in rows}.values():
        now = after[row.key]
        if row.key in compressed:
            yield from _not_an_improvement(row, now)
        elif now != row.body:
            yield f"{row.key} was not compressed, and yet its bytes have changed."


def _rows_without_one_outcome(rows: Sequence[Row], results: Sequence[Result]) -> Iterator[str]:
    times = Counter(result.row for result in results)
    by_number = {result.row: result for result in results}
    for number, row in enumerate(rows, start=1):
        result = by_number.get(number)
        if times[number] != 1 or result is None:
            yield f"Row {number} ({row.key}) has {times[number]} outcomes."
        elif result.path != row.key:
            yield f"Row {number} is {row.key}, but its outcome is for {result.path}."
        elif row.expected and row.expected != result.full_outcome:
            yield f"Row {number} ({row.key}) is {result.full_outcome}, not {row.expected}."
        elif not row.expected and result.outcome == Outcome.FAILED:
            yield f"Row {number} ({row.key}) is {result.full_outcome}."
    for number in sorted(times.keys() - set(range(1, len(rows) + 1))):
        yield f"There is an outcome for row {number}, which does not exist."


def _done_twice(results: Sequence[Result]) -> Iterator[str]:
    own = [result.path for result in results if result.reason != SkipReason.DUPLICATE]
    for path, times in Counter(own).items():
        if times > 1:
            yield f"{path} was done {times} times: all rows but one should be DUPLICATE."


def _not_an_improvement(row: Row, now: bytes | None) -> Iterator[str]:
    if row.body is None or now is None:
        yield f"{row.key} is COMPRESSED, but there is no object."
    elif len(now) >= len(row.body):
        yield f"{row.key} is COMPRESSED, but did not get smaller."
    elif (why := _unfaithful(row.body, now)) is not None:
        yield f"{row.key} is COMPRESSED, but {why}."


def _unfaithful(before: bytes, after: bytes) -> str | None:
    with Image.open(io.BytesIO(before)) as old, Image.open(io.BytesIO(after)) as new:
        try:
            new.load()
        except OSError as error:
            return f"cannot be read any more: {error}"
        if (old.format, old.size) != (new.format, new.size):
            return f"was a {old.format} of {old.size} and is a {new.format} of {new.size}"
        if old.getexif().get(_ORIENTATION, 1) != new.getexif().get(_ORIENTATION, 1):
            return "lost its orientation"
        if old.info.get("icc_profile") != new.info.get("icc_profile"):
            return "lost its colour profile"
    return None


_ORIENTATION = 0x0112


def _size(text: str) -> int | None:
    return int(text) if text else None
