import io
import itertools
import struct
import zlib
from typing import Any

import pytest
from PIL import ExifTags, Image, PngImagePlugin

from imagepress import png_structure
from imagepress.errors import RowFailed, RowSkipped
from imagepress.image_header import PNG_SIGNATURE
from imagepress.outcome import FailureCode, SkipReason
from tests.pictures import (
    PNG_KINDS,
    SRGB_PROFILE,
    animated_png,
    decoded,
    photograph,
    png,
    png_chunk,
    png_chunks,
    png_header,
    png_pixels,
    raw_png,
    with_chunk,
)
from tests.unit.pressing import Press

MODES = ["1", "L", "LA", "I;16", "P", "RGB", "RGBA"]
GREY, RGB, PALETTE, GREY_ALPHA, RGB_ALPHA = 0, 2, 3, 4, 6


def header(data: bytes) -> tuple[int, ...]:
    """Width, height, depth, colour type, compression, filter, interlace."""
    return struct.unpack(">IIBBBBB", dict(png_chunks(data))[b"IHDR"])


def exif(orientation: int = 6) -> bytes:
    tags = Image.Exif()
    tags[ExifTags.Base.Orientation] = orientation
    return tags.tobytes()


def texts() -> PngImagePlugin.PngInfo:
    info = PngImagePlugin.PngInfo()
    info.add_text("Author", "São Paulo")
    info.add_text("Comment", "long " * 300, zip=True)
    info.add_itxt("Title", "写真 \U0001f304", "ja", "題")
    info.add_itxt("XML:com.adobe.xmp", "<x:xmpmeta/>", zip=True)
    return info


def opaque(channels: int, depth: int, count: int) -> list[int]:
    """Samples of any colour with an alpha channel that hides nothing."""
    top = (1 << depth) - 1
    return [
        top if index % channels == channels - 1 else index * 7919 & top
        for index in range(count * channels)
    ]


# Pixels


@pytest.mark.parametrize("interlaced", [False, True], ids=["", "interlaced"])
@pytest.mark.parametrize(("colour", "depth"), PNG_KINDS)
def test_every_kind_of_png_keeps_its_pixels(
    press: Press, colour: int, depth: int, *, interlaced: bool
) -> None:
    data = raw_png(colour, depth, interlaced=interlaced)

    result = press(data, 80).data

    assert png_pixels(result) == png_pixels(data)
    assert header(result)[6] == interlaced


@pytest.mark.parametrize("interlaced", [False, True], ids=["", "interlaced"])
@pytest.mark.parametrize(
    ("colour", "depth", "transparency"),
    [
        *((GREY, depth, b"\0\1") for depth in (1, 2, 4, 8)),
        (GREY, 16, b"\x12\x34"),
        (RGB, 8, b"\0\1\0\2\0\3"),
        (RGB, 16, b"\x12\x34\x56\x78\x9a\xbc"),
        *((PALETTE, depth, b"\0\x80") for depth in (1, 2, 4, 8)),
    ],
)
def test_transparency_is_kept(
    press: Press, colour: int, depth: int, transparency: bytes, *, interlaced: bool
) -> None:
    channels = len(transparency) // 2 if colour != PALETTE else 1
    see_through = [int.from_bytes(transparency[at : at + 2]) for at in range(0, 2 * channels, 2)]
    random_pixels = [index * 40503 % (1 << depth) for index in range(19 * 13 * channels)]
    samples = [*see_through, *random_pixels][: 19 * 13 * channels] if colour != PALETTE else ()
    data = raw_png(colour, depth, transparency=transparency, interlaced=interlaced, samples=samples)

    assert png_pixels(press(data, 80).data) == png_pixels(data)


@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize(("colour", "channels"), [(GREY_ALPHA, 2), (RGB_ALPHA, 4)])
def test_an_alpha_channel_that_hides_nothing_changes_no_pixel(
    press: Press, colour: int, channels: int, depth: int
) -> None:
    data = raw_png(colour, depth, samples=opaque(channels, depth, 19 * 13))

    assert png_pixels(press(data, 80).data) == png_pixels(data)


