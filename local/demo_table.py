"""The demo's table of savings and its run's summary, for a terminal."""

import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

from imagepress.display import reasons_among
from imagepress.outcome import FailureCode, Outcome, SkipReason
from local.corpus import Row
from local.demo_check import Result

_KEY_WIDTH = 31
_ABOUT_WIDTH = 31


def savings_table(corpus: Sequence[Row], results: Sequence[Result]) -> str:
    """One line for each row of the CSV, and a total of those that were compressed."""
    head = _line("Object", "What it is", "Before", "After", "Saved", "Outcome")
    lines = [head, "-" * _columns(head)]
    before = after = 0
    for row, result in zip(corpus, results, strict=False):
        if result.outcome == Outcome.COMPRESSED:
            before += result.bytes_before or 0
            after += result.bytes_after or 0
        lines.append(
            _line(
                row.key,
                row.about,
                _kilobytes(result.bytes_before),
                _kilobytes(result.bytes_after if result.outcome == Outcome.COMPRESSED else None),
                _percent(result),
                result.full_outcome,
            )
        )
    saved = f"{1 - after / before:.0%}" if before else ""
    total = _line("Compressed", "", _kilobytes(before), _kilobytes(after), saved, "")
    return "\n".join([*lines, lines[1], total])


def summary_lines(summary: Mapping[str, Any]) -> str:
    """What `summary.json` says, in a few lines."""
    counts, kinds = summary["outcomes"], {"SKIPPED": SkipReason, "FAILED": FailureCode}
    reasons = {name: reasons_among(summary, kind) for name, kind in kinds.items()}
    outcomes = ", ".join(
        f"{count} {name.lower()}" + (f" ({reasons[name]})" if reasons.get(name) else "")
        for name, count in counts.items()
    )
    before, after = summary["bytes_before"] / 1e6, summary["bytes_after"] / 1e6
    quality = summary["parameters"]["perc_compression_quality"]
    ran = f"{summary['status']} after {summary['seconds']:.1f} s at quality {quality}"
    saved = f"{before:.1f} MB became {after:.1f} MB: {summary['saved_percent']} % saved"
    return f"Run {summary['run_id']}: {ran}\n  {summary['rows']} rows: {outcomes}\n  {saved}"


def _line(*cells: str) -> str:
    key, about, before, after, saved, outcome = cells
    return (
        f"{_padded(key, _KEY_WIDTH)} {_padded(about, _ABOUT_WIDTH)} "
        f"{before:>9} {after:>9} {saved:>6}  {outcome}"
    ).rstrip()


def _percent(result: Result) -> str:
    if result.outcome != Outcome.COMPRESSED or not result.bytes_before:
        return ""
    return f"{1 - (result.bytes_after or 0) / result.bytes_before:.0%}"


def _kilobytes(size: int | None) -> str:
    return "" if size is None else f"{size / 1000:,.1f} kB"


def _padded(text: str, width: int) -> str:
    return text + " " * (width - _columns(text))


def _columns(text: str) -> int:
    """How many columns a terminal gives the text: two for a wide character."""
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)
