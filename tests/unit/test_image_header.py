import contextlib
import random
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import features

from imagepress import jpeg_structure
from imagepress.errors import RowFailed, RowSkipped
from imagepress.image_header import (
    JPEG_SIGNATURE,
    READ_BYTES,
    ImageFormat,
    ImageHeader,
    check_format,
    check_pixels,
    read_header,
)
from imagepress.outcome import FailureCode, SkipReason
from tests.pictures import (
    PNG_KINDS,
    PNG_SIGNATURE,
    encoded,
    jpeg,
    photograph,
    png,
    png_header,
    raw_png,
    with_segment,
)

type Header = Callable[[bytes], ImageHeader]


@pytest.fixture
def header(tmp_path: Path) -> Header:
    def read(data: bytes) -> ImageHeader:
        file = tmp_path / "image"
        file.write_bytes(data)
        return read_header(file)

    return read


def with_frame(marker: int, precision: int = 8, size: bytes = b"\0\x40\0\x60") -> bytes:
    """A JPEG whose frame header says something else."""
    data = jpeg()
    (frame,) = [
        segment
        for segment in jpeg_structure.parse(data).segments
        if segment.marker in jpeg_structure.FRAME_MARKERS
    ]
    head = bytes((0xFF, marker)) + data[frame.start + 2 : frame.start + 4] + bytes((precision,))
    return data[: frame.start] + head + size + data[frame.start + 9 :]


# What is known


@pytest.mark.parametrize(("mode", "channels"), [("L", 1), ("RGB", 3), ("CMYK", 4)])
@pytest.mark.parametrize("progressive", [False, True])
def test_a_jpeg_says_its_size_and_channels(
    header: Header, mode: str, channels: int, *, progressive: bool
) -> None:
    data = jpeg(photograph(mode, (50, 31)), progressive=progressive)

    expected = ImageHeader(ImageFormat.JPEG, 50, 31, 8, channels, scattered=progressive)
    assert header(data) == expected


@pytest.mark.parametrize(("colour", "depth"), PNG_KINDS)
def test_a_png_says_its_size_depth_and_channels(header: Header, colour: int, depth: int) -> None:
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour]

    assert header(raw_png(colour, depth, size=(7, 5))) == ImageHeader(
        ImageFormat.PNG, 7, 5, depth, channels
    )


def test_metadata_may_come_before_a_jpeg_s_header_for_megabytes(header: Header) -> None:
    data = jpeg()
    while len(data) < READ_BYTES + 100_000:
        data = with_segment(data, jpeg_structure.APP2, bytes(65_000))

    assert header(data).width == 96


def test_the_content_decides_and_not_the_name(tmp_path: Path) -> None:
    file = tmp_path / "photo.jpg"
    file.write_bytes(png())

    assert read_header(file).format is ImageFormat.PNG


def test_pixels_are_width_times_height() -> None:
    assert ImageHeader(ImageFormat.PNG, 7, 5, 8, 3).pixels == 35


# What is left alone


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("GIF", encoded(photograph("P"), "GIF")),
        ("WebP", encoded(photograph(), "WEBP")),
        ("TIFF", encoded(photograph(), "TIFF")),
        ("TIFF", b"MM\0*" + bytes(100)),
        ("BMP", encoded(photograph(), "BMP")),
        ("HEIF", b"\0\0\0\x18ftypheic" + bytes(100)),
        ("HEIF", b"\0\0\0\x18ftypmif1" + bytes(100)),
        ("AVIF", b"\0\0\0\x1cftypavif" + bytes(100)),
        ("JPEG XL", b"\xff\x0a" + bytes(100)),
        ("JPEG XL", b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(100)),
        ("JPEG 2000", b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(100)),
        ("PSD", b"8BPS" + bytes(100)),
        ("PDF", b"%PDF-1.7\n"),
        ("SVG", b"<svg xmlns='http://www.w3.org/2000/svg'/>"),
    ],
)
def test_another_format_is_named(header: Header, name: str, data: bytes) -> None:
    with pytest.raises(RowSkipped, match=f"is a {name} file") as skipped:
        header(data)

    assert skipped.value.reason is SkipReason.UNSUPPORTED_FORMAT


@pytest.mark.skipif(not features.check("jpg_2000"), reason="this Pillow writes no JPEG 2000")
def test_a_real_jpeg_2000_is_named(header: Header) -> None:
    with pytest.raises(RowSkipped, match="is a JPEG 2000 file"):
        header(encoded(photograph(), "JPEG2000"))


@pytest.mark.parametrize(
    "data", [b"Not a picture at all.\n", b"\0" * 50, b"\xff", b"\xff\xd8", b"\x89PN", b"<html>"]
)
def test_what_is_no_image_is_skipped(header: Header, data: bytes) -> None:
    with pytest.raises(RowSkipped, match="is not an image that is known here") as skipped:
        header(data)

    assert skipped.value.reason is SkipReason.UNSUPPORTED_FORMAT


