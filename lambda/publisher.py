"""Tells people that a run has ended, through SNS; what goes wrong here never holds up a run.

A run's end is announced just before it is recorded: whoever dies between the two is followed by
another who announces it again. So there is at least one notice, and rarely a second.
"""

from collections.abc import Callable, Mapping
from typing import Any

from environment import Environment
from imagepress.notice import Notice, Place, notice_of, notice_without_report
from imagepress.run import Run
from imagepress.run_store import run_prefix
from telemetry import logger


class Publisher:
    """Publishes to the topic for notices. `sns` is an SNS client, whose types are not installed."""

    def __init__(self, sns: Any, environment: Environment) -> None:
        self._sns = sns
        self._topic = environment.text("NOTICE_TOPIC_ARN")
        self._place = Place(
            region=environment.text("AWS_REGION"),
            runs_bucket=environment.text("RUNS_BUCKET"),
            dispatcher=environment.text("DISPATCHER_FUNCTION"),
        )

    def run_ended(self, summary: Mapping[str, Any]) -> None:
        """Announce the end of a run that left a report."""
        self._publish(lambda: notice_of(summary, self._place))

    def run_unreported(self, run: Run, message: str) -> None:
        """Announce the end of a run whose report could not be written."""
        prefix = run_prefix(run.run_id)
        self._publish(lambda: notice_without_report(run, message, prefix, self._place))

    def _publish(self, write: Callable[[], Notice]) -> None:
        try:
            notice = write()
            attributes = {"status": notice.status, "kind": notice.kind}
            self._sns.publish(
                TopicArn=self._topic,
                Subject=notice.subject,
                Message=notice.message(),
                MessageStructure="json",
                MessageAttributes={
                    name: {"DataType": "String", "StringValue": value}
                    for name, value in attributes.items()
                },
            )
        except Exception:  # noqa: BLE001 - whatever it is, the run is done and must end
            logger.exception("the end of a run was not announced")
