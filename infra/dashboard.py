"""One page that says how it goes: what to look at first on top, details below."""

from collections.abc import Sequence

from aws_cdk import Aws, Duration, Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from imagepress.outcome import FailureCode
from infra.config import Architecture
from infra.metrics import FIVE_MINUTES, Watched

MINUTE = Duration.minutes(1)
FULL, HALF, THIRD, QUARTER = 24, 12, 8, 6
# USD for each GB-second, us-east-1, list price of May 2026, without free tier and discounts.
USD_A_GB_SECOND: dict[Architecture, float] = {"x86_64": 0.0000166667, "arm64": 0.0000133334}
MB_A_GB = 1024
MS_A_SECOND = 1000
HEADER = """# {stack}: images made smaller, in place

**Look first at the alarms.** All green: nothing needs you. Red: its description says what it means
and what to do first; more is in `docs/operating.md`. **Then at the backlog:** while a run is on,
chunks that wait should go down, and the oldest should be hours old at most. **Then at failures by
code:** rows that fail leave their pictures as they were, and stand in the run's `failed.csv`.

[Reports of all runs]({console}/s3/buckets/{runs_bucket}?region={region}&prefix=runs/)
· [Start, stop, undo]({console}/lambda/home?region={region}#/functions/{dispatcher}?tab=testing)
· [Saved queries]({console}/cloudwatch/home?region={region}#logsV2:logs-insights)
· [All alarms]({console}/cloudwatch/home?region={region}#alarmsV2:)
"""


