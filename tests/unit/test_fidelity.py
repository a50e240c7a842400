from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import ExifTags, Image, ImageChops, ImageEnhance, ImageOps

from imagepress.codecs import fidelity
from imagepress.errors import RowFailed
from imagepress.image_header import ImageFormat, ImageHeader, read_header
from imagepress.outcome import FailureCode
from tests.pictures import (
    SRGB_PROFILE,
    animated_png,
    jpeg,
    photograph,
    png,
    png_pixels,
    raw_png,
)

type Verify = Callable[[bytes, bytes, int | None], None]

PHOTO = photograph(size=(320, 240))
SOURCE = jpeg(PHOTO)


@pytest.fixture
def verify(tmp_path: Path) -> Verify:
    def check(before: bytes, after: bytes, quality: int | None) -> None:
        source, output = tmp_path / "source", tmp_path / "output"
        source.write_bytes(before)
        output.write_bytes(after)
        header = read_header(source)
        fidelity.verify(fidelity.load(source, header), output, header, quality=quality)

    return check


def unfaithful(verify: Verify, before: bytes, after: bytes, quality: int | None) -> None:
    with pytest.raises(RowFailed) as failed:
        verify(before, after, quality)
    assert failed.value.code is FailureCode.UNFAITHFUL


def turned_hue(picture: Image.Image, by: int) -> Image.Image:
    hue, saturation, value = picture.convert("HSV").split()
    return Image.merge("HSV", (hue.point(lambda at: (at + by) % 256), saturation, value)).convert(
        "RGB"
    )


def swapped(picture: Image.Image) -> Image.Image:
    red, green, blue = picture.split()
    return Image.merge("RGB", (blue, green, red))


def half_grey(picture: Image.Image) -> Image.Image:
    """What a decoder makes of half a file."""
    damaged = picture.copy()
    damaged.paste("#808080", (0, picture.height // 2, picture.width, picture.height))
    return damaged


# Lossy


@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize("quality", [0, 10, 50, 80, 95])
def test_an_ordinary_lossy_result_is_faithful(verify: Verify, mode: str, quality: int) -> None:
    picture = photograph(mode, (320, 240))

    verify(jpeg(picture, 98), jpeg(picture, quality, subsampling=0 if mode == "L" else 2), quality)


def test_the_picture_itself_is_faithful(verify: Verify) -> None:
    verify(SOURCE, SOURCE, 80)


OTHERS: dict[str, Callable[[Image.Image], Image.Image]] = {
    "another": lambda picture: (
        photograph(size=picture.size, seed=5).rotate(90).resize(picture.size)
    ),
    "inverted": ImageOps.invert,
    "channels swapped": swapped,
    "hue turned": lambda picture: turned_hue(picture, 40),
    "mirrored": ImageOps.mirror,
    "flipped": ImageOps.flip,
    "turned around": lambda picture: picture.rotate(180),
    "shifted": lambda picture: ImageChops.offset(picture, 24),
    "darker": lambda picture: ImageEnhance.Brightness(picture).enhance(0.8),
    "without colour": lambda picture: picture.convert("L").convert("RGB"),
    "half grey": half_grey,
    "black": lambda picture: Image.new("RGB", picture.size),
    "white": lambda picture: Image.new("RGB", picture.size, "white"),
}


@pytest.mark.parametrize("change", OTHERS.values(), ids=OTHERS)
@pytest.mark.parametrize("quality", [80, 95])
def test_another_picture_is_unfaithful(
    verify: Verify, change: Callable[[Image.Image], Image.Image], quality: int
) -> None:
    unfaithful(verify, SOURCE, jpeg(change(PHOTO), quality), quality)


def test_grey_from_colour_is_unfaithful(verify: Verify) -> None:
    unfaithful(verify, SOURCE, jpeg(PHOTO.convert("L")), 80)


@pytest.mark.parametrize("quality", [80, None])
@pytest.mark.parametrize("size", [(319, 240), (320, 241), (240, 320), (160, 120)])
def test_another_size_is_no_result(
    verify: Verify, size: tuple[int, int], quality: int | None
) -> None:
    with pytest.raises(RowFailed):
        verify(SOURCE, jpeg(PHOTO.resize(size)), quality)


@pytest.mark.parametrize("quality", [80, None])
@pytest.mark.parametrize(
    "options",
    [
        {"exif": b"Exif\0\0II*\0\x08\0\0\0\0\0\0\0\0\0"},
        {"icc_profile": SRGB_PROFILE},
        {"xmp": b"<x:xmpmeta/>"},
        {"comment": "hello"},
        {"dpi": (300, 300)},
    ],
    ids=lambda options: next(iter(options)),
)
def test_lost_metadata_are_unfaithful(
    verify: Verify, options: dict[str, Any], quality: int | None
) -> None:
    unfaithful(verify, jpeg(PHOTO, **options), SOURCE, quality)


@pytest.mark.parametrize("quality", [80, None])
def test_another_orientation_is_unfaithful(verify: Verify, quality: int | None) -> None:
    def turned(orientation: int) -> bytes:
        exif = Image.Exif()
        exif[ExifTags.Base.Orientation] = orientation
        return jpeg(PHOTO, exif=exif.tobytes())

    unfaithful(verify, turned(6), turned(1), quality)


def test_another_format_is_no_result(verify: Verify) -> None:
    with pytest.raises(RowFailed):
        verify(SOURCE, png(PHOTO), 80)


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.9])
def test_a_result_that_is_cut_off_is_no_result(verify: Verify, kept: float) -> None:
    with pytest.raises(RowFailed):
        verify(SOURCE, SOURCE[: int(len(SOURCE) * kept)], 80)


