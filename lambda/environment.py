"""The functions' environment, read once at the edge into typed values."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import boto3
from botocore.config import Config

from imagepress.completion import Completion
from imagepress.queues import Queue
from imagepress.run_store import RunStore
from imagepress.runs import RunsTable

# Throttling is waited out by the SDK, up to 20 s a try. Its adaptive mode is no help: one refusal
# makes a client crawl for 10 s. More connections than threads, so that none waits for one.
CLIENT_CONFIG = Config(
    retries={"mode": "standard", "total_max_attempts": 8},
    max_pool_connections=64,
    # A replaced object keeps the kind of checksum that it had: none is added unasked.
    request_checksum_calculation="when_required",
    connect_timeout=5,
    read_timeout=30,
)
# A notice is worth no more than a few seconds of waiting.
NOTICE_CONFIG = Config(
    retries={"mode": "standard", "total_max_attempts": 2}, connect_timeout=3, read_timeout=5
)


@dataclass(frozen=True, slots=True)
class Environment:
    """What a function was deployed with; a name that is missing is a KeyError at its first use."""

    variables: Mapping[str, str]

    @classmethod
    def from_env(cls) -> Self:
        """Read the process's environment."""
        return cls(dict(os.environ))

    def text(self, name: str) -> str:
        """A variable as it is."""
        return self.variables[name]

    def json(self, name: str) -> Any:
        """A variable that holds JSON."""
        return json.loads(self.variables[name])

    def runs(self) -> RunsTable:
        """The runs table."""
        client = boto3.client("dynamodb", config=CLIENT_CONFIG)
        return RunsTable(client, self.text("RUNS_TABLE"))

    def store(self, s3: Any) -> RunStore:
        """The runs bucket."""
        return RunStore(s3, self.text("RUNS_BUCKET"))

    def completion(self, sqs: Any) -> Completion:
        """What it takes to end chunks and runs."""
        return Completion(self.runs(), self.queue("REPORT_QUEUE_URL", sqs))

    def queue(self, name: str, sqs: Any) -> Queue:
        """The queue whose URL is in variable `name`."""
        return Queue(sqs, self.text(name))


def s3_client() -> Any:
    """An S3 client for a function."""
    return boto3.client("s3", config=CLIENT_CONFIG)


def sqs_client() -> Any:
    """An SQS client for a function."""
    return boto3.client("sqs", config=CLIENT_CONFIG)


def sns_client() -> Any:
    """An SNS client for a function."""
    return boto3.client("sns", config=NOTICE_CONFIG)
