"""An object as S3 describes it: every property that a PUT would otherwise reset."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

from imagepress.errors import RowFailed, RowSkipped
from imagepress.marker import Marker
from imagepress.outcome import FailureCode, SkipReason

MAX_PUT_BYTES = 5 << 30
MAX_METADATA_BYTES = 2048

CARRIED = (
    "CacheControl",
    "ContentDisposition",
    "ContentLanguage",
    "ContentType",
    "WebsiteRedirectLocation",
    "StorageClass",
    "ServerSideEncryption",
    "SSEKMSKeyId",
    "BucketKeyEnabled",
)
# Those that can be computed here, and S3's own default, which it computes by itself.
KNOWN_CHECKSUMS = ("SHA256", "SHA1", "CRC32")
DEFAULT_CHECKSUM = "CRC64NVME"


@dataclass(frozen=True, slots=True)
class StoredObject:
    """One version of an object as it was read; `properties` are PutObject's own arguments.

    `size` in bytes; `checksum` names the algorithm of the checksum that S3 keeps with it.
    """

    key: str
    size: int
    etag: str
    version_id: str | None
    metadata: Mapping[str, str]
    properties: Mapping[str, Any]
    tag_count: int
    sha256: str | None
    checksum: str | None
    last_modified: datetime | None = None

    @property
    def storage_class(self) -> str | None:
        """Its storage class; None: Standard, of which S3 says nothing."""
        name = self.properties.get("StorageClass")
        return None if name == "STANDARD" else name

    @property
    def marker(self) -> Marker | None:
        """Who wrote this object, if one of our runs did."""
        return Marker.from_metadata(self.metadata)


def stored_object(key: str, answer: Mapping[str, Any]) -> StoredObject:
    """Read the answer of a GET or HEAD; raise the outcome of an object that must be left alone."""
    size = answer["ContentLength"]
    if size > MAX_PUT_BYTES:
        raise RowFailed(
            FailureCode.TOO_LARGE, f"The object has {size:,} bytes; a PUT takes {MAX_PUT_BYTES:,}."
        )
    _check_left_alone(answer)
    checksum = _checksum(answer)
    properties = {name: answer[name] for name in CARRIED if answer.get(name) is not None}
    if answer.get("ExpiresString"):
        properties["Expires"] = _expires(answer["ExpiresString"])
    is_whole = answer.get("ChecksumType", "FULL_OBJECT") == "FULL_OBJECT"
    return StoredObject(
        key=key,
        size=size,
        etag=bare_etag(answer["ETag"]),
        version_id=answer.get("VersionId"),
        metadata=answer.get("Metadata", {}),
        properties=properties,
        tag_count=answer.get("TagCount", 0),
        sha256=answer.get("ChecksumSHA256") if is_whole else None,
        checksum=checksum,
        last_modified=answer.get("LastModified"),
    )


def check_metadata(metadata: Mapping[str, str]) -> None:
    """Raise `RowSkipped` unless S3 will take this user metadata back as it is."""
    size = sum(len(name.encode()) + len(value.encode()) for name, value in metadata.items())
    if size > MAX_METADATA_BYTES:
        raise _not_carried("leaves no room for the marker that prevents a second pass")
    if not all(value.isascii() for value in metadata.values()):
        raise _not_carried("is not ASCII text")


def bare_etag(etag: str) -> str:
    """An ETag without the quotes that it wears in a header."""
    return etag.strip('"')


def _check_left_alone(answer: Mapping[str, Any]) -> None:
    encoding = answer.get("ContentEncoding", "")
    if encoding not in ("", "identity", "aws-chunked"):
        raise RowSkipped(
            SkipReason.CONTENT_ENCODED, f"The object is stored with Content-Encoding {encoding}."
        )
    locks = ("ObjectLockMode", "ObjectLockRetainUntilDate", "ObjectLockEventHold")
    if any(answer.get(lock) for lock in locks) or answer.get("ObjectLockLegalHoldStatus") == "ON":
        raise RowSkipped(SkipReason.OBJECT_LOCKED, "The object is under Object Lock.")
    if answer.get("MissingMeta"):
        raise _not_carried("cannot be read in full")
    if answer.get("SSECustomerAlgorithm"):
        raise RowSkipped(
            SkipReason.CUSTOMER_KEY, "The object is encrypted with a key of the customer (SSE-C)."
        )


def _checksum(answer: Mapping[str, Any]) -> str | None:
    found = [
        name.removeprefix("Checksum")
        for name in answer
        if name.startswith("Checksum") and name != "ChecksumType"
    ]
    for algorithm in found:
        if algorithm not in (*KNOWN_CHECKSUMS, DEFAULT_CHECKSUM):
            raise RowSkipped(
                SkipReason.METADATA_NOT_CARRIED,
                f"The object's checksum algorithm {algorithm} cannot be kept.",
            )
    return found[0] if found else None


def _expires(text: str) -> Any:
    try:
        return parsedate_to_datetime(text)
    except ValueError:
        raise RowSkipped(
            SkipReason.METADATA_NOT_CARRIED, f"The object's Expires {text!r} is no date."
        ) from None


def _not_carried(why: str) -> RowSkipped:
    return RowSkipped(SkipReason.METADATA_NOT_CARRIED, f"The object's user metadata {why}.")
