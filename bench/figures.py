"""From measurements to figures: ratios against the original script, scores, curves."""

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from bench.measure import Generation, Measured
from bench.tools import ORIGINAL, Tool

QUALITY: Final = 80
WORSE: Final = -0.3
"""A picture that is so much below the original's counts as below: what the score may err."""

ALL: Final = "all"
LARGE: Final = 1_900_000
"""Pixels of a picture that counts as large."""


@dataclass(frozen=True, slots=True)
class JpegFigures:
    """A tool against the original script at one quality; ratios are geometric means over pictures.

    `equal_bytes` is at the score of the original's picture, interpolated, over the `equal_pictures`
    that the tool's curve reaches. `cpu` is of the sums, `cpu_large` of those of large pictures,
    `cpu_each` the mean of the ratios.
    """

    tool: str
    title: str
    bytes: float
    equal_bytes: float | None
    equal_pictures: int
    worst: float
    mean: float
    below: int
    ms_ssim: float
    ms_ssim_loss: float
    butteraugli: float
    cpu: float
    cpu_large: float | None
    cpu_each: float
    memory: float


@dataclass(frozen=True, slots=True)
class LowFigures:
    """A tool on sources of low quality: bytes against the source's, points of score lost."""

    tool: str
    kind: str
    bytes: float
    grown: int
    lost: float
    most_lost: float


@dataclass(frozen=True, slots=True)
class PngFigures:
    """A tool against Pillow's `optimize`; bytes and CPU of each class and of all.

    `gated_bytes` are at a score of 80: interpolated, and lossless where the tool does not reach it.
    """

    tool: str
    title: str
    bytes: dict[str, float]
    gated_bytes: float | None
    median: float
    worst: float
    below: int
    cpu: dict[str, float]
    cpu_each: float
    memory: float


@dataclass(frozen=True, slots=True)
class Point:
    """A tool at one quality: mean bytes against the original script's at 80, mean score."""

    quality: int
    bytes: float
    score: float


@dataclass(frozen=True, slots=True)
class GenerationFigures:
    """A run of several in a row: bytes against the first source, worst score, what changed."""

    run: int
    bytes: float
    worst: float
    changed: int
    pictures: int


class Results:
    """All measurements, found by tool, picture and quality."""

    def __init__(self, measured: Iterable[Measured]) -> None:
        self._by_tool: dict[str, list[Measured]] = {}
        for one in measured:
            self._by_tool.setdefault(one.job.tool, []).append(one)

    def at(self, tool: str, quality: int) -> list[Measured]:
        """All pictures at one quality, in the order of their names."""
        found = [one for one in self._by_tool.get(tool, []) if one.job.quality == quality]
        return sorted(found, key=lambda one: one.job.source.name)

    def of_picture(self, tool: str, name: str) -> list[Measured]:
        """A picture at all qualities."""
        return [one for one in self._by_tool.get(tool, []) if one.job.source.name == name]


def jpeg_figures(results: Results, tools: Sequence[Tool]) -> list[JpegFigures]:
    """Each tool at `QUALITY` against the original script."""
    originals = results.at(ORIGINAL, QUALITY)
    figures = []
    for tool in tools:
        ours = results.at(tool.name, QUALITY)
        pairs = list(zip(ours, originals, strict=True))
        gains = [one.score - original.score for one, original in pairs]
        equal = _equal_bytes(results, tool, originals)
        ms_ssims = [
            (one.ms_ssim, original.ms_ssim)
            for one, original in pairs
            if one.ms_ssim is not None and original.ms_ssim is not None
        ]
        figures.append(
            JpegFigures(
                tool.name,
                tool.title,
                bytes=mean_ratio((one.size, original.size) for one, original in pairs),
                equal_bytes=mean_ratio(equal) if equal else None,
                equal_pictures=len(equal),
                worst=min(gains),
                mean=statistics.fmean(gains),
                below=sum(gain < WORSE for gain in gains),
                ms_ssim=mean_ratio(ms_ssims),
                ms_ssim_loss=mean_ratio((1 - one, 1 - original) for one, original in ms_ssims),
                butteraugli=mean_ratio(
                    (one.butteraugli or 0, original.butteraugli or 0) for one, original in pairs
                ),
                cpu=_cpu(ours, originals),
                cpu_large=_cpu(_large(ours), _large(originals)) if _large(originals) else None,
                cpu_each=mean_ratio((one.cpu, original.cpu) for one, original in pairs),
                memory=max(one.memory for one in ours),
            )
        )
    return figures


