"""The answers of the dispatcher have the fields that docs/reference.md tells of."""

from imagepress.outcome import Outcome
from local import reference_texts as texts
from tests.integration.service import Service
from tests.integration.stack import IMAGES, Stack
from tests.pictures import jpeg


def test_answers_have_the_fields_that_are_documented(service: Service, stack: Stack) -> None:
    stack.put_image("a.jpg", jpeg())
    service.put_csv("one.csv", ["a.jpg"])

    started = service.invoke({"bucket_name": IMAGES, "csv_path": "one.csv"})
    run_id = started["run_id"]
    status = service.invoke({"action": "status", "run_id": run_id})
    listed = service.invoke({"action": "list"})
    cancelled = service.invoke({"action": "cancel", "run_id": run_id})

    assert started.keys() == texts.START_FIELDS.keys()
    assert status.keys() == texts.STATUS_FIELDS.keys()
    assert status["outcomes"].keys() == set(Outcome)
    assert listed.keys() == texts.LIST_FIELDS.keys()
    assert list(listed["runs"][0]) == list(status)[:9]
    assert cancelled.keys() == texts.CANCEL_FIELDS.keys()


def test_a_summary_has_no_field_that_is_not_documented(service: Service, stack: Stack) -> None:
    stack.put_image("a.jpg", jpeg())
    service.put_csv("one.csv", ["a.jpg"])

    run = service.finish(service.invoke({"csv_path": "one.csv"})["run_id"])

    assert run.outcomes() == ["COMPRESSED"]
    assert [name for name in texts.SUMMARY_FIELDS if name in run.summary] == list(run.summary)


def test_refused_actions_are_answered_as_documented(service: Service) -> None:
    nobody = {"run_id": "nobody"}

    for action in ("status", "cancel"):
        answer = service.invoke({"action": action, **nobody})
        assert answer.keys() == {"run_id", "status", "message"}
        assert answer["status"] == "FAILED"
    assert service.invoke({"action": "list", **nobody}).keys() == {"runs", "message"}
