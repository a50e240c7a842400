"""What the parent and the codec process say to each other: one JSON object a line, each way."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from imagepress.effort import Effort
from imagepress.errors import RowFailed, RowSkipped
from imagepress.image_header import ImageFormat, ImageHeader
from imagepress.outcome import FailureCode, SkipReason
from imagepress.sample import Sample


@dataclass(frozen=True, slots=True)
class Encoded:
    """How the output was made; `quality` 0-100, None where nothing lossy was done."""

    encoder: str
    quality: int | None

    @property
    def lossless(self) -> bool:
        """Whether every pixel is as before."""
        return self.quality is None


@dataclass(frozen=True, slots=True)
class CodecRequest:
    """Compress the file `source` into the file `output` at `quality` (0-100).

    `effort` says how much CPU a byte is worth; `codec` is a name in the table of codecs, empty
    for the best one of the format.
    """

    source: Path
    output: Path
    header: ImageHeader
    quality: int
    effort: Effort = Effort.BALANCED
    codec: str = ""

    def to_line(self) -> bytes:
        """The request as one line."""
        header = asdict(self.header)
        return _to_line(
            {
                "source": str(self.source),
                "output": str(self.output),
                "header": header,
                "quality": self.quality,
                "effort": self.effort,
                "codec": self.codec,
            }
        )

    @classmethod
    def from_line(cls, line: bytes) -> "CodecRequest":
        """Read back what `to_line` wrote."""
        values = json.loads(line)
        return cls(
            Path(values["source"]),
            Path(values["output"]),
            _header(values["header"]),
            values["quality"],
            Effort(values["effort"]),
            values["codec"],
        )


@dataclass(frozen=True, slots=True)
class SampleRequest:
    """Show the same piece of two files that are one picture, which `header` describes."""

    before: Path
    after: Path
    header: ImageHeader

    def to_line(self) -> bytes:
        """The request as one line."""
        header = asdict(self.header)
        return _to_line({"before": str(self.before), "after": str(self.after), "header": header})

    @classmethod
    def from_line(cls, line: bytes) -> "SampleRequest":
        """Read back what `to_line` wrote."""
        values = json.loads(line)
        return cls(Path(values["before"]), Path(values["after"]), _header(values["header"]))


def request_from_line(line: bytes) -> CodecRequest | SampleRequest:
    """Whatever was asked for."""
    kind = SampleRequest if "before" in json.loads(line) else CodecRequest
    return kind.from_line(line)


def reply_to_line(
    reply: Encoded | Sample | RowSkipped | RowFailed, *, is_last: bool = False
) -> bytes:
    """A result, or the outcome that ended the row, as one line; `is_last` asks to be ended."""
    match reply:
        case Encoded():
            values: dict[str, Any] = {"encoded": asdict(reply)}
        case Sample():
            values = {"sample": reply.to_json()}
        case RowSkipped():
            values = {"skipped": reply.reason, "message": str(reply)}
        case RowFailed():
            values = {"failed": reply.code, "message": str(reply)}
    return _to_line({**values, "is_last": True} if is_last else values)


def is_last(line: bytes) -> bool:
    """Whether the codec process wants to be ended after this reply."""
    return "is_last" in json.loads(line)


def reply_from_line(line: bytes) -> Encoded:
    """The result, or raise the `RowSkipped` or `RowFailed` that the codec process answered."""
    return Encoded(**_reply(line)["encoded"])


def sample_from_line(line: bytes) -> Sample:
    """The sample, or raise the `RowFailed` that the codec process answered."""
    return Sample.from_json(_reply(line)["sample"])


def _reply(line: bytes) -> dict[str, Any]:
    values: dict[str, Any] = json.loads(line)
    if "skipped" in values:
        raise RowSkipped(SkipReason(values["skipped"]), values["message"])
    if "failed" in values:
        raise RowFailed(FailureCode(values["failed"]), values["message"])
    return values


def _header(values: dict[str, Any]) -> ImageHeader:
    return ImageHeader(**{**values, "format": ImageFormat(values["format"])})


def _to_line(values: object) -> bytes:
    return json.dumps(values).encode() + b"\n"
