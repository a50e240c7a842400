"""A world: the deployed stack in an AWS of its own, and a run in it from its order to its end.

Whatever fails meanwhile is delivered again as AWS would: Lambda repeats an asynchronous call twice
and then hands it to the dispatcher's queue, a caller who got no answer asks again with its
`client_token`, messages come back, and the schedule calls the sweeper.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from moto import mock_aws

from imagepress.errors import PassingError
from imagepress.run import Run, RunStatus
from imagepress.sweep import STALLED_SECONDS
from tests.integration.functions import Functions
from tests.integration.pump import DEAD_LETTERS, Choice, Pump, oldest
from tests.integration.service import Service
from tests.integration.stack import CHUNKS, DISPATCHES, IMAGES, QUEUES, TABLE, Stack
from tests.integration.wire import Death, Wire

ENDS = (RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.CANCELLED, RunStatus.ABORTED)
PROPERTIES = (
    "ContentType",
    "CacheControl",
    "ContentDisposition",
    "ContentLanguage",
    "ExpiresString",
    "WebsiteRedirectLocation",
    "StorageClass",
)
ASYNCHRONOUS_TRIES = 3
CALLS_OF_A_PERSON = 20
SWEEPS = 40


@dataclass(frozen=True, slots=True)
class Image:
    """One version of an object, and all that belongs to it."""

    key: str
    version: str
    etag: str
    body: bytes
    metadata: Mapping[str, str]
    properties: Mapping[str, Any]
    tags: tuple[tuple[str, str], ...]

    def same_but_for_version(self, other: "Image") -> bool:
        """Whether nobody could tell them apart by what they hold."""
        return (self.body, self.metadata, self.properties, self.tags) == (
            other.body,
            other.metadata,
            other.properties,
            other.tags,
        )


@dataclass(slots=True)
class World:
    """The stack, what is delivered in it, and what was there before the run."""

    stack: Stack
    functions: Functions
    wire: Wire
    temp_dir: Path
    pump: Pump = field(init=False)
    service: Service = field(init=False)
    before: dict[str, list[Image]] = field(default_factory=dict)
    strangers: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.pump = Pump(self.stack, self.functions, self.wire)
        self.service = Service(self.stack, self.pump)

    # Orders

    def upload(
        self,
        content: bytes | Sequence[str],
        *,
        key: str = "list.csv",
        copies: int = 1,
        parameters: Mapping[str, str] | None = None,
    ) -> None:
        """Put a CSV; S3's event reaches the dispatcher in the end, perhaps more than once."""
        event = self.service.put_csv(key, content, parameters)
        for _ in range(copies):
            self._asynchronously(event)

    def ask(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """Invoke the dispatcher directly, again and again until there is an answer."""
        asked = {**event, "client_token": "mine"} if event.get("action") != "cancel" else event
        for _ in range(CALLS_OF_A_PERSON):
            answer = self._survives("dispatcher", asked)
            if answer is not None:
                found: dict[str, Any] = answer
                return found
        raise AssertionError(f"Never answered: {event}")

    def _asynchronously(self, event: Mapping[str, Any]) -> None:
        for _ in range(ASYNCHRONOUS_TRIES):
            if self._survives("dispatcher", event) is not None:
                return
        failed = {"requestContext": {"requestId": "asynchronous"}, "requestPayload": event}
        self.stack.send(DISPATCHES, json.dumps(failed))

    def _survives(self, function: str, event: Any) -> Any:
        """What a function answers, or None where it died or put the matter off."""
        try:
            return self.pump.invoke(function, event)
        except (Death, PassingError):
            return None

    def overwrite(self, key: str, body: bytes) -> None:
        """Somebody else puts an object in the place of one of ours."""
        answer = self.stack.s3.put_object(Bucket=IMAGES, Key=key, Body=body)
        self.strangers.add(answer["VersionId"])

    # Time goes on

    def pump_on(self, choose: Choice = oldest, copies: int = 1) -> None:
        """Deliver whatever there is, and whatever comes of it."""
        self.pump.run(choose=choose, copies=copies)

    def end(self, choose: Choice = oldest) -> None:
        """Let all runs end, the sweeper's visits included; fail where one never does."""
        for _ in range(SWEEPS):
            self.pump_on(choose)
            swept = self.sweep()
            if swept == {} and self.quiet() and all(run.status in ENDS for run in self.runs()):
                return
        statuses = {run.run_id: run.status for run in self.runs()}
        raise AssertionError(f"It never ends: {statuses}, {self.pump.waiting()}")

    def send_out(self) -> None:
        """Let the dispatcher go on until the first chunk waits."""
        while not self.pump.waiting(CHUNKS):
            self.pump.step(DISPATCHES)

    def sweep(self) -> Any:
        """What the sweeper does when a run without a sign of life would be suspect."""
        self.stack.let_time_pass(STALLED_SECONDS + 60)
        return self._survives("sweeper", {"source": "aws.scheduler"})

    def quiet(self) -> bool:
        """Whether no queue holds anything, in flight or not."""
        return not any(self.stack.holds_messages(name) for name in (*QUEUES, *DEAD_LETTERS))

    def meanwhile(self, what: Callable[[], object]) -> None:
        """Let something else happen while an invocation is in the middle of a call."""
        dead, self.wire._dead = self.wire._dead, False
        try:
            what()
        finally:
            self.wire._dead = dead

    # What there is

    def runs(self) -> list[Run]:
        """All runs that the table knows, in the order of their start."""
        items = self.stack.dynamodb.scan(TableName=TABLE)["Items"]
        ids = [item["run_id"]["S"] for item in items if item["pk"]["S"].startswith("run#")]
        found = [self.stack.table.load(run_id) for run_id in ids]
        return sorted((run for run in found if run), key=lambda run: run.restores is not None)

    def remember(self) -> None:
        """Note all images as they are now."""
        self.before = self.images()

    def images(self) -> dict[str, list[Image]]:
        """By key, all versions of each object from the first to the one that is current."""
        answer = self.stack.s3.list_object_versions(Bucket=IMAGES)
        assert not answer.get("DeleteMarkers")
        found: dict[str, list[Image]] = {}
        for version in reversed(answer.get("Versions", [])):
            found.setdefault(version["Key"], []).append(
                self.image(version["Key"], version["VersionId"])
            )
        for key, versions in found.items():
            assert self.stack.head(key)["VersionId"] == versions[-1].version
        return found

    def image(self, key: str, version: str) -> Image:
        """One version of an object."""
        answer = self.stack.s3.get_object(Bucket=IMAGES, Key=key, VersionId=version)
        tags = self.stack.s3.get_object_tagging(Bucket=IMAGES, Key=key, VersionId=version)
        return Image(
            key=key,
            version=version,
            etag=answer["ETag"].strip('"'),
            body=answer["Body"].read(),
            metadata=answer["Metadata"],
            properties={name: answer[name] for name in PROPERTIES if name in answer},  # type: ignore[literal-required]
            tags=tuple(sorted((tag["Key"], tag["Value"]) for tag in tags["TagSet"])),
        )


type Worlds = Callable[[], AbstractContextManager[World]]


@contextmanager
def new_world(stack: Stack, functions: Functions, wire: Wire, temp_dir: Path) -> Iterator[World]:
    """A new AWS with the stack deployed and nothing in it."""
    with mock_aws():
        stack.create()
        wire.clear()
        yield World(stack, functions, wire, temp_dir)
        wire.clear()
