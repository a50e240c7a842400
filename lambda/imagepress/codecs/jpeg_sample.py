"""What of a picture is tried with different codings: all of a small one, pieces of a big one.

Pieces are put side by side, as one picture: many small ones take longer, and so do tall ones, and
have no coarse scales for SSIMULACRA2 to look at.
"""

import io
import struct
from itertools import accumulate
from math import sqrt
from typing import Final

from PIL import Image, ImageFilter

from imagepress.codecs.similarity import Reference

_STEP: Final = 16
_PIECES: Final = 25
_NEARLY_ALL: Final = 1.25


class Sample:
    """`pieces` of a picture (RGB or L), of one height, and how alike a coding leaves them."""

    def __init__(self, pieces: list[Image.Image]) -> None:
        self.picture = _side_by_side(pieces)
        self._reference = Reference(self.picture)
        seams = list(accumulate(piece.width for piece in pieces))[:-1]
        strips = [(seam - 1, 0, seam + 1, self.picture.height) for seam in seams]
        self._at_seams = [(box, self.picture.crop(box)) for box in strips]

    @property
    def pixels(self) -> int:
        """How many are tried."""
        return self.picture.width * self.picture.height

    def score(self, file: bytes) -> float:
        """SSIMULACRA2 of the pieces in `file`, a JPEG of `picture`."""
        with Image.open(io.BytesIO(file), formats=("JPEG",)) as coded:
            coded.load()
        # Decoders smooth chroma across a seam, over a pixel on each side.
        for box, strip in self._at_seams:
            coded.paste(strip, box)
        scores = self._reference.scores(coded)
        return sum(scores) / len(scores)


def pieces_of(picture: Image.Image, pixels: int) -> list[Image.Image]:
    """About so many pixels in pieces that stand for the picture; all of a smaller one.

    They are as busy and as smooth as the picture is: what is lost depends on that most.
    """
    width, height = picture.size
    if width * height <= _NEARLY_ALL * pixels or height < _STEP:
        return [picture]  # itself, by which a caller knows
    # On the grid of the source's blocks, and of chroma of half the size.
    side = round(sqrt(pixels / _PIECES) / _STEP) * _STEP
    across = min(width, max(side, pixels // _PIECES // height // _STEP * _STEP))
    down = min(height, max(side, pixels // _PIECES // across)) // _STEP * _STEP
    places = [
        (busy, left, top)
        for top in range(0, height - down + 1, down)
        for left, busy in zip(
            range(0, width - across + 1, across), _busy(picture, top, across, down), strict=True
        )
    ]
    places.sort()
    count = min(_PIECES, len(places))
    chosen = [places[(2 * piece + 1) * len(places) // (2 * count)] for piece in range(count)]
    return [picture.crop((left, top, left + across, top + down)) for _, left, top in chosen]


def _busy(picture: Image.Image, top: int, across: int, down: int) -> list[float]:
    """How much brightness changes from pixel to pixel, in each piece of a row of them."""
    count = picture.width // across
    middle = top + down // 2
    strip = picture.crop((0, middle - _STEP // 2, count * across, middle + _STEP // 2))
    edges = strip.convert("L").filter(ImageFilter.FIND_EDGES)
    # Its outermost pixels are not filtered.
    inner = (1, 1, edges.width - 1, edges.height - 1)
    means = edges.convert("F").resize((count, 1), Image.Resampling.BOX, inner)
    return [value for (value,) in struct.iter_unpack("f", means.tobytes())]


def _side_by_side(pieces: list[Image.Image]) -> Image.Image:
    if len(pieces) == 1:
        return pieces[0]
    width = sum(piece.width for piece in pieces)
    picture = Image.new(pieces[0].mode, (width, pieces[0].height))
    left = 0
    for piece in pieces:
        picture.paste(piece, (left, 0))
        left += piece.width
    return picture
