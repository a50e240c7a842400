"""Runs that have left their files in a folder: to look at, to undo, to go on with."""

import csv
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imagepress.errors import Refused
from imagepress.manifest import Row
from imagepress.outcome import SkipReason

SUMMARY, RESULTS, UNDO = ".summary.json", ".results.csv", ".undo.csv"


@dataclass(frozen=True, slots=True)
class LeftRun:
    """A run by its summary, which is there from the run's beginning; `file` is where it lies."""

    summary: Mapping[str, Any]
    file: Path

    def companion(self, ending: str) -> Path:
        """Another file of the run."""
        return self.file.with_name(self.file.name.removesuffix(SUMMARY) + ending)


def left_runs(folder: Path) -> list[LeftRun]:
    """The runs that have left their files in `folder`, the last one first."""
    files = sorted(folder.glob(f"*{SUMMARY}"), reverse=True)
    runs = (LeftRun(json.loads(file.read_text("utf-8")), file) for file in files)
    return [run for run in runs if "run_id" in run.summary]


def left_run(folder: Path, run_id: str) -> LeftRun:
    """One of them; raise `Refused` where there is none."""
    for run in left_runs(folder):
        if run.summary["run_id"] == run_id:
            return run
    raise Refused(
        f"There is no run {run_id} that has left its files in {folder.resolve()}; name the folder "
        "with --output_dir."
    )


def rows_left(run: LeftRun, rows: Iterable[Row]) -> Iterator[Row]:
    """Those of a run's rows that it has not brought to an end.

    Raise `Refused` where `rows` are not the ones that it had.
    """
    with run.companion(RESULTS).open(encoding="utf-8", newline="") as file:
        ended = (result for result in csv.DictReader(file) if _is_whole(result))
        result = next(ended, None)
        for row in rows:
            if result is None or int(result["row"]) != row.number:
                yield row
                continue
            # A cell that would be a formula begins with an apostrophe.
            if not row.problem and result["path"].removeprefix("'") != row.key.removeprefix("'"):
                raise Refused(
                    f"Row {row.number} of the CSV is {row.key!r} now; in run "
                    f"{run.summary['run_id']} it was {result['path']!r}. Start a new run."
                )
            if result["reason"] == SkipReason.CANCELLED:
                yield row
            result = next(ended, None)


def _is_whole(result: Mapping[str, str | None]) -> bool:
    """Whether a process that was killed had written all of the line."""
    return result.get("message") is not None and (result["row"] or "").isdigit()
