"""`python -m bench.scale`: the functions at scale, as tables and JSON.

The real handlers, each in a process of its own and with one processor, against the emulator in
another: nothing is mocked. Run it by `make bench`, which prepares the environments; it needs Linux.
What others do on the machine disturbs it.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from bench import scale_tables
from bench.against_dask import SCRIPT, Done, race
from bench.cold_start import FUNCTIONS, ColdStart, import_function
from bench.dispatching import Dispatched, Form, dispatch
from bench.emulated import deployed
from bench.overlap import Bare, Overlap, run_codec_alone, work_on_chunk
from bench.photographs import take_photographs
from bench.reporting import Reported, report
from imagepress.effort import Effort

LATENCIES: Final = (0, 20, 50, 100, 200)
USUAL_LATENCY: Final = 50
TRIES: Final = 3
BEARABLE: Final = 0.03
"""A chunk at the usual latency is done again where strangers took more of the processor."""

_ABOUT_OVERLAP: Final = (
    "A warm function with one processor on a chunk of photographs of 3 megapixels; each answer of "
    "S3, SQS and DynamoDB comes so much later. CPU against that of the codec alone in a loop."
)


@dataclass(frozen=True, slots=True)
class Plan:
    """How much of everything is done."""

    dispatched: tuple[int, ...]
    other_forms: int
    latencies: tuple[int, ...]
    chunk: int
    reported: tuple[int, ...]
    raced: int
    raced_at: tuple[int, ...]
    imports: int


FULL: Final = Plan(
    dispatched=(100_000, 200_000, 400_000, 800_000, 1_000_000, 10_000_000),
    other_forms=400_000,
    latencies=LATENCIES,
    chunk=100,
    reported=(100_000, 1_000_000),
    raced=60,
    raced_at=(0, USUAL_LATENCY),
    imports=5,
)
QUICK: Final = Plan(
    dispatched=(100_000, 1_000_000),
    other_forms=100_000,
    latencies=(0, USUAL_LATENCY),
    chunk=50,
    reported=(100_000,),
    raced=20,
    raced_at=(0,),
    imports=3,
)


@dataclass(frozen=True, slots=True)
class Figures:
    """All that was found."""

    dispatched: list[Dispatched]
    reported: list[Reported]
    overlaps: list[Overlap]
    bare: list[Bare]
    raced: list[Done]
    cold_starts: list[ColdStart]

    def headlines(self) -> dict[str, float | None]:
        """The figures that say most; None for what `--quick` leaves out."""
        plain = {one.rows: one for one in self.dispatched if one.form is Form.PLAIN}
        million = plain[1_000_000]
        most = plain.get(10_000_000)
        usual = {one.milliseconds: one for one in self.overlaps if one.effort is Effort.BALANCED}
        tools = {one.tool: one for one in self.raced if one.milliseconds == 0}
        ours = tools[f"imagepress {Effort.FAST}"]
        return {
            "rows_per_cpu_second": round(million.rows_per_cpu_second),
            "rss_mb_1e5": round(plain[100_000].memory, 1),
            "rss_mb_1e6": round(million.memory, 1),
            "rss_mb_1e7": round(most.memory, 1) if most else None,
            "cpu_busy_at_50ms": round(usual[USUAL_LATENCY].busy, 3),
            "taken_by_others_at_50ms": round(usual[USUAL_LATENCY].others_share, 3),
            "overhead_ratio": round(scale_tables.overhead(usual[0], self.bare), 3),
            "versus_pillow_dask_seconds": round(ours.seconds / tools[SCRIPT].seconds, 3),
            "reported_rows_per_cpu_second": round(self.reported[-1].rows_per_cpu_second),
        }


def main(arguments: Sequence[str] | None = None) -> None:
    """Run everything, and print it."""
    parser = argparse.ArgumentParser(prog="python -m bench.scale", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="less of everything")
    parser.add_argument("--json", action="store_true", help="print all figures as the last line")
    asked = parser.parse_args(arguments)
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        figures = _run(QUICK if asked.quick else FULL, Path(name))
    print(_report(figures))
    print(f"Took {time.monotonic() - start:.0f} s.")
    if asked.json:
        print(json.dumps({**figures.headlines(), **asdict(figures)}))


def _run(plan: Plan, folder: Path) -> Figures:
    dispatched = _dispatched(plan, folder)
    reported = [_told(report(rows, folder)) for rows in plan.reported]
    photographs = take_photographs(folder)
    overlaps, bare = _overlaps(plan, photographs, folder)
    raced = [
        _told(one)
        for latency in plan.raced_at
        for one in race(latency, plan.raced, photographs, folder, (Effort.FAST, Effort.BALANCED))
    ]
    return Figures(dispatched, reported, overlaps, bare, raced, _cold_starts(plan, folder))


def _overlaps(
    plan: Plan, photographs: Sequence[Path], folder: Path
) -> tuple[list[Overlap], list[Bare]]:
    """Chunks; and the codec alone, before and after those it is compared with."""
    overlaps, bare = [], []
    for effort, latencies in (
        (Effort.BALANCED, plan.latencies),
        (Effort.FAST, (0, USUAL_LATENCY)),
    ):
        half = plan.chunk // 2
        bare.append(_told(run_codec_alone(effort, half, photographs)))
        for latency in latencies:
            overlaps.append(_undisturbed(latency, effort, plan.chunk, photographs, folder))
            if not latency:
                bare.append(_told(run_codec_alone(effort, half, photographs)))
    return overlaps, bare


def _undisturbed(
    latency: int, effort: Effort, rows: int, photographs: Sequence[Path], folder: Path
) -> Overlap:
    """The chunk of which strangers took least, of as few as will do."""
    tries = []
    for _ in range(TRIES if latency == USUAL_LATENCY else 1):
        tries.append(_told(work_on_chunk(latency, effort, rows, photographs, folder)))
        if tries[-1].others_share <= BEARABLE:
            break
    return min(tries, key=lambda one: one.others_share)


def _dispatched(plan: Plan, folder: Path) -> list[Dispatched]:
    wanted = [
        *((Form.PLAIN, rows) for rows in plan.dispatched),
        (Form.GZIPPED, plan.other_forms),
        (Form.INVENTORY, plan.other_forms),
    ]
    return [_told(dispatch(form, rows, folder)) for form, rows in wanted]


def _cold_starts(plan: Plan, folder: Path) -> list[ColdStart]:
    with deployed(folder / "aws") as aws:
        return [_told(import_function(function, plan.imports, aws)) for function in FUNCTIONS]


def _told[Figure: Any](figure: Figure) -> Figure:
    """Show what was found on standard error, where somebody waits."""
    print(figure, file=sys.stderr, flush=True)
    return figure


def _report(figures: Figures) -> str:
    parts = [
        "## Sending out a manifest: the dispatcher",
        "Chunks of 100 rows; peak memory of a fresh process.",
        scale_tables.dispatch_table(figures.dispatched),
        "## Reporting: the reporter",
        scale_tables.report_table(figures.reported),
        "## Distance to S3: the compressor",
        _ABOUT_OVERLAP,
        scale_tables.overlap_table(figures.overlaps, figures.bare),
        "## Against a script with Pillow and dask",
        "The command line and the script on all processors, on the same photographs.",
        scale_tables.race_table(figures.raced),
        "## Cold starts",
        "Importing a function's module, the median of some.",
        scale_tables.cold_start_table(figures.cold_starts),
    ]
    return "\n\n".join(parts)


if __name__ == "__main__":
    main()
