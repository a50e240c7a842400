"""jpegli's encoder, by the C interface that the shared object in pyjpegli's wheel exports.

pyjpegli's own `encode` has no progressive scans, no choice of chroma subsampling and no grey. The
interface is libjpeg's, with a few functions of jpegli's own. The wheel is pinned and the first use
tests it: where anything is not as expected `JpegliUnavailableError` says so, for another encoder
to serve.

An error inside jpegli ends this process: libjpeg's interface knows no other way out. So sizes are
looked at before, and memory is the caller's to budget.
"""

import ctypes
import importlib.util
import io
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from ctypes import addressof, byref, c_char_p, c_float, c_int, c_size_t, c_uint, c_ulong, c_void_p
from dataclasses import dataclass
from enum import Enum
from functools import cache, lru_cache
from typing import Final

from PIL import Image, ImageChops, ImageStat

from imagepress import jpeg_structure
from imagepress.codecs import jpeg_abi
from imagepress.codecs.jpeg_abi import Compressor, ErrorHandler, Scan, Signatures

LARGEST_SIDE: Final = 65_500
SMALLEST_DISTANCE: Final = 0.05
LARGEST_DISTANCE: Final = 25.0
ROOM: Final = 16 << 20
"""Bytes that the library takes for what it has at work, but for coefficients; rounded up."""

_COLOUR_SPACES: Final = {"L": 1, "RGB": 2}
_LUMINANCE_SPLIT: Final = ((1, 2), (3, 9), (10, 63))
_CHROMA_SPLIT: Final = ((1, 2), (3, 63))
_BAND_ROWS: Final = 64
_TABLES_KEPT: Final = 256
_HALVINGS: Final = 16
_ERROR_STATUS: Final = 70
_TEST_DIFFERENCE: Final = 4.0

_SIGNATURES: Final[Signatures] = {
    "std_error": ((c_void_p,), c_void_p),
    "CreateCompress": ((c_void_p, c_int, c_size_t), None),
    "mem_dest": ((c_void_p, c_void_p, c_void_p), None),
    "set_defaults": ((c_void_p,), None),
    "enable_adaptive_quantization": ((c_void_p, c_int), None),
    "set_distance": ((c_void_p, c_float, c_int), None),
    "set_progressive_level": ((c_void_p, c_int), None),
    "start_compress": ((c_void_p, c_int), None),
    "write_scanlines": ((c_void_p, c_void_p, c_uint), c_uint),
    "finish_compress": ((c_void_p,), None),
    "destroy_compress": ((c_void_p,), None),
}


class Sampling(Enum):
    """Luminance samples for each chroma sample: across, down."""

    HALF_ACROSS = (2, 1)
    HALF = (2, 2)


@dataclass(frozen=True, slots=True)
class Coding:
    """How a picture is quantised; the same pixels come out whatever the scans are.

    `distance` is jpegli's measure of loss: 1 is about libjpeg's quality 90, 2 about 80. `adaptive`
    drops more detail where a busy neighbourhood hides it. Grey pictures have no `sampling`.
    """

    distance: float
    sampling: Sampling = Sampling.HALF
    adaptive: bool = False


class JpegliUnavailableError(RuntimeError):
    """jpegli cannot be used here: the package is missing or is not the one that is known."""


def _split_script(components: int) -> ctypes.Array[Scan]:
    """All means at once, then each component by frequency; more scans than these cost bytes."""
    scans = [Scan(components, tuple(range(components)), 0, 0)]
    for component in range(components):
        for first, last in _CHROMA_SPLIT if component else _LUMINANCE_SPLIT:
            scans.append(Scan(1, (component,), first, last))
    return (Scan * len(scans))(*scans)


# jpegli reads them while it writes: they have to outlive every compressor.
_SPLIT_SCRIPTS: Final = {components: _split_script(components) for components in (1, 3)}


