"""The reporter: walks the manifest again, in order, beside the parts that count.

So every row of the manifest has exactly one outcome by construction: its part's, or, where no
attempt ever ended it, the run's own.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import batched
from typing import Any

from imagepress.chunk import Chunk, chunks
from imagepress.completion import never_ended
from imagepress.engine import in_order, private_folder
from imagepress.errors import Refused
from imagepress.manifest_store import ManifestStore
from imagepress.part import RowReport
from imagepress.report import Ending, ReportFiles, RunFacts, write_report
from imagepress.run import ChunkState, Cursor, Run, RunStatus
from imagepress.run_store import RunFiles, RunStore
from imagepress.runs import RunsTable
from imagepress.worker import without_trying

STATES_AT_ONCE = 100
READERS = 16
TEXT = "text/plain; charset=utf-8"
CSV = "text/csv; charset=utf-8"
JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Reporter:
    """The reporter's tools."""

    runs: RunsTable
    manifests: ManifestStore
    store: RunStore
    temp_dir: str

    def report(self, run_id: str) -> dict[str, Any] | None:
        """Write the report of a run and end it; its summary, or None where that was done."""
        run = self.runs.load(run_id)
        if run is None or run.status is not RunStatus.REPORTING:
            return None
        keys = RunFiles.of(run)
        with private_folder(self.temp_dir) as folder:
            files = ReportFiles(
                log=folder / "log",
                results=folder / "results",
                failed=folder / "failed",
                undo=folder / "undo",
                summary=folder / "summary",
            )
            summary = write_report(
                facts_of(run),
                self._rows(run),
                files,
                ending=lambda: Ending(run.end_status, run.message),
                links={
                    "log": self.store.url(keys.log),
                    "results": self.store.url(keys.results),
                    "failed": self.store.url(keys.failed),
                    "undo": self.store.url(keys.undo),
                    "summary": self.store.url(keys.summary),
                },
            )
            self.store.upload(files.results, keys.results, CSV)
            self.store.upload(files.failed, keys.failed, CSV)
            self.store.upload(files.undo, keys.undo, CSV)
            self.store.upload(files.log, keys.log, TEXT)
            # Last, so that whoever sees the summary finds the others.
            self.store.upload(files.summary, keys.summary, JSON)
        self.runs.end(run.run_id, run.end_status, run.message)
        return summary

    def _rows(self, run: Run) -> Iterator[RowReport]:
        if run.manifest is None:
            return
        rows = self.manifests.rows(run.manifest, Cursor(run.manifest.start))
        cut = chunks(run.run_id, rows, run.chunk_size, first=0)
        for reports in in_order(
            lambda chunk: self._reports(run, *chunk), self._with_states(run, cut), READERS
        ):
            yield from reports

    def _with_states(
        self, run: Run, cut: Iterator[Chunk]
    ) -> Iterator[tuple[Chunk | None, ChunkState]]:
        """Each chunk of the manifest with its state; the state alone where the manifest is gone."""
        number = 0
        try:
            for group in batched(cut, STATES_AT_ONCE):
                numbers = [chunk.number for chunk in group]
                yield from zip(group, self.runs.chunk_states(run.run_id, numbers), strict=True)
                number = numbers[-1] + 1
        except Refused:
            for rest in batched(range(number, run.chunks_total or 0), STATES_AT_ONCE):
                for state in self.runs.chunk_states(run.run_id, rest):
                    yield None, state

    def _reports(self, run: Run, chunk: Chunk | None, state: ChunkState) -> list[RowReport]:
        attempt = state.done_attempt or state.saved_attempt
        ended: Mapping[int, RowReport] = {}
        if attempt:
            ended = self.store.read_part(run.run_id, state.number, attempt).reports
        if chunk is None:
            return list(ended.values())
        return [
            ended.get(row.number) or without_trying(row, never_ended(run)) for row in chunk.rows
        ]


def facts_of(run: Run) -> RunFacts:
    """What the report says of a run."""
    return RunFacts(
        run_id=run.run_id,
        started=run.started,
        source=run.source,
        bucket_name=run.bucket_name,
        settings=run.settings,
        bucket=run.bucket,
        sample=run.sample,
        restores=run.restores,
        notes=run.notes,
    )
