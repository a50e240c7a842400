"""What has been compressed once is known by its marker, and is never made worse."""

from tests.integration.service import FinishedRun, Service
from tests.integration.stack import IMAGES, Stack
from tests.integration.wire import Wire
from tests.pictures import decoded, jpeg, photograph, png


def upload(service: Service, key: str, quality: int) -> FinishedRun:
    return service.upload([key], metadata={"perc-compression-quality": str(quality)})


def test_a_second_run_touches_nothing(service: Service, stack: Stack, wire: Wire) -> None:
    keys = ["a.jpg", "b.png"]
    stack.put_image("a.jpg", jpeg())
    stack.put_image("b.png", png())
    first = service.upload(keys)
    versions = stack.versions()
    wire.clear()

    second = service.upload(keys)

    assert second.outcomes() == ["SKIPPED/ALREADY_COMPRESSED"] * 2
    assert first.run_id in second.results[0]["message"]
    assert stack.versions() == versions
    assert wire.made("PutObject", Bucket=IMAGES) == []
    assert second.summary["bytes_saved"] == 0


def test_another_quality_after_a_lossy_one_is_refused(service: Service, stack: Stack) -> None:
    stack.put_image("a.jpg", jpeg())
    upload(service, "a.jpg", 80)
    versions = stack.versions()

    run = upload(service, "a.jpg", 50)

    assert run.outcomes() == ["SKIPPED/LOSSY_BEFORE"]
    assert "quality 80" in run.results[0]["message"]
    assert stack.versions() == versions


def test_a_lossless_pass_after_a_lossy_one_is_allowed(service: Service, stack: Stack) -> None:
    stack.put_image("a.jpg", jpeg(photograph(size=(400, 300))))
    upload(service, "a.jpg", 80)
    lossy = decoded(stack.image("a.jpg") or b"").tobytes()

    run = upload(service, "a.jpg", 100)

    assert run.outcomes()[0] in ("COMPRESSED", "SKIPPED/NOT_SMALLER")
    assert decoded(stack.image("a.jpg") or b"").tobytes() == lossy


def test_a_lossless_pass_between_two_lossy_ones_changes_nothing(
    service: Service, stack: Stack
) -> None:
    stack.put_image("a.jpg", jpeg(photograph(size=(400, 300))))
    upload(service, "a.jpg", 80)
    lossy = decoded(stack.image("a.jpg") or b"").tobytes()
    service.upload(
        ["a.jpg"], metadata={"perc-compression-quality": "100", "min-savings-percent": "0"}
    )

    run = upload(service, "a.jpg", 50)

    assert run.outcomes() == ["SKIPPED/LOSSY_BEFORE"]
    assert decoded(stack.image("a.jpg") or b"").tobytes() == lossy


def test_a_lossy_pass_after_a_lossless_one_is_allowed(service: Service, stack: Stack) -> None:
    stack.put_image("a.jpg", jpeg())
    assert upload(service, "a.jpg", 100).results[0]["quality"] == ""

    run = upload(service, "a.jpg", 75)

    assert run.outcomes() == ["COMPRESSED"]
    assert run.results[0]["quality"] == "75"


def test_a_jpeg_at_the_quality_asked_for_gets_no_second_lossy_pass(
    service: Service, stack: Stack
) -> None:
    body = jpeg(photograph(size=(400, 300)), quality=80)
    stack.put_image("a.jpg", body)

    run = upload(service, "a.jpg", 80)

    assert run.outcomes() == ["COMPRESSED"]
    assert run.results[0]["quality"] == ""
    assert decoded(stack.image("a.jpg") or b"").tobytes() == decoded(body).tobytes()


def test_quality_100_keeps_every_pixel(service: Service, stack: Stack) -> None:
    stack.put_image("a.jpg", jpeg())

    run = upload(service, "a.jpg", 100)

    assert run.outcomes() == ["COMPRESSED"]
    assert decoded(stack.image("a.jpg") or b"").tobytes() == decoded(jpeg()).tobytes()


def test_an_object_that_was_overwritten_since_is_compressed_again(
    service: Service, stack: Stack
) -> None:
    stack.put_image("a.jpg", jpeg(photograph(seed=1)))
    service.upload(["a.jpg"])
    stack.put_image("a.jpg", jpeg(photograph(seed=2)))

    assert service.upload(["a.jpg"]).outcomes() == ["COMPRESSED"]


def test_a_marker_that_was_copied_to_other_bytes_is_no_marker(
    service: Service, stack: Stack
) -> None:
    """Tools that edit a picture and keep its metadata carry the marker along."""
    stack.put_image("a.jpg", jpeg(photograph(seed=1)))
    service.upload(["a.jpg"])
    metadata = stack.head("a.jpg")["Metadata"]
    stack.put_image("a.jpg", jpeg(photograph(seed=2)), Metadata=metadata)
    stack.put_image("b.jpg", jpeg(photograph(seed=3)), Metadata=metadata)

    run = service.upload(["a.jpg", "b.jpg"])

    assert run.outcomes() == ["COMPRESSED", "COMPRESSED"]


def test_a_copy_of_a_compressed_object_is_known(service: Service, stack: Stack) -> None:
    stack.put_image("a.jpg", jpeg())
    service.upload(["a.jpg"])
    source = {"Bucket": IMAGES, "Key": "a.jpg"}
    stack.s3.copy_object(Bucket=IMAGES, Key="b.jpg", CopySource=source)  # type: ignore[arg-type]

    assert service.upload(["b.jpg"]).outcomes() == ["SKIPPED/ALREADY_COMPRESSED"]


def test_a_marker_that_makes_no_sense_is_no_marker(service: Service, stack: Stack) -> None:
    nonsense = ["", "{", "[]", "null", "7", '{"r":1}', '{"s":"x","h":5}', "x" * 1000]
    for value in nonsense:
        stack.put_image(f"{value[:9]}.jpg", jpeg(), Metadata={"imagepress": value})

    run = service.upload([f"{value[:9]}.jpg" for value in nonsense])

    assert run.outcomes() == ["COMPRESSED"] * len(nonsense)


def test_a_result_that_is_not_smaller_leaves_the_bytes(service: Service, stack: Stack) -> None:
    lossless = {"perc-compression-quality": "100"}
    stack.put_image("a.png", png())
    service.upload(["a.png"], metadata=lossless)
    stack.put_image("a.png", stack.image("a.png") or b"")
    before = stack.versions()

    run = service.upload(["a.png"], metadata={**lossless, "min-savings-percent": "0"})

    assert run.outcomes() == ["SKIPPED/NOT_SMALLER"]
    assert stack.versions() == before


def test_a_saving_below_the_minimum_leaves_the_bytes(service: Service, stack: Stack) -> None:
    stack.put_image("a.jpg", jpeg())
    before = stack.versions()

    run = service.upload(["a.jpg"], metadata={"min-savings-percent": "99"})

    assert run.outcomes() == ["SKIPPED/NOT_SMALLER"]
    message = run.results[0]["message"]
    assert f"the original {len(jpeg()):,}" in message
    assert stack.versions() == before
    assert run.failed == []