class Scans(Enum):
    """How coefficients lie in the file; the pixels are the same. Bytes and CPU as measured."""

    QUICK = "quick"
    """All at once, with the usual Huffman tables: nothing has to be kept back."""
    SEQUENTIAL = "sequential"
    """With Huffman tables for the picture: 8 % smaller, takes 1.1 times as long to write."""
    SPLIT = "split"
    """By frequency: 4 % smaller than that, 1.4 times as long to write and twice to read."""
    REFINED = "refined"
    """By bits, too: 1.5 % smaller than that, 1.5 times as long to write, twice to read."""


def encode(picture: Image.Image, coding: Coding, scans: Scans) -> bytes:
    """`picture`, RGB or L, as a JPEG file without metadata but for JFIF's segment."""
    return _encode(tested_library(), picture, coding, scans)


@lru_cache(maxsize=_TABLES_KEPT)
def distance_of(table: tuple[int, ...], *, grey: bool) -> float | None:
    """The distance at which jpegli writes this luminance table; None where it never does.

    Each of its steps only grows with the distance, so equal sums are equal tables.
    """
    sample = Image.new("L" if grey else "RGB", (8, 8))
    low, high = SMALLEST_DISTANCE, LARGEST_DISTANCE
    for _ in range(_HALVINGS):
        distance = math.sqrt(low * high)
        file = encode(sample, Coding(distance), Scans.QUICK)
        made = jpeg_structure.luminance_table(file, jpeg_structure.parse(file))
        if made == table:
            return distance
        if sum(made) < sum(table):
            low = distance
        else:
            high = distance
    return None


def require() -> None:
    """Raise `JpegliUnavailableError` unless `encode` works here."""
    tested_library()


@cache
def tested_library() -> ctypes.CDLL:
    """The library, once another decoder found a small picture of each kind in what it wrote."""
    library = _library()
    for picture in jpeg_abi.small_pictures():
        for scans in Scans:
            data = _encode(library, picture, Coding(1.0), scans)
            try:
                with Image.open(io.BytesIO(data), formats=("JPEG",)) as decoded:
                    decoded.load()
            except OSError as error:
                raise JpegliUnavailableError(f"jpegli writes what is no JPEG: {error}") from None
            if decoded.mode != picture.mode or decoded.size != picture.size:
                raise JpegliUnavailableError(f"jpegli writes {decoded.mode} of {decoded.size}")
            difference = ImageStat.Stat(ImageChops.difference(decoded, picture)).mean
            if max(difference) > _TEST_DIFFERENCE:
                raise JpegliUnavailableError(f"jpegli writes another picture: {difference}")
    return library


def _library() -> ctypes.CDLL:
    found = importlib.util.find_spec("pyjpegli")
    if found is None or found.origin is None:
        raise JpegliUnavailableError("pyjpegli is not installed")
    try:
        library = ctypes.CDLL(found.origin)
        jpeg_abi.bind(library, "jpegli", _SIGNATURES)
    except (OSError, AttributeError) as error:
        raise JpegliUnavailableError(f"pyjpegli is not the one that is known: {error}") from None
    return library


def require_memory(size: int) -> None:
    """Raise `MemoryError` unless `size` bytes are to be had now: the library would abort."""
    found = _C.malloc(size)
    if not found:
        raise MemoryError
    _C.free(found)


def _encode(library: ctypes.CDLL, picture: Image.Image, coding: Coding, scans: Scans) -> bytes:
    _check(picture, coding)
    # All coefficients are kept, in two bytes each.
    coefficients = 0 if scans is Scans.QUICK else picture.width * picture.height * 2
    require_memory(ROOM + coefficients * len(picture.getbands()))
    file, size = c_void_p(), c_ulong()
    with compressing(library) as compressor:
        library.jpegli_mem_dest(byref(compressor), byref(file), byref(size))
        try:
            start(library, compressor, picture.size, picture.mode, coding, scans)
            _write_rows(library, compressor, picture)
            library.jpegli_finish_compress(byref(compressor))
            return ctypes.string_at(file, size.value)
        finally:
            _C.free(file)


