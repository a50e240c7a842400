"""Small files that inflate to gigabytes cost their own row, in bounded memory."""

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from imagepress.codec_pool import CodecPool
from imagepress.codec_protocol import CodecRequest
from imagepress.errors import RowFailed
from imagepress.image_header import read_header
from imagepress.outcome import FailureCode

MEBIBYTE = 1 << 20
MEMORY = 600 * MEBIBYTE
SIGNATURE = b"\x89PNG\r\n\x1a\n"


def chunk(kind: bytes, data: bytes) -> bytes:
    checksum = zlib.crc32(kind + data)
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)


def deflated_zeros(mebibytes: int) -> bytes:
    deflate = zlib.compressobj(9)
    return b"".join(deflate.compress(bytes(MEBIBYTE)) for _ in range(mebibytes)) + deflate.flush()


GIBIBYTE = deflated_zeros(1024)
HEADER = chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 8, 2, 0, 0, 0))
PIXELS = chunk(b"IDAT", zlib.compress(bytes(8 * 25)))
BOMBS = {
    "text": HEADER + chunk(b"zTXt", b"a\0\0" + GIBIBYTE) + PIXELS,
    "international text": HEADER + chunk(b"iTXt", b"a\0\1\0\0\0" + GIBIBYTE) + PIXELS,
    "ICC profile": HEADER + chunk(b"iCCP", b"a\0\0" + GIBIBYTE) + PIXELS,
    "pixels": HEADER + chunk(b"IDAT", GIBIBYTE),
    "many texts": HEADER + chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(900_000))) * 400 + PIXELS,
}


@pytest.fixture(scope="module")
def pool() -> Iterator[CodecPool]:
    with CodecPool(1, MEMORY) as pool:
        yield pool


@pytest.mark.parametrize("name", BOMBS)
def test_a_png_that_inflates_to_a_gigabyte_is_refused(
    name: str, pool: CodecPool, tmp_path: Path
) -> None:
    file = tmp_path / "bomb.png"
    file.write_bytes(SIGNATURE + BOMBS[name] + chunk(b"IEND", b""))
    request = CodecRequest(file, tmp_path / "out", read_header(file), 80)

    with pytest.raises(RowFailed) as failed:
        pool.encode(request, 60)

    assert failed.value.code in (FailureCode.CORRUPT_IMAGE, FailureCode.TOO_LARGE_FOR_MEMORY)
