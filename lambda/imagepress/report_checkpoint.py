"""A checkpoint: how far a report has come, as one object that another reporter goes on from.

A line of JSON, and behind it the bytes that the growing objects have not uploaded yet.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from imagepress.growing_object import Growth
from imagepress.run import Cursor


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """`cursor` stands behind the last row written; None: all is written, and sealed.

    `manifest_lost`: from here on there is no manifest, and the cursor counts chunks alone.
    """

    cursor: Cursor | None
    manifest_lost: bool
    tally: Mapping[str, Any]
    growths: Mapping[str, Growth]

    def to_bytes(self) -> bytes:
        """The checkpoint as an object's body."""
        rests = [part for one in self.growths.values() for part in (one.body, one.text)]
        head = {
            "cursor": asdict(self.cursor) if self.cursor else None,
            "manifest_lost": self.manifest_lost,
            "tally": self.tally,
            "growths": {
                name: [one.upload_id, one.etags, len(one.body), len(one.text)]
                for name, one in self.growths.items()
            },
        }
        return b"".join([json.dumps(head).encode(), b"\n", *rests])

    @classmethod
    def from_bytes(cls, content: bytes) -> Self:
        """Read back what `to_bytes` wrote."""
        line, _, rest = content.partition(b"\n")
        head = json.loads(line)
        growths = {}
        for name, (upload_id, etags, body, text) in head["growths"].items():
            growths[name] = Growth(upload_id, tuple(etags), rest[:body], rest[body : body + text])
            rest = rest[body + text :]
        return cls(
            cursor=Cursor(**head["cursor"]) if head["cursor"] else None,
            manifest_lost=head["manifest_lost"],
            tally=head["tally"],
            growths=growths,
        )