# Lossless


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_the_same_pixels_packed_otherwise_are_faithful(verify: Verify, mode: str) -> None:
    picture = photograph(mode)

    verify(png(picture, compress_level=0), png(picture, compress_level=9), None)


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA", "I;16"])
def test_one_sample_that_is_off_by_one_is_unfaithful(verify: Verify, mode: str) -> None:
    picture = photograph(mode)
    changed = picture.copy()
    pixel = picture.getpixel((50, 30))
    if isinstance(pixel, tuple):
        changed.putpixel((50, 30), (*pixel[:-1], int(pixel[-1]) ^ 1))
    else:
        changed.putpixel((50, 30), int(pixel or 0) ^ 1)

    unfaithful(verify, png(picture), png(changed), None)


def test_one_bit_that_is_turned_is_unfaithful(verify: Verify) -> None:
    picture = photograph("1")
    changed = picture.copy()
    changed.putpixel((3, 3), 255 - int(str(picture.getpixel((3, 3)))))

    unfaithful(verify, png(picture), png(changed), None)


def test_a_palette_in_another_order_is_the_same_picture(verify: Verify) -> None:
    picture = photograph().quantize(16)
    colours = [(picture.getpalette() or [])[3 * index : 3 * index + 3] for index in range(16)]
    reordered = picture.point(lambda index: 15 - index)
    reordered.putpalette([value for colour in reversed(colours) for value in colour])

    verify(png(picture), png(reordered), None)


def test_a_palette_with_another_colour_is_unfaithful(verify: Verify) -> None:
    picture = photograph().quantize(16)
    changed = picture.copy()
    palette = picture.getpalette() or []
    changed.putpalette([palette[0] ^ 1, *palette[1:]])

    unfaithful(verify, png(picture), png(changed), None)


def test_full_colour_that_became_a_palette_is_the_same_picture(verify: Verify) -> None:
    picture = photograph().quantize(16)

    verify(png(picture.convert("RGB")), png(picture), None)


def test_lost_transparency_is_unfaithful(verify: Verify) -> None:
    picture = photograph("RGBA")

    unfaithful(verify, png(picture), png(picture.convert("RGB")), None)


@pytest.mark.parametrize("colour", [0, 2, 4, 6])
def test_sixteen_bits_that_became_eight_are_unfaithful(verify: Verify, colour: int) -> None:
    deep = raw_png(colour, 16)
    pixels = png_pixels(deep)
    samples = [
        value >> 8
        for red, green, blue, alpha in pixels.values
        for value in {
            0: (red,),
            2: (red, green, blue),
            4: (red, alpha),
            6: (red, green, blue, alpha),
        }[colour]
    ]

    unfaithful(verify, deep, raw_png(colour, 8, samples=samples), None)


# Animations


def test_the_same_animation_is_faithful(verify: Verify) -> None:
    verify(animated_png(), animated_png(compress_level=9), None)


@pytest.mark.parametrize("after", [animated_png(2), png(photograph("RGBA"))])
def test_lost_frames_are_unfaithful(verify: Verify, after: bytes) -> None:
    unfaithful(verify, animated_png(3), after, None)


def test_another_frame_is_unfaithful(verify: Verify) -> None:
    first, second, other = (photograph("RGBA", seed=seed) for seed in (0, 1, 7))
    before = png(first, save_all=True, append_images=[second])

    unfaithful(verify, before, png(first, save_all=True, append_images=[other]), None)


# Loading


@pytest.mark.parametrize(("width", "height"), [(97, 64), (96, 63), (64, 96)])
def test_a_picture_that_is_not_as_large_as_its_header_said_is_damaged(
    tmp_path: Path, width: int, height: int
) -> None:
    file = tmp_path / "image"
    file.write_bytes(jpeg())

    with pytest.raises(RowFailed) as failed:
        fidelity.load(file, ImageHeader(ImageFormat.JPEG, width, height, 8, 3))

    assert failed.value.code is FailureCode.CORRUPT_IMAGE


@pytest.mark.parametrize("data", [b"", b"text", jpeg()[:300], png(), png()[:300]])
def test_what_does_not_decode_is_damaged(tmp_path: Path, data: bytes) -> None:
    file = tmp_path / "image"
    file.write_bytes(data)

    with pytest.raises(RowFailed) as failed:
        fidelity.load(file, ImageHeader(ImageFormat.JPEG, 96, 64, 8, 3))

    assert failed.value.code is FailureCode.CORRUPT_IMAGE


def test_pillow_s_own_limit_on_pixels_is_not_in_the_way() -> None:
    assert Image.MAX_IMAGE_PIXELS is None


def test_the_low_bytes_of_deep_samples_count() -> None:
    samples = [5_000 * number for number in range(12)]
    one = raw_png(2, 16, size=(2, 2), samples=samples)
    other = raw_png(2, 16, size=(2, 2), samples=[samples[0] + 1, *samples[1:]])

    fidelity.verify_deep(one, one)
    with pytest.raises(RowFailed, match="pixels differ") as failed:
        fidelity.verify_deep(one, other)

    assert failed.value.code is FailureCode.UNFAITHFUL
