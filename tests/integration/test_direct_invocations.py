"""Somebody invokes the dispatcher: from the console, a script, or asynchronously."""

import json
from typing import Any

import pytest

from imagepress.run import RunStatus
from tests.integration.pump import Pump
from tests.integration.service import Service
from tests.integration.stack import CHUNKS, DISPATCHES, IMAGES, RUNS, TRIGGER, Stack
from tests.integration.wire import Wire
from tests.pictures import jpeg, photograph

ANSWER = {
    "run_id",
    "status",
    "message",
    "estimated_rows",
    "estimated_chunks",
    "chunk_size",
    "log",
    "results",
    "failed",
    "summary",
    "parameters",
    "notes",
}


@pytest.fixture
def csv(service: Service, stack: Stack) -> str:
    """The key of a CSV with three rows, two of them pictures."""
    stack.put_image("a.jpg", jpeg(photograph(seed=1)))
    stack.put_image("b.jpg", jpeg(photograph(seed=2)))
    service.put_csv("lists/three.csv", ["a.jpg", "b.jpg", "missing.jpg"])
    return "lists/three.csv"


def test_the_answer_has_what_the_caller_needs_next(service: Service, csv: str) -> None:
    event = {"bucket_name": IMAGES, "csv_path": csv, "perc_compression_quality": 70}

    answer = service.invoke(event)

    assert answer.keys() >= ANSWER
    assert answer["status"] == "RUNNING"
    assert answer["message"] == ""
    assert (answer["estimated_rows"], answer["estimated_chunks"], answer["chunk_size"]) == (3, 3, 1)
    assert answer["parameters"]["perc_compression_quality"] == 70
    assert answer["notes"] == []
    prefix = f"s3://{RUNS}/runs/{answer['run_id']}/"
    assert answer["results"] == f"{prefix}results.csv"
    assert answer["failed"] == f"{prefix}failed.csv"
    assert answer["summary"] == f"{prefix}summary.json"
    assert answer["log"].startswith(f"{prefix}compression_")


def test_the_run_goes_on_by_itself(service: Service, csv: str) -> None:
    answer = service.invoke({"csv_path": csv})

    run = service.finish(answer["run_id"])

    assert run.outcomes() == ["COMPRESSED", "COMPRESSED", "FAILED/NOT_FOUND"]
    assert run.summary["files"] == {
        name: answer[name] for name in ("log", "results", "failed", "undo", "report", "summary")
    }


def test_nothing_is_sent_out_before_the_answer(service: Service, pump: Pump, csv: str) -> None:
    service.invoke({"csv_path": csv})

    assert pump.waiting(CHUNKS) == []
    assert len(pump.waiting(DISPATCHES)) == 1


@pytest.mark.parametrize("bucket", [TRIGGER, RUNS])
def test_the_csv_may_be_named_by_url(service: Service, stack: Stack, csv: str, bucket: str) -> None:
    body = stack.s3.get_object(Bucket=TRIGGER, Key=csv)["Body"].read()
    stack.s3.put_object(Bucket=bucket, Key="elsewhere/list", Body=body)

    answer = service.invoke({"csv_path": f"s3://{bucket}/elsewhere/list"})

    assert service.finish(answer["run_id"]).summary["rows"] == 3


def test_a_repeated_token_is_the_same_run(
    service: Service, pump: Pump, wire: Wire, csv: str
) -> None:
    event = {"csv_path": csv, "client_token": "once"}
    first, second = service.invoke(event), service.invoke(event)
    run = service.finish(first["run_id"])
    third = service.invoke(event)
    pump.run()

    assert first["run_id"] == second["run_id"] == third["run_id"]
    assert third["status"] == "COMPLETED"
    assert third["estimated_rows"] == 3
    assert run.outcomes() == ["COMPRESSED", "COMPRESSED", "FAILED/NOT_FOUND"]
    assert len(wire.made("PutObject", Bucket=IMAGES)) == 2


def test_another_token_is_another_run(service: Service, csv: str) -> None:
    answers = [service.invoke({"csv_path": csv, "client_token": token}) for token in ("a", "b")]

    assert answers[0]["run_id"] != answers[1]["run_id"]


