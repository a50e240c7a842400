"""The events that the Lambda console offers, as the dispatcher takes them."""

from typing import Any

import pytest

from infra.console_events import EMPTY_SCHEMA, EVENTS, with_events
from tests.integration.service import Service, csv_of
from tests.integration.stack import IMAGES, TRIGGER, Stack
from tests.pictures import jpeg, photograph


@pytest.fixture
def event(stack: Stack, service: Service, request: pytest.FixtureRequest) -> dict[str, Any]:
    """The event of that name, as it is saved; where a run is meant, one that is there."""
    stack.put_image("0.jpg", jpeg(photograph(size=(64, 64))))
    stack.s3.put_object(Bucket=TRIGGER, Key="dataset.csv", Body=csv_of(["0.jpg"]))
    saved = with_events(EMPTY_SCHEMA, IMAGES)["components"]["examples"][request.param]["value"]
    if "run_id" not in saved:
        return dict(saved)
    run_id = service.start_upload(["0.jpg"])
    if request.param == "restore":
        service.finish(run_id)
    return {**saved, "run_id": run_id}


@pytest.mark.parametrize("event", ["start-a-run", "dry-run-of-a-sample", "restore"], indirect=True)
def test_an_event_of_the_console_is_a_run(service: Service, event: dict[str, Any]) -> None:
    answer = service.invoke(event)

    assert (answer["status"], answer["message"]) == ("RUNNING", "")
    assert len(service.finish(answer["run_id"]).results) == 1


@pytest.mark.parametrize(
    ("event", "found"),
    [
        ("status", {"status": "RUNNING", "rows_done": 0}),
        ("cancel", {"message": "The run was cancelled."}),
        ("list", {"runs": []}),
    ],
    indirect=["event"],
)
def test_an_event_of_the_console_is_answered(
    service: Service, event: dict[str, Any], found: dict[str, Any]
) -> None:
    assert service.invoke(event).items() >= found.items()


def test_every_event_of_the_console_is_tried_here() -> None:
    tried = {"start-a-run", "dry-run-of-a-sample", "restore", "status", "cancel", "list"}

    assert set(EVENTS) == tried
