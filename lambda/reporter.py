"""Lambda handler of the reporter: writes the log and its companions when a run's rows are done."""

from collections.abc import Mapping
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from environment import Environment, s3_client, sns_client, sqs_client
from imagepress.costs import Machine
from imagepress.manifest_store import ManifestStore
from imagepress.reporting import Reporter
from imagepress.run_cost import Billing
from publisher import Publisher
from sqs_events import each_message, hold
from telemetry import logger

_environment = Environment.from_env()
_s3 = s3_client()
_reports = _environment.queue("REPORT_QUEUE_URL", sqs_client())
_reporter = Reporter(
    runs=_environment.runs(),
    manifests=ManifestStore(_s3),
    store=_environment.store(_s3),
    reports=_reports,
    announce=Publisher(sns_client(), _environment).run_ended,
    billing=Billing(
        region=_environment.text("AWS_REGION"),
        compressor=Machine(
            memory_mb=int(_environment.text("COMPRESSOR_MEMORY_MB")),
            architecture=_environment.text("ARCHITECTURE"),
            tmp_mb=int(_environment.text("COMPRESSOR_TMP_MB")),
        ),
    ),
)


@logger.inject_lambda_context(clear_state=True)
def handler(event: Any, context: LambdaContext) -> Any:
    """Write the report of each run asked for."""
    return each_message(event, lambda body, record: _take(body, record, context))


def _take(body: Mapping[str, Any], record: Mapping[str, Any], context: LambdaContext) -> bool:
    hold(_reports, record, context)
    logger.append_keys(run_id=body["report"])
    summary = _reporter.report(
        body["report"], lambda: context.get_remaining_time_in_millis() / 1000
    )
    if summary is not None:
        logger.info("run ended", summary=summary)
    return True
