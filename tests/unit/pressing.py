"""One image through its codec, in this process."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from imagepress.codec_protocol import CodecRequest, Encoded
from imagepress.codecs import compress
from imagepress.image_header import read_header


@dataclass(frozen=True, slots=True)
class Pressed:
    """What a codec answered, and the file that it wrote."""

    encoded: Encoded
    data: bytes


type Press = Callable[[bytes, int], Pressed]


def press_in(folder: Path, data: bytes, quality: int, codec: str = "") -> Pressed:
    """Compress `data`; raise the codec's `RowSkipped` or `RowFailed`."""
    source, output = folder / "source", folder / "output"
    source.write_bytes(data)
    output.unlink(missing_ok=True)
    header = read_header(source)
    encoded = compress(CodecRequest(source, output, header, quality, codec=codec))
    assert source.read_bytes() == data
    return Pressed(encoded, output.read_bytes())
