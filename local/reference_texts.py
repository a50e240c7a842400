"""What the fields of files and answers mean, for docs/reference.md; tests compare the names.

The meaning of reasons is in `imagepress.advice`, that of parameters in `imagepress.settings`.
"""

from collections.abc import Mapping

from imagepress.command_line import ALL_WELL, BAD_USE, INTERRUPTED, ROWS_FAILED
from imagepress.outcome import Outcome
from imagepress.run import RunStatus

DEFAULTS: Mapping[str, str] = {
    "bucket_name": "the stack's, if it has only one",
    "csv_path": "this or `prefix`",
    "prefix": "this or `csv_path`",
    "client_token": "none",
}

OUTCOMES: Mapping[Outcome, str] = {
    Outcome.COMPRESSED: "Replaced by a smaller, verified picture.",
    Outcome.SKIPPED: "Left as it is, on purpose; the reason says why.",
    Outcome.FAILED: "Left as it is, because something went wrong; the reason says what.",
    Outcome.RESTORED: "The original is back (rows of a restore).",
}

STATUSES: Mapping[RunStatus, str] = {
    RunStatus.RUNNING: "Rows are being sent out or worked on.",
    RunStatus.STOPPING: "It is to end early: what has begun ends, nothing else begins.",
    RunStatus.REPORTING: "Nothing is at work any more; log and results are being written.",
    RunStatus.COMPLETED: "Every row has had its turn; single rows may have failed.",
    RunStatus.FAILED: "Refused at its start, or its list could not be read to the end.",
    RunStatus.CANCELLED: "Somebody stopped it.",
    RunStatus.ABORTED: "It stopped itself: more than `stop_at_failure_percent` of its rows failed.",
}

EXIT_CODES: Mapping[int, str] = {
    ALL_WELL: "The run is COMPLETED and no row failed; or what was asked for is shown or done.",
    ROWS_FAILED: "Rows failed, or the run is FAILED or ABORTED.",
    BAD_USE: "Wrong arguments, no credentials, no such run or stack: nothing was started.",
    INTERRUPTED: "Ctrl-C or SIGTERM, or the run is CANCELLED.",
}

ACTIONS: Mapping[str, str] = {
    "status": "How the run `run_id` stands.",
    "list": "The newest 50 runs, the last one first; it takes no `run_id`.",
    "cancel": "Stops the run `run_id`. May be repeated; a run that is over stays as it is.",
    "restore": "Starts a run that puts back what the run `run_id` replaced. `client_token` makes "
    "a repeated call the same restore.",
}

RESULT_COLUMNS: Mapping[str, str] = {
    "row": "Number of the row in the list, from 1.",
    "path": "The key. One that a spreadsheet would take for a formula begins with `'`.",
    "outcome": "See [Outcomes](#outcomes).",
    "reason": "See [Reasons](#reasons); empty where COMPRESSED or RESTORED.",
    "format": "`JPEG` or `PNG`, from the content.",
    "bytes_before": "Size of the object that was read.",
    "bytes_after": "Size of what replaced it, or would have in a dry run.",
    "encoder": "What made the result.",
    "quality": "The quality asked for; empty where nothing was lossy.",
    "seconds": "Seconds that the row took, in the try that ended it.",
    "etag_before": "ETag that was read.",
    "etag_after": "ETag of what was written.",
    "version_before": "VersionId that was replaced, where the bucket has versions.",
    "version_after": "VersionId of what was written.",
    "message": "One sentence for people; guarded like `path`.",
}

FAILED_COLUMNS: Mapping[str, str] = {
    "path": "The key, as it was in the list: the file is itself a list for a run.",
    "reason": "Why it failed. INVALID_ROW is not in this file: there is no key to try.",
    "message": "One sentence for people.",
}

UNDO_COLUMNS: Mapping[str, str] = {
    "path": "The key, as it was in the list.",
    "etag_after": "ETag of what the run wrote: an object with another one was changed later.",
    "version_after": "VersionId of what the run wrote; empty without versioning.",
    "etag_before": "ETag of the original.",
    "version_before": "VersionId of the original: where a restore reads it; empty without "
    "versioning.",
    "backup": "Key of the copy under `backup_prefix`; empty without one.",
    "bytes_after": "Size of what the run wrote.",
}

