import gzip
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagepress import growing_object
from imagepress.growing_object import GrowingObject, Growth
from imagepress.report_checkpoint import Checkpoint
from imagepress.run import Cursor

SIZE = 40
MOST_PARTS = 10_000
SMALLEST_PART = 5 << 20

texts = st.lists(st.text(max_size=90), max_size=12)


class Bucket:
    """What S3 is asked for; parts by number."""

    def __init__(self) -> None:
        self.parts: dict[int, bytes] = {}
        self.objects: list[bytes] = []

    def create_multipart_upload(self, **_: Any) -> dict[str, str]:
        return {"UploadId": "upload"}

    def upload_part(self, **part: Any) -> dict[str, str]:
        number = part["PartNumber"]
        assert number not in self.parts
        self.parts[number] = part["Body"]
        return {"ETag": f"etag {number}"}

    def complete_multipart_upload(self, **upload: Any) -> None:
        wanted = upload["MultipartUpload"]["Parts"]
        assert [part["ETag"] for part in wanted] == [f"etag {number}" for number in self.parts]
        self.objects.append(b"".join(self.parts.values()))

    def put_object(self, **put: Any) -> None:
        self.objects.append(put["Body"])


def written(pieces: list[str], *, gzipped: bool, stops: int) -> Bucket:
    """`pieces` in their order, by another process after each of the first `stops`."""
    bucket, growth = Bucket(), Growth()
    with (
        patch.object(growing_object, "PART_BYTES", SIZE),
        patch.object(growing_object, "GZIP_BLOCK_BYTES", SIZE),
    ):
        one = at(bucket, growth, gzipped=gzipped)
        for number, piece in enumerate(pieces):
            one.write(piece)
            if number < stops:
                one = at(bucket, kept(one.growth), gzipped=gzipped)
        one.seal()
        one = at(bucket, kept(one.growth), gzipped=gzipped)
        one.seal()
        one.complete()
    return bucket


def at(bucket: Bucket, growth: Growth, *, gzipped: bool) -> GrowingObject:
    s3: Any = bucket
    return GrowingObject(s3, "runs", "log", "text/plain", gzipped=gzipped, growth=growth)


def kept(growth: Growth) -> Growth:
    """What a checkpoint makes of it."""
    other = Growth("other", ("a", "b"), b"\n\0", b"text")
    saved = Checkpoint(
        Cursor(1),
        manifest_lost=False,
        tally={},
        growths={"before": other, "it": growth, "behind": other},
    )
    return Checkpoint.from_bytes(saved.to_bytes()).growths["it"]


@pytest.mark.parametrize("gzipped", [False, True])
@given(pieces=texts, stops=st.integers(0, 12))
def test_the_object_and_its_parts_follow_from_the_text_alone(
    pieces: list[str], stops: int, *, gzipped: bool
) -> None:
    text = "".join(pieces)

    piecemeal = written(pieces, gzipped=gzipped, stops=stops)
    at_once = written([text], gzipped=gzipped, stops=0)

    assert piecemeal.parts == at_once.parts
    assert piecemeal.objects == at_once.objects
    (body,) = piecemeal.objects
    assert (gzip.decompress(body) if gzipped and body else body).decode() == text
    assert not piecemeal.parts or all(piecemeal.parts.values())


def test_what_utf_8_cannot_say_is_escaped() -> None:
    assert written(["\ud800"], gzipped=False, stops=0).objects == [b"\\ud800"]


def test_parts_are_of_sizes_that_s3_takes_and_hold_hundreds_of_gigabytes() -> None:
    sizes = [growing_object._part_bytes(number) for number in range(MOST_PARTS)]

    assert min(sizes) >= SMALLEST_PART
    assert sum(sizes) > 400e9
    assert sizes[MOST_PARTS // 100] == min(sizes)


def test_a_checkpoint_reads_back_what_it_wrote() -> None:
    growths = {"log": Growth("id", ("1", "2"), b"\n{}\n", b"\xff"), "undo": Growth()}
    checkpoint = Checkpoint(Cursor(5, 6, 7), manifest_lost=True, tally={"rows": 1}, growths=growths)

    assert Checkpoint.from_bytes(checkpoint.to_bytes()) == checkpoint
