"""One row from key to outcome: download, gates, encode, verify, replace, clean up.

Whatever happens, the row ends in exactly one outcome or in a `PassingError` that brings it back,
and its temporary files are gone.
"""

import hashlib
import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from imagepress import journal
from imagepress.budget import Budget, memory_needed
from imagepress.codec_pool import CodecPool
from imagepress.codec_protocol import CodecRequest, Encoded
from imagepress.errors import PassingError, RowFailed, RowSkipped
from imagepress.image_header import ImageHeader, check_pixels, read_header
from imagepress.image_store import Digests, ImageStore, Written, digests, download, duplicate_of
from imagepress.journal import Event
from imagepress.manifest import Row
from imagepress.marker import METADATA_NAME, Marker
from imagepress.outcome import FailureCode, Outcome, RowResult, SkipReason
from imagepress.part import RowReport
from imagepress.settings import LOSSLESS_QUALITY, RunSettings
from imagepress.stored_object import StoredObject, check_metadata

if TYPE_CHECKING:
    from botocore.response import StreamingBody

MAX_FILE_NAME = 60
TEMP_COPIES = 2


@dataclass(frozen=True, slots=True)
class Job:
    """What all rows of a run share.

    `sample` is the share of rows that are worked on, 0 to 1; `versioned` says that the bucket
    keeps what is replaced.
    """

    run_id: str
    settings: RunSettings
    sample: float = 1.0
    versioned: bool = False

    def backup_key(self, key: str) -> str:
        """Where this run copies the original of `key`."""
        return f"{self.settings.backup_prefix}/{self.run_id}/{key}"

    def draws(self, row: Row) -> bool:
        """Whether `row` is in the sample: the same answer however often it is asked."""
        drawn = hashlib.sha256(f"{self.run_id}:{row.number}".encode()).digest()[:8]
        return int.from_bytes(drawn) < self.sample * 2**64


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


def last_look(
    row: Row, run_id: str, store: ImageStore, given_up: RowFailed | RowSkipped
) -> RowReport:
    """The report of a row that is given up: an attempt may have replaced it and died unheard."""
    if row.problem:
        return without_trying(row, invalid(row))
    try:
        stored = store.head(row.key)
    except (RowSkipped, RowFailed):
        return without_trying(row, given_up)
    marker = stored.marker if stored else None
    if stored and marker and marker.run == run_id and marker.size == stored.size:
        if marker.row == row.number:
            return replaced_before(row, stored, marker)
        return without_trying(row, duplicate_of(marker))
    return without_trying(row, given_up)


