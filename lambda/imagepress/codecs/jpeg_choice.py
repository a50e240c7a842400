"""The fewest bytes at which jpegli's picture looks as good as libjpeg's at the quality asked for.

No fixed setting does that for every picture: what is safe for all is larger than libjpeg's files.
So a few trials find, for each picture, the largest loss that still is as good: they code the
picture, or bands of it where it is big, and compare its SSIMULACRA2 with what libjpeg (as Pillow
calls it, 4:2:0) reaches on the same pixels. Where the whole picture was tried that is a proof;
bands stand for the rest of it within a margin, which was measured.
"""

import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from math import exp, log
from typing import Final

from PIL import Image

from imagepress.codecs import jpegli
from imagepress.codecs.jpegli import Coding, Sampling, Scans
from imagepress.codecs.similarity import Reference
from imagepress.effort import Effort


@dataclass(frozen=True, slots=True)
class _Plan:
    trials: int
    slack: float
    everything: bool


_PLANS: Final = {
    Effort.BALANCED: _Plan(trials=6, slack=0.6, everything=False),
    Effort.SMALL: _Plan(trials=6, slack=0.25, everything=True),
}

LIBJPEG_SAMPLING: Final = ((2, 2), (1, 1), (1, 1))
"""How `encode_by_libjpeg` samples colours."""

WHOLE_PIXELS: Final = 700_000
_BANDS: Final = 8
_BAND_STEP: Final = 16
_SHARE: Final = 0.14
_SMALLEST_SAMPLE: Final = 350_000

# How far above libjpeg's score a trial has to be. Bands were off by up to 0.9 of the whole.
_WHOLE_MARGIN: Final = -0.25
_BANDS_MARGIN: Final = {1: 2.0, 30: 0.8, 50: 0.7, 70: 0.6, 80: 0.15, 100: 0.15}

# For a quality, measured: the distance at which half of all pictures are as good as libjpeg's,
# and libjpeg's score below which thinning out the chroma is what did the damage.
_TYPICAL_DISTANCE: Final = {
    1: 25.0,
    30: 10.2,
    50: 5.8,
    60: 4.7,
    70: 3.5,
    80: 2.1,
    85: 1.55,
    90: 1.0,
    95: 0.5,
    100: 0.1,
}
_POOR_SCORE: Final = {
    1: -60.0,
    30: 35.0,
    50: 50.0,
    70: 66.0,
    80: 72.5,
    85: 77.0,
    90: 86.0,
    100: 98.0,
}
# Grey pictures bear that much more. Where a search begins: a little on the safe side.
_GREY_DISTANCE: Final = 1.35
_FIRST: Final = 0.96
_STRAINED: Final = 0.55
# Choices for one quality differ by this factor from picture to picture.
_NEAR: Final = 0.5
# Where the other kinds' searches begin, against the plain 4:2:0 one.
_ADAPTIVE_DISTANCE: Final = 0.8
_HALF_ACROSS_DISTANCE: Final = 1.4
_FULL_DISTANCE: Final = 1.8
_SLOPE: Final = 5.6
_SLOPE_POWER: Final = 0.8
_LONGEST_STEP: Final = 0.6


@dataclass(frozen=True, slots=True)
class _Trial:
    """What came of `coding`: its score is the goal + `gain`."""

    coding: Coding
    gain: float

    @property
    def passed(self) -> bool:
        return self.gain >= 0


def choose(picture: Image.Image, quality: int, effort: Effort) -> Coding | None:
    """The coding for `picture` (RGB or L); None where libjpeg's file is as small as any."""
    whole = picture.width * picture.height <= WHOLE_PIXELS
    samples = [picture] if whole else list(_bands(picture))
    return _Search(samples, quality, _PLANS[effort], whole=whole).best()


def choose_by_bands(bands: list[Image.Image], quality: int) -> Coding | None:
    """The coding for a picture, of which only `bands` are at hand; None where none is as good."""
    return _Search(bands, quality, _PLANS[Effort.BALANCED], whole=False).plain()


def is_near(distance: float, quality: int) -> bool:
    """Whether a file that jpegli wrote at `distance` may have been chosen for about `quality`."""
    return distance > _NEAR * _interpolated(_TYPICAL_DISTANCE, quality)


