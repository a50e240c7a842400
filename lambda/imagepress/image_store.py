"""The images bucket: reading an object with all that belongs to it, and replacing just that.

A PUT resets every property that it does not name, so all are read with the bytes and sent again
in the same request, under the condition that the object still is the one that was read.
"""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError
from urllib3.exceptions import HTTPError

from imagepress.aws_errors import error_code, http_status, is_passing
from imagepress.errors import PassingError, RowFailed, RowSkipped
from imagepress.marker import METADATA_NAME, Marker, sha256_text
from imagepress.outcome import FailureCode, SkipReason

if TYPE_CHECKING:
    from botocore.response import StreamingBody
    from mypy_boto3_s3 import S3Client

BLOCK_BYTES = 1 << 20
MAX_PUT_BYTES = 5 << 30
MAX_METADATA_BYTES = 2048
NOT_FOUND = 404
PRECONDITION_FAILED = 412

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


@dataclass(frozen=True, slots=True)
class StoredObject:
    """One version of an object as it was read; `properties` are PutObject's own arguments."""

    key: str
    size: int
    etag: str
    version_id: str | None
    metadata: Mapping[str, str]
    properties: Mapping[str, Any]
    tag_count: int
    sha256: str | None

    @property
    def marker(self) -> Marker | None:
        """Who wrote this object, if one of our runs did."""
        return Marker.from_metadata(self.metadata)


@dataclass(frozen=True, slots=True)
class Written:
    """What a replacement became."""

    etag: str
    version_id: str | None


class ImageStore:
    """Reads and replaces the objects of one bucket; knows nothing of pictures."""

    def __init__(self, s3: "S3Client", bucket: str) -> None:
        self.bucket = bucket
        self._s3 = s3

    @contextmanager
    def open(self, key: str) -> "Iterator[tuple[StoredObject, StreamingBody]]":
        """One GET: the object's properties and its body; raise an outcome or `PassingError`."""
        try:
            answer = self._s3.get_object(Bucket=self.bucket, Key=key, ChecksumMode="ENABLED")
        except (ClientError, BotoCoreError, HTTPError) as error:
            raise _read_error(error, self.bucket, key) from error
        with closing(answer["Body"]) as body:
            yield _stored(key, answer), body

    def head(self, key: str) -> StoredObject | None:
        """The object without its body; None where there is none."""
        try:
            answer = self._s3.head_object(Bucket=self.bucket, Key=key, ChecksumMode="ENABLED")
        except (ClientError, BotoCoreError, HTTPError) as error:
            if isinstance(error, ClientError) and http_status(error) == NOT_FOUND:
                return None
            raise _read_error(error, self.bucket, key) from error
        return _stored(key, answer)

    def tags(self, stored: StoredObject) -> str | None:
        """The object's tags as PutObject takes them; no request where it has none."""
        if not stored.tag_count:
            return None
        version: dict[str, Any] = {"VersionId": stored.version_id} if stored.version_id else {}
        try:
            answer = self._s3.get_object_tagging(Bucket=self.bucket, Key=stored.key, **version)
        except (ClientError, BotoCoreError, HTTPError) as error:
            raise _read_error(error, self.bucket, stored.key) from error
        return urlencode([(tag["Key"], tag["Value"]) for tag in answer["TagSet"]])

    def replace(self, stored: StoredObject, file: Path, marker: Marker) -> Written:
        """Put `file` in place of the very object `stored`; raise an outcome or `PassingError`."""
        metadata = {**stored.metadata, METADATA_NAME: marker.to_metadata()}
        _check_metadata(metadata)
        arguments = dict(stored.properties)
        tags = self.tags(stored)
        if tags is not None:
            arguments["Tagging"] = tags
        try:
            with file.open("rb") as body:
                answer = self._s3.put_object(
                    Bucket=self.bucket,
                    Key=stored.key,
                    Body=body,
                    IfMatch=f'"{stored.etag}"',
                    ChecksumAlgorithm="SHA256",
                    ChecksumSHA256=marker.sha256,
                    Metadata=metadata,
                    **arguments,
                )
        except (ClientError, BotoCoreError, HTTPError) as error:
            return self._after_failed_put(error, stored, marker)
        return Written(_bare(answer["ETag"]), answer.get("VersionId"))

    def _after_failed_put(self, error: Exception, stored: StoredObject, marker: Marker) -> Written:
        """An answer can be lost after the write was applied: the object itself tells."""
        status = http_status(error) if isinstance(error, ClientError) else 0
        lost = is_passing(error)
        if not lost and status not in (NOT_FOUND, PRECONDITION_FAILED):
            raise _write_error(error, self.bucket, stored.key) from error
        current = self.head(stored.key)
        found = current.marker if current else None
        if current and found and found.run == marker.run and found.size == current.size:
            if found.row == marker.row:
                return Written(current.etag, current.version_id)
            raise duplicate_of(found) from error
        if lost:
            raise PassingError(f"Uploading {stored.key}: {error}") from error
        what = "was replaced" if current else "was deleted"
        raise RowFailed(
            FailureCode.CHANGED_MEANWHILE,
            f"The object {what} by somebody else while it was compressed; that change stays.",
        ) from error


def download(body: "StreamingBody", file: Path) -> str:
    """Save `body` as `file`; return its SHA-256 in base64, or raise an outcome/`PassingError`."""
    digest = hashlib.sha256()
    try:
        with file.open("wb") as stream:
            for block in _blocks(body):
                digest.update(block)
                stream.write(block)
    except OSError as error:
        raise RowFailed(
            FailureCode.NO_TEMP_SPACE, f"The download cannot be saved: {error}."
        ) from error
    return sha256_text(digest.digest())


