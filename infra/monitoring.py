"""Alarms: each says that something is wrong that does not mend itself, and what to do first.

What a run is asked to do may fail row by row; that is its report's business. None of these goes
off for a row, a death or a refused list. docs/operating.md has a section for each.

Cost: 13 alarms on 25 metrics, at 0.10 USD a metric and month; the topic's key is 1 USD a month.
The pipeline's own metrics are eight, and one for each code that rows fail with, 0.30 USD a month
each, counted by the hours in which they were written (us-east-1, list prices of May 2026).
"""

from aws_cdk import Duration, Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_sns as sns
from constructs import Construct

from infra.metrics import Watched, total

MINUTES_5 = Duration.minutes(5)
MINUTES_15 = Duration.minutes(15)
# Half of what SQS keeps a message for.
OLDEST_CHUNK = Duration.days(7)
OLDEST_STEP = Duration.hours(1)
ROWS_TO_JUDGE = 100
FAILED_PERCENT = 25
ERRORS_IN_A_ROW = 3
COMPRESSOR_ERRORS = 10
COMPRESSOR_ERROR_PERCENT = 5


class Alarms(Construct):
    """The alarms of a stack, all to one topic."""

    def __init__(
        self, scope: Construct, construct_id: str, *, watched: Watched, topic: sns.ITopic
    ) -> None:
        super().__init__(scope, construct_id)
        self.names: list[str] = []
        self._watched = watched
        self._action = actions.SnsAction(topic)
        self._dead_letters_stay()
        self._runs_stay_stuck()
        self._many_rows_fail()
        self._functions_fail()
        self._small_functions_are_throttled()
        self._messages_grow_old()
        self._sweeper_has_stopped()

    def _dead_letters_stay(self) -> None:
        # The undertaker empties them. What it cannot end is out of sight for half an hour after
        # each try, so that messages in flight count as well.
        counts = [
            metric(period=MINUTES_5, statistic="Maximum")
            for queue in self._watched.dead_letters.values()
            for metric in (
                queue.metric_approximate_number_of_messages_visible,
                queue.metric_approximate_number_of_messages_not_visible,
            )
        ]
        self._alarm(
            "DeadLettersStay",
            "dead letters stay",
            "There has been a message in a dead-letter queue for an hour, which the undertaker "
            "should have ended within minutes. A run may be waiting for it. First: read the "
            "undertaker's log for the reason.",
            total(counts, label="Dead letters", period=MINUTES_5),
            threshold=1,
            periods=12,
        )

    def _runs_stay_stuck(self) -> None:
        self._alarm(
            "RunsStayStuck",
            "runs stay stuck",
            "For half an hour of the last one the sweeper had to push on runs that showed no sign "
            "of life, and pushing did not help. First: ask the dispatcher for the status of the "
            'runs that the query "what the sweeper and the undertaker did" names.',
            self._watched.pipeline("RunsPushed", label="Runs pushed", period=MINUTES_5),
            threshold=1,
            periods=12,
            of_them=6,
        )

    def _many_rows_fail(self) -> None:
        names = {
            "done": "ImagesCompressed",
            "skipped": "ImagesSkipped",
            "failed": "ImagesFailed",
            "restored": "ImagesRestored",
        }
        share = cloudwatch.MathExpression(
            expression=f"IF(done + skipped + failed + restored >= {ROWS_TO_JUDGE}, "
            "100 * failed / (done + skipped + failed + restored), 0)",
            using_metrics={
                name: self._watched.pipeline(metric, period=MINUTES_15)
                for name, metric in names.items()
            },
            label="Rows that fail, percent",
            period=MINUTES_15,
        )
        self._alarm(
            "ManyRowsFail",
            "many rows fail",
            f"More than {FAILED_PERCENT} % of at least {ROWS_TO_JUDGE} rows have failed within 15 "
            "minutes; the pictures stay as they were. First: look at the failures by code on the "
            "dashboard; cancel the run if it should not go on.",
            share,
            threshold=FAILED_PERCENT,
            above=True,
        )

    def _functions_fail(self) -> None:
        for name, function in self._watched.functions.items():
            errors = function.metric_errors(period=MINUTES_15, label="Errors")
            if name == "Compressor":
                self._compressor_fails(errors)
                continue
            self._alarm(
                f"{name}Fails",
                f"{name.lower()} fails",
                f"The {name.lower()} has raised an error or was killed {ERRORS_IN_A_ROW} times "
                "within 15 minutes; its work comes back and is tried again. First: read the "
                "function's log for the error.",
                errors,
                threshold=ERRORS_IN_A_ROW,
            )

    def _compressor_fails(self, errors: cloudwatch.Metric) -> None:
        compressor = self._watched.functions["Compressor"]
        share = cloudwatch.MathExpression(
            expression=f"IF(errors >= {COMPRESSOR_ERRORS}, 100 * errors / calls, 0)",
            using_metrics={
                "errors": errors,
                "calls": compressor.metric_invocations(period=MINUTES_15),
            },
            label="Compressor's errors, percent of invocations",
            period=MINUTES_15,
        )
        self._alarm(
            "CompressorFails",
            "compressor fails",
            f"More than {COMPRESSOR_ERROR_PERCENT} % of the compressor's invocations, and at least "
            f"{COMPRESSOR_ERRORS}, have raised an error, run out of time or been killed within 15 "
            "minutes; their chunks come back. First: read its log for the error, or for "
            "memory used up.",
            share,
            threshold=COMPRESSOR_ERROR_PERCENT,
            above=True,
        )

    def _small_functions_are_throttled(self) -> None:
        # Compressors that are throttled only wait: SQS keeps their chunks.
        throttles = [
            function.metric_throttles(period=MINUTES_5)
            for name, function in self._watched.functions.items()
            if name != "Compressor"
        ]
        self._alarm(
            "FunctionsThrottled",
            "functions are throttled",
            "For half an hour Lambda has refused calls of dispatcher, reporter, undertaker or "
            "sweeper: the account's concurrency is used up, so that runs do not start or end. "
            "First: lower compressor_concurrency, or ask AWS for a higher quota.",
            total(throttles, label="Throttled calls", period=MINUTES_5),
            threshold=1,
            periods=6,
        )

    def _messages_grow_old(self) -> None:
        limits = {"Chunk": OLDEST_CHUNK, "Dispatch": OLDEST_STEP, "Report": OLDEST_STEP}
        texts = {
            "Chunk": "A chunk of a run has waited for 7 days, and SQS forgets it after 14. The "
            "sweeper would send it again, but the run is too slow for its size. First: raise "
            "compressor_concurrency and deploy, or cancel the run and go on in pieces.",
            "Dispatch": "A run's list has not been sent out further for an hour. First: read the "
            "dispatcher's log.",
            "Report": "A run whose rows are done has waited for its report for an hour. First: "
            "read the reporter's log.",
        }
        for name, limit in limits.items():
            age = self._watched.queues[name].metric_approximate_age_of_oldest_message(
                period=MINUTES_5, statistic="Maximum", label="Seconds"
            )
            self._alarm(
                f"Old{name}Messages",
                f"{name.lower()} messages grow old",
                texts[name],
                age,
                threshold=limit.to_seconds(),
            )

    def _sweeper_has_stopped(self) -> None:
        self._alarm(
            "SweeperStopped",
            "sweeper has stopped",
            "The sweeper, which finishes what others died over, was not called for half an hour. "
            "Runs go on, but none is rescued. First: see whether the rule that calls it is "
            "enabled. It is red for some minutes after the first deployment.",
            self._watched.functions["Sweeper"].metric_invocations(period=MINUTES_15),
            threshold=1,
            periods=2,
            comparison=cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD,
            # No call is no datum, and that is what is looked for.
            missing=cloudwatch.TreatMissingData.BREACHING,
        )

    def _alarm(
        self,
        construct_id: str,
        title: str,
        description: str,
        metric: cloudwatch.IMetric,
        *,
        threshold: float,
        periods: int = 1,
        of_them: int | None = None,
        above: bool = False,
        comparison: cloudwatch.ComparisonOperator | None = None,
        missing: cloudwatch.TreatMissingData = cloudwatch.TreatMissingData.NOT_BREACHING,
    ) -> None:
        at_least = cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD
        over = cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD
        name = f"{Stack.of(self).stack_name}: {title}"
        alarm = cloudwatch.Alarm(
            self,
            construct_id,
            alarm_name=name,
            alarm_description=f"{description} See docs/operating.md.",
            metric=metric,
            threshold=threshold,
            evaluation_periods=periods,
            datapoints_to_alarm=of_them or periods,
            comparison_operator=comparison or (over if above else at_least),
            treat_missing_data=missing,
        )
        alarm.add_alarm_action(self._action)
        self.names.append(name)
