"""The deployed system as a test sees it: put objects, start a run, wait for its end, read it."""

import csv
import io
import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

from imagepress.marker import METADATA_NAME
from imagepress.run import RunStatus
from imagepress.run_store import RunFiles
from imagepress.runs import RunsTable
from local.clients import Clients
from local.deploy import Deployment
from local.emulator import Emulator
from local.follow import Look, await_end, await_start
from local.iam_recorder import Decision, read

PROPERTIES = (
    "ContentType",
    "CacheControl",
    "ContentDisposition",
    "ContentEncoding",
    "ContentLanguage",
    "ExpiresString",
    "WebsiteRedirectLocation",
    "StorageClass",
    "ServerSideEncryption",
)
"""What PutObject resets unless it is sent again; metadata and tags come beside it."""

START_SECONDS = 60.0
STALLED_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class FinishedRun:
    """A run that has ended, and what it left in the runs bucket."""

    look: Look
    log: str
    results: list[dict[str, str]]
    failed: str
    undo: list[dict[str, str]]
    summary: dict[str, Any]

    @property
    def run_id(self) -> str:
        return self.look.run.run_id

    @property
    def status(self) -> RunStatus:
        return self.look.run.status

    @property
    def log_lines(self) -> list[str]:
        """The log's lines without their times."""
        return [line.split(" - ", 1)[1] for line in self.log.splitlines()]

    def outcomes(self) -> list[str]:
        """One for each row, in order: `COMPRESSED`, `SKIPPED/DUPLICATE`, `FAILED/NOT_FOUND`."""
        return ["/".join(filter(None, (row["outcome"], row["reason"]))) for row in self.results]


@dataclass(frozen=True, slots=True)
class Stored:
    """An object with all that belongs to it but what S3 gives each version anew."""

    body: bytes
    headers: Mapping[str, Any]
    metadata: Mapping[str, str]
    tags: Mapping[str, str]

    @property
    def marker(self) -> dict[str, Any] | None:
        """What the run that wrote it says of it; None where no run did."""
        text = self.metadata.get(METADATA_NAME)
        return None if text is None else dict(json.loads(text))

    def without_marker(self) -> dict[str, Any]:
        """Its properties, whoever wrote it."""
        metadata = {k: v for k, v in self.metadata.items() if k != METADATA_NAME}
        return {"headers": self.headers, "metadata": metadata, "tags": self.tags}


