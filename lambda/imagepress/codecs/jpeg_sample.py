"""What of a picture is tried with different codings: all of a small one, pieces of a big one.

Pieces are put side by side, as one picture: many small ones take longer, and so do tall ones, and
have no coarse scales for SSIMULACRA2 to look at.
"""

import io
import struct
from itertools import accumulate
from typing import Final

from PIL import Image, ImageChops

from imagepress.codecs.similarity import Reference

_SIDE: Final = 64
PIECE_PIXELS: Final = _SIDE * _SIDE

_STEP: Final = 16
_NEARLY_ALL: Final = 1.25


class Sample:
    """`pieces` of a picture (RGB or L), of one height, and how alike a coding leaves them."""

    def __init__(self, pieces: list[Image.Image]) -> None:
        self.picture = _side_by_side(pieces)
        self._reference = Reference(self.picture)
        self._seams = _seams(pieces)

    @property
    def pixels(self) -> int:
        """How many are tried."""
        return self.picture.width * self.picture.height

    def score(self, file: bytes) -> float:
        """SSIMULACRA2 of the pieces in `file`, a JPEG of `picture`."""
        with Image.open(io.BytesIO(file), formats=("JPEG",)) as coded:
            coded.load()
        if self._seams:
            coded.paste(self.picture, mask=self._seams)
        scores = self._reference.scores(coded)
        return sum(scores) / len(scores)


def pieces_of(picture: Image.Image, number: int) -> list[Image.Image]:
    """So many pieces that stand for the picture, of `PIECE_PIXELS` each; all of a smaller one.

    They are as busy and as smooth as the picture is: what is lost depends on that most.
    """
    width, height = picture.size
    pixels = number * PIECE_PIXELS
    if width * height <= _NEARLY_ALL * pixels or height < _STEP:
        return [picture]  # itself, by which a caller knows
    # On the grid of the source's blocks, and of chroma of half the size.
    across = min(width, max(_SIDE, PIECE_PIXELS // height // _STEP * _STEP))
    down = min(height, max(_SIDE, PIECE_PIXELS // across)) // _STEP * _STEP
    columns, rows = width // across, height // down
    places = [
        (busy, place % columns * across, place // columns * down)
        for place, busy in enumerate(_busy(picture, (across, down), (columns, rows)))
    ]
    places.sort()
    number = min(number, len(places))
    chosen = [places[(2 * piece + 1) * len(places) // (2 * number)] for piece in range(number)]
    return [picture.crop((left, top, left + across, top + down)) for _, left, top in chosen]


def _busy(picture: Image.Image, piece: tuple[int, int], grid: tuple[int, int]) -> list[float]:
    """How much brightness changes from pixel to pixel across, in each piece of the grid."""
    across, down = piece
    columns, rows = grid
    # A few rows of each piece are enough.
    some = picture.resize(
        (columns * across, rows * _STEP),
        Image.Resampling.NEAREST,
        (0, 0, columns * across, rows * down),
    ).convert("L")
    left, right = (some.crop((shift, 0, some.width - 1 + shift, some.height)) for shift in (0, 1))
    means = ImageChops.difference(left, right).convert("F").resize(grid, Image.Resampling.BOX)
    return [value for (value,) in struct.iter_unpack("f", means.tobytes())]


def _seams(pieces: list[Image.Image]) -> Image.Image | None:
    """Where a decoder smooths chroma across a seam, a pixel on each side; None without seams."""
    if len(pieces) == 1:
        return None
    ends = list(accumulate(piece.width for piece in pieces))
    row = bytearray(ends.pop())
    for end in ends:
        row[end - 1 : end + 1] = b"\xff\xff"
    mask = Image.frombytes("L", (len(row), 1), bytes(row))
    return mask.resize((len(row), pieces[0].height), Image.Resampling.NEAREST).convert("1")


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
