import json

from hypothesis import given
from hypothesis import strategies as st

from imagepress.journal import Event
from imagepress.outcome import FailureCode, Outcome, RowResult
from imagepress.part import EMPTY_PART, Part, RowReport, part_from_lines
from tests.unit.rows import row_reports

parts = st.builds(
    Part,
    st.lists(row_reports, max_size=6).map(
        lambda reports: {report.result.row: report for report in reports}
    ),
    st.dictionaries(st.integers(1, 10**12), st.integers(1, 3), max_size=4),
    st.none() | st.integers(0, 10**7).map(lambda milliseconds: milliseconds / 1000),
)
BAD_ROW = RowReport(
    RowResult(
        row=5,
        path="",
        outcome=Outcome.FAILED,
        reason=FailureCode.INVALID_ROW,
        message="Row 5: the path is empty.",
    ),
    (Event(0.5, "ERROR", "Object  failed"),),
)


@given(parts)
def test_a_part_survives_its_lines(part: Part) -> None:
    assert part_from_lines(part.to_lines().split("\n")) == part


@given(parts)
def test_a_part_is_one_json_object_a_row_and_one_for_the_time(part: Part) -> None:
    lines = part.to_lines().splitlines()

    timed = part.compute_seconds is not None
    assert len(lines) == len(part.reports) + len(part.tries) + timed
    assert all(isinstance(json.loads(line), dict) for line in lines)


def test_a_row_with_an_empty_path_survives_its_line() -> None:
    part = Part({5: BAD_ROW}, {})

    assert part_from_lines(part.to_lines().split("\n")) == part


def test_rows_are_in_the_order_in_which_they_ended() -> None:
    def report(row: int) -> RowReport:
        return RowReport(RowResult(row=row, path="a", outcome=Outcome.COMPRESSED), ())

    part = Part({3: report(3), 1: report(1)}, {2: 1})

    assert list(part_from_lines(part.to_lines().split("\n")).reports) == [3, 1]


def test_an_attempt_that_came_to_nothing_has_no_lines() -> None:
    assert EMPTY_PART.to_lines() == ""
    assert part_from_lines([]) == part_from_lines([""]) == EMPTY_PART
