"""What is known of a row while it is worked on, and the results that come of it."""

import time
from dataclasses import dataclass, field

from imagepress import journal
from imagepress.codec_protocol import Encoded
from imagepress.errors import RowFailed, RowSkipped
from imagepress.image_header import ImageHeader
from imagepress.image_store import Written
from imagepress.journal import Event
from imagepress.manifest import Row
from imagepress.marker import Marker
from imagepress.outcome import Outcome, RowResult, SkipReason
from imagepress.part import RowReport
from imagepress.sample import Sample
from imagepress.stored_object import StoredObject
from imagepress.undo import Undo

DAY_SECONDS = 24 * 3600


@dataclass(slots=True)
class Ledger:
    """What is known of a row so far; it fills up as the row goes on."""

    started: float = field(default_factory=time.monotonic)
    events: list[Event] = field(default_factory=list)
    stored: StoredObject | None = None
    header: ImageHeader | None = None
    sample: Sample | None = None

    def log(self, message: str, level: str = journal.INFO) -> None:
        """Note an action."""
        self.events.append(Event(time.time(), level, message))

    def compressed(self, row: Row, marker: Marker, written: Written) -> RowResult:
        """The result of a row whose object was replaced."""
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
            storage_class=self._storage_class,
            age_days=self._age_days(marker),
        )

    def measured(self, row: Row, source: StoredObject, size: int, encoded: Encoded) -> RowResult:
        """The result of a dry run's row."""
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
            message="It would be replaced; this is a dry run.",
            storage_class=source.storage_class,
        )

    def left(self, row: Row, why: RowSkipped | RowFailed) -> RowResult:
        """The result of a row whose object stays, and why."""
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
            storage_class=self._storage_class,
        )

    @property
    def _storage_class(self) -> str | None:
        return self.stored.storage_class if self.stored else None

    def _age_days(self, marker: Marker) -> int | None:
        """How old the replaced object was, where its class makes that count and it was seen."""
        stored = self.stored
        if stored is None or stored.storage_class is None or stored.etag != marker.etag_before:
            return None
        if stored.last_modified is None:
            return None
        return int((time.time() - stored.last_modified.timestamp()) // DAY_SECONDS)

    def _seconds(self) -> float:
        return round(time.monotonic() - self.started, 3)

    def restored(self, row: Row, undo: Undo, original: StoredObject, written: Written) -> RowResult:
        """The result of a row whose original is back, whichever attempt brought it."""
        return RowResult(
            row=row.number,
            path=row.key,
            outcome=Outcome.RESTORED,
            bytes_before=int(undo.bytes_after),
            bytes_after=original.size,
            seconds=self._seconds(),
            etag_before=undo.etag_after,
            etag_after=written.etag,
            version_before=undo.version_after or None,
            version_after=written.version_id,
        )

    def report(self, result: RowResult) -> RowReport:
        """The row's result with its events."""
        return RowReport(result, tuple(self.events), self.sample)
