"""The metrics that dashboard and alarms look at, each defined once.

Those of the pipeline are written by `lambda/telemetry.py`: in the namespace of the stack's name,
with one dimension for all functions. What memory a function used is only in the report that Lambda
logs of each call; a filter makes a metric of that.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from imagepress.outcome import FailureCode
from infra.config import FunctionSize

SERVICE = "pipeline"
FIVE_MINUTES = Duration.minutes(5)
# The words of such a report, which may go on: "REPORT RequestId: 1a2b Duration: 2.31 ms Billed
# Duration: 3 ms Memory Size: 128 MB Max Memory Used: 66 MB Init Duration: 401 ms".
REPORT_PATTERN = (
    '[report="REPORT", id_label="RequestId:", id, duration_label="Duration:", duration, '
    'duration_unit, billed_label="Billed", billed_duration="Duration:", billed, billed_unit, '
    'size_label="Memory", size_size="Size:", size, size_unit, '
    'used_label="Max", used_memory="Memory", used_used="Used:", used, used_unit="MB", ...]'
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """What there is to watch, by the names that people read."""

    namespace: str
    functions: Mapping[str, lambda_.IFunction]
    sizes: Mapping[str, FunctionSize]
    queues: Mapping[str, sqs.IQueue]
    dead_letters: Mapping[str, sqs.IQueue]
    compressor_memory: cloudwatch.Metric

    def pipeline(
        self,
        name: str,
        *,
        label: str | None = None,
        period: Duration = FIVE_MINUTES,
        code: FailureCode | None = None,
    ) -> cloudwatch.Metric:
        """The sum of a metric that the functions write."""
        dimensions = {"service": SERVICE, **({"code": str(code)} if code else {})}
        return cloudwatch.Metric(
            namespace=self.namespace,
            metric_name=name,
            dimensions_map=dimensions,
            statistic="Sum",
            label=label,
            period=period,
        )

    def of_functions(
        self, name: str, *, statistic: str = "Sum", period: Duration = FIVE_MINUTES
    ) -> list[cloudwatch.Metric]:
        """A metric of each function."""
        return [
            function.metric(name, statistic=statistic, label=label, period=period)
            for label, function in self.functions.items()
        ]


def memory_used(
    scope: Construct, construct_id: str, *, log_group: logs.ILogGroup, namespace: str, name: str
) -> cloudwatch.Metric:
    """The most megabytes that a call of a function used, by what Lambda says in its log."""
    written = logs.MetricFilter(
        scope,
        construct_id,
        log_group=log_group,
        filter_pattern=logs.FilterPattern.literal(REPORT_PATTERN),
        metric_namespace=namespace,
        metric_name=name,
        metric_value="$used",
    )
    return written.metric(statistic="Maximum", label="most in a call", period=FIVE_MINUTES)


def total(
    metrics: Sequence[cloudwatch.IMetric], *, label: str, period: Duration = FIVE_MINUTES
) -> cloudwatch.MathExpression:
    """The sum of metrics, of which some may have no data."""
    names = [f"m{number}" for number in range(len(metrics))]
    return cloudwatch.MathExpression(
        expression=" + ".join(f"FILL({name}, 0)" for name in names),
        using_metrics=dict(zip(names, metrics, strict=True)),
        label=label,
        period=period,
    )
