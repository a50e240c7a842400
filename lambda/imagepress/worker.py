"""One row from key to outcome: download, gates, encode, verify, replace, clean up.

Whatever happens, the row ends in exactly one outcome or in a `PassingError` that brings it back,
and its temporary files are gone.
"""

import hashlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from imagepress import journal
from imagepress.codec_protocol import CodecRequest, Encoded
from imagepress.errors import RowFailed, RowSkipped
from imagepress.image_header import ImageHeader, check_format, check_pixels, read_header
from imagepress.image_store import Digests, ImageStore, Written, digests, download, duplicate_of
from imagepress.ledger import Ledger
from imagepress.manifest import Row
from imagepress.marker import METADATA_NAME, Marker
from imagepress.outcome import FailureCode, RowResult, SkipReason
from imagepress.part import RowReport
from imagepress.run_id import has_run_folder
from imagepress.sample import is_drawn
from imagepress.settings import LOSSLESS_QUALITY, RunSettings
from imagepress.stored_object import StoredObject, check_metadata
from imagepress.workshop import Workshop

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


type Press = Callable[[Row], RowReport]


def press(row: Row, job: Job, workshop: Workshop) -> RowReport:
    """Compress the object of one row; raise `PassingError` where the row should come back."""
    work = _Work(row, job, workshop)
    try:
        result = work.result()
    except (RowSkipped, RowFailed) as outcome:
        result = work.ledger.left(row, outcome)
    return work.ledger.report(result)


def without_trying(row: Row, outcome: RowSkipped | RowFailed) -> RowReport:
    """The report of a row that ends without being worked on."""
    ledger = Ledger()
    result = ledger.left(row, outcome)
    return ledger.report(result)


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
    ledger = Ledger(stored=stored)
    ledger.log(f"Object {row.key} was replaced by an earlier attempt of this run.")
    written = Written(stored.etag, stored.version_id)
    result = ledger.compressed(row, marker, written)
    return ledger.report(result)


@dataclass(slots=True)
class _Work:
    """One row being worked on."""

    row: Row
    job: Job
    workshop: Workshop
    ledger: Ledger = field(default_factory=Ledger)

    def result(self) -> RowResult:
        row, settings = self.row, self.job.settings
        if row.problem:
            raise invalid(row)
        if settings.backup_prefix and row.key.startswith(f"{settings.backup_prefix}/"):
            raise RowSkipped(SkipReason.BACKUP, "The key is under backup_prefix.")
        if has_run_folder(row.key):
            raise RowSkipped(SkipReason.BACKUP, "It is the copy of an original that a run made.")
        if not self.job.draws(row):
            raise RowSkipped(SkipReason.NOT_SAMPLED, "The row is not in the sample.")
        self.ledger.log(journal.downloading(row.key))
        with self.workshop.store.open(row.key) as (stored, body):
            self.ledger.stored = stored
            marker = stored.marker
            if marker and marker.describes(stored):
                return self._marked(stored, marker, body)
            with self._saved(stored, body) as file:
                if marker and marker.matches(stored.size, digests(file).sha256):
                    return self._marked(stored, marker, body, file)
                return self._compress(stored, stored, file)

    def _saved(self, stored: StoredObject, body: "StreamingBody") -> AbstractContextManager[Path]:
        return self.workshop.saved(self.row, stored, body, self.ledger, check_format)

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
            with self._saved(stored, body) as saved:
                return self._compress(stored, stored, saved, marker)
        if settings.from_original:
            return self._from_original(stored, marker)
        raise RowSkipped(
            SkipReason.LOSSY_BEFORE,
            f"Run {marker.run} compressed it{_at_quality(marker)}; a second lossy pass would cost "
            "quality twice. "
            "from_original starts from the original, if it is kept.",
        )

    def _from_original(self, stored: StoredObject, marker: Marker) -> RowResult:
        """Make the picture again from what it was before any run."""
        key, version = self.row.key, marker.origin_version
        if version is None:
            if marker.origin_backup is None:
                raise RowSkipped(
                    SkipReason.LOSSY_BEFORE,
                    f"Run {marker.run} compressed it{_at_quality(marker)}, and no version or "
                    "backup holds the original.",
                )
            key = f"{marker.origin_backup}/{key}"
        with (
            self.workshop.store.open(key, version) as (original, body),
            self._saved(original, body) as file,
        ):
            return self._compress(stored, original, file, marker)

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
        output = file.with_name(f"{file.name}.compressed")
        self.ledger.log(journal.compressing(str(file), header.format))
        request = CodecRequest(
            file, output, header, settings.perc_compression_quality, settings.effort
        )
        encoded = self.workshop.encode(request, source.size)
        size = output.stat().st_size
        self._check_savings(source.size, size)
        if settings.only_measures:
            self._take_sample(header, file, output)
            return self.ledger.measured(self.row, source, size, encoded)
        marker = self._marker(
            target,
            header,
            encoded,
            size,
            digests(output),
            before,
            remade=source is not target,
        )
        check_metadata({**target.metadata, METADATA_NAME: marker.to_metadata()})
        store = self.workshop.store
        if settings.backup_prefix:
            self._back_up(target, source, file)
        written, marker = store.replace(target, output, marker)
        self.ledger.log(journal.uploaded(self.row.key, store.bucket, size))
        self._take_sample(header, file, output)
        return self.ledger.compressed(self.row, marker, written)

    def _take_sample(self, header: ImageHeader, before: Path, after: Path) -> None:
        """Keep a piece of a picture for the report, where the run asks for some."""
        if is_drawn(self.job.run_id, self.row.number, self.job.settings.report_samples):
            self.ledger.sample = self.workshop.sample(header, before, after)

    def _marker(
        self,
        target: StoredObject,
        header: ImageHeader,
        encoded: Encoded,
        size: int,
        hashes: Digests,
        before: Marker | None,
        *,
        remade: bool,
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
            lossless=encoded.lossless and (before is None or before.lossless or remade),
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
            store.back_up(target, file, key)
        else:
            with store.open(self.row.key) as (current, body):
                copy = file.with_name(f"{file.name}.replaced")
                download(body, copy)
                store.back_up(current, copy, key)
        self.ledger.log(f"Original of {self.row.key} copied to {key}.")

    def _check_savings(self, before: int, after: int) -> None:
        least = self.job.settings.min_savings_percent
        if after >= before or (before - after) * 100 < least * before:
            raise RowSkipped(
                SkipReason.NOT_SMALLER,
                f"The result has {after:,} bytes, the original {before:,}; "
                f"min_savings_percent is {least}.",
            )


def _at_quality(marker: Marker) -> str:
    return " with loss" if marker.quality is None else f" at quality {marker.quality}"
