import random
import struct
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from imagepress import jpeg_structure as structure
from imagepress.jpeg_structure import MalformedJpegError
from tests.pictures import SRGB_PROFILE, encoded, jpeg, photograph, with_segment

BASELINE = jpeg()
PROGRESSIVE = jpeg(progressive=True)
WITH_RESTARTS = jpeg(restart_marker_blocks=2)


# What made pictures say


@pytest.mark.parametrize(
    ("mode", "options", "sampling"),
    [
        ("L", {}, ((1, 1),)),
        ("RGB", {"subsampling": "4:4:4"}, ((1, 1), (1, 1), (1, 1))),
        ("RGB", {"subsampling": "4:2:2"}, ((2, 1), (1, 1), (1, 1))),
        ("RGB", {"subsampling": "4:2:0"}, ((2, 2), (1, 1), (1, 1))),
        ("CMYK", {}, ((1, 1), (1, 1), (1, 1), (1, 1))),
    ],
)
@pytest.mark.parametrize("progressive", [False, True])
def test_the_frame_says_what_pillow_was_asked_for(
    mode: str,
    options: dict[str, Any],
    sampling: tuple[tuple[int, int], ...],
    *,
    progressive: bool,
) -> None:
    data = jpeg(photograph(mode, (50, 31)), progressive=progressive, **options)

    frame = structure.parse(data).frame

    assert (frame.width, frame.height, frame.precision) == (50, 31, 8)
    assert frame.sampling == sampling
    assert frame.progressive is progressive


@pytest.mark.parametrize("data", [BASELINE, PROGRESSIVE, WITH_RESTARTS, jpeg(photograph("CMYK"))])
def test_segments_are_in_file_order_up_to_the_end(data: bytes) -> None:
    parts = structure.parse(data)

    assert parts.segments[-1].marker == structure.EOI
    assert parts.end == len(data)
    assert all(one.end <= other.start for one, other in pairwise(parts.segments))
    for segment in parts.segments:
        assert data[segment.start : segment.start + 2] == bytes((0xFF, segment.marker))


def test_a_progressive_picture_has_all_its_scans() -> None:
    markers = [segment.marker for segment in structure.parse(PROGRESSIVE).segments]

    assert markers.count(structure.SOS) > 5


def test_a_payload_is_what_was_put_in() -> None:
    data = with_segment(BASELINE, structure.COM, b"a comment")

    (comment,) = [
        segment for segment in structure.parse(data).segments if segment.marker == structure.COM
    ]

    assert comment.payload(data) == b"a comment"


def test_a_marker_inside_a_segment_is_no_marker() -> None:
    data = with_segment(BASELINE, structure.APP1, b"Exif\0\0" + BASELINE)

    parts = structure.parse(data)

    assert parts.end == len(data)
    assert [segment.marker for segment in parts.segments].count(structure.EOI) == 1


def test_fill_bytes_may_stand_before_a_marker() -> None:
    data = BASELINE[:2] + b"\xff\xff\xff" + BASELINE[2:]

    assert structure.parse(data).frame == structure.parse(BASELINE).frame


def test_the_end_is_that_of_the_first_picture() -> None:
    parts = structure.parse(BASELINE + b"a motion photo's film")

    assert parts.end == len(BASELINE)


def test_of_several_pictures_the_first_is_read() -> None:
    other = photograph(seed=1)
    data = encoded(photograph(), "MPO", save_all=True, append_images=[other])

    parts = structure.parse(data)

    assert parts.end < len(data)
    assert any(segment.payload(data).startswith(b"MPF\0") for segment in parts.segments)


def test_the_frame_can_be_read_from_the_file_s_beginning() -> None:
    data = with_segment(BASELINE, structure.APP1, bytes(60_000))

    assert structure.read_frame(data[:62_000]) == structure.parse(BASELINE).frame


# Quality


@pytest.mark.parametrize("quality", range(20, 100))
def test_the_estimated_quality_is_the_one_asked_for(quality: int) -> None:
    data = jpeg(photograph(size=(16, 16)), quality)

    assert structure.estimated_quality(data, structure.parse(data)) == quality


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
@pytest.mark.parametrize("progressive", [False, True])
def test_the_quality_is_estimated_alike_in_every_mode(mode: str, *, progressive: bool) -> None:
    data = jpeg(photograph(mode, (16, 16)), 75, progressive=progressive)

    assert structure.estimated_quality(data, structure.parse(data)) == 75


def test_the_lowest_qualities_are_not_taken_for_higher_ones() -> None:
    estimates = {}
    for quality in range(1, 20):
        data = jpeg(photograph(size=(16, 16)), quality)
        estimates[quality] = structure.estimated_quality(data, structure.parse(data))

    assert estimates == {quality: quality for quality in estimates}


@pytest.mark.parametrize("level", [1, 3, 16, 255, 40_000])
def test_the_quality_of_any_tables_is_between_1_and_100(level: int) -> None:
    wide = level > 255
    table = bytes((wide << 4,)) + struct.pack(">64H" if wide else ">64B", *[level] * 64)
    data = b"\xff\xd8\xff\xdb" + struct.pack(">H", len(table) + 2) + table + BASELINE[2:]

    assert 1 <= structure.estimated_quality(data, structure.parse(data)) <= 100


