"""Damaged files through the real codec process: none may come back as another picture."""

import io
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image, ImageChops, ImageStat

from imagepress.codec_pool import CodecPool
from imagepress.codec_protocol import CodecRequest, Encoded
from imagepress.errors import RowFailed, RowSkipped
from imagepress.image_header import check_pixels, read_header
from imagepress.outcome import FailureCode
from tests.pictures import (
    PNG_SIGNATURE,
    SRGB_PROFILE,
    animated_png,
    decoded,
    jpeg,
    photograph,
    png,
    png_chunk,
    png_chunks,
    raw_png,
)

SECONDS = 60.0
MEMORY = 1_000_000_000
MAX_PIXELS = 10_000_000
PNG_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
SOURCES = {
    "JPEG": jpeg(icc_profile=SRGB_PROFILE),
    "JPEG progressive": jpeg(progressive=True),
    "JPEG near the quality": jpeg(quality=80, restart_marker_blocks=4),
    "JPEG grey": jpeg(photograph("L")),
    "JPEG CMYK": jpeg(photograph("CMYK")),
    "PNG RGB": png(icc_profile=SRGB_PROFILE),
    "PNG RGBA": png(photograph("RGBA")),
    "PNG palette": raw_png(3, 4, transparency=b"\0\x80"),
    "APNG": animated_png(),
    **{
        f"PNG colour {colour}, {depth} bits{', interlaced' * interlaced}": raw_png(
            colour, depth, interlaced=interlaced
        )
        for colour, depths in PNG_DEPTHS.items()
        for depth in depths
        for interlaced in (False, True)
    },
}


@pytest.fixture(scope="module")
def pool() -> Iterator[CodecPool]:
    with CodecPool(1, MEMORY) as pool:
        yield pool


def cuts(source: bytes) -> Iterator[bytes]:
    for cut in range(1, len(source), max(1, len(source) // 40)):
        yield source[:cut]


def flips(source: bytes, chance: random.Random) -> Iterator[bytes]:
    for _ in range(50):
        data = bytearray(source)
        for _ in range(chance.randint(1, 3)):
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        yield bytes(data)


def holes(source: bytes, chance: random.Random) -> Iterator[bytes]:
    for _ in range(15):
        start = chance.randrange(len(source))
        yield source[:start] + source[start + chance.randint(1, 60) :]


def zeroes(source: bytes, chance: random.Random) -> Iterator[bytes]:
    """A block that a disk lost."""
    for _ in range(15):
        start = chance.randrange(len(source))
        length = min(512, len(source) - start)
        yield source[:start] + bytes(length) + source[start + length :]


def forged_chunks(source: bytes, chance: random.Random) -> Iterator[bytes]:
    """Damage with a checksum that is right."""
    parts = list(png_chunks(source))
    for _ in range(40):
        index = chance.randrange(len(parts))
        kind, payload = parts[index]
        data = bytearray(payload)
        for _ in range(min(len(data), chance.randint(1, 3))):
            data[chance.randrange(len(data))] = chance.randrange(256)
        forged = [*parts[:index], (kind, bytes(data)), *parts[index + 1 :]]
        yield PNG_SIGNATURE + b"".join(png_chunk(*chunk) for chunk in forged)


def damaged(source: bytes) -> Iterator[bytes]:
    chance = random.Random(source)
    yield from cuts(source)
    yield from flips(source, chance)
    yield from holes(source, chance)
    yield from zeroes(source, chance)
    if source.startswith(PNG_SIGNATURE):
        yield from forged_chunks(source, chance)


def ended(pool: CodecPool, file: Path, output: Path, quality: int) -> Encoded | None:
    """How a file was made smaller, or None where it stays as it is."""
    try:
        header = read_header(file)
        check_pixels(header, MAX_PIXELS)
        return pool.encode(CodecRequest(file, output, header, quality), SECONDS)
    except (RowSkipped, RowFailed):
        return None


def frames(data: bytes) -> list[bytes]:
    """All that a file shows, up to where it breaks off."""
    shown = []
    with Image.open(io.BytesIO(data)) as picture:
        for frame in range(getattr(picture, "n_frames", 1)):
            try:
                picture.seek(frame)
                shown.append(picture.convert("RGBA").tobytes())
            except (OSError, SyntaxError, EOFError, ValueError):
                break
    return shown


def distance(one: bytes, other: bytes) -> float:
    """The mean difference of two pictures' samples, of 255."""
    before, after = (over_grey(decoded(data)) for data in (one, other))
    return max(ImageStat.Stat(ImageChops.difference(before, after)).mean)


def over_grey(picture: Image.Image) -> Image.Image:
    """What is seen of it: the colours of what is hidden do not count."""
    picture = picture.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", picture.size, "grey"), picture)


@pytest.mark.parametrize("quality", [80, 100])
@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
def test_a_damaged_file_stays_or_keeps_what_it_shows(
    pool: CodecPool, tmp_path: Path, source: bytes, quality: int
) -> None:
    file, output = tmp_path / "file", tmp_path / "output"
    for data in damaged(source):
        file.write_bytes(data)
        output.unlink(missing_ok=True)
        encoded = ended(pool, file, output, quality)
        assert file.read_bytes() == data
        if encoded is None:
            continue
        result = output.read_bytes()
        if encoded.lossless:
            assert frames(result) == frames(data) != []
        else:
            assert distance(result, data) < 10


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
def test_a_file_that_lost_its_end_is_damaged(
    pool: CodecPool, tmp_path: Path, source: bytes
) -> None:
    file = tmp_path / "file"
    for cut in range(len(source) // 2, len(source) - 1, max(1, len(source) // 20)):
        file.write_bytes(source[:cut])
        with pytest.raises(RowFailed) as failed:
            pool.encode(CodecRequest(file, tmp_path / "output", read_header(file), 80), SECONDS)
        assert failed.value.code is FailureCode.CORRUPT_IMAGE
