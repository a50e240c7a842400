"""What the functions write to CloudWatch: JSON lines, some of them metrics in embedded format."""

import importlib
import io
import json
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest

from imagepress.journal import INFO, Event
from imagepress.outcome import FailureCode, Outcome, RowResult, SkipReason
from imagepress.part import RowReport

KEY = 'a "b"\n.jpg'
COMPRESSED = RowReport(
    RowResult(
        row=1,
        path=KEY,
        outcome=Outcome.COMPRESSED,
        format="JPEG",
        bytes_before=1000,
        bytes_after=400,
        seconds=0.5,
    ),
    (Event(0.0, INFO, "Downloading it."),),
)


@pytest.fixture
def telemetry(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The module as a function imports it."""
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", "compressor")
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", "imagepress")
    sys.modules.pop("telemetry", None)
    yield importlib.import_module("telemetry")
    sys.modules.pop("telemetry", None)


def skipped(row: int) -> RowReport:
    reason = SkipReason.NOT_SMALLER
    result = RowResult(row=row, path=KEY, outcome=Outcome.SKIPPED, reason=reason, bytes_before=10)
    return RowReport(result, ())


def failed(row: int, code: FailureCode) -> RowReport:
    return RowReport(RowResult(row=row, path=KEY, outcome=Outcome.FAILED, reason=code), ())


def written(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """What was printed; the logger has kept the stream of whoever imported it first."""
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def metrics(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The values of each metric record, with its dimensions."""
    found = []
    for record in filter(lambda one: "_aws" in one, records):
        (directive,) = record["_aws"]["CloudWatchMetrics"]
        assert directive["Namespace"] == "imagepress"
        (dimensions,) = directive["Dimensions"]
        assert "run_id" not in dimensions
        values = {metric["Name"]: record[metric["Name"]][0] for metric in directive["Metrics"]}
        found.append({**{name: record[name] for name in dimensions}, **values})
    return found


def test_a_row_is_one_record_that_names_run_chunk_and_key(
    telemetry: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = io.StringIO()
    for handler in telemetry.logger.handlers:
        monkeypatch.setattr(handler, "stream", log)

    telemetry.log_rows("run-1", 7, [COMPRESSED])

    row = json.loads(log.getvalue())
    assert (row["message"], row["level"], row["service"]) == ("row", "INFO", "compressor")
    assert (row["run_id"], row["chunk"], row["key"]) == ("run-1", 7, KEY)
    assert row["result"] == COMPRESSED.result.to_json()
    assert row["events"] == ["1970-01-01 00:00:00 - INFO - Downloading it."]


def test_rows_are_counted_without_a_dimension_for_the_run(
    telemetry: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    telemetry.log_rows("run-1", 7, [COMPRESSED, skipped(2)])

    records = written(capsys)
    assert metrics(records) == [
        {
            "service": "pipeline",
            "ImagesCompressed": 1,
            "ImagesSkipped": 1,
            "ImagesFailed": 0,
            "ImagesRestored": 0,
            "BytesBefore": 1010,
            "BytesSaved": 600,
            "WorkSeconds": 0.5,
        }
    ]
    assert records[-1]["run_id"] == "run-1"


def test_failures_are_counted_by_code_where_there_are_any(
    telemetry: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    codes = [FailureCode.NOT_FOUND, FailureCode.CORRUPT_IMAGE, FailureCode.NOT_FOUND]
    telemetry.log_rows("run-1", 7, [failed(row, code) for row, code in enumerate(codes)])

    total, *by_code = metrics(written(capsys))
    assert total["ImagesFailed"] == 3
    assert by_code == [
        {"service": "pipeline", "code": "NOT_FOUND", "FailuresByCode": 2},
        {"service": "pipeline", "code": "CORRUPT_IMAGE", "FailuresByCode": 1},
    ]


def test_rows_that_were_put_back_are_counted(
    telemetry: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    result = RowResult(row=1, path=KEY, outcome=Outcome.RESTORED, bytes_before=1, bytes_after=2)
    telemetry.log_rows("run-1", 7, [RowReport(result, ())])

    (total,) = metrics(written(capsys))
    assert total["ImagesRestored"] == 1


def test_nothing_is_written_for_no_rows_and_no_pushes(
    telemetry: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    telemetry.log_rows("run-1", 7, [])
    telemetry.count_pushes({})

    assert capsys.readouterr().out == ""


def test_runs_that_had_to_be_pushed_are_counted(
    telemetry: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    telemetry.count_pushes({"run-1": "started the report", "run-2": "let it stop"})

    assert metrics(written(capsys)) == [{"service": "pipeline", "RunsPushed": 2}]
