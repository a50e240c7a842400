"""People hear of the end of a run through the deployed topic."""

import json
import time
from typing import Any

import pytest

from tests.e2e.system import System
from tests.pictures import jpeg

pytestmark = pytest.mark.e2e

HEARD_SECONDS = 30.0


@pytest.fixture
def inbox(system: System) -> str:
    """A queue that hears every notice; its URL."""
    sqs, sns = system.clients.sqs, system.clients.sns
    url = sqs.create_queue(QueueName="inbox")["QueueUrl"]
    answer = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    arn = answer["Attributes"]["QueueArn"]
    topic = system.deployment.notice_topic_arn
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": arn,
        "Condition": {"ArnEquals": {"aws:SourceArn": topic}},
    }
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps(policy)})
    sns.subscribe(
        TopicArn=topic,
        Protocol="sqs",
        Endpoint=arn,
        Attributes={"RawMessageDelivery": "true"},
    )
    return url


def heard(system: System, inbox: str, run_id: str) -> dict[str, Any]:
    """The notice of a run, once it is there; those of other tests' runs are passed over."""
    deadline = time.monotonic() + HEARD_SECONDS
    while time.monotonic() < deadline:
        answer = system.clients.sqs.receive_message(
            QueueUrl=inbox, MaxNumberOfMessages=10, WaitTimeSeconds=1
        )
        for message in answer.get("Messages", []):
            body = message["Body"]
            facts: dict[str, Any] = json.loads(body)
            # The emulator leaves it to the subscriber to find the text of its protocol.
            facts = json.loads(facts["sqs"]) if "sqs" in facts else facts
            if facts["run_id"] == run_id:
                return facts
    raise AssertionError(f"Nothing was heard of {run_id}.")


def test_the_end_of_a_run_is_announced(system: System, name: str, inbox: str) -> None:
    key = f"{name}/picture.jpg"
    system.put(key, jpeg())

    run = system.await_run(system.upload_csv(f"{name}.csv", [key]))

    facts = heard(system, inbox, run.run_id)
    assert (facts["status"], facts["kind"]) == ("COMPLETED", "compression")
    assert facts["outcomes"] == run.summary["outcomes"]
    assert facts["bytes_saved"] == run.summary["bytes_saved"] > 0
