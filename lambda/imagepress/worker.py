"""One row from key to outcome: download, gates, encode, verify, replace, clean up.

Whatever happens, the row ends in exactly one outcome or in a `PassingError` that brings it back,
and its temporary files are gone.
"""

import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from imagepress import journal
from imagepress.budget import Budget, memory_needed
from imagepress.codec_pool import CodecPool
from imagepress.codec_protocol import CodecRequest, Encoded
from imagepress.errors import PassingError, RowFailed, RowSkipped
from imagepress.image_header import ImageHeader, check_pixels, read_header
from imagepress.image_store import (
    ImageStore,
    StoredObject,
    Written,
    download,
    duplicate_of,
    file_sha256,
)
from imagepress.journal import Event
from imagepress.manifest import Row
from imagepress.marker import Marker
from imagepress.outcome import FailureCode, Outcome, RowResult, SkipReason
from imagepress.part import RowReport
from imagepress.settings import LOSSLESS_QUALITY, RunSettings

MAX_FILE_NAME = 60
TEMP_COPIES = 2


@dataclass(frozen=True, slots=True)
class Job:
    """What all rows of a run share."""

    run_id: str
    settings: RunSettings


@dataclass(frozen=True, slots=True)
class Workshop:
    """What rows are worked on with.

    `folder` is a private one inside `temp_dir`; `encode_seconds` is what one picture may take;
    `seconds_left` tells how long this process may still go on.
    """

    store: ImageStore
    pool: CodecPool
    memory: Budget
    temp_space: Budget
    folder: Path
    encode_seconds: float
    seconds_left: Callable[[], float]


type Press = Callable[[Row], RowReport]


def press(row: Row, job: Job, workshop: Workshop) -> RowReport:
    """Compress the object of one row; raise `PassingError` where the row should come back."""
    work = _Work(row, job, workshop)
    try:
        result = work.result()
    except (RowSkipped, RowFailed) as outcome:
        result = work.ledger.left(row, outcome)
    return RowReport(result, tuple(work.ledger.events))


def without_trying(row: Row, outcome: RowSkipped | RowFailed) -> RowReport:
    """The report of a row that ends without being worked on."""
    ledger = _Ledger()
    result = ledger.left(row, outcome)
    return RowReport(result, tuple(ledger.events))


def replaced_before(row: Row, stored: StoredObject, marker: Marker) -> RowReport:
    """The report of a row whose replacement an earlier attempt made: the marker remembers it."""
    ledger = _Ledger(stored=stored)
    ledger.log(f"Object {row.key} was replaced by an earlier attempt of this run.")
    written = Written(stored.etag, stored.version_id)
    result = ledger.compressed(row, marker, written)
    return RowReport(result, tuple(ledger.events))


def safe_file_name(key: str) -> str:
    """The last part of a key as a file name that cannot leave its folder."""
    name = key.rstrip("/").rsplit("/", 1)[-1]
    safe = re.sub(r"[^\w.\- ]", "_", name)[-MAX_FILE_NAME:]
    return safe if safe.strip(". ") else "image"


@dataclass(slots=True)
class _Ledger:
    """What is known of a row so far; it fills up as the row goes on."""

    started: float = field(default_factory=time.monotonic)
    events: list[Event] = field(default_factory=list)
    stored: StoredObject | None = None
    header: ImageHeader | None = None

    def log(self, message: str, level: str = journal.INFO) -> None:
        self.events.append(Event(time.time(), level, message))

    def compressed(self, row: Row, marker: Marker, written: Written) -> RowResult:
        return RowResult(
            row=row.number,
            path=row.key,
            outcome=Outcome.COMPRESSED,
            format=marker.format,
            bytes_before=marker.size_before,
            bytes_after=marker.size,
            encoder=marker.encoder,
            quality=marker.quality,
            seconds=self._seconds(),
            etag_before=marker.etag_before,
            etag_after=written.etag,
            version_before=marker.version_before,
            version_after=written.version_id,
        )

    def left(self, row: Row, why: RowSkipped | RowFailed) -> RowResult:
        skipped = isinstance(why, RowSkipped)
        reason = why.reason if isinstance(why, RowSkipped) else why.code
        what = "was left as it is" if skipped else "failed"
        level = journal.INFO if skipped else journal.ERROR
        self.log(f"Object {row.key} {what}: {reason}: {why}", level)
        # A duplicate's bytes are counted in the row that it repeats.
        stored = self.stored if reason is not SkipReason.DUPLICATE else None
        return RowResult(
            row=row.number,
            path=row.key,
            outcome=Outcome.SKIPPED if skipped else Outcome.FAILED,
            reason=reason,
            format=self.header.format if self.header else None,
            bytes_before=stored.size if stored else None,
            seconds=self._seconds(),
            etag_before=stored.etag if stored else None,
            version_before=stored.version_id if stored else None,
            message=str(why),
        )

    def _seconds(self) -> float:
        return round(time.monotonic() - self.started, 3)