def low_figures(results: Results, tools: Sequence[str]) -> list[LowFigures]:
    """Each tool on each quality of source."""
    figures = []
    for tool in tools:
        measured = results.at(tool, QUALITY)
        for kind in dict.fromkeys(one.job.source.kind for one in measured):
            some = [one for one in measured if one.job.source.kind == kind]
            losses = [one.source_score - one.score for one in some]
            figures.append(
                LowFigures(
                    tool,
                    kind,
                    bytes=mean_ratio((one.size, one.source_size) for one in some),
                    grown=sum(one.size > one.source_size for one in some),
                    lost=statistics.fmean(losses),
                    most_lost=max(losses),
                )
            )
    return figures


def png_figures(results: Results, tools: Sequence[Tool], lossless: str) -> list[PngFigures]:
    """Each tool at `QUALITY` against Pillow; `lossless` is the tool that packs what fails."""
    originals = results.at(ORIGINAL, QUALITY)
    kinds = dict.fromkeys(one.job.source.kind for one in originals)
    figures = []
    for tool in tools:
        ours = results.at(tool.name, QUALITY)
        pairs = list(zip(ours, originals, strict=True))
        of_kind = {
            kind: [pair for pair in pairs if pair[0].job.source.kind == kind] for kind in kinds
        } | {ALL: pairs}
        figures.append(
            PngFigures(
                tool.name,
                tool.title,
                bytes={
                    kind: mean_ratio((one.size, original.size) for one, original in some)
                    for kind, some in of_kind.items()
                },
                gated_bytes=_gated_bytes(results, tool, lossless, originals),
                median=statistics.median(one.score for one in ours),
                worst=min(one.score for one in ours),
                below=sum(one.score < QUALITY + WORSE for one in ours),
                cpu={
                    kind: _cpu([one for one, _ in some], [original for _, original in some])
                    for kind, some in of_kind.items()
                },
                cpu_each=mean_ratio((one.cpu, original.cpu) for one, original in pairs),
                memory=max(one.memory for one in ours),
            )
        )
    return figures


def curve(results: Results, tool: Tool) -> list[Point]:
    """The tool's qualities, each as one point; of a lossless tool the only one there is."""
    originals = results.at(ORIGINAL, QUALITY)
    points = []
    for quality in tool.curve or (QUALITY,):
        ours = results.at(tool.name, quality)
        pairs = zip(ours, originals, strict=True)
        points.append(
            Point(
                quality,
                mean_ratio((one.size, original.size) for one, original in pairs),
                statistics.fmean(one.score for one in ours),
            )
        )
    return points


def generation_figures(
    pictures: Sequence[tuple[int, Sequence[Generation]]],
) -> list[GenerationFigures]:
    """Each run over all pictures, given as their size and what became of them."""
    runs = zip(*(generations for _, generations in pictures), strict=True)
    return [
        GenerationFigures(
            number,
            mean_ratio((one.size, size) for one, (size, _) in zip(run, pictures, strict=True)),
            min(one.score for one in run),
            sum(one.changed for one in run),
            len(pictures),
        )
        for number, run in enumerate(runs, 1)
    ]


def mean_ratio(pairs: Iterable[tuple[float, float]]) -> float:
    """The geometric mean of the ratios; NaN where there is none."""
    logarithms = [math.log(one / other) for one, other in pairs if one > 0 < other]
    return math.exp(statistics.fmean(logarithms)) if logarithms else math.nan


def interpolated(points: Iterable[tuple[float, float]], score: float) -> float | None:
    """The bytes at `score` on a curve of (score, bytes), straight in their logarithm."""
    ordered = sorted(points)
    for (low, low_bytes), (high, high_bytes) in pairwise(ordered):
        if low <= score <= high:
            part = (score - low) / (high - low) if high > low else 0.0
            return math.exp((1 - part) * math.log(low_bytes) + part * math.log(high_bytes))
    return None


def _equal_bytes(
    results: Results, tool: Tool, originals: Sequence[Measured]
) -> list[tuple[float, float]]:
    found = []
    for original in originals:
        measured = results.of_picture(tool.name, original.job.source.name)
        size = interpolated(((one.score, one.size) for one in measured), original.score)
        if size is not None:
            found.append((size, float(original.size)))
    return found


def _gated_bytes(
    results: Results, tool: Tool, lossless: str, originals: Sequence[Measured]
) -> float | None:
    if not tool.curve:
        return None
    packed = {one.job.source.name: one.size for one in results.at(lossless, QUALITY)}
    pairs = []
    for original in originals:
        name = original.job.source.name
        points = [(one.score, float(one.size)) for one in results.of_picture(tool.name, name)]
        size = interpolated(points, QUALITY)
        good = [size for score, size in points if score >= QUALITY]
        pairs.append((min(size or math.inf, packed[name], *good), float(original.size)))
    return mean_ratio(pairs)


def _large(measured: Sequence[Measured]) -> list[Measured]:
    return [one for one in measured if one.pixels >= LARGE]


def _cpu(ours: Sequence[Measured], originals: Sequence[Measured]) -> float:
    return sum(one.cpu for one in ours) / sum(one.cpu for one in originals)
