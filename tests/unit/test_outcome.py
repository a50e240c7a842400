import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagepress.outcome import (
    RESULT_COLUMNS,
    FailureCode,
    Outcome,
    RowResult,
    SkipReason,
    Totals,
)
from tests.unit.rows import row_results

COMPRESSED = RowResult(
    row=1, path="a.jpg", outcome=Outcome.COMPRESSED, bytes_before=1000, bytes_after=600
)
SKIPPED = RowResult(
    row=2,
    path="b.jpg",
    outcome=Outcome.SKIPPED,
    reason=SkipReason.NOT_SMALLER,
    bytes_before=500,
)
FAILED = RowResult(
    row=3, path="c.jpg", outcome=Outcome.FAILED, reason=FailureCode.CORRUPT_IMAGE, bytes_before=70
)
MISSING = RowResult(row=4, path="d.jpg", outcome=Outcome.FAILED, reason=FailureCode.NOT_FOUND)


def test_the_results_have_the_columns_that_are_promised() -> None:
    assert ",".join(RESULT_COLUMNS) == (
        "row,path,outcome,reason,format,bytes_before,bytes_after,encoder,quality,seconds,"
        "etag_before,etag_after,version_before,version_after,message"
    )


def test_no_name_is_both_a_reason_and_a_code() -> None:
    assert not set(SkipReason) & set(FailureCode)


@given(row_results)
def test_a_result_survives_json(result: RowResult) -> None:
    assert RowResult.from_json(json.loads(json.dumps(result.to_json()))) == result


@pytest.mark.parametrize("reason", SkipReason)
def test_a_reason_survives_json(reason: SkipReason) -> None:
    result = RowResult(row=1, path="a", outcome=Outcome.SKIPPED, reason=reason)

    assert RowResult.from_json(json.loads(json.dumps(result.to_json()))).reason is reason


@pytest.mark.parametrize("code", FailureCode)
def test_a_code_survives_json(code: FailureCode) -> None:
    result = RowResult(row=1, path="a", outcome=Outcome.FAILED, reason=code)

    assert RowResult.from_json(json.loads(json.dumps(result.to_json()))).reason is code


def test_a_row_with_an_empty_path_survives_json() -> None:
    result = RowResult(row=1, path="", outcome=Outcome.FAILED, reason=FailureCode.INVALID_ROW)

    assert RowResult.from_json(json.loads(json.dumps(result.to_json()))) == result


def test_empty_fields_take_no_room() -> None:
    assert MISSING.to_json().keys() == {"row", "path", "outcome", "reason"}


def test_nothing_is_not_empty() -> None:
    result = RowResult(row=1, path="a", outcome=Outcome.SKIPPED, bytes_before=0, quality=0)

    assert result.to_json()["bytes_before"] == 0
    assert result.to_json()["quality"] == 0


# Totals


def test_totals_count_outcomes_and_bytes() -> None:
    assert Totals.of([COMPRESSED, SKIPPED, FAILED, MISSING]) == Totals(
        compressed=1, skipped=1, failed=2, bytes_before=1570, bytes_after=1170
    )


def test_what_stayed_saves_nothing() -> None:
    assert Totals.of([SKIPPED, FAILED, MISSING]).bytes_saved == 0


def test_what_was_compressed_saves_the_difference() -> None:
    assert Totals.of([COMPRESSED, SKIPPED]).bytes_saved == 400


def test_no_rows_are_nothing() -> None:
    totals = Totals.of([])

    assert totals == Totals()
    assert totals.rows == totals.bytes_saved == 0


@given(st.lists(row_results, max_size=20), st.integers(0, 20))
def test_totals_of_parts_add_up(results: list[RowResult], cut: int) -> None:
    one, other = Totals.of(results[:cut]), Totals.of(results[cut:])
    whole = Totals.of(results)

    assert whole.rows == one.rows + other.rows == len(results)
    assert whole.bytes_before == one.bytes_before + other.bytes_before
    assert whole.bytes_saved == one.bytes_saved + other.bytes_saved


@given(st.lists(row_results, max_size=20))
def test_bytes_saved_are_those_of_the_compressed_rows(results: list[RowResult]) -> None:
    saved = sum(
        (result.bytes_before or 0) - (result.bytes_after or 0)
        for result in results
        if result.outcome is Outcome.COMPRESSED
    )

    assert Totals.of(results).bytes_saved == saved
