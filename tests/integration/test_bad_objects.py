"""Objects that cannot or should not be compressed: each has its outcome, and its bytes stay."""

import io
import json
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from PIL import Image

from tests.integration.pump import Pump
from tests.integration.service import Service
from tests.integration.stack import IMAGES, Stack
from tests.integration.wire import Call, Wire, refuse
from tests.pictures import (
    PNG_SIGNATURE,
    decoded,
    encoded,
    jpeg,
    photograph,
    png,
    png_chunk,
    png_header,
)


def png_of(width: int, height: int) -> bytes:
    """A PNG that says that it has that size, and has no pixels."""
    ends = png_chunk(b"IDAT", zlib.compress(b"")) + png_chunk(b"IEND", b"")
    return png_header(width, height, 8, 6) + ends


def with_wrong_checksum() -> bytes:
    """A PNG with a bit flipped in its pixels."""
    body = bytearray(png())
    body[len(body) // 2] ^= 1
    return bytes(body)


@dataclass(frozen=True, slots=True)
class Bad:
    """A body that is no good picture, its row's outcome, and words of its message."""

    body: bytes
    outcome: str
    words: tuple[str, ...] = ()


BODIES = (
    {
        "empty": Bad(b"", "FAILED/CORRUPT_IMAGE", ("empty",)),
        "text": Bad(b"hello", "SKIPPED/UNSUPPORTED_FORMAT", ("PNG and JPEG",)),
        "SVG": Bad(b"<svg/>", "SKIPPED/UNSUPPORTED_FORMAT", ("SVG",)),
        "three bytes of JPEG": Bad(b"\xff\xd8\xff", "FAILED/CORRUPT_IMAGE", ("damaged",)),
        "PNG signature": Bad(PNG_SIGNATURE, "FAILED/CORRUPT_IMAGE", ("damaged",)),
        "wrong checksum": Bad(with_wrong_checksum(), "FAILED/CORRUPT_IMAGE", ("damaged",)),
        "no width": Bad(png_of(0, 10), "FAILED/CORRUPT_IMAGE", ("damaged",)),
        "no pixels": Bad(png_of(64, 64), "FAILED/CORRUPT_IMAGE", ("damaged",)),
        "1.6 gigapixels": Bad(
            png_of(40_000, 40_000),
            "FAILED/TOO_MANY_PIXELS",
            ("40000 x 40000 = 1,600,000,000", "max_image_pixels is 1,000,000,000"),
        ),
        "900 megapixels": Bad(
            png_of(30_000, 30_000),
            "FAILED/CORRUPT_IMAGE",
            ("pixels are missing",),
        ),
        "two pictures": Bad(
            encoded(photograph(), "MPO", save_all=True, append_images=[photograph(seed=2)]),
            "SKIPPED/UNSUPPORTED_IMAGE",
            ("several pictures",),
        ),
        "motion photo": Bad(
            jpeg() + b"ftypmp42 and a film", "SKIPPED/UNSUPPORTED_IMAGE", ("19 bytes follow",)
        ),
        "PNG with a tail": Bad(png() + b"tail", "SKIPPED/UNSUPPORTED_IMAGE", ("4 bytes follow",)),
    }
    | {
        name: Bad(encoded(photograph(), name), "SKIPPED/UNSUPPORTED_FORMAT", (name,))
        for name in ("GIF", "WebP", "TIFF", "BMP")
    }
    | {
        f"{name} cut to {percent} %": Bad(
            body[: len(body) * percent // 100], "FAILED/CORRUPT_IMAGE", ("damaged",)
        )
        for name, body in {
            "JPEG": jpeg(),
            "progressive JPEG": jpeg(progressive=True),
            "PNG": png(),
        }.items()
        for percent in (2, 50, 99)
    }
)


def test_bodies_that_are_no_good_pictures_stay_as_they_are(service: Service, stack: Stack) -> None:
    for key, bad in BODIES.items():
        stack.put_image(key, bad.body)
    before = stack.versions()

    run = service.upload([*BODIES])

    outcomes = dict(zip(BODIES, run.outcomes(), strict=True))
    assert outcomes == {key: bad.outcome for key, bad in BODIES.items()}
    assert stack.versions() == before
    for key, bad in BODIES.items():
        message = run.row(key)["message"]
        assert [word for word in bad.words if word not in message] == [], key
        skipped = bad.outcome.startswith("SKIPPED")
        what = "was left as it is" if skipped else "failed"
        reason = bad.outcome.split("/")[1]
        line = f"{'INFO' if skipped else 'ERROR'} - Object {key} {what}: {reason}: {message}"
        assert line in run.log_lines
    assert run.failed == [key for key, bad in BODIES.items() if bad.outcome.startswith("FAILED")]


def test_bad_objects_cost_their_neighbours_nothing(
    service: Service, stack: Stack, one_chunk: None
) -> None:
    for key, bad in BODIES.items():
        stack.put_image(key, bad.body)
        stack.put_image(f"next to {key}", jpeg(photograph(size=(32, 32))))

    run = service.upload([name for key in BODIES for name in (key, f"next to {key}")])

    assert run.outcomes()[::2] == [bad.outcome for bad in BODIES.values()]
    assert run.outcomes()[1::2] == ["COMPRESSED"] * len(BODIES)


def test_a_missing_object_is_a_failed_row(service: Service) -> None:
    run = service.upload(["missing.jpg"])

    assert run.outcomes() == ["FAILED/NOT_FOUND"]
    assert IMAGES in run.results[0]["message"]
    assert run.failed == ["missing.jpg"]


def test_a_deleted_object_is_missing(service: Service, stack: Stack) -> None:
    stack.put_image("a.jpg", jpeg())
    stack.s3.delete_object(Bucket=IMAGES, Key="a.jpg")

    assert service.upload(["a.jpg"]).outcomes() == ["FAILED/NOT_FOUND"]


def test_a_bucket_that_is_gone_fails_every_row(service: Service, stack: Stack) -> None:
    run_id = service.start_upload(["a.jpg", "b.jpg"])
    stack.s3.delete_bucket(Bucket=IMAGES)

    run = service.finish(run_id)

    assert run.outcomes() == ["FAILED/NOT_FOUND"] * 2
    assert "no bucket images" in run.results[0]["message"]


@pytest.mark.parametrize(
    ("key", "name", "body"), [("a.png", "JPEG", jpeg()), ("a.jpg", "PNG", png())]
)
def test_the_content_decides_the_format_and_not_the_extension(
    service: Service, stack: Stack, key: str, name: str, body: bytes
) -> None:
    stack.put_image(key, body)

    run = service.upload([key])

    assert run.outcomes() == ["COMPRESSED"]
    assert run.results[0]["format"] == name
    assert decoded(stack.image(key) or b"").format == name


@pytest.mark.parametrize(
    ("limit", "outcome"), [(96 * 64 - 1, "FAILED/TOO_MANY_PIXELS"), (96 * 64, "COMPRESSED")]
)
def test_max_image_pixels_is_exact(
    service: Service, stack: Stack, limit: int, outcome: str
) -> None:
    stack.put_image("a.jpg", jpeg(photograph(size=(96, 64))))

    run = service.upload(["a.jpg"], metadata={"max-image-pixels": str(limit)})

    assert run.outcomes() == [outcome]


@pytest.mark.parametrize("encoding", ["gzip", "br"])
def test_a_content_encoded_object_stays(service: Service, stack: Stack, encoding: str) -> None:
    stack.put_image("a.jpg", jpeg(), ContentEncoding=encoding)
    before = stack.versions()

    run = service.upload(["a.jpg"])

    assert run.outcomes() == ["SKIPPED/CONTENT_ENCODED"]
    assert encoding in run.results[0]["message"]
    assert stack.versions() == before


@pytest.mark.parametrize("storage_class", ["GLACIER", "DEEP_ARCHIVE"])
def test_an_archived_object_stays(service: Service, stack: Stack, storage_class: str) -> None:
    stack.put_image("a.jpg", jpeg(), StorageClass=storage_class)
    before = stack.versions()

    run = service.upload(["a.jpg"])

    assert run.outcomes() == ["SKIPPED/ARCHIVED"]
    assert "restore it first" in run.results[0]["message"]
    assert stack.versions() == before


def test_an_object_under_a_customers_key_stays(service: Service, stack: Stack, wire: Wire) -> None:
    """The answer is S3's; moto reads such objects without their key."""
    stack.put_image("a.jpg", jpeg())
    before = stack.versions()
    answer = refuse(
        "InvalidRequest",
        "The object was stored using a form of Server Side Encryption. The correct parameters "
        "must be provided to retrieve the object.",
    )
    wire.before("GetObject", answer, Bucket=IMAGES)

    run = service.upload(["a.jpg"])

    assert run.outcomes() == ["SKIPPED/CUSTOMER_KEY"]
    assert "SSE-C" in run.results[0]["message"]
    assert stack.versions() == before


@pytest.mark.parametrize(
    ("action", "word"), [("s3:GetObject", "Reading"), ("s3:PutObject", "Writing")]
)
def test_a_forbidden_object_is_a_failed_row(
    service: Service, stack: Stack, action: str, word: str
) -> None:
    stack.put_image("secret/a.jpg", jpeg())
    stack.put_image("b.jpg", jpeg())
    before = stack.image("secret/a.jpg")
    deny = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": action,
        "Resource": f"arn:aws:s3:::{IMAGES}/secret/*",
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [deny]})
    stack.s3.put_bucket_policy(Bucket=IMAGES, Policy=policy)

    run = service.upload(["secret/a.jpg", "b.jpg"])
    stack.s3.delete_bucket_policy(Bucket=IMAGES)

    assert run.outcomes() == ["FAILED/ACCESS_DENIED", "COMPRESSED"]
    assert f"{word} the object" in run.results[0]["message"]
    assert stack.image("secret/a.jpg") == before


