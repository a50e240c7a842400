"""What people get from a run: log, results, failed rows and summary, from its rows in order.

The same writer serves the reporter and the command line. Keys are hostile: a cell must not become
a formula in a spreadsheet, nor a key a line of the log.
"""

import csv
import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import astuple, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from imagepress import __version__, journal
from imagepress.estimate import SavingsEstimate
from imagepress.journal import Event
from imagepress.outcome import RESULT_COLUMNS, FailureCode, Outcome, RowResult, SkipReason, Totals
from imagepress.part import RowReport
from imagepress.run import BucketFacts
from imagepress.settings import RunSettings
from imagepress.undo import UNDO_COLUMNS, Undo

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
TEXT_COLUMNS = frozenset({"path", "message"})
FAILED_COLUMNS = ("path", "reason", "message")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFacts:
    """What the report says of the run as a whole; `source` is where its manifest came from."""

    run_id: str
    started: datetime
    source: str
    bucket_name: str
    settings: RunSettings
    bucket: BucketFacts = field(default_factory=BucketFacts)
    sample: float = 1.0
    restores: str | None = None
    notes: tuple[str, ...] = ()

    def undo(self, result: RowResult) -> Undo:
        """How to bring back what a row replaced."""
        prefix = self.settings.backup_prefix
        backup = f"{prefix}/{self.run_id}/{result.path}" if prefix else ""
        return Undo.for_result(result, backup, versioned=self.bucket.versioned)


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run ended, and why."""

    status: str = "COMPLETED"
    message: str = ""


@dataclass(frozen=True, slots=True)
class ReportFiles:
    """Where the report's files are written."""

    log: Path
    results: Path
    failed: Path
    undo: Path
    summary: Path


@dataclass(slots=True)
class Tally:
    """Everything that is counted while the rows go by."""

    totals: Totals = field(default_factory=Totals)
    reasons: Counter[str] = field(default_factory=Counter)
    formats: dict[str, Totals] = field(default_factory=dict)
    encoders: Counter[str] = field(default_factory=Counter)
    estimate: SavingsEstimate = field(default_factory=SavingsEstimate)
    work_seconds: float = 0.0

    def add(self, report: RowReport) -> None:
        """Count one row."""
        result = report.result
        self.totals = self.totals.plus(result)
        if result.reason is not None:
            self.reasons[result.reason] += 1
        if result.format is not None:
            self.formats[result.format] = self.formats.get(result.format, Totals()).plus(result)
        if result.encoder is not None:
            self.encoders[result.encoder] += 1
        self.work_seconds += result.seconds or 0.0
        self.estimate.add(result)


def write_report(
    facts: RunFacts,
    rows: Iterable[RowReport],
    files: ReportFiles,
    *,
    ending: Callable[[], Ending],
    links: Mapping[str, str],
) -> dict[str, Any]:
    """Write all files of the report; return what `summary.json` says.

    `ending` is asked when all rows have gone by; `links` say where people will find the files.
    """
    tally = Tally()
    with (
        files.log.open("w", encoding="utf-8", errors="backslashreplace", newline="") as log,
        files.results.open("w", encoding="utf-8", errors="backslashreplace", newline="") as results,
        files.failed.open("w", encoding="utf-8", errors="backslashreplace", newline="") as failed,
        files.undo.open("w", encoding="utf-8", errors="backslashreplace", newline="") as undo,
    ):
        result_rows = csv.writer(results, lineterminator="\n")
        failed_rows = csv.writer(failed, lineterminator="\n")
        undo_rows = csv.writer(undo, lineterminator="\n")
        undo_rows.writerow(("path", *UNDO_COLUMNS))
        result_rows.writerow(RESULT_COLUMNS)
        failed_rows.writerow(FAILED_COLUMNS)
        log.write(journal.lines(_opening(facts)))
        for report in rows:
            tally.add(report)
            log.write(journal.lines(report.events))
            result_rows.writerow(_cells(report))
            result = report.result
            if result.outcome is Outcome.COMPRESSED:
                undo_rows.writerow((result.path, *astuple(facts.undo(result))))
            if _can_be_tried_again(report):
                failed_rows.writerow((result.path, result.reason, _harmless(result.message)))
        finished = datetime.now(UTC)
        end = ending()
        log.write(journal.lines(_closing(finished, tally, end)))
    summary = _summary(facts, tally, finished, end, links)
    text = json.dumps(summary, indent=2, ensure_ascii=False)
    files.summary.write_text(f"{text}\n", "utf-8", "backslashreplace")
    return summary


