"""The messages that keep a run going; a chunk's is in `chunk`."""

from typing import Any


def dispatch_message(run_id: str, hop: int = 0) -> dict[str, Any]:
    """Ask for the next step of sending out a run's chunks."""
    return {"dispatch": run_id, "hop": hop}


def report_message(run_id: str) -> dict[str, Any]:
    """Ask for the report of a run whose rows are all done."""
    return {"report": run_id}
