"""PNG of any size: the very same filtered pixels, deflated again, block by block.

Nothing is decoded, so that no pixel can change, and memory does not grow with the picture.
"""

import hashlib
import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from imagepress import png_structure as structure
from imagepress.codec_protocol import CodecRequest, Encoded
from imagepress.codecs.fidelity import damaged, unfaithful
from imagepress.codecs.png import refuse_what_would_be_lost
from imagepress.image_header import PNG_SIGNATURE, ImageHeader

BLOCK_BYTES = 1 << 20
SAMPLE_BYTES = 8 << 20
LEVEL = 9
MEMORY_LEVEL = 9
LAST_FILTER = 4
STRATEGIES = (zlib.Z_DEFAULT_STRATEGY, zlib.Z_FILTERED)
# First pixel and step of each pass of an interlaced picture: x, y, across, down (PNG 8.2).
ADAM7 = (
    (0, 0, 8, 8),
    (4, 0, 8, 8),
    (0, 4, 4, 8),
    (2, 0, 4, 4),
    (0, 2, 2, 4),
    (1, 0, 2, 2),
    (0, 1, 1, 2),
)


def deflate_png_again(request: CodecRequest) -> Encoded:
    """Pack the source without loss in little memory; see the package for the contract."""
    output, header = request.output, request.header
    with request.source.open("rb") as source:
        data = _File(source)
        refuse_what_would_be_lost(data)
        parts = structure.parse(data)
        _check_checksums(data, parts)
        pixels = _Pixels.of(data, parts, header)
        strategy = _best_strategy(_filtered(data, parts, pixels))
        with output.open("wb") as stream:
            written = _write(stream, data, parts, pixels, strategy)
    with output.open("rb") as result:
        data = _File(result)
        parts = structure.parse(data)
        _check_checksums(data, parts)
        found = _digest(_filtered(data, parts, pixels))
    if found != written:
        raise unfaithful("it was packed wrong")
    return Encoded("zlib", None)


