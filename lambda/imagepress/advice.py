"""What each reason means to whoever reads a run's page, and what can be done about it."""

from collections.abc import Mapping
from dataclasses import dataclass

from imagepress.outcome import FailureCode, SkipReason

ASK_AGAIN = "Upload failed.csv to the trigger bucket as a new run."


@dataclass(frozen=True, slots=True)
class Advice:
    """One sentence or two each; `action` is empty where nothing has to be done."""

    meaning: str
    action: str = ""


ADVICE: Mapping[SkipReason | FailureCode, Advice] = {
    SkipReason.ALREADY_COMPRESSED: Advice("A run with the same settings has done it already."),
    SkipReason.LOSSY_BEFORE: Advice(
        "Compressed before at another quality; a second lossy pass would cost quality twice.",
        "from_original starts from the original, if it is kept; quality 100 packs it without loss.",
    ),
    SkipReason.NOT_SMALLER: Advice("The result would not have saved min_savings_percent."),
    SkipReason.UNSUPPORTED_FORMAT: Advice(
        "Neither PNG nor JPEG, whatever its extension says.", "Leave it out of the list."
    ),
    SkipReason.UNSUPPORTED_IMAGE: Advice(
        "Something in the file would be lost: several pictures, signed content credentials, data "
        "behind the picture, or a kind of JPEG that few programs read."
    ),
    SkipReason.CONTENT_ENCODED: Advice(
        "Stored with a Content-Encoding such as gzip.", "Store it without, if it should shrink."
    ),
    SkipReason.ARCHIVED: Advice(
        "In an archive storage class.", "Restore it in S3, then list it in another run."
    ),
    SkipReason.CUSTOMER_KEY: Advice("Encrypted with a customer's own key (SSE-C)."),
    SkipReason.OBJECT_LOCKED: Advice("Under Object Lock or a legal hold."),
    SkipReason.METADATA_NOT_CARRIED: Advice(
        "Its metadata or kind of checksum could not be kept.", "results.csv names which."
    ),
    SkipReason.DUPLICATE: Advice("Another row has the same key, and was first."),
    SkipReason.CANCELLED: Advice(
        "The run was stopped before this row's turn.", "Start the run again: nothing is done twice."
    ),
    SkipReason.BACKUP: Advice("A copy of an original, made by this run or another."),
    SkipReason.FOREIGN_OWNER: Advice("It belongs to another account, and would not any more."),
    SkipReason.ANNOTATED: Advice("It has object annotations, which a write would lose."),
    SkipReason.DRY_RUN: Advice(
        "It would be replaced; this was a dry run.", "Run again without dry_run to compress it."
    ),
    SkipReason.NOT_SAMPLED: Advice("The dry run did not draw this row."),
    SkipReason.CHANGED_LATER: Advice("Somebody changed or deleted it after the run: it stays."),
    FailureCode.INVALID_ROW: Advice(
        "The row is no usable key: empty, too long, not UTF-8, or with an open quote.",
        "Correct the row in the list.",
    ),
    FailureCode.NOT_FOUND: Advice("There is no such object.", "Check the key in the list."),
    FailureCode.ACCESS_DENIED: Advice(
        "S3 forbids it.", "Look at the bucket's policy and its KMS key."
    ),
    FailureCode.CORRUPT_IMAGE: Advice(
        "The file is damaged; it was left as it is.", "Upload the picture again from its source."
    ),
    FailureCode.TOO_MANY_PIXELS: Advice(
        "The picture has more pixels than max_image_pixels.",
        "Raise max_image_pixels if the picture is meant to be that large.",
    ),
    FailureCode.TOO_LARGE_FOR_MEMORY: Advice(
        "The picture does not fit into the compressor's memory.",
        "Raise the compressor's memory_mb; the message says how much it takes.",
    ),
    FailureCode.TOO_LARGE: Advice("The object is over 5 GB."),
    FailureCode.NO_TEMP_SPACE: Advice("temp_dir is too small.", "Raise the compressor's tmp_mb."),
    FailureCode.CHANGED_MEANWHILE: Advice(
        "Somebody replaced or deleted the object during the work; that change stays.", ASK_AGAIN
    ),
    FailureCode.NO_ORIGINAL: Advice("Nothing holds the original any more."),
    FailureCode.BACKUP_FAILED: Advice(
        "The copy under backup_prefix could not be made, so nothing was replaced.", ASK_AGAIN
    ),
    FailureCode.UNFAITHFUL: Advice(
        "The compressed picture did not prove equal; the original stays.",
        "Report the picture: this should not happen.",
    ),
    FailureCode.CODEC_CRASHED: Advice(
        "The codec died on this picture; the original stays.",
        "Open and save the picture with another program, then try again.",
    ),
    FailureCode.CODEC_TIMEOUT: Advice(
        "The codec took too long on this picture; the original stays.",
        "Try again with effort fast.",
    ),
    FailureCode.REQUEST_REFUSED: Advice("S3 refused, for the reason in the message."),
    FailureCode.RETRIES_EXHAUSTED: Advice("Passing errors, several times in a row.", ASK_AGAIN),
    FailureCode.WORKER_LOST: Advice(
        "The worker died with this picture in hand, several times.",
        "Raise the compressor's memory_mb, then try failed.csv again.",
    ),
    FailureCode.RUN_FAILED: Advice("The run ended before this row's turn.", ASK_AGAIN),
}
