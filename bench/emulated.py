"""What the functions are deployed with, on the local AWS: buckets, queues and the table.

The emulator is a process of its own, and each measured part runs in another; with two processors
or more they do not share one.
"""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from imagepress.runs import RunsTable
from local import emulator
from local.clients import Clients
from local.emulator import ACCOUNT, Emulator
from local.layout import ROOT

LISTS: Final = "bench-lists"
IMAGES: Final = "bench-images"
RUNS: Final = "bench-runs"
TABLE: Final = "bench-runs"
DISPATCHES, CHUNKS, REPORTS = QUEUES = ("dispatches", "chunks", "reports")
CONCURRENCY: Final = 50
"""The stack's default: with it, runs of 20,000 rows and more have chunks of 100."""

ALL: Final = frozenset(os.sched_getaffinity(0))
MEASURED: Final = frozenset({min(ALL)})
BESIDE: Final = ALL - MEASURED or ALL
"""The processor of what is measured, and those of all that it talks to."""


@dataclass(frozen=True, slots=True)
class Deployed:
    """A running emulator with what `infra` would deploy, but for the functions."""

    emulator: Emulator
    clients: Clients
    queues: Mapping[str, str]
    notices: str

    @property
    def table(self) -> RunsTable:
        """The runs table."""
        return RunsTable(self.clients.dynamodb, TABLE)

    def environment(self, port: int | None = None) -> dict[str, str]:
        """All variables of all functions; `port` is a proxy's before the emulator."""
        variables = {
            **self.emulator.environment(),
            "RUNS_TABLE": TABLE,
            "RUNS_BUCKET": RUNS,
            "TRIGGER_BUCKET": LISTS,
            "ACCOUNT_ID": ACCOUNT,
            "MANIFEST_BUCKETS": json.dumps([]),
            "IMAGE_BUCKETS": json.dumps([IMAGES]),
            "DISPATCH_QUEUE_URL": self.queues[DISPATCHES],
            "CHUNK_QUEUE_URL": self.queues[CHUNKS],
            "REPORT_QUEUE_URL": self.queues[REPORTS],
            "NOTICE_TOPIC_ARN": self.notices,
            "DISPATCHER_FUNCTION": "dispatcher",
            "COMPRESSOR_MEMORY_MB": "1769",
            "COMPRESSOR_TMP_MB": "4096",
            "ARCHITECTURE": "x86_64",
            "RUN_DEFAULTS": json.dumps({}),
            "COMPRESSOR_CONCURRENCY": str(CONCURRENCY),
            "POWERTOOLS_SERVICE_NAME": "imagepress",
            "POWERTOOLS_METRICS_NAMESPACE": "imagepress",
            "POWERTOOLS_LOG_LEVEL": "INFO",
        }
        if port is None:
            return variables
        return {
            name: value.replace(f":{self.emulator.port}", f":{port}")
            for name, value in variables.items()
        }


@contextlib.contextmanager
def deployed(folder: Path, processors: Iterable[int] = BESIDE) -> Iterator[Deployed]:
    """A fresh emulator on `processors`, gone at the end of the block."""
    with contextlib.ExitStack() as until_the_end:
        with on(processors):
            running = until_the_end.enter_context(emulator.instance(folder))
        clients = Clients.of(running)
        for bucket in (LISTS, IMAGES, RUNS):
            clients.s3.create_bucket(Bucket=bucket)
        queues = {
            name: clients.sqs.create_queue(QueueName=name, Attributes={"VisibilityTimeout": "5400"})
            for name in QUEUES
        }
        clients.dynamodb.create_table(
            TableName=TABLE,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[
                {"AttributeName": "pk", "AttributeType": "S"},
                {"AttributeName": "status", "AttributeType": "S"},
                {"AttributeName": "run_id", "AttributeType": "S"},
            ],
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
            GlobalSecondaryIndexes=[
                {
                    "IndexName": "status-index",
                    "KeySchema": [
                        {"AttributeName": "status", "KeyType": "HASH"},
                        {"AttributeName": "run_id", "KeyType": "RANGE"},
                    ],
                    "Projection": {"ProjectionType": "KEYS_ONLY"},
                }
            ],
        )
        urls = {name: queue["QueueUrl"] for name, queue in queues.items()}
        notices = clients.sns.create_topic(Name="notices")["TopicArn"]
        yield Deployed(running, clients, urls, notices)


@contextlib.contextmanager
def on(processors: Iterable[int]) -> Iterator[None]:
    """What this block starts runs on `processors` alone."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, processors)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def measured_alone(
    module: str,
    *arguments: str,
    environment: Mapping[str, str],
    processors: Iterable[int] = MEASURED,
) -> Any:
    """What `python -m module` prints as its last line, JSON, in a process of its own."""
    command = [sys.executable, "-m", module, *arguments]
    with on(processors):
        done = subprocess.run(
            command,
            check=True,
            cwd=ROOT,
            env={**os.environ, **environment, "PYTHONPATH": f"{ROOT / 'lambda'}:{ROOT}"},
            stdout=subprocess.PIPE,
        )
    return json.loads(done.stdout.splitlines()[-1])
