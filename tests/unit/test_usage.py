import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagepress.costs import Care
from imagepress.outcome import FailureCode, Outcome, RowResult, SkipReason
from imagepress.part import Part
from imagepress.usage import Usage
from tests.unit.rows import row_results

COMPRESSED = RowResult(
    row=1, path="a", outcome=Outcome.COMPRESSED, bytes_before=200_000, bytes_after=150_000
)
COLD = RowResult(
    row=2,
    path="b",
    outcome=Outcome.COMPRESSED,
    bytes_before=200_000,
    bytes_after=100_000,
    storage_class="STANDARD_IA",
    age_days=12,
)
GONE = RowResult(row=3, path="c", outcome=Outcome.FAILED, reason=FailureCode.NOT_FOUND)
KNOWN = RowResult(
    row=4,
    path="d",
    outcome=Outcome.SKIPPED,
    reason=SkipReason.ALREADY_COMPRESSED,
    bytes_before=70_000,
)


def usage_of(*results: RowResult) -> Usage:
    usage = Usage()
    for result in results:
        usage.add(result)
    return usage


def test_rows_are_summed_up_by_storage_class() -> None:
    usage = usage_of(COMPRESSED, COLD, GONE, KNOWN)

    assert usage.endings == {
        "STANDARD": {"COMPRESSED": 1, "NOT_FOUND": 1, "ALREADY_COMPRESSED": 1},
        "STANDARD_IA": {"COMPRESSED": 1},
    }
    # Of what was done before, only the headers are read.
    assert usage.read == {"STANDARD": 200_000, "STANDARD_IA": 200_000}
    cold = usage.replaced["STANDARD_IA"]
    # 128 KB are billed for the 100,000 bytes that are left; 18 of 30 days were missing.
    assert (cold.billed_before, cold.billed_after, cold.due) == (200_000, 131_072, {18: 200_000})
    assert not usage.replaced["STANDARD"].due


def test_requests_are_those_of_the_rows_and_one_look_at_tags_a_chunk() -> None:
    usage = usage_of(COMPRESSED, COMPRESSED, COLD, GONE)
    usage.add_part(Part({}, {}, 1.0))

    requests = usage.requests(Care(annotations=False))

    assert requests == {
        "STANDARD": {"GetObject": 3, "HeadObject": 2, "PutObject": 2, "GetObjectTagging": 1},
        "STANDARD_IA": {"GetObject": 1, "HeadObject": 1, "PutObject": 1},
    }


def test_the_time_of_all_chunks_is_known_or_none() -> None:
    usage = Usage()
    assert usage.seconds is None
    usage.add_part(Part({}, {}, 1.5))
    usage.add_part(Part({}, {}, 2.0))
    assert usage.seconds == pytest.approx(3.5)
    usage.add_part(Part({}, {}))
    assert usage.seconds is None


@given(st.lists(row_results, max_size=8))
def test_usage_survives_json(results: list[RowResult]) -> None:
    usage = usage_of(COLD, *results)
    usage.add_part(Part({}, {}, 2.5))

    assert Usage.from_json(json.loads(json.dumps(usage.to_json()))) == usage
