"""docs/reference.md says what the code does: it is written from it, and names what is there."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from imagepress.advice import ADVICE
from imagepress.outcome import RESULT_COLUMNS, FailureCode, Outcome, SkipReason
from imagepress.report import FAILED_COLUMNS, Ending, ReportSinks, ReportWriter, RunFacts, Tally
from imagepress.run import RunStatus
from imagepress.settings import ACTION, RunSettings
from imagepress.undo import UNDO_COLUMNS
from local import reference_texts as texts
from local.reference import REFERENCE, reference


def test_the_page_is_what_the_code_says_now() -> None:
    assert REFERENCE.read_text("utf-8") == reference(), "Run `make docs`."


def test_every_reason_has_a_meaning() -> None:
    assert set(ADVICE) == {*SkipReason, *FailureCode}


def test_every_outcome_and_status_has_a_meaning() -> None:
    assert set(texts.OUTCOMES) == set(Outcome)
    assert set(texts.STATUSES) == set(RunStatus)


def test_the_actions_are_those_that_are_taken() -> None:
    assert all(ACTION.is_valid(action) for action in texts.ACTIONS)
    assert all(action in ACTION.allowed for action in texts.ACTIONS)
    assert len(ACTION.allowed.replace(" or ", ", ").split(", ")) == len(texts.ACTIONS)


def test_the_columns_are_those_that_are_written() -> None:
    assert tuple(texts.RESULT_COLUMNS) == RESULT_COLUMNS
    assert tuple(texts.FAILED_COLUMNS) == FAILED_COLUMNS
    assert tuple(texts.UNDO_COLUMNS) == ("path", *UNDO_COLUMNS)


@pytest.mark.parametrize("dry", [True, False])
def test_the_fields_of_a_summary_are_those_that_are_written(*, dry: bool) -> None:
    written = summary(RunSettings(dry_run=dry))

    # What depends on a replaced object is looked at in a run: see the tests of costs.
    of_some = {"bytes_saved_now", "bytes_saved_after_retention", "undo_until"}
    left_out = of_some | (set() if dry else {"dry_run"})
    assert list(written) == [name for name in texts.SUMMARY_FIELDS if name not in left_out]


def summary(settings: RunSettings) -> dict[str, Any]:
    now = datetime.now(UTC)
    facts = RunFacts(run_id="r", started=now, source="s", bucket_name="b", settings=settings)
    nowhere: Any = None
    writer = ReportWriter(facts, ReportSinks(nowhere, nowhere, nowhere, nowhere), Tally.of(facts))
    return dict(json.loads(json.dumps(writer.summary(now, Ending(), {}))))