def _opening(facts: RunFacts) -> list[Event]:
    settings = facts.settings.to_json()
    parameters = ", ".join(f"{name} {value}" for name, value in settings.items())
    at = facts.started.timestamp()
    first = (
        f"Processing started: run {facts.run_id}, bucket {facts.bucket_name}, "
        f"CSV {facts.source}, {parameters}"
    )
    return [
        Event(at, journal.INFO, first),
        *(Event(at, journal.WARNING, note) for note in facts.notes),
    ]


def _closing(finished: datetime, tally: Tally, end: Ending) -> list[Event]:
    totals = tally.totals
    at = finished.timestamp()
    events = []
    if end.message:
        level = journal.ERROR if end.status == "FAILED" else journal.WARNING
        events.append(Event(at, level, end.message))
    events.append(
        Event(
            at,
            journal.INFO,
            f"Processing finished: {end.status}, {totals.rows} images: "
            f"{totals.compressed} compressed, {totals.skipped} skipped, {totals.failed} failed; "
            f"{journal.megabytes(totals.bytes_before)} became "
            f"{journal.megabytes(totals.bytes_after)}, {_saved_percent(totals)} % saved",
        )
    )
    return events


def _cells(report: RowReport) -> list[object]:
    result = report.result
    return [
        _harmless(getattr(result, name)) if name in TEXT_COLUMNS else getattr(result, name)
        for name in RESULT_COLUMNS
    ]


def _harmless(text: str) -> str:
    """A cell that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text


def _can_be_tried_again(report: RowReport) -> bool:
    result = report.result
    return result.outcome is Outcome.FAILED and result.reason is not FailureCode.INVALID_ROW


def _summary(
    facts: RunFacts,
    tally: Tally,
    finished: datetime,
    end: Ending,
    links: Mapping[str, str],
) -> dict[str, Any]:
    totals = tally.totals
    return {
        "run_id": facts.run_id,
        "status": end.status,
        "message": end.message,
        "notes": list(facts.notes),
        "version": __version__,
        "source": facts.source,
        "bucket_name": facts.bucket_name,
        "restores": facts.restores,
        "parameters": facts.settings.to_json(),
        "started": _iso(facts.started),
        "finished": _iso(finished),
        "seconds": round((finished - facts.started).total_seconds(), 3),
        "work_seconds": round(tally.work_seconds, 3),
        "rows": totals.rows,
        "outcomes": {
            Outcome.COMPRESSED: totals.compressed,
            Outcome.SKIPPED: totals.skipped,
            Outcome.FAILED: totals.failed,
            **({Outcome.RESTORED: totals.restored} if totals.restored else {}),
        },
        "reasons": dict(sorted(tally.reasons.items())),
        "encoders": dict(sorted(tally.encoders.items())),
        "formats": {
            name: {
                "images": of_format.rows,
                "compressed": of_format.compressed,
                "bytes_before": of_format.bytes_before,
                "bytes_after": of_format.bytes_after,
            }
            for name, of_format in sorted(tally.formats.items())
        },
        "bytes_before": totals.bytes_before,
        "bytes_after": totals.bytes_after,
        "bytes_saved": totals.bytes_saved,
        "saved_percent": _saved_percent(totals),
        **_dry_run(facts, tally),
        "undo": _way_back(facts),
        "files": dict(links),
    }


def _dry_run(facts: RunFacts, tally: Tally) -> dict[str, Any]:
    if not facts.settings.only_measures:
        return {}
    drawn = tally.totals.rows - tally.reasons[SkipReason.NOT_SAMPLED]
    return {"dry_run": tally.estimate.to_json(drawn, tally.totals.rows)}


def _way_back(facts: RunFacts) -> str:
    """What holds the originals of what the run replaced."""
    if facts.settings.backup_prefix:
        return "backup"
    return "versions" if facts.bucket.versioned else "none"


def _saved_percent(totals: Totals) -> float:
    return round(100 * totals.bytes_saved / totals.bytes_before, 1) if totals.bytes_before else 0.0


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
