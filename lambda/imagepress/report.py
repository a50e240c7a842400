"""What people get from a run: log, results, failed rows, page and summary, from its rows in order.

The same writer serves the reporter, which may stop and go on elsewhere, and the command line. Keys
are hostile: a cell must not become a formula in a spreadsheet, nor a key a line of the log.
"""

import csv
import io
import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from operator import attrgetter
from pathlib import Path
from typing import IO, Any, Protocol, Self

from imagepress import __version__, journal
from imagepress.estimate import SavingsEstimate
from imagepress.journal import Event
from imagepress.outcome import RESULT_COLUMNS, FailureCode, Outcome, RowResult, SkipReason, Totals
from imagepress.page_tally import PageTally
from imagepress.part import RowReport
from imagepress.report_page import render_page
from imagepress.run import BucketFacts
from imagepress.run_cost import Billing, cost_of
from imagepress.settings import RunSettings
from imagepress.undo import UNDO_COLUMNS, Undo
from imagepress.usage import Usage

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
TEXT_COLUMNS = tuple(map(RESULT_COLUMNS.index, ("path", "message")))
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
    shards: int = 1
    billing: Billing | None = None

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
    report: Path
    summary: Path


class TextSink(Protocol):
    """Takes text, a piece at a time."""

    def write(self, text: str, /) -> object:
        """Append `text`."""


@dataclass(frozen=True, slots=True)
class ReportSinks:
    """Where the texts of the report go that grow with its rows."""

    log: TextSink
    results: TextSink
    failed: TextSink
    undo: TextSink


@dataclass(slots=True)
class Tally:
    """Everything that is counted while the rows go by."""

    totals: Totals = field(default_factory=Totals)
    reasons: Counter[str] = field(default_factory=Counter)
    formats: dict[str, Totals] = field(default_factory=dict)
    encoders: Counter[str] = field(default_factory=Counter)
    estimate: SavingsEstimate = field(default_factory=SavingsEstimate)
    work_seconds: float = 0.0
    usage: Usage = field(default_factory=Usage)
    page: PageTally = field(default_factory=PageTally)

    @classmethod
    def of(cls, facts: RunFacts) -> Self:
        """The tally of a run that has no rows yet."""
        return cls(page=PageTally(facts.run_id, facts.settings.report_samples))

    def add(self, report: RowReport) -> None:
        """Count one row."""
        result = report.result
        self.usage.add(result)
        self.page.add(report)
        self.totals = self.totals.plus(result)
        if result.reason is not None:
            self.reasons[result.reason] += 1
        if result.format is not None:
            self.formats[result.format] = self.formats.get(result.format, Totals()).plus(result)
        if result.encoder is not None:
            self.encoders[result.encoder] += 1
        self.work_seconds += result.seconds or 0.0
        self.estimate.add(result)

    def to_json(self) -> dict[str, Any]:
        """What was counted so far, as plain values."""
        return {
            "totals": asdict(self.totals),
            "reasons": dict(self.reasons),
            "formats": {name: asdict(totals) for name, totals in self.formats.items()},
            "encoders": dict(self.encoders),
            "estimate": asdict(self.estimate),
            "work_seconds": self.work_seconds,
            "usage": self.usage.to_json(),
            "page": self.page.to_json(),
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Read back what `to_json` wrote."""
        return cls(
            totals=Totals(**values["totals"]),
            reasons=Counter(values["reasons"]),
            formats={name: Totals(**totals) for name, totals in values["formats"].items()},
            encoders=Counter(values["encoders"]),
            estimate=SavingsEstimate(**values["estimate"]),
            work_seconds=values["work_seconds"],
            usage=Usage.from_json(values["usage"]),
            page=PageTally.from_json(values["page"]),
        )


@dataclass(frozen=True, slots=True)
class ReportWriter:
    """Writes one row after the other; with its sinks and its tally kept, another may go on."""

    facts: RunFacts
    sinks: ReportSinks
    tally: Tally

    def open(self) -> None:
        """Write what stands above the rows."""
        self.sinks.log.write(journal.lines(_opening(self.facts)))
        self.sinks.results.write(_csv([RESULT_COLUMNS]))
        self.sinks.failed.write(_csv([FAILED_COLUMNS]))
        self.sinks.undo.write(_csv([("path", *UNDO_COLUMNS)]))

    def add(self, reports: Iterable[RowReport]) -> None:
        """Write the next rows, together."""
        events: list[Event] = []
        results, failed, undo = [], [], []
        for report in reports:
            result = report.result
            self.tally.add(report)
            events.extend(report.events)
            results.append(_cells(result))
            if result.outcome is Outcome.COMPRESSED:
                undo.append((result.path, *_undo_cells(self.facts.undo(result))))
            if _can_be_tried_again(result):
                failed.append((result.path, result.reason, _harmless(result.message)))
        self.sinks.log.write(journal.lines(events))
        self.sinks.results.write(_csv(results))
        self.sinks.failed.write(_csv(failed))
        self.sinks.undo.write(_csv(undo))

    def close(self, finished: datetime, end: Ending) -> None:
        """Write what stands below the rows."""
        self.sinks.log.write(journal.lines(_closing(finished, self.tally, end)))

    def summary(self, finished: datetime, end: Ending, links: Mapping[str, str]) -> dict[str, Any]:
        """What `summary.json` says; `links` say where people will find the files."""
        return _summary(self.facts, self.tally, finished, end, links)


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
    with (
        _opened(files.log) as log,
        _opened(files.results) as results,
        _opened(files.failed) as failed,
        _opened(files.undo) as undo,
    ):
        writer = ReportWriter(facts, ReportSinks(log, results, failed, undo), Tally.of(facts))
        writer.open()
        for report in rows:
            writer.add([report])
        finished, end = datetime.now(UTC), ending()
        writer.close(finished, end)
    summary = writer.summary(finished, end, links)
    files.report.write_text(render_page(summary, writer.tally.page), "utf-8")
    files.summary.write_text(summary_text(summary), "utf-8", "backslashreplace")
    return summary


def _opened(file: Path) -> IO[str]:
    """Line by line: what a process that is killed has done must be in its undo record."""
    return file.open("w", 1, encoding="utf-8", errors="backslashreplace", newline="")


def summary_text(summary: Mapping[str, Any]) -> str:
    """The text of `summary.json`."""
    return f"{json.dumps(summary, indent=2, ensure_ascii=False)}\n"


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


_result_cells = attrgetter(*RESULT_COLUMNS)
_undo_cells = attrgetter(*UNDO_COLUMNS)


def _cells(result: RowResult) -> list[object]:
    cells = list(_result_cells(result))
    for column in TEXT_COLUMNS:
        cells[column] = _harmless(cells[column])
    return cells


def _csv(rows: Iterable[Iterable[object]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def _harmless(text: str) -> str:
    """A cell that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text


def _can_be_tried_again(result: RowResult) -> bool:
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
        **cost_of(
            tally.usage,
            facts.settings,
            facts.bucket,
            facts.billing,
            started=facts.started,
            shards=facts.shards,
        ),
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
