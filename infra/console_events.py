"""Events for the *Test* button of the Lambda console, so that nobody has to type JSON.

The console shows what a schema in the account's registry `lambda-testevent-schemas` has under
`components.examples`. CloudFormation cannot make that registry where the console or another stack
has made it already, so that this is done after a deployment: by `make deploy`, or by
`python -m infra.console_events`. Events that people have saved there themselves stay.
"""

import argparse
import json
import sys
from collections.abc import Mapping
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from imagepress.aws_errors import error_code
from imagepress.aws_session import aws_session
from infra import STACK_ID

REGISTRY = "lambda-testevent-schemas"
BUCKET = "my-pictures"
"""Stands for the stack's images bucket, here and in the documents."""

EVENTS: Mapping[str, Mapping[str, Any]] = {
    "start-a-run": {
        "bucket_name": BUCKET,
        "csv_path": "dataset.csv",
        "perc_compression_quality": 75,
    },
    "dry-run-of-a-sample": {"bucket_name": BUCKET, "prefix": "", "dry_run_sample": 500},
    "status": {"action": "status", "run_id": "…"},
    "list": {"action": "list"},
    "cancel": {"action": "cancel", "run_id": "…"},
    "restore": {"action": "restore", "run_id": "…"},
}
EMPTY_SCHEMA: Mapping[str, Any] = {
    "openapi": "3.0.0",
    "info": {"title": "Event", "version": "1.0.0"},
    "paths": {},
    "components": {"schemas": {"Event": {"type": "object"}}},
}


def main() -> None:
    """Save the events for the deployed stack, or remove them."""
    parser = argparse.ArgumentParser(prog="python -m infra.console_events", description=__doc__)
    parser.add_argument("--remove", action="store_true", help="remove the function's saved events")
    try:
        done = (remove if parser.parse_args().remove else save)(aws_session())
    except (BotoCoreError, ClientError, ValueError) as error:
        sys.exit(f"The console's test events were not changed: {error}")
    print(done)


def save(session: boto3.Session) -> str:
    """Put our events among those of the stack's dispatcher; what was done, in one line."""
    function, bucket = _outputs(session, "DispatcherFunction", "ImageBuckets")
    client = _schemas(session)
    where = {"RegistryName": REGISTRY, "SchemaName": schema_name(function)}
    before = _content(client, where)
    after = with_events(before or EMPTY_SCHEMA, bucket.partition(",")[0])
    said = f"In the Lambda console, {function} → Test has events: {', '.join(EVENTS)}."
    if before is None:
        _make_registry(client)
        client.create_schema(**where, Type="OpenApi3", Content=json.dumps(after))
    elif after != before:
        client.update_schema(**where, Type="OpenApi3", Content=json.dumps(after))
    return said


def remove(session: boto3.Session) -> str:
    """Delete all that is saved for the stack's dispatcher; the registry may serve others."""
    (function,) = _outputs(session, "DispatcherFunction")
    try:
        _schemas(session).delete_schema(RegistryName=REGISTRY, SchemaName=schema_name(function))
    except ClientError as error:
        if error_code(error) != "NotFoundException":
            raise
        return f"{function} has no saved events."
    return f"The saved events of {function} are removed."


def schema_name(function: str) -> str:
    """Where the console looks for a function's events."""
    return f"_{function}-schema"


def with_events(schema: Mapping[str, Any], bucket: str) -> dict[str, Any]:
    """The schema with our events for a bucket; those that are not ours stay."""
    components = schema.get("components", {})
    ours = {
        name: {"value": {k: bucket if v == BUCKET else v for k, v in event.items()}}
        for name, event in EVENTS.items()
    }
    examples = {**components.get("examples", {}), **ours}
    return {**schema, "components": {**components, "examples": examples}}


def _schemas(session: boto3.Session) -> Any:
    return session.client("schemas")


def _outputs(session: boto3.Session, *names: str) -> list[str]:
    (stack,) = session.client("cloudformation").describe_stacks(StackName=STACK_ID)["Stacks"]
    outputs = {one["OutputKey"]: one["OutputValue"] for one in stack["Outputs"]}
    return [outputs[name] for name in names]


def _content(client: Any, where: Mapping[str, str]) -> dict[str, Any] | None:
    """The schema, or None where it or the registry is not there."""
    try:
        content: dict[str, Any] = json.loads(client.describe_schema(**where)["Content"])
    except ClientError as error:
        if error_code(error) != "NotFoundException":
            raise
        return None
    return content


def _make_registry(client: Any) -> None:
    try:
        client.create_registry(RegistryName=REGISTRY)
    except ClientError as error:
        if error_code(error) != "ConflictException":
            raise


if __name__ == "__main__":
    main()