class RunsDashboard(Construct):
    """The dashboard of a stack; `alarms` are their names, in the order to show them in."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        watched: Watched,
        architecture: Architecture,
        runs_bucket: str,
        alarms: Sequence[str],
    ) -> None:
        super().__init__(scope, construct_id)
        self._watched = watched
        self._price = USD_A_GB_SECOND[architecture]
        name = Stack.of(self).stack_name
        dashboard = cloudwatch.Dashboard(
            self, "Dashboard", dashboard_name=name, default_interval=Duration.hours(12)
        )
        console = f"https://{Aws.REGION}.console.aws.amazon.com"
        self.url = f"{console}/cloudwatch/home?region={Aws.REGION}#dashboards/dashboard/{name}"
        header = HEADER.format(
            stack=name,
            console=console,
            region=Aws.REGION,
            runs_bucket=runs_bucket,
            dispatcher=watched.functions["Dispatcher"].function_name,
        )
        dashboard.add_widgets(
            cloudwatch.TextWidget(markdown=header, width=FULL, height=5),
        )
        dashboard.add_widgets(
            cloudwatch.AlarmStatusWidget(
                title="Alarms",
                alarms=[cloudwatch.Alarm.from_alarm_name(self, name, name) for name in alarms],
                width=FULL,
                height=3,
            ),
        )
        dashboard.add_widgets(*self._sums())
        dashboard.add_widgets(self._throughput(), self._failures())
        dashboard.add_widgets(self._waiting(), self._ages(), self._dead_letters())
        dashboard.add_widgets(self._bytes(), self._cost(), self._work(), self._memory())
        dashboard.add_widgets(*self._functions())

    def _sums(self) -> list[cloudwatch.IWidget]:
        """What was done in the time that is looked at."""
        done = {
            "ImagesCompressed": "Images compressed",
            "ImagesSkipped": "Images skipped",
            "ImagesFailed": "Images failed",
            "ImagesRestored": "Images put back",
            "BytesSaved": "Bytes saved",
        }
        counts = [self._watched.pipeline(name, label=label) for name, label in done.items()]
        return [
            cloudwatch.SingleValueWidget(
                title="In the time shown",
                metrics=[*counts, self._dollars()],
                set_period_to_time_range=True,
                width=FULL,
                height=3,
            )
        ]

    def _throughput(self) -> cloudwatch.IWidget:
        colours = {
            "ImagesCompressed": ("compressed", cloudwatch.Color.GREEN),
            "ImagesSkipped": ("skipped, on purpose", cloudwatch.Color.GREY),
            "ImagesFailed": ("failed", cloudwatch.Color.RED),
            "ImagesRestored": ("put back", cloudwatch.Color.BLUE),
        }
        metrics = [
            self._watched.pipeline(name, label=label, period=MINUTE).with_(color=colour)
            for name, (label, colour) in colours.items()
        ]
        return cloudwatch.GraphWidget(
            title="Images a minute",
            left=metrics,
            left_y_axis=_axis("images a minute"),
            stacked=True,
            width=HALF,
        )

    def _failures(self) -> cloudwatch.IWidget:
        metrics = [
            self._watched.pipeline("FailuresByCode", label=str(code), code=code)
            for code in FailureCode
        ]
        return cloudwatch.GraphWidget(
            title="Failures by code (docs/reference.md says what each code means)",
            left=metrics,
            left_y_axis=_axis("images in 5 minutes"),
            stacked=True,
            width=HALF,
        )

    def _waiting(self) -> cloudwatch.IWidget:
        chunks = self._watched.queues["Chunk"]
        return cloudwatch.GraphWidget(
            title="Backlog: chunks of up to 100 images",
            left=[
                chunks.metric_approximate_number_of_messages_visible(
                    label="waiting", period=MINUTE, statistic="Maximum"
                ),
                chunks.metric_approximate_number_of_messages_not_visible(
                    label="at work, or to be tried again", period=MINUTE, statistic="Maximum"
                ),
            ],
            left_y_axis=_axis("chunks"),
            width=THIRD,
        )

    def _ages(self) -> cloudwatch.IWidget:
        labels = {"Dispatch": "sending out a list", "Chunk": "chunk", "Report": "report"}
        return cloudwatch.GraphWidget(
            title="Age of the oldest message (SQS forgets after 14 days)",
            left=[
                queue.metric_approximate_age_of_oldest_message(
                    label=labels[name], period=FIVE_MINUTES, statistic="Maximum"
                )
                for name, queue in self._watched.queues.items()
            ],
            left_y_axis=_axis("seconds"),
            width=THIRD,
        )

    def _dead_letters(self) -> cloudwatch.IWidget:
        return cloudwatch.GraphWidget(
            title="Dead letters (the undertaker ends them) and runs pushed on by the sweeper",
            left=[
                queue.metric_approximate_number_of_messages_visible(
                    label=f"dead letters: {name.lower()}", period=FIVE_MINUTES, statistic="Maximum"
                )
                for name, queue in self._watched.dead_letters.items()
            ],
            right=[self._watched.pipeline("RunsPushed", label="runs pushed on")],
            left_y_axis=_axis("messages"),
            right_y_axis=_axis("runs"),
            width=THIRD,
        )

    def _bytes(self) -> cloudwatch.IWidget:
        before = self._watched.pipeline("BytesBefore")
        saved = self._watched.pipeline("BytesSaved", label="bytes saved")
        percent = cloudwatch.MathExpression(
            expression="100 * saved / before",
            using_metrics={"saved": saved, "before": before},
            label="percent of what was read",
            period=FIVE_MINUTES,
        )
        return cloudwatch.GraphWidget(
            title="Bytes saved",
            left=[saved],
            right=[percent],
            left_y_axis=_axis("bytes in 5 minutes"),
            right_y_axis=cloudwatch.YAxisProps(label="percent", min=0, max=100, show_units=False),
            width=QUARTER,
        )

    def _cost(self) -> cloudwatch.IWidget:
        return cloudwatch.GraphWidget(
            title="Lambda compute, estimated (without requests, /tmp, S3, SQS and DynamoDB)",
            left=[self._dollars()],
            left_y_axis=_axis("US dollars in 5 minutes"),
            width=QUARTER,
        )

    def _dollars(self) -> cloudwatch.MathExpression:
        """GB-seconds at their price; milliseconds come from Lambda."""
        durations = self._watched.of_functions("Duration")
        prices = [
            size.memory_mb / MB_A_GB / MS_A_SECOND * self._price
            for size in self._watched.sizes.values()
        ]
        terms = [f"FILL(d{number}, 0) * {price:.14f}" for number, price in enumerate(prices)]
        return cloudwatch.MathExpression(
            expression=" + ".join(terms),
            using_metrics={f"d{number}": metric for number, metric in enumerate(durations)},
            label="US dollars of Lambda compute (us-east-1, list price of May 2026)",
            period=FIVE_MINUTES,
        )

    def _work(self) -> cloudwatch.IWidget:
        seconds = self._watched.pipeline("WorkSeconds")
        counts = [
            self._watched.pipeline(name)
            for name in ("ImagesCompressed", "ImagesSkipped", "ImagesFailed", "ImagesRestored")
        ]
        each = cloudwatch.MathExpression(
            expression="seconds / (compressed + skipped + failed + restored)",
            using_metrics={
                "seconds": seconds,
                **dict(zip(("compressed", "skipped", "failed", "restored"), counts, strict=True)),
            },
            label="seconds for an image, on average",
            period=FIVE_MINUTES,
        )
        return cloudwatch.GraphWidget(
            title="Seconds for an image, download and upload included",
            left=[each],
            left_y_axis=_axis("seconds"),
            width=QUARTER,
        )

    def _memory(self) -> cloudwatch.IWidget:
        given = self._watched.sizes["Compressor"].memory_mb
        return cloudwatch.GraphWidget(
            title="Memory of a compressor",
            left=[self._watched.compressor_memory],
            left_annotations=[
                cloudwatch.HorizontalAnnotation(
                    value=given, label="given", color=cloudwatch.Color.RED
                )
            ],
            left_y_axis=_axis("megabytes"),
            width=QUARTER,
        )

    def _functions(self) -> list[cloudwatch.IWidget]:
        graphs = {
            "Function errors (work comes back)": ("Errors", "Sum", "errors in 5 minutes"),
            "Throttled calls": ("Throttles", "Sum", "calls in 5 minutes"),
            "Duration, longest": ("Duration", "Maximum", "milliseconds"),
            "Functions at work at once": ("ConcurrentExecutions", "Maximum", "invocations"),
        }
        return [
            cloudwatch.GraphWidget(
                title=title,
                left=self._watched.of_functions(name, statistic=statistic),
                left_y_axis=_axis(unit),
                width=FULL // len(graphs),
            )
            for title, (name, statistic, unit) in graphs.items()
        ]


def _axis(label: str) -> cloudwatch.YAxisProps:
    return cloudwatch.YAxisProps(label=label, min=0, show_units=False)