SUMMARY_FIELDS: Mapping[str, str] = {
    "run_id": "The run; it sorts by time.",
    "status": "How it ended.",
    "message": "Why it ended early; else empty.",
    "notes": "What should be known of the run, such as that it cannot be undone.",
    "version": "Version of imagepress that wrote the report.",
    "source": "Where the list came from.",
    "bucket_name": "Bucket of the images.",
    "restores": "The run that this one undoes; else null.",
    "parameters": "The run parameters in force, defaults included.",
    "started": "UTC.",
    "finished": "UTC.",
    "seconds": "From start to end of the run.",
    "work_seconds": "Sum of all rows' seconds.",
    "rows": "Rows of the list.",
    "outcomes": "Rows by outcome; RESTORED only where there are any.",
    "reasons": "Rows by reason.",
    "encoders": "Rows by encoder.",
    "formats": "By format: `images`, `compressed`, `bytes_before`, `bytes_after`.",
    "bytes_before": "Sum over the objects that were read.",
    "bytes_after": "The same after the run; what stayed counts with its size.",
    "bytes_saved": "The difference. Versions and backups of originals still take their place.",
    "saved_percent": "The difference, of `bytes_before`.",
    "bytes_saved_now": "Where something was replaced: what the bucket is smaller by today, with "
    "the originals that are kept; negative where it has grown.",
    "bytes_saved_after_retention": "The same when kept originals have expired, if that is known.",
    "undo_until": "Where something was replaced: the last day on which the versions are sure to be "
    "there, null where they do not expire; missing where that is not known.",
    "cost": "Requests, seconds and dollars of the run, and what it saves a month, as far as known: "
    "see [Costs](costs.md).",
    "dry_run": "Dry runs only: `rows_drawn`; `would_compress` and `bytes_saved` for all rows, with "
    "the savings' 95 % interval in `interval_95`; `bytes_before_drawn` and `bytes_saved_drawn`, of "
    "those drawn that would be compressed.",
    "undo": "What holds the originals: `versions`, `backup` or `none`.",
    "files": "Where `log`, `results`, `failed`, `undo`, `report` and `summary` are.",
}

START_FIELDS: Mapping[str, str] = {
    "run_id": "The run.",
    "status": "RUNNING; REPORTING where there is nothing to do; FAILED where it is refused. A "
    "repeated call tells how the run stands.",
    "message": "Why it is refused; else empty.",
    "estimated_rows": "Rows, estimated from the list's size until they are counted.",
    "estimated_chunks": "Messages that they make.",
    "chunk_size": "Rows a message.",
    "log": "Where it will be.",
    "results": "Where it will be.",
    "failed": "Where it will be.",
    "undo": "Where it will be.",
    "report": "Where it will be.",
    "summary": "Where it will be.",
    "bucket_name": "Bucket of the images.",
    "parameters": "The run parameters in force.",
    "notes": "What should be known of the run.",
}

STATUS_FIELDS: Mapping[str, str] = {
    "run_id": "The run.",
    "status": "See [Statuses](#statuses).",
    "message": "Why it ends early; else empty.",
    "started": "UTC.",
    "updated": "When its record was last changed, UTC.",
    "source": "Where the list came from.",
    "bucket_name": "Bucket of the images.",
    "restores": "The run that this one undoes; else null.",
    "rows_total": "Rows of the list; null until all are sent out.",
    "rows_done": "Rows that have ended.",
    "chunks_total": "Messages in all; null until all are sent out.",
    "chunks_done": "Messages that are done.",
    "outcomes": "Rows by outcome so far.",
    "bytes_before": "So far, as in `summary.json`.",
    "bytes_after": "So far.",
    "bytes_saved": "So far.",
    "parameters": "The run parameters in force.",
    "notes": "What should be known of the run.",
    "files": "Where `log`, `results`, `failed`, `undo`, `report` and `summary` are, or will be.",
}

LIST_FIELDS: Mapping[str, str] = {
    "runs": "Of each run the first nine fields of `status`: `run_id` to `rows_total`.",
}

CANCEL_FIELDS: Mapping[str, str] = {
    "run_id": "The run.",
    "status": "How it stands now.",
    "message": "Why it ends early.",
}
