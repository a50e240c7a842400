"""The fewest bytes at which jpegli's picture looks as good as libjpeg's at the quality asked for.

No fixed setting does that for every picture: what is safe for all is larger than libjpeg's files.
So for each picture one or two trials on a sample of it tell the largest loss that still is as good:
its SSIMULACRA2 is compared with what libjpeg (as Pillow calls it, 4:2:0) reaches on the same
pixels. A trial that comes near that score is not repeated: the rest is calculated. What may be
wrong with that, and with the sample, is in the margins, which were measured. With the effort
`small` the picture itself has the last word, unless it is large.
"""

import io
from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import exp, inf, log
from typing import Final

from PIL import Image

from imagepress import jpeg_structure
from imagepress.codecs import jpegli
from imagepress.codecs.jpeg_sample import Sample, pieces_of
from imagepress.codecs.jpegli import Coding, Sampling, Scans
from imagepress.effort import Effort


@dataclass(frozen=True, slots=True)
class _Plan:
    """How hard to search.

    So many `pieces` of the picture are tried; None means all of it. The goal for a whole picture
    is `margin` over libjpeg's score. Points to spare may be left up to `slack`. `everything` stands
    for all kinds of coding. What a `sketch` finds is where another search begins.
    """

    pieces: int | None
    margin: float
    slack: float
    everything: bool
    sketch: bool = False


_BALANCED: Final = _Plan(pieces=25, margin=0.0, slack=0.6, everything=False)
_HUGE: Final = replace(_BALANCED, pieces=64)
_SMALL: Final = _Plan(pieces=None, margin=-0.27, slack=0.4, everything=True)
_SMALL_SKETCH: Final = replace(_SMALL, pieces=25, sketch=True)
_SMALL_OF_LARGE: Final = replace(_SMALL, pieces=49)
# More would not fit into what the table of codecs says of memory.
_MOST_AT_ONCE: Final = 1_500_000

_TRIALS: Final = 6

# So many points from the goal the rest may be calculated. But the score falls in steps, where a
# number in the quantisation table changes. They are large where the numbers are small, at a high
# quality; in smooth pictures, those that libjpeg needs few bits a pixel for, as banding; where
# the chroma is what was damaged; and in small pictures. There nothing is calculated.
_NEAR_GOAL: Final = 1.5
_EVEN_QUALITY: Final = 82
_SMOOTH_BITS: Final = 0.65

# How far above libjpeg's score a sample has to be.
_SAMPLE_MARGIN: Final = {1: 2.0, 30: 1.3, 50: 1.1, 70: 0.9, 80: 0.65, 90: 0.65, 100: 0.5}
# Where chroma decides a sample says less: its pieces are chosen by brightness.
_COLOUR_MARGIN: Final = 1.0

