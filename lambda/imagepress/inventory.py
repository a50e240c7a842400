"""The manifest.json of an S3 Inventory: which files list a bucket's objects, and how."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from imagepress.errors import Refused
from imagepress.manifest import S3List
from imagepress.pinned_object import PinnedObject

FILE_NAME = "manifest.json"
MAX_BYTES = 64 << 20
NO_INVENTORY = "{url} is no manifest.json of an S3 Inventory: {why}."
# Fields of an inventory of all versions, and their values for what is not there now.
NOT_NOW = (("IsLatest", "false"), ("IsDeleteMarker", "true"))


@dataclass(frozen=True, slots=True)
class Inventory:
    """The files of an inventory, the index of the field with the key, and the rest of the form."""

    files: tuple[PinnedObject, ...]
    column: int
    s3_list: S3List


def read_inventory(text: bytes, url: str, bucket: str) -> Inventory:
    """Read `manifest.json`; its files lie in `bucket`, with it. Raise `Refused`."""
    try:
        values = json.loads(text)
        if values["fileFormat"] != "CSV":
            why = f"it is {values['fileFormat']}; set the inventory's output format to CSV"
            raise Refused(NO_INVENTORY.format(url=url, why=why))
        schema = [name.strip() for name in values["fileSchema"].split(",")]
        s3_list = S3List(
            values["sourceBucket"],
            schema.index("Bucket"),
            tuple((schema.index(name), value) for name, value in NOT_NOW if name in schema),
        )
        files = tuple(_file(entry, bucket) for entry in values["files"])
        return Inventory(files, schema.index("Key"), s3_list)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        why = f"{type(error).__name__}: {error}"
        raise Refused(NO_INVENTORY.format(url=url, why=why)) from None


def write_inventory(bucket: str, files: Sequence[PinnedObject]) -> str:
    """A manifest.json of the same form for lists of `bucket` that were made here."""
    entries = [{"key": file.key, "size": file.size, "MD5checksum": file.md5} for file in files]
    form = {"sourceBucket": bucket, "fileFormat": "CSV", "fileSchema": "Bucket, Key"}
    return json.dumps({**form, "files": entries})


def _file(entry: dict[str, Any], bucket: str) -> PinnedObject:
    return PinnedObject(
        bucket=bucket,
        key=str(entry["key"]),
        version_id=None,
        etag=None,
        size=int(entry["size"]),
        gzipped=True,
        md5=str(entry["MD5checksum"]),
    )
