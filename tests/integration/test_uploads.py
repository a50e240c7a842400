"""A CSV that lands in the trigger bucket becomes a run."""

import gzip

import pytest

from tests.integration.pump import Pump
from tests.integration.service import Service, csv_of, upload_event
from tests.integration.stack import IMAGES, TRIGGER, Stack
from tests.integration.wire import Wire
from tests.pictures import decoded, jpeg, png


@pytest.fixture
def picture(stack: Stack) -> str:
    """The key of one picture that can be compressed."""
    stack.put_image("a.jpg", jpeg())
    return "a.jpg"


def test_an_upload_replaces_its_images_by_smaller_ones(service: Service, stack: Stack) -> None:
    originals = {"imagens/imagem1.jpg": jpeg(), "imagens/imagem2.png": png()}
    for key, body in originals.items():
        stack.put_image(key, body)

    run = service.upload([*originals])

    assert run.status == "COMPLETED"
    assert run.outcomes() == ["COMPRESSED", "COMPRESSED"]
    for key, body in originals.items():
        now = stack.image(key)
        assert now is not None
        assert len(now) < len(body)
        assert decoded(now).size == decoded(body).size


def test_at_quality_100_every_pixel_is_kept(service: Service, stack: Stack) -> None:
    stack.put_image("a.png", png())

    service.upload(["a.png"], metadata={"perc-compression-quality": "100"})

    assert decoded(stack.image("a.png") or b"").tobytes() == decoded(png()).tobytes()


@pytest.mark.parametrize(
    "key",
    ["a b.csv", "a+b.csv", "a%20b.csv", "100 %.csv", "Ordner/Bilder & mehr=é.CSV", "😀.csv"],
)
def test_the_csvs_key_may_be_any(service: Service, picture: str, key: str) -> None:
    run = service.upload([picture], key=key)

    assert run.summary["source"] == f"s3://{TRIGGER}/{key}"
    assert run.outcomes() == ["COMPRESSED"]


def test_a_run_reads_the_version_that_was_uploaded(
    service: Service, stack: Stack, pump: Pump, picture: str
) -> None:
    event = service.put_csv("list.csv", [picture])
    stack.s3.put_object(Bucket=TRIGGER, Key="list.csv", Body=csv_of(["other.jpg"]))

    (answer,) = pump.invoke("dispatcher", event)

    assert [row["path"] for row in service.finish(answer["run_id"]).results] == [picture]


def test_a_csv_that_is_overwritten_later_does_not_mix_into_the_run(
    service: Service, stack: Stack, picture: str
) -> None:
    run_id = service.start_upload([picture])
    stack.s3.put_object(Bucket=TRIGGER, Key="list.csv", Body=csv_of(["other.jpg"]))

    assert [row["path"] for row in service.finish(run_id).results] == [picture]


def test_an_event_without_a_version_is_pinned_all_the_same(
    service: Service, stack: Stack, pump: Pump, picture: str
) -> None:
    service.put_csv("list.csv", [picture])
    (answer,) = pump.invoke("dispatcher", upload_event("list.csv", None, "01"))
    stack.s3.put_object(Bucket=TRIGGER, Key="list.csv", Body=csv_of(["other.jpg"]))

    assert [row["path"] for row in service.finish(answer["run_id"]).results] == [picture]


@pytest.mark.parametrize("key", ["list.csv.gz", "list.csv"])
def test_a_gzipped_csv_is_unpacked_whatever_its_name(
    service: Service, stack: Stack, picture: str, key: str
) -> None:
    keys = [picture, *(f"missing/{number}.jpg" for number in range(9))]

    run = service.upload(gzip.compress(csv_of(keys)), key=key)

    assert [row["path"] for row in run.results] == keys
    assert run.outcomes() == ["COMPRESSED", *["FAILED/NOT_FOUND"] * 9]


def test_a_csv_from_a_spreadsheet_is_read(service: Service, picture: str) -> None:
    content = f'\ufeffid;x,"Path",note\r\n7,{picture},"first, ""best"""\r\n\r\n'

    assert service.upload(content.encode()).outcomes() == ["COMPRESSED"]


def test_parameters_come_from_the_objects_metadata(service: Service, picture: str) -> None:
    metadata = {
        "perc-compression-quality": "75",
        "max_image_pixels": "500000000",
        "bucket-name": IMAGES,
        "min-savings-percent": "0",
    }

    run = service.upload([picture], metadata=metadata)

    assert run.summary["parameters"]["perc_compression_quality"] == 75
    assert run.summary["parameters"]["max_image_pixels"] == 500_000_000
    assert run.summary["parameters"]["min_savings_percent"] == 0
    assert run.row(picture)["quality"] == "75"


def test_foreign_metadata_is_ignored_and_reported(service: Service, picture: str) -> None:
    run = service.upload([picture], metadata={"mtime": "1700000000", "uid": "1000"})

    assert run.outcomes() == ["COMPRESSED"]
    (note,) = run.summary["notes"]
    assert "mtime, uid" in note
    assert f"WARNING - {note}" in run.log_lines


def test_a_redelivered_event_is_the_same_run(
    service: Service, pump: Pump, wire: Wire, picture: str
) -> None:
    event = service.put_csv("list.csv", [picture])
    answers = [pump.invoke("dispatcher", event)[0] for _ in range(3)]

    run = service.finish(answers[0]["run_id"])
    late = pump.invoke("dispatcher", event)[0]
    pump.run()

    assert {answer["run_id"] for answer in (*answers, late)} == {run.run_id}
    assert late["status"] == "COMPLETED"
    assert len(wire.made("PutObject", Bucket=IMAGES)) == 1


def test_another_upload_of_the_same_key_is_another_run(service: Service, picture: str) -> None:
    first, second = service.upload([picture]), service.upload([picture])

    assert first.run_id != second.run_id
    assert second.outcomes() == ["SKIPPED/ALREADY_COMPRESSED"]


def test_one_event_may_bring_several_uploads(service: Service, pump: Pump, picture: str) -> None:
    events = [service.put_csv(key, [picture]) for key in ("one.csv", "two.csv")]
    event = {"Records": [record for one in events for record in one["Records"]]}

    answers = pump.invoke("dispatcher", event)

    runs = [service.finish(answer["run_id"]) for answer in answers]
    assert sorted(outcome for run in runs for outcome in run.outcomes()) == [
        "COMPRESSED",
        "SKIPPED/ALREADY_COMPRESSED",
    ]


def test_an_upload_to_another_bucket_starts_nothing(service: Service, pump: Pump) -> None:
    event = service.put_csv("list.csv", [])
    event["Records"][0]["s3"]["bucket"]["name"] = "somebody-elses"

    assert pump.invoke("dispatcher", event) == []
    assert pump.waiting() == []


def test_the_run_is_named_after_time_and_csv(service: Service, picture: str) -> None:
    run = service.upload([picture], key="lists/Meu Dataset (1).csv")

    assert run.run_id.startswith("20240201T120000Z-meu-dataset-1-")
    assert run.summary["files"]["log"].endswith("/compression_2024-02-01_12-00-00.log")