@dataclass(frozen=True, slots=True)
class _Pixels:
    """The filtered pixels as rows: (number of rows, bytes a row with its filter) for each pass."""

    passes: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, data: "_File", parts: structure.PngStructure, header: ImageHeader) -> "_Pixels":
        start = parts.chunks[0].start
        (interlaced,) = data[start + 12 : start + 13]
        grid = ADAM7 if interlaced else ((0, 0, 1, 1),)
        passes = []
        for x, y, across, down in grid:
            columns = -(-(header.width - x) // across)
            rows = -(-(header.height - y) // down)
            if columns > 0 and rows > 0:
                passes.append((rows, 1 + -(-columns * header.channels * header.depth // 8)))
        return cls(tuple(passes))

    @property
    def size(self) -> int:
        return sum(rows * row_bytes for rows, row_bytes in self.passes)

    def check_filters(self, block: bytes, offset: int) -> None:
        """Raise `RowFailed` unless each row that begins in `block`, at `offset`, has a filter."""
        start = 0
        for rows, row_bytes in self.passes:
            end = start + rows * row_bytes
            if start < offset + len(block) and end > offset:
                first = max(start, offset + (start - offset) % row_bytes)
                kinds = block[first - offset : end - offset : row_bytes]
                if kinds and max(kinds) > LAST_FILTER:
                    raise damaged("a row has an unknown filter")
            start = end


class _File:
    """A file whose slices are read when they are asked for; mapped, all of it would be resident."""

    def __init__(self, stream: BinaryIO) -> None:
        self._descriptor = stream.fileno()
        self._size = os.fstat(self._descriptor).st_size

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, part: slice) -> bytes:
        start, stop, _ = part.indices(self._size)
        return os.pread(self._descriptor, max(0, stop - start), start)


def _check_checksums(data: "_File", parts: structure.PngStructure) -> None:
    for chunk in parts.chunks:
        checksum = 0
        for block in _read(data, chunk.start - 4, chunk.end):
            checksum = zlib.crc32(block, checksum)
        if checksum != int.from_bytes(data[chunk.end : chunk.end + 4]):
            raise damaged("a chunk's checksum is wrong")


def _read(data: "_File", start: int, end: int) -> Iterator[bytes]:
    """These bytes in blocks."""
    for at in range(start, end, BLOCK_BYTES):
        yield data[at : min(at + BLOCK_BYTES, end)]


def _filtered(data: "_File", parts: structure.PngStructure, pixels: _Pixels) -> Iterator[bytes]:
    """The filtered pixels; raise `RowFailed` unless they are exactly as many as there should be."""
    inflate = zlib.decompressobj()
    offset = 0
    try:
        for block in _inflated(inflate, _packed(data, parts)):
            pixels.check_filters(block, offset)
            offset += len(block)
            if offset > pixels.size:
                raise damaged("it holds more pixels than its header says")
            yield block
    except zlib.error as error:
        raise damaged(str(error)) from None
    if offset < pixels.size or not inflate.eof:
        raise damaged("it is truncated: pixels are missing")


def _inflated(inflate: "zlib._Decompress", packed: Iterator[bytes]) -> Iterator[bytes]:
    """What is behind deflate, in blocks of bounded size."""
    for data in packed:
        waiting, block = data, b""
        # A full block may have left some behind although all data was taken.
        while (waiting or len(block) == BLOCK_BYTES) and not inflate.eof:
            block = inflate.decompress(waiting, BLOCK_BYTES)
            waiting = inflate.unconsumed_tail
            yield block


def _packed(data: "_File", parts: structure.PngStructure) -> Iterator[bytes]:
    for chunk in parts.chunks:
        if chunk.kind == b"IDAT":
            yield from _read(data, chunk.start, chunk.end)


def _best_strategy(blocks: Iterator[bytes]) -> int:
    """What packs the first pixels best."""
    rivals = {strategy: _deflater(strategy) for strategy in STRATEGIES}
    sizes = dict.fromkeys(STRATEGIES, 0)
    taken = 0
    for block in blocks:
        for strategy, rival in rivals.items():
            sizes[strategy] += len(rival.compress(block))
        taken += len(block)
        if taken >= SAMPLE_BYTES:
            break
    for strategy, rival in rivals.items():
        sizes[strategy] += len(rival.flush())
    return min(STRATEGIES, key=sizes.__getitem__)


def _deflater(strategy: int) -> "zlib._Compress":
    return zlib.compressobj(LEVEL, zlib.DEFLATED, zlib.MAX_WBITS, MEMORY_LEVEL, strategy)


def _write(
    stream: BinaryIO, data: "_File", parts: structure.PngStructure, pixels: _Pixels, strategy: int
) -> bytes:
    """Write all chunks, the pixels' ones anew; what the filtered pixels hash to."""
    stream.write(PNG_SIGNATURE)
    hashed = hashlib.sha256()
    done = False
    for chunk in parts.chunks:
        if chunk.kind != b"IDAT":
            stream.write(data[chunk.start - 8 : chunk.end + 4])
        elif not done:
            done = True
            deflate = _deflater(strategy)
            kept = bytearray()
            for block in _filtered(data, parts, pixels):
                hashed.update(block)
                kept += deflate.compress(block)
                if len(kept) >= BLOCK_BYTES:
                    _write_chunk(stream, bytes(kept))
                    kept.clear()
            _write_chunk(stream, bytes(kept) + deflate.flush())
    return hashed.digest()


def _write_chunk(stream: BinaryIO, payload: bytes) -> None:
    stream.write(len(payload).to_bytes(4) + b"IDAT" + payload)
    stream.write(zlib.crc32(payload, zlib.crc32(b"IDAT")).to_bytes(4))


def _digest(blocks: Iterator[bytes]) -> bytes:
    hashed = hashlib.sha256()
    for block in blocks:
        hashed.update(block)
    return hashed.digest()
