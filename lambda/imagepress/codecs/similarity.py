"""How alike two pictures look to a person: SSIMULACRA2, from 100 (the same) downwards.

90 cannot be told apart side by side, 70 is good, 50 is poor, below 0 is another picture. The
measure is vszip's, a plugin of VapourSynth; both are wheels without dependencies, but young. The
first use tests them. Where they are missing or wrong `SimilarityUnavailableError` says so, for the
caller to take a way that needs no measure.
"""

import ctypes
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Final

from PIL import Image, ImageOps

if TYPE_CHECKING:
    from vapoursynth import Core, VideoNode

SMALLEST_SIDE: Final = 8
TILE_SIDE: Final = 2048
"""Bigger pictures are compared tile by tile: memory is then 3 bytes a pixel and a tile's 175 MB."""

_ALIKE: Final = 99.5
_TEST_SIZE: Final = (64, 48)
_TEST_SCORE: Final = 47.4
_TEST_TOLERANCE: Final = 2.0
_MEGABYTES_KEPT: Final = 1
_RGB24: Final = 537395200  # vapoursynth.RGB24, which cannot be had before the import


class SimilarityUnavailableError(RuntimeError):
    """Pictures cannot be compared here: the measure is missing or does not work."""


class Reference:
    """A picture, of any mode that has RGB, that others made from it are compared with."""

    def __init__(self, picture: Image.Image) -> None:
        self._core = _tested_core()
        self._size = picture.size
        self._tiles = [(box, _clip(self._core, picture, box)) for box in _tiles(picture.size)]

    def score(self, other: Image.Image) -> float:
        """SSIMULACRA2 of `other`, of the same size; of a big one that of its worst tile."""
        return min(self.scores(other))

    def scores(self, other: Image.Image) -> list[float]:
        """SSIMULACRA2 of each tile of `other`, of the same size; one unless it is big."""
        if other.size != self._size:
            raise ValueError(f"{other.size} pixels are compared with {self._size}")
        return [
            _score(self._core, tile, _clip(self._core, other, box)) for box, tile in self._tiles
        ]


def require() -> None:
    """Raise `SimilarityUnavailableError` unless pictures can be compared here."""
    _tested_core()


@cache
def _tested_core() -> "Core":
    """The measure, once it told a picture from itself and from a coarse copy as it should."""
    core = _core()
    across = Image.linear_gradient("L").resize(_TEST_SIZE)
    bands = (Image.radial_gradient("L").resize(_TEST_SIZE), across, ImageOps.flip(across))
    picture = Image.merge("RGB", bands)
    whole = (0, 0, *_TEST_SIZE)
    clip = _clip(core, picture, whole)
    same = _score(core, clip, clip)
    other = _score(core, clip, _clip(core, ImageOps.posterize(picture, 3), whole))
    if same < _ALIKE or abs(other - _TEST_SCORE) > _TEST_TOLERANCE:
        raise SimilarityUnavailableError(f"the measure is wrong: {same:.1f} and {other:.1f}")
    return core


def _core() -> "Core":
    try:
        import vapoursynth  # noqa: PLC0415 - 50 ms, and a caller can do without

        core = vapoursynth.core.core
        core.num_threads = 1
        core.max_cache_size = _MEGABYTES_KEPT
        _ = core.vszip.SSIMULACRA2
    except (ImportError, AttributeError, OSError) as error:
        raise SimilarityUnavailableError(f"the measure is missing: {error}") from None
    return core


def _tiles(size: tuple[int, int]) -> Iterator[tuple[int, int, int, int]]:
    """Boxes of about equal sides that cover the picture, none over `TILE_SIDE`."""
    columns, rows = (-(-side // TILE_SIDE) for side in size)
    for row in range(rows):
        for column in range(columns):
            yield (
                column * size[0] // columns,
                row * size[1] // rows,
                (column + 1) * size[0] // columns,
                (row + 1) * size[1] // rows,
            )


def _clip(core: "Core", picture: Image.Image, box: tuple[int, int, int, int]) -> "VideoNode":
    """The pixels in `box` as a clip of one frame; what is too small to compare is enlarged."""
    tile = picture.crop(box)
    if tile.mode != "RGB":
        tile = tile.convert("RGB")
    if min(tile.size) < SMALLEST_SIDE:
        width, height = (max(side, SMALLEST_SIDE) for side in tile.size)
        tile = tile.resize((width, height), Image.Resampling.NEAREST)
    rgb24 = core.get_video_format(_RGB24)
    frame = core.create_video_frame(rgb24, *tile.size)
    for plane, band in enumerate("RGB"):
        stride = frame.get_stride(plane)
        samples = tile.tobytes("raw", band, stride, 1)
        ctypes.memmove(frame.get_write_ptr(plane), samples, len(samples))
    blank = core.std.BlankClip(
        width=tile.width, height=tile.height, format=_RGB24, length=1, keep=True
    )
    # The names are VapourSynth's; a callback that raises would end the process.
    return blank.std.ModifyFrame(blank, lambda n, f: frame)  # noqa: ARG005


def _score(core: "Core", one: "VideoNode", other: "VideoNode") -> float:
    with core.vszip.SSIMULACRA2(one, other).get_frame(0) as frame:
        return float(frame.props["SSIMULACRA2"])
