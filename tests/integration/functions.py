"""The five functions as Lambda runs them: imported with their environment set, called with events.

They read their environment and build their clients when they are imported, so that happens once;
the names of buckets, table and queues are the same in every test.
"""

import importlib
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, fields
from types import ModuleType
from typing import Any, Self

import boto3
import pytest

from tests.integration import stack
from tests.integration.wire import Wire

SHARED_MODULES = ("environment", "publisher", "sqs_events", "telemetry")
CONCURRENCY = 1
LONG_SECONDS = 900.0


@dataclass(slots=True)
class Clock:
    """How long an invocation has left; a test moves its hands."""

    seconds: float = LONG_SECONDS


class Context:
    """What Lambda tells a function about its invocation."""

    function_name = "imagepress"
    memory_limit_in_mb = 1769
    invoked_function_arn = f"arn:aws:lambda:{stack.REGION}:123456789012:function:imagepress"

    def __init__(self, clock: Clock, request_id: str) -> None:
        self.aws_request_id = request_id
        self._clock = clock

    def get_remaining_time_in_millis(self) -> int:
        return int(self._clock.seconds * 1000)


@dataclass(frozen=True, slots=True)
class Functions:
    """The handlers' modules, by the name of the function."""

    dispatcher: ModuleType
    compressor: ModuleType
    reporter: ModuleType
    undertaker: ModuleType
    sweeper: ModuleType

    @classmethod
    def load(cls, wire: Wire, run_defaults: Mapping[str, Any]) -> Self:
        """Import the real handlers with clients that `wire` hears."""
        names = [field.name for field in fields(cls)]
        with pytest.MonkeyPatch.context() as patch:
            for name in stack.FOREIGN:
                patch.delenv(name, raising=False)
            for name, value in environment(run_defaults).items():
                patch.setenv(name, value)
            boto3.setup_default_session()
            wire.attach(boto3._get_default_session()._session)
            patch.setattr(boto3, "DEFAULT_SESSION", boto3.DEFAULT_SESSION)
            for name in (*SHARED_MODULES, *names):
                sys.modules.pop(name, None)
            loaded = cls(**{name: importlib.import_module(name) for name in names})
            # Whoever else imports them wants an environment of their own.
            for name in (*SHARED_MODULES, *names):
                sys.modules.pop(name, None)
        boto3.DEFAULT_SESSION = None
        return loaded

    def call(self, name: str, event: Any, context: Context) -> Any:
        """Invoke the function `name`; its answer is what JSON makes of it."""
        answer = getattr(self, name).handler(event, context)
        return json.loads(json.dumps(answer))


def environment(run_defaults: Mapping[str, Any]) -> dict[str, str]:
    """All variables of all functions."""
    return {
        **stack.CREDENTIALS,
        "RUNS_TABLE": stack.TABLE,
        "RUNS_BUCKET": stack.RUNS,
        "TRIGGER_BUCKET": stack.TRIGGER,
        "ACCOUNT_ID": stack.ACCOUNT,
        "MANIFEST_BUCKETS": json.dumps([stack.INVENTORIES]),
        "IMAGE_BUCKETS": json.dumps([stack.IMAGES]),
        "DISPATCH_QUEUE_URL": stack.queue_url(stack.DISPATCHES),
        "CHUNK_QUEUE_URL": stack.queue_url(stack.CHUNKS),
        "REPORT_QUEUE_URL": stack.queue_url(stack.REPORTS),
        "NOTICE_TOPIC_ARN": stack.NOTICE_TOPIC,
        "DISPATCHER_FUNCTION": "dispatcher",
        "RUN_DEFAULTS": json.dumps(run_defaults),
        "COMPRESSOR_CONCURRENCY": str(CONCURRENCY),
        "COMPRESSOR_MEMORY_MB": "1769",
        "COMPRESSOR_TMP_MB": "512",
        "ARCHITECTURE": "x86_64",
        "POWERTOOLS_SERVICE_NAME": "imagepress",
        "POWERTOOLS_METRICS_NAMESPACE": "imagepress",
        "POWERTOOLS_LOG_LEVEL": "INFO",
    }
