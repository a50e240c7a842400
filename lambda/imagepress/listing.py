"""Listing a prefix: the objects that are there now become an inventory, one file after the other.

A listing may take longer than an invocation: what has been listed is written away in files that
are named after their contents, so that two who list at the same time cannot spoil each other's.
"""

import gzip
import hashlib
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_plus

from botocore.exceptions import BotoCoreError, ClientError

from imagepress.aws_errors import is_passing, passing
from imagepress.errors import Refused
from imagepress.inventory import FILE_NAME, write_inventory
from imagepress.manifest import S3List
from imagepress.pinned_object import PinnedObject
from imagepress.run import Listing, ManifestPointer, Run
from imagepress.run_store import RunStore, run_prefix

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

PAGE = {"PageSize": 1000}
LOOK_PAGES = 5
FILE_KEYS = 250_000
GZIP_LEVEL = 5
CSV_GZ, JSON = "application/gzip", "application/json"


@dataclass(frozen=True, slots=True)
class Page:
    """The keys that one request told of; `last_key` is where the next one begins behind."""

    keys: list[str]
    last_key: str
    is_last: bool


class Lister:
    """Lists objects, and writes what it found into the runs bucket."""

    def __init__(self, s3: "S3Client", store: RunStore) -> None:
        self._s3 = s3
        self._store = store

    def look(self, bucket: str, prefix: str) -> tuple[int, bool]:
        """How many objects are under a prefix, and whether these were all; takes a second."""
        count = 0
        for page in islice(pages(self._s3, bucket, prefix), LOOK_PAGES):
            count += len(page.keys)
            if page.is_last:
                return count, True
        return count, False

    def go_on(self, run: Run, listing: Listing, has_time: Callable[[], bool]) -> Listing:
        """List one file's worth of objects, or as many as there is time for."""
        file, keys, page = io.BytesIO(), 0, Page([], listing.after, is_last=False)
        with gzip.GzipFile(fileobj=file, mode="wb", compresslevel=GZIP_LEVEL, mtime=0) as packed:
            for page in pages(self._s3, run.bucket_name, listing.prefix, listing.after):
                packed.write(b"".join(_line(run.bucket_name, key) for key in page.keys))
                keys += len(page.keys)
                if keys >= FILE_KEYS or not has_time():
                    break
        files = (*listing.files, self._write(run, file.getvalue())) if keys else listing.files
        return Listing(listing.prefix, page.last_key, listing.keys + keys, files, page.is_last)

    def manifest(self, run: Run, listing: Listing) -> ManifestPointer:
        """The inventory of all that was listed."""
        text = write_inventory(run.bucket_name, listing.files).encode()
        key = f"{_folder(run)}{FILE_NAME}"
        pinned = self._store.write(key, text, JSON)
        return ManifestPointer(pinned, 1, 0, s3_list=S3List(run.bucket_name), inventory=True)

    def _write(self, run: Run, body: bytes) -> PinnedObject:
        digest = hashlib.md5(body, usedforsecurity=False).hexdigest()
        pinned = self._store.write(f"{_folder(run)}{digest}.csv.gz", body, CSV_GZ)
        return replace(pinned, gzipped=True, md5=digest)


def pages(s3: "S3Client", bucket: str, prefix: str, after: str = "") -> Iterator[Page]:
    """The objects under a prefix in S3's order; empty ones that stand for folders left out."""
    where: dict[str, Any] = {"PaginationConfig": PAGE, **({"StartAfter": after} if after else {})}
    paginator = s3.get_paginator("list_objects_v2")
    try:
        for answer in paginator.paginate(Bucket=bucket, Prefix=prefix, **where):
            found = answer.get("Contents", [])
            keys = [one["Key"] for one in found if one["Size"] or not one["Key"].endswith("/")]
            yield Page(keys, found[-1]["Key"] if found else after, not answer["IsTruncated"])
    except (ClientError, BotoCoreError) as error:
        if is_passing(error) or not isinstance(error, ClientError):
            raise passing(f"Listing {bucket}", error) from error
        raise Refused(f"prefix: s3://{bucket}/{prefix} cannot be listed: {error}") from error


def _line(bucket: str, key: str) -> bytes:
    return f'"{bucket}","{quote_plus(key, safe="/")}"\n'.encode()


def _folder(run: Run) -> str:
    return f"{run_prefix(run.run_id)}manifest/"
