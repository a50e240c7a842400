"""Every figure here was worked out by hand from the prices in `prices.py`."""

from collections import Counter

import pytest

from imagepress.costs import (
    Care,
    Keeping,
    Machine,
    Machines,
    Replaced,
    Work,
    bill,
    bytes_saved,
    compute,
    queue_requests,
    row_requests,
    savings,
    table_reads,
)
from imagepress.prices import GIGABYTE, REGIONS, STORAGE_RULES, Prices

US, EU, SAO_PAULO = REGIONS["us-east-1"], REGIONS["eu-west-1"], REGIONS["sa-east-1"]
MACHINE = Machine(3008, "x86_64", 4096)


@pytest.mark.parametrize(
    ("ending", "care", "requests"),
    [
        (
            "COMPRESSED",
            Care(),
            {"GetObject": 1, "HeadObject": 1, "PutObject": 1, "ListObjectAnnotations": 1},
        ),
        (
            "COMPRESSED",
            Care(annotations=False),
            {"GetObject": 1, "HeadObject": 1, "PutObject": 1},
        ),
        (
            "COMPRESSED",
            Care(annotations=False, acls=True, backup=True),
            {"GetObject": 1, "HeadObject": 1, "PutObject": 2, "GetObjectAcl": 2},
        ),
        ("ALREADY_COMPRESSED", Care(backup=True), {"GetObject": 1}),
        ("NOT_SAMPLED", Care(), {}),
        ("CANCELLED", Care(), {"HeadObject": 1}),
    ],
)
def test_a_row_asks_for_what_its_ending_takes(
    ending: str, care: Care, requests: dict[str, int]
) -> None:
    assert row_requests(ending, care) == requests


def test_seconds_are_paid_by_memory_and_temporary_space() -> None:
    # 2.9375 GB x 2,000,000 s x 0.0000166667 = 97.917; 3.5 GB of /tmp x 2,000,000 s = 0.2163.
    assert compute(2e6, MACHINE, US) == pytest.approx(97.917 + 0.2163, abs=0.001)
    assert compute(2e6, Machine(3008), US) == pytest.approx(97.917, abs=0.001)
    assert compute(2e6, Machine(3008, "arm64"), US) == pytest.approx(78.334, abs=0.001)


@pytest.mark.parametrize(
    ("seconds", "machine"), [(None, MACHINE), (1.0, None), (1.0, Machine(3008, "arm64"))]
)
def test_what_is_not_known_has_no_price(seconds: float | None, machine: Machine | None) -> None:
    assert compute(seconds, machine, SAO_PAULO) is None


def test_a_bill_by_hand() -> None:
    work = Work(
        requests={"STANDARD": {"GetObject": 1000, "HeadObject": 1000, "PutObject": 1000}},
        rows=1000,
        chunks=10,
        shards=4,
        compute_seconds=3000,
        hours=73,
    )

    parts = bill(work, US, Machines(Machine(1024)))

    assert parts == pytest.approx(
        {
            "compressor": 3000 * 0.0000166667,
            "invocations": 10 * 0.0000002,
            # A part put and got for each chunk.
            "part_requests": 10 * (0.000005 + 0.0000004),
            # 10 chunks go out in one batch of 60,000 bytes, and are taken by three requests each.
            "sqs": (1 + 30) * 0.0000004,
            # Reads: 10 x (4 + 4), and one each 3 s; writes: 10 x 5.
            "dynamodb": (80 + 1000) * 0.000000125 + 50 * 0.000000625,
            "logs": 1000 * 1450 / 2**30 * 0.50,
            # Five for a tenth of a month.
            "metrics": 5 * 0.1 * 0.30,
            "s3_requests": 1000 * 0.000005 + 2000 * 0.0000004,
            "s3_retrieval": 0,
        }
    )


def test_without_a_deployment_only_s3_costs() -> None:
    work = Work(requests={"STANDARD": {"PutObject": 1000}}, rows=1000)

    assert bill(work, US) == pytest.approx({"s3_requests": 0.005, "s3_retrieval": 0})


def test_infrequent_access_pays_for_reading() -> None:
    work = Work(
        requests={"STANDARD_IA": {"GetObject": 1000, "PutObject": 1000}},
        read={"STANDARD_IA": 10 * GIGABYTE},
    )

    parts = bill(work, US)

    assert parts == pytest.approx({"s3_requests": 0.001 + 0.01, "s3_retrieval": 0.10})


@pytest.mark.parametrize("name", ["OUTPOSTS", "SNOW"])
def test_a_class_without_a_price_is_left_out(name: str) -> None:
    assert bill(Work(requests={name: {"GetObject": 1}}), US) == {}


def test_other_classes_are_in_the_bill_all_the_same() -> None:
    work = Work(requests={"GLACIER": {"PutObject": 1}, "STANDARD": {"PutObject": 1000}})
    classes = replaced("GLACIER", (9, 1, 1)) | replaced("STANDARD", (2 * GIGABYTE, GIGABYTE, 1))

    saved = savings(classes, Keeping(), US)

    assert bill(work, US) == pytest.approx({"s3_requests": 0.005, "s3_retrieval": 0})
    assert saved is not None
    assert saved.month_after == pytest.approx(0.023)