@dataclass(frozen=True, slots=True)
class System:
    """One deployed stack on an emulator of its own, shared by the tests of a session."""

    emulator: Emulator
    clients: Clients
    deployment: Deployment
    table: RunsTable
    _expected_denials: set[tuple[str, str]] = field(default_factory=set)

    # Objects

    def put(self, key: str, body: bytes, **properties: Any) -> str:
        """Put an image; its ETag."""
        bucket = self.deployment.images_bucket
        answer = self.clients.s3.put_object(Bucket=bucket, Key=key, Body=body, **properties)
        return answer["ETag"]

    def get(self, key: str) -> bytes | None:
        """An image's bytes, or None."""
        try:
            answer = self.clients.s3.get_object(Bucket=self.deployment.images_bucket, Key=key)
        except ClientError as error:
            if error.response["Error"]["Code"] == "NoSuchKey":
                return None
            raise
        return answer["Body"].read()

    def head(self, key: str) -> dict[str, Any]:
        """An image's properties."""
        bucket = self.deployment.images_bucket
        return dict(self.clients.s3.head_object(Bucket=bucket, Key=key))

    def stored(self, key: str, version_id: str | None = None) -> Stored:
        """An image, or one version of it, with its properties and tags."""
        version = {"VersionId": version_id} if version_id else {}
        where = {"Bucket": self.deployment.images_bucket, "Key": key, **version}
        answer = self.clients.s3.get_object(**where)  # type: ignore[arg-type]
        tags = self.clients.s3.get_object_tagging(**where)["TagSet"]  # type: ignore[arg-type]
        return Stored(
            body=answer["Body"].read(),
            headers={name: answer.get(name) for name in PROPERTIES},
            metadata=answer["Metadata"],
            tags={tag["Key"]: tag["Value"] for tag in tags},
        )

    def versions(self, prefix: str = "") -> dict[str, list[str]]:
        """The ids of all versions, oldest first, by key; a delete marker counts as one."""
        pages = self.clients.s3.get_paginator("list_object_versions").paginate(
            Bucket=self.deployment.images_bucket, Prefix=prefix
        )
        found: dict[str, list[str]] = {}
        for page in pages:
            for version in [*page.get("Versions", []), *page.get("DeleteMarkers", [])]:
                found.setdefault(version["Key"], []).insert(0, version["VersionId"])
        return found

    # Runs

    def upload_csv(
        self, key: str, content: bytes | Iterable[str], metadata: Mapping[str, str] | None = None
    ) -> str:
        """Put a CSV (bytes as they are, or keys under the header `path`); its run's id."""
        body = content if isinstance(content, bytes) else csv_of(content)
        self.put_csv(key, body, metadata)
        return await_start(self.table, key, seconds=START_SECONDS)

    def put_csv(self, key: str, body: bytes, metadata: Mapping[str, str] | None = None) -> None:
        """Put a CSV and wait for nothing."""
        self.clients.s3.put_object(
            Bucket=self.deployment.trigger_bucket, Key=key, Body=body, Metadata=metadata or {}
        )

    def invoke(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """Invoke the dispatcher as the AWS console does; its answer."""
        answer = self.clients.functions.invoke(
            FunctionName=self.deployment.dispatcher_function, Payload=json.dumps(event)
        )
        payload = json.loads(answer["Payload"].read())
        if answer.get("FunctionError"):
            raise AssertionError(f"The dispatcher raised: {payload}")
        return dict(payload)

    def await_rows(self, run_id: str, rows: int = 1, *, seconds: float = STALLED_SECONDS) -> None:
        """Wait until so many rows of a run that is on are done."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            run = self.table.load(run_id)
            if run is not None and self.table.progress(run).totals.rows >= rows:
                return
            time.sleep(0.02)
        raise AssertionError(f"Run {run_id} did not come to {rows} rows within {seconds:.0f} s.")

    def await_run(self, run_id: str, *, stalled_seconds: float = STALLED_SECONDS) -> FinishedRun:
        """Wait for a run's end, and fetch all that it left."""
        look = await_end(self.table, run_id, stalled_seconds=stalled_seconds)
        files = RunFiles.of(look.run)
        return FinishedRun(
            look=look,
            log=self.read(files.log),
            results=_rows(self.read(files.results)),
            failed=self.read(files.failed),
            undo=_rows(self.read(files.undo)),
            summary=json.loads(self.read(files.summary)),
        )

    def read(self, key: str) -> str:
        """A text in the runs bucket."""
        answer = self.clients.s3.get_object(Bucket=self.deployment.runs_bucket, Key=key)
        return answer["Body"].read().decode()

    # Rights

    def expect_denial(self, *, function: str, action: str) -> None:
        """Say that this test makes a function be denied an action, so that it is no failure."""
        self._expected_denials.add((function, action))

    def unexpected_denials(self) -> list[Decision]:
        """Denials so far that no test has asked for."""
        return [
            decision
            for decision in read(self.emulator.iam_log)
            if not decision.allowed and not self._expects(decision)
        ]

    def _expects(self, decision: Decision) -> bool:
        return any(
            function in decision.function and action == decision.action
            for function, action in self._expected_denials
        )


def csv_of(keys: Iterable[str]) -> bytes:
    """A manifest: the header `path`, one key a row, quoted where it has to be."""
    text = io.StringIO(newline="")
    csv.writer(text).writerows([["path"], *([key] for key in keys)])
    return text.getvalue().encode()


def _rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))
