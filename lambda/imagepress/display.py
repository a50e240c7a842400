"""What the command line shows of a run: plain lines, a live display, or JSON for scripts.

Keys and messages are other people's: control characters are shown as escapes, so that nothing can
move the cursor or forge a line.
"""

import json
import sys
import time
from collections.abc import Callable, Container, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from imagepress import journal
from imagepress.outcome import Outcome, SkipReason, Totals
from imagepress.part import RowReport
from imagepress.run import Run

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

LOOK_SECONDS = 10.0


class Display(Protocol):
    """Is told how a run goes, here or in a deployed stack."""

    def begin(self, run: Run, count: Callable[[], int]) -> None:
        """A run begins here; `count` takes a while to say how many rows it has."""

    def row(self, report: RowReport) -> None:
        """A row has come to its end here."""

    def look(self, status: Mapping[str, Any]) -> None:
        """So stands a run in a stack; asked every few seconds."""

    def say(self, text: str) -> None:
        """Something that people should know."""

    def end(self, summary: Mapping[str, Any], files: Mapping[str, str]) -> None:
        """The run has ended; its files are on this machine."""


class Lines:
    """The run's log, line by line."""

    def __init__(self) -> None:
        self._looked = -LOOK_SECONDS
        self._shown = ""

    def begin(self, run: Run, count: Callable[[], int]) -> None:
        """Nothing: the log's own first lines are in the file."""

    def row(self, report: RowReport) -> None:
        """The row's lines."""
        print(journal.lines(report.events), end="", flush=True)

    def look(self, status: Mapping[str, Any]) -> None:
        """A line now and then, where something has changed."""
        now, line = time.monotonic(), standing(status)
        if line != self._shown and now - self._looked >= LOOK_SECONDS:
            print(line, flush=True)
            self._looked, self._shown = now, line

    def say(self, text: str) -> None:
        """A line, apart from what scripts may read."""
        print(journal.one_line(text), file=sys.stderr)

    def end(self, summary: Mapping[str, Any], files: Mapping[str, str]) -> None:
        """The totals, and where the files are."""
        print("\n".join(closing(summary, files)))


class Json:
    """One JSON object a line: a row's result each, at last the summary."""

    def begin(self, run: Run, count: Callable[[], int]) -> None:
        """The run's id, for whoever wants to stop or undo it."""
        _print_json({"run_id": run.run_id, "rows": count()})

    def row(self, report: RowReport) -> None:
        """The row's result."""
        _print_json({"result": report.result.to_json()})

    def look(self, status: Mapping[str, Any]) -> None:
        """The status as the stack gives it."""
        _print_json({"status": status})

    def say(self, text: str) -> None:
        """Not between the objects."""
        print(journal.one_line(text), file=sys.stderr)

    def end(self, summary: Mapping[str, Any], files: Mapping[str, str]) -> None:
        """The summary, with the files on this machine."""
        _print_json({"summary": {**summary, "files": dict(files)}})


class Live:
    """A bar with pace, savings and time left; failures as they come. For terminals."""

    def __init__(self) -> None:
        self._progress: Progress | None = None
        self._task: TaskID | None = None
        self._totals = Totals()
        self._rows: int | None = None

    def begin(self, run: Run, count: Callable[[], int]) -> None:  # noqa: ARG002 - its id is told at the end
        """Show the bar."""
        self._rows = count()
        self._open(self._rows)

    def row(self, report: RowReport) -> None:
        """Move the bar; a failure stays to be read."""
        result = report.result
        self._totals = self._totals.plus(result)
        if result.outcome is Outcome.FAILED:
            self.say(f"FAILED {result.path}: {result.reason}: {result.message}")
        self._move(
            self._totals.rows, self._rows, self._totals.bytes_saved, self._totals.bytes_before
        )

    def look(self, status: Mapping[str, Any]) -> None:
        """Move the bar to where the stack is."""
        if self._progress is None:
            self._open(None)
        self._move(
            status["rows_done"],
            status["rows_total"],
            status["bytes_saved"],
            status["bytes_before"],
        )

    def say(self, text: str) -> None:
        """A line above the bar."""
        if self._progress is None:
            print(journal.one_line(text), file=sys.stderr)
            return
        self._progress.console.print(journal.one_line(text), markup=False, highlight=False)

    def end(self, summary: Mapping[str, Any], files: Mapping[str, str]) -> None:
        """Leave the bar where it is, and the totals below it."""
        if self._progress is not None:
            self._progress.stop()
        print("\n".join(closing(summary, files)))

    def _open(self, rows: int | None) -> None:
        from rich.progress import (  # noqa: PLC0415 - only a terminal needs it
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
        )

        self._progress = Progress(
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[pace]}"),
            TextColumn("{task.fields[saved]}"),
            TimeRemainingColumn(),
        )
        self._task = self._progress.add_task("", total=rows, pace="", saved="")
        self._progress.start()

    def _move(self, done: int, total: int | None, saved: int, before: int) -> None:
        if self._progress is None or self._task is None:
            return
        speed = self._progress.tasks[0].speed or 0.0
        share = f" ({100 * saved / before:.0f} %)" if before else ""
        self._progress.update(
            self._task,
            completed=done,
            total=total,
            pace=f"{speed:.1f} images/s",
            saved=f"{journal.megabytes(saved)} saved{share}",
        )


def display_for(*, as_json: bool) -> Display:
    """JSON where asked for; live on a terminal that can show it; else lines."""
    if as_json:
        return Json()
    if sys.stdout.isatty():
        try:
            import rich  # noqa: F401, PLC0415 - installed with the command line, not with the functions
        except ImportError:
            return Lines()
        return Live()
    return Lines()


def standing(status: Mapping[str, Any]) -> str:
    """`run: RUNNING, 120 of 400 rows, 3.1 MB saved`."""
    total = "?" if status["rows_total"] is None else f"{status['rows_total']:,}"
    return (
        f"{status['run_id']}: {status['status']}, {status['rows_done']:,} of {total} rows, "
        f"{journal.megabytes(status['bytes_saved'])} saved"
    )


def closing(summary: Mapping[str, Any], files: Mapping[str, str]) -> list[str]:
    """The totals of a run that has ended, and where its files are."""
    outcomes = summary["outcomes"]
    restored = f", {outcomes['RESTORED']} restored" if outcomes.get("RESTORED") else ""
    totals = (
        f"{summary['rows']} images: {outcomes['COMPRESSED']} compressed{restored}, "
        f"{outcomes['SKIPPED']} skipped, {outcomes['FAILED']} failed; "
        f"{journal.megabytes(summary['bytes_before'])} became "
        f"{journal.megabytes(summary['bytes_after'])} ({summary['saved_percent']} % saved)."
    )
    skipped = reasons_among(summary, SkipReason)
    return [
        totals,
        *([f"Skipped: {skipped}"] if skipped else []),
        f"Run: {summary['run_id']}",
        *(f"{name.capitalize()}: {file}" for name, file in files.items() if name != "undo"),
    ]


def reasons_among(summary: Mapping[str, Any], kind: Container[str]) -> str:
    """`3 UNSUPPORTED_FORMAT, 1 DUPLICATE`: the reasons of a kind, the most frequent first."""
    found = [(count, reason) for reason, count in summary["reasons"].items() if reason in kind]
    ordered = sorted(found, key=lambda one: (-one[0], one[1]))
    return ", ".join(f"{count:,} {reason}" for count, reason in ordered)


def _print_json(value: Mapping[str, Any]) -> None:
    print(json.dumps(value), flush=True)
