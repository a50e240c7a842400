"""The saved queries ask for fields that the functions really write."""

import io
import json
import logging
import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from aws_lambda_powertools import Logger

import telemetry
from imagepress.outcome import FailureCode, Outcome, RowResult
from imagepress.part import RowReport
from infra.queries import QUERIES, Query
from tests.infrastructure.synthesised import Synthesised

INSIGHTS = {"@timestamp", "@message", "@type", "@maxMemoryUsed", "@memorySize"}
# fmt: off
WORDS = {
    "fields", "filter", "stats", "sort", "limit", "by", "as", "and", "or", "not", "in", "like",
    "desc", "asc", "count", "max", "avg", "latest", "bin", "ispresent",
}
# fmt: on
FIELD = re.compile(r"(?<!\w)@?[A-Za-z_][\w.]*")


def record(logger: Logger, monkeypatch: pytest.MonkeyPatch, write: Any) -> dict[str, Any]:
    """The one record that `write` logs."""
    log = io.StringIO()
    for handler in logger.handlers:
        assert isinstance(handler, logging.StreamHandler)
        monkeypatch.setattr(handler, "stream", log)
    write()
    found: dict[str, Any] = json.loads(log.getvalue().splitlines()[0])
    return found


def flat(values: Mapping[str, Any], before: str = "") -> Iterator[str]:
    """The names of fields as Logs Insights has them."""
    for name, value in values.items():
        yield f"{before}{name}"
        if isinstance(value, dict):
            yield from flat(value, f"{before}{name}.")


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The fields of a row that was done, of one that failed, and of an error."""
    monkeypatch.setattr(telemetry, "_count_rows", lambda *_: None)

    def rows() -> None:
        common: dict[str, Any] = {"row": 1, "path": "a.jpg", "bytes_before": 9, "seconds": 0.1}
        done = RowResult(
            outcome=Outcome.COMPRESSED, bytes_after=4, encoder="jpegli", format="JPEG", **common
        )
        telemetry.log_rows("run", 1, [RowReport(done, ())])

    def failed_row() -> None:
        failed = RowResult(
            row=1,
            path="a.jpg",
            outcome=Outcome.FAILED,
            reason=FailureCode.NOT_FOUND,
            message="Gone.",
        )
        telemetry.log_rows("run", 1, [RowReport(failed, ())])

    def error() -> None:
        telemetry.logger.warning("row put off", key="a.jpg", exc_info=ValueError("no"))

    records = [record(telemetry.logger, monkeypatch, one) for one in (rows, failed_row, error)]
    return {name for one in records for name in flat(one)}


def asked_for(query: Query) -> set[str]:
    """The fields that a query names, without what it names itself."""
    text = re.sub(r'"[^"]*"|/[A-Z][^/]*/', " ", query.text)
    own = set(re.findall(r"\bas (\w+)", text))
    return set(FIELD.findall(text)) - WORDS - own


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query.title)
def test_a_query_asks_for_fields_that_there_are(query: Query, known: set[str]) -> None:
    wanted = asked_for(query)

    assert wanted
    assert wanted - known - INSIGHTS == set()


def test_the_reading_of_queries_finds_what_is_not_there(known: set[str]) -> None:
    wrong = Query("wrong", (), 'fields result.outcom, key | filter message = "x" | sort key desc')

    assert asked_for(wrong) - known - INSIGHTS == {"result.outcom"}


def test_the_queries_are_saved_for_the_logs_of_their_functions(bare: Synthesised) -> None:
    saved = {
        one.properties["Name"]: one.properties
        for one in bare.of_type("AWS::Logs::QueryDefinition").values()
    }
    assert set(saved) == {f"imagepress/{query.title}" for query in QUERIES}
    for query in QUERIES:
        properties = saved[f"imagepress/{query.title}"]
        groups = [bare.text(group) for group in properties["LogGroupNames"]]
        assert groups == [f"<{name}/Logs>" for name in query.functions]
        assert properties["QueryString"] == query.text.strip()
