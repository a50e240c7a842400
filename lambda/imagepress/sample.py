"""A sample: the same piece of a picture before and after, for the run's page."""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

# What a page has room for at a picture's own size.
WIDTH, HEIGHT = 400, 300
# Rows drawn for each one wanted: some are not compressed.
SPARE = 2


@dataclass(frozen=True, slots=True)
class Sample:
    """Two PNG or JPEG files of `width` x `height` pixels, of the media type `kind`."""

    kind: str
    width: int
    height: int
    before: bytes
    after: bytes

    def to_json(self) -> dict[str, Any]:
        """The sample as plain values."""
        return {
            "kind": self.kind,
            "width": self.width,
            "height": self.height,
            "before": base64.b64encode(self.before).decode(),
            "after": base64.b64encode(self.after).decode(),
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Read back what `to_json` wrote."""
        return cls(
            values["kind"],
            values["width"],
            values["height"],
            base64.b64decode(values["before"]),
            base64.b64decode(values["after"]),
        )


def lot(run_id: str, row: int) -> float:
    """A number from 0 to 1 that a row draws once and for all."""
    drawn = hashlib.sha256(f"sample:{run_id}:{row}".encode()).digest()[:8]
    return int.from_bytes(drawn) / 2**64


def is_drawn(run_id: str, row: int, wanted: int) -> bool:
    """Whether to make a sample of a row, where `wanted` of the rows are to be shown.

    Nobody knows yet how many rows there will be, nor which will be compressed: of the first rows
    all are drawn, and ever fewer of those that follow. As the lowest lots of all are among them,
    those that the page keeps are drawn from all rows alike.
    """
    return lot(run_id, row) * row < SPARE * wanted
