"""Events for the Lambda console; neither moto nor the local AWS has the service that keeps them.

botocore checks requests and answers against the service's model.
"""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from infra import console_events, deploy
from infra.console_events import EMPTY_SCHEMA, EVENTS, REGISTRY, with_events
from tests.documents import DOCUMENTS, INLINE_JSON, README, blocks

FUNCTION = "imagepress-DispatcherFunction30F49669-abc"
WHERE = {"RegistryName": REGISTRY, "SchemaName": f"_{FUNCTION}-schema"}
OUTPUTS = {"DispatcherFunction": FUNCTION, "ImageBuckets": "photos,scans"}


class Account(boto3.Session):
    """An account with the stack, and the answers of its schema registry, in turn."""

    def __init__(self) -> None:
        super().__init__("id", "secret", region_name="eu-west-1")
        self.schemas = super().client("schemas")
        self.answers = Stubber(self.schemas)

    def client(self, service_name: str, *arguments: Any, **options: Any) -> Any:
        if service_name == "schemas":
            return self.schemas
        client = super().client(service_name, *arguments, **options)  # type: ignore[call-overload]
        stubber = Stubber(client)
        stack = {
            "StackName": "imagepress",
            "CreationTime": datetime.now(UTC),
            "StackStatus": "UPDATE_COMPLETE",
            "Outputs": [{"OutputKey": k, "OutputValue": v} for k, v in OUTPUTS.items()],
        }
        stubber.add_response("describe_stacks", {"Stacks": [stack]})
        stubber.activate()
        return client

    def refuses(self, operation: str, code: str, parameters: Any = WHERE) -> None:
        self.answers.add_client_error(operation, code, expected_params=parameters)

    def has(self, schema: Any) -> None:
        self.answers.add_response("describe_schema", {"Content": json.dumps(schema)}, WHERE)

    def takes(self, operation: str, schema: Any) -> None:
        given = {**WHERE, "Type": "OpenApi3", "Content": json.dumps(schema)}
        self.answers.add_response(operation, {}, given)


@pytest.fixture
def account() -> Iterator[Account]:
    account = Account()
    with account.answers:
        yield account
        account.answers.assert_no_pending_responses()


def test_an_account_without_a_registry_gets_one_with_the_events(account: Account) -> None:
    account.refuses("describe_schema", "NotFoundException")
    account.answers.add_response("create_registry", {}, {"RegistryName": REGISTRY})
    account.takes("create_schema", with_events(EMPTY_SCHEMA, "photos"))

    said = deploy.events_for_the_console(account)

    assert said.startswith(f"In the Lambda console, {FUNCTION} → Test has events: start-a-run, ")


def test_a_registry_that_is_there_is_used(account: Account) -> None:
    account.refuses("describe_schema", "NotFoundException")
    account.refuses("create_registry", "ConflictException", {"RegistryName": REGISTRY})
    account.takes("create_schema", with_events(EMPTY_SCHEMA, "photos"))

    assert "start-a-run" in deploy.events_for_the_console(account)


def test_events_of_before_are_renewed_and_those_of_others_stay(account: Account) -> None:
    theirs = {"value": {"csv_path": "theirs.csv"}}
    examples = {"theirs": theirs, "list": {"value": {"action": "lst"}}}
    before = {"openapi": "3.0.0", "x": 1, "components": {"y": 2, "examples": examples}}
    after = with_events(before, "photos")
    account.has(before)
    account.takes("update_schema", after)

    assert "list" in deploy.events_for_the_console(account)
    assert (after["x"], after["components"]["y"]) == (1, 2)
    assert after["components"]["examples"]["theirs"] == theirs
    assert after["components"]["examples"]["list"] == {"value": {"action": "list"}}


def test_events_that_are_there_already_make_no_new_version(account: Account) -> None:
    account.has(with_events(EMPTY_SCHEMA, "photos"))

    assert "list" in deploy.events_for_the_console(account)


@pytest.mark.parametrize("code", ["ForbiddenException", "AccessDeniedException"])
def test_a_missing_right_is_a_note_with_the_remedy(account: Account, code: str) -> None:
    account.refuses("describe_schema", code)

    said = deploy.events_for_the_console(account)

    assert said.startswith("Note: the stack is deployed, but no test events")
    assert code in said
    assert "schemas:CreateRegistry" in said
    assert "-m infra.console_events" in said


def test_a_schema_that_nobody_can_read_is_a_note(account: Account) -> None:
    account.answers.add_response("describe_schema", {"Content": "openapi: 3.0.0"}, WHERE)

    assert deploy.events_for_the_console(account).startswith("Note: ")


def test_the_events_can_be_removed(account: Account) -> None:
    account.answers.add_response("delete_schema", {}, WHERE)

    assert console_events.remove(account) == f"The saved events of {FUNCTION} are removed."


def test_events_that_are_gone_are_no_error(account: Account) -> None:
    account.refuses("delete_schema", "NotFoundException")

    assert console_events.remove(account) == f"{FUNCTION} has no saved events."


def test_the_schema_is_what_the_console_reads() -> None:
    schema = json.loads(json.dumps(with_events(EMPTY_SCHEMA, "photos")))

    assert schema["openapi"].startswith("3.0.")
    assert schema.keys() >= {"info", "paths"}
    assert schema["components"]["schemas"].keys() == {"Event"}
    examples = schema["components"]["examples"]
    assert list(examples) == list(EVENTS)
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+", name) for name in examples)
    assert all(example.keys() == {"value"} for example in examples.values())
    assert examples["start-a-run"]["value"]["bucket_name"] == "photos"
    assert len(json.dumps(schema)) < 100_000


@pytest.mark.parametrize("event", EVENTS.values(), ids=EVENTS)
def test_an_event_is_one_of_the_documents(event: dict[str, Any]) -> None:
    shown = [json.loads(block.text) for block in blocks("json")]
    for document in DOCUMENTS:
        shown += map(json.loads, INLINE_JSON.findall(document.read_text("utf-8")))

    assert event in shown


def test_the_first_event_of_the_readme_is_the_consoles() -> None:
    events = [json.loads(block.text) for block in blocks("json", document=README)]

    assert next(event for event in events if "csv_path" in event) == EVENTS["start-a-run"]