# For a quality, measured: the distance at which half of all pictures are as good as libjpeg's,
# and libjpeg's score below which thinning out the chroma is what did the damage.
_TYPICAL_DISTANCE: Final = {
    1: 25.0,
    30: 10.2,
    50: 5.8,
    60: 4.7,
    70: 3.5,
    80: 2.2,
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
# Grey pictures bear that much more, smooth ones less.
_GREY_DISTANCE: Final = 1.35
_SMOOTH_DISTANCE: Final = 0.75
_STRAINED: Final = 0.55
# Choices for one quality differ by this factor from picture to picture.
_NEAR: Final = 0.5
# Where the other kinds' searches begin, against the plain 4:2:0 one.
_ADAPTIVE_DISTANCE: Final = 0.8
_HALF_ACROSS_DISTANCE: Final = 1.4
# So many points short at about the same size as the plain one, it will not become the smaller one.
_HOPELESS: Final = -1.5
# Points that a picture loses where the logarithm of the distance grows by 1, fitted to 2,000
# searches: by what it has lost already, and the distance.
_SLOPE: Final = 1.54
_SLOPE_BY_LOSS: Final = 0.62
_SLOPE_BY_DISTANCE: Final = 0.27
_STEEPER: Final = 2.5
# For what is not tried any more the slope is taken to be worse by this share.
_CAUTION: Final = 0.25
_LONGEST_STEP: Final = 0.6


@dataclass(frozen=True, slots=True)
class Choice:
    """The coding of the smallest file that looks good enough.

    `strained` if it takes far less loss than usual: libjpeg's file may be smaller then.
    """

    coding: Coding
    strained: bool


@dataclass(frozen=True, slots=True)
class _Trial:
    """What came of `coding`: SSIMULACRA2, and by how much it is over the goal."""

    coding: Coding
    score: float
    gain: float

    @property
    def passed(self) -> bool:
        return self.gain >= 0

    @property
    def place(self) -> float:
        return log(self.coding.distance)


@dataclass(frozen=True, slots=True)
class _Found:
    """The largest loss that should be as good, if `passed`; else what was tried last."""

    coding: Coding
    passed: bool


def choose(picture: Image.Image, quality: int, effort: Effort) -> Choice | None:
    """The coding for `picture` (RGB or L); None where none is as good as libjpeg's."""
    if effort is not Effort.SMALL:
        return _Search(picture, quality, _BALANCED).best()
    if picture.width * picture.height > _MOST_AT_ONCE:
        return _Search(picture, quality, _SMALL_OF_LARGE).best()
    sketch = _Search(picture, quality, _SMALL_SKETCH)
    found = sketch.best()
    return found if sketch.is_whole else _Search(picture, quality, _SMALL).best_from(found)


def choose_plain(picture: Image.Image, quality: int) -> Coding | None:
    """The coding for what `picture` is a part of; None where none is as good as libjpeg's."""
    return _Search(picture, quality, _HUGE).plain()


def is_near(distance: float, quality: int) -> bool:
    """Whether a file that jpegli wrote at `distance` may have been chosen for about `quality`."""
    return distance > _NEAR * _interpolated(_TYPICAL_DISTANCE, quality)


class _Search:
    def __init__(self, picture: Image.Image, quality: int, plan: _Plan) -> None:
        pieces = [picture] if plan.pieces is None else pieces_of(picture, plan.pieces)
        self.is_whole = pieces[0] is picture
        self._plan = plan
        self._sample = Sample(pieces)
        self._scale = picture.width * picture.height / self._sample.pixels
        libjpeg = encode_by_libjpeg(self._sample.picture, quality, optimize=False)
        score = self._sample.score(libjpeg)
        is_exact = self.is_whole or plan.sketch
        margin = plan.margin if is_exact else _interpolated(_SAMPLE_MARGIN, quality)
        self._goal = score + min(margin, (100 - score) / 2)
        is_smooth = 8 * len(libjpeg) < _SMOOTH_BITS * self._sample.pixels
        self._typical = _interpolated(_TYPICAL_DISTANCE, quality)
        if picture.mode == "L":
            self._typical *= _GREY_DISTANCE
        if is_smooth:
            self._typical *= _SMOOTH_DISTANCE
        self._is_poor = picture.mode == "RGB" and score < _interpolated(_POOR_SCORE, quality)
        is_usual = not (is_smooth or self._is_poor or plan.everything or quality > _EVEN_QUALITY)
        self._near = _NEAR_GOAL if not self.is_whole and (is_usual or plan.sketch) else 0

    def best(self) -> Choice | None:
        """The coding of the smallest file, of all kinds that are worth a search."""
        codings = [found.coding for found in self._candidates() if found.passed]
        if not codings:
            return None
        best = codings[0] if len(codings) == 1 else min(codings, key=self._size)
        return Choice(best, self._strained(best))

    def best_from(self, choice: Choice | None) -> Choice | None:
        """The kind of coding that another search found, with a distance for this one's pixels."""
        if choice is None:
            return self.best()
        found = self._largest(choice.coding)
        return Choice(found.coding, self._strained(found.coding)) if found.passed else self.best()

    def plain(self) -> Coding | None:
        """The coding of the first kind that is good enough."""
        passed = (found.coding for found in self._candidates() if found.passed)
        return next(passed, None)

    def _candidates(self) -> Iterator[_Found]:
        first = self._largest(Coding(_bounded(self._typical)))
        yield first
        if self._plan.everything:
            distance = first.coding.distance * _ADAPTIVE_DISTANCE
            yield self._largest(Coding(_bounded(distance), adaptive=True))
        colours = self._sample.picture.mode == "RGB"
        if self._is_poor or (colours and (not first.passed or self._strained(first.coding))):
            found = first.coding.distance if first.passed else self._typical
            coding = Coding(_bounded(found * _HALF_ACROSS_DISTANCE), Sampling.HALF_ACROSS)
            yield self._largest(coding, _HOPELESS if first.passed else -inf)

    def _strained(self, coding: Coding) -> bool:
        """Whether far less loss is needed than usual: something else may do better."""
        return coding.distance < _STRAINED * self._typical

    def _largest(self, coding: Coding, hopeless: float = -inf) -> _Found:
        """The coding of this kind with the largest distance that should pass.

        A kind is given up if `hopeless` is more than what its first trial gains.
        """
        trials: list[_Trial] = []
        while len(trials) < _TRIALS:
            trials.append(self._try(coding))
            gain = trials[-1].gain
            if trials[0].gain < hopeless:
                break
            if self._near and abs(gain) <= self._near:
                distance = _calculated(trials, aim=0, caution=_CAUTION)
                return _Found(replace(coding, distance=distance), passed=True)
            if 0 <= gain <= self._plan.slack * max(1, len(trials) - 1):
                break
            aim = 0 if self._near else self._plan.slack / 2
            coding = replace(coding, distance=_calculated(trials, aim))
            if coding == trials[-1].coding:
                break
        passed = [trial for trial in trials if trial.passed]
        best = max(passed, key=lambda trial: trial.coding.distance, default=trials[-1])
        return _Found(best.coding, best.passed)

    def _try(self, coding: Coding) -> _Trial:
        score = self._sample.score(jpegli.encode(self._sample.picture, coding, Scans.QUICK))
        goal = self._goal
        if coding.sampling is not Sampling.HALF and not self.is_whole:
            goal += _COLOUR_MARGIN
        return _Trial(coding, score, score - goal)

    def _size(self, coding: Coding) -> int:
        """How large the whole file would be, in proportion: its tables do not grow."""
        file = jpegli.encode(self._sample.picture, coding, Scans.SPLIT)
        segments = jpeg_structure.parse(file).segments
        tables = sum(segment.end - segment.start for segment in segments)
        return tables + int((len(file) - tables) * self._scale)


def _calculated(trials: list[_Trial], aim: float, caution: float = 0.0) -> float:
    """The distance at which the gain should be `aim`, by what the trials came to.

    With `caution` rather a little more than that.
    """
    last = trials[-1]
    slope = (
        _SLOPE
        * max(100 - last.score, 1) ** _SLOPE_BY_LOSS
        * last.coding.distance**_SLOPE_BY_DISTANCE
    )
    if len(trials) > 1:
        before = trials[-2]
        seen = (before.gain - last.gain) / (last.place - before.place)
        slope = min(max(seen, slope / _STEEPER), slope * _STEEPER)
    spare = last.gain - aim
    slope *= 1 + caution if spare > 0 else 1 - caution
    place = last.place + min(max(spare / slope, -_LONGEST_STEP), _LONGEST_STEP)
    # Between the trials that passed and those that did not, if there are both.
    low = max((trial.place for trial in trials if trial.passed), default=None)
    high = min((trial.place for trial in trials if not trial.passed), default=None)
    if low is not None and high is not None and low < high and not low < place < high:
        place = (low + high) / 2
    return _bounded(exp(place))


def _bounded(distance: float) -> float:
    return max(jpegli.SMALLEST_DISTANCE, min(jpegli.LARGEST_DISTANCE, distance))


def _interpolated(table: dict[int, float], quality: int) -> float:
    quality = max(quality, min(table))  # libjpeg knows no quality below 1 either
    low = max(known for known in table if known <= quality)
    high = min(known for known in table if known >= quality)
    if low == high:
        return table[low]
    return table[low] + (table[high] - table[low]) * (quality - low) / (high - low)


def encode_by_libjpeg(
    picture: Image.Image, quality: int, *, progressive: bool = False, optimize: bool = True
) -> bytes:
    """What everybody's libjpeg makes of `picture` at `quality`, without metadata.

    Without `optimize` the pixels are the same, in half of the time.
    """
    buffer = io.BytesIO()
    # Of what it finds in `info` Pillow writes the comment by itself.
    picture.save(
        buffer, "JPEG", quality=quality, optimize=optimize, progressive=progressive, comment=b""
    )
    return buffer.getvalue()
