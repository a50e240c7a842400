import csv
import io
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagepress.journal import Event
from imagepress.manifest import read_header, read_rows
from imagepress.outcome import RESULT_COLUMNS, FailureCode, Outcome, RowResult, SkipReason, Totals
from imagepress.part import RowReport
from imagepress.report import (
    FORMULA_STARTS,
    Ending,
    ReportFiles,
    ReportSinks,
    ReportWriter,
    RunFacts,
    Tally,
    write_report,
)
from imagepress.settings import RunSettings
from tests.unit.rows import row_reports

FACTS = RunFacts(
    run_id="20240201T120000Z-dataset-01234567",
    started=datetime(2024, 2, 1, 12, tzinfo=UTC),
    source="s3://trigger/dataset.csv",
    bucket_name="meu-bucket",
    settings=RunSettings(perc_compression_quality=75),
)
LINKS = {"log": "s3://runs/log", "results": "s3://runs/results.csv"}


class Written:
    """The files of one report, read back."""

    def __init__(
        self,
        folder: Path,
        rows: Iterable[RowReport],
        *,
        status: str = "COMPLETED",
        message: str = "",
        facts: RunFacts = FACTS,
    ) -> None:
        files = ReportFiles(
            *(folder / name for name in ("log", "results", "failed", "undo", "report", "summary"))
        )
        self.answer = write_report(
            facts, rows, files, ending=lambda: Ending(status, message), links=LINKS
        )
        # Bytes: universal newlines would hide what a key smuggled in.
        self.log = files.log.read_bytes().decode()
        self.failed_bytes = files.failed.read_bytes()
        self.results = cells(files.results)
        self.failed = cells(files.failed)
        self.summary: dict[str, Any] = json.loads(files.summary.read_bytes())


def cells(file: Path) -> list[list[str]]:
    with file.open(encoding="utf-8", newline="") as stream:
        return list(csv.reader(stream))


def report(result: RowResult, *events: Event) -> RowReport:
    return RowReport(result, events)


def compressed(row: int, path: str, before: int, after: int) -> RowResult:
    return RowResult(
        row=row,
        path=path,
        outcome=Outcome.COMPRESSED,
        format="JPEG",
        bytes_before=before,
        bytes_after=after,
        encoder="pillow-jpeg",
        quality=75,
        seconds=0.25,
        etag_before="e1",
        etag_after="e2",
        version_before="v1",
        version_after="v2",
    )


def failure(
    row: int, path: str, code: FailureCode = FailureCode.NOT_FOUND, message: str = "Gone."
) -> RowResult:
    return RowResult(row=row, path=path, outcome=Outcome.FAILED, reason=code, message=message)


def skip(row: int, path: str) -> RowResult:
    return RowResult(
        row=row,
        path=path,
        outcome=Outcome.SKIPPED,
        reason=SkipReason.NOT_SMALLER,
        format="PNG",
        bytes_before=500,
        message="The result has 501 bytes.",
    )


# results.csv


def test_results_have_a_header_and_a_row_for_each_row(tmp_path: Path) -> None:
    written = Written(
        tmp_path, [report(compressed(1, "a.jpg", 1000, 600)), report(failure(2, "b.jpg"))]
    )

    assert written.results == [
        list(RESULT_COLUMNS),
        [
            "1",
            "a.jpg",
            "COMPRESSED",
            "",
            "JPEG",
            "1000",
            "600",
            "pillow-jpeg",
            "75",
            "0.25",
            "e1",
            "e2",
            "v1",
            "v2",
            "",
        ],
        ["2", "b.jpg", "FAILED", "NOT_FOUND", "", "", "", "", "", "", "", "", "", "", "Gone."],
    ]


@pytest.mark.parametrize("start", FORMULA_STARTS)
def test_no_cell_of_the_results_is_a_formula(tmp_path: Path, start: str) -> None:
    hostile = f'{start}HYPERLINK("http://example.com")'
    written = Written(tmp_path, [report(failure(1, hostile, message=hostile))])

    _, row = written.results
    path, message = row[1], row[-1]
    assert path == message == f"'{hostile}"


@given(st.lists(row_reports, max_size=8))
def test_results_hold_each_row_in_order(reports: list[RowReport]) -> None:
    with TemporaryDirectory() as folder:
        written = Written(Path(folder), reports)

    assert [row[0] for row in written.results[1:]] == [str(report.result.row) for report in reports]
    for row, one in zip(written.results[1:], reports, strict=True):
        assert len(row) == len(RESULT_COLUMNS)
        assert row[1] in (one.result.path, f"'{one.result.path}")
        assert not any(cell.startswith(FORMULA_STARTS) for cell in row)


# failed.csv


