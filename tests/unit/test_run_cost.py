from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from imagepress.costs import Machine
from imagepress.outcome import Outcome, RowResult, SkipReason
from imagepress.part import Part
from imagepress.run import BucketFacts
from imagepress.run_cost import Billing, cost_of
from imagepress.settings import RunSettings
from imagepress.usage import Usage

STARTED = datetime(2024, 2, 1, 12, tzinfo=UTC)
DEPLOYED = Billing("us-east-1", Machine(2048))
COMPRESSED = RowResult(
    row=1, path="a", outcome=Outcome.COMPRESSED, bytes_before=1000, bytes_after=300
)
DRY = RowResult(
    row=1,
    path="a",
    outcome=Outcome.SKIPPED,
    reason=SkipReason.DRY_RUN,
    bytes_before=1000,
    bytes_after=300,
)
FOR_EVER = BucketFacts(versioned=True, lifecycle_known=True)
FOR_A_MONTH = BucketFacts(versioned=True, lifecycle_known=True, noncurrent_days=29)
NOBODY_KNOWS = BucketFacts(versioned=True)


def said(
    bucket: BucketFacts = BucketFacts(),  # noqa: B008 - frozen
    *,
    row: RowResult = COMPRESSED,
    billing: Billing | None = DEPLOYED,
    **settings: Any,
) -> dict[str, Any]:
    usage = Usage()
    usage.add(row)
    if billing and billing.compressor:
        usage.add_part(Part({}, {}, 100.0))
    return cost_of(usage, RunSettings(**settings), bucket, billing, started=STARTED, shards=1)


@pytest.mark.parametrize(
    ("bucket", "settings", "told"),
    [
        (BucketFacts(), {}, {"bytes_saved_now": 700, "bytes_saved_after_retention": 700}),
        (
            FOR_EVER,
            {},
            {
                "bytes_saved_now": -300,
                "bytes_saved_after_retention": -300,
                "undo_until": None,
            },
        ),
        (
            FOR_A_MONTH,
            {},
            {
                "bytes_saved_now": -300,
                "bytes_saved_after_retention": 700,
                "undo_until": "2024-03-01",
            },
        ),
        (NOBODY_KNOWS, {}, {"bytes_saved_now": -300}),
        (
            BucketFacts(),
            {"backup_prefix": "old"},
            {"bytes_saved_now": -300, "bytes_saved_after_retention": -300},
        ),
    ],
    ids=["unversioned", "for-ever", "a-month", "unknown", "backup"],
)
def test_net_savings_follow_from_what_keeps_the_originals(
    bucket: BucketFacts, settings: dict[str, Any], told: dict[str, Any]
) -> None:
    summary = said(bucket, **settings)

    summary.pop("cost")
    assert summary == told


def test_a_run_that_wrote_nothing_has_a_cost_and_no_savings() -> None:
    summary = said(FOR_EVER, row=DRY, dry_run=True)

    assert summary.keys() == {"cost"}
    assert summary["cost"]["s3_requests"] == {"GetObject": 1}
    assert "months_to_pay_back" not in summary["cost"]


def test_seconds_become_dollars() -> None:
    cost = said()["cost"]

    # 2 GB x 100 s x 0.0000166667.
    assert cost["gigabyte_seconds"] == 200
    assert cost["dollars"]["compressor"] == pytest.approx(0.003333, abs=1e-6)


def test_on_the_command_line_only_s3_costs() -> None:
    cost = said(billing=Billing("us-east-1"))["cost"]

    assert cost["dollars"].keys() == {"s3_requests", "s3_retrieval", "total"}
    assert cost.keys().isdisjoint({"compute_seconds", "gigabyte_seconds"})


def test_a_class_without_a_price_is_named() -> None:
    summary = said(row=replace(COMPRESSED, storage_class="GLACIER"))

    assert summary["cost"]["classes_without_price"] == ["GLACIER"]
    assert summary["cost"]["dollars"].keys().isdisjoint({"s3_requests", "s3_retrieval"})
    assert summary["bytes_saved_now"] == 700


@pytest.mark.parametrize("billing", [None, Billing("mars-north-1", Machine(2048))])
def test_without_prices_there_are_counts_and_no_dollars(billing: Billing | None) -> None:
    cost = said(billing=billing)["cost"]

    assert cost["s3_requests"]["PutObject"] == 1
    assert cost.keys().isdisjoint({"dollars", "prices", "months_to_pay_back"})
