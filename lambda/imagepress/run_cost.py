"""What `summary.json` says of a run's cost: counts, and dollars where prices are known."""

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from imagepress.costs import (
    Care,
    Keeping,
    Machine,
    Machines,
    Replaced,
    Work,
    bill,
    bytes_saved,
    savings,
)
from imagepress.prices import AS_OF, REGIONS, Prices
from imagepress.run import BucketFacts
from imagepress.settings import RunSettings
from imagepress.usage import Usage


@dataclass(frozen=True, slots=True)
class Billing:
    """Where a run is paid for, and the compressor's size; None where nothing is deployed."""

    region: str
    compressor: Machine | None = None


def cost_of(
    usage: Usage,
    settings: RunSettings,
    bucket: BucketFacts,
    billing: Billing | None,
    *,
    started: datetime,
    shards: int,
) -> dict[str, Any]:
    """The summary's entries on cost and savings; what is not known is not among them."""
    keeping = Keeping(bucket.versioned, bucket.noncurrent_days, bool(settings.backup_prefix))
    wrote = bool(usage.replaced)
    return {
        **(_bytes(usage, keeping, bucket) if wrote else {}),
        **(_undo_until(bucket, started) if wrote else {}),
        "cost": _cost(usage, settings, bucket, keeping, billing, shards=shards),
    }


def _bytes(usage: Usage, keeping: Keeping, bucket: BucketFacts) -> dict[str, int]:
    before = sum(replaced.before for replaced in usage.replaced.values())
    after = sum(replaced.after for replaced in usage.replaced.values())
    now, at_last = bytes_saved(before, after, keeping)
    known = {"bytes_saved_after_retention": at_last} if _retention_known(bucket) else {}
    return {"bytes_saved_now": now, **known}


def _undo_until(bucket: BucketFacts, started: datetime) -> dict[str, str | None]:
    """The day until which the versions that a run replaced are sure to be there."""
    if not bucket.versioned or not bucket.lifecycle_known:
        return {}
    if bucket.noncurrent_days is None:
        return {"undo_until": None}
    day = started.astimezone(UTC) + timedelta(days=bucket.noncurrent_days)
    return {"undo_until": f"{day:%Y-%m-%d}"}


def _retention_known(bucket: BucketFacts) -> bool:
    return not bucket.versioned or bucket.lifecycle_known


def _cost(
    usage: Usage,
    settings: RunSettings,
    bucket: BucketFacts,
    keeping: Keeping,
    billing: Billing | None,
    *,
    shards: int,
) -> dict[str, Any]:
    care = Care(
        annotations=settings.check_annotations,
        acls=bucket.acl_owner is not None,
        backup=bool(settings.backup_prefix),
    )
    requests = usage.requests(care)
    machine = billing.compressor if billing else None
    said: dict[str, Any] = {"s3_requests": dict(sum(requests.values(), Counter()))}
    if usage.seconds is not None:
        said["compute_seconds"] = round(usage.seconds, 3)
        if machine is not None:
            said["gigabyte_seconds"] = round(usage.seconds * machine.gigabytes, 3)
    prices = REGIONS.get(billing.region) if billing else None
    if prices is None:
        return said
    work = Work(
        requests=requests,
        read=usage.read,
        rows=sum(endings.total() for endings in usage.endings.values()),
        chunks=usage.chunks,
        shards=shards,
        compute_seconds=usage.seconds,
    )
    parts = bill(work, prices, Machines(machine) if machine else None)
    total = sum(parts.values())
    dollars = {name: _dollars(value) for name, value in {**parts, "total": total}.items()}
    priceless = sorted(requests.keys() - prices.storage.keys())
    return {
        **said,
        "prices": {"region": prices.region, "as_of": AS_OF},
        **({"classes_without_price": priceless} if priceless else {}),
        "dollars": dollars,
        **_savings(usage.replaced, keeping, bucket, prices, total),
    }


def _savings(
    replaced: dict[str, Replaced],
    keeping: Keeping,
    bucket: BucketFacts,
    prices: Prices,
    cost: float,
) -> dict[str, Any]:
    saved = savings(replaced, keeping, prices) if replaced else None
    if saved is None:
        return {}
    now = {"dollars_saved_a_month_now": _dollars(saved.month_now)}
    if not _retention_known(bucket):
        return now
    months = saved.months_to_pay_back(cost)
    return {
        **now,
        "dollars_saved_a_month_after_retention": _dollars(saved.month_after),
        "dollars_for_originals": _dollars(saved.leaving),
        "months_to_pay_back": None if months is None else round(months, 1),
    }


def _dollars(value: float) -> float:
    """Rounded to a hundredth of a cent, as runs may be small."""
    return round(value, 6)
