"""A run on this machine: the same engine, without a deployment.

The rows go by in the manifest's order and in flat memory, however long it is: what is pressed is
written to the report at once.
"""

import gzip
import math
import os
import secrets
import shutil
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

from botocore.exceptions import BotoCoreError, ClientError

from imagepress.aws_errors import http_status
from imagepress.budget import Budget
from imagepress.codec_pool import CodecPool
from imagepress.engine import THREADS_A_PROCESSOR, in_order, private_folder
from imagepress.errors import PassingError, Refused, RowFailed
from imagepress.image_store import ImageStore
from imagepress.journal import log_stem
from imagepress.manifest import Header, Row, read_header, read_rows
from imagepress.outcome import FailureCode
from imagepress.part import RowReport
from imagepress.report import ReportFiles, RunFacts, write_report
from imagepress.run_id import make_run_id
from imagepress.settings import RunSettings, check_temp_dir
from imagepress.worker import Job, Press, Workshop, press, without_trying

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

BLOCK_BYTES = 1 << 20
ROW_TRIES = 3
RETRY_SECONDS = 2.0
ENCODE_SECONDS = 1800.0
MEMORY_SHARE = 0.7
GZIP_MAGIC = b"\x1f\x8b"


@dataclass(frozen=True, slots=True)
class DesktopRun:
    """What was asked for on the command line."""

    bucket_name: str
    csv: Path
    settings: RunSettings
    output_dir: Path


def run(
    wish: DesktopRun, s3: "S3Client", on_row: Callable[[RowReport], None]
) -> tuple[dict[str, Any], ReportFiles]:
    """Compress the images of a manifest here; raise `Refused` before anything is changed.

    `on_row` sees each row when it is its turn. Return the summary, and where the files are.
    """
    check_temp_dir(wish.settings.temp_dir)
    _check_output_dir(wish.output_dir)
    header = _header(wish.csv)
    _check_bucket(wish.bucket_name, s3)
    started = datetime.now(UTC)
    run_id = make_run_id(started, wish.csv.name, secrets.token_hex(16))
    facts = RunFacts(
        run_id=run_id,
        started=started,
        source=str(wish.csv),
        bucket_name=wish.bucket_name,
        settings=wish.settings,
    )
    files = _files(wish.output_dir, started)
    with _workshop(wish, s3) as workshop:
        job = Job(run_id, wish.settings)

        def reports() -> Iterator[RowReport]:
            threads = workshop.pool.size * THREADS_A_PROCESSOR
            rows = _rows(wish.csv, header) if header else iter(())
            for report in in_order(
                lambda row: _until_it_ends(row, lambda again: press(again, job, workshop)),
                rows,
                threads,
            ):
                on_row(report)
                yield report

        summary = write_report(
            facts, reports(), files, status="COMPLETED", message="", links=_links(files)
        )
    return summary, files


@contextmanager
def _workshop(wish: DesktopRun, s3: "S3Client") -> Iterator[Workshop]:
    processors = os.cpu_count() or 1
    memory = int(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") * MEMORY_SHARE)
    with (
        private_folder(wish.settings.temp_dir) as folder,
        CodecPool(processors, memory) as pool,
    ):
        yield Workshop(
            store=ImageStore(s3, wish.bucket_name),
            pool=pool,
            memory=Budget(memory),
            temp_space=Budget(shutil.disk_usage(folder).free),
            folder=folder,
            encode_seconds=ENCODE_SECONDS,
            seconds_left=lambda: math.inf,
        )


def _until_it_ends(row: Row, work: Press) -> RowReport:
    for again in range(ROW_TRIES):
        if again:
            time.sleep(RETRY_SECONDS * 2**again)
        try:
            return work(row)
        except PassingError as error:
            last = error
    given_up = RowFailed(FailureCode.RETRIES_EXHAUSTED, f"{ROW_TRIES} tries failed: {last}")
    return without_trying(row, given_up)


def _check_output_dir(folder: Path) -> None:
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        raise Refused(f"output_dir is {str(folder)!r}; it must be a folder that is writable.")


def _check_bucket(bucket: str, s3: "S3Client") -> None:
    try:
        s3.head_bucket(Bucket=bucket)
    except ClientError as error:
        status = http_status(error)
        if status == 403:
            return  # Listing may be forbidden where reading and writing is not.
        if status == 404:
            raise Refused(f"bucket_name: there is no bucket {bucket}.") from None
        raise Refused(f"bucket_name is {bucket!r}: {error}") from None
    except BotoCoreError as error:
        raise Refused(
            f"S3 cannot be used: {error} Set up credentials and region as for the AWS CLI "
            "(`aws configure`, or AWS_PROFILE)."
        ) from None


def _header(csv: Path) -> Header | None:
    with _refusing_unreadable(csv), _open(csv) as stream:
        return read_header(_blocks(stream))


def _rows(csv: Path, header: Header) -> Iterator[Row]:
    with _refusing_unreadable(csv), _open(csv) as stream:
        stream.seek(header.end)
        yield from read_rows(_blocks(stream), header.column, offset=header.end)


@contextmanager
def _refusing_unreadable(csv: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, EOFError, zlib.error) as error:
        raise Refused(f"csv_path is {str(csv)!r}; it cannot be read: {error}") from None


def _open(csv: Path) -> IO[bytes]:
    with csv.open("rb") as stream:
        gzipped = stream.read(len(GZIP_MAGIC)) == GZIP_MAGIC
    return cast("IO[bytes]", gzip.open(csv)) if gzipped else csv.open("rb")


def _blocks(stream: IO[bytes]) -> Iterator[bytes]:
    while block := stream.read(BLOCK_BYTES):
        yield block


def _files(folder: Path, started: datetime) -> ReportFiles:
    stem = folder / log_stem(started)
    return ReportFiles(
        log=stem.with_suffix(".log"),
        results=stem.with_suffix(".results.csv"),
        failed=stem.with_suffix(".failed.csv"),
        summary=stem.with_suffix(".summary.json"),
    )


def _links(files: ReportFiles) -> dict[str, str]:
    return {
        "log": str(files.log),
        "results": str(files.results),
        "failed": str(files.failed),
        "summary": str(files.summary),
    }