@given(st.lists(row_reports, max_size=8))
def test_failed_rows_are_a_manifest_of_what_can_be_tried_again(reports: list[RowReport]) -> None:
    with TemporaryDirectory() as folder:
        written = Written(Path(folder), reports)

    header = read_header([written.failed_bytes])
    assert header is not None
    rest = written.failed_bytes[header.end :]
    rows = list(read_rows([rest], header.column, offset=header.end))
    again = [
        one.result.path
        for one in reports
        if one.result.outcome is Outcome.FAILED and one.result.reason != FailureCode.INVALID_ROW
    ]
    assert len(rows) == len(again)
    for row, path in zip(rows, again, strict=True):
        # A key of nothing but white space is no row of any manifest: nobody asked for it.
        assert row.problem is not None if not path.encode().strip() else row.key == path


def test_failed_rows_say_why(tmp_path: Path) -> None:
    written = Written(tmp_path, [report(failure(1, "=a.jpg", message="=1+2"))])

    assert written.failed == [["path", "reason", "message"], ["=a.jpg", "NOT_FOUND", "'=1+2"]]


def test_a_run_without_failures_leaves_a_manifest_of_no_rows(tmp_path: Path) -> None:
    written = Written(tmp_path, [report(compressed(1, "a.jpg", 10, 5)), report(skip(2, "b.png"))])

    assert written.failed == [["path", "reason", "message"]]


# summary.json


@given(st.lists(row_reports, max_size=12))
def test_every_sum_of_the_summary_is_the_rows(reports: list[RowReport]) -> None:
    with TemporaryDirectory() as folder:
        summary = Written(Path(folder), reports).summary

    results = [one.result for one in reports]
    totals = Totals.of(results)
    assert summary["rows"] == sum(summary["outcomes"].values()) == len(reports)
    assert summary["outcomes"] == {
        outcome: sum(result.outcome is outcome for result in results)
        for outcome in (Outcome.COMPRESSED, Outcome.SKIPPED, Outcome.FAILED)
    }
    assert summary["reasons"] == Counter(
        result.reason for result in results if result.reason is not None
    )
    assert summary["encoders"] == Counter(
        result.encoder for result in results if result.encoder is not None
    )
    assert summary["bytes_before"] == totals.bytes_before
    assert summary["bytes_after"] == totals.bytes_after
    assert summary["bytes_saved"] == totals.bytes_before - totals.bytes_after
    formats = summary["formats"].values()
    in_a_format = [result for result in results if result.format is not None]
    assert sum(one["images"] for one in formats) == len(in_a_format)
    assert sum(one["bytes_before"] for one in formats) == Totals.of(in_a_format).bytes_before
    assert sum(one["bytes_after"] for one in formats) == Totals.of(in_a_format).bytes_after


def test_the_summary_says_what_the_run_was(tmp_path: Path) -> None:
    written = Written(tmp_path, [report(compressed(1, "a.jpg", 1000, 600))])

    summary = written.summary
    assert summary["run_id"] == FACTS.run_id
    assert summary["status"] == "COMPLETED"
    assert summary["source"] == FACTS.source
    assert summary["bucket_name"] == "meu-bucket"
    assert summary["parameters"] == FACTS.settings.to_json()
    assert summary["started"] == "2024-02-01T12:00:00Z"
    assert summary["saved_percent"] == 40.0
    assert summary["work_seconds"] == 0.25
    assert summary["files"] == LINKS


def test_the_caller_gets_what_the_summary_says(tmp_path: Path) -> None:
    written = Written(tmp_path, [report(skip(1, "a.png"))])

    assert written.answer == written.summary


def test_an_empty_run_is_a_completed_run_of_no_images(tmp_path: Path) -> None:
    written = Written(tmp_path, [])

    assert written.summary["rows"] == 0
    assert written.summary["outcomes"] == {"COMPRESSED": 0, "SKIPPED": 0, "FAILED": 0}
    assert written.summary["saved_percent"] == 0.0
    assert written.results == [list(RESULT_COLUMNS)]
    assert "Processing finished: COMPLETED, 0 images" in written.log


@pytest.mark.parametrize("message", ["csv_path is \U0001f304.", 'a\nb "c" \0 \ud800'])
def test_a_message_can_hold_anything(tmp_path: Path, message: str) -> None:
    written = Written(tmp_path, [], status="FAILED", message=message)

    assert written.summary["status"] == "FAILED"
    assert written.summary["message"].startswith(message[:4])


# The log


def messages(log: str) -> list[str]:
    return [line.split(" - ", 2)[2] for line in log.splitlines()]


