"""What `bench.scale` found, as Markdown tables."""

from collections.abc import Sequence

from bench.against_dask import SCRIPT, Done
from bench.cold_start import ColdStart
from bench.dispatching import Dispatched
from bench.markdown import table
from bench.overlap import Bare, Overlap
from bench.reporting import Reported


def overhead(overlap: Overlap, bare: Sequence[Bare]) -> float:
    """CPU of all processes of a chunk against that of the codec alone."""
    alone = [one for one in bare if one.effort is overlap.effort]
    alone_a_row = sum(one.cpu for one in alone) / sum(one.rows for one in alone)
    return (overlap.own_cpu + overlap.codec_cpu) / overlap.rows / alone_a_row


def dispatch_table(figures: Sequence[Dispatched]) -> str:
    """The dispatcher's speed and memory."""
    rows = (
        (
            one.form,
            f"{one.rows:,}",
            f"{one.rows_per_cpu_second:,.0f}",
            f"{one.cpu:.1f}",
            f"{one.seconds:.1f}",
            f"{one.memory:.0f}",
        )
        for one in figures
    )
    return table(("manifest", "rows", "rows / CPU second", "CPU s", "s", "peak MB"), rows)


def overlap_table(figures: Sequence[Overlap], bare: Sequence[Bare]) -> str:
    """How busy the compressor's processor is, and with what."""
    rows = (
        (
            one.effort,
            f"{one.milliseconds} ms",
            f"{one.rows}",
            f"{one.busy:.1%}",
            f"{overhead(one, bare):.2f}",
            f"{one.own_cpu / one.rows * 1000:.1f}",
            f"{one.codec_cpu / one.rows * 1000:.0f}",
            f"{one.others_share:.1%}",
        )
        for one in figures
    )
    head = (
        "effort",
        "answers later by",
        "rows",
        "processor busy",
        "CPU / codec alone",
        "handler, ms a row",
        "codec, ms a row",
        "taken by others",
    )
    return table(head, rows)


def race_table(figures: Sequence[Done]) -> str:
    """The command line against the script."""
    script = {one.milliseconds: one.seconds for one in figures if one.tool == SCRIPT}
    rows = (
        (
            one.tool,
            f"{one.milliseconds} ms",
            f"{one.seconds:.1f}",
            f"{one.seconds / script[one.milliseconds]:.2f}",
            f"{one.before:.1f}",
            f"{one.after:.1f}",
            f"{one.worst:+.2f}",
        )
        for one in figures
    )
    head = ("tool", "answers later by", "s", "s / script's", "MB before", "MB after", "worst score")
    return table(head, rows)


def report_table(figures: Sequence[Reported]) -> str:
    """The reporter's speed and memory."""
    rows = (
        (
            f"{one.rows:,}",
            f"{one.rows_per_cpu_second:,.0f}",
            f"{one.cpu:.1f}",
            f"{one.seconds:.1f}",
            f"{one.memory:.0f}",
        )
        for one in figures
    )
    return table(("rows", "rows / CPU second", "CPU s", "s", "peak MB"), rows)


def cold_start_table(figures: Sequence[ColdStart]) -> str:
    """How long imports take."""
    rows = (
        (
            one.function,
            f"{one.seconds:.2f}",
            f"{one.cpu:.2f}",
            f"{one.modules}",
            ", ".join(one.codecs) or "none",
        )
        for one in figures
    )
    return table(("function", "s", "CPU s", "modules", "codecs among them"), rows)
