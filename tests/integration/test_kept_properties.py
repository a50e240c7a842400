"""A PUT resets what it does not name: everything that belongs to an object is sent again."""

import io
from datetime import UTC, datetime

import pytest
from PIL import Image

from tests.integration.service import Service
from tests.integration.stack import IMAGES, Stack
from tests.integration.wire import Wire, refuse
from tests.pictures import decoded, encoded, jpeg, photograph, png

EXPIRES = datetime(2030, 1, 1, 12, 0, 0, tzinfo=UTC)
PROPERTIES = {
    "ContentType": "image/jpeg",
    "CacheControl": "public, max-age=31536000",
    "ContentDisposition": 'attachment; filename="foto.jpg"',
    "ContentLanguage": "pt-BR",
    "Expires": EXPIRES,
    "WebsiteRedirectLocation": "/elsewhere.jpg",
    "StorageClass": "STANDARD_IA",
}


def test_headers_metadata_and_storage_class_stay(service: Service, stack: Stack) -> None:
    metadata = {"photographer": "Ana", "camera-model": "X100", "numbers": "1, 2, 3"}
    stack.put_image("a.jpg", jpeg(), Metadata=metadata, **PROPERTIES)
    before = stack.head("a.jpg")

    assert service.upload(["a.jpg"]).outcomes() == ["COMPRESSED"]

    after = stack.head("a.jpg")
    for name in PROPERTIES:
        assert after[name] == before[name], name
    assert after["Metadata"].pop("imagepress")
    assert after["Metadata"] == metadata


def test_nothing_is_added_that_was_not_there(service: Service, stack: Stack) -> None:
    stack.put_image("a.jpg", jpeg())
    before = stack.head("a.jpg")

    service.upload(["a.jpg"])

    after = stack.head("a.jpg")
    assert after["Metadata"].keys() == {"imagepress"}
    assert after["ContentType"] == before["ContentType"]
    for name in ("CacheControl", "ContentDisposition", "ContentLanguage", "Expires"):
        assert name not in after
    assert stack.s3.get_object_tagging(Bucket=IMAGES, Key="a.jpg")["TagSet"] == []


@pytest.mark.parametrize(
    "tags",
    [
        {"project": "winter"},
        {"a b": "c d", "plus+": "1+1=2", "url": "https://example.com/a=b", "100": "@home"},
        {f"tag{number}": "" for number in range(10)},
    ],
    ids=["one", "awkward", "ten"],
)
def test_tags_stay(service: Service, stack: Stack, tags: dict[str, str]) -> None:
    stack.put_image("a.jpg", jpeg())
    tag_set = [{"Key": key, "Value": value} for key, value in tags.items()]
    stack.s3.put_object_tagging(
        Bucket=IMAGES,
        Key="a.jpg",
        Tagging={"TagSet": tag_set},  # type: ignore[typeddict-item]
    )

    assert service.upload(["a.jpg"]).outcomes() == ["COMPRESSED"]

    found = stack.s3.get_object_tagging(Bucket=IMAGES, Key="a.jpg")["TagSet"]
    assert {tag["Key"]: tag["Value"] for tag in found} == tags


def test_a_storage_class_that_can_be_read_stays(service: Service, stack: Stack) -> None:
    classes = ["STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "GLACIER_IR"]
    for storage_class in classes:
        stack.put_image(storage_class, jpeg(), StorageClass=storage_class)

    assert service.upload(classes).outcomes() == ["COMPRESSED"] * len(classes)

    assert [stack.head(storage_class)["StorageClass"] for storage_class in classes] == classes


def test_server_side_encryption_stays(service: Service, stack: Stack) -> None:
    key = "arn:aws:kms:us-east-1:123456789012:key/0b1c"
    stack.put_image(
        "a.jpg", jpeg(), ServerSideEncryption="aws:kms", SSEKMSKeyId=key, BucketKeyEnabled=True
    )

    assert service.upload(["a.jpg"]).outcomes() == ["COMPRESSED"]

    after = stack.head("a.jpg")
    assert (after["ServerSideEncryption"], after["SSEKMSKeyId"]) == ("aws:kms", key)
    assert after["BucketKeyEnabled"] is True


def test_the_original_stays_as_a_version(service: Service, stack: Stack) -> None:
    stack.put_image("a.jpg", jpeg())

    row = service.upload(["a.jpg"]).row("a.jpg")

    old = stack.s3.get_object(Bucket=IMAGES, Key="a.jpg", VersionId=row["version_before"])
    assert old["Body"].read() == jpeg()


def test_an_unversioned_bucket_is_served_too(service: Service, stack: Stack) -> None:
    stack.s3.delete_bucket(Bucket=IMAGES)
    stack.s3.create_bucket(Bucket=IMAGES)
    stack.put_image("a.jpg", jpeg(), CacheControl="no-cache")

    run = service.upload(["a.jpg", "a.jpg"])

    assert run.outcomes() == ["COMPRESSED", "SKIPPED/DUPLICATE"]
    assert run.results[0]["version_before"] == run.results[0]["version_after"] == ""
    assert stack.head("a.jpg")["CacheControl"] == "no-cache"


def test_exif_icc_and_comment_of_a_jpeg_stay(service: Service, stack: Stack) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010F] = "Maker"
    icc = b"not read by anybody here" * 10
    body = jpeg(exif=exif.tobytes(), icc_profile=icc, comment=b"hello", dpi=(300, 300))
    stack.put_image("a.jpg", body)

    assert service.upload(["a.jpg"]).outcomes() == ["COMPRESSED"]

    before, after = decoded(body), decoded(stack.image("a.jpg") or b"")
    assert after.size == before.size
    assert dict(after.getexif()) == dict(before.getexif()) == {0x0112: 6, 0x010F: "Maker"}
    for name in ("icc_profile", "comment", "dpi"):
        assert after.info[name] == before.info[name]


def test_text_and_gamma_of_a_png_stay(service: Service, stack: Stack) -> None:
    from PIL.PngImagePlugin import PngInfo

    text = PngInfo()
    text.add_text("Author", "Ana")
    text.add(b"gAMA", (45455).to_bytes(4))
    body = encoded(photograph(), "PNG", compress_level=1, pnginfo=text, dpi=(300, 300))
    stack.put_image("a.png", body)

    assert service.upload(["a.png"]).outcomes() == ["COMPRESSED"]

    before = Image.open(io.BytesIO(body))
    after = decoded(stack.image("a.png") or b"")
    assert after.info["Author"] == "Ana"
    assert after.info["gamma"] == before.info["gamma"]
    assert after.info["dpi"] == before.info["dpi"]


def test_a_picture_that_is_larger_than_a_block_is_whole(service: Service, stack: Stack) -> None:
    body = png(photograph(size=(1300, 1000)))
    assert len(body) > 1 << 20
    stack.put_image("a.png", body)

    service.upload(["a.png"], metadata={"perc-compression-quality": "100"})

    assert decoded(stack.image("a.png") or b"").tobytes() == decoded(body).tobytes()


def test_tags_that_may_not_be_read_are_not_lost(service: Service, stack: Stack, wire: Wire) -> None:
    # S3 counts an object's tags only for who may read them.
    stack.put_image("a.jpg", jpeg(), Tagging="a=b")
    wire.before("GetObjectTagging", refuse("AccessDenied", status=403), times=9, Bucket=IMAGES)

    run = service.upload(["a.jpg"])

    assert run.outcomes() == ["FAILED/ACCESS_DENIED"]
    assert stack.image("a.jpg") == jpeg()