@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize(("colour", "channels"), [(RGB, 3), (RGB_ALPHA, 4)])
def test_grey_that_is_stored_as_colour_keeps_its_pixels(
    press: Press, colour: int, channels: int, depth: int
) -> None:
    top = (1 << depth) - 1
    samples = [index // channels * 7919 & top for index in range(19 * 13 * channels)]
    data = raw_png(colour, depth, samples=samples)

    assert png_pixels(press(data, 80).data) == png_pixels(data)


@pytest.mark.parametrize("colours", [1, 2, 3, 17, 256, 257])
def test_few_colours_keep_their_pixels(press: Press, colours: int) -> None:
    samples = [
        value
        for index in range(20 * 20)
        for value in (*divmod(index % colours * 1031, 256), index % colours % 7)
    ]
    data = raw_png(RGB, 8, size=(20, 20), samples=[value & 255 for value in samples])

    assert png_pixels(press(data, 100).data) == png_pixels(data)


def test_the_colour_of_what_cannot_be_seen_is_kept(press: Press) -> None:
    hidden = [value for index in range(19 * 13) for value in (index, 255 - index % 256, 7, 0)]
    data = raw_png(RGB_ALPHA, 8, samples=[value & 255 for value in hidden])

    assert png_pixels(press(data, 80).data) == png_pixels(data)


@pytest.mark.parametrize("depth_of", PNG_KINDS)
def test_deep_pictures_stay_deep_and_flat_ones_flat(
    press: Press, depth_of: tuple[int, int]
) -> None:
    colour, depth = depth_of
    result = press(raw_png(colour, depth), 80).data

    assert (header(result)[2] == 16) is (depth == 16)


def test_sixteen_bits_whose_low_ones_say_nothing_stay(press: Press) -> None:
    samples = [index % 256 * 257 for index in range(19 * 13)]

    assert header(press(raw_png(GREY, 16, samples=samples), 80).data)[2] == 16


@pytest.mark.parametrize("mode", MODES)
def test_what_pillow_writes_pillow_reads_as_before(press: Press, mode: str) -> None:
    data = png(photograph(mode))

    before, after = decoded(data), decoded(press(data, 100).data)

    assert after.size == before.size
    if mode == "I;16":
        assert (after.mode, after.tobytes()) == (before.mode, before.tobytes())
    else:
        assert after.convert("RGBA").tobytes() == before.convert("RGBA").tobytes()


@pytest.mark.parametrize("mode", MODES)
def test_a_png_that_was_packed_badly_gets_smaller(press: Press, mode: str) -> None:
    data = png(photograph(mode), compress_level=0)

    assert len(press(data, 80).data) < len(data)


def test_quality_100_is_lossless(press: Press) -> None:
    pressed = press(png(), 100)

    assert pressed.encoded.lossless
    assert pressed.encoded.quality is None


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (7, 1), (3, 3), (1000, 1)])
@pytest.mark.parametrize("interlaced", [False, True])
def test_a_tiny_picture_is_a_picture(
    press: Press, size: tuple[int, int], *, interlaced: bool
) -> None:
    data = raw_png(RGB_ALPHA, 8, size=size, interlaced=interlaced)

    assert png_pixels(press(data, 80).data) == png_pixels(data)


def test_a_second_pass_changes_no_pixel(press: Press) -> None:
    data = raw_png(RGB_ALPHA, 8)

    assert png_pixels(press(press(data, 80).data, 80).data) == png_pixels(data)


def test_pixels_spread_over_many_chunks_are_read(press: Press) -> None:
    data = raw_png(RGB, 8)
    parts = list(png_chunks(data))
    packed = b"".join(payload for kind, payload in parts if kind == b"IDAT")
    pieces = [png_chunk(b"IDAT", bytes(piece)) for piece in itertools.batched(packed, 10)]
    split = data[: 8 + 25] + b"".join(pieces) + png_chunk(b"IEND", b"")

    assert png_pixels(press(split, 80).data) == png_pixels(data)


