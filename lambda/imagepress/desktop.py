"""A run on this machine: the same engine, without a deployment.

The rows go by in the manifest's order and in flat memory, however long it is: what is pressed is
written to the report at once.
"""

import csv
import gzip
import json
import math
import os
import random
import secrets
import shutil
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import takewhile
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Protocol, cast

from imagepress.bench import Bench, bench_for
from imagepress.bucket_facts import NO_WAY_BACK, look_at_bucket
from imagepress.budget import Budget
from imagepress.codec_pool import CodecPool
from imagepress.completion import too_many_failures
from imagepress.desktop_runs import UNDO, LeftRun, left_run, rows_left
from imagepress.engine import THREADS_A_PROCESSOR, in_order, private_folder
from imagepress.errors import PassingError, Refused, RowFailed, RowSkipped, Throttled
from imagepress.image_store import ImageStore
from imagepress.journal import log_stem
from imagepress.listing import pages
from imagepress.manifest import Header, Row, read_header, read_rows
from imagepress.outcome import FailureCode, SkipReason, Totals
from imagepress.part import RowReport
from imagepress.report import Ending, ReportFiles, write_report
from imagepress.reporting import facts_of
from imagepress.run import BucketFacts, Run, sample_share
from imagepress.run_cost import Billing
from imagepress.run_id import make_run_id
from imagepress.settings import RunSettings, check_temp_dir
from imagepress.undo import UNDO_COLUMNS
from imagepress.worker import without_trying
from imagepress.workshop import Workshop

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

BLOCK_BYTES = 1 << 20
ROW_TRIES = 3
ROW_REFUSALS = 12
RETRY_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 120.0
ENCODE_SECONDS = 1800.0
MEMORY_SHARE = 0.7
GZIP_MAGIC = b"\x1f\x8b"


@dataclass(frozen=True, slots=True)
class DesktopRun:
    """What was asked for on the command line.

    The images come from `csv`, or are all under `prefix`; or `restores` is the run to undo, or
    `resumes` the one to go on with.
    """

    bucket_name: str
    settings: RunSettings
    output_dir: Path
    csv: Path | None = None
    prefix: str | None = None
    restores: str | None = None
    resumes: str | None = None
    account: Callable[[], str | None] = lambda: None
    """Whose credentials are used."""


class Watcher(Protocol):
    """Who is told how a run goes."""

    def begin(self, run: Run, count: Callable[[], int]) -> None:
        """The run begins; `count` reads its list to its end to say how many rows it has."""

    def row(self, report: RowReport) -> None:
        """A row has come to its end, when it is its turn."""


class _Course:
    """How a run ends: the first reason to end it early counts."""

    def __init__(self) -> None:
        self.ending = Ending()

    @property
    def ends_early(self) -> bool:
        return self.ending.status != "COMPLETED"

    def end(self, status: str, message: str) -> None:
        """End the run early."""
        if not self.ends_early:
            self.ending = Ending(status, message)


def run(
    wish: DesktopRun, s3: "S3Client", watcher: Watcher, stops: Callable[[], bool]
) -> tuple[dict[str, Any], ReportFiles]:
    """Compress the images of a manifest here; raise `Refused` before anything is changed.

    No row begins once `stops` says so. Return the summary, and where the files are.
    """
    check_temp_dir(wish.settings.temp_dir)
    _check_output_dir(wish.output_dir)
    source = _source(wish, s3)
    plan = _plan(wish, source, s3)
    files = _files(wish.output_dir, plan.started)
    _note_beginning(plan, files)
    course = _Course()
    with _workshop(wish, s3, plan.bucket) as workshop:
        bench = bench_for(plan, workshop)

        def goes_on() -> bool:
            if stops():
                course.end("CANCELLED", f"Interrupted; go on with --resume {plan.run_id}.")
            return not course.ends_early

        def rows() -> Iterator[Row]:
            try:
                # Rows of a run that stops itself are told of; after Ctrl-C people do not wait.
                yield from takewhile(lambda _: goes_on() or not stops(), source.rows())
            except Refused as broken:
                course.end("FAILED", str(broken))

        def work(row: Row) -> RowReport:
            if not goes_on():
                return without_trying(row, RowSkipped(SkipReason.CANCELLED, course.ending.message))
            return _until_it_ends(row, bench)

        def reports() -> Iterator[RowReport]:
            totals = Totals()
            for report in in_order(work, rows(), workshop.pool.size * THREADS_A_PROCESSOR):
                totals = totals.plus(report.result)
                stop = too_many_failures(totals, wish.settings)
                if stop:
                    course.end("ABORTED", stop)
                watcher.row(report)
                yield report

        watcher.begin(plan, source.count)
        summary = write_report(
            replace(facts_of(plan), billing=Billing(s3.meta.region_name)),
            reports(),
            files,
            ending=lambda: course.ending,
            links=_links(files),
        )
    return summary, files


