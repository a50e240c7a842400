"""The marker: one metadata value on a replaced object that says who wrote it, and from what.

It travels in the same PUT as the bytes, so that an object and its marker cannot disagree: a
retry, a duplicate row or a later run can tell from the object alone what has been done to it.
"""

import base64
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Protocol, Self

METADATA_NAME = "imagepress"


class Stored(Protocol):
    """What S3 says of an object; an ETag is the MD5 of its bytes, but for KMS and multipart."""

    @property
    def size(self) -> int: ...
    @property
    def etag(self) -> str: ...
    @property
    def sha256(self) -> str | None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Marker:
    """Who replaced the object and what it was: sizes in bytes, hashes of the output.

    `sha256` is in base64, `md5` in hexadecimal. The two `origin` fields say where the picture is
    as it was before any run: a version of the object, or the prefix of a backup of its key.
    """

    run: str
    row: int
    digest: str
    encoder: str
    quality: int | None
    lossless: bool
    format: str
    size_before: int
    etag_before: str
    version_before: str | None
    size: int
    sha256: str
    md5: str
    origin_version: str | None = None
    origin_backup: str | None = None

    def to_metadata(self) -> str:
        """The metadata value: ASCII without spaces, as S3's headers want it."""
        values = {
            short: value
            for short, value in zip(_SHORT, asdict(self).values(), strict=True)
            if value is not None
        }
        return json.dumps(values, separators=(",", ":"))

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, str]) -> Self | None:
        """The marker among an object's user metadata, or None where there is no readable one."""
        try:
            values = json.loads(metadata[METADATA_NAME])
            named = {name: values.get(short) for short, name in zip(_SHORT, _NAMES, strict=True)}
            texts = (named[name] for name in _TEXTS)
            numbers = (named[name] for name in _NUMBERS)
            if not all(isinstance(text, str) for text in texts):
                return None
            if not all(type(number) is int for number in numbers):
                return None
            return cls(**named)
        except (KeyError, ValueError, TypeError, AttributeError):
            return None

    def replacing(self, read: str | None, latest: str | None) -> Self:
        """The marker for version `latest`, which has the bytes of the version that was read."""
        if read is None or read == latest:
            return self
        return replace(
            self,
            version_before=latest if self.version_before == read else self.version_before,
            origin_version=latest if self.origin_version == read else self.origin_version,
        )

    def matches(self, size: int, sha256: str) -> bool:
        """Whether the object still has the bytes that the marker was written with."""
        return self.size == size and self.sha256 == sha256

    def describes(self, stored: "Stored") -> bool:
        """Whether S3's own hashes prove the same; False where it has none that tell."""
        hashes_agree = self.sha256 == stored.sha256 or self.md5 == stored.etag
        return self.size == stored.size and hashes_agree


_NAMES = tuple(field.name for field in fields(Marker))
_TEXTS = ("run", "digest", "encoder", "format", "etag_before", "sha256", "md5")
_NUMBERS = ("row", "size_before", "size")
_SHORT = ("r", "n", "d", "e", "q", "l", "f", "s0", "t0", "v0", "s", "h", "m", "ov", "ob")


def base64_text(digest: bytes) -> str:
    """A digest as S3 writes checksums: base64."""
    return base64.b64encode(digest).decode()