# Metadata


@pytest.mark.parametrize(
    "options",
    [
        {"pnginfo": texts()},
        {"icc_profile": SRGB_PROFILE},
        {"exif": exif()},
        {"dpi": (300, 150)},
        {"pnginfo": texts(), "icc_profile": SRGB_PROFILE, "exif": exif(), "dpi": (72, 72)},
    ],
    ids=["text", "ICC", "EXIF", "DPI", "everything"],
)
@pytest.mark.parametrize("mode", MODES)
def test_metadata_are_kept(press: Press, mode: str, options: dict[str, Any]) -> None:
    data = png(photograph(mode), **options)

    before, after = decoded(data), decoded(press(data, 80).data)

    assert isinstance(before, PngImagePlugin.PngImageFile)
    assert isinstance(after, PngImagePlugin.PngImageFile)
    assert after.text == before.text
    assert after.getexif() == before.getexif()
    for name in ("icc_profile", "dpi", "exif", "xmp"):
        assert after.info.get(name) == before.info.get(name)


@pytest.mark.parametrize(
    ("kind", "payload"),
    [
        (b"gAMA", (45_455).to_bytes(4)),
        (b"cHRM", struct.pack(">8I", 31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)),
        (b"sRGB", b"\1"),
        (b"cICP", b"\x09\x10\x00\x01"),
        (b"mDCV", bytes(range(24))),
        (b"cLLI", bytes(range(8))),
        (b"pHYs", struct.pack(">IIB", 3, 2, 0)),
        (b"tIME", b"\x07\xe8\x02\x01\x0c\0\0"),
        (b"sPLT", b"name\0\x08" + bytes(range(10))),
        (b"tEXt", b"a\0b"),
        (b"zTXt", b"a\0\0" + zlib.compress(b"text" * 50)),
        (b"iTXt", b"a\0\0\0\0\0\xe5\x86\x99"),
        (b"oFFs", bytes(9)),
        (b"vpAg", bytes(9)),
        (b"prVt", b"anything"),
    ],
)
def test_a_chunk_of_metadata_is_kept(press: Press, kind: bytes, payload: bytes) -> None:
    data = with_chunk(png(), kind, payload)

    result = press(data, 80).data

    assert [body for name, body in png_chunks(result) if name == kind] == [payload]


@pytest.mark.parametrize("kind", [b"tEXt", b"eXIf", b"tIME"])
def test_metadata_behind_the_pixels_are_kept(press: Press, kind: bytes) -> None:
    payload = {b"tEXt": b"a\0b", b"eXIf": exif()[6:], b"tIME": b"\x07\xe8\x02\x01\x0c\0\0"}[kind]
    data = png()
    data = data[:-12] + png_chunk(kind, payload) + data[-12:]

    assert (kind, payload) in list(png_chunks(press(data, 80).data))


def test_several_texts_of_one_name_are_all_kept(press: Press) -> None:
    data = with_chunk(with_chunk(png(), b"tEXt", b"a\0one"), b"tEXt", b"a\0two")

    assert png_structure.metadata(press(data, 80).data) == [
        (b"tEXt", b"a\0one"),
        (b"tEXt", b"a\0two"),
    ]


# Animations


def frames(data: bytes) -> list[tuple[bytes, object, object]]:
    """Each frame as it is shown, how long, and with what."""
    picture = decoded_animation(data)
    shown = []
    for number in range(picture.n_frames):
        picture.seek(number)
        shown.append(
            (picture.convert("RGBA").tobytes(), picture.info.get("duration"), picture.info["blend"])
        )
    return shown


def decoded_animation(data: bytes) -> PngImagePlugin.PngImageFile:
    picture = Image.open(io.BytesIO(data))
    assert isinstance(picture, PngImagePlugin.PngImageFile)
    return picture


