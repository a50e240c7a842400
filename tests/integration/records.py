"""What a deployed version has on record at one moment: table, messages and objects, as one file.

`records/` has a file for each released version, so that today's code can be asked to go on from
it. Files that only people read, such as logs and reports, are left out.
"""

import base64
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from moto.s3.models import s3_backends
from moto.sqs.models import sqs_backends

from tests.integration.stack import (
    ACCOUNT,
    IMAGES,
    QUEUES,
    REGION,
    RUNS,
    TABLE,
    TRIGGER,
    Stack,
)

FOLDER = Path(__file__).with_name("records")
FOR_PEOPLE = (".log", "results.csv", "failed.csv", "report.html", "summary.json")


@dataclass(frozen=True, slots=True)
class Records:
    """`runs` are run ids by the name that the test has for them; objects are oldest first."""

    runs: dict[str, str]
    items: list[dict[str, Any]]
    messages: list[dict[str, str]]
    objects: list[dict[str, Any]]

    @classmethod
    def of(cls, stack: Stack, runs: Mapping[str, str]) -> Self:
        """All that there is now."""
        items = stack.dynamodb.scan(TableName=TABLE)["Items"]
        return cls(dict(runs), _sorted(items), list(_messages()), list(_objects(stack)))

    @classmethod
    def read(cls, file: Path) -> Self:
        """Those of a file."""
        return cls(**json.loads(file.read_text("utf-8")))

    def write(self, file: Path) -> None:
        """Keep them."""
        everything = {name: getattr(self, name) for name in self.__slots__}
        file.write_text(json.dumps(everything, indent=1, ensure_ascii=False) + "\n", "utf-8")

    def put_into(self, stack: Stack) -> None:
        """Make a stack that has nothing yet what it was, down to the objects' versions."""
        for item in self.items:
            stack.dynamodb.put_item(TableName=TABLE, Item=item)
        for one in self.objects:
            bucket, key = one["bucket"], one["key"]
            stack.s3.put_object(
                Bucket=bucket, Key=key, Body=_bytes(one["body"]), Metadata=one["metadata"]
            )
            stored = s3_backends[ACCOUNT]["aws"].buckets[bucket].keys.getlist(key)[-1]
            stored._version_id = one["version_id"]
        for message in self.messages:
            stack.send(message["queue"], message["body"])

    def bodies(self, key: str) -> list[bytes]:
        """All versions of an object, the oldest first."""
        return [_bytes(one["body"]) for one in self.objects if one["key"] == key]

    def form(self) -> set[str]:
        """Each name that there is in any record, where it is, and the type of what it holds."""
        found: set[str] = set()
        for item in self.items:
            values = {name: _plain(value) for name, value in item.items()}
            found.update(_form(item["pk"]["S"].partition("#")[0], values))
        for message in self.messages:
            found.update(_form(message["queue"], json.loads(message["body"])))
        for one in self.objects:
            found.update(_form("metadata", {k: _decoded(v) for k, v in one["metadata"].items()}))
            if one["key"].endswith(".jsonl"):
                for line in one["body"].splitlines():
                    found.update(_form("part", json.loads(line)))
            elif one["key"].endswith("/undo.csv"):
                found.add(f"undo.csv: {one['body'].partition('\n')[0]}")
        return found


def _sorted(items: list[Any]) -> list[dict[str, Any]]:
    return sorted((dict(sorted(item.items())) for item in items), key=lambda item: item["pk"]["S"])


def _messages() -> Iterator[dict[str, str]]:
    for queue in QUEUES:
        for message in sqs_backends[ACCOUNT][REGION].queues[queue]._messages:
            yield {"queue": queue, "body": message.body}


def _objects(stack: Stack) -> Iterator[dict[str, Any]]:
    for bucket in (TRIGGER, RUNS, IMAGES):
        answer = stack.s3.list_object_versions(Bucket=bucket)
        for version in reversed(answer.get("Versions", [])):
            key, version_id = version["Key"], version["VersionId"]
            if not key.endswith(FOR_PEOPLE):
                found = stack.s3.get_object(Bucket=bucket, Key=key, VersionId=version_id)
                yield {
                    "bucket": bucket,
                    "key": key,
                    "version_id": version_id,
                    "metadata": found["Metadata"],
                    "body": _text(found["Body"].read()),
                }


def _text(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError:
        return f"base64:{base64.b64encode(body).decode()}"


def _bytes(text: str) -> bytes:
    content = text.removeprefix("base64:")
    return text.encode() if content == text else base64.b64decode(content)


def _plain(value: Mapping[str, Any]) -> Any:
    ((kind, plain),) = value.items()
    return _decoded(plain) if kind == "S" else {kind: plain}


def _decoded(text: str) -> Any:
    """What a text says, where it is JSON."""
    return json.loads(text) if text.startswith("{") else text


def _form(name: str, value: Any) -> Iterator[str]:
    match value:
        case dict():
            for inner_name, inner in value.items():
                yield from _form(f"{name}.{inner_name}", inner)
        case list():
            for inner in value:
                yield from _form(f"{name}[]", inner)
        case _:
            yield f"{name}: {type(value).__name__}"
