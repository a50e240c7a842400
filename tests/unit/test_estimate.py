"""The estimate of a dry run: its interval holds the truth as often as it says."""

import random
from itertools import pairwise

import pytest

from imagepress.estimate import SavingsEstimate
from imagepress.outcome import FailureCode, Outcome, RowResult, SkipReason


def would_save(before: int, after: int) -> RowResult:
    return RowResult(
        row=1,
        path="a.jpg",
        outcome=Outcome.SKIPPED,
        reason=SkipReason.DRY_RUN,
        bytes_before=before,
        bytes_after=after,
    )


def test_a_sample_of_everything_is_exact() -> None:
    estimate = SavingsEstimate()
    estimate.add(would_save(1000, 400))
    estimate.add(would_save(500, 480))

    told = estimate.to_json(drawn=2, rows=2)

    assert told["bytes_saved"] == 620
    assert told["interval_95"] == [620, 620]
    assert told["would_compress"] == 2


def test_only_what_would_be_compressed_saves() -> None:
    estimate = SavingsEstimate()
    estimate.add(would_save(1000, 400))
    estimate.add(
        RowResult(row=2, path="b.jpg", outcome=Outcome.FAILED, reason=FailureCode.NOT_FOUND)
    )

    told = estimate.to_json(drawn=2, rows=4)

    assert told["bytes_saved"] == 1200
    assert told["would_compress"] == 2


def test_nothing_drawn_is_nothing_said() -> None:
    assert SavingsEstimate().to_json(drawn=0, rows=10)["interval_95"] == [0, 0]


@pytest.mark.parametrize("share", [0.05, 0.2, 0.6])
def test_the_interval_holds_the_truth_nineteen_times_of_twenty(share: float) -> None:
    chance = random.Random(7)
    savings = [chance.choice((0, chance.randrange(1_000, 900_000))) for _ in range(2000)]
    repeats = 400

    held = 0
    for _ in range(repeats):
        drawn = [saved for saved in savings if chance.random() < share]
        estimate = SavingsEstimate()
        for saved in drawn:
            if saved:
                estimate.add(would_save(1_000_000, 1_000_000 - saved))
        low, high = estimate.to_json(len(drawn), len(savings))["interval_95"]
        held += low <= sum(savings) <= high

    # Three standard deviations of such a count around 95 %.
    assert 0.917 * repeats < held < 0.983 * repeats


def test_more_rows_make_it_narrower() -> None:
    widths = []
    for drawn in (10, 100, 1000):
        estimate = SavingsEstimate()
        for number in range(drawn):
            estimate.add(would_save(1000, 100 + 800 * (number % 2)))
        low, high = estimate.to_json(drawn, rows=10_000)["interval_95"]
        widths.append(high - low)

    assert all(wide > narrow for wide, narrow in pairwise(widths))
