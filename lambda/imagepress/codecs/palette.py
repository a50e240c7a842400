"""Palettes: at most 256 colours that stand for all in a picture, found and dithered by libvips.

The quantiser is the one in libvips' own builds, the BSD-licensed fork of libimagequant.
"""

import io
from itertools import batched
from typing import Final

from PIL import Image

_BANDS: Final = {"RGB": 3, "RGBA": 4}
# Less effort is faster, and was seen to give pictures that nobody would recognise.
_EFFORT: Final = 6
# As much as drafts of other candidates get, so that sizes compare.
_DEFLATE: Final = 6
_MOST_ENTRIES: Final = 256
_OPAQUE: Final = 255


class NoPaletteError(RuntimeError):
    """libvips could not find a palette for this picture."""


def with_palette(picture: Image.Image, quality: int, dither: float) -> bytes:
    """A PNG of `picture` (RGB or RGBA) in as many colours as `quality` (1 to 100) asks for.

    Raises `ImportError` where there is no libvips, `NoPaletteError` where it finds none.
    """
    import pyvips  # noqa: PLC0415 - optional: without it there are other candidates

    pixels = pyvips.Image.new_from_memory(
        picture.tobytes(), picture.width, picture.height, _BANDS[picture.mode], "uchar"
    )
    try:
        packed: bytes = pixels.copy(interpretation="srgb").pngsave_buffer(
            palette=True,
            Q=quality,
            dither=dither,
            effort=_EFFORT,
            compression=_DEFLATE,
            keep="none",
        )
    except pyvips.Error as error:
        raise NoPaletteError(str(error)) from None
    return packed


def with_colour(packed: bytes, colour: bytes) -> bytes:
    """`packed` with `colour` (red, green, blue) in its palette, be it used or not.

    In a full palette the entry that fewest pixels have gives way, and they get the one nearest to
    it.
    """
    picture = Image.open(io.BytesIO(packed), formats=("PNG",))
    picture.load()
    picture.apply_transparency()
    entries = list(batched(picture.getpalette("RGBA") or (), 4))
    if len(entries) < _MOST_ENTRIES or (*colour, _OPAQUE) in entries:
        return packed
    counts = picture.histogram()
    rarest = min(range(_MOST_ENTRIES), key=lambda index: counts[index])
    others = [index for index in range(_MOST_ENTRIES) if index != rarest]
    nearest = min(others, key=lambda index: _distance(entries[index], entries[rarest]))
    indices = picture.tobytes().replace(bytes([rarest]), bytes([nearest]))
    entries[rarest] = (*colour, _OPAQUE)
    changed = Image.frombytes("P", picture.size, indices)
    changed.putpalette([value for entry in entries for value in entry], "RGBA")
    buffer = io.BytesIO()
    changed.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def _distance(one: tuple[int, ...], other: tuple[int, ...]) -> int:
    return sum((left - right) ** 2 for left, right in zip(one, other, strict=True))
