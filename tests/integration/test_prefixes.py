"""All objects under a prefix, instead of a CSV."""

from pathlib import Path

import pytest

from imagepress import listing
from imagepress.command_line import main
from tests.integration.pump import Pump
from tests.integration.service import FinishedRun, Service
from tests.integration.stack import DISPATCHES, IMAGES, Stack
from tests.integration.wire import Wire, die, throttle
from tests.pictures import jpeg, photograph

KEYS = sorted(["a/é + %.jpg", *(f"a/{number:02}.jpg" for number in range(23))])


@pytest.fixture
def pictures(stack: Stack) -> None:
    """Under a/, one of them a picture; a folder's own object, and neighbours that stay."""
    for key in KEYS:
        stack.put_image(key, b"no picture")
    stack.put_image(KEYS[0], jpeg(photograph(size=(64, 64))))
    stack.put_image("a/", b"")
    stack.put_image("ab.jpg", jpeg(photograph(size=(64, 64))))


def run_prefix(service: Service, prefix: str = "a/", **event: object) -> FinishedRun:
    return service.finish(service.invoke({"prefix": prefix, **event})["run_id"])


def assert_whole(run: FinishedRun) -> None:
    assert [row["path"] for row in run.results] == KEYS
    assert run.outcomes() == ["COMPRESSED", *["SKIPPED/UNSUPPORTED_FORMAT"] * (len(KEYS) - 1)]


def test_all_objects_under_a_prefix_are_the_manifest(service: Service, pictures: None) -> None:
    answer = service.invoke({"prefix": "a/"})

    assert answer["estimated_rows"] == len(KEYS)
    assert_whole(service.finish(answer["run_id"]))
    assert "-a-" in answer["run_id"]


def test_an_empty_prefix_is_the_whole_bucket(service: Service, pictures: None) -> None:
    run = run_prefix(service, "")

    assert [row["path"] for row in run.results] == [*KEYS, "ab.jpg"]


def test_a_prefix_without_objects_has_nothing_to_do(service: Service) -> None:
    run = run_prefix(service, "nothing/")

    assert (run.status, run.results) == ("COMPLETED", [])
    assert run.message == f"There is nothing to do: s3://{IMAGES}/nothing/ names no object."


def test_a_csv_and_a_prefix_are_refused(service: Service) -> None:
    answer = service.invoke({"prefix": "a/", "csv_path": "list.csv"})

    assert answer["status"] == "FAILED"
    assert answer["message"] == "csv_path and prefix are both given; give one of them."


def test_a_long_listing_goes_on_in_further_steps(
    service: Service, stack: Stack, pump: Pump, pictures: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Time is up after each page; many rows make a large chunk, whatever was guessed first."""
    few_keys_a_page(monkeypatch, 4)
    monkeypatch.setattr(listing, "LOOK_PAGES", 2)
    pump.clock.seconds = 10
    answer = service.invoke({"prefix": "a/"})
    assert answer["estimated_rows"] == 7  # the folder's own object is none
    assert answer["notes"][-1].startswith("The prefix holds over 7 objects")
    steps = 0
    while stack.table.load(answer["run_id"]).manifest is None:  # type: ignore[union-attr]
        pump.step(DISPATCHES)
        steps += 1
    pump.clock.seconds = 900

    assert_whole(service.finish(answer["run_id"]))
    assert steps >= len(KEYS) // 4


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize(
    ("operation", "nth"),
    [
        ("ListObjectsV2", 2),
        ("PutObject", 1),
        ("PutObject", 2),
        ("UpdateItem", 1),
        ("UpdateItem", 3),
    ],
)
def test_a_dispatcher_may_die_while_it_lists(
    service: Service,
    pump: Pump,
    wire: Wire,
    pictures: None,
    monkeypatch: pytest.MonkeyPatch,
    operation: str,
    nth: int,
    moment: str,
) -> None:
    few_keys_a_page(monkeypatch, 4)
    monkeypatch.setattr(listing, "FILE_KEYS", 8)
    run_id = service.invoke({"prefix": "a/"})["run_id"]
    getattr(wire, moment)(operation, die, nth=nth)

    run = service.finish(run_id)

    assert pump.deaths == 1
    assert_whole(run)


def test_objects_that_come_and_go_while_two_steps_list_are_no_mixture(
    service: Service,
    stack: Stack,
    pump: Pump,
    wire: Wire,
    pictures: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The other step sees more objects and is quicker; this one then writes its older list."""
    few_keys_a_page(monkeypatch, 100)
    run_id = service.invoke({"prefix": "a/"})["run_id"]
    (step,) = pump.waiting(DISPATCHES)

    def add_and_overtake(_: object) -> None:
        stack.put_image("a/ÿ.jpg", b"late")
        pump.deliver_copy(step)

    wire.before("PutObject", add_and_overtake)

    run = service.finish(run_id)

    assert [row["path"] for row in run.results] == [*KEYS, "a/ÿ.jpg"]


def test_throttled_listings_are_tried_again(service: Service, wire: Wire, pictures: None) -> None:
    run_id = service.invoke({"prefix": "a/"})["run_id"]
    wire.before("ListObjectsV2", throttle, times=2)

    assert_whole(service.finish(run_id))


def test_a_cancelled_listing_ends_without_rows(
    service: Service, stack: Stack, pump: Pump, pictures: None
) -> None:
    run_id = service.invoke({"prefix": "a/"})["run_id"]

    service.invoke({"action": "cancel", "run_id": run_id})
    pump.run()

    run = stack.table.load(run_id)
    assert run is not None
    assert run.status == "CANCELLED"


def test_a_sample_of_a_prefix_is_drawn_from_all_of_it(service: Service, pictures: None) -> None:
    run = run_prefix(service, dry_run_sample=6)

    assert 0 < run.summary["dry_run"]["rows_drawn"] < len(KEYS)


def test_copies_of_originals_are_never_touched(service: Service, stack: Stack) -> None:
    """A later run over everything must not compress what an earlier one set aside."""
    stack.put_image("a/1.jpg", jpeg(photograph(size=(64, 64))))
    first = run_prefix(service, "a/", backup_prefix="originals")
    copy = f"originals/{first.run_id}/a/1.jpg"
    before = stack.image(copy)

    second = run_prefix(service, "", perc_compression_quality=60)

    assert second.row(copy)["reason"] == "BACKUP"
    assert before is not None
    assert stack.image(copy) == before


def test_the_command_line_takes_a_prefix(
    stack: Stack, pictures: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--bucket_name", IMAGES, "--prefix", "a/", "--output_dir", str(tmp_path)]

    assert main(arguments) == 0

    assert f"{len(KEYS)} images: 1 compressed" in capsys.readouterr().out


def few_keys_a_page(monkeypatch: pytest.MonkeyPatch, keys: int) -> None:
    """Ask S3 for so many objects at a time."""
    monkeypatch.setattr(listing, "PAGE", {"PageSize": keys})