ANIMATIONS = {
    "plain": animated_png(),
    "many frames": animated_png(12),
    "disposed": animated_png(disposal=PngImagePlugin.Disposal.OP_PREVIOUS),
    "blended": animated_png(blend=PngImagePlugin.Blend.OP_OVER),
    "endless": animated_png(loop=0),
}


@pytest.mark.parametrize("data", ANIMATIONS.values(), ids=ANIMATIONS)
def test_an_animation_keeps_its_frames(press: Press, data: bytes) -> None:
    result = press(data, 80).data

    assert frames(result) == frames(data)
    assert decoded_animation(result).info.get("loop") == decoded_animation(data).info.get("loop")


def test_a_still_beside_the_animation_is_kept(press: Press) -> None:
    data = animated_png(3, default_image=True)

    result = press(data, 80).data

    assert decoded(result).convert("RGBA").tobytes() == decoded(data).convert("RGBA").tobytes()
    assert decoded_animation(result).n_frames == decoded_animation(data).n_frames


@pytest.mark.parametrize("data", ANIMATIONS.values(), ids=ANIMATIONS)
def test_frame_controls_are_kept_to_the_bit(press: Press, data: bytes) -> None:
    controls = [payload for kind, payload in png_chunks(data) if kind in (b"acTL", b"fcTL")]

    result = press(data, 80).data

    assert [
        payload for kind, payload in png_chunks(result) if kind in (b"acTL", b"fcTL")
    ] == controls


# What is left alone


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (with_chunk(png(), b"caBX", b"jumb"), "C2PA"),
        (with_chunk(png(), b"dSIG", b"signature"), "digitally signed"),
        (with_chunk(png(), b"CgBI", b"\x50\0\x20\2"), "Apple's own variant"),
        (png() + b"a film", "6 bytes follow the picture"),
        (png() + png(), "bytes follow the picture"),
    ],
)
def test_what_would_be_lost_is_left_alone(press: Press, data: bytes, why: str) -> None:
    with pytest.raises(RowSkipped, match=why) as skipped:
        press(data, 80)

    assert skipped.value.reason is SkipReason.UNSUPPORTED_IMAGE


# What is damaged


def damaged(press: Press, data: bytes) -> None:
    with pytest.raises(RowFailed) as failed:
        press(data, 80)
    assert failed.value.code is FailureCode.CORRUPT_IMAGE


@pytest.mark.parametrize("data", [png(), raw_png(3, 4), raw_png(2, 16, interlaced=True)])
def test_a_truncated_picture_is_a_corrupt_image(press: Press, data: bytes) -> None:
    for cut in range(40, len(data) - 1, max(1, len(data) // 40)):
        damaged(press, data[:cut])


def test_a_cut_with_an_end_glued_on_is_a_corrupt_image(press: Press) -> None:
    data = raw_png(RGB, 8)
    kept = [
        (kind, payload[: len(payload) // 2] if kind == b"IDAT" else payload)
        for kind, payload in png_chunks(data)
    ]

    damaged(press, PNG_SIGNATURE + b"".join(png_chunk(*chunk) for chunk in kept))


def test_a_wrong_checksum_is_a_corrupt_image(press: Press) -> None:
    data = bytearray(raw_png(RGB, 8))
    data[-13] ^= 1

    damaged(press, bytes(data))


def test_a_picture_without_pixels_is_a_corrupt_image(press: Press) -> None:
    damaged(press, png_header(5, 5, 8, RGB) + png_chunk(b"IEND", b""))


@pytest.mark.parametrize("kind", [b"zTXt", b"iCCP"])
def test_text_that_unpacks_to_a_bomb_is_refused(press: Press, kind: bytes) -> None:
    bomb = b"name\0\0" + zlib.compress(bytes(32 << 20), 9)

    damaged(press, with_chunk(png(), kind, bomb))