def _blocks(body: "StreamingBody") -> Iterator[bytes]:
    try:
        yield from body.iter_chunks(BLOCK_BYTES)
    except (BotoCoreError, HTTPError, OSError) as error:
        raise PassingError(f"The download broke off: {error}") from error


def file_sha256(file: Path) -> str:
    """The SHA-256 of a file's bytes, in base64."""
    with file.open("rb") as stream:
        return sha256_text(hashlib.file_digest(stream, "sha256").digest())


def duplicate_of(found: Marker) -> RowSkipped:
    """The outcome of a row whose object another row of this run has replaced."""
    return RowSkipped(SkipReason.DUPLICATE, f"Row {found.row} of this run has the same key.")


def _stored(key: str, answer: Mapping[str, Any]) -> StoredObject:
    size = answer["ContentLength"]
    if size > MAX_PUT_BYTES:
        raise RowFailed(
            FailureCode.TOO_LARGE, f"The object has {size:,} bytes; a PUT takes {MAX_PUT_BYTES:,}."
        )
    encoding = answer.get("ContentEncoding", "")
    if encoding not in ("", "identity", "aws-chunked"):
        raise RowSkipped(
            SkipReason.CONTENT_ENCODED, f"The object is stored with Content-Encoding {encoding}."
        )
    if answer.get("ObjectLockMode") or answer.get("ObjectLockLegalHoldStatus") == "ON":
        raise RowSkipped(SkipReason.OBJECT_LOCKED, "The object is under Object Lock.")
    if answer.get("MissingMeta"):
        raise RowSkipped(
            SkipReason.METADATA_NOT_CARRIED, "Some of the object's metadata cannot be read."
        )
    properties = {name: answer[name] for name in CARRIED if answer.get(name) is not None}
    if answer.get("ExpiresString"):
        properties["Expires"] = _expires(answer["ExpiresString"])
    return StoredObject(
        key=key,
        size=size,
        etag=_bare(answer["ETag"]),
        version_id=answer.get("VersionId"),
        metadata=answer.get("Metadata", {}),
        properties=properties,
        tag_count=answer.get("TagCount", 0),
        sha256=answer.get("ChecksumSHA256") if _is_full(answer) else None,
    )


def _bare(etag: str) -> str:
    """An ETag without the quotes that it wears in a header."""
    return etag.strip('"')


def _is_full(answer: Mapping[str, Any]) -> bool:
    return bool(answer.get("ChecksumType", "FULL_OBJECT") == "FULL_OBJECT")


def _expires(text: str) -> Any:
    try:
        return parsedate_to_datetime(text)
    except ValueError:
        raise RowSkipped(
            SkipReason.METADATA_NOT_CARRIED, f"The object's Expires {text!r} is no date."
        ) from None


def _check_metadata(metadata: Mapping[str, str]) -> None:
    size = sum(len(name.encode()) + len(value.encode()) for name, value in metadata.items())
    if size > MAX_METADATA_BYTES:
        raise RowSkipped(
            SkipReason.METADATA_NOT_CARRIED,
            "The object's metadata leaves no room for the marker that prevents a second pass.",
        )
    if not all(value.isascii() for value in metadata.values()):
        raise RowSkipped(
            SkipReason.METADATA_NOT_CARRIED, "The object's metadata is not ASCII text."
        )


def _read_error(error: Exception, bucket: str, key: str) -> Exception:
    if is_passing(error):
        return PassingError(f"Reading {key}: {error}")
    if isinstance(error, ParamValidationError):
        return RowFailed(FailureCode.INVALID_ROW, f"The key cannot be asked for: {error}")
    if not isinstance(error, ClientError):
        return PassingError(f"Reading {key}: {error}")
    code, status = error_code(error), http_status(error)
    if code == "NoSuchBucket":
        return RowFailed(FailureCode.NOT_FOUND, f"There is no bucket {bucket}.")
    if status == NOT_FOUND:
        return RowFailed(FailureCode.NOT_FOUND, f"There is no such object in bucket {bucket}.")
    if code == "InvalidObjectState":
        return RowSkipped(SkipReason.ARCHIVED, "The object is archived; restore it first.")
    if code in ("AccessDenied", "403"):
        return RowFailed(
            FailureCode.ACCESS_DENIED, f"Reading the object is forbidden: {_detail(error)}"
        )
    if code == "InvalidRequest" and "Encryption" in str(error):
        return RowSkipped(
            SkipReason.CUSTOMER_KEY, "The object is encrypted with a key of the customer (SSE-C)."
        )
    return RowFailed(FailureCode.REQUEST_REFUSED, f"S3 refused to read the object: {error}")


def _write_error(error: Exception, bucket: str, key: str) -> Exception:
    if isinstance(error, ClientError) and error_code(error) in ("AccessDenied", "403"):
        return RowFailed(
            FailureCode.ACCESS_DENIED,
            f"Writing the object to bucket {bucket} is forbidden: {_detail(error)}",
        )
    if isinstance(error, (ClientError, ParamValidationError)):
        return RowFailed(FailureCode.REQUEST_REFUSED, f"S3 refused the replacement: {error}")
    return PassingError(f"Uploading {key}: {error}")


def _detail(error: ClientError) -> str:
    return error.response.get("Error", {}).get("Message", "") or str(error)
