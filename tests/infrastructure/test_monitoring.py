"""Alarms and the dashboard: on what they look, when they go off, and whom they tell."""

import itertools
import json
import re
from pathlib import Path
from typing import Any

import pytest

from imagepress.outcome import FailureCode
from infra.config import StackConfig
from tests.infrastructure.synthesised import Resource, Synthesised, synthesise

RUNBOOK = Path(__file__).parents[2] / "docs" / "operating.md"
FUNCTIONS = ("Dispatcher", "Compressor", "Reporter", "Undertaker", "Sweeper")
QUEUES = ("Dispatch", "Chunk", "Report")
AT_LEAST, OVER = "GreaterThanOrEqualToThreshold", "GreaterThanThreshold"
DAY, HOUR = 24 * 60 * 60, 60 * 60

# Metrics, comparison, threshold, and how many datapoints of how many, of how many seconds each.
ALARMS: dict[str, tuple[set[str], str, float, tuple[int, int, int]]] = {
    "DeadLettersStay": (
        {
            f"ApproximateNumberOfMessages{where} <{queue}/DeadLetters.QueueName>"
            for queue in QUEUES
            for where in ("Visible", "NotVisible")
        },
        AT_LEAST,
        1,
        (12, 12, 300),
    ),
    "RunsStayStuck": ({"RunsPushed pipeline"}, AT_LEAST, 1, (6, 12, 300)),
    "ManyRowsFail": (
        {f"Images{what} pipeline" for what in ("Compressed", "Skipped", "Failed", "Restored")},
        OVER,
        25,
        (1, 1, 900),
    ),
    "DispatcherFails": ({"Errors <Dispatcher/Function>"}, AT_LEAST, 3, (1, 1, 900)),
    "CompressorFails": (
        {"Errors <Compressor/Function>", "Invocations <Compressor/Function>"},
        OVER,
        5,
        (1, 1, 900),
    ),
    "ReporterFails": ({"Errors <Reporter/Function>"}, AT_LEAST, 3, (1, 1, 900)),
    "UndertakerFails": ({"Errors <Undertaker/Function>"}, AT_LEAST, 3, (1, 1, 900)),
    "SweeperFails": ({"Errors <Sweeper/Function>"}, AT_LEAST, 3, (1, 1, 900)),
    "FunctionsThrottled": (
        {f"Throttles <{name}/Function>" for name in FUNCTIONS if name != "Compressor"},
        AT_LEAST,
        1,
        (6, 6, 300),
    ),
    "OldChunkMessages": (
        {"ApproximateAgeOfOldestMessage <Chunk/Queue.QueueName>"},
        AT_LEAST,
        7 * DAY,
        (1, 1, 300),
    ),
    "OldDispatchMessages": (
        {"ApproximateAgeOfOldestMessage <Dispatch/Queue.QueueName>"},
        AT_LEAST,
        HOUR,
        (1, 1, 300),
    ),
    "OldReportMessages": (
        {"ApproximateAgeOfOldestMessage <Report/Queue.QueueName>"},
        AT_LEAST,
        HOUR,
        (1, 1, 300),
    ),
    "SweeperStopped": (
        {"Invocations <Sweeper/Function>"},
        "LessThanThreshold",
        1,
        (2, 2, 900),
    ),
}


def alarms_of(synthesised: Synthesised) -> dict[str, Resource]:
    found = synthesised.of_type("AWS::CloudWatch::Alarm")
    return {path.removeprefix("Alarms/"): alarm for path, alarm in found.items()}


def metrics_of(synthesised: Synthesised, alarm: Resource) -> list[tuple[str, int]]:
    """What an alarm looks at, as name and dimensions, and for how many seconds at a time."""
    properties = alarm.properties
    single = {"Metric": properties, "Period": properties.get("Period")}
    stats = [one["MetricStat"] for one in properties.get("Metrics", []) if "MetricStat" in one]
    return [
        (
            " ".join(
                (
                    stat["Metric"]["MetricName"],
                    *(
                        synthesised.text(dimension["Value"])
                        for dimension in stat["Metric"]["Dimensions"]
                    ),
                )
            ),
            stat["Period"],
        )
        for stat in (stats or [single])
    ]


