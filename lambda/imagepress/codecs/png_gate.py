"""Whether a lossy PNG candidate looks enough like its source.

SSIMULACRA2 over the whole picture decides, seen over a dark and over a light background where
there is alpha. A mean forgives what is small: a badge in another hue, a band in a sky. So the mean
colour of every small block is compared as well, more strictly where the source is calm.
"""

from itertools import pairwise
from math import inf
from typing import Final

from PIL import Image, ImageChops, ImageFilter, ImageStat

from imagepress.codecs.similarity import Reference

_SCORES: Final = ((1, 35.0), (70, 70.0), (90, 90.0), (100, 95.0))
"""The score that a quality asks for, with straight lines between.

SSIMULACRA2 calls 70 high quality, and 90 what nobody can tell from the source side by side.
Between them a quality is its score. Below, quality falls faster than the score, as with JPEG's;
above, only rounding by one or two levels is left, which reaches 95.
"""

_BACKGROUNDS: Final = (16, 240)
_BLOCK: Final = 8
_WORST_BLOCK: Final = 24
_WORST_CALM_BLOCK: Final = 6
_CALM: Final = 2
ALPHA_MODES: Final = ("RGBA", "LA")


def least_score(quality: int) -> float:
    """The SSIMULACRA2 that `quality` (1 to 99) asks of a picture."""
    for (low, low_score), (high, high_score) in pairwise(_SCORES):
        if quality <= high:
            return low_score + (high_score - low_score) * (quality - low) / (high - low)
    return _SCORES[-1][1]


class Gate:
    """Compares candidates with `picture`; raises `SimilarityUnavailableError` where none can be."""

    def __init__(self, picture: Image.Image, quality: int) -> None:
        self.least = least_score(quality)
        self._see_through = not hides_nothing(picture)
        views = self._views(picture)
        self._references = [Reference(view) for view in views]
        self._means = [view.reduce(_BLOCK) for view in views]
        self._calm = [_calm_blocks(view) for view in views]

    def score(self, candidate: Image.Image) -> float:
        """The worst score of `candidate`'s views; just not enough where a block went astray.

        What fails over one background is not looked at over the other.
        """
        views = self._views(candidate)
        worst = inf
        for reference, view in zip(self._references, views, strict=True):
            worst = min(worst, reference.score(view))
            if worst < self.least:
                return worst
        strayed = any(map(self._has_strayed, views, self._means, self._calm))
        return self.least - 1 if strayed else worst

    def _views(self, picture: Image.Image) -> list[Image.Image]:
        """The picture as it is seen: over each background, where the source lets one through."""
        if not self._see_through:
            return [picture.convert("RGB")]
        picture = picture.convert("RGBA")
        alpha = picture.getchannel("A")
        views = []
        for level in _BACKGROUNDS:
            view = Image.new("RGB", picture.size, (level, level, level))
            view.paste(picture, mask=alpha)
            views.append(view)
        return views

    @staticmethod
    def _has_strayed(view: Image.Image, means: Image.Image, calm: Image.Image) -> bool:
        apart = ImageChops.difference(view.reduce(_BLOCK), means)
        return _worst(apart) > _WORST_BLOCK or (
            _worst(ImageChops.multiply(apart, calm)) > _WORST_CALM_BLOCK
        )


def hides_nothing(picture: Image.Image) -> bool:
    """Whether all of it is opaque."""
    if picture.mode not in ALPHA_MODES:
        return "transparency" not in picture.info
    return picture.getchannel("A").getextrema() == (255, 255)


def _worst(differences: Image.Image) -> int:
    return max(high for _, high in ImageStat.Stat(differences).extrema)


def _calm_blocks(view: Image.Image) -> Image.Image:
    """White where a block has no detail in it that could hide a band."""
    grey = view.convert("L")
    detail = ImageChops.difference(grey, grey.filter(ImageFilter.BoxBlur(2))).reduce(_BLOCK)
    return detail.point([255 * (value < _CALM) for value in range(256)]).convert("RGB")