class _Search:
    def __init__(
        self, samples: list[Image.Image], quality: int, plan: _Plan, *, whole: bool
    ) -> None:
        self._samples = samples
        self._references = [Reference(sample) for sample in self._samples]
        self._quality = quality
        self._plan = plan
        self._typical = _interpolated(_TYPICAL_DISTANCE, quality)
        if samples[0].mode == "L":
            self._typical *= _GREY_DISTANCE
        self._libjpeg_score = self._score(
            encode_by_libjpeg(sample, quality, optimize=False) for sample in self._samples
        )
        margin = _WHOLE_MARGIN if whole else _interpolated(_BANDS_MARGIN, quality)
        self._goal = self._libjpeg_score + margin

    def best(self) -> Coding | None:
        """The coding of the smallest file, of all kinds that are worth a search."""
        codings = [trial.coding for trial in self._candidates() if trial.passed]
        if len(codings) == 1 and not self._strained(codings[0]):
            return codings[0]
        sizes = {coding: self._size(coding) for coding in codings}
        best = min(sizes, key=lambda coding: sizes[coding], default=None)
        libjpeg = sum(
            len(encode_by_libjpeg(sample, self._quality, progressive=True))
            for sample in self._samples
        )
        return best if best and sizes[best] < libjpeg else None

    def plain(self) -> Coding | None:
        """The coding of the first kind that is good enough."""
        passed = (trial.coding for trial in self._candidates() if trial.passed)
        return next(passed, None)

    def _candidates(self) -> Iterator[_Trial]:
        first = self._largest(Coding(_bounded(self._typical * _FIRST)))
        yield first
        if self._plan.everything:
            distance = first.coding.distance * _ADAPTIVE_DISTANCE
            yield self._largest(Coding(_bounded(distance), adaptive=True))
        poor = self._libjpeg_score < _interpolated(_POOR_SCORE, self._quality)
        if self._samples[0].mode == "RGB" and (
            poor or not first.passed or self._strained(first.coding)
        ):
            yield self._largest(
                Coding(_bounded(self._typical * _HALF_ACROSS_DISTANCE), Sampling.HALF_ACROSS)
            )
            if self._plan.everything:
                yield self._largest(Coding(_bounded(self._typical * _FULL_DISTANCE), Sampling.FULL))

    def _strained(self, coding: Coding) -> bool:
        """Whether far less loss is needed than usual: something else may do better."""
        return coding.distance < _STRAINED * self._typical

    def _largest(self, coding: Coding) -> _Trial:
        """The trial of `coding`'s kind with the largest distance that passed, else the last."""
        trials: list[_Trial] = []
        while True:
            trials.append(self._try(coding))
            passed = [trial for trial in trials if trial.passed]
            spare = min((trial.gain for trial in passed), default=None)
            if spare is not None and spare <= self._plan.slack * max(1, len(trials) - 1):
                break
            if len(trials) >= self._plan.trials:
                break
            distance = _next_distance(trials, self._plan.slack / 3)
            if distance == coding.distance:
                break
            coding = replace(coding, distance=distance)
        return max(passed, key=lambda trial: trial.coding.distance, default=trials[-1])

    def _try(self, coding: Coding) -> _Trial:
        score = self._score(jpegli.encode(sample, coding, Scans.QUICK) for sample in self._samples)
        return _Trial(coding, score - self._goal)

    def _score(self, files: Iterable[bytes]) -> float:
        scores = [
            reference.score(_decoded(file))
            for reference, file in zip(self._references, files, strict=True)
        ]
        return sum(scores) / len(scores)

    def _size(self, coding: Coding) -> int:
        return sum(len(jpegli.encode(sample, coding, Scans.SPLIT)) for sample in self._samples)


def _next_distance(trials: list[_Trial], aim: float) -> float:
    """Where the gain should be `aim`: between what passed and failed, else past the last trial."""
    passed = max((t for t in trials if t.passed), key=lambda t: t.coding.distance, default=None)
    failed = min((t for t in trials if not t.passed), key=lambda t: t.coding.distance, default=None)
    if passed and failed and passed.coding.distance < failed.coding.distance:
        low, high = log(passed.coding.distance), log(failed.coding.distance)
        share = (passed.gain - aim) / (passed.gain - failed.gain)
        return exp(low + (high - low) * min(max(share, 0.15), 0.85))
    last = trials[-1]
    distance = last.coding.distance
    slope = _SLOPE * distance**_SLOPE_POWER
    if len(trials) > 1:
        before = trials[-2]
        seen = (before.gain - last.gain) / (log(distance) - log(before.coding.distance))
        slope = min(max(seen, slope / 2), slope * 2)
    step = max(min((last.gain - aim) / slope, _LONGEST_STEP), -_LONGEST_STEP)
    return _bounded(distance * exp(step))


def _bounded(distance: float) -> float:
    return max(jpegli.SMALLEST_DISTANCE, min(jpegli.LARGEST_DISTANCE, distance))


def _interpolated(table: dict[int, float], quality: int) -> float:
    quality = max(quality, min(table))  # libjpeg knows no quality below 1 either
    low = max(known for known in table if known <= quality)
    high = min(known for known in table if known >= quality)
    if low == high:
        return table[low]
    return table[low] + (table[high] - table[low]) * (quality - low) / (high - low)


def _bands(picture: Image.Image) -> Iterator[Image.Image]:
    """A fifth of the picture, more of a small one, in bands that lie evenly over it.

    They stay apart: coded as one picture, the chroma would suffer at the seams.
    """
    width, height = picture.size
    share = max(_SHARE, _SMALLEST_SAMPLE / (width * height))
    rows = max(_BAND_STEP, round(height * share / _BANDS / _BAND_STEP) * _BAND_STEP)
    for band in range(min(_BANDS, height // rows)):
        # On the grid of the source's blocks.
        top = int(((band + 0.5) * height / _BANDS - rows / 2) / _BAND_STEP) * _BAND_STEP
        yield picture.crop((0, top, width, top + rows))


def encode_by_libjpeg(
    picture: Image.Image, quality: int, *, progressive: bool = False, optimize: bool = True
) -> bytes:
    """What everybody's libjpeg makes of `picture` at `quality`, without metadata.

    Without `optimize` the pixels are the same, in half of the time.
    """
    buffer = io.BytesIO()
    # Pillow writes what it finds in `info` (ICC, comments, DPI) by itself.
    bare = picture.copy()
    bare.info = {}
    bare.save(buffer, "JPEG", quality=quality, optimize=optimize, progressive=progressive)
    return buffer.getvalue()


def _decoded(data: bytes) -> Image.Image:
    with Image.open(io.BytesIO(data), formats=("JPEG",)) as picture:
        picture.load()
    return picture