@contextmanager
def compressing(library: ctypes.CDLL) -> Iterator[Compressor]:
    """A new compressor for the length of the block."""
    compressor = Compressor()
    handler = error_handler(library)
    compressor.err = addressof(handler)
    library.jpegli_CreateCompress(byref(compressor), jpeg_abi.VERSION, jpeg_abi.COMPRESSOR_BYTES)
    try:
        yield compressor
    finally:
        library.jpegli_destroy_compress(byref(compressor))


def error_handler(library: ctypes.CDLL) -> ErrorHandler:
    """The library's own, but that an error ends the process."""
    handler = ErrorHandler()
    library.jpegli_std_error(byref(handler))
    handler.error_exit = ctypes.cast(_end_process, c_void_p).value
    return handler


def start(
    library: ctypes.CDLL,
    compressor: Compressor,
    size: tuple[int, int],
    mode: str,
    coding: Coding,
    scans: Scans,
) -> None:
    """Set everything and begin."""
    reference = byref(compressor)
    compressor.image_width, compressor.image_height = size
    compressor.input_components = Image.getmodebands(mode)
    compressor.in_color_space = _COLOUR_SPACES[mode]
    library.jpegli_set_defaults(reference)
    library.jpegli_enable_adaptive_quantization(reference, int(coding.adaptive))
    library.jpegli_set_distance(reference, coding.distance, 1)
    if compressor.num_components > 1:
        luminance = compressor.comp_info[0]
        luminance.h_samp_factor, luminance.v_samp_factor = coding.sampling.value
    library.jpegli_set_progressive_level(reference, 2 if scans is Scans.REFINED else 0)
    if scans is Scans.SPLIT:
        script = _SPLIT_SCRIPTS[compressor.num_components]
        compressor.num_scans, compressor.scan_info = len(script), addressof(script)
    if scans is Scans.SEQUENTIAL:
        compressor.optimize_coding = 1
    library.jpegli_start_compress(reference, 1)


def _check(picture: Image.Image, coding: Coding) -> None:
    if picture.mode not in _COLOUR_SPACES:
        raise ValueError(f"jpegli does not take {picture.mode} pictures")
    if not 0 < min(picture.size) <= max(picture.size) <= LARGEST_SIDE:
        raise ValueError(f"jpegli does not take {picture.width} x {picture.height} pixels")
    if not SMALLEST_DISTANCE <= coding.distance <= LARGEST_DISTANCE:
        raise ValueError(f"jpegli does not take the distance {coding.distance}")


def _write_rows(library: ctypes.CDLL, compressor: Compressor, picture: Image.Image) -> None:
    """Band by band: a copy of all pixels would cost memory and time."""
    stride = picture.width * len(picture.getbands())
    for top in range(0, picture.height, _BAND_ROWS):
        bottom = min(top + _BAND_ROWS, picture.height)
        pixels = picture.crop((0, top, picture.width, bottom)).tobytes()
        start = ctypes.cast(c_char_p(pixels), c_void_p).value or 0
        rows = jpeg_abi.row_pointers(start, stride, bottom - top)
        library.jpegli_write_scanlines(byref(compressor), rows, bottom - top)


def _end() -> None:
    os.write(2, b"jpegli met an error that it cannot return from\n")
    os._exit(_ERROR_STATUS)


# jpegli passes the compressor; nothing can be done with it. Kept here, or it would be collected.
_end_process: Final = ctypes.CFUNCTYPE(None, c_void_p)(lambda _compressor: _end())

_C: Final = ctypes.CDLL(None)
_C.malloc.argtypes, _C.malloc.restype = (c_size_t,), c_void_p
_C.free.argtypes = (c_void_p,)
_C.free.restype = None
