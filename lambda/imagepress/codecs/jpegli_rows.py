"""jpegli row by row: a JPEG is read and written a few rows at a time, however large it is.

As in `jpegli` the first use tests the library, and an error ends the process.
"""

import ctypes
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from ctypes import addressof, byref, c_char_p, c_int, c_void_p
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final, Self

from imagepress.codecs import jpeg_abi, jpegli
from imagepress.codecs.jpeg_abi import Decompressor, Signatures
from imagepress.codecs.jpegli import Coding, JpegliUnavailableError, Scans

ROWS: Final = 64

_MODES: Final = {1: "L", 3: "RGB"}

_SIGNATURES: Final[Signatures] = {
    **jpeg_abi.READING,
    "stdio_src": ((c_void_p, c_void_p), None),
    "stdio_dest": ((c_void_p, c_void_p), None),
    "write_marker": ((c_void_p, c_int, c_char_p, ctypes.c_uint), None),
}


@dataclass(frozen=True, slots=True)
class Rows:
    """Some rows of a picture; their pixels are overwritten by the next ones."""

    pointers: "ctypes.Array[c_void_p]"
    count: int
    pixels: "ctypes.Array[ctypes.c_char]"
    stride: int

    def tobytes(self) -> bytes:
        """A copy of the pixels."""
        return ctypes.string_at(self.pixels, self.count * self.stride)


class Reader:
    """Reads the JPEG in `file`, RGB or grey, at 1:`denominator` of its size; close it by `with`.

    At an eighth each pixel is the mean of 8 x 8, and no more than the entropy coding is undone; at
    the right and lower edges some of them may not be the picture's. Chroma that is coarser across
    than down comes out wrong.
    """

    def __init__(self, file: Path, denominator: int = 1) -> None:
        self._library = whole_library()
        self._opened = ExitStack()
        self._handler = jpegli.error_handler(self._library)
        self._decompressor = Decompressor()
        self._decompressor.err = addressof(self._handler)
        reference = byref(self._decompressor)
        self._library.jpegli_CreateDecompress(
            reference, jpeg_abi.VERSION, jpeg_abi.DECOMPRESSOR_BYTES
        )
        self._opened.callback(self._library.jpegli_destroy_decompress, reference)
        self._library.jpegli_stdio_src(reference, _opened(self._opened, file, b"rb"))
        self._library.jpegli_read_header(reference, 1)
        width, height = self._decompressor.image_width, self._decompressor.image_height
        self._decompressor.scale_num, self._decompressor.scale_denom = 1, denominator
        self.size = (-(-width // denominator), -(-height // denominator))
        self.mode = _MODES[self._decompressor.num_components]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    def rows(self) -> Iterator[Rows]:
        """All rows, in blocks of at most `ROWS`."""
        reference = byref(self._decompressor)
        self._library.jpegli_start_decompress(reference)
        stride = self.size[0] * self._decompressor.num_components
        pixels = ctypes.create_string_buffer(stride * ROWS)
        pointers = jpeg_abi.row_pointers(addressof(pixels), stride, ROWS)
        left = self.size[1]
        while left:
            count = self._library.jpegli_read_scanlines(reference, pointers, min(ROWS, left))
            left -= count
            yield Rows(pointers, count, pixels, stride)

    @property
    def warnings(self) -> int:
        """How often something was wrong in the file so far."""
        found: int = self._handler.warnings
        return found


def write(
    file: Path,
    rows: Iterator[Rows],
    size: tuple[int, int],
    mode: str,
    coding: Coding,
    segments: Sequence[tuple[int, bytes]],
) -> None:
    """Write a JPEG of these rows, with metadata `segments` (marker, payload) before the picture."""
    library = whole_library()
    with ExitStack() as opened, jpegli.compressing(library) as compressor:
        reference = byref(compressor)
        library.jpegli_stdio_dest(reference, _opened(opened, file, b"wb"))
        jpegli.start(library, compressor, size, mode, coding, Scans.QUICK)
        for marker, payload in segments:
            library.jpegli_write_marker(reference, marker, payload, len(payload))
        for some in rows:
            library.jpegli_write_scanlines(reference, some.pointers, some.count)
        library.jpegli_finish_compress(reference)


def _opened(stack: ExitStack, file: Path, mode: bytes) -> int:
    """A C stream of `file`, closed with the `stack`."""
    stream: int | None = _C.fopen(bytes(file), mode)
    if not stream:
        raise OSError(ctypes.get_errno(), f"{file} cannot be opened")
    stack.callback(_closed, stream, file)
    return stream


def _closed(stream: int, file: Path) -> None:
    if _C.fclose(stream):
        raise OSError(ctypes.get_errno(), f"{file} cannot be written")


@cache
def whole_library() -> ctypes.CDLL:
    """The tested library, with what reading and streams take."""
    library = jpegli.tested_library()
    try:
        jpeg_abi.bind(library, "jpegli", _SIGNATURES)
    except AttributeError as error:
        raise JpegliUnavailableError(f"pyjpegli is not the one that is known: {error}") from None
    return library


_C: Final = ctypes.CDLL(None, use_errno=True)
_C.fopen.argtypes, _C.fopen.restype = (c_char_p, c_char_p), c_void_p
_C.fclose.argtypes, _C.fclose.restype = (c_void_p,), c_int