def test_these_are_all_alarms(bare: Synthesised) -> None:
    assert set(alarms_of(bare)) == set(ALARMS)


@pytest.mark.parametrize("name", ALARMS)
def test_an_alarm_goes_off_where_it_should(bare: Synthesised, name: str) -> None:
    alarm = alarms_of(bare)[name]
    metrics, comparison, threshold, (breaching, periods, seconds) = ALARMS[name]

    looked_at = metrics_of(bare, alarm)
    assert {metric for metric, _ in looked_at} == metrics
    assert {period for _, period in looked_at} == {seconds}
    assert alarm.properties["ComparisonOperator"] == comparison
    assert alarm.properties["Threshold"] == threshold
    assert alarm.properties["DatapointsToAlarm"] == breaching
    assert alarm.properties["EvaluationPeriods"] == periods
    assert seconds * periods <= DAY


@pytest.mark.parametrize("name", ALARMS)
def test_silence_is_an_alarm_for_the_sweeper_alone(bare: Synthesised, name: str) -> None:
    missing = alarms_of(bare)[name].properties["TreatMissingData"]

    assert missing == ("breaching" if name == "SweeperStopped" else "notBreaching")


@pytest.mark.parametrize("name", ALARMS)
def test_an_alarm_tells_the_topic_what_it_means_and_what_to_do_first(
    bare: Synthesised, name: str
) -> None:
    properties = alarms_of(bare)[name].properties

    assert [bare.text(one) for one in properties["AlarmActions"]] == ["<AlarmTopic/Topic>"]
    assert properties["AlarmName"].startswith("imagepress: ")
    assert " First: " in properties["AlarmDescription"]
    assert len(properties["AlarmDescription"]) <= 1024


@pytest.mark.parametrize("name", ALARMS)
def test_an_alarm_has_its_section_in_the_runbook(bare: Synthesised, name: str) -> None:
    title = alarms_of(bare)[name].properties["AlarmName"].removeprefix("imagepress: ")

    headings = re.findall(r"^### (.+)$", RUNBOOK.read_text(encoding="utf-8"), re.MULTILINE)
    assert title in headings


def test_the_comment_on_cost_has_counted_the_alarms(bare: Synthesised) -> None:
    alarms = alarms_of(bare).values()
    metrics = sum(len(metrics_of(bare, alarm)) for alarm in alarms)

    source = Path("infra/monitoring.py").read_text(encoding="utf-8")
    assert f"{len(alarms)} alarms on {metrics} metrics" in source


# The dashboard


@pytest.fixture(scope="module")
def dashboard(bare: Synthesised) -> dict[str, Any]:
    (resource,) = bare.of_type("AWS::CloudWatch::Dashboard").values()
    assert resource.properties["DashboardName"] == "imagepress"
    body: dict[str, Any] = json.loads(bare.text(resource.properties["DashboardBody"]))
    return body


def shown(dashboard: dict[str, Any]) -> set[tuple[str, ...]]:
    """Namespace, name and dimensions of every metric on the dashboard."""
    return {
        tuple(part for part in metric if isinstance(part, str))
        for widget in dashboard["widgets"]
        for metric in widget["properties"].get("metrics", [])
    }


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("name", ["Errors", "Throttles", "Duration", "ConcurrentExecutions"])
def test_every_function_is_on_the_dashboard(
    dashboard: dict[str, Any], function: str, name: str
) -> None:
    assert ("AWS/Lambda", name, "FunctionName", f"<{function}/Function>") in shown(dashboard)


@pytest.mark.parametrize("queue", QUEUES)
def test_every_queue_is_on_the_dashboard(dashboard: dict[str, Any], queue: str) -> None:
    age = ("AWS/SQS", "ApproximateAgeOfOldestMessage", "QueueName", f"<{queue}/Queue.QueueName>")
    dead = f"<{queue}/DeadLetters.QueueName>"
    assert age in shown(dashboard)
    visible = ("AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", dead)
    assert visible in shown(dashboard)


