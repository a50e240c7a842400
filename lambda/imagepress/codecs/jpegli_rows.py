"""jpegli row by row: a JPEG is read and written a few rows at a time, however large it is.

The structures are those of libjpeg's ABI 62, as in `jpegli`; so are the test at first use and the
end of the process at an error.
"""

import ctypes
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from ctypes import addressof, byref, c_char_p, c_int, c_long, c_size_t, c_ulong, c_void_p
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Final, Self

from imagepress.codecs import jpegli
from imagepress.codecs.jpegli import Coding, JpegliUnavailableError, Scans

ROWS: Final = 64

_ABI: Final = 62
_STRUCTURE_BYTES: Final = 632
_WARNINGS_OFFSET: Final = 128
MODES: Final = {1: "L", 3: "RGB"}

_SIGNATURES: Final[dict[str, tuple[tuple[Any, ...], Any]]] = {
    "CreateDecompress": ((c_void_p, c_int, c_size_t), None),
    "stdio_src": ((c_void_p, c_void_p), None),
    "mem_src": ((c_void_p, c_char_p, c_ulong), None),
    "read_header": ((c_void_p, c_int), c_int),
    "start_decompress": ((c_void_p,), c_int),
    "read_scanlines": ((c_void_p, c_void_p, ctypes.c_uint), ctypes.c_uint),
    "destroy_decompress": ((c_void_p,), None),
    "stdio_dest": ((c_void_p, c_void_p), None),
    "write_marker": ((c_void_p, c_int, c_char_p, ctypes.c_uint), None),
}


class Decompressor(ctypes.Structure):
    """The beginning of `jpeg_decompress_struct`."""

    _fields_: ClassVar = [
        ("err", c_void_p),
        ("_mem_progress_client", c_void_p * 3),
        ("_is_decompressor_state", c_int * 2),
        ("_src", c_void_p),
        ("image_width", ctypes.c_uint),
        ("image_height", ctypes.c_uint),
        ("num_components", c_int),
        ("_colour_spaces", c_int * 2),
        ("scale_num", ctypes.c_uint),
        ("scale_denom", ctypes.c_uint),
        ("_output_gamma", ctypes.c_double),
        ("_modes_and_colormap", c_int * 12),
        ("output_width", ctypes.c_uint),
        ("output_height", ctypes.c_uint),
        ("_out_color_components", c_int),
        ("output_components", c_int),
        ("_rest", ctypes.c_ubyte * (_STRUCTURE_BYTES - 152)),
    ]


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
    """Reads the JPEG in `file`, RGB or grey; to be closed by `with`."""

    def __init__(self, file: Path) -> None:
        self._library = whole_library()
        self._opened = ExitStack()
        self._handler = jpegli.error_handler(self._library)
        self._decompressor = decompressor(self._library, self._handler)
        reference = byref(self._decompressor)
        self._opened.callback(self._library.jpegli_destroy_decompress, reference)
        self._library.jpegli_stdio_src(reference, _opened(self._opened, file, b"rb"))
        self._library.jpegli_read_header(reference, 1)
        self.size = (self._decompressor.image_width, self._decompressor.image_height)
        self.mode = MODES[self._decompressor.num_components]

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
        start = addressof(pixels)
        pointers = (c_void_p * ROWS)(*range(start, start + stride * ROWS, stride))
        left = self.size[1]
        while left:
            count = self._library.jpegli_read_scanlines(reference, pointers, min(ROWS, left))
            left -= count
            yield Rows(pointers, count, pixels, stride)

    @property
    def warnings(self) -> int:
        """How often something was wrong in the file so far."""
        return warnings(self._handler)


def decompressor(library: ctypes.CDLL, handler: "ctypes.Array[ctypes.c_char]") -> Decompressor:
    """A new one; to be given back by `jpegli_destroy_decompress`."""
    created = Decompressor()
    created.err = addressof(handler)
    library.jpegli_CreateDecompress(byref(created), _ABI, _STRUCTURE_BYTES)
    return created


def warnings(handler: "ctypes.Array[ctypes.c_char]") -> int:
    """How often something was wrong so far in what this error handler belongs to."""
    return c_long.from_buffer(handler, _WARNINGS_OFFSET).value


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
        for name, (arguments, result) in _SIGNATURES.items():
            function = getattr(library, f"jpegli_{name}")
            function.argtypes, function.restype = arguments, result
    except AttributeError as error:
        raise JpegliUnavailableError(f"pyjpegli is not the one that is known: {error}") from None
    return library


_C: Final = ctypes.CDLL(None, use_errno=True)
_C.fopen.argtypes, _C.fopen.restype = (c_char_p, c_char_p), c_void_p
_C.fclose.argtypes, _C.fclose.restype = (c_void_p,), c_int
