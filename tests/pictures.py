"""Pictures for tests, the same bytes every time, and a PNG decoder that no codec here shares."""

import io
import itertools
import random
import struct
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from PIL import Image, ImageCms, ImageDraw, ImageFilter

SRGB_PROFILE: Final = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
PNG_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
PNG_KINDS: Final = (
    *((0, depth) for depth in (1, 2, 4, 8, 16)),
    *((2, depth) for depth in (8, 16)),
    *((3, depth) for depth in (1, 2, 4, 8)),
    *((4, depth) for depth in (8, 16)),
    *((6, depth) for depth in (8, 16)),
)
"""Every (colour type, bit depth) that PNG has."""

_CHANNELS: Final = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_ADAM7: Final = (
    (0, 0, 8, 8),
    (4, 0, 8, 8),
    (0, 4, 4, 8),
    (2, 0, 4, 4),
    (0, 2, 2, 4),
    (1, 0, 2, 2),
    (0, 1, 1, 2),
)
_WHOLE: Final = ((0, 0, 1, 1),)


def photograph(
    mode: str = "RGB", size: tuple[int, int] = (96, 64), *, seed: int = 0
) -> Image.Image:
    """Soft gradients, grain and hard edges, in any mode of Pillow's."""
    width, height = size
    grain = Image.frombytes("RGB", size, random.Random(seed).randbytes(3 * width * height))
    picture = Image.blend(
        Image.merge(
            "RGB",
            [
                Image.linear_gradient("L").resize(size),
                Image.radial_gradient("L").resize(size),
                Image.linear_gradient("L").rotate(90).resize(size),
            ],
        ),
        grain.filter(ImageFilter.GaussianBlur(1)),
        0.3,
    )
    draw = ImageDraw.Draw(picture)
    draw.ellipse((width // 8, height // 8, width // 2, height // 2), fill="#c03028")
    draw.rectangle(
        (width // 2, height // 2, width - 1 - width // 12, height - 1 - height // 12),
        fill="#1840a0",
    )
    if mode in ("RGBA", "LA", "PA"):
        picture.putalpha(Image.radial_gradient("L").resize(size))
    if mode == "I;16":
        return _deepened(picture.convert("L"))
    return picture.convert(mode)


def coloured_stars() -> Image.Image:
    """Small vivid spots on black: halving the chroma's resolution greys them."""
    picture = Image.new("RGB", (256, 192))
    draw = ImageDraw.Draw(picture)
    colours = ("#ff2020", "#20ff20", "#4060ff", "#ff40ff", "#ffff20")
    for number in range(700):
        x, y = number * 97 % 255, number * 61 % 191
        draw.line((x, y, x + 1, y), fill=colours[number % 5])
    return picture


def jpeg(picture: Image.Image | None = None, quality: int = 95, **options: Any) -> bytes:
    """A JPEG file, of a photograph where no picture is given."""
    return encoded(picture or photograph(), "JPEG", quality=quality, **options)


def broken_jpeg(data: bytes) -> bytes:
    """A JPEG with what is no code in the usual tables: Pillow goes on in silence."""
    middle = (data.rindex(b"\xff\xda") + len(data)) // 2
    return data[:middle] + b"\xff\x00" * 40 + data[middle + 80 :]


def unreadable_jpeg(data: bytes) -> bytes:
    """A JPEG with a Huffman table that libjpeg does not know what to do with."""
    table = data.index(b"\xff\xc4")
    return data[: table + 4] + b"\x0f" + data[table + 5 :]


def png(picture: Image.Image | None = None, **options: Any) -> bytes:
    """A PNG file that is packed badly, so that there is something to gain."""
    return encoded(picture or photograph(), "PNG", **{"compress_level": 1, **options})


def encoded(picture: Image.Image, file_format: str, **options: Any) -> bytes:
    """A file of any format that Pillow writes."""
    buffer = io.BytesIO()
    picture.save(buffer, file_format, **options)
    return buffer.getvalue()


def decoded(data: bytes) -> Image.Image:
    """The first picture in a file, decoded by Pillow."""
    with Image.open(io.BytesIO(data)) as picture:
        picture.load()
    return picture


def with_segment(data: bytes, marker: int, payload: bytes) -> bytes:
    """A JPEG with one more segment behind its first."""
    first_end = 4 + int.from_bytes(data[4:6])
    segment = struct.pack(">BBH", 0xFF, marker, len(payload) + 2) + payload
    return data[:first_end] + segment + data[first_end:]


def with_chunk(data: bytes, kind: bytes, payload: bytes) -> bytes:
    """A PNG with one more chunk behind its header."""
    end = len(PNG_SIGNATURE) + 25
    return data[:end] + png_chunk(kind, payload) + data[end:]


def png_chunk(kind: bytes, payload: bytes) -> bytes:
    """One chunk with its checksum."""
    return (
        struct.pack(">I", len(payload))
        + kind
        + payload
        + struct.pack(">I", zlib.crc32(kind + payload))
    )


def png_header(width: int, height: int, depth: int, colour: int, *, interlaced: int = 0) -> bytes:
    """A PNG's signature and IHDR."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlaced)
    return PNG_SIGNATURE + png_chunk(b"IHDR", header)


def raw_png(
    colour: int,
    depth: int,
    *,
    size: tuple[int, int] = (19, 13),
    interlaced: bool = False,
    transparency: bytes = b"",
    chunks: Iterable[tuple[bytes, bytes]] = (),
    samples: Sequence[int] = (),
    seed: int = 0,
) -> bytes:
    """A PNG of any kind, written from samples (row by row), random ones where none are given."""
    width, height = size
    channels = _CHANNELS[colour]
    count = width * height * channels
    values = samples or [random.Random(seed + at // 5).getrandbits(depth) for at in range(count)]
    lines = []
    for columns, rows in _passes(width, height, interlaced=interlaced):
        for y in rows if columns else ():
            line = [
                values[(y * width + x) * channels + channel]
                for x in columns
                for channel in range(channels)
            ]
            lines.append(b"\0" + _packed(line, depth))
    palette = random.Random(seed).randbytes(3 << depth) if colour == 3 else b""
    return b"".join(
        (
            png_header(width, height, depth, colour, interlaced=int(interlaced)),
            *(png_chunk(kind, payload) for kind, payload in chunks),
            png_chunk(b"PLTE", palette) if palette else b"",
            png_chunk(b"tRNS", transparency) if transparency else b"",
            png_chunk(b"IDAT", zlib.compress(b"".join(lines), 1)),
            png_chunk(b"IEND", b""),
        )
    )


@dataclass(frozen=True, slots=True)
class Pixels:
    """A PNG's picture: each pixel as (red, green, blue, alpha) of 16 bits, row by row."""

    width: int
    height: int
    values: tuple[tuple[int, int, int, int], ...]


def png_pixels(data: bytes) -> Pixels:
    """Decode a PNG of any kind by the letter of the standard, slowly."""
    chunks = list(png_chunks(data))
    parts = dict(chunks)
    width, height, depth, colour, *_, interlaced = struct.unpack(">IIBBBBB", parts[b"IHDR"])
    stream = zlib.decompress(b"".join(payload for kind, payload in chunks if kind == b"IDAT"))
    found = {}
    position = 0
    for columns, rows in _passes(width, height, interlaced=bool(interlaced)):
        if not columns:
            continue
        bits = len(columns) * _CHANNELS[colour] * depth
        step = max(1, _CHANNELS[colour] * depth // 8)
        above = bytes((bits + 7) // 8)
        for y in rows:
            end = position + 1 + len(above)
            above = _unfiltered(stream[position], stream[position + 1 : end], above, step)
            position = end
            samples = _unpacked(above, depth, len(columns) * _CHANNELS[colour])
            pixels = itertools.batched(samples, _CHANNELS[colour])
            for x, pixel in zip(columns, pixels, strict=True):
                found[y, x] = _rgba(pixel, depth, colour, parts)
    values = tuple(found[y, x] for y in range(height) for x in range(width))
    return Pixels(width, height, values)


def png_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """A PNG's chunks: type and payload."""
    position = len(PNG_SIGNATURE)
    while position < len(data):
        length = int.from_bytes(data[position : position + 4])
        yield data[position + 4 : position + 8], data[position + 8 : position + 8 + length]
        position += 12 + length


def animated_png(frames: int = 3, **options: Any) -> bytes:
    """An APNG; every frame is another picture."""
    first, *others = (photograph("RGBA", seed=number) for number in range(frames))
    settings = {"duration": [100 * (number + 1) for number in range(frames)], "loop": 3}
    return png(first, save_all=True, append_images=others, **{**settings, **options})


def _deepened(grey: Image.Image) -> Image.Image:
    """16 bits a pixel, with something in the low ones."""
    values = (value * 257 ^ at % 251 for at, value in enumerate(grey.tobytes()))
    return Image.frombytes(
        "I;16", grey.size, b"".join(struct.pack("<H", value) for value in values)
    )


def _passes(
    width: int, height: int, *, interlaced: bool
) -> Iterator[tuple[Sequence[int], Sequence[int]]]:
    for left, top, across, down in _ADAM7 if interlaced else _WHOLE:
        yield range(left, width, across), range(top, height, down)


def _packed(samples: Sequence[int], depth: int) -> bytes:
    if depth == 16:
        return struct.pack(f">{len(samples)}H", *samples)
    bits = "".join(f"{sample:0{depth}b}" for sample in samples)
    bits += "0" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8)


def _unpacked(line: bytes, depth: int, count: int) -> list[int]:
    if depth == 16:
        return list(struct.unpack(f">{count}H", line))
    bits = f"{int.from_bytes(line):0{8 * len(line)}b}"
    return [int(bits[depth * index : depth * (index + 1)], 2) for index in range(count)]


def _unfiltered(kind: int, line: bytes, above: bytes, step: int) -> bytes:
    """PNG 3rd edition, 9.2: undo the filter of one row."""
    result = bytearray(line)
    for index, value in enumerate(line):
        left = result[index - step] if index >= step else 0
        corner = above[index - step] if index >= step else 0
        predicted = (0, left, above[index], (left + above[index]) // 2)
        result[index] = (
            value + (_paeth(left, above[index], corner) if kind == 4 else predicted[kind])
        ) & 255
    return bytes(result)


def _paeth(left: int, above: int, corner: int) -> int:
    guess = left + above - corner
    return min((left, above, corner), key=lambda value: abs(guess - value))


def _rgba(
    pixel: tuple[int, ...], depth: int, colour: int, parts: dict[bytes, bytes]
) -> tuple[int, int, int, int]:
    full = 65535
    see_through = parts.get(b"tRNS", b"")
    if colour == 3:
        index = pixel[0]
        red, green, blue = parts[b"PLTE"][3 * index : 3 * index + 3]
        alpha = see_through[index] if index < len(see_through) else 255
        return red * 257, green * 257, blue * 257, alpha * 257
    scaled = [sample * full // ((1 << depth) - 1) for sample in pixel]
    grey = colour in (0, 4)
    red, green, blue = [scaled[0]] * 3 if grey else scaled[:3]
    if colour in (4, 6):
        return red, green, blue, scaled[-1]
    hidden = see_through and struct.unpack(f">{len(pixel)}H", see_through) == pixel
    return red, green, blue, 0 if hidden else full