def test_an_object_under_lock_stays(service: Service, stack: Stack) -> None:
    stack.s3.delete_bucket(Bucket=IMAGES)
    stack.s3.create_bucket(Bucket=IMAGES, ObjectLockEnabledForBucket=True)
    stack.put_image("a.jpg", jpeg(), ObjectLockLegalHoldStatus="ON")
    stack.put_image("b.jpg", jpeg())
    before = stack.versions()

    run = service.upload(["a.jpg", "b.jpg"])

    assert run.outcomes() == ["SKIPPED/OBJECT_LOCKED", "COMPRESSED"]
    assert [version for version in stack.versions() if version[0] == "a.jpg"] == [
        version for version in before if version[0] == "a.jpg"
    ]


def test_an_object_with_annotations_stays(service: Service, stack: Stack, wire: Wire) -> None:
    stack.put_image("a.jpg", jpeg())
    stack.put_image("b.jpg", jpeg())
    before = stack.versions()
    wire.after("ListObjectAnnotations", annotated, Bucket=IMAGES, Key="a.jpg")

    run = service.upload(["a.jpg", "b.jpg"])

    assert run.outcomes() == ["SKIPPED/ANNOTATED", "COMPRESSED"]
    assert [one for one in stack.versions() if one[0] == "a.jpg"] == before[:1]


