"""The images bucket: reading an object with all that belongs to it, and replacing just that.

A PUT resets every property that it does not name, so all are read with the bytes and sent again
in the same request, under the condition that the object still is the one that was read.
"""

import hashlib
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from botocore.exceptions import BotoCoreError, ClientError
from urllib3.exceptions import HTTPError

from imagepress.aws_errors import http_status, is_passing, passing
from imagepress.errors import RowFailed, RowSkipped
from imagepress.marker import METADATA_NAME, Marker, base64_text
from imagepress.outcome import FailureCode, SkipReason
from imagepress.store_errors import annotations_error, read_error, write_error
from imagepress.stored_object import StoredObject, bare_etag, check_metadata, stored_object

if TYPE_CHECKING:
    from botocore.response import StreamingBody
    from mypy_boto3_s3 import S3Client

BLOCK_BYTES = 1 << 20
BEGINNING_BYTES = 1 << 14
NOT_FOUND = 404
PRECONDITION_FAILED = 412
FAULTS = (ClientError, BotoCoreError, HTTPError)

_GRANT_ARGUMENTS = {
    "FULL_CONTROL": "GrantFullControl",
    "READ": "GrantRead",
    "READ_ACP": "GrantReadACP",
    "WRITE_ACP": "GrantWriteACP",
}


@dataclass(frozen=True, slots=True)
class Written:
    """What a replacement became."""

    etag: str
    version_id: str | None


@dataclass(frozen=True, slots=True)
class Digests:
    """Of a file's bytes: SHA-256 in base64, MD5 in hexadecimal."""

    sha256: str
    md5: str


