"""Pages of made-up runs, for the tests of what they say and of how a browser shows them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from imagepress.outcome import FailureCode, Outcome, RowResult, SkipReason
from imagepress.page_tally import PageTally
from imagepress.part import RowReport
from imagepress.report import Ending, ReportFiles, RunFacts, write_report
from imagepress.run import BucketFacts
from imagepress.sample import Sample
from imagepress.settings import RunSettings

HOSTILE = (
    "<script>document.title = 'HACKED'</script>.jpg",
    '"><img src=x onerror="document.title=1">',
    "</script><script>document.title = 'HACKED'</script>",
    "</style><style>* { display: none }",
    "' onmouseover='document.title=1",
    "<!-- ",
    "{{ 7 * 7 }}{% raw %}",
    "&lt;b&gt;",
    "javascript:document.title=1",
    "\N{RIGHT-TO-LEFT OVERRIDE}gpj.evil",
    "صورة/مرحبا.jpg",
    "a\0b\nc\td",
    "e" + "\N{COMBINING ACUTE ACCENT}" * 300,
    "x" * 1024,
    "W" * 1024,
    "\ud800",
    "  ",
)
"""Keys and messages that must be shown, and must do nothing."""


def page_parts(
    results: Iterable[RowResult],
    samples: Mapping[int, Sample] | None = None,
    end: Ending | None = None,
    **facts: Any,
) -> tuple[dict[str, Any], PageTally]:
    """The summary and the page's tally of a run with these rows; `facts` are those of the run."""
    samples = samples or {}
    run = RunFacts(
        **{
            "run_id": "20261123T042401Z-november-d7bec4f6",
            "started": datetime(2026, 11, 23, 4, 24, 1, tzinfo=UTC),
            "source": "s3://lists/november.csv",
            "bucket_name": "pictures",
            "settings": RunSettings(),
            "bucket": BucketFacts(versioned=True),
            **facts,
        }
    )
    page = PageTally(run.run_id, len(samples))
    reports = [RowReport(result, (), samples.get(result.row)) for result in results]
    for report in reports:
        page.add(report)
    names = ("log", "results", "failed", "undo", "report", "summary")
    links = {name: f"s3://runs/{run.run_id}/{name}.csv" for name in names}
    with TemporaryDirectory() as folder:
        files = ReportFiles(**{name: Path(folder, name) for name in names})
        ended = end or Ending()
        summary = write_report(run, reports, files, ending=lambda: ended, links=links)
    return summary, page


def compressed(row: int, path: str = "", before: int = 300_000, after: int = 100_000) -> RowResult:
    """A picture that was replaced."""
    return RowResult(
        row=row,
        path=path or f"photos/{row:04}.jpg",
        outcome=Outcome.COMPRESSED,
        format="PNG" if row % 5 == 0 else "JPEG",
        bytes_before=before,
        bytes_after=after,
        encoder="jpegli",
        quality=80,
        seconds=0.5,
    )


def skipped(row: int, reason: SkipReason) -> RowResult:
    """A picture that was left as it is."""
    return RowResult(row=row, path=f"photos/{row:04}.jpg", outcome=Outcome.SKIPPED, reason=reason)


def failed(row: int, reason: FailureCode, path: str = "", message: str = "") -> RowResult:
    """A row that failed."""
    return RowResult(
        row=row,
        path=path or f"photos/{row:04}.jpg",
        outcome=Outcome.FAILED,
        reason=reason,
        message=message,
    )


def many_rows() -> Iterator[RowResult]:
    """A run in which every reason occurred."""
    yield from (
        compressed(row, before=20_000 + row**3, after=8_000 + row**3 // 3) for row in range(1, 200)
    )
    yield from (skipped(200 + number, reason) for number, reason in enumerate(SkipReason))
    yield from (
        failed(300 + number, reason, message="The reason, in words.")
        for number, reason in enumerate([*FailureCode] * 4)
    )


def hostile_rows(texts: Sequence[str] = HOSTILE) -> Iterator[RowResult]:
    """Rows whose keys and messages mean harm."""
    for row, text in enumerate(texts, start=1):
        yield compressed(row, text, before=300_000 - row)
        yield failed(100 + row, FailureCode.CORRUPT_IMAGE, text, text)