def invalid(row: Row) -> RowFailed:
    """The outcome of a row that names no key."""
    return RowFailed(FailureCode.INVALID_ROW, f"Row {row.number}: {row.problem}.")


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

    def measured(self, row: Row, source: StoredObject, size: int, encoded: Encoded) -> RowResult:
        self.log(f"Dry run: object {row.key} would have size {journal.megabytes(size)}.")
        return RowResult(
            row=row.number,
            path=row.key,
            outcome=Outcome.SKIPPED,
            reason=SkipReason.DRY_RUN,
            format=self.header.format if self.header else None,
            bytes_before=source.size,
            bytes_after=size,
            encoder=encoded.encoder,
            quality=encoded.quality,
            seconds=self._seconds(),
            etag_before=source.etag,
            version_before=source.version_id,
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
        row, settings = self.row, self.job.settings
        if row.problem:
            raise invalid(row)
        if settings.backup_prefix and row.key.startswith(f"{settings.backup_prefix}/"):
            raise RowSkipped(SkipReason.BACKUP, "The key is under backup_prefix.")
        if not self.job.draws(row):
            raise RowSkipped(SkipReason.NOT_SAMPLED, "The row is not in the sample.")
        self.ledger.log(journal.downloading(row.key))
        with self.workshop.store.open(row.key) as (stored, body):
            self.ledger.stored = stored
            marker = stored.marker
            if marker and marker.describes(stored):
                return self._marked(stored, marker, body)
            with self._saved(stored, body) as (file, hashes):
                if marker and marker.matches(stored.size, hashes.sha256):
                    return self._marked(stored, marker, body, file)
                return self._compress(stored, stored, file)

    def _marked(
        self, stored: StoredObject, marker: Marker, body: "StreamingBody", file: Path | None = None
    ) -> RowResult:
        """The row of an object that one of our runs has replaced; nothing is lossy twice."""
        settings = self.job.settings
        if marker.run == self.job.run_id:
            if marker.row != self.row.number:
                raise duplicate_of(marker)
            report = replaced_before(self.row, stored, marker)
            self.ledger.events.extend(report.events)
            return report.result
        if marker.digest == settings.digest:
            raise RowSkipped(
                SkipReason.ALREADY_COMPRESSED,
                f"Run {marker.run} compressed it with the same settings.",
            )
        if marker.lossless or settings.perc_compression_quality == LOSSLESS_QUALITY:
            if file is not None:
                return self._compress(stored, stored, file, marker)
            with self._saved(stored, body) as (saved, _):
                return self._compress(stored, stored, saved, marker)
        if settings.from_original:
            return self._from_original(stored, marker)
        raise RowSkipped(
            SkipReason.LOSSY_BEFORE,
            f"Run {marker.run} compressed it at quality {marker.quality}; a second lossy pass "
            "would cost quality twice. from_original starts from the original, if it is kept.",
        )

    def _from_original(self, stored: StoredObject, marker: Marker) -> RowResult:
        """Make the picture again from what it was before any run."""
        key, version = self.row.key, marker.origin_version
        if version is None:
            if marker.origin_backup is None:
                raise RowSkipped(
                    SkipReason.LOSSY_BEFORE,
                    f"Run {marker.run} compressed it at quality {marker.quality}, and no version "
                    "or backup holds the original.",
                )
            key = f"{marker.origin_backup}/{key}"
        with (
            self.workshop.store.open(key, version) as (original, body),
            self._saved(original, body) as (file, _),
        ):
            return self._compress(stored, original, file, marker)

    @contextmanager
    def _saved(self, stored: StoredObject, body: "StreamingBody") -> Iterator[tuple[Path, Digests]]:
        """The object's bytes as a file that is gone at the end."""
        with self._temp_space(stored.size), self._file() as file:
            hashes = download(body, file)
            body.close()
            self.ledger.log(journal.saved(str(file), stored.size))
            yield file, hashes

    def _compress(
        self,
        target: StoredObject,
        source: StoredObject,
        file: Path,
        before: Marker | None = None,
    ) -> RowResult:
        """Compress `file`, which holds `source`, and put it in place of `target`."""
        settings = self.job.settings
        header = self.ledger.header = read_header(file)
        check_pixels(header, settings.max_image_pixels)
        output = file.parent / "compressed"
        with self._memory(header, source.size):
            self.ledger.log(journal.compressing(str(file), header.format))
            encoded = self._encode(
                CodecRequest(file, output, header, settings.perc_compression_quality)
            )
        size = output.stat().st_size
        self._check_savings(source.size, size)
        if settings.dry_run:
            return self.ledger.measured(self.row, source, size, encoded)
        marker = self._marker(target, header, encoded, size, digests(output), before)
        check_metadata({**target.metadata, METADATA_NAME: marker.to_metadata()})
        store = self.workshop.store
        if settings.backup_prefix:
            self._back_up(target, source, file)
        written = store.replace(target, output, marker)
        self.ledger.log(journal.uploaded(self.row.key, store.bucket, size))
        return self.ledger.compressed(self.row, marker, written)

    def _marker(
        self,
        target: StoredObject,
        header: ImageHeader,
        encoded: Encoded,
        size: int,
        hashes: Digests,
        before: Marker | None,
    ) -> Marker:
        settings, run_id = self.job.settings, self.job.run_id
        backup = f"{settings.backup_prefix}/{run_id}" if settings.backup_prefix else None
        version = target.version_id if self.job.versioned else None
        return Marker(
            run=run_id,
            row=self.row.number,
            digest=settings.digest,
            encoder=encoded.encoder,
            quality=encoded.quality,
            lossless=encoded.lossless,
            format=header.format,
            size_before=target.size,
            etag_before=target.etag,
            version_before=version,
            size=size,
            sha256=hashes.sha256,
            md5=hashes.md5,
            origin_version=before.origin_version if before else version,
            origin_backup=before.origin_backup if before else backup,
        )

    def _back_up(self, target: StoredObject, source: StoredObject, file: Path) -> None:
        """Copy what is about to be replaced; the file at hand holds it but for `from_original`."""
        key = self.job.backup_key(self.row.key)
        store = self.workshop.store
        if target is source:
            store.back_up(target, file, digests(file).sha256, key)
        else:
            with store.open(self.row.key) as (current, body):
                copy = file.parent / "replaced"
                hashes = download(body, copy)
                store.back_up(current, copy, hashes.sha256, key)
        self.ledger.log(f"Original of {self.row.key} copied to {key}.")

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
