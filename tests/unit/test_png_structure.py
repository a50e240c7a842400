import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import PngImagePlugin

from imagepress import png_structure as structure
from imagepress.png_structure import MalformedPngError
from tests.pictures import (
    PNG_KINDS,
    PNG_SIGNATURE,
    animated_png,
    png,
    png_chunk,
    png_chunks,
    png_header,
    raw_png,
    with_chunk,
)

PLAIN = png()


def with_text() -> bytes:
    text = PngImagePlugin.PngInfo()
    text.add_text("Author", "me")
    text.add_text("Packed", "x" * 500, zip=True)
    text.add_itxt("Title", "coração", "pt", "Título")
    return png(pnginfo=text, dpi=(300, 300))


@pytest.mark.parametrize(("colour", "depth"), PNG_KINDS)
def test_every_kind_of_png_is_walked(colour: int, depth: int) -> None:
    data = raw_png(colour, depth)

    parts = structure.parse(data)

    assert parts.end == len(data)
    assert [(chunk.kind, data[chunk.start : chunk.end]) for chunk in parts.chunks] == list(
        png_chunks(data)
    )


def test_chunks_are_in_file_order() -> None:
    parts = structure.parse(animated_png())

    assert parts.chunks[0].kind == b"IHDR"
    assert parts.chunks[-1].kind == b"IEND"
    assert all(one.end < other.start for one, other in pairwise(parts.chunks))


def test_the_kinds_of_chunk_are_told() -> None:
    assert structure.parse(animated_png()).kinds() >= {b"acTL", b"fcTL", b"fdAT", b"IDAT"}


def test_the_end_is_behind_the_picture() -> None:
    assert structure.parse(PLAIN + b"more").end == len(PLAIN)


# Metadata


def test_metadata_are_the_chunks_that_are_no_pixels() -> None:
    found = structure.metadata(with_text())

    assert [kind for kind, _ in found] == [b"iTXt", b"pHYs", b"tEXt", b"zTXt"]
    assert (b"tEXt", b"Author\0me") in found


def test_a_picture_without_metadata_has_none() -> None:
    assert structure.metadata(raw_png(3, 8, transparency=b"\x80")) == []


@pytest.mark.parametrize(
    ("kind", "payload"),
    [
        (b"gAMA", (45_455).to_bytes(4)),
        (b"cHRM", bytes(32)),
        (b"sRGB", b"\0"),
        (b"cICP", b"\x0c\r\0\x01"),
        (b"mDCV", bytes(24)),
        (b"eXIf", b"II*\0\x08\0\0\0\0\0\0\0\0\0"),
        (b"tIME", b"\x07\xe8\x02\x01\x0c\0\0"),
        (b"pHYs", bytes(9)),
        (b"prVt", b"anything"),
    ],
)
def test_a_chunk_of_metadata_that_changes_is_seen(kind: bytes, payload: bytes) -> None:
    before = structure.metadata(with_chunk(PLAIN, kind, payload))
    other = bytes((payload[0] ^ 1,)) + payload[1:]

    assert before == [(kind, payload)]
    assert structure.metadata(with_chunk(PLAIN, kind, other)) != before
    assert structure.metadata(PLAIN) != before


def test_moving_metadata_is_no_change() -> None:
    one = with_chunk(with_chunk(PLAIN, b"tEXt", b"a\0b"), b"gAMA", bytes(4))
    other = with_chunk(with_chunk(PLAIN, b"gAMA", bytes(4)), b"tEXt", b"a\0b")

    assert structure.metadata(one) == structure.metadata(other)


# What is none


@pytest.mark.parametrize("data", [PLAIN, with_text(), animated_png(), raw_png(3, 4)])
def test_a_truncated_png_is_malformed_wherever_it_is_cut(data: bytes) -> None:
    for cut in range(0, len(data), 3):
        with pytest.raises(MalformedPngError):
            structure.parse(data[:cut])


@pytest.mark.parametrize("length", [0xFFFFFFFF, 0x7FFFFFFF, 1 << 20])
def test_a_chunk_that_is_longer_than_the_file_is_malformed(length: int) -> None:
    data = png_header(1, 1, 8, 0) + length.to_bytes(4) + b"IDAT" + bytes(100)

    with pytest.raises(MalformedPngError, match="truncated"):
        structure.parse(data)


def walk_whatever(data: bytes) -> None:
    try:
        parts = structure.parse(data)
        structure.metadata(data)
    except MalformedPngError:
        return
    assert parts.end <= len(data)


@given(st.binary(max_size=300))
def test_garbage_raises_only_our_error(garbage: bytes) -> None:
    walk_whatever(garbage)
    walk_whatever(PNG_SIGNATURE + garbage)


@given(st.lists(st.tuples(st.binary(min_size=4, max_size=4), st.binary(max_size=20)), max_size=5))
def test_any_chunks_are_walked(chunks: list[tuple[bytes, bytes]]) -> None:
    made_up = [(kind, payload) for kind, payload in chunks if kind != b"IEND"] + [(b"IEND", b"")]
    data = PNG_SIGNATURE + b"".join(png_chunk(kind, payload) for kind, payload in made_up)

    parts = structure.parse(data)

    assert [(chunk.kind, data[chunk.start : chunk.end]) for chunk in parts.chunks] == made_up


def test_damage_anywhere_raises_only_our_error() -> None:
    source = with_text()
    chance = random.Random(1)
    for _ in range(3000):
        data = bytearray(source)
        for _ in range(chance.randint(1, 4)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        walk_whatever(bytes(data))


def test_many_tiny_chunks_are_walked() -> None:
    data = PNG_SIGNATURE + png_chunk(b"tEXt", b"") * 100_000 + png_chunk(b"IEND", b"")

    assert len(structure.parse(data).chunks) == 100_001
