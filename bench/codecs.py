"""`python -m bench.codecs`: the codecs against their rivals, as tables, plots and JSON.

Every job runs in a process of its own, one on each processor; tools are held to one thread, so
that CPU time can be compared. Run it by `make bench`, which prepares the environment.
"""

import argparse
import json
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

from bench import gigapixel, plots, tables
from bench.corpus import Source, make_corpus
from bench.figures import (
    QUALITY,
    GenerationFigures,
    JpegFigures,
    LowFigures,
    PngFigures,
    Point,
    Results,
    curve,
    generation_figures,
    jpeg_figures,
    low_figures,
    png_figures,
)
from bench.gigapixel import Big
from bench.measure import RUNS_IN_A_ROW, Generation, Job, Measured, measure, run_in_a_row
from bench.tools import JPEG_TOOLS, ORIGINAL, PNG_TOOLS, PROJECT, Tool

ROOT: Final = Path(__file__).resolve().parent.parent
LOW_TOOLS: Final = (ORIGINAL, "optimize-images", "libvips mozjpeg", PROJECT)
LOSSLESS_PNG: Final = "oxipng"
REPEATS: Final = 2
"""The least of so many CPU times counts, at the quality that the tables show."""

_ABOUT_JPEG: Final = (
    f"Bytes and CPU against `{ORIGINAL}`; SSIMULACRA2 as points above or below its result. "
    "MS-SSIM by blazediff-ssim; butteraugli's maximum by its port to JavaScript, in the middle."
)
ONE_THREAD: Final = {"VIPS_CONCURRENCY": "1", "RAYON_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}


@dataclass(frozen=True, slots=True)
class Figures:
    """All that was found."""

    pictures: dict[str, int]
    jpeg: list[JpegFigures]
    low_jpeg: list[LowFigures]
    png: list[PngFigures]
    generations: dict[str, list[GenerationFigures]]
    gigapixel: list[Big]
    curves: dict[str, dict[str, list[Point]]]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run everything, and print it."""
    asked = _asked(arguments)
    os.environ.update(ONE_THREAD)
    asked.output.mkdir(parents=True, exist_ok=True)
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        figures = _run(asked.pictures, Path(name), quick=asked.quick)
    print(_report(figures))
    for image_format, against in (("jpeg", "Pillow's at 80"), ("png", "Pillow's `optimize`")):
        files = plots.draw(
            figures.curves[image_format],
            f"{image_format.upper()}, {figures.pictures[image_format]} pictures",
            against,
            asked.output / f"rate-quality-{image_format}",
        )
        print(f"Plot: {', '.join(map(str, files))}")
    print(f"Took {time.monotonic() - start:.0f} s.")
    if asked.json:
        print(json.dumps(asdict(figures)))


def _asked(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.codecs", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a few pictures, none of a gigapixel")
    parser.add_argument("--json", action="store_true", help="print all figures as the last line")
    parser.add_argument(
        "--output", type=Path, default=ROOT / ".local/bench-results", help="folder for the plots"
    )
    parser.add_argument(
        "--pictures", type=Path, default=ROOT / ".local/bench-pictures", help="installed pictures"
    )
    return parser.parse_args(arguments)


def _run(packages: Path, folder: Path, *, quick: bool) -> Figures:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["bench.measure", "bench.plots", "bench.tables"])
    with (
        ThreadPoolExecutor(max_workers=1) as beside,
        ProcessPoolExecutor(os.cpu_count(), mp_context=context, max_tasks_per_child=1) as pool,
    ):
        corpus = make_corpus(packages, folder, quick=quick)
        big = [] if quick else _start_big(beside, packages, folder)
        progress = _Progress()
        jpeg_tools, png_tools = (_tools(tools, quick=quick) for tools in (JPEG_TOOLS, PNG_TOOLS))
        jpegs, pngs = (
            [progress.watch(pool.submit(measure, job)) for job in _jobs(tools, sources)]
            for tools, sources in ((jpeg_tools, corpus.jpegs), (png_tools, corpus.pngs))
        )
        low = [
            progress.watch(pool.submit(measure, Job(tool, source, QUALITY)))
            for tool in LOW_TOOLS
            for source in corpus.low_jpegs
        ]
        in_a_row = {
            name: [
                (source, progress.watch(pool.submit(run_in_a_row, Job(PROJECT, source, QUALITY))))
                for source in sources
            ]
            for name, sources in (("JPEG", corpus.jpegs), ("PNG", corpus.pngs))
        }
        jpeg_results, png_results = Results(_done(jpegs)), Results(_done(pngs))
        return Figures(
            {"jpeg": len(corpus.jpegs), "low": len(corpus.low_jpegs), "png": len(corpus.pngs)},
            jpeg_figures(jpeg_results, jpeg_tools),
            low_figures(Results(_done(low)), LOW_TOOLS),
            png_figures(png_results, png_tools, LOSSLESS_PNG),
            {name: _generations(runs) for name, runs in in_a_row.items()},
            [one.result() for one in big],
            {
                "jpeg": {t.name: curve(jpeg_results, t) for t in jpeg_tools},
                "png": {t.name: curve(png_results, t) for t in png_tools},
            },
        )


def _tools(tools: Iterable[Tool], *, quick: bool) -> list[Tool]:
    """The tools with the curves that are drawn: without the lowest quality where time is short."""
    return [replace(tool, curve=tool.curve[1:]) if quick else tool for tool in tools]


def _jobs(tools: Iterable[Tool], sources: Iterable[Source]) -> Iterator[Job]:
    for source in sources:
        for tool in tools:
            yield Job(tool.name, source, QUALITY, REPEATS)
            for quality in tool.curve:
                if quality != QUALITY:
                    yield Job(tool.name, source, quality)


def _start_big(beside: ThreadPoolExecutor, packages: Path, folder: Path) -> list[Future[Big]]:
    photograph = packages / "skimage/data/retina.jpg"
    return [
        beside.submit(compress, photograph, folder)
        for compress in (gigapixel.compress_jpeg, gigapixel.compress_png)
    ]


def _done(futures: Iterable[Future[Measured]]) -> list[Measured]:
    return [future.result() for future in futures]


def _generations(
    runs: Iterable[tuple[Source, Future[list[Generation]]]],
) -> list[GenerationFigures]:
    return generation_figures([(source.file.stat().st_size, run.result()) for source, run in runs])


class _Progress:
    """Counts jobs on standard error, where somebody looks."""

    def __init__(self) -> None:
        self._asked = 0
        self._done = 0

    def watch[Result](self, future: Future[Result]) -> Future[Result]:
        self._asked += 1
        future.add_done_callback(self._count)
        return future

    def _count(self, _: Future[Any]) -> None:
        self._done += 1
        if sys.stderr.isatty():
            print(f"\r{self._done} of {self._asked} jobs ", end="", file=sys.stderr, flush=True)


def _report(figures: Figures) -> str:
    pictures = figures.pictures
    parts = [
        f"## JPEG: {pictures['jpeg']} pictures of quality 90 and more, at quality {QUALITY}",
        _ABOUT_JPEG,
        tables.jpeg_table(figures.jpeg, pictures["jpeg"]),
        f"## JPEG, compressed before: {pictures['low']} pictures, at quality {QUALITY}",
        "Bytes against the source's; points of SSIMULACRA2 lost against what it was made from.",
        tables.low_table(figures.low_jpeg),
        f"## PNG: {pictures['png']} pictures, at quality {QUALITY}",
        f"Bytes and CPU against `{ORIGINAL}`; scores over a dark and a light ground.",
        tables.png_table(figures.png),
        tables.png_cpu_table(figures.png),
        f"## {RUNS_IN_A_ROW} runs in a row, each on the last one's output, without the marker",
        tables.generation_table(figures.generations),
    ]
    if figures.gigapixel:
        parts += ["## A gigapixel", tables.big_table(figures.gigapixel)]
    return "\n\n".join(parts)


if __name__ == "__main__":
    main()
