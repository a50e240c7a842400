"""imagepress as its users meet it: upload a CSV or invoke the dispatcher, and see what came of it.

Whatever a test is about, a run that has ended is checked for what must hold of every run.
"""

import csv
import gzip
import io
import itertools
import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote_plus

from imagepress.run import Run, RunStatus
from imagepress.run_store import RunFiles
from tests.integration.pump import Pump
from tests.integration.stack import RUNS, TRIGGER, Stack

RESULT_COLUMNS = (
    "row,path,outcome,reason,format,bytes_before,bytes_after,encoder,quality,seconds,"
    "etag_before,etag_after,version_before,version_after,message"
)
LOG_LINE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d - (?:INFO|WARNING|ERROR) - \S.*")
EVENT_TIME = "2024-02-01T12:00:00.000Z"


@dataclass(frozen=True, slots=True)
class FinishedRun:
    """A run that has ended, and what it left in the runs bucket."""

    run: Run
    log: str
    results: list[dict[str, str]]
    failed_csv: bytes
    summary: dict[str, Any]

    @property
    def run_id(self) -> str:
        return self.run.run_id

    @property
    def status(self) -> RunStatus:
        return self.run.status

    @property
    def message(self) -> str:
        message: str = self.summary["message"]
        return message

    @property
    def log_lines(self) -> list[str]:
        """The log's lines without their times."""
        return [line.split(" - ", 1)[1] for line in self.log.splitlines()]

    @property
    def failed(self) -> list[str]:
        """The keys in `failed.csv`."""
        return [row["path"] for row in _table(self.failed_csv)]

    def outcomes(self) -> list[str]:
        """One for each row, in order: `COMPRESSED`, `SKIPPED/DUPLICATE`, `FAILED/NOT_FOUND`."""
        return ["/".join(filter(None, (row["outcome"], row["reason"]))) for row in self.results]

    def row(self, path: str) -> dict[str, str]:
        """The one row of `results.csv` with that path."""
        (row,) = (row for row in self.results if row["path"] == path)
        return row


class Service:
    """The deployed system."""

    def __init__(self, stack: Stack, pump: Pump) -> None:
        self._stack = stack
        self._pump = pump
        self._uploads = itertools.count(1)

    def put_csv(
        self, key: str, content: bytes | Iterable[str], metadata: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """Put a CSV into the trigger bucket; the event that S3 sends for it."""
        body = content if isinstance(content, bytes) else csv_of(content)
        answer = self._stack.s3.put_object(
            Bucket=TRIGGER, Key=key, Body=body, Metadata=dict(metadata or {})
        )
        return upload_event(key, answer["VersionId"], f"{next(self._uploads):016X}")

    def start_upload(
        self,
        content: bytes | Iterable[str],
        *,
        key: str = "list.csv",
        metadata: Mapping[str, str] | None = None,
    ) -> str:
        """Upload a CSV and let the dispatcher hear of it; the run's id."""
        event = self.put_csv(key, content, metadata)
        (answer,) = self._pump.invoke("dispatcher", event)
        run_id: str = answer["run_id"]
        return run_id

    def upload(
        self,
        content: bytes | Iterable[str],
        *,
        key: str = "list.csv",
        metadata: Mapping[str, str] | None = None,
    ) -> FinishedRun:
        """Upload a CSV and wait for the end of its run."""
        return self.finish(self.start_upload(content, key=key, metadata=metadata))

    def invoke(self, event: Any, *, request_id: str | None = None) -> dict[str, Any]:
        """Invoke the dispatcher as the console does; its answer."""
        answer: dict[str, Any] = self._pump.invoke("dispatcher", event, request_id=request_id)
        return answer

    def finish(self, run_id: str) -> FinishedRun:
        """Let the run come to its end; what it left."""
        self._pump.run()
        return self.finished(run_id)

    def finished(self, run_id: str) -> FinishedRun:
        """What a run that has ended left, after a look at what must always hold."""
        run = self._stack.table.load(run_id)
        assert run is not None
        files = RunFiles.of(run)
        found = FinishedRun(
            run=run,
            log=self._read(files.log).decode(),
            results=_table(self._read(files.results)),
            failed_csv=self._read(files.failed),
            summary=json.loads(self._read(files.summary)),
        )
        _check(found, self._read(files.results), self._stack)
        return found

    def _read(self, key: str) -> bytes:
        body = self._stack.s3.get_object(Bucket=RUNS, Key=key)["Body"].read()
        return gzip.decompress(body) if key.endswith(".gz") else body


def upload_event(key: str, version_id: str | None, sequencer: str) -> dict[str, Any]:
    """What S3 tells a function about a new object: the key is form-encoded."""
    thing = {"key": quote_plus(key, safe="/"), "size": 1, "sequencer": sequencer}
    if version_id is not None:
        thing["versionId"] = version_id
    record = {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "eventName": "ObjectCreated:Put",
        "eventTime": EVENT_TIME,
        "s3": {"bucket": {"name": TRIGGER}, "object": thing},
    }
    return {"Records": [record]}


def csv_of(keys: Iterable[str]) -> bytes:
    """A manifest: the header `path`, one key a row, quoted where it has to be."""
    text = io.StringIO(newline="")
    csv.writer(text).writerows([["path"], *([key] for key in keys)])
    return text.getvalue().encode()


def _table(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode(), newline="")))


def size_that_stays(row: dict[str, str]) -> str:
    """Only an object that was written has another size now; a dry run's is an estimate."""
    return "bytes_after" if row["outcome"] in ("COMPRESSED", "RESTORED") else "bytes_before"


def _check(found: FinishedRun, results: bytes, stack: Stack) -> None:
    """What holds of every run, however it went."""
    run, rows, summary = found.run, found.results, found.summary
    assert results.decode().split("\n", 1)[0] == RESULT_COLUMNS
    assert [int(row["row"]) for row in rows] == [*range(1, len(rows) + 1)]
    assert run.status in (RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.ABORTED)
    assert summary["status"] == run.status
    assert summary["rows"] == len(rows)

    counted = Counter(row["outcome"] for row in rows)
    assert Counter(summary["outcomes"]) == counted
    assert summary["reasons"] == Counter(row["reason"] for row in rows if row["reason"])
    totals = stack.table.progress(run).totals
    before = sum(int(row["bytes_before"] or 0) for row in rows)
    after = sum(int(row[size_that_stays(row)] or 0) for row in rows)
    assert (summary["bytes_before"], summary["bytes_after"]) == (before, after)
    assert summary["bytes_saved"] == before - after
    if run.status is RunStatus.COMPLETED:
        assert run.rows_total == len(rows)
        assert (totals.compressed, totals.skipped, totals.failed) == (
            counted["COMPRESSED"],
            counted["SKIPPED"],
            counted["FAILED"],
        )
        assert (totals.bytes_before, totals.bytes_after) == (before, after)

    for row in rows:
        if row["outcome"] == "COMPRESSED":
            assert int(row["bytes_after"]) < int(row["bytes_before"])
        elif row["outcome"] != "RESTORED":
            assert row["reason"]
            assert row["message"]

    lines = found.log.split("\n")
    assert lines.pop() == ""
    assert all(LOG_LINE.fullmatch(line) for line in lines)
    assert " - INFO - Processing started: run " in lines[0]
    assert f" - INFO - Processing finished: {run.status}, {len(rows)} images: " in lines[-1]