@pytest.mark.parametrize(
    ("marker", "precision"), [(0xC3, 8), (0xC5, 8), (0xC9, 8), (0xCA, 8), (0xC1, 12)]
)
def test_a_rare_kind_of_jpeg_is_left_alone(header: Header, marker: int, precision: int) -> None:
    with pytest.raises(RowSkipped) as skipped:
        header(with_frame(marker, precision))

    assert skipped.value.reason is SkipReason.UNSUPPORTED_IMAGE


# What is damaged


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "is empty"),
        (PNG_SIGNATURE, "header is cut off"),
        (png()[:20], "header is cut off"),
        (png_header(0, 5, 8, 0), "not that of a PNG"),
        (png_header(5, 0, 8, 0), "not that of a PNG"),
        (PNG_SIGNATURE + b"\0\0\0\rIDAT" + bytes(20), "not that of a PNG"),
        (PNG_SIGNATURE + b"\0\0\0\x0cIHDR" + bytes(20), "not that of a PNG"),
        (png_header(5, 5, 8, 1), "colour type 1"),
        (png_header(5, 5, 4, 2), "colour type 2 with 4 bits"),
        (png_header(5, 5, 16, 3), "colour type 3 with 16 bits"),
        (png_header(5, 5, 0, 0), "colour type 0 with 0 bits"),
        (b"\xff\xd8\xff", "no frame header"),
        (b"\xff\xd8\xff\xe0", "cut off"),
        (jpeg()[:100], "cut off"),
        (with_frame(0xC0, size=bytes(4)), "makes no sense"),
    ],
)
def test_a_damaged_header_is_a_corrupt_image(header: Header, data: bytes, why: str) -> None:
    with pytest.raises(RowFailed, match=why) as failed:
        header(data)

    assert failed.value.code is FailureCode.CORRUPT_IMAGE


@pytest.mark.parametrize("start", [b"", PNG_SIGNATURE, b"\xff\xd8\xff"])
@given(garbage=st.binary(max_size=200))
def test_garbage_ends_in_an_outcome(
    tmp_path_factory: pytest.TempPathFactory, start: bytes, garbage: bytes
) -> None:
    file = tmp_path_factory.getbasetemp() / "garbage"
    file.write_bytes(start + garbage)
    try:
        found = read_header(file)
    except (RowSkipped, RowFailed):
        return
    assert found.pixels > 0


@pytest.mark.parametrize("source", [jpeg(), png(), raw_png(3, 2)])
def test_truncation_and_damage_end_in_an_outcome(header: Header, source: bytes) -> None:
    chance = random.Random(1)
    damaged = [source[:cut] for cut in range(0, min(len(source), 700), 5)]
    for _ in range(200):
        changed = bytearray(source)
        changed[chance.randrange(min(len(changed), 700))] = chance.randrange(256)
        damaged.append(bytes(changed))
    for data in damaged:
        with contextlib.suppress(RowSkipped, RowFailed):
            assert header(data).pixels > 0


# Decompression bombs


@pytest.mark.parametrize(
    ("data", "pixels"),
    [
        (png_header(2**31 - 1, 2**31 - 1, 16, 6), (2**31 - 1) ** 2),
        (png_header(100_000, 100_000, 8, 2) + bytes(100), 10**10),
        (with_frame(0xC0, size=b"\xff\xff\xff\xff"), 65535**2),
    ],
)
def test_a_bomb_is_known_by_its_header_alone(header: Header, data: bytes, pixels: int) -> None:
    tracemalloc.start()
    found = header(data)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert found.pixels == pixels
    assert peak < 2 << 20
    with pytest.raises(RowFailed) as failed:
        check_pixels(found, 10**9)
    assert failed.value.code is FailureCode.TOO_MANY_PIXELS


def test_a_large_file_is_not_read_to_its_end(tmp_path: Path) -> None:
    file = tmp_path / "large.png"
    with file.open("wb") as stream:
        stream.write(png())
        stream.truncate(200 << 20)

    tracemalloc.start()
    read_header(file)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak < 4 << 20


def test_a_large_file_that_only_begins_as_a_jpeg_is_not_read_to_its_end(tmp_path: Path) -> None:
    file = tmp_path / "large.jpg"
    with file.open("wb") as stream:
        stream.write(b"\xff\xd8\xff\xe0")
        stream.truncate(200 << 20)

    tracemalloc.start()
    with pytest.raises(RowFailed, match="damaged"):
        read_header(file)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak < 4 << 20


@pytest.mark.parametrize("limit", [35, 36, 10**9])
def test_a_picture_within_the_limit_on_pixels_goes_on(limit: int) -> None:
    check_pixels(ImageHeader(ImageFormat.PNG, 7, 5, 8, 3), limit)


@pytest.mark.parametrize("limit", [34, 1])
def test_a_picture_beyond_the_limit_on_pixels_is_refused(limit: int) -> None:
    with pytest.raises(RowFailed, match=f"7 x 5 = 35 pixels; max_image_pixels is {limit}"):
        check_pixels(ImageHeader(ImageFormat.PNG, 7, 5, 8, 3), limit)


def test_what_is_no_image_is_known_by_its_beginning() -> None:
    check_format(PNG_SIGNATURE)
    check_format(JPEG_SIGNATURE + b"\xe0")
    with pytest.raises(RowSkipped, match="is a PDF file"):
        check_format(b"%PDF-1.7")
