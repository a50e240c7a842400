"""Reading one pinned version of a manifest from S3, from any byte on, across broken connections."""

import gzip
import zlib
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

from botocore.exceptions import BotoCoreError, ClientError
from urllib3.exceptions import HTTPError

from imagepress.aws_errors import error_code, http_status, is_passing, passing_errors
from imagepress.block_stream import BlockStream
from imagepress.errors import PassingError, Refused
from imagepress.manifest import Header, Row, read_header, read_rows
from imagepress.run import Cursor, ManifestPointer

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

BLOCK_BYTES = 1 << 20
SAMPLE_BYTES = 1 << 18
ATTEMPTS = 5
NOT_FOUND = 404
FORBIDDEN = 403
PRECONDITION_FAILED = 412
GZIP_MAGIC = b"\x1f\x8b"


@dataclass(frozen=True, slots=True)
class Inspected:
    """A manifest that can be read, and about how many rows it has; `pointer` None: no header."""

    pointer: ManifestPointer | None
    estimated_rows: int


class ManifestStore:
    """Pins, inspects and streams manifests."""

    def __init__(self, s3: "S3Client") -> None:
        self._s3 = s3

    def metadata(self, bucket: str, key: str, version_id: str | None) -> dict[str, str]:
        """The object's user metadata; raise `Refused` where it cannot be read."""
        return cast("dict[str, str]", self._ask("head_object", bucket, key, version_id)["Metadata"])

    def inspect(
        self, bucket: str, key: str, version_id: str | None, extra: Sequence[str] = ()
    ) -> Inspected:
        """Pin the manifest as it is now, find its columns and guess its rows; raise `Refused`."""
        head = self._ask("head_object", bucket, key, version_id)
        pointer = ManifestPointer(
            bucket=bucket,
            key=key,
            version_id=head.get("VersionId") or version_id,
            etag=head["ETag"],
            size=head["ContentLength"],
            column=0,
            start=0,
        )
        sample = self._sample(pointer)
        gzipped = sample.startswith(GZIP_MAGIC)
        text = _inflate(sample) if gzipped else sample
        header = read_header([text], extra)
        if header is None:
            return Inspected(None, 0)
        if header.end >= len(text) and not _is_whole(pointer, sample, text):
            raise Refused(f"The CSV's first line is longer than {SAMPLE_BYTES:,} bytes.")
        pointer = replace(
            pointer,
            column=header.column,
            start=header.end,
            gzipped=gzipped,
            extra=header.extra,
        )
        return Inspected(pointer, _estimated_rows(pointer, header, len(sample), text))

    def rows(self, pointer: ManifestPointer, cursor: Cursor) -> Iterator[Row]:
        """The rows from `cursor` on; of a gzipped manifest from its first row only."""
        if pointer.gzipped:
            blocks = _behind(self.plain_blocks(pointer), cursor.offset)
        else:
            blocks = self.blocks(pointer, cursor.offset)
        return read_rows(
            blocks,
            pointer.column,
            offset=cursor.offset,
            first_number=cursor.row,
            extra=pointer.extra,
        )

    def blocks(self, pointer: ManifestPointer, offset: int) -> Iterator[bytes]:
        """The manifest's bytes from `offset` on; raise `Refused` where that version is gone."""
        failures = 0
        while offset < pointer.size:
            try:
                for block in self._body(pointer, offset):
                    yield block
                    offset += len(block)
                    failures = 0
            except (BotoCoreError, HTTPError, PassingError) as error:
                failures += 1
                if failures == ATTEMPTS:
                    raise PassingError(f"Reading the CSV: {error}") from error

    def plain_blocks(self, pointer: ManifestPointer) -> Iterator[bytes]:
        """The text of a gzipped manifest; raise `Refused` where it is damaged."""
        stream = BlockStream(self.blocks(pointer, 0))
        try:
            with gzip.GzipFile(fileobj=cast("Any", stream)) as text:
                while block := text.read(BLOCK_BYTES):
                    yield block
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise Refused(f"The gzipped CSV is damaged: {error}.") from None

    def _body(self, pointer: ManifestPointer, offset: int) -> Iterator[bytes]:
        answer = self._get(pointer, f"bytes={offset}-")
        # Some S3-compatible stores ignore a range, and send everything.
        behind = 0 if "ContentRange" in answer else offset
        with closing(answer["Body"]) as body:
            for block in body.iter_chunks(BLOCK_BYTES):
                if behind < len(block):
                    yield block[behind:]
                behind = max(0, behind - len(block))

    def _sample(self, pointer: ManifestPointer) -> bytes:
        if not pointer.size:
            return b""
        answer = self._get(pointer, f"bytes=0-{SAMPLE_BYTES - 1}")
        with passing_errors("Reading the CSV"), closing(answer["Body"]) as body:
            sample = cast("bytes", body.read(SAMPLE_BYTES))
        if len(sample) < min(SAMPLE_BYTES, pointer.size):
            raise PassingError("Reading the CSV: its beginning arrived in part.")
        return sample

    def _get(self, pointer: ManifestPointer, byte_range: str) -> dict[str, Any]:
        return self._ask(
            "get_object",
            pointer.bucket,
            pointer.key,
            pointer.version_id,
            IfMatch=pointer.etag,
            Range=byte_range,
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
                raise PassingError(f"Reading the CSV: {error}") from error
            raise Refused(_why(error, bucket, key)) from error


def _inflate(sample: bytes) -> bytes:
    try:
        return zlib.decompressobj(wbits=31).decompress(sample, SAMPLE_BYTES)
    except zlib.error as error:
        raise Refused(f"The CSV begins as a gzip file but is none: {error}.") from None


def _estimated_rows(pointer: ManifestPointer, header: Header, sample_size: int, text: bytes) -> int:
    """Rows of a small manifest, a guess from its beginning for others (too low for gzip)."""
    rows = text.count(b"\n", header.end) + (not text.endswith(b"\n") and len(text) > header.end)
    return max(rows, rows * pointer.size // max(1, sample_size))


def _behind(blocks: Iterator[bytes], offset: int) -> Iterator[bytes]:
    """What follows the first `offset` bytes."""
    for block in blocks:
        yield block[offset:]
        offset = max(0, offset - len(block))


def _is_whole(pointer: ManifestPointer, sample: bytes, text: bytes) -> bool:
    """Whether `text` is all that the manifest holds."""
    return len(sample) >= pointer.size and (text is sample or len(text) < SAMPLE_BYTES)


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
