"""Questions to the logs that somebody has already thought about, saved in CloudWatch.

Their fields are those of the records that the functions write (`lambda/telemetry.py`); a test
holds one against the other. `@…` are Logs Insights' own, some of them only in Lambda's reports.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from aws_cdk import Stack
from aws_cdk import aws_logs as logs
from constructs import Construct

ROWS = ("Compressor", "Undertaker")
ALL = ("Dispatcher", "Compressor", "Reporter", "Undertaker", "Sweeper")


@dataclass(frozen=True, slots=True)
class Query:
    """One question, and the functions whose logs have the answer."""

    title: str
    functions: tuple[str, ...]
    text: str


STORY = """
fields @timestamp, service, level, message, chunk, key, result.outcome, result.reason
| filter run_id = "PUT THE RUN ID HERE"
| sort @timestamp asc
| limit 10000
"""
FAILURES = """
filter message = "row" and result.outcome = "FAILED"
| stats count(*) as images, latest(key) as example, latest(result.message) as why
    by result.reason, run_id
| sort images desc
"""
SLOWEST = """
fields result.seconds, key, result.format, result.bytes_before, result.outcome, run_id
| filter message = "row" and ispresent(result.seconds)
| sort result.seconds desc
| limit 100
"""
SAVINGS = """
fields result.bytes_before - result.bytes_after as bytes_saved, key,
    result.bytes_before, result.bytes_after, result.encoder, run_id
| filter message = "row" and result.outcome = "COMPRESSED"
| sort bytes_saved desc
| limit 100
"""
RESCUES = """
fields @timestamp, service, level, message, run_id, @message
| filter level in ["WARNING", "ERROR"]
| sort @timestamp desc
| limit 1000
"""
ERRORS = """
fields @timestamp, service, level, message, run_id, chunk, key, exception_name, exception
| filter level in ["WARNING", "ERROR", "CRITICAL"]
    or @message like /Task timed out|Runtime exited/
| sort @timestamp desc
| limit 1000
"""
MEMORY = """
filter @type = "REPORT"
| stats max(@maxMemoryUsed / 1000000) as most_mb, avg(@maxMemoryUsed / 1000000) as usual_mb,
    max(@memorySize / 1000000) as given_mb, count(*) as calls by bin(15m)
"""
QUERIES = (
    Query("story of a run", ALL, STORY),
    Query("failures by code", ROWS, FAILURES),
    Query("slowest images", ROWS, SLOWEST),
    Query("biggest savings", ROWS, SAVINGS),
    Query("what the sweeper and the undertaker did", ("Sweeper", "Undertaker"), RESCUES),
    Query("errors and work that was put off", ALL, ERRORS),
    Query("memory of the compressor", ("Compressor",), MEMORY),
)


def save_queries(
    scope: Construct, construct_id: str, log_groups: Mapping[str, logs.ILogGroup]
) -> None:
    """Save the queries in a folder of the stack's name."""
    folder = Construct(scope, construct_id)
    stack_name = Stack.of(scope).stack_name
    for query in QUERIES:
        logs.CfnQueryDefinition(
            folder,
            "".join(word.capitalize() for word in query.title.split()),
            name=f"{stack_name}/{query.title}",
            query_string=query.text.strip(),
            log_group_names=[log_groups[name].log_group_name for name in query.functions],
        )