@dataclass(frozen=True, slots=True)
class _Source:
    """The rows of a run: those of a manifest, or what another run has left of them."""

    manifest: Path
    header: Header | None
    resumes: LeftRun | None = None

    def rows(self) -> Iterator[Row]:
        if self.header is None:
            return iter(())
        rows = _rows(self.manifest, self.header)
        return rows_left(self.resumes, rows) if self.resumes else rows

    def count(self) -> int:
        """How many rows there are; a manifest that breaks off is counted as far as it goes."""
        count = 0
        with suppress(Refused):
            for _ in self.rows():
                count += 1
        return count


def resumed(output_dir: Path, run_id: str) -> DesktopRun:
    """What it takes to go on with a run that was interrupted."""
    summary = left_run(output_dir, run_id).summary
    return DesktopRun(
        bucket_name=summary["bucket_name"],
        settings=RunSettings.from_json(summary["parameters"]),
        output_dir=output_dir,
        restores=summary["restores"],
        resumes=run_id,
    )


def _source(wish: DesktopRun, s3: "S3Client") -> _Source:
    extra = UNDO_COLUMNS if wish.restores else ()
    before = left_run(wish.output_dir, wish.resumes) if wish.resumes else None
    if before:
        manifest = Path(before.summary["source"])
    elif wish.restores:
        manifest = left_run(wish.output_dir, wish.restores).companion(UNDO)
    else:
        manifest = wish.csv or _listed(wish, s3)
    return _Source(manifest, _header(manifest, extra, wish.bucket_name), before)


def _listed(wish: DesktopRun, s3: "S3Client") -> Path:
    """A manifest of all objects under the prefix that was asked for."""
    listed = wish.output_dir / f"{log_stem(datetime.now(UTC))}.manifest.csv"
    with listed.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["path"])
        try:
            for page in pages(s3, wish.bucket_name, wish.prefix or ""):
                rows.writerows([key] for key in page.keys)
        except PassingError as error:
            raise Refused(f"prefix is {wish.prefix!r}; S3 does not answer: {error}") from None
    return listed


def _note_beginning(plan: Run, files: ReportFiles) -> None:
    """Leave a summary from the first moment: whatever happens, the run can be found by it."""
    summary = {
        "run_id": plan.run_id,
        "status": "RUNNING",
        "message": "",
        "source": plan.source,
        "bucket_name": plan.bucket_name,
        "restores": plan.restores,
        "parameters": plan.settings.to_json(),
        "started": f"{plan.started:%Y-%m-%dT%H:%M:%SZ}",
        "files": _links(files),
    }
    text = json.dumps(summary, indent=2, ensure_ascii=False)
    files.summary.write_text(f"{text}\n", "utf-8", "backslashreplace")


def _plan(wish: DesktopRun, source: _Source, s3: "S3Client") -> Run:
    facts = _look_at(wish, s3)
    settings, notes, sample = wish.settings, [], 1.0
    writes = not settings.only_measures and not wish.restores
    if writes and not facts.versioned and not settings.backup_prefix:
        notes.append(NO_WAY_BACK.format(bucket=wish.bucket_name))
    if settings.dry_run_sample is not None:
        sample = sample_share(settings, source.count())
    started = _start(wish.output_dir)
    return Run(
        run_id=make_run_id(started, source.manifest.name, secrets.token_hex(16)),
        created=started.timestamp(),
        source=str(source.manifest),
        bucket_name=wish.bucket_name,
        settings=settings,
        chunk_size=1,
        shards=1,
        bucket=facts,
        sample=sample,
        restores=wish.restores,
        notes=tuple(notes),
    )


