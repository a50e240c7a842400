"""A part: what one attempt on a chunk has to say, as one JSON object a row."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from imagepress.journal import Event, event_from_json
from imagepress.outcome import RowResult
from imagepress.sample import Sample


@dataclass(frozen=True, slots=True)
class RowReport:
    """A row's outcome and what happened on the way, in order; a sample where one was drawn."""

    result: RowResult
    events: tuple[Event, ...]
    sample: Sample | None = None

    def to_json(self) -> dict[str, object]:
        """The report as plain values."""
        return {
            "result": self.result.to_json(),
            "events": [event.to_json() for event in self.events],
            **({"sample": self.sample.to_json()} if self.sample else {}),
        }


@dataclass(frozen=True, slots=True)
class Part:
    """What an attempt on a chunk has to say: finished rows, and tries of those that were not.

    `compute_seconds` is what it and the attempts that it took over from took, where that is known.
    """

    reports: Mapping[int, RowReport]
    tries: Mapping[int, int]
    compute_seconds: float | None = None

    def to_lines(self) -> str:
        """One JSON object a row, and one for the time."""
        done = [report.to_json() for report in self.reports.values()]
        open_rows = [{"row": row, "tries": tries} for row, tries in self.tries.items()]
        seconds = self.compute_seconds
        took = [{"compute_seconds": seconds}] if seconds is not None else []
        return "".join(f"{json.dumps(line)}\n" for line in (*done, *open_rows, *took))


EMPTY_PART = Part({}, {})


def part_from_lines(lines: Iterable[str]) -> Part:
    """Read back what `Part.to_lines` wrote."""
    reports, tries, compute_seconds = {}, {}, None
    for line in filter(None, lines):
        values = json.loads(line)
        if "result" in values:
            result = RowResult.from_json(values["result"])
            events = tuple(event_from_json(event) for event in values["events"])
            sample = Sample.from_json(values["sample"]) if "sample" in values else None
            reports[result.row] = RowReport(result, events, sample)
        elif "compute_seconds" in values:
            compute_seconds = values["compute_seconds"]
        else:
            tries[values["row"]] = values["tries"]
    return Part(reports, tries, compute_seconds)
