"""The marker: one metadata value on a replaced object that says who wrote it, and from what.

It travels in the same PUT as the bytes, so that an object and its marker cannot disagree: a
retry, a duplicate row or a later run can tell from the object alone what has been done to it.
"""

import base64
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Self

METADATA_NAME = "imagepress"


@dataclass(frozen=True, slots=True, kw_only=True)
class Marker:
    """Who replaced the object and what it was: sizes in bytes, `sha256` of the output in base64."""

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
            return cls(
                **{name: values.get(short) for short, name in zip(_SHORT, _NAMES, strict=True)}
            )
        except (KeyError, ValueError, TypeError, AttributeError):
            return None

    def matches(self, size: int, sha256: str) -> bool:
        """Whether the object still has the bytes that the marker was written with."""
        return self.size == size and self.sha256 == sha256


_NAMES = tuple(field.name for field in fields(Marker))
_SHORT = ("r", "n", "d", "e", "q", "l", "f", "s0", "t0", "v0", "s", "h")


def sha256_text(digest: bytes) -> str:
    """A SHA-256 digest as S3 writes checksums: base64."""
    return base64.b64encode(digest).decode()