def test_a_token_with_other_parameters_is_refused(service: Service, csv: str) -> None:
    first = service.invoke({"csv_path": csv, "client_token": "once"})
    refused = service.invoke(
        {"csv_path": csv, "client_token": "once", "perc_compression_quality": 10}
    )

    assert refused["run_id"] != first["run_id"]
    assert refused["status"] == "FAILED"
    assert "client_token" in refused["message"]
    assert first["run_id"] in refused["message"]
    assert service.finish(first["run_id"]).summary["parameters"]["perc_compression_quality"] == 80
    assert service.finished(refused["run_id"]).status == "FAILED"


def test_a_retried_asynchronous_call_is_the_same_run(service: Service, csv: str) -> None:
    first, again = (service.invoke({"csv_path": csv}, request_id="call-1") for _ in range(2))
    other = service.invoke({"csv_path": csv}, request_id="call-2")

    assert first["run_id"] == again["run_id"]
    assert other["run_id"] != first["run_id"]


def failure_of(payload: Any, request_id: str = "call-1") -> str:
    """What Lambda sends to the on-failure destination of an asynchronous call."""
    return json.dumps(
        {
            "version": "1.0",
            "timestamp": "2024-02-01T12:00:00.000Z",
            "requestContext": {
                "requestId": request_id,
                "functionArn": "arn:aws:lambda:us-east-1:123456789012:function:dispatcher:$LATEST",
                "condition": "RetriesExhausted",
                "approximateInvokeCount": 3,
            },
            "requestPayload": payload,
            "responseContext": {"statusCode": 200, "executedVersion": "$LATEST"},
            "responsePayload": {"errorMessage": "Task timed out"},
        }
    )


def only_run(stack: Stack) -> str:
    """The id of the one run that there is."""
    (run_id,) = {run_id for status in RunStatus for run_id in stack.table.with_status(status)}
    return run_id


def test_an_asynchronous_call_that_lambda_gave_up_still_runs(
    service: Service, stack: Stack, pump: Pump, csv: str
) -> None:
    stack.send(DISPATCHES, failure_of({"csv_path": csv}))

    pump.run()

    assert service.finished(only_run(stack)).summary["rows"] == 3


def test_an_upload_that_lambda_gave_up_still_runs(
    service: Service, stack: Stack, pump: Pump, csv: str
) -> None:
    stack.send(DISPATCHES, failure_of(service.put_csv("list.csv", ["a.jpg"])))

    pump.run()

    assert service.finished(only_run(stack)).outcomes() == ["COMPRESSED"]


def test_a_call_that_was_given_up_after_it_had_started_its_run_is_the_same_run(
    service: Service, stack: Stack, pump: Pump, csv: str
) -> None:
    answer = service.invoke({"csv_path": csv}, request_id="call-1")
    stack.send(DISPATCHES, failure_of({"csv_path": csv}, "call-1"))

    pump.run()

    assert only_run(stack) == answer["run_id"]
    assert service.finished(answer["run_id"]).summary["rows"] == 3


def test_a_message_that_nobody_knows_is_taken_from_the_queue(stack: Stack, pump: Pump) -> None:
    stack.send(DISPATCHES, {"hello": "world"})

    pump.run()

    assert pump.waiting() == []


@pytest.mark.parametrize("event", [{}, [], "list.csv", None, 5, {"Records": []}, {"Records": 1}])
def test_an_event_that_is_no_order_is_a_failed_run(service: Service, event: Any) -> None:
    answer = service.invoke(event)

    assert answer["status"] == "FAILED"
    assert "csv_path" in answer["message"]
    assert service.finish(answer["run_id"]).message == answer["message"]


@pytest.mark.parametrize(("rows", "warned"), [(1_900_000, False), (2_200_000, True)])
def test_a_run_that_cannot_end_in_time_says_so_at_its_start(
    service: Service, *, rows: int, warned: bool
) -> None:
    """With one compressor two million rows take two weeks, and so long the queue holds them."""
    service.put_csv("long.csv", b"path\n" + b"a.jpg\n" * rows)

    notes = service.invoke({"csv_path": "long.csv"})["notes"]

    said = [note for note in notes if "raise compressor_concurrency" in note]
    assert len(said) == warned
    assert all("may take 15 days" in note for note in said)
