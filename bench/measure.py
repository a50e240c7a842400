"""One measurement: a rival does one picture, in a process that does nothing else.

A tool is warmed up on a tiny picture first, as it is in a worker that lives on: imports and
self-tests are not counted. The score is taken after the clock has stopped.
"""

import importlib
import resource
import shutil
import struct
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from PIL import Image, ImageChops

from bench.corpus import Source
from bench.tools import JPEG_TOOLS, PNG_TOOLS, Tool
from imagepress.codecs.similarity import Reference

RUNS_IN_A_ROW: Final = 5

_BACKGROUNDS: Final = (16, 240)
_METRICS: Final = Path(__file__).resolve().parent.parent / ".local/bench-metrics"
_BUTTERAUGLI_SIDE: Final = 192  # more takes JavaScript minutes
_MS_SSIM_SMALLEST_SIDE: Final = 176
_MS_SSIM_MOST_PIXELS: Final = 2_500_000
_MEGABYTE: Final = 1e6
_PEAK_UNIT: Final = 1 if sys.platform == "darwin" else 1024


@dataclass(frozen=True, slots=True)
class Job:
    """A tool by its name, and what it is to do; the least CPU time of `repeats` counts.

    What is done once only is for a curve, and not measured by all metrics.
    """

    tool: str
    source: Source
    quality: int
    repeats: int = 1


@dataclass(frozen=True, slots=True)
class Measured:
    """What came out: bytes; SSIMULACRA2 and MS-SSIM against the original; CPU seconds; megabytes.

    The memory is the peak above that of the idle process. MS-SSIM is None for a picture that is
    too small for its five scales or very large. `butteraugli` is the maximum in the middle of a
    JPEG: 0 for the same pixels, 1 is hardly seen.
    """

    job: Job
    pixels: int
    size: int
    source_size: int
    score: float
    source_score: float
    ms_ssim: float | None
    butteraugli: float | None
    cpu: float
    memory: float


@dataclass(frozen=True, slots=True)
class Generation:
    """One of several runs in a row: bytes, score against the first source, changed pixels."""

    size: int
    score: float
    changed: bool


def measure(job: Job) -> Measured:
    """Do `job`, in this process."""
    tool = _tool(job)
    with tempfile.TemporaryDirectory() as name:
        output = Path(name, f"output{job.source.file.suffix}")
        tool.run(job.source.tiny, output, job.quality)
        idle = _peak()
        cpu = min(_seconds(tool, job, output) for _ in range(job.repeats))
        memory = _peak() - idle
        original = _load(job.source.original)
        result = _load(output)
        reference = _Reference(original)
        is_jpeg = output.suffix == ".jpg"
        return Measured(
            job,
            original.width * original.height,
            output.stat().st_size,
            job.source.file.stat().st_size,
            reference.score(result),
            reference.score(_load(job.source.file)),
            _ms_ssim(original, result) if is_jpeg else None,
            _butteraugli(original, result) if is_jpeg and job.repeats > 1 else None,
            cpu,
            memory,
        )


def run_in_a_row(job: Job) -> list[Generation]:
    """Have the project's output compressed again and again, as if nobody had marked it."""
    tool = _tool(job)
    generations = []
    with tempfile.TemporaryDirectory() as name:
        before = Path(name, f"0{job.source.file.suffix}")
        shutil.copyfile(job.source.file, before)
        reference = _Reference(_load(before))
        for generation in range(1, RUNS_IN_A_ROW + 1):
            output = before.with_stem(str(generation))
            tool.run(before, output, job.quality)
            old, new = _load(before), _load(output)
            generations.append(
                Generation(output.stat().st_size, reference.score(new), not _same(old, new))
            )
            before = output
    return generations


class _Reference:
    """The original as it is seen: over a dark and over a light ground where it has alpha."""

    def __init__(self, picture: Image.Image) -> None:
        self._picture = picture
        self._see_through = picture.has_transparency_data
        self._references = [Reference(view) for view in self._views(picture)]

    def score(self, other: Image.Image) -> float:
        """SSIMULACRA2 of the worse view; exactly 100 for the same pixels."""
        if _same(self._picture, other):
            return 100.0
        views = self._views(other)
        return min(r.score(view) for r, view in zip(self._references, views, strict=True))

    def _views(self, picture: Image.Image) -> list[Image.Image]:
        if not self._see_through:
            return [picture.convert("RGB")]
        picture = picture.convert("RGBA")
        grounds = [Image.new("RGBA", picture.size, (g, g, g, 255)) for g in _BACKGROUNDS]
        return [Image.alpha_composite(ground, picture).convert("RGB") for ground in grounds]


def _tool(job: Job) -> Tool:
    tools = JPEG_TOOLS if job.source.file.suffix == ".jpg" else PNG_TOOLS
    return next(tool for tool in tools if tool.name == job.tool)


def _seconds(tool: Tool, job: Job, output: Path) -> float:
    start = time.process_time()
    tool.run(job.source.file, output, job.quality)
    return time.process_time() - start


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _PEAK_UNIT / _MEGABYTE


def _load(file: Path) -> Image.Image:
    with Image.open(file) as picture:
        picture.load()
    return picture


def _same(one: Image.Image, other: Image.Image) -> bool:
    return (
        ImageChops.difference(one.convert("RGBA"), other.convert("RGBA")).getbbox(alpha_only=False)
        is None
    )


def _ms_ssim(one: Image.Image, other: Image.Image) -> float | None:
    if min(one.size) < _MS_SSIM_SMALLEST_SIDE or one.width * one.height > _MS_SSIM_MOST_PIXELS:
        return None
    compare = importlib.import_module("blazediff_ssim").compare_rgba
    pixels = [picture.convert("RGBA").tobytes() for picture in (one, other)]
    return float(compare(*pixels, *one.size, metric="ms-ssim").score)


def _butteraugli(one: Image.Image, other: Image.Image) -> float:
    width, height = (min(side, _BUTTERAUGLI_SIDE) for side in one.size)
    left, top = (one.width - width) // 2, (one.height - height) // 2
    box = (left, top, left + width, top + height)
    pixels = [picture.convert("RGBA").crop(box).tobytes() for picture in (one, other)]
    done = subprocess.run(
        ["node", "distance.cjs"],  # noqa: S607 - the environment's, by make's PATH
        input=struct.pack("<II", width, height) + b"".join(pixels),
        cwd=_METRICS,
        capture_output=True,
        check=True,
    )
    return float(done.stdout)
