"""People hear of every run that ends, and no run waits for that."""

import json
from typing import Any

import pytest

from imagepress.run import RunStatus
from tests.integration.pump import Pump
from tests.integration.service import Service
from tests.integration.stack import ACCOUNT, NOTICE_TOPIC, REGION, REPORTS, Stack
from tests.integration.wire import Wire, break_down, die, lose_the_answer
from tests.pictures import jpeg

KEYS = ["a.jpg", "missing.jpg"]


@pytest.fixture(autouse=True)
def inbox(stack: Stack) -> str:
    """A queue that hears every notice; its URL."""
    url = stack.sqs.create_queue(QueueName="inbox")["QueueUrl"]
    stack.sns.subscribe(
        TopicArn=NOTICE_TOPIC,
        Protocol="sqs",
        Endpoint=f"arn:aws:sqs:{REGION}:{ACCOUNT}:inbox",
        Attributes={"RawMessageDelivery": "true"},
    )
    stack.put_image("a.jpg", jpeg())
    return url


def heard(stack: Stack, inbox: str) -> list[dict[str, Any]]:
    answer = stack.sqs.receive_message(QueueUrl=inbox, MaxNumberOfMessages=10)
    return [json.loads(message["Body"]) for message in answer.get("Messages", [])]


def test_a_run_that_ends_is_announced_with_its_figures(
    service: Service, stack: Stack, inbox: str
) -> None:
    run = service.upload(KEYS)

    (facts,) = heard(stack, inbox)
    assert (facts["run_id"], facts["status"]) == (run.run_id, "COMPLETED")
    assert facts["outcomes"] == {"COMPRESSED": 1, "SKIPPED": 0, "FAILED": 1}
    assert facts["bytes_saved"] == run.summary["bytes_saved"]
    assert facts["files"] == run.summary["files"]


def test_subscribers_can_filter_by_status_and_kind(service: Service, wire: Wire) -> None:
    service.upload(KEYS)

    (call,) = wire.made("Publish")
    assert call.parameters["MessageAttributes"] == {
        "status": {"DataType": "String", "StringValue": "COMPLETED"},
        "kind": {"DataType": "String", "StringValue": "compression"},
    }


def test_a_refused_run_is_announced(service: Service, stack: Stack, inbox: str) -> None:
    service.upload(b"file\na.jpg\n")

    (facts,) = heard(stack, inbox)
    assert facts["status"] == "FAILED"
    assert "file" in facts["message"]


def test_a_cancelled_run_is_announced(
    service: Service, pump: Pump, stack: Stack, inbox: str
) -> None:
    run_id = service.start_upload(KEYS)
    service.invoke({"action": "cancel", "run_id": run_id})
    pump.run()

    (facts,) = heard(stack, inbox)
    assert facts["status"] == "CANCELLED"


def test_a_run_whose_report_was_given_up_is_announced(
    service: Service, pump: Pump, stack: Stack, inbox: str
) -> None:
    run_id = service.start_upload(b"file\na.jpg\n")
    (report,) = pump.waiting(REPORTS)
    pump.bury(report)
    pump.run()

    (facts,) = heard(stack, inbox)
    assert (facts["run_id"], facts["status"]) == (run_id, "FAILED")
    assert "reporter's log" in facts["message"]


@pytest.mark.parametrize("fault", [break_down, lose_the_answer])
def test_a_run_ends_whether_or_not_it_can_be_announced(
    service: Service, wire: Wire, fault: Any
) -> None:
    wire.before("Publish", fault, times=100)

    assert service.upload(KEYS).status is RunStatus.COMPLETED


def test_a_death_before_the_end_is_recorded_costs_a_second_notice_and_never_the_only_one(
    service: Service, pump: Pump, wire: Wire, stack: Stack, inbox: str
) -> None:
    wire.after("Publish", die)

    run = service.upload(KEYS)

    assert pump.deaths == 1
    assert [facts["run_id"] for facts in heard(stack, inbox)] == [run.run_id] * 2


def test_a_report_that_is_asked_for_twice_is_announced_once(
    service: Service, pump: Pump, stack: Stack, inbox: str
) -> None:
    run_id = service.start_upload(KEYS)
    pump.run(copies=2)

    assert [facts["run_id"] for facts in heard(stack, inbox)] == [run_id]