def test_the_log_tells_the_run_from_its_start_to_its_end(tmp_path: Path) -> None:
    at = FACTS.started.timestamp()
    rows = [
        report(
            compressed(1, "imagens/imagem1.jpg", 3_500_000, 2_100_000),
            Event(at, "INFO", "Downloading object imagens/imagem1.jpg from AWS S3."),
            Event(at + 20, "INFO", "File /tmp/imagem1.jpg was deleted."),
        ),
        report(
            failure(2, "b.jpg"), Event(at + 1, "ERROR", "Object b.jpg failed: NOT_FOUND: Gone.")
        ),
    ]
    log = Written(tmp_path, rows).log

    assert log.startswith(
        "2024-02-01 12:00:00 - INFO - Processing started: run 20240201T120000Z-dataset-01234567, "
        "bucket meu-bucket, CSV s3://trigger/dataset.csv, perc_compression_quality 75, "
    )
    assert messages(log)[1:] == [
        "Downloading object imagens/imagem1.jpg from AWS S3.",
        "File /tmp/imagem1.jpg was deleted.",
        "Object b.jpg failed: NOT_FOUND: Gone.",
        (
            "Processing finished: COMPLETED, 2 images: 1 compressed, 0 skipped, 1 failed; "
            "3.5 MB became 2.1 MB, 40.0 % saved"
        ),
    ]


@pytest.mark.parametrize(("status", "level"), [("FAILED", "ERROR"), ("ABORTED", "WARNING")])
def test_the_log_says_why_a_run_ended_early(tmp_path: Path, status: str, level: str) -> None:
    log = Written(tmp_path, [], status=status, message="The CSV has no column path.").log

    assert f" - {level} - The CSV has no column path.\n" in log


def test_the_log_opens_with_the_run_s_notes(tmp_path: Path) -> None:
    facts = RunFacts(
        run_id="r",
        started=FACTS.started,
        source="a.csv",
        bucket_name="b",
        settings=FACTS.settings,
        notes=("Metadata was ignored: mtime.",),
    )
    written = Written(tmp_path, [], facts=facts)

    assert messages(written.log)[1] == "Metadata was ignored: mtime."
    assert written.summary["notes"] == ["Metadata was ignored: mtime."]


@given(st.lists(row_reports, max_size=8))
def test_the_log_has_one_line_an_event_whatever_the_keys_hold(reports: Sequence[RowReport]) -> None:
    with TemporaryDirectory() as folder:
        log = Written(Path(folder), reports).log

    assert len(log.splitlines()) == 2 + sum(len(one.events) for one in reports)


def test_a_hostile_csv_name_forges_no_line(tmp_path: Path) -> None:
    facts = RunFacts(
        run_id="r",
        started=FACTS.started,
        source="a\n2024-02-01 12:00:00 - INFO - forged",
        bucket_name="b",
        settings=FACTS.settings,
    )

    assert len(Written(tmp_path, [], facts=facts).log.splitlines()) == 2


def test_rows_are_written_as_they_come(tmp_path: Path) -> None:
    seen: list[int] = []

    def endless() -> Iterable[RowReport]:
        for row in range(1, 2001):
            written = (tmp_path / "results").stat().st_size
            seen.append(written)
            yield report(skip(row, f"images/{row:0100}.png"))

    Written(tmp_path, endless())

    assert seen[-1] > 100_000


# Going on elsewhere


@given(st.lists(row_reports, max_size=8), st.integers(0, 8))
def test_a_report_that_goes_on_elsewhere_is_the_same(reports: list[RowReport], first: int) -> None:
    end, finished = Ending("ABORTED", "Enough."), datetime(2024, 2, 2, tzinfo=UTC)
    whole, halves = in_memory(), in_memory()
    at_once = ReportWriter(FACTS, whole, Tally.of(FACTS))
    at_once.open()
    at_once.add(reports)
    begins = ReportWriter(FACTS, halves, Tally.of(FACTS))
    begins.open()
    begins.add(reports[:first])
    kept = json.loads(json.dumps(begins.tally.to_json()))
    goes_on = ReportWriter(FACTS, halves, Tally.from_json(kept))
    goes_on.add(reports[first:])

    for writer in (at_once, goes_on):
        writer.close(finished, end)

    assert texts(halves) == texts(whole)
    assert goes_on.summary(finished, end, LINKS) == at_once.summary(finished, end, LINKS)
    assert goes_on.tally.to_json() == at_once.tally.to_json()


def in_memory() -> ReportSinks:
    return ReportSinks(io.StringIO(), io.StringIO(), io.StringIO(), io.StringIO())


def texts(sinks: ReportSinks) -> list[str]:
    files = (sinks.log, sinks.results, sinks.failed, sinks.undo)
    return [file.getvalue() for file in files if isinstance(file, io.StringIO)]
