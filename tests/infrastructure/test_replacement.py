"""What an update must not replace.

CloudFormation replaces a resource whose logical id, type or one of certain properties has changed:
it makes a new one beside or instead of the old. For a bucket or the table that is a stack which has
lost sight of its runs and can undo none; for a queue the messages of runs that are on; for a
function, a role or a topic whatever outside the stack names it. `kept.json` holds all of it as it
was released. Which properties those are comes from the CDK command line's own database.
"""

import gzip
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from local.layout import CDK
from tests.infrastructure.synthesised import Synthesised

KEPT = Path(__file__).with_name("kept.json")
TYPES = (
    "AWS::S3::Bucket",
    "AWS::DynamoDB::Table",
    "AWS::SQS::Queue",
    "AWS::SNS::Topic",
    "AWS::KMS::Key",
    "AWS::Lambda::Function",
    "AWS::Logs::LogGroup",
    "AWS::IAM::Role",
    "AWS::CloudWatch::Dashboard",
)
# An index that changes is made anew while the functions read it.
MORE_PROPERTIES = {"AWS::DynamoDB::Table": ("AttributeDefinitions", "GlobalSecondaryIndexes")}
WHY = """
An update of a deployed stack would replace this, or lose it. Bring the old ids and properties back
(`override_logical_id` keeps an id where a construct moves). If it has to be, it is a breaking
release: write in CHANGELOG.md what happens to runs and data, and kept.json anew from this:

{found}
"""


@cache
def replacing_properties(resource_type: str) -> tuple[str, ...]:
    """The properties that CloudFormation cannot change in place."""
    with gzip.open(CDK.parents[1] / "db.json.gz") as file:
        resources = json.load(file)["schema"]["resource"]["entities"]
    (entry,) = (one for one in resources if one["cloudFormationType"] == resource_type)
    replacing = (k for k, v in entry["properties"].items() if v.get("causesReplacement"))
    return (*sorted(replacing), *MORE_PROPERTIES.get(resource_type, ()))


def what_counts(template: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """By logical id, all that an update must find as it was."""
    return {
        logical_id: {
            "Type": resource["Type"],
            **{k: resource[k] for k in ("DeletionPolicy", "UpdateReplacePolicy") if k in resource},
            **{
                name: resource["Properties"][name]
                for name in replacing_properties(resource["Type"])
                if name in resource.get("Properties", {})
            },
        }
        for logical_id, resource in template["Resources"].items()
        if resource["Type"] in TYPES
    }


@pytest.mark.parametrize("stack", ["bare", "given_buckets"])
def test_an_update_replaces_nothing_that_was_released(
    stack: str, request: pytest.FixtureRequest
) -> None:
    template = request.getfixturevalue(stack).template
    kept = json.loads(KEPT.read_text("utf-8"))
    if stack == "given_buckets":
        del kept["ImagesBucket4B6DB8E1"]  # the only thing that settings make come and go

    found = what_counts(template)

    assert found == kept, WHY.format(found=json.dumps(found, indent=2))


@pytest.mark.parametrize("kind", ["AWS::S3::Bucket", "AWS::DynamoDB::Table"])
def test_what_holds_data_outlives_a_mistake(kind: str) -> None:
    holders = [one for one in json.loads(KEPT.read_text("utf-8")).values() if one["Type"] == kind]

    assert holders
    assert {one["UpdateReplacePolicy"] for one in holders} == {"Retain"}
    assert {one["DeletionPolicy"] for one in holders} == {"RetainExceptOnCreate"}


def test_only_what_holds_data_stays_when_the_stack_is_removed(bare: Synthesised) -> None:
    resources = bare.template["Resources"].values()
    stay = [one for one in resources if "Retain" in one.get("DeletionPolicy", "")]

    assert {one["Type"] for one in stay} == {"AWS::S3::Bucket", "AWS::DynamoDB::Table"}
    assert len(stay) == 4, "trigger, runs and images bucket, and the table"


def test_the_database_knows_what_replaces(bare: Synthesised) -> None:
    assert "BucketName" in replacing_properties("AWS::S3::Bucket")
    assert "KeySchema" in replacing_properties("AWS::DynamoDB::Table")
    assert "QueueName" in replacing_properties("AWS::SQS::Queue")