def test_services_without_a_price_are_left_out() -> None:
    parts = bill(Work(requests={}, chunks=1, compute_seconds=1), SAO_PAULO, Machines(MACHINE))

    assert {"sqs", "dynamodb"}.isdisjoint(parts)
    assert {"compressor", "logs"} <= parts.keys()


def test_large_messages_take_a_request_for_each_64_kilobytes() -> None:
    # 1,000 rows of 60 bytes a chunk: 10 chunks are 600,000 bytes, which is 9.16 times 64 KB.
    assert queue_requests(Work(requests={}, rows=10_000, chunks=10)) == pytest.approx(
        30 + 9.155, 0.001
    )
    assert queue_requests(Work(requests={}, rows=10, chunks=10)) == pytest.approx(31)


def test_each_chunk_looks_at_all_counters() -> None:
    assert table_reads(Work(requests={}, chunks=100, shards=32)) == 3600


# Storage


def replaced(name: str, *objects: tuple[int, int, int | None]) -> dict[str, Replaced]:
    sums = Replaced()
    for before, after, age in objects:
        sums.add(name, before, after, age)
    return {name: sums}


def test_a_smaller_object_is_cheaper_each_month() -> None:
    classes = replaced("STANDARD", (10 * GIGABYTE, 4 * GIGABYTE, None))

    saved = savings(classes, Keeping(), US)

    assert saved is not None
    assert saved.month_now == saved.month_after == pytest.approx(6 * 0.023)
    assert saved.leaving == 0
    assert saved.months_to_pay_back(0.69) == pytest.approx(5)


def test_objects_below_the_least_size_save_nothing() -> None:
    saved = savings(replaced("STANDARD_IA", (100_000, 10, 400)), Keeping(), US)

    assert saved is not None
    assert saved.month_after == 0
    assert saved.months_to_pay_back(1) is None


def test_a_young_original_is_paid_for_till_its_least_age() -> None:
    # 20 of 30 days are missing: 20 / 30.4167 of a month for 10 GB.
    classes = replaced("STANDARD_IA", (10 * GIGABYTE, 4 * GIGABYTE, 10))

    saved = savings(classes, Keeping(), US)

    assert saved is not None
    assert saved.leaving == pytest.approx(10 * 0.0125 * 20 / 30.4167, rel=1e-4)


def test_an_original_of_unknown_or_full_age_leaves_for_nothing() -> None:
    classes = replaced("GLACIER_IR", (GIGABYTE, 1, None), (GIGABYTE, 1, 90))

    saved = savings(classes, Keeping(), US)

    assert saved is not None
    assert saved.leaving == 0


@pytest.mark.parametrize(
    ("keeping", "now", "after", "kept_days"),
    [
        (Keeping(), 6, 6, 20),
        # Kept for 14 days, and billed for 6 more.
        (Keeping(versions=True, days=14), -4, 6, 20),
        (Keeping(versions=True, days=60), -4, 6, 60),
        (Keeping(versions=True), -4, -4, 0),
        (Keeping(copies=True), -4, -4, 20),
        (Keeping(versions=True, days=14, copies=True), -14, -4, 20),
        (Keeping(versions=True, copies=True), -14, -14, 0),
    ],
)
def test_kept_originals_are_paid_for(
    keeping: Keeping, now: int, after: int, kept_days: int
) -> None:
    classes = replaced("STANDARD_IA", (10 * GIGABYTE, 4 * GIGABYTE, 10))

    saved = savings(classes, keeping, US)

    assert bytes_saved(10, 4, keeping) == (now, after)
    assert saved is not None
    assert saved.month_now == pytest.approx(now * 0.0125)
    assert saved.month_after == pytest.approx(after * 0.0125)
    assert saved.leaving == pytest.approx(10 * 0.0125 * kept_days / (730 / 24))


def test_a_class_without_a_price_has_no_savings() -> None:
    classes = replaced("REDUCED_REDUNDANCY", (10, 5, None))

    assert savings(classes, Keeping(), US) is None


@pytest.mark.parametrize("prices", REGIONS.values(), ids=REGIONS)
def test_every_class_with_a_price_has_its_rules(prices: Prices) -> None:
    assert prices.storage.keys() <= STORAGE_RULES.keys()
    assert prices.storage["STANDARD"].put > prices.storage["STANDARD"].get > 0


def test_regions_differ_by_the_factors_that_are_known() -> None:
    assert EU.write_unit == pytest.approx(1.128 * (US.write_unit or 0))
    assert EU.log_gigabyte == pytest.approx(1.14 * US.log_gigabyte)
    assert SAO_PAULO.storage["STANDARD"].put == pytest.approx(1.4 * US.storage["STANDARD"].put)
    assert Counter(SAO_PAULO.compute) == Counter({"x86_64": US.compute["x86_64"]})
