"""PNGs deflated again block by block: the same pixels, whatever they are, in little memory."""

import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagepress.errors import RowFailed
from imagepress.outcome import FailureCode
from tests.pictures import (
    PNG_SIGNATURE,
    animated_png,
    decoded,
    photograph,
    png,
    png_chunk,
    png_chunks,
    raw_png,
)
from tests.unit.pressing import press_in

CODEC = "png-stream"
DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
KINDS = [(colour, depth) for colour, depths in DEPTHS.items() for depth in depths]


def with_pixels(source: bytes, change: Callable[[bytes], bytes]) -> bytes:
    """`source` with its filtered pixels changed, and everything around them right."""
    chunks = list(png_chunks(source))
    packed = b"".join(payload for kind, payload in chunks if kind == b"IDAT")
    changed = zlib.compress(change(zlib.decompress(packed)))
    others = [png_chunk(*chunk) for chunk in chunks if chunk[0] not in (b"IDAT", b"IEND")]
    ends = [png_chunk(b"IDAT", changed), png_chunk(b"IEND", b"")]
    return PNG_SIGNATURE + b"".join([*others, *ends])


def refusal(folder: Path, data: bytes) -> str:
    """What is said of a damaged file."""
    with pytest.raises(RowFailed) as failed:
        press_in(folder, data, 80, CODEC)
    assert failed.value.code is FailureCode.CORRUPT_IMAGE
    return str(failed.value)


@pytest.mark.parametrize("passes", [1, 7])
@pytest.mark.parametrize(("colour", "depth"), KINDS)
@settings(max_examples=5, deadline=None, database=None)
@given(width=st.integers(1, 40), height=st.integers(1, 40))
def test_every_kind_keeps_its_pixels(
    tmp_path_factory: pytest.TempPathFactory,
    colour: int,
    depth: int,
    passes: int,
    width: int,
    height: int,
) -> None:
    source = raw_png(colour, depth, size=(width, height), interlaced=passes > 1)

    pressed = press_in(tmp_path_factory.mktemp("stream"), source, 80, CODEC)

    assert pressed.encoded.lossless
    before, after = decoded(source), decoded(pressed.data)
    assert (after.mode, after.size) == (before.mode, before.size)
    assert after.tobytes() == before.tobytes()


def test_what_was_deflated_badly_gets_smaller(tmp_path: Path) -> None:
    source = png(photograph(size=(300, 200)), compress_level=1)

    assert len(press_in(tmp_path, source, 80, CODEC).data) < 0.97 * len(source)


def test_all_other_chunks_stay_as_they_are_and_where_they_are(tmp_path: Path) -> None:
    source = raw_png(2, 8, chunks=[(b"gAMA", bytes(4)), (b"tEXt", b"Title\0A picture")])

    pressed = press_in(tmp_path, source, 80, CODEC)

    def others(data: bytes) -> list[tuple[bytes, bytes]]:
        return [chunk for chunk in png_chunks(data) if chunk[0] != b"IDAT"]

    assert others(pressed.data) == others(source)


def test_an_animation_keeps_all_frames(tmp_path: Path) -> None:
    source = animated_png()

    pressed = press_in(tmp_path, source, 80, CODEC)

    before, after = decoded(source), decoded(pressed.data)
    assert after.n_frames == before.n_frames > 1  # type: ignore[attr-defined]
    for frame in range(before.n_frames):  # type: ignore[attr-defined]
        before.seek(frame)
        after.seek(frame)
        assert after.tobytes() == before.tobytes()


def test_pixels_that_are_missing_or_too_many_are_damage(tmp_path: Path) -> None:
    source = raw_png(2, 8)

    assert "truncated" in refusal(tmp_path, with_pixels(source, lambda pixels: pixels[:-1]))
    assert "more pixels" in refusal(tmp_path, with_pixels(source, lambda pixels: pixels + b"0"))


@pytest.mark.parametrize("passes", [1, 7])
def test_a_row_with_an_unknown_filter_is_damage(tmp_path: Path, passes: int) -> None:
    source = raw_png(2, 8, interlaced=passes > 1)

    assert "filter" in refusal(tmp_path, with_pixels(source, lambda pixels: b"\5" + pixels[1:]))


def test_a_wrong_checksum_is_damage(tmp_path: Path) -> None:
    source = bytearray(raw_png(2, 8))
    source[-13] ^= 1

    assert "checksum" in refusal(tmp_path, bytes(source))


def test_a_bomb_is_left_at_the_first_byte_too_many(tmp_path: Path) -> None:
    source = with_pixels(raw_png(2, 8), lambda pixels: pixels + bytes(300 << 20))

    assert "more pixels" in refusal(tmp_path, source)
