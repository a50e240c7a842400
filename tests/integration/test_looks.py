"""Asking the dispatcher how runs stand."""

import pytest

from tests.integration.pump import Pump
from tests.integration.service import Service
from tests.integration.stack import CHUNKS, DISPATCHES, IMAGES, RUNS, Stack
from tests.pictures import jpeg, photograph

KEYS = [f"{number}.jpg" for number in range(4)]


@pytest.fixture
def run_id(service: Service, stack: Stack) -> str:
    """A run of four rows, two of them pictures, a chunk each."""
    for key in KEYS[:2]:
        stack.put_image(key, jpeg(photograph(size=(64, 64))))
    return service.start_upload(KEYS)


def test_a_run_can_be_watched_from_start_to_end(service: Service, pump: Pump, run_id: str) -> None:
    look = {"action": "status", "run_id": run_id}
    first = service.invoke(look)
    pump.step(DISPATCHES)
    pump.step(CHUNKS)
    second = service.invoke(look)
    run = service.finish(run_id)
    last = service.invoke(look)

    assert (first["status"], first["rows_total"], first["rows_done"]) == ("RUNNING", None, 0)
    assert (second["status"], second["rows_total"], second["rows_done"]) == ("RUNNING", 4, 1)
    assert (last["status"], last["rows_done"]) == ("COMPLETED", 4)
    assert (last["outcomes"]["COMPRESSED"], last["outcomes"]["FAILED"]) == (2, 2)
    assert last["bytes_saved"] == run.summary["bytes_saved"] > 0
    assert last["bucket_name"] == IMAGES
    assert last["source"] == "s3://trigger/list.csv"
    assert last["files"]["summary"] == f"s3://{RUNS}/runs/{run_id}/summary.json"


def test_the_newest_runs_are_listed_first(service: Service, run_id: str) -> None:
    service.finish(run_id)
    refused = service.invoke({"csv_path": "nowhere.csv"})["run_id"]
    again = service.start_upload(KEYS)

    runs = service.invoke({"action": "list"})["runs"]

    assert [run["run_id"] for run in runs] == sorted([run_id, refused, again], reverse=True)
    assert {run["run_id"]: run["status"] for run in runs} == {
        run_id: "COMPLETED",
        refused: "REPORTING",
        again: "RUNNING",
    }


@pytest.mark.parametrize(
    ("event", "words"),
    [
        ({"action": "status"}, "run_id is missing"),
        ({"action": "status", "run_id": "nobody"}, "there is no run 'nobody'"),
        ({"action": "status", "runid": "x"}, "is not a parameter. Did you mean run_id?"),
        ({"action": "list", "run_id": "x"}, "Did you mean status?"),
    ],
)
def test_a_wrong_question_is_answered_with_what_is_right(
    service: Service, event: dict[str, str], words: str
) -> None:
    assert words in service.invoke(event)["message"]


def test_a_stack_without_runs_lists_none(service: Service) -> None:
    assert service.invoke({"action": "list"}) == {"runs": []}
