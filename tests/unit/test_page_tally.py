import json
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagepress.outcome import FailureCode, Outcome, RowResult, SkipReason
from imagepress.page_tally import (
    MOST_FAILURES,
    MOST_LETTERS,
    MOST_SAVINGS,
    PageTally,
    Saving,
    bin_start,
    size_bin,
)
from imagepress.part import RowReport
from imagepress.sample import SPARE, Sample, is_drawn, lot
from tests.unit.rows import row_reports

SAMPLE = Sample("image/png", 2, 1, b"before", b"after")


def compressed(row: int, before: int, after: int, sample: Sample | None = None) -> RowReport:
    result = RowResult(
        row=row,
        path=f"{row}.jpg",
        outcome=Outcome.COMPRESSED,
        format="JPEG",
        bytes_before=before,
        bytes_after=after,
        quality=80,
    )
    return RowReport(result, (), sample)


def failed(row: int, message: str = "") -> RowReport:
    result = RowResult(
        row=row,
        path=f"{row}.jpg",
        outcome=Outcome.FAILED,
        reason=FailureCode.NOT_FOUND,
        message=message,
    )
    return RowReport(result, ())


def tally_of(reports: Iterable[RowReport], wanted: int = 0) -> PageTally:
    tally = PageTally("a-run", wanted)
    for report in reports:
        tally.add(report)
    return tally


def again(tally: PageTally) -> PageTally:
    """The tally as another invocation reads it."""
    return PageTally.from_json(json.loads(json.dumps(tally.to_json())))


def test_the_largest_savings_are_kept_in_order() -> None:
    tally = tally_of(compressed(row, 1000 + row * 37 % 101, 1000) for row in range(1, 100))

    saved = [saving.before - saving.after for saving in tally.savings]
    assert saved == sorted((row * 37 % 101 for row in range(1, 100)), reverse=True)[:MOST_SAVINGS]


def test_of_equal_savings_the_first_rows_are_kept() -> None:
    tally = tally_of(compressed(row, 300, 100) for row in range(1, 100))

    assert [saving.row for saving in tally.savings] == list(range(1, MOST_SAVINGS + 1))


def test_a_row_that_comes_twice_does_no_harm() -> None:
    assert len(tally_of([compressed(1, 300, 100)] * 50).savings) == MOST_SAVINGS


def test_a_saving_knows_its_picture() -> None:
    assert tally_of([compressed(7, 300, 100)]).savings == [Saving(7, "7.jpg", "JPEG", 80, 300, 100)]


def test_the_first_failures_are_kept() -> None:
    tally = tally_of(failed(row) for row in range(1, 200))

    assert [failure.row for failure in tally.failures] == list(range(1, MOST_FAILURES + 1))


def test_a_message_is_cut_off() -> None:
    assert len(tally_of([failed(1, "x" * 10_000)]).failures[0].message) == MOST_LETTERS


def test_formats_and_sizes_count_what_became_smaller() -> None:
    tally = tally_of([compressed(1, 4096, 1024), compressed(2, 4096, 2048), failed(3)])

    assert tally.formats["JPEG"].images == 2
    assert (tally.formats["JPEG"].before, tally.formats["JPEG"].after) == (8192, 3072)
    assert tally.sizes_before == {24: 2}
    assert tally.sizes_after == {20: 1, 22: 1}


def test_a_dry_run_s_rows_count_as_they_would_be() -> None:
    result = RowResult(
        row=1,
        path="a",
        outcome=Outcome.SKIPPED,
        reason=SkipReason.DRY_RUN,
        bytes_before=100,
        bytes_after=50,
    )

    assert [saving.row for saving in tally_of([RowReport(result, ())]).savings] == [1]


def test_what_was_put_back_is_no_saving() -> None:
    result = RowResult(row=1, path="a", outcome=Outcome.RESTORED, bytes_before=100, bytes_after=50)

    assert tally_of([RowReport(result, ())]).savings == []


@given(st.integers(1, 1 << 50))
def test_a_size_lies_in_its_bin(size: int) -> None:
    number = size_bin(size)

    assert bin_start(number) <= size < bin_start(number + 1)


def test_an_empty_object_has_a_bin() -> None:
    assert size_bin(0) == 0
    assert bin_start(0) == 0


@given(st.lists(row_reports, max_size=60), st.integers(0, 60))
def test_another_invocation_goes_on_as_if_there_were_one(
    reports: list[RowReport], cut: int
) -> None:
    carried = again(tally_of(reports[:cut], 3))
    for report in reports[cut:]:
        carried.add(report)

    assert again(carried).to_json() == tally_of(reports, 3).to_json()


def test_its_state_stays_small_however_many_rows_go_by() -> None:
    key = "\0" * 1024
    tally = PageTally("a-run")
    for row in range(1, 20_001):
        result = RowResult(
            row=row,
            path=key,
            outcome=Outcome.COMPRESSED if row % 2 else Outcome.FAILED,
            reason=None if row % 2 else FailureCode.CORRUPT_IMAGE,
            format="JPEG",
            bytes_before=row**3,
            bytes_after=row,
            message="\0" * 10_000,
        )
        tally.add(RowReport(result, ()))

    assert len(json.dumps(tally.to_json())) < 700_000


# Samples


def drawn_reports(rows: int, wanted: int) -> list[RowReport]:
    numbers = range(1, rows + 1)
    return [
        compressed(row, 300, 100, SAMPLE if is_drawn("a-run", row, wanted) else None)
        for row in numbers
    ]


@pytest.mark.parametrize("wanted", [0, 1, 20])
def test_no_more_samples_are_kept_than_were_asked_for(wanted: int) -> None:
    assert len(tally_of(drawn_reports(5000, 20), wanted).samples) == wanted


def test_without_a_wish_no_row_is_drawn() -> None:
    assert not any(is_drawn("a-run", row, 0) for row in range(1, 1000))


def test_of_a_short_list_every_row_is_drawn() -> None:
    assert all(is_drawn("a-run", row, 3) for row in range(1, 3 * SPARE))


def test_few_rows_of_a_long_list_are_drawn() -> None:
    drawn = sum(is_drawn("a-run", row, 20) for row in range(1, 100_001))

    assert 20 < drawn < 600


def test_every_row_of_a_long_list_is_as_likely_to_be_kept() -> None:
    kept = tally_of(drawn_reports(5000, 20), 20).samples
    lots = {row: lot("a-run", row) for row in range(1, 5001)}

    assert [shown.saving.row for shown in kept] == sorted(sorted(lots, key=lots.__getitem__)[:20])


def test_a_sample_is_carried_to_another_invocation() -> None:
    tally = tally_of([compressed(1, 300, 100, SAMPLE)], 1)

    assert again(tally).samples == tally.samples
    assert tally.samples[0].sample == SAMPLE


def test_samples_of_rows_that_were_not_compressed_are_not_kept() -> None:
    report = failed(1)

    assert tally_of([RowReport(report.result, (), SAMPLE)], 1).samples == []