@dataclass(slots=True)
class _Work:
    """One row being worked on."""

    row: Row
    job: Job
    workshop: Workshop
    ledger: _Ledger = field(default_factory=_Ledger)

    def result(self) -> RowResult:
        if self.row.problem:
            raise RowFailed(FailureCode.INVALID_ROW, f"Row {self.row.number}: {self.row.problem}.")
        self.ledger.log(journal.downloading(self.row.key))
        with self.workshop.store.open(self.row.key) as (stored, body):
            self.ledger.stored = stored
            marker = stored.marker
            if marker and stored.sha256 and marker.matches(stored.size, stored.sha256):
                done = self._already_done(stored, marker)
                if done:
                    return done
            with self._temp_space(stored.size), self._file() as file:
                sha256 = download(body, file)
                body.close()
                self.ledger.log(journal.saved(str(file), stored.size))
                if marker and not stored.sha256 and marker.matches(stored.size, sha256):
                    done = self._already_done(stored, marker)
                    if done:
                        return done
                return self._compress(stored, file)

    def _already_done(self, stored: StoredObject, marker: Marker) -> RowResult | None:
        """The outcome of an object that one of our runs has replaced; None: it may be done again.

        Nothing is ever put through a second lossy pass.
        """
        if marker.run == self.job.run_id:
            if marker.row != self.row.number:
                raise duplicate_of(marker)
            report = replaced_before(self.row, stored, marker)
            self.ledger.events.extend(report.events)
            return report.result
        settings = self.job.settings
        if marker.digest == settings.digest:
            raise RowSkipped(
                SkipReason.ALREADY_COMPRESSED,
                f"Run {marker.run} compressed it with the same settings.",
            )
        if marker.lossless or settings.perc_compression_quality == LOSSLESS_QUALITY:
            return None
        raise RowSkipped(
            SkipReason.LOSSY_BEFORE,
            f"Run {marker.run} compressed it at quality {marker.quality}; a second lossy pass "
            "would cost quality twice.",
        )

    def _compress(self, stored: StoredObject, file: Path) -> RowResult:
        settings = self.job.settings
        header = self.ledger.header = read_header(file)
        check_pixels(header, settings.max_image_pixels)
        output = file.parent / "compressed"
        with self._memory(header, stored.size):
            self.ledger.log(journal.compressing(str(file), header.format))
            encoded = self._encode(
                CodecRequest(file, output, header, settings.perc_compression_quality)
            )
        size = output.stat().st_size
        self._check_savings(stored.size, size)
        marker = Marker(
            run=self.job.run_id,
            row=self.row.number,
            digest=settings.digest,
            encoder=encoded.encoder,
            quality=encoded.quality,
            lossless=encoded.lossless,
            format=header.format,
            size_before=stored.size,
            etag_before=stored.etag,
            version_before=stored.version_id,
            size=size,
            sha256=file_sha256(output),
        )
        written = self.workshop.store.replace(stored, output, marker)
        self.ledger.log(journal.uploaded(self.row.key, self.workshop.store.bucket, size))
        return self.ledger.compressed(self.row, marker, written)

    def _encode(self, request: CodecRequest) -> Encoded:
        seconds_left = self.workshop.seconds_left()
        try:
            return self.workshop.pool.encode(
                request, min(self.workshop.encode_seconds, seconds_left)
            )
        except RowFailed as failed:
            if failed.code is FailureCode.CODEC_TIMEOUT and (
                seconds_left < self.workshop.encode_seconds
            ):
                raise PassingError(f"There was not enough time left for {self.row.key}.") from None
            raise

    def _check_savings(self, before: int, after: int) -> None:
        least = self.job.settings.min_savings_percent
        if after >= before or (before - after) * 100 < least * before:
            raise RowSkipped(
                SkipReason.NOT_SMALLER,
                f"The result has {after:,} bytes, the original {before:,}; "
                f"min_savings_percent is {least}.",
            )

    @contextmanager
    def _memory(self, header: ImageHeader, file_size: int) -> Iterator[None]:
        needed, total = memory_needed(header, file_size), self.workshop.memory.total
        if needed > total:
            raise RowFailed(
                FailureCode.TOO_LARGE_FOR_MEMORY,
                f"The picture of {header.pixels:,} pixels needs about {needed // 10**6:,} MB of "
                f"memory; there are {total // 10**6:,} MB.",
            )
        with self.workshop.memory.share(needed):
            yield

    @contextmanager
    def _temp_space(self, file_size: int) -> Iterator[None]:
        needed, total = TEMP_COPIES * file_size, self.workshop.temp_space.total
        if needed > total:
            raise RowFailed(
                FailureCode.NO_TEMP_SPACE,
                f"The object needs {needed:,} bytes in {self.job.settings.temp_dir}; there are "
                f"{total:,}.",
            )
        with self.workshop.temp_space.share(needed):
            yield

    @contextmanager
    def _file(self) -> Iterator[Path]:
        """A file named after the key in a folder of the row's own, gone at the end."""
        folder = self.workshop.folder / str(self.row.number)
        file = folder / safe_file_name(self.row.key)
        try:
            folder.mkdir(exist_ok=True)
        except OSError as error:
            raise RowFailed(
                FailureCode.NO_TEMP_SPACE,
                f"{self.job.settings.temp_dir} cannot be written to: {error}.",
            ) from error
        try:
            yield file
        finally:
            was_there = file.exists()
            shutil.rmtree(folder, ignore_errors=True)
            if was_there and not file.exists():
                self.ledger.log(journal.deleted(str(file)))
