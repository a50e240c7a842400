"""Stopping a run on demand."""

from collections.abc import Mapping
from typing import Any

from imagepress.completion import Completion
from imagepress.errors import Refused
from imagepress.order import run_wish
from imagepress.run import RunStatus

CANCELLED = "The run was cancelled."


def cancel(event: Mapping[str, Any], completion: Completion) -> dict[str, Any]:
    """Stop the run that `event` names; answer for the caller. May be repeated."""
    try:
        run_id = run_wish(event)
    except Refused as refusal:
        return {"run_id": None, "status": RunStatus.FAILED, "message": str(refusal)}
    completion.stop(run_id, RunStatus.CANCELLED, CANCELLED)
    run = completion.runs.load(run_id)
    if run is None:
        message = f"run_id: there is no run {run_id!r}."
        return {"run_id": run_id, "status": RunStatus.FAILED, "message": message}
    return {"run_id": run_id, "status": run.status, "message": run.message}