def test_a_replacement_that_was_annotated_since_is_not_undone(
    service: Service, stack: Stack, wire: Wire
) -> None:
    stack.put_image("a.jpg", jpeg())
    run = service.upload(["a.jpg"])
    before = stack.versions()
    wire.after("ListObjectAnnotations", annotated, Bucket=IMAGES, Key="a.jpg")

    answer = service.invoke({"action": "restore", "run_id": run.run_id})
    restore = service.finish(answer["run_id"])

    assert restore.outcomes() == ["SKIPPED/ANNOTATED"]
    assert stack.versions() == before


def test_annotations_that_cannot_be_listed_name_the_remedy(
    service: Service, stack: Stack, wire: Wire
) -> None:
    stack.put_image("a.jpg", jpeg())
    before = stack.versions()
    wire.before("ListObjectAnnotations", refuse("AccessDenied", status=403))

    run = service.upload(["a.jpg"])

    assert run.outcomes() == ["FAILED/ACCESS_DENIED"]
    assert "s3:ListObjectAnnotations" in run.results[0]["message"]
    assert "check_annotations" in run.results[0]["message"]
    assert stack.versions() == before


def test_annotations_are_not_asked_for_where_nobody_wants_to_know(
    service: Service, stack: Stack, wire: Wire
) -> None:
    stack.put_image("a.jpg", jpeg())

    run = service.upload(["a.jpg"], metadata={"check-annotations": "false"})

    assert run.outcomes() == ["COMPRESSED"]
    assert wire.made("ListObjectAnnotations") == []


