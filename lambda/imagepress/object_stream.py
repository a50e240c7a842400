"""Reading one pinned object from S3, from any byte on, across broken connections."""

import gzip
import hashlib
import zlib
from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Any, cast

from botocore.exceptions import BotoCoreError, ClientError
from urllib3.exceptions import HTTPError

from imagepress.aws_errors import error_code, http_status, is_passing, passing, passing_errors
from imagepress.block_stream import BlockStream
from imagepress.errors import PassingError, Refused
from imagepress.pinned_object import PinnedObject

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

BLOCK_BYTES = 1 << 20
ATTEMPTS = 5
NOT_FOUND = 404
FORBIDDEN = 403
PRECONDITION_FAILED = 412


class ObjectStream:
    """Heads, beginnings and contents of objects that hold a manifest."""

    def __init__(self, s3: "S3Client") -> None:
        self._s3 = s3

    def head(self, bucket: str, key: str, version_id: str | None) -> dict[str, Any]:
        """The answer to a HEAD; raise `Refused` where the object cannot be read."""
        return self._ask("head_object", bucket, key, version_id)

    def pin(self, bucket: str, key: str, version_id: str | None) -> PinnedObject:
        """The object as it is now; raise `Refused` where it cannot be read."""
        head = self.head(bucket, key, version_id)
        version = head.get("VersionId") or version_id
        return PinnedObject(bucket, key, version, head["ETag"], head["ContentLength"])

    def beginning(self, pinned: PinnedObject, size: int) -> bytes:
        """The first `size` bytes, or all that there are."""
        if not pinned.size:
            return b""
        answer = self._get(pinned, f"bytes=0-{size - 1}")
        with passing_errors("Reading the CSV"), closing(answer["Body"]) as body:
            beginning = cast("bytes", body.read(size))
        if len(beginning) < min(size, pinned.size):
            raise PassingError("Reading the CSV: its beginning arrived in part.")
        return beginning

    def text(self, pinned: PinnedObject, offset: int) -> Iterator[bytes]:
        """What the object says from byte `offset` of its text on.

        A gzipped one is read from its beginning: nothing else can be, and it takes a few seconds a
        gigabyte. Raise `Refused` where it is damaged or not what was pinned any more.
        """
        if not pinned.gzipped:
            return self._blocks(pinned, offset)
        return _behind(self._inflated(pinned), offset)

    def _inflated(self, pinned: PinnedObject) -> Iterator[bytes]:
        hashed = hashlib.md5(usedforsecurity=False)

        def blocks() -> Iterator[bytes]:
            for block in self._blocks(pinned, 0):
                hashed.update(block)
                yield block

        try:
            with gzip.GzipFile(fileobj=cast("Any", BlockStream(blocks()))) as text:
                while block := text.read(BLOCK_BYTES):
                    yield block
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise Refused(f"The gzipped CSV {pinned.key} is damaged: {error}.") from None
        if pinned.md5 not in (None, hashed.hexdigest()):
            raise Refused(f"The CSV {pinned.key} is not the one that its inventory lists.")

    def _blocks(self, pinned: PinnedObject, offset: int) -> Iterator[bytes]:
        failures = 0
        while offset < pinned.size:
            try:
                for block in self._body(pinned, offset):
                    yield block
                    offset += len(block)
                    failures = 0
            except (BotoCoreError, HTTPError, PassingError) as error:
                failures += 1
                if failures == ATTEMPTS:
                    raise passing("Reading the CSV", error) from error

    def _body(self, pinned: PinnedObject, offset: int) -> Iterator[bytes]:
        answer = self._get(pinned, f"bytes={offset}-")
        # Some S3-compatible stores ignore a range, and send everything.
        behind = 0 if "ContentRange" in answer else offset
        with closing(answer["Body"]) as body:
            for block in body.iter_chunks(BLOCK_BYTES):
                if behind < len(block):
                    yield block[behind:]
                behind = max(0, behind - len(block))

    def _get(self, pinned: PinnedObject, byte_range: str) -> dict[str, Any]:
        held = {"IfMatch": pinned.etag} if pinned.etag else {}
        return self._ask(
            "get_object", pinned.bucket, pinned.key, pinned.version_id, Range=byte_range, **held
        )

    def _ask(
        self, operation: str, bucket: str, key: str, version_id: str | None, **arguments: Any
    ) -> dict[str, Any]:
        version = {"VersionId": version_id} if version_id else {}
        request = {"Bucket": bucket, "Key": key, **version, **arguments}
        try:
            return cast("dict[str, Any]", getattr(self._s3, operation)(**request))
        except (ClientError, BotoCoreError) as error:
            if is_passing(error) or not isinstance(error, ClientError):
                raise passing("Reading the CSV", error) from error
            raise Refused(_why(error, bucket, key)) from error


def _behind(blocks: Iterator[bytes], offset: int) -> Iterator[bytes]:
    """What follows the first `offset` bytes."""
    for block in blocks:
        if offset < len(block):
            yield block[offset:]
        offset = max(0, offset - len(block))


def _why(error: ClientError, bucket: str, key: str) -> str:
    code, status = error_code(error), http_status(error)
    where = f"s3://{bucket}/{key}"
    if code == "NoSuchBucket":
        return f"csv_path: there is no bucket {bucket}."
    if status == NOT_FOUND:
        return f"csv_path: there is no object {where}."
    if status == FORBIDDEN:
        return f"csv_path: reading {where} is forbidden."
    if status == PRECONDITION_FAILED:
        return f"The CSV {where} was overwritten while it was read; upload it again."
    return f"csv_path: {where} cannot be read: {error}"
