"""A part: what one attempt on a chunk has to say, as one JSON object a row."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from imagepress.journal import Event, event_from_json
from imagepress.outcome import RowResult


@dataclass(frozen=True, slots=True)
class RowReport:
    """A row's outcome and what happened on the way, in order."""

    result: RowResult
    events: tuple[Event, ...]

    def to_json(self) -> dict[str, object]:
        """The report as plain values."""
        return {
            "result": self.result.to_json(),
            "events": [event.to_json() for event in self.events],
        }


@dataclass(frozen=True, slots=True)
class Part:
    """What an attempt on a chunk has to say: finished rows, and tries of those that were not."""

    reports: Mapping[int, RowReport]
    tries: Mapping[int, int]

    def to_lines(self) -> str:
        """One JSON object a row."""
        done = [report.to_json() for report in self.reports.values()]
        open_rows = [{"row": row, "tries": tries} for row, tries in self.tries.items()]
        return "".join(f"{json.dumps(line)}\n" for line in (*done, *open_rows))


EMPTY_PART = Part({}, {})


def part_from_lines(lines: Iterable[str]) -> Part:
    """Read back what `Part.to_lines` wrote."""
    reports, tries = {}, {}
    for line in filter(None, lines):
        values = json.loads(line)
        if "result" in values:
            result = RowResult.from_json(values["result"])
            events = tuple(event_from_json(event) for event in values["events"])
            reports[result.row] = RowReport(result, events)
        else:
            tries[values["row"]] = values["tries"]
    return Part(reports, tries)
