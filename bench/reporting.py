"""How fast the reporter writes its report, and in how much memory.

`python -m bench.reporting` is the process that is measured: the real handler takes the message
that asks for a report. The parts and the table's items were written beforehand.
"""

import importlib
import json
import os
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import batched
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bench.dispatching import key_of, write_csv
from bench.emulated import IMAGES, LISTS, REPORTS, RUNS, TABLE, Deployed, deployed, measured_alone
from bench.invoked import Source, peak_megabytes
from imagepress import journal
from imagepress.chunk import MAX_ROWS
from imagepress.journal import Event
from imagepress.manifest_store import ManifestStore
from imagepress.messages import report_message
from imagepress.outcome import Outcome, RowResult
from imagepress.part import Part, RowReport
from imagepress.run import Run, RunStatus
from imagepress.run_store import RunFiles, RunStore
from imagepress.settings import RunSettings

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import WriteRequestTypeDef

_ATTEMPT: Final = 1
_WRITERS: Final = 8
_ITEMS_AT_ONCE: Final = 25
_STARTED: Final = datetime(2024, 2, 1, 12, tzinfo=UTC)
_NUMBER: Final = 987_654_321
_KEY: Final = "the/key/of/a/row.jpg"


@dataclass(frozen=True, slots=True)
class Reported:
    """What the report of `rows` rows took; `memory` is the process's peak in megabytes."""

    rows: int
    cpu: float
    seconds: float
    memory: float

    @property
    def rows_per_cpu_second(self) -> float:
        """The rate that does not depend on how fast the emulator answers."""
        return self.rows / self.cpu


@dataclass(frozen=True, slots=True)
class _Written(Part):
    """A part whose text is there already."""

    text: str = ""

    def to_lines(self) -> str:
        return self.text


def report(rows: int, folder: Path) -> Reported:
    """Have a run of `rows` rows reported, in a fresh process."""
    with deployed(folder / "aws") as aws:
        run = _finished_run(rows, aws, folder)
        aws.clients.sqs.send_message(
            QueueUrl=aws.queues[REPORTS], MessageBody=json.dumps(report_message(run.run_id))
        )
        taken = measured_alone("bench.reporting", environment=aws.environment())
        answer = aws.clients.s3.get_object(Bucket=RUNS, Key=RunFiles.of(run).summary)
        if json.loads(answer["Body"].read())["outcomes"][Outcome.COMPRESSED] != rows:
            raise RuntimeError(f"Not all of {rows:,} rows are in the report.")
    return Reported(rows, **taken)


def _finished_run(rows: int, aws: Deployed, folder: Path) -> Run:
    """A run of which nothing but the report is left to do."""
    file = folder / "rows.csv"
    write_csv(rows, file)
    with file.open("rb") as body:
        aws.clients.s3.put_object(Bucket=LISTS, Key=file.name, Body=body)
    chunks = -(-rows // MAX_ROWS)
    run = Run(
        run_id="20240201T120000Z-bench-00000000",
        created=_STARTED.timestamp(),
        source=f"s3://{LISTS}/{file.name}",
        bucket_name=IMAGES,
        settings=RunSettings(),
        chunk_size=MAX_ROWS,
        shards=1,
        manifest=ManifestStore(aws.clients.s3).inspect(LISTS, file.name, None).pointer,
        chunks_total=chunks,
        rows_total=rows,
    )
    aws.table.create(run)
    store, line = RunStore(aws.clients.s3, RUNS), _line()

    def write_part(chunk: int) -> None:
        numbers = range(chunk * MAX_ROWS + 1, min(rows, (chunk + 1) * MAX_ROWS) + 1)
        text = "".join(
            line.replace(str(_NUMBER), str(number)).replace(_KEY, key_of(number))
            for number in numbers
        )
        store.write_part(run.run_id, chunk, _ATTEMPT, _Written({}, {}, text=text))

    with ThreadPoolExecutor(_WRITERS) as writers:
        for _ in writers.map(write_part, range(chunks)):
            pass
    for numbers in batched(range(chunks), _ITEMS_AT_ONCE):
        aws.clients.dynamodb.batch_write_item(RequestItems={TABLE: [*_done(run, numbers)]})
    aws.table.start_report(run, RunStatus.COMPLETED, "")
    return run


def _done(run: Run, chunks: Iterable[int]) -> Iterator["WriteRequestTypeDef"]:
    """What the table holds of chunks that were done at the first attempt."""
    for chunk in chunks:
        item = {
            "pk": {"S": f"chunk#{run.run_id}#{chunk}"},
            "attempts": {"N": str(_ATTEMPT)},
            "done_attempt": {"N": str(_ATTEMPT)},
        }
        yield {"PutRequest": {"Item": item}}


def _line() -> str:
    """A row in a part."""
    result = RowResult(
        row=_NUMBER,
        path=_KEY,
        outcome=Outcome.COMPRESSED,
        format="JPEG",
        bytes_before=1_048_576,
        bytes_after=345_678,
        encoder="jpegli",
        quality=80,
        seconds=0.456,
        etag_before="9e107d9d372bb6826bd81d3542a419d6",
        etag_after="e4d909c290d0fb1ca068ffaddf22cbd0",
        version_before="3HL4kqtJvjVBH40Nrjfkd1qLmQ9sYp2v",
        version_after="kWzX0bTq7uYdNc5Rj8sGh3mLpE6vFa1o",
    )
    temporary = f"/tmp/imagepress-wtz486te/{_NUMBER}/row.jpg"  # noqa: S108 - a line of a log
    messages = (
        journal.downloading(_KEY),
        journal.saved(temporary, 1_048_576),
        journal.compressing(temporary, "JPEG"),
        journal.uploaded(_KEY, IMAGES, 345_678),
        journal.deleted(temporary),
    )
    events = tuple(Event(_STARTED.timestamp(), journal.INFO, message) for message in messages)
    return Part({_NUMBER: RowReport(result, events)}, {}).to_lines()


def _main() -> None:
    reporter = importlib.import_module("reporter")
    reports = Source(os.environ["REPORT_QUEUE_URL"])
    cpu, seconds = time.process_time(), time.monotonic()
    while reports.take(reporter.handler):
        pass
    taken = {"cpu": time.process_time() - cpu, "seconds": time.monotonic() - seconds}
    print(json.dumps({**taken, "memory": peak_megabytes()}))


if __name__ == "__main__":
    _main()
