"""Structured logs and metrics, one record for each row with its events inside.

Each metric costs money by name and dimensions, not by value: there are eight, one more for each
code that rows have failed with, and none for each run. All functions share the dimension
`service`, so that what the undertaker ends is added to what the compressor does.
"""

from collections import Counter
from collections.abc import Collection, Iterable

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from imagepress.journal import line
from imagepress.outcome import Outcome, RowResult, Totals
from imagepress.part import RowReport

logger = Logger()
_metrics = Metrics(service="pipeline")


def log_rows(run_id: str, chunk: int, reports: Iterable[RowReport]) -> None:
    """Write the rows of a chunk to CloudWatch and count them."""
    rows = list(reports)
    for report in rows:
        logger.info(
            "row",
            run_id=run_id,
            chunk=chunk,
            key=report.result.path,
            result=report.result.to_json(),
            events=[line(event) for event in report.events],
        )
    if rows:
        _count_rows(run_id, [report.result for report in rows])


def count_pushes(run_ids: Collection[str]) -> None:
    """Count the runs that the sweeper had to push on; nothing is written where there is none."""
    if run_ids:
        _metrics.add_metric("RunsPushed", MetricUnit.Count, len(run_ids))
        _metrics.flush_metrics()


def _count_rows(run_id: str, results: list[RowResult]) -> None:
    totals = Totals.of(results)
    _metrics.add_metric("ImagesCompressed", MetricUnit.Count, totals.compressed)
    _metrics.add_metric("ImagesSkipped", MetricUnit.Count, totals.skipped)
    _metrics.add_metric("ImagesFailed", MetricUnit.Count, totals.failed)
    _metrics.add_metric("ImagesRestored", MetricUnit.Count, totals.restored)
    _metrics.add_metric("BytesBefore", MetricUnit.Bytes, totals.bytes_before)
    _metrics.add_metric("BytesSaved", MetricUnit.Bytes, totals.bytes_saved)
    seconds = sum(result.seconds or 0.0 for result in results)
    _metrics.add_metric("WorkSeconds", MetricUnit.Seconds, round(seconds, 3))
    _flush(run_id)
    codes = Counter(result.reason for result in results if result.outcome is Outcome.FAILED)
    for code, count in codes.items():
        _metrics.add_dimension("code", str(code))
        _metrics.add_metric("FailuresByCode", MetricUnit.Count, count)
        _flush(run_id)


def _flush(run_id: str) -> None:
    _metrics.add_metadata("run_id", run_id)
    _metrics.flush_metrics()
