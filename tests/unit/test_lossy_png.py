import io
import random
import struct
from collections.abc import Callable
from typing import Any

import pytest
from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageStat

from imagepress.codecs import lossy_png
from imagepress.codecs.near_lossless import NearLossless
from imagepress.codecs.palette import with_palette
from imagepress.codecs.png_gate import Gate, least_score
from imagepress.codecs.similarity import Reference, SimilarityUnavailableError
from tests.pictures import (
    SRGB_PROFILE,
    animated_png,
    decoded,
    photograph,
    png,
    png_chunk,
    png_chunks,
    raw_png,
    with_chunk,
)
from tests.unit.pressing import Press

SIZE = (240, 160)
PHOTO = photograph(size=SIZE).filter(ImageFilter.GaussianBlur(0.6))


def grain(mode: str = "RGB") -> Image.Image:
    """What a camera sees: soft shapes, edges, and noise everywhere."""
    noise = Image.frombytes("RGB", SIZE, random.Random(7).randbytes(3 * SIZE[0] * SIZE[1]))
    picture = Image.blend(PHOTO, noise, 0.06)
    if mode in ("RGBA", "LA"):
        picture.putalpha(Image.radial_gradient("L").resize(SIZE))
    return picture.convert(mode)


def drawing(mode: str = "RGB") -> Image.Image:
    """Flat shapes with soft edges: more than 256 colours, few of which matter."""
    picture = Image.new(mode, (4 * SIZE[0], 4 * SIZE[1]), (250, 250, 250, 0)[: len(mode)])
    draw = ImageDraw.Draw(picture)
    for number in range(24):
        colour = (number * 37 % 256, number * 91 % 256, number * 151 % 256, 255)
        left, top = number % 6 * 160, number // 6 * 160
        draw.ellipse((left, top, left + 150, top + 140), fill=colour[: len(mode)])
    return picture.resize(SIZE, Image.Resampling.LANCZOS)


def views(picture: Image.Image) -> list[Image.Image]:
    picture = picture.convert("RGBA")
    return [
        Image.alpha_composite(Image.new("RGBA", picture.size, (level,) * 3 + (255,)), picture)
        for level in (16, 240)
    ]


def score(before: bytes, after: bytes) -> float:
    """SSIMULACRA2 over dark and over light, whichever is worse."""
    pairs = zip(views(decoded(before)), views(decoded(after)), strict=True)
    return min(Reference(one.convert("RGB")).score(other.convert("RGB")) for one, other in pairs)


def shows(one: bytes, other: bytes) -> bool:
    """Whether both are the very same pixels."""
    return decoded(one).convert("RGBA").tobytes() == decoded(other).convert("RGBA").tobytes()


def payloads(data: bytes, *without: bytes) -> list[tuple[bytes, bytes]]:
    return [(kind, body) for kind, body in png_chunks(data) if kind not in without]


# What is lost


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
def test_a_photograph_is_rounded_and_looks_the_same(press: Press, mode: str) -> None:
    data = png(grain(mode))

    pressed = press(data, 80)

    assert pressed.encoded.encoder == "near-lossless+oxipng"
    assert pressed.encoded.quality == 80
    assert len(pressed.data) < 0.7 * len(press(data, 100).data)
    assert (decoded(pressed.data).mode, decoded(pressed.data).size) == (mode, SIZE)
    assert score(data, pressed.data) >= 80


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_a_drawing_gets_a_palette_and_looks_the_same(press: Press, mode: str) -> None:
    data = png(drawing(mode))

    pressed = press(data, 80)

    assert pressed.encoded.encoder == "palette+oxipng"
    assert decoded(pressed.data).mode == "P"
    assert ("transparency" in decoded(pressed.data).info) is (mode == "RGBA")
    assert len(pressed.data) < 0.9 * len(press(data, 100).data)
    assert score(data, pressed.data) >= 80


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_rounding_keeps_alpha_to_the_bit(press: Press, mode: str) -> None:
    data = png(grain(mode))

    alpha = decoded(press(data, 80).data).getchannel("A")

    assert alpha.tobytes() == decoded(data).getchannel("A").tobytes()


@pytest.mark.parametrize("picture", [grain(), drawing()], ids=["photograph", "drawing"])
def test_more_quality_never_looks_worse_than_it_asks_for(
    press: Press, picture: Image.Image
) -> None:
    data = png(picture)

    for quality in (1, 30, 60, 75, 85, 92, 99):
        assert score(data, press(data, quality).data) >= least_score(quality)


def test_the_score_asked_for_rises_with_quality() -> None:
    scores = [least_score(quality) for quality in range(1, 100)]

    assert scores == sorted(set(scores))
    assert least_score(80) == 80