@pytest.mark.parametrize("code", FailureCode)
def test_every_failure_code_is_on_the_dashboard(
    dashboard: dict[str, Any], code: FailureCode
) -> None:
    metrics = [set(metric) for metric in shown(dashboard) if "FailuresByCode" in metric]
    assert {"imagepress", "FailuresByCode", "code", str(code), "service", "pipeline"} in metrics


def test_memory_is_on_the_dashboard_from_what_lambda_logs(
    bare: Synthesised, dashboard: dict[str, Any]
) -> None:
    assert ("imagepress", "CompressorMemory") in shown(dashboard)
    (memory,) = [w for w in dashboard["widgets"] if "Memory" in w["properties"].get("title", "")]
    (given,) = memory["properties"]["annotations"]["horizontal"]
    assert given["value"] == StackConfig.from_json({}).compressor.memory_mb

    (written,) = bare.of_type("AWS::Logs::MetricFilter").values()
    (transformation,) = written.properties["MetricTransformations"]
    assert transformation["MetricNamespace"] == "imagepress"
    assert transformation["MetricName"] == "CompressorMemory"
    assert transformation["MetricValue"] == "$used"
    assert words(written.properties["FilterPattern"], REPORT)["used"] == "66"


def test_other_lines_of_the_log_are_no_reports(bare: Synthesised) -> None:
    (written,) = bare.of_type("AWS::Logs::MetricFilter").values()
    for line in ("START RequestId: 1a2b Version: $LATEST", "END RequestId: 1a2b", REPORT[:80]):
        with pytest.raises(ValueError, match="no match"):
            words(written.properties["FilterPattern"], line)


REPORT = (
    "REPORT RequestId: 3f8cf5b4-2d5e-4c3f\tDuration: 12.06 ms\tBilled Duration: 13 ms\t"
    "Memory Size: 128 MB\tMax Memory Used: 66 MB\tInit Duration: 401.10 ms\t"
)


def words(pattern: str, line: str) -> dict[str, str]:
    """What CloudWatch Logs makes of a line by a pattern of words: each with its name."""
    *names, end = pattern.removeprefix("[").removesuffix("]").split(", ")
    assert end == "..."
    found = {}
    for name, word in itertools.zip_longest(names, line.split()[: len(names)], fillvalue=""):
        field, _, wanted = name.partition("=")
        if not word or wanted.strip('"') not in ("", word):
            raise ValueError(f"no match for {name}: {word!r}")
        found[field] = word
    return found


def test_every_alarm_is_on_the_dashboard(bare: Synthesised, dashboard: dict[str, Any]) -> None:
    (widget,) = [one for one in dashboard["widgets"] if one["type"] == "alarm"]
    shown_alarms = {arn.partition(":alarm:")[2] for arn in widget["properties"]["alarms"]}
    assert shown_alarms == {one.properties["AlarmName"] for one in alarms_of(bare).values()}


def test_the_dashboard_reads_well(dashboard: dict[str, Any]) -> None:
    text, *graphs = dashboard["widgets"]
    assert "Look first at the alarms" in text["properties"]["markdown"]
    for widget in graphs:
        assert widget["properties"]["title"]
        for axis in widget["properties"].get("yAxis", {}).values():
            assert axis["label"]


def test_the_estimate_of_cost_follows_memory_and_processor() -> None:
    small = {"memory_mb": 1024}
    names = ("compressor", "dispatcher", "reporter", "undertaker", "sweeper")
    config = {"architecture": "arm64", **dict.fromkeys(names, small)}
    synthesised = synthesise(StackConfig.from_json(config))
    (resource,) = synthesised.of_type("AWS::CloudWatch::Dashboard").values()

    body = synthesised.text(resource.properties["DashboardBody"])
    assert "FILL(d0, 0) * 0.00000001333340 + FILL(d1, 0) * 0.00000001333340" in body
