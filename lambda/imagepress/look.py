"""How runs stand, for whoever asks the dispatcher."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from imagepress.errors import Refused
from imagepress.order import list_wish, run_wish
from imagepress.outcome import Outcome
from imagepress.run import Run, RunStatus
from imagepress.run_store import RunStore
from imagepress.runs import RunsTable

NEWEST_RUNS = 50


@dataclass(frozen=True, slots=True)
class Onlooker:
    """Where runs are looked up."""

    runs: RunsTable
    store: RunStore

    def status(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """How the run that `event` names stands."""
        try:
            run_id = run_wish(event)
        except Refused as refusal:
            return {"run_id": None, "status": RunStatus.FAILED, "message": str(refusal)}
        run = self.runs.load(run_id)
        if run is None:
            message = f"run_id: there is no run {run_id!r}."
            return {"run_id": run_id, "status": RunStatus.FAILED, "message": message}
        progress = self.runs.progress(run)
        totals = progress.totals
        return {
            **_outline(run),
            "rows_done": totals.rows,
            "chunks_total": run.chunks_total,
            "chunks_done": progress.chunks_done,
            "outcomes": {
                Outcome.COMPRESSED: totals.compressed,
                Outcome.SKIPPED: totals.skipped,
                Outcome.FAILED: totals.failed,
                Outcome.RESTORED: totals.restored,
            },
            "bytes_before": totals.bytes_before,
            "bytes_after": totals.bytes_after,
            "bytes_saved": totals.bytes_saved,
            "parameters": run.settings.to_json(),
            "notes": list(run.notes),
            "files": self.store.links(run),
        }

    def newest(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """The newest runs, the last one first."""
        try:
            list_wish(event)
        except Refused as refusal:
            return {"runs": [], "message": str(refusal)}
        return {"runs": [_outline(run) for run in self.runs.newest(NEWEST_RUNS)]}


def _outline(run: Run) -> dict[str, Any]:
    updated = datetime.fromtimestamp(run.updated, UTC)
    return {
        "run_id": run.run_id,
        "status": run.status,
        "message": run.message,
        "started": f"{run.started:%Y-%m-%dT%H:%M:%SZ}",
        "updated": f"{updated:%Y-%m-%dT%H:%M:%SZ}",
        "source": run.source,
        "bucket_name": run.bucket_name,
        "restores": run.restores,
        "rows_total": run.rows_total,
    }