def annotated(call: Call) -> None:
    """The answer for an object with annotations."""
    call.answer["Annotations"] = [{"AnnotationName": "caption"}]


def test_metadata_without_room_for_the_marker_stays(service: Service, stack: Stack) -> None:
    stack.put_image("a.jpg", jpeg(), Metadata={"note": "x" * 1990})
    before = stack.versions()

    run = service.upload(["a.jpg"])

    assert run.outcomes() == ["SKIPPED/METADATA_NOT_CARRIED"]
    assert "room" in run.results[0]["message"]
    assert stack.versions() == before


def test_an_expiry_date_that_is_none_stays(service: Service, stack: Stack, wire: Wire) -> None:
    """Any text may stand in that header; moto and the SDK write dates only."""
    stack.put_image("a.jpg", jpeg())
    before = stack.versions()
    wire.after("GetObject", lambda call: call.answer.update(ExpiresString="never"), Bucket=IMAGES)

    run = service.upload(["a.jpg"])

    assert run.outcomes() == ["SKIPPED/METADATA_NOT_CARRIED"]
    assert "never" in run.results[0]["message"]
    assert stack.versions() == before


@pytest.mark.parametrize(
    "make",
    [
        lambda: encoded(photograph("L"), "JPEG", quality=97),
        lambda: encoded(photograph("CMYK"), "JPEG", quality=97),
        lambda: encoded(photograph("L"), "PNG", compress_level=1),
        lambda: encoded(photograph("LA"), "PNG", compress_level=1),
        lambda: encoded(photograph("RGBA"), "PNG", compress_level=1),
        lambda: encoded(photograph().quantize(16), "PNG", compress_level=0),
        lambda: encoded(photograph("L").convert("1"), "PNG", compress_level=0),
        lambda: encoded(
            photograph("L").convert("I").point(lambda value: value * 257).convert("I;16"),
            "PNG",
            compress_level=1,
        ),
        lambda: encoded(
            photograph("RGBA"), "PNG", compress_level=0, save_all=True, append_images=[photograph()]
        ),
    ],
    ids=["grey", "CMYK", "grey PNG", "LA", "RGBA", "palette", "1 bit", "16 bits", "animation"],
)
def test_every_kind_of_picture_stays_that_kind(
    service: Service, stack: Stack, make: Callable[[], bytes]
) -> None:
    body = make()
    stack.put_image("a", body)

    run = service.upload(["a"])

    assert run.outcomes() == ["COMPRESSED"]
    before, after = Image.open(io.BytesIO(body)), Image.open(io.BytesIO(stack.image("a") or b""))
    assert (after.size, after.format) == (before.size, before.format)
    assert getattr(after, "n_frames", 1) == getattr(before, "n_frames", 1)
    if run.results[0]["quality"] == "":
        assert after.convert("RGBA").tobytes() == before.convert("RGBA").tobytes()


def test_a_broken_download_comes_back(
    service: Service, stack: Stack, pump: Pump, wire: Wire
) -> None:
    stack.put_image("a.jpg", jpeg())
    wire.after("GetObject", cut_the_body, Bucket=IMAGES)

    run = service.upload(["a.jpg"])

    assert run.outcomes() == ["COMPRESSED"]
    assert len(wire.made("GetObject", Bucket=IMAGES)) == 2


def cut_the_body(call: Call) -> None:
    """The connection breaks in the middle of an answer."""
    body = call.answer["Body"]
    body._raw_stream = io.BytesIO(body._raw_stream.read(1000))


def test_of_what_is_no_image_only_the_beginning_is_read(
    service: Service, stack: Stack, wire: Wire
) -> None:
    taken: list[int] = []

    def count(call: Call) -> None:
        body = call.answer["Body"]
        read = body._raw_stream.read

        def counting(*arguments: Any, **options: Any) -> bytes:
            data: bytes = read(*arguments, **options)
            taken.append(len(data))
            return data

        body._raw_stream.read = counting

    stack.put_image("film.mp4", b"\0\0\0\x18ftypmp42" + bytes(8 << 20))
    wire.after("GetObject", count, Bucket=IMAGES)

    run = service.upload(["film.mp4"])

    assert run.outcomes() == ["SKIPPED/UNSUPPORTED_FORMAT"]
    assert sum(taken) <= 1 << 14
