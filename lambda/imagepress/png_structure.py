"""The structure of a PNG file: its chunks, without inflating anything (PNG 3rd edition, 5.3)."""

from dataclasses import dataclass
from mmap import mmap

from imagepress.image_header import PNG_SIGNATURE

# What a lossless change of colour type, palette or compression is free to rewrite.
PIXEL_CHUNKS = frozenset(
    {b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"bKGD", b"sBIT", b"hIST", b"fdAT", b"fcTL"}
)


class MalformedPngError(ValueError):
    """The bytes do not follow the PNG grammar."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """One chunk: its four-letter type, and its payload at bytes `start` to `end` of the file."""

    kind: bytes
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class PngStructure:
    """A PNG's chunks in file order, and where the picture ends (behind IEND)."""

    chunks: tuple[Chunk, ...]
    end: int

    def kinds(self) -> set[bytes]:
        """The types of chunk that occur."""
        return {chunk.kind for chunk in self.chunks}


def parse(data: bytes | mmap) -> PngStructure:
    """Walk all chunks of `data`; raise `MalformedPngError`."""
    position = len(PNG_SIGNATURE)
    chunks = []
    while position + 12 <= len(data):
        length = int.from_bytes(data[position : position + 4])
        chunk = Chunk(data[position + 4 : position + 8], position + 8, position + 8 + length)
        position = chunk.end + 4
        if position > len(data):
            break
        chunks.append(chunk)
        if chunk.kind == b"IEND":
            return PngStructure(tuple(chunks), position)
    raise MalformedPngError("it is truncated: no end of image")


def metadata(data: bytes | mmap) -> list[tuple[bytes, bytes]]:
    """The chunks that are not pixels, as sorted (type, payload); compressed ones by type only."""
    packed = (b"iCCP", b"zTXt")
    return sorted(
        (chunk.kind, b"" if chunk.kind in packed else data[chunk.start : chunk.end])
        for chunk in parse(data).chunks
        if chunk.kind not in PIXEL_CHUNKS
    )
