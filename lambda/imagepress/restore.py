"""Undoing one row of a run: the original comes back, but only where nobody changed it later.

The original is read with everything that belongs to it, and put in place of the very object that
the run wrote. An object that is the original already is done: so a retry finds its own work.
"""

from pathlib import Path

from imagepress import journal
from imagepress.aws_errors import is_passing, passing
from imagepress.errors import RowFailed, RowSkipped
from imagepress.image_store import (
    FAULTS,
    Digests,
    ImageStore,
    Written,
    digests,
    download,
    is_precondition,
)
from imagepress.ledger import Ledger
from imagepress.manifest import Row
from imagepress.outcome import FailureCode, RowResult, SkipReason
from imagepress.part import RowReport
from imagepress.store_errors import write_error
from imagepress.stored_object import StoredObject
from imagepress.undo import UNDO_COLUMNS, Undo
from imagepress.workshop import Workshop


def put_back(row: Row, workshop: Workshop) -> RowReport:
    """Restore the object of one row; raise `PassingError` where the row should come back."""
    ledger = Ledger()
    try:
        if row.problem or len(row.extra) != len(UNDO_COLUMNS):
            raise RowFailed(FailureCode.INVALID_ROW, f"Row {row.number}: {row.problem}.")
        result = _put_back(row, Undo.of(row.extra), workshop, ledger)
    except (RowSkipped, RowFailed) as outcome:
        result = ledger.left(row, outcome)
    return ledger.report(result)


def last_look(row: Row, store: ImageStore, given_up: RowFailed | RowSkipped) -> RowReport:
    """The report of a row that is given up: an attempt may have restored it and died unheard."""
    ledger = Ledger()
    if row.problem or len(row.extra) != len(UNDO_COLUMNS):
        return ledger.report(ledger.left(row, given_up))
    try:
        current = store.head(row.key)
    except (RowSkipped, RowFailed):
        return ledger.report(ledger.left(row, given_up))
    undo = Undo.of(row.extra)
    if current is None or current.etag != undo.etag_before:
        return ledger.report(ledger.left(row, given_up))
    written = Written(current.etag, current.version_id)
    return ledger.report(ledger.restored(row, undo, current, written))


def _put_back(row: Row, undo: Undo, workshop: Workshop, ledger: Ledger) -> RowResult:
    store = workshop.store
    current = store.head(row.key)
    if current is None:
        raise _changed_later("was deleted")
    ledger.stored = current
    key = row.key if undo.version_before else undo.backup
    if not key:
        raise RowFailed(
            FailureCode.NO_ORIGINAL, "Neither a version nor a backup holds the original."
        )
    ledger.log(journal.downloading(key))
    try:
        with (
            store.open(key, undo.version_before or None) as (original, body),
            workshop.saved(row, original, body, ledger) as file,
        ):
            written = _write(row, undo, original, file, digests(file), current, store)
    except RowFailed as failed:
        if failed.code is FailureCode.NOT_FOUND:
            raise RowFailed(
                FailureCode.NO_ORIGINAL, "The version or backup that held the original is gone."
            ) from failed
        raise
    ledger.log(f"Original of {row.key} put back with size {journal.megabytes(original.size)}.")
    return ledger.restored(row, undo, original, written)


def _write(
    row: Row,
    undo: Undo,
    original: StoredObject,
    file: Path,
    hashes: Digests,
    current: StoredObject,
    store: ImageStore,
) -> Written:
    if not _is_what_the_run_wrote(current, undo):
        return _as_it_should_be(row, original, file, hashes, current, store)
    try:
        return store.put(
            original,
            file,
            hashes,
            metadata=original.metadata,
            if_match=current.etag,
            key=row.key,
        )
    except FAULTS as error:
        if not is_passing(error) and not is_precondition(error):
            raise write_error(error, store.bucket, row.key) from error
        now = store.head(row.key)
        if now is None:
            raise _changed_later("was deleted") from error
        if _is_what_the_run_wrote(now, undo):
            raise passing(f"Restoring {row.key}", error) from error
        return _as_it_should_be(row, original, file, hashes, now, store)


def _is_what_the_run_wrote(current: StoredObject, undo: Undo) -> bool:
    same_version = not undo.version_after or current.version_id == undo.version_after
    return current.etag == undo.etag_after and same_version and current.marker is not None


def _as_it_should_be(
    row: Row,
    original: StoredObject,
    file: Path,
    hashes: Digests,
    current: StoredObject,
    store: ImageStore,
) -> Written:
    """The object that is there, if it is the original; else somebody changed it later."""
    if current.size != original.size or current.marker != original.marker:
        raise _changed_later("was changed")
    if current.etag not in (original.etag, hashes.md5) and current.sha256 != hashes.sha256:
        with store.open(row.key) as (_, body):
            there = file.with_name(f"{file.name}.current")
            download(body, there)
            if digests(there).sha256 != hashes.sha256:
                raise _changed_later("was changed")
    return Written(current.etag, current.version_id)


def _changed_later(how: str) -> RowSkipped:
    return RowSkipped(
        SkipReason.CHANGED_LATER, f"The object {how} after the run had written it; it stays."
    )