class ImageStore:
    """Reads and replaces the objects of one bucket; knows nothing of pictures.

    `acl_owner` is the bucket owner's canonical id where the bucket has ACLs on, else None;
    with `check_annotations` an object that has some is never replaced.
    """

    def __init__(
        self,
        s3: "S3Client",
        bucket: str,
        acl_owner: str | None = None,
        *,
        check_annotations: bool = True,
    ) -> None:
        self.bucket = bucket
        self._check_annotations = check_annotations
        self._s3 = s3
        self._acl_owner = acl_owner
        self._may_read_tags = False

    @contextmanager
    def open(
        self, key: str, version_id: str | None = None
    ) -> "Iterator[tuple[StoredObject, StreamingBody]]":
        """One GET: the object's properties and its body; raise an outcome or `PassingError`."""
        try:
            answer = self._s3.get_object(
                Bucket=self.bucket, Key=key, ChecksumMode="ENABLED", **_version(version_id)
            )
        except FAULTS as error:
            raise read_error(error, self.bucket, key) from error
        with closing(answer["Body"]) as body:
            yield stored_object(key, answer), body

    def head(self, key: str) -> StoredObject | None:
        """The object without its body; None where there is none."""
        try:
            answer = self._s3.head_object(Bucket=self.bucket, Key=key, ChecksumMode="ENABLED")
        except FAULTS as error:
            if isinstance(error, ClientError) and http_status(error) == NOT_FOUND:
                return None
            raise read_error(error, self.bucket, key) from error
        return stored_object(key, answer)

    def replace(self, stored: StoredObject, file: Path, marker: Marker) -> tuple[Written, Marker]:
        """Put `file` in place of the very object `stored`; raise an outcome or `PassingError`.

        The ETag does not see a change of metadata, tags or ACL, so these are read last: what was
        changed since the download is taken over, and the marker that is returned names the
        version that was really replaced.
        """
        latest = self._latest(stored)
        if latest is None:
            return self._lost_race(None, stored, marker)
        marker = marker.replacing(stored.version_id, latest.version_id)
        metadata = {**latest.metadata, METADATA_NAME: marker.to_metadata()}
        check_metadata(metadata)
        try:
            hashes = Digests(marker.sha256, marker.md5)
            written = self.put(latest, file, hashes, metadata=metadata, if_match=stored.etag)
        except FAULTS as error:
            return self._lost_race(error, stored, marker)
        return written, marker

    def put(
        self,
        like: StoredObject,
        file: Path,
        hashes: Digests,
        *,
        metadata: Mapping[str, str],
        if_match: str | None = None,
        key: str | None = None,
    ) -> Written:
        """Put `file` with the properties, tags and grants of `like`; SDK errors rise as they are.

        `if_match` is the ETag that the object must have; None: there must be no object. What would
        be lost with the object is an outcome: raises `RowSkipped`.
        """
        arguments: dict[str, Any] = {
            **like.properties,
            **self._tags(like),
            **self._grants(like),
            **_checksum_argument(like.checksum, file, hashes),
            **({"IfMatch": f'"{if_match}"'} if if_match else {"IfNoneMatch": "*"}),
        }
        if if_match and self._check_annotations:
            self._refuse_annotated(key or like.key)
        with file.open("rb") as body:
            answer = self._s3.put_object(
                Bucket=self.bucket,
                Key=key or like.key,
                Body=body,
                Metadata=dict(metadata),
                **arguments,
            )
        return Written(bare_etag(answer["ETag"]), answer.get("VersionId"))

    def back_up(self, stored: StoredObject, file: Path, key: str) -> None:
        """Copy an original to `key`, never over a copy that is there; raise an outcome."""
        try:
            self.put(stored, file, digests(file), metadata=stored.metadata, key=key)
        except FAULTS as error:
            if is_passing(error):
                raise passing(f"Backing up {stored.key}", error) from error
            if not is_precondition(error):
                raise RowFailed(
                    FailureCode.BACKUP_FAILED, f"The original cannot be copied to {key}: {error}"
                ) from error
            # An earlier attempt of this row made it: it must be the very original.
            there = self.head(key)
            if there is None or there.size != stored.size:
                raise RowFailed(
                    FailureCode.BACKUP_FAILED, f"There is another object at {key} already."
                ) from error

    def _latest(self, stored: StoredObject) -> StoredObject | None:
        """The object as it is now, if its bytes still are those that were read."""
        current = self.head(stored.key)
        if current is None or current.etag != stored.etag:
            return None
        # Not every store tells the number of tags in a HEAD.
        tag_count = max(stored.tag_count, current.tag_count)
        return replace(current, sha256=stored.sha256, tag_count=tag_count)

    def _tags(self, stored: StoredObject) -> dict[str, Any]:
        """The object's tags as PutObject takes them; no request where it has none.

        S3 counts tags only for who may read them: to others an object seems to have none. So they
        are asked for once, whatever the count says, and a refusal fails the row.
        """
        if not stored.tag_count and self._may_read_tags:
            return {}
        try:
            answer = self._s3.get_object_tagging(
                Bucket=self.bucket, Key=stored.key, **_version(stored.version_id)
            )
        except FAULTS as error:
            raise read_error(error, self.bucket, stored.key) from error
        self._may_read_tags = True
        if not answer["TagSet"]:
            return {}
        return {"Tagging": urlencode([(tag["Key"], tag["Value"]) for tag in answer["TagSet"]])}

    def _grants(self, stored: StoredObject) -> dict[str, Any]:
        """The object's ACL as PutObject takes it; no request where the bucket has ACLs off."""
        if self._acl_owner is None:
            return {}
        try:
            answer = self._s3.get_object_acl(
                Bucket=self.bucket, Key=stored.key, **_version(stored.version_id)
            )
        except FAULTS as error:
            raise read_error(error, self.bucket, stored.key) from error
        owner = answer["Owner"]["ID"]
        if owner != self._acl_owner:
            raise RowSkipped(
                SkipReason.FOREIGN_OWNER,
                f"The object belongs to another account ({owner}), and would not any more.",
            )
        grants: dict[str, list[str]] = {}
        for grant in answer["Grants"]:
            grants.setdefault(_GRANT_ARGUMENTS[grant["Permission"]], []).append(
                _grantee(grant["Grantee"])
            )
        if grants == {"GrantFullControl": [f'id="{owner}"']}:
            return {}
        return {name: ", ".join(grantees) for name, grantees in grants.items()}

    def _refuse_annotated(self, key: str) -> None:
        """Raise `RowSkipped` for an object with annotations: no PUT can carry them over."""
        try:
            answer = self._s3.list_object_annotations(
                Bucket=self.bucket, Key=key, MaxAnnotationResults=1
            )
        except FAULTS as error:
            raise annotations_error(error, self.bucket, key) from error
        if answer.get("Annotations"):
            raise RowSkipped(
                SkipReason.ANNOTATED, "The object has annotations, which a replacement would lose."
            )

    def _lost_race(
        self, error: Exception | None, stored: StoredObject, marker: Marker
    ) -> tuple[Written, Marker]:
        """An answer can be lost after the write was applied: the object itself tells."""
        if error and not is_passing(error) and not is_precondition(error):
            raise write_error(error, self.bucket, stored.key) from error
        current = self.head(stored.key)
        found = current.marker if current else None
        if current and found and found.run == marker.run and found.size == current.size:
            if found.row == marker.row:
                return Written(current.etag, current.version_id), found
            raise duplicate_of(found) from error
        if error and is_passing(error):
            raise passing(f"Uploading {stored.key}", error) from error
        what = "was replaced" if current else "was deleted"
        raise RowFailed(
            FailureCode.CHANGED_MEANWHILE,
            f"The object {what} by somebody else while it was compressed; that change stays.",
        ) from error


