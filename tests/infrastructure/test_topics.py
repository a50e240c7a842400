"""Who may publish to the topics, who is subscribed, and what is left when the stack goes."""

import pytest

from infra.config import StackConfig
from tests.infrastructure.synthesised import Synthesised, synthesise

TOPICS = ("AlarmTopic", "NoticeTopic")
KEEPS_DATA = {
    "Trigger/Bucket",
    "Runs/Bucket",
    "Images/Bucket",
    "RunState/Table",
}


@pytest.mark.parametrize("topic", TOPICS)
def test_a_topic_is_encrypted_and_refuses_plain_http(bare: Synthesised, topic: str) -> None:
    properties = bare.of_type("AWS::SNS::Topic")[f"{topic}/Topic"].properties
    assert properties["KmsMasterKeyId"]
    assert properties["DisplayName"].startswith("imagepress ")
    policy = bare.of_type("AWS::SNS::TopicPolicy")[f"{topic}/Topic/Policy"].properties
    denied = [one for one in policy["PolicyDocument"]["Statement"] if one["Effect"] == "Deny"]
    assert [one["Condition"] for one in denied] == [{"Bool": {"aws:SecureTransport": "false"}}]
    assert [one["Action"] for one in denied] == ["sns:Publish"]


def test_only_the_accounts_own_alarms_may_publish_alarms(bare: Synthesised) -> None:
    policy = bare.of_type("AWS::SNS::TopicPolicy")["AlarmTopic/Topic/Policy"].properties
    (allowed,) = [one for one in policy["PolicyDocument"]["Statement"] if one["Effect"] == "Allow"]
    assert allowed["Principal"] == {"Service": "cloudwatch.amazonaws.com"}
    assert allowed["Action"] == "sns:Publish"
    conditions = allowed["Condition"]
    assert conditions["StringEquals"] == {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}
    assert bare.text(conditions["ArnLike"]["aws:SourceArn"]) == (
        "arn:<AWS::Partition>:cloudwatch:<AWS::Region>:<AWS::AccountId>:alarm:*"
    )


def test_cloudwatch_may_use_the_key_of_the_alarms(bare: Synthesised) -> None:
    (key,) = bare.of_type("AWS::KMS::Key").values()
    assert key.properties["EnableKeyRotation"] is True
    statements = key.properties["KeyPolicy"]["Statement"]
    (given,) = [
        one for one in statements if one["Principal"] == {"Service": "cloudwatch.amazonaws.com"}
    ]
    assert given["Action"] == ["kms:Decrypt", "kms:GenerateDataKey*"]


def test_notices_use_the_key_that_aws_manages(bare: Synthesised) -> None:
    topic = bare.of_type("AWS::SNS::Topic")["NoticeTopic/Topic"].properties
    assert bare.text(topic["KmsMasterKeyId"]).endswith(":alias/aws/sns")


def test_nobody_is_subscribed_unasked(bare: Synthesised) -> None:
    assert bare.of_type("AWS::SNS::Subscription") == {}


def test_addresses_of_the_configuration_are_subscribed() -> None:
    config = {"alarm_email": "night@example.com", "notice_email": "shop@example.com"}
    subscriptions = synthesise(StackConfig.from_json(config)).of_type("AWS::SNS::Subscription")

    found = {
        path.split("/")[0]: (one.properties["Protocol"], one.properties["Endpoint"])
        for path, one in subscriptions.items()
    }
    assert found == {
        "AlarmTopic": ("email", "night@example.com"),
        "NoticeTopic": ("email", "shop@example.com"),
    }


def test_only_what_holds_data_outlives_the_stack(bare: Synthesised) -> None:
    kept = {
        bare._path(logical_id)
        for logical_id, resource in bare.template["Resources"].items()
        if resource.get("DeletionPolicy", "Delete") != "Delete"
    }
    assert kept == KEEPS_DATA


def test_resources_are_tagged_for_the_bill() -> None:
    synthesised = synthesise(StackConfig.from_json({"tags": {"team": "pictures"}}))

    tags = [
        {"Key": "imagepress:stack", "Value": "imagepress"},
        {"Key": "team", "Value": "pictures"},
    ]
    for kind in ("S3::Bucket", "SQS::Queue", "Lambda::Function", "Logs::LogGroup", "SNS::Topic"):
        for path, resource in synthesised.of_type(f"AWS::{kind}").items():
            assert resource.properties["Tags"] == tags, path