def test_tables_of_16_bits_are_read() -> None:
    (tables,) = [
        segment
        for segment in structure.parse(jpeg(photograph("L"), 60)).segments
        if segment.marker == structure.DQT
    ]
    data = jpeg(photograph("L"), 60)
    narrow = tables.payload(data)[1:65]
    wide = b"\x10" + struct.pack(">64H", *narrow)
    segment = b"\xff\xdb" + struct.pack(">H", len(wide) + 2) + wide
    data = data[: tables.start] + segment + data[tables.end :]

    assert structure.estimated_quality(data, structure.parse(data)) == 60


def test_without_a_table_there_is_no_quality() -> None:
    parts = structure.parse(BASELINE)
    without = structure.JpegStructure(
        tuple(segment for segment in parts.segments if segment.marker != structure.DQT),
        parts.frame,
        parts.end,
    )

    with pytest.raises(MalformedJpegError, match="no quantisation table"):
        structure.estimated_quality(BASELINE, without)


# What is none


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "does not begin as a JPEG"),
        (b"\x89PNG\r\n\x1a\n", "does not begin as a JPEG"),
        (b"\xff\xd8", "no frame header"),
        (b"\xff\xd8\xff\xd9", "no frame header"),
        (b"\xff\xd8\xff\xff\xff\xff", "no frame header"),
        (b"\xff\xd8 text", "no marker at byte 2"),
        (b"\xff\xd8\xff\xe0\xff\xff", "cut off"),
        (b"\xff\xd8\xff\xe0\x00\x01", "cut off"),
        (b"\xff\xd8\xff\xc0\x00\x02\xff\xd9", "frame header is cut off"),
        (b"\xff\xd8\xff\xc0\x00\x08\x08\0\1\0\1\x09\xff\xd9", "frame header is cut off"),
    ],
)
def test_what_is_no_jpeg_is_malformed(data: bytes, why: str) -> None:
    with pytest.raises(MalformedJpegError, match=why):
        structure.parse(data)


def test_two_frame_headers_are_malformed() -> None:
    (frame,) = [
        segment
        for segment in structure.parse(BASELINE).segments
        if segment.marker in structure.FRAME_MARKERS
    ]
    twice = BASELINE[: frame.end] + BASELINE[frame.start :]

    with pytest.raises(MalformedJpegError, match="two frame headers"):
        structure.parse(twice)


@pytest.mark.parametrize("data", [BASELINE, PROGRESSIVE, WITH_RESTARTS])
def test_a_truncated_jpeg_is_malformed_wherever_it_is_cut(data: bytes) -> None:
    for cut in range(0, len(data) - 1, 3):
        with pytest.raises(MalformedJpegError):
            structure.parse(data[:cut])


def parse_whatever(data: bytes) -> None:
    try:
        parts = structure.parse(data)
        structure.estimated_quality(data, parts)
    except MalformedJpegError:
        return
    assert parts.end <= len(data)


@given(st.binary(max_size=300))
def test_garbage_raises_only_our_error(garbage: bytes) -> None:
    parse_whatever(garbage)
    parse_whatever(b"\xff\xd8" + garbage)


@given(
    st.lists(st.tuples(st.integers(0, 255), st.binary(max_size=70), st.integers(-3, 3)), max_size=6)
)
def test_made_up_segments_raise_only_our_error(made_up: list[tuple[int, bytes, int]]) -> None:
    data = b"\xff\xd8" + b"".join(
        struct.pack(">BBH", 0xFF, marker, max(0, len(payload) + 2 + lie)) + payload
        for marker, payload, lie in made_up
    )

    parse_whatever(data)
    parse_whatever(data + b"\xff\xd9")


def test_damage_anywhere_raises_only_our_error() -> None:
    source = jpeg(icc_profile=SRGB_PROFILE, comment="hello", progressive=True)
    chance = random.Random(1)
    for _ in range(3000):
        data = bytearray(source)
        for _ in range(chance.randint(1, 4)):
            data[chance.randrange(len(data))] = chance.choice((0, 0xFF, chance.randrange(256)))
        parse_whatever(bytes(data))


def test_a_scan_of_many_megabytes_is_walked_in_one_go() -> None:
    (scan,) = [
        segment for segment in structure.parse(BASELINE).segments if segment.marker == structure.SOS
    ]
    data = BASELINE[: scan.end] + b"\xff\0\xff\xd0" * 4_000_000 + b"\xff\xd9"

    assert structure.parse(data).end == len(data)


def test_a_header_may_promise_a_picture_that_no_memory_holds() -> None:
    small = jpeg(Image.new("L", (8, 8)))
    frame = structure.parse(small).segments
    (header,) = [segment for segment in frame if segment.marker in structure.FRAME_MARKERS]
    data = small[: header.start + 5] + b"\xff\xff\xff\xff" + small[header.start + 9 :]

    assert structure.parse(data).frame.width == structure.parse(data).frame.height == 65535
