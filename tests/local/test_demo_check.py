"""The demo's own check: each rule bites."""

import pytest

from local.corpus import Row
from local.demo_check import Result, problems
from tests.pictures import jpeg, photograph

BEFORE = jpeg()
SMALLER = jpeg(quality=60)
ROWS = [Row("a.jpg", BEFORE, "picture"), Row("gone.jpg", None, "missing", "FAILED/NOT_FOUND")]


def result(row: int, outcome: str, reason: str = "", path: str | None = None) -> Result:
    known = ROWS[row - 1].key if row <= len(ROWS) else "?"
    return Result(row, path or known, outcome, reason, None, None)


GOOD = [result(1, "COMPRESSED"), result(2, "FAILED", "NOT_FOUND")]
AFTER = {"a.jpg": SMALLER, "gone.jpg": None}


def test_is_content_with_a_good_run() -> None:
    assert not list(problems(ROWS, GOOD, AFTER))


@pytest.mark.parametrize(
    ("results", "complaint"),
    [
        (GOOD[:1], "Row 2 (gone.jpg) has 0 outcomes."),
        ([*GOOD, GOOD[0]], "Row 1 (a.jpg) has 2 outcomes."),
        (
            [*GOOD, result(3, "SKIPPED", "DUPLICATE")],
            "There is an outcome for row 3, which does not exist.",
        ),
        (
            [result(1, "COMPRESSED", path="b.jpg"), GOOD[1]],
            "Row 1 is a.jpg, but its outcome is for b.jpg.",
        ),
        (
            [GOOD[0], result(2, "SKIPPED", "ARCHIVED")],
            "Row 2 (gone.jpg) is SKIPPED/ARCHIVED, not FAILED/NOT_FOUND.",
        ),
    ],
)
def test_each_row_needs_exactly_its_one_outcome(results: list[Result], complaint: str) -> None:
    assert complaint in list(problems(ROWS, results, AFTER))


def test_a_key_named_twice_is_done_once() -> None:
    rows = [*ROWS, ROWS[0]]
    twice = [*GOOD, result(3, "COMPRESSED", path="a.jpg")]
    once = [result(1, "SKIPPED", "DUPLICATE"), *twice[1:]]

    assert not list(problems(rows, once, AFTER))
    assert list(problems(rows, twice, AFTER)) == [
        "a.jpg was done 2 times: all rows but one should be DUPLICATE."
    ]


def test_a_picture_must_not_fail() -> None:
    failed = [result(1, "FAILED", "CORRUPT_IMAGE"), GOOD[1]]
    after = {**AFTER, "a.jpg": BEFORE}
    assert list(problems(ROWS, failed, after)) == ["Row 1 (a.jpg) is FAILED/CORRUPT_IMAGE."]


@pytest.mark.parametrize(
    ("now", "complaint"),
    [
        (None, "there is no object"),
        (BEFORE, "did not get smaller"),
        (jpeg(photograph(size=(64, 96)), 50), "was a JPEG of (96, 64) and is a JPEG of (64, 96)"),
        (SMALLER[:-300], "cannot be read any more"),
        (jpeg(quality=60, icc_profile=b"x" * 200), "lost its colour profile"),
    ],
)
def test_a_compressed_picture_must_be_the_same_and_smaller(
    now: bytes | None, complaint: str
) -> None:
    (said,) = problems(ROWS, GOOD, {**AFTER, "a.jpg": now})
    assert said.startswith("a.jpg is COMPRESSED, but ")
    assert complaint in said


def test_what_was_not_compressed_must_not_have_changed() -> None:
    skipped = [result(1, "SKIPPED", "NOT_SMALLER"), GOOD[1]]
    (said,) = problems(ROWS, skipped, AFTER)
    assert said == "a.jpg was not compressed, and yet its bytes have changed."
