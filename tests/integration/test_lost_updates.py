"""Nobody's write is lost: not somebody else's to ours, nor ours to a lost answer."""

import random

import pytest

from tests.integration.pump import Pump
from tests.integration.service import Service
from tests.integration.stack import CHUNKS, IMAGES, Stack
from tests.integration.wire import Act, Call, Wire, lose_the_answer, refuse, throttle
from tests.pictures import jpeg, photograph

NEWER = jpeg(photograph(seed=99))


@pytest.fixture(autouse=True)
def picture(stack: Stack) -> str:
    """The key of one picture that can be compressed."""
    stack.put_image("a.jpg", jpeg())
    return "a.jpg"


def test_an_object_that_changes_while_it_is_compressed_keeps_the_change(
    service: Service, stack: Stack, wire: Wire
) -> None:
    wire.before("PutObject", lambda _: stack.put_image("a.jpg", NEWER), Bucket=IMAGES)

    run = service.upload(["a.jpg"])

    assert run.outcomes() == ["FAILED/CHANGED_MEANWHILE"]
    assert "was replaced by somebody else" in run.results[0]["message"]
    assert run.failed == ["a.jpg"]
    assert stack.image("a.jpg") == NEWER


def test_a_change_right_after_the_download_is_seen_too(
    service: Service, stack: Stack, wire: Wire
) -> None:
    wire.after("GetObject", lambda _: stack.put_image("a.jpg", NEWER), Bucket=IMAGES)

    assert service.upload(["a.jpg"]).outcomes() == ["FAILED/CHANGED_MEANWHILE"]
    assert stack.image("a.jpg") == NEWER


def test_an_object_that_is_deleted_meanwhile_stays_deleted(
    service: Service, stack: Stack, wire: Wire
) -> None:
    wire.before(
        "PutObject", lambda _: stack.s3.delete_object(Bucket=IMAGES, Key="a.jpg"), Bucket=IMAGES
    )

    run = service.upload(["a.jpg"])

    assert run.outcomes() == ["FAILED/CHANGED_MEANWHILE"]
    assert "was deleted" in run.results[0]["message"]
    assert stack.image("a.jpg") is None


def test_a_change_after_the_replacement_stays(service: Service, stack: Stack, wire: Wire) -> None:
    wire.after("PutObject", lambda _: stack.put_image("a.jpg", NEWER), Bucket=IMAGES)

    run = service.upload(["a.jpg"])

    assert run.outcomes() == ["COMPRESSED"]
    assert stack.image("a.jpg") == NEWER


def test_a_change_at_the_same_time_as_a_lost_answer_stays(
    service: Service, stack: Stack, wire: Wire
) -> None:
    def change_and_lose(call: Call) -> None:
        stack.put_image("a.jpg", NEWER, Metadata={"mine": "yes"})
        lose_the_answer(call)

    wire.after("PutObject", change_and_lose, Bucket=IMAGES)

    run = service.upload(["a.jpg"])

    assert run.outcomes() == ["COMPRESSED"]
    assert run.results[0]["bytes_before"] == str(len(NEWER))
    assert stack.head("a.jpg")["Metadata"]["mine"] == "yes"


@pytest.mark.parametrize("seed", range(3))
def test_a_crowd_of_writers_loses_nothing(
    service: Service, stack: Stack, wire: Wire, seed: int
) -> None:
    """Somebody writes before and after any call; what is current at the end descends from it."""
    keys = [f"{number}.jpg" for number in range(8)]
    last: dict[str, str] = {}
    chance = random.Random(seed)

    def perhaps_write(call: Call) -> None:
        key = call.parameters["Key"]
        if key in keys and chance.random() < 0.3:
            body = jpeg(photograph(size=(32, 32), seed=chance.getrandbits(32)))
            last[key] = stack.put_image(key, body)

    for key in keys:
        last[key] = stack.put_image(key, jpeg(photograph(size=(32, 32))))
    for operation in ("GetObject", "PutObject"):
        wire.before(operation, perhaps_write, times=1000, Bucket=IMAGES)
        wire.after(operation, perhaps_write, times=1000, Bucket=IMAGES)

    run = service.upload(keys * 2)

    for key in keys:
        current = stack.head(key)["ETag"].strip('"')
        made_from = {row["etag_after"]: row["etag_before"] for row in run.results}
        assert last[key] in (current, made_from.get(current))