def _start(folder: Path) -> datetime:
    """Now, or the next second whose files are not there yet: an undo record must not be lost."""
    while True:
        started = datetime.now(UTC)
        try:
            _files(folder, started).log.touch(exist_ok=False)
        except FileExistsError:
            time.sleep(0.1)
        else:
            return started


def _look_at(wish: DesktopRun, s3: "S3Client") -> BucketFacts:
    try:
        return look_at_bucket(s3, wish.bucket_name, wish.account)
    except PassingError as error:
        raise Refused(f"bucket_name is {wish.bucket_name!r}; S3 does not answer: {error}") from None


@contextmanager
def _workshop(wish: DesktopRun, s3: "S3Client", facts: BucketFacts) -> Iterator[Workshop]:
    processors = os.cpu_count() or 1
    memory = int(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") * MEMORY_SHARE)
    with (
        private_folder(wish.settings.temp_dir) as folder,
        CodecPool(processors, memory) as pool,
    ):
        yield Workshop(
            store=ImageStore(
                s3,
                wish.bucket_name,
                facts.acl_owner,
                check_annotations=wish.settings.check_annotations,
            ),
            pool=pool,
            memory=Budget(memory),
            temp_space=Budget(shutil.disk_usage(folder).free),
            folder=folder,
            encode_seconds=ENCODE_SECONDS,
            seconds_left=lambda: math.inf,
        )


def _until_it_ends(row: Row, bench: Bench) -> RowReport:
    faults: list[Exception] = []
    refusals = 0
    while len(faults) < ROW_TRIES and refusals < ROW_REFUSALS:
        if faults or refusals:
            seconds = RETRY_SECONDS * 2 ** (len(faults) + refusals)
            time.sleep(min(seconds, LONGEST_PAUSE_SECONDS) * random.uniform(0.5, 1))  # noqa: S311
        try:
            return bench.press(row)
        except Throttled as refusal:
            refusals += 1
            last: Exception = refusal
        except Exception as error:  # noqa: BLE001 - a bug that one odd picture meets costs its row
            faults.append(error)
            last = error
    tries = len(faults) + refusals
    given_up = RowFailed(FailureCode.RETRIES_EXHAUSTED, f"{tries} tries failed: {last}")
    try:
        return bench.last_look(row, given_up)
    except PassingError:
        return without_trying(row, given_up)


def _check_output_dir(folder: Path) -> None:
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        raise Refused(f"output_dir is {str(folder)!r}; it must be a folder that is writable.")


def _header(manifest: Path, extra: Sequence[str], bucket: str) -> Header | None:
    with _refusing_unreadable(manifest), _open(manifest) as stream:
        return read_header(_blocks(stream), extra, bucket)


def _rows(manifest: Path, header: Header) -> Iterator[Row]:
    with _refusing_unreadable(manifest), _open(manifest) as stream:
        stream.seek(header.end)
        yield from read_rows(
            _blocks(stream),
            header.column,
            offset=header.end,
            extra=header.extra,
            s3_list=header.s3_list,
        )


@contextmanager
def _refusing_unreadable(manifest: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, EOFError, zlib.error) as error:
        why = getattr(error, "strerror", None) or error
        raise Refused(f"csv_path is {str(manifest)!r}; it cannot be read: {why}") from None


def _open(manifest: Path) -> IO[bytes]:
    with manifest.open("rb") as stream:
        gzipped = stream.read(len(GZIP_MAGIC)) == GZIP_MAGIC
    return cast("IO[bytes]", gzip.open(manifest)) if gzipped else manifest.open("rb")


def _blocks(stream: IO[bytes]) -> Iterator[bytes]:
    while block := stream.read(BLOCK_BYTES):
        yield block


def _files(folder: Path, started: datetime) -> ReportFiles:
    stem = folder / log_stem(started)
    return ReportFiles(
        log=stem.with_suffix(".log"),
        results=stem.with_suffix(".results.csv"),
        failed=stem.with_suffix(".failed.csv"),
        undo=stem.with_suffix(".undo.csv"),
        report=stem.with_suffix(".report.html"),
        summary=stem.with_suffix(".summary.json"),
    )


def _links(files: ReportFiles) -> dict[str, str]:
    return {
        "log": str(files.log),
        "results": str(files.results),
        "failed": str(files.failed),
        "undo": str(files.undo),
        "report": str(files.report),
        "summary": str(files.summary),
    }
