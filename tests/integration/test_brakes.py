"""What keeps a run from doing harm: it stops itself, and a sample tells what it would do."""

import pytest

from imagepress import dispatch, start
from imagepress.run import RunStatus
from imagepress.run_id import make_run_id
from tests.integration.pump import Pump
from tests.integration.service import Service
from tests.integration.stack import IMAGES, Stack
from tests.integration.wire import Wire
from tests.pictures import jpeg, photograph

JUDGED_FROM = 1000


@pytest.mark.parametrize("limit", [None, 80])
def test_a_run_most_of_whose_rows_fail_stops_itself(
    service: Service, stack: Stack, monkeypatch: pytest.MonkeyPatch, limit: int | None
) -> None:
    # The last row is to come last.
    monkeypatch.setattr(dispatch, "SENDERS", 1)
    stack.put_image("last.jpg", jpeg())
    keys = [*(f"missing-{number}.jpg" for number in range(JUDGED_FROM + 300)), "last.jpg"]
    metadata = {} if limit is None else {"stop-at-failure-percent": str(limit)}

    run = service.upload(keys, metadata=metadata)

    assert run.status is RunStatus.ABORTED
    assert f"stop_at_failure_percent is {limit or 50}" in run.message
    outcomes = run.outcomes()
    failed = outcomes.count("FAILED/NOT_FOUND")
    assert JUDGED_FROM <= failed < len(keys)
    assert outcomes.count("SKIPPED/CANCELLED") == len(keys) - failed
    assert outcomes[-1] == "SKIPPED/CANCELLED"
    assert stack.s3.get_object(Bucket=IMAGES, Key="last.jpg")["Body"].read() == jpeg()


def test_a_run_that_fails_as_often_as_is_allowed_goes_on(service: Service, stack: Stack) -> None:
    keys = [f"missing-{number}.jpg" for number in range(JUDGED_FROM + 300)]

    run = service.upload(keys, metadata={"stop-at-failure-percent": "100"})

    assert run.status is RunStatus.COMPLETED
    assert run.outcomes() == ["FAILED/NOT_FOUND"] * len(keys)


def test_fewer_rows_than_can_be_judged_never_stop_a_run(service: Service) -> None:
    keys = [f"missing-{number}.jpg" for number in range(30)]

    run = service.upload(keys, metadata={"stop-at-failure-percent": "1"})

    assert run.status is RunStatus.COMPLETED
    assert run.outcomes() == ["FAILED/NOT_FOUND"] * len(keys)


def test_a_sample_writes_nothing_and_tells_what_all_would_save(
    service: Service, stack: Stack, wire: Wire, pump: Pump, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The run id draws: one time in twenty the interval would miss.
    monkeypatch.setattr(
        start, "make_run_id", lambda when, path, _: make_run_id(when, path, "the same draw")
    )
    keys = [f"{number}.jpg" for number in range(40)]
    for number, key in enumerate(keys):
        stack.put_image(key, jpeg(photograph(size=(32, 32), seed=number)))
    before = stack.versions()

    sampled = service.upload(keys, metadata={"dry-run-sample": "20"})

    assert stack.versions() == before
    drawn = sampled.outcomes().count("SKIPPED/DRY_RUN")
    assert sampled.outcomes().count("SKIPPED/NOT_SAMPLED") == len(keys) - drawn
    estimate = sampled.summary["dry_run"]
    assert estimate["rows_drawn"] == drawn
    # A sample of half the rows: eleven or fewer drawn would be one in five hundred.
    assert 11 < drawn < 29
    low, high = estimate["interval_95"]
    assert low < estimate["bytes_saved"] < high
    assert {call.parameters["Key"] for call in wire.made("GetObject", Bucket=IMAGES)} == {
        row["path"] for row in sampled.results if row["reason"] == "DRY_RUN"
    }

    real = service.upload(keys, key="all.csv")

    assert low <= real.summary["bytes_saved"] <= high
