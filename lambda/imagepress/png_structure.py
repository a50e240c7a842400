"""The structure of a PNG file: its chunks, without inflating anything (PNG 3rd edition, 5.3)."""

import zlib
from dataclasses import dataclass
from typing import Protocol

from imagepress.image_header import PNG_SIGNATURE

# What a lossless change of colour type, palette or compression is free to rewrite.
PIXEL_CHUNKS = frozenset(
    {b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"bKGD", b"sBIT", b"hIST", b"fdAT", b"fcTL"}
)

PIXELS_THEMSELVES = frozenset({b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"})
# Of the rest, what any picture of the same colour type can keep.
KEPT_WITH_COLOUR_TYPE = frozenset({b"bKGD", b"sBIT"})


class Sliceable(Protocol):
    """Bytes, or a file that gives out slices as bytes."""

    def __len__(self) -> int: ...

    def __getitem__(self, part: slice, /) -> bytes: ...


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


def parse(data: Sliceable) -> PngStructure:
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


def metadata(data: Sliceable) -> list[tuple[bytes, bytes]]:
    """The chunks that are not pixels, as sorted (type, payload); compressed ones by type only."""
    packed = (b"iCCP", b"zTXt")
    return sorted(
        (chunk.kind, b"" if chunk.kind in packed else data[chunk.start : chunk.end])
        for chunk in parse(data).chunks
        if chunk.kind not in PIXEL_CHUNKS
    )


def with_metadata_of(source: bytes, encoded: bytes) -> bytes:
    """The picture in `encoded` with the metadata of `source`, byte for byte and in their order.

    `encoded` is of the colour type of `source`, or has a palette of 8 bits instead of RGB, which
    has `source`'s background colour or room for it.
    """
    header, *pixels, end = (
        chunk for chunk in parse(encoded).chunks if chunk.kind in PIXELS_THEMSELVES
    )
    picture = [(chunk.kind, encoded[chunk.start : chunk.end]) for chunk in pixels]
    has_palette = picture[0][0] == b"PLTE"
    before: list[tuple[bytes, bytes]] = []
    behind: list[tuple[bytes, bytes]] = []
    place = before
    for chunk in parse(source).chunks:
        payload = source[chunk.start : chunk.end]
        if chunk.kind == b"IDAT":
            place = behind
        elif chunk.kind == b"bKGD" and has_palette:
            palette, index = _with_colour(picture[0][1], payload[1::2])
            picture[0] = (b"PLTE", palette)
            picture.insert(-1 - sum(kind == b"IDAT" for kind, _ in picture[:-1]), (b"bKGD", index))
        elif chunk.kind == b"sBIT" and has_palette:
            place.append((b"sBIT", payload[:3]))
        elif chunk.kind not in PIXEL_CHUNKS or chunk.kind in KEPT_WITH_COLOUR_TYPE:
            place.append((chunk.kind, payload))
    first = (b"IHDR", encoded[header.start : header.end])
    chunks = [first, *before, *picture, *behind, (b"IEND", encoded[end.start : end.end])]
    return PNG_SIGNATURE + b"".join(_chunk(kind, payload) for kind, payload in chunks)


def background(data: bytes) -> bytes | None:
    """The background colour (bKGD) of an RGB picture of 8 bits: red, green, blue."""
    for chunk in parse(data).chunks:
        if chunk.kind == b"bKGD":
            return data[chunk.start + 1 : chunk.end : 2]
    return None


def _with_colour(palette: bytes, colour: bytes) -> tuple[bytes, bytes]:
    """`palette` with `colour` in it, and the colour's index."""
    entries = [palette[at : at + 3] for at in range(0, len(palette), 3)]
    if colour not in entries:
        entries.append(colour)
    return b"".join(entries), bytes([entries.index(colour)])


def _chunk(kind: bytes, payload: bytes) -> bytes:
    checksum = zlib.crc32(payload, zlib.crc32(kind))
    return len(payload).to_bytes(4) + kind + payload + checksum.to_bytes(4)