def download(
    body: "StreamingBody", file: Path, check: Callable[[bytes], None] = lambda _: None
) -> None:
    """Save `body` as `file`; raise an outcome or `PassingError`.

    `check` sees the beginning, and may raise an outcome before the rest is asked for.
    """
    try:
        with file.open("wb") as stream:
            for number, block in enumerate(_blocks(body)):
                if not number:
                    check(block)
                stream.write(block)
    except OSError as error:
        raise RowFailed(
            FailureCode.NO_TEMP_SPACE, f"The download cannot be saved: {error}."
        ) from error


def digests(file: Path) -> Digests:
    """What a file's bytes hash to."""
    sha256, md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
    with file.open("rb") as stream:
        while block := stream.read(BLOCK_BYTES):
            sha256.update(block)
            md5.update(block)
    return Digests(base64_text(sha256.digest()), md5.hexdigest())


def is_precondition(error: Exception) -> bool:
    """Whether a conditional write found another object than it was meant for, or none."""
    refused = (NOT_FOUND, PRECONDITION_FAILED)
    return isinstance(error, ClientError) and http_status(error) in refused


def duplicate_of(found: Marker) -> RowSkipped:
    """The outcome of a row whose object another row of this run has replaced."""
    return RowSkipped(SkipReason.DUPLICATE, f"Row {found.row} of this run has the same key.")


def _blocks(body: "StreamingBody") -> Iterator[bytes]:
    try:
        yield body.read(BEGINNING_BYTES)
        yield from body.iter_chunks(BLOCK_BYTES)
    except (BotoCoreError, HTTPError, OSError) as error:
        raise passing("The download broke off", error) from error


def _checksum_argument(algorithm: str | None, file: Path, hashes: Digests) -> dict[str, str]:
    """A checksum of the kind that the object had; S3 computes its own default by itself."""
    match algorithm:
        case "SHA256":
            return {"ChecksumSHA256": hashes.sha256}
        case "SHA1":
            with file.open("rb") as stream:
                digest = hashlib.file_digest(stream, _sha1).digest()
            return {"ChecksumSHA1": base64_text(digest)}
        case "CRC32":
            return {"ChecksumCRC32": base64_text(_crc32(file).to_bytes(4))}
        case _:
            return {"ContentMD5": base64_text(bytes.fromhex(hashes.md5))}


def _sha1() -> "hashlib._Hash":
    return hashlib.sha1(usedforsecurity=False)


def _crc32(file: Path) -> int:
    value = 0
    with file.open("rb") as stream:
        while block := stream.read(BLOCK_BYTES):
            value = zlib.crc32(block, value)
    return value


def _version(version_id: str | None) -> dict[str, Any]:
    return {"VersionId": version_id} if version_id else {}


def _grantee(grantee: Mapping[str, Any]) -> str:
    if "ID" in grantee:
        return f'id="{grantee["ID"]}"'
    if "URI" in grantee:
        return f'uri="{grantee["URI"]}"'
    return f'emailAddress="{grantee["EmailAddress"]}"'
