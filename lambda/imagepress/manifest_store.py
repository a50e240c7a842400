"""Manifests in S3: what they are, how many rows they have, and their rows from any place on."""

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

from imagepress.errors import Refused
from imagepress.inventory import FILE_NAME, MAX_BYTES, Inventory, read_inventory
from imagepress.manifest import Row, read_header, read_rows
from imagepress.object_stream import ObjectStream
from imagepress.pinned_object import PinnedObject
from imagepress.run import Cursor, ManifestPointer

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

SAMPLE_BYTES = 1 << 18
GZIP_MAGIC = b"\x1f\x8b"


@dataclass(frozen=True, slots=True)
class Inspected:
    """A manifest that can be read, and about how many rows it has; `pointer` None: no header."""

    pointer: ManifestPointer | None
    estimated_rows: int


@dataclass(frozen=True, slots=True)
class _Sample:
    """The beginning of a manifest's text, and what share of the whole file it is."""

    text: bytes
    share: float

    def rows(self, start: int) -> int:
        """About how many rows the file has, of which the first is at `start`."""
        ends = self.text.count(b"\n", start)
        rows = ends + (not self.text.endswith(b"\n") and len(self.text) > start)
        return max(rows, round(rows / self.share))


class ManifestStore:
    """Pins, inspects and streams manifests."""

    def __init__(self, s3: "S3Client") -> None:
        self._objects = ObjectStream(s3)

    def metadata(self, bucket: str, key: str, version_id: str | None) -> dict[str, str]:
        """The object's user metadata; raise `Refused` where it cannot be read."""
        return cast("dict[str, str]", self._objects.head(bucket, key, version_id)["Metadata"])

    def inspect(
        self,
        bucket: str,
        key: str,
        version_id: str | None,
        *,
        extra: Sequence[str] = (),
        images_bucket: str | None = None,
    ) -> Inspected:
        """Pin the manifest as it is now, find its columns and guess its rows; raise `Refused`.

        Of S3's own lists only those of `images_bucket` are taken.
        """
        pinned = self._objects.pin(bucket, key, version_id)
        if key.rpartition("/")[2] == FILE_NAME:
            return self._inspect_inventory(pinned, images_bucket)
        beginning = self._objects.beginning(pinned, SAMPLE_BYTES)
        pinned = replace(pinned, gzipped=beginning.startswith(GZIP_MAGIC))
        sample = _sample(pinned, beginning)
        header = read_header([sample.text], extra, images_bucket)
        if header is None:
            return Inspected(None, 0)
        if header.end >= len(sample.text) and sample.share < 1:
            raise Refused(f"The CSV's first line is longer than {SAMPLE_BYTES:,} bytes.")
        pointer = ManifestPointer(
            pinned, header.column, header.end, header.extra, s3_list=header.s3_list
        )
        return Inspected(pointer, sample.rows(header.end))

    def rows(self, pointer: ManifestPointer, cursor: Cursor) -> Iterator[Row]:
        """The rows from `cursor` on."""
        files = [pointer.pinned]
        if pointer.inventory:
            files = list(self._inventory(pointer.pinned).files)
        number = cursor.row
        for index in range(cursor.file, len(files)):
            offset = cursor.offset if index == cursor.file else 0
            for row in read_rows(
                self._objects.text(files[index], offset),
                pointer.column,
                offset=offset,
                first_number=number,
                extra=pointer.extra,
                s3_list=pointer.s3_list,
                file=index,
            ):
                yield row
                number = row.number + 1

    def _inspect_inventory(self, pinned: PinnedObject, images_bucket: str | None) -> Inspected:
        inventory = self._inventory(pinned)
        listed = inventory.s3_list.bucket
        if listed != images_bucket:
            raise Refused(
                f"csv_path: {pinned.url} is an inventory of the bucket {listed}; "
                f"bucket_name is {images_bucket!r}."
            )
        if not inventory.files:
            return Inspected(None, 0)
        first = inventory.files[0]
        sample = _sample(first, self._objects.beginning(first, SAMPLE_BYTES))
        share_of_first = first.size / sum(file.size for file in inventory.files)
        whole = replace(sample, share=sample.share * share_of_first)
        pointer = ManifestPointer(
            pinned, inventory.column, 0, s3_list=inventory.s3_list, inventory=True
        )
        return Inspected(pointer, whole.rows(0))

    def _inventory(self, pinned: PinnedObject) -> Inventory:
        if pinned.size > MAX_BYTES:
            raise Refused(f"csv_path: {pinned.url} is too large for a manifest.json.")
        text = b"".join(self._objects.text(pinned, 0))
        return read_inventory(text, pinned.url, pinned.bucket)


def _sample(pinned: PinnedObject, beginning: bytes) -> _Sample:
    if not pinned.gzipped:
        return _Sample(beginning, len(beginning) / max(1, pinned.size))
    inflater = zlib.decompressobj(wbits=31)
    try:
        text = inflater.decompress(beginning, SAMPLE_BYTES)
    except zlib.error as error:
        raise Refused(f"The CSV begins as a gzip file but is none: {error}.") from None
    used = len(beginning) - len(inflater.unconsumed_tail) - len(inflater.unused_data)
    return _Sample(text, used / pinned.size)