def soft_drawing() -> Image.Image:
    """A slow gradient behind a shape: a palette of few colours dithers all of it."""
    size = (900, 600)
    top, bottom = (Image.new("RGB", size, colour) for colour in ("#f9f0e4", "#c3d5f0"))
    picture = Image.composite(bottom, top, Image.linear_gradient("L").resize(size))
    ImageDraw.Draw(picture).ellipse((90, 60, 540, 510), fill="#e65a3c")
    return picture.filter(ImageFilter.GaussianBlur(1))


def half_flat(size: tuple[int, int]) -> Image.Image:
    """Noise of all colours in half of a plain page."""
    picture = Image.new("RGB", size, "white")
    half = (size[0] // 2, size[1])
    picture.paste(Image.frombytes("RGB", half, random.Random(7).randbytes(3 * half[0] * half[1])))
    return picture


type Asked = list[tuple[tuple[int, int], int]]


@pytest.fixture
def palettes(monkeypatch: pytest.MonkeyPatch) -> Asked:
    """Size and quality of the palettes that were asked for."""
    asked: Asked = []

    def watched(picture: Image.Image, quality: int, dither: float) -> bytes:
        asked.append((picture.size, quality))
        return with_palette(picture, quality, dither)

    monkeypatch.setattr(lossy_png, "with_palette", watched)
    return asked


def test_a_slow_gradient_gets_more_colours_where_they_are_smaller(
    press: Press, palettes: Asked
) -> None:
    picture = soft_drawing()
    data = png(picture)

    pressed = press(data, 80)

    (_, first), (_, second) = palettes
    poorer, richer = (with_palette(picture, quality, 1.0) for quality in (first, second))
    assert Gate(picture, 80).score(decoded(poorer)) >= 80
    assert first < second
    assert len(richer) < 0.8 * len(poorer)
    assert shows(pressed.data, richer)


def test_a_palette_that_fails_leads_to_richer_ones(press: Press, palettes: Asked) -> None:
    picture = soft_drawing()
    data = png(picture)

    pressed = press(data, 90)

    qualities = [quality for _, quality in palettes]
    scores = [Gate(picture, 90).score(decoded(with_palette(picture, q, 1.0))) for q in qualities]
    assert qualities == sorted(qualities)
    assert [score >= 90 for score in scores] == [False, False, True]
    assert pressed.encoded.encoder == "palette+oxipng"
    assert score(data, pressed.data) >= 90


def test_a_large_photograph_shows_in_a_few_rows_that_no_palette_will_do(
    press: Press, palettes: Asked
) -> None:
    pressed = press(png(half_flat((800, 600))), 80)

    assert pressed.encoded.encoder == "near-lossless+oxipng"
    ((width, height), _) = palettes[0]
    assert len(palettes) == 1
    assert width == 800
    assert 100 <= height <= 200


@pytest.mark.parametrize("size", [(100_000, 3), (3, 100_000)])
def test_a_sample_is_taken_of_a_picture_of_any_shape(
    press: Press, palettes: Asked, size: tuple[int, int]
) -> None:
    data = png(half_flat(size))

    pressed = press(data, 80)

    assert palettes
    assert decoded(pressed.data).size == size


def test_a_full_palette_that_fails_is_the_last(press: Press, palettes: Asked) -> None:
    picture = Image.new("RGB", (400, 240), "white")
    picture.paste(grain().resize((100, 240)))

    press(png(picture), 90)

    ((_, quality),) = palettes
    poor = decoded(with_palette(picture, quality, 1.0))
    assert 70 < Gate(picture, 90).score(poor) < 90


def test_a_score_that_is_close_ends_the_search_for_a_step(
    press: Press, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: dict[int, float] = {}
    real = NearLossless.rounded
    gate = Gate(grain(), 80)

    def rounded(rounding: NearLossless, step: int) -> Image.Image:
        picture = real(rounding, step)
        steps[step] = gate.score(picture)
        return picture

    monkeypatch.setattr(NearLossless, "rounded", rounded)

    press(png(grain()), 80)

    close = [score for score in steps.values() if 80 <= score < 84]
    assert close
    assert list(steps.values())[-1] == close[0]


# What is not


@pytest.mark.parametrize(
    "data",
    [
        png(grain("P")),
        png(grain("1")),
        png(grain("I;16")),
        raw_png(2, 16),
        raw_png(6, 8, size=(64, 64), interlaced=True),
        raw_png(2, 8, size=(64, 64), transparency=b"\0\1\0\2\0\3"),
        animated_png(),
        with_chunk(png(grain()), b"cICP", b"\x09\x10\x00\x01"),
        with_chunk(png(grain()), b"gAMA", (100_000).to_bytes(4)),
        with_chunk(png(grain()), b"sBIT", b"\5\6\5"),
        png(drawing().quantize(200).convert("RGB")),
        png(grain("L").point([value // 16 * 17 for value in range(256)])),
    ],
    ids=[
        "palette",
        "black and white",
        "16 bits of grey",
        "16 bits",
        "interlaced",
        "a colour that is see-through",
        "animated",
        "HDR",
        "linear light",
        "fewer bits than stored",
        "few colours",
        "few greys",
    ],
)
def test_what_cannot_be_judged_or_gain_stays_lossless(press: Press, data: bytes) -> None:
    pressed = press(data, 80)

    assert pressed.encoded.lossless
    assert shows(pressed.data, data)


@pytest.mark.parametrize("picture", [grain(), grain("RGBA"), drawing()], ids=["", "alpha", "drawn"])
@pytest.mark.parametrize("then", [80, 40])
def test_a_second_run_loses_nothing_more(press: Press, picture: Image.Image, then: int) -> None:
    first = press(png(picture), 80)
    assert not first.encoded.lossless

    second = press(first.data, then)

    assert second.encoded.lossless
    assert shows(second.data, first.data)


# Metadata


@pytest.mark.parametrize("picture", [grain(), grain("RGBA"), drawing()], ids=["", "alpha", "drawn"])
def test_metadata_are_carried_byte_for_byte(press: Press, picture: Image.Image) -> None:
    data = png(picture, icc_profile=SRGB_PROFILE, dpi=(300, 150))
    data = with_chunk(with_chunk(data, b"gAMA", b"\0\0\xb1\x8f"), b"prVt", b"anything")
    data = data[:-12] + png_chunk(b"tEXt", b"a\0b") + png_chunk(b"tIME", b"\7\xe8\2\1\x0c\0\0")
    data += png_chunk(b"IEND", b"")

    pressed = press(data, 80)

    pixels = (b"IHDR", b"PLTE", b"tRNS", b"IDAT")
    assert not pressed.encoded.lossless
    assert payloads(pressed.data, *pixels) == payloads(data, *pixels)


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
@pytest.mark.parametrize("colour", [(250, 250, 250), (1, 2, 3)])
def test_a_background_colour_survives_a_palette(
    press: Press, mode: str, colour: tuple[int, int, int]
) -> None:
    data = with_chunk(png(drawing(mode)), b"bKGD", struct.pack(">3H", *colour))

    result = press(data, 60).data

    parts = dict(png_chunks(result))
    (index,) = parts[b"bKGD"]
    assert tuple(parts[b"PLTE"][3 * index : 3 * index + 3]) == colour
    assert [kind for kind, _ in png_chunks(result) if kind in (b"PLTE", b"bKGD", b"IDAT")][:3] == [
        b"PLTE",
        b"bKGD",
        b"IDAT",
    ]


@pytest.mark.parametrize(
    ("kind", "payload"), [(b"bKGD", b"\0\xff\0\xfe\0\xfd"), (b"sBIT", b"\x08\x08\x08")]
)
def test_what_depends_on_the_colour_type_survives_rounding(
    press: Press, kind: bytes, payload: bytes
) -> None:
    pressed = press(with_chunk(png(grain()), kind, payload), 80)

    assert not pressed.encoded.lossless
    assert dict(png_chunks(pressed.data))[kind] == payload


# Where something is missing or wrong


def unavailable(*_: object) -> Any:
    raise SimilarityUnavailableError


def missing(*_: object) -> Any:
    raise ImportError


def test_without_a_measure_nothing_is_lost(press: Press, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lossy_png, "Gate", unavailable)

    assert press(png(grain()), 80).encoded.lossless


def test_without_a_palette_a_drawing_is_rounded(
    press: Press, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lossy_png, "with_palette", missing)

    assert press(png(drawing()), 80).encoded.encoder != "palette+oxipng"


def test_without_rounding_a_photograph_is_packed_without_loss(
    press: Press, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lossy_png, "NearLossless", missing)

    assert press(png(grain()), 80).encoded.lossless


def shifted(picture: Image.Image) -> Image.Image:
    return ImageChops.offset(picture, 1, 0)


def swapped(picture: Image.Image) -> Image.Image:
    return Image.merge(picture.mode, picture.split()[::-1])


@pytest.mark.parametrize("damage", [shifted, swapped])
def test_an_encoder_that_writes_something_else_is_not_believed(
    press: Press,
    monkeypatch: pytest.MonkeyPatch,
    damage: Callable[[Image.Image], Image.Image],
) -> None:
    right = lossy_png._averaged
    monkeypatch.setattr(
        lossy_png, "_averaged", lambda picture, deflate: right(damage(picture), deflate)
    )

    pressed = press(png(grain()), 80)

    assert pressed.encoded.lossless
    assert shows(pressed.data, png(grain()))


# The gate


def recoloured_badge(picture: Image.Image) -> Image.Image:
    changed = picture.copy()
    changed.paste((40, 160, 40), (8, 8, 24, 24))
    return changed


def banded(picture: Image.Image) -> Image.Image:
    return picture.point([min(255, value // 20 * 20 + 10) for value in range(256)] * 3)


def badge() -> Image.Image:
    picture = Image.new("RGB", (640, 480), "white")
    picture.paste((160, 40, 40), (8, 8, 24, 24))
    ImageDraw.Draw(picture).text((100, 100), "text " * 12, "black")
    return picture


def sky() -> Image.Image:
    return Image.merge("RGB", [Image.linear_gradient("L").resize((640, 480))] * 3)


@pytest.mark.parametrize(
    ("picture", "damage"),
    [(grain(), shifted), (grain(), swapped), (badge(), recoloured_badge), (sky(), banded)],
    ids=["shifted", "channels swapped", "a badge in another colour", "a sky in bands"],
)
@pytest.mark.parametrize("quality", [50, 80])
def test_damage_does_not_pass(
    picture: Image.Image, damage: Callable[[Image.Image], Image.Image], quality: int
) -> None:
    gate = Gate(picture, quality)

    assert gate.score(picture) >= gate.least
    assert gate.score(damage(picture)) < gate.least


def test_what_shows_only_over_one_background_does_not_pass() -> None:
    picture = drawing("RGBA")
    changed = picture.copy()
    changed.putalpha(picture.getchannel("A").point([max(60, value) for value in range(256)]))
    gate = Gate(picture, 80)

    assert gate.score(picture) >= gate.least
    assert gate.score(changed) < gate.least


@pytest.mark.parametrize(("damage", "views"), [(None, 2), (swapped, 1)])
def test_what_fails_over_one_background_is_not_scored_over_the_other(
    monkeypatch: pytest.MonkeyPatch,
    damage: Callable[[Image.Image], Image.Image] | None,
    views: int,
) -> None:
    picture = drawing("RGBA")
    candidate = picture.copy()
    if damage:
        candidate = damage(picture.convert("RGB"))
        candidate.putalpha(picture.getchannel("A"))
    scores: list[float] = []
    real = Reference.score

    def watched(reference: Reference, other: Image.Image) -> float:
        scores.append(real(reference, other))
        return scores[-1]

    gate = Gate(picture, 80)
    monkeypatch.setattr(Reference, "score", watched)

    assert gate.score(candidate) == min(scores)
    assert len(scores) == views


# Rounding


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
@pytest.mark.parametrize("size", [(1, 1), (1, 9), (9, 1), (5, 3), (37, 23)])
@pytest.mark.parametrize("step", [2, 5, 12])
def test_no_sample_is_far_off(mode: str, size: tuple[int, int], step: int) -> None:
    bands = len(Image.new(mode, (1, 1)).getbands())
    noise = random.Random(step).randbytes(size[0] * size[1] * bands)
    picture = Image.frombytes(mode, size, noise)

    rounded = NearLossless(picture).rounded(step)

    apart = ImageStat.Stat(ImageChops.difference(picture, rounded))
    # A busy block has twice the step; two thirds of it are rounded off, and half is handed on.
    assert max(high for _, high in apart.extrema) <= 2.5 * step
    assert (rounded.mode, rounded.size) == (mode, size)


def test_a_flat_block_loses_next_to_nothing() -> None:
    picture = sky()

    apart = ImageStat.Stat(ImageChops.difference(picture, NearLossless(picture).rounded(12)))

    assert max(high for _, high in apart.extrema) <= 4


def test_black_and_white_stay() -> None:
    for level in (0, 255):
        picture = Image.new("RGB", (40, 30), (level,) * 3)
        assert NearLossless(picture).rounded(12).tobytes() == picture.tobytes()


@pytest.mark.parametrize("step", [2, 3, 5, 8])
def test_what_was_rounded_is_recognised(step: int) -> None:
    rounding = NearLossless(grain())

    assert not rounding.is_done_already
    assert NearLossless(rounding.rounded(step)).is_done_already


def test_a_palette_is_read_by_two_decoders(press: Press) -> None:
    import pyvips

    result = press(png(drawing("RGBA")), 80).data

    other = pyvips.Image.new_from_buffer(result, "").write_to_memory()
    assert decoded(result).convert("RGBA").tobytes() == other
    assert Image.open(io.BytesIO(result)).format == "PNG"