def test_a_write_whose_answer_is_lost_counts(service: Service, stack: Stack, wire: Wire) -> None:
    before = stack.head("a.jpg")
    wire.after("PutObject", lose_the_answer, Bucket=IMAGES)

    run = service.upload(["a.jpg"])

    after = stack.head("a.jpg")
    row = run.row("a.jpg")
    assert row["outcome"] == "COMPRESSED"
    assert row["version_before"] == before["VersionId"]
    assert (row["etag_after"], row["version_after"]) == (
        after["ETag"].strip('"'),
        after["VersionId"],
    )
    assert len(wire.made("PutObject", Bucket=IMAGES)) == 1
    assert len(stack.versions()) == 2


def test_a_write_that_the_sdk_repeats_after_a_lost_answer_counts(
    service: Service, stack: Stack, wire: Wire
) -> None:
    """The SDK tries again by itself, and the second try meets the first one's ETag."""
    wire.after("PutObject", refuse("PreconditionFailed", status=412), Bucket=IMAGES)

    assert service.upload(["a.jpg"]).outcomes() == ["COMPRESSED"]
    assert len(stack.versions()) == 2


def test_a_write_that_never_arrived_is_tried_again(
    service: Service, stack: Stack, wire: Wire
) -> None:
    wire.before("PutObject", lose_the_answer, Bucket=IMAGES)

    assert service.upload(["a.jpg"]).outcomes() == ["COMPRESSED"]
    assert len(wire.made("PutObject", Bucket=IMAGES)) == 2
    assert len(stack.versions()) == 2


@pytest.mark.parametrize(
    "fault",
    [
        throttle,
        refuse("ConditionalRequestConflict", status=409),
        refuse("InternalError", status=500),
        refuse("ServiceUnavailable", status=503),
        refuse("RequestTimeout"),
        refuse("ExpiredToken"),
    ],
    ids=["SlowDown", "409", "500", "503", "RequestTimeout", "ExpiredToken"],
)
def test_what_passes_is_waited_for(service: Service, wire: Wire, fault: Act) -> None:
    wire.before("GetObject", fault, Bucket=IMAGES)
    wire.before("PutObject", fault, Bucket=IMAGES)

    assert service.upload(["a.jpg"]).outcomes() == ["COMPRESSED"]
    assert len(wire.made("GetObject", Bucket=IMAGES)) == 3
    assert len(wire.made("PutObject", Bucket=IMAGES)) == 2


def test_what_does_not_pass_is_not_tried_again(service: Service, stack: Stack, wire: Wire) -> None:
    before = stack.versions()
    wire.before("PutObject", refuse("InvalidRequest", "No such thing."), times=9, Bucket=IMAGES)

    run = service.upload(["a.jpg"])

    assert run.outcomes() == ["FAILED/REQUEST_REFUSED"]
    assert "No such thing." in run.results[0]["message"]
    assert len(wire.made("PutObject", Bucket=IMAGES)) == 1
    assert stack.versions() == before


def test_two_rows_that_race_for_one_object_replace_it_once(
    service: Service, stack: Stack, pump: Pump, wire: Wire
) -> None:
    """The second row's chunk is worked on while the first one's PUT is on its way."""
    run_id = service.start_upload(["a.jpg", "a.jpg"])
    pump.step("dispatches")
    second = pump.waiting(CHUNKS)[1]
    wire.before("PutObject", lambda _: pump.deliver(second), Bucket=IMAGES)

    run = service.finish(run_id)

    assert sorted(run.outcomes()) == ["COMPRESSED", "SKIPPED/DUPLICATE"]
    assert len(stack.versions()) == 2


def test_equal_rows_of_one_chunk_replace_their_object_once(
    service: Service, stack: Stack, one_chunk: None
) -> None:
    run = service.upload(["a.jpg"] * 5)

    assert sorted(run.outcomes()) == ["COMPRESSED", *["SKIPPED/DUPLICATE"] * 4]
    assert len(stack.versions()) == 2
