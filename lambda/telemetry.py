"""Structured logs and metrics, one record for each row with its events inside."""

from collections.abc import Iterable

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from imagepress.journal import line
from imagepress.outcome import Totals
from imagepress.part import RowReport

logger = Logger()
_metrics = Metrics()


def log_rows(run_id: str, chunk: int, reports: Iterable[RowReport]) -> None:
    """Write the rows of a chunk to CloudWatch and count them."""
    rows = list(reports)
    for report in rows:
        logger.info(
            "row",
            run_id=run_id,
            chunk=chunk,
            result=report.result.to_json(),
            events=[line(event) for event in report.events],
        )
    if not rows:
        return
    totals = Totals.of(report.result for report in rows)
    _metrics.add_metric("ImagesCompressed", MetricUnit.Count, totals.compressed)
    _metrics.add_metric("ImagesSkipped", MetricUnit.Count, totals.skipped)
    _metrics.add_metric("ImagesFailed", MetricUnit.Count, totals.failed)
    _metrics.add_metric("BytesBefore", MetricUnit.Bytes, totals.bytes_before)
    _metrics.add_metric("BytesSaved", MetricUnit.Bytes, totals.bytes_saved)
    _metrics.add_metadata("run_id", run_id)
    _metrics.flush_metrics()
