"""The structures of libjpeg's ABI 62, as in jpeglib.h, which jpegli and libjpeg-turbo share.

Of each the beginning, as far as anything here looks at it, and its size. The libraries compare
version and size themselves; the first use of each library tests the rest.
"""

import ctypes
from collections.abc import Mapping
from ctypes import POINTER, c_int, c_long, c_size_t, c_uint, c_void_p
from typing import Any, ClassVar, Final

from PIL import Image, ImageOps

type Signatures = Mapping[str, tuple[tuple[Any, ...], Any]]
"""Arguments and result of each function."""

VERSION: Final = 62
COMPRESSOR_BYTES: Final = 520
DECOMPRESSOR_BYTES: Final = 632

READING: Final[Signatures] = {
    "CreateDecompress": ((c_void_p, c_int, c_size_t), None),
    "read_header": ((c_void_p, c_int), c_int),
    "start_decompress": ((c_void_p,), c_int),
    "read_scanlines": ((c_void_p, c_void_p, c_uint), c_uint),
    "destroy_decompress": ((c_void_p,), None),
}
"""The functions that every decoder takes."""

_TEST_SIZE: Final = (70, 44)
_SCANS_OFFSET: Final = 240


def bind(library: ctypes.CDLL, prefix: str, signatures: Signatures) -> None:
    """Declare functions of `library`, whose names have the prefix; `AttributeError` without one."""
    for name, (arguments, result) in signatures.items():
        function = getattr(library, f"{prefix}_{name}")
        function.argtypes, function.restype = arguments, result


def small_pictures() -> tuple[Image.Image, Image.Image]:
    """A grey one and one in colours, for the first use of a library to try."""
    ramp = Image.linear_gradient("L").resize(_TEST_SIZE)
    return ramp, Image.merge("RGB", (ramp, ImageOps.flip(ramp), ImageOps.invert(ramp)))


def row_pointers(start: int, stride: int, rows: int) -> "ctypes.Array[c_void_p]":
    """Where so many rows begin that lie one behind the other from address `start`."""
    return (c_void_p * rows)(*range(start, start + stride * rows, stride))


class ErrorHandler(ctypes.Structure):
    """`jpeg_error_mgr`: `error_exit` must not return; `numbers` belong to the last message."""

    _fields_: ClassVar = [
        ("error_exit", c_void_p),
        ("_emit_message", c_void_p),
        ("output_message", c_void_p),
        ("format_message", c_void_p),
        ("_reset", c_void_p),
        ("_code", c_int),
        ("numbers", c_int * 8),
        ("_rest_of_text", ctypes.c_ubyte * 48),
        ("_trace_level", c_int),
        ("warnings", c_long),
        ("_message_tables", c_void_p * 4),
    ]


class Component(ctypes.Structure):
    """The beginning of `jpeg_component_info`."""

    _fields_: ClassVar = [
        ("component_id", c_int),
        ("component_index", c_int),
        ("h_samp_factor", c_int),
        ("v_samp_factor", c_int),
        ("_rest", ctypes.c_ubyte * 80),
    ]


class _Common(ctypes.Structure):
    """`jpeg_common_struct`."""

    _fields_: ClassVar = [
        ("err", c_void_p),
        ("_mem_progress_client", c_void_p * 3),
        ("_is_decompressor_state", c_int * 2),
    ]


class Compressor(_Common):
    """The beginning of `jpeg_compress_struct`."""

    _fields_: ClassVar = [
        ("_dest", c_void_p),
        ("image_width", ctypes.c_uint),
        ("image_height", ctypes.c_uint),
        ("input_components", c_int),
        ("in_color_space", c_int),
        ("_input_gamma", ctypes.c_double),
        ("_data_precision", c_int),
        ("num_components", c_int),
        ("_jpeg_color_space", c_int),
        ("comp_info", POINTER(Component)),
        ("_tables_and_arithmetic", ctypes.c_ubyte * (_SCANS_OFFSET - 96)),
        ("num_scans", c_int),
        ("scan_info", c_void_p),
        ("_raw_data_in", c_int),
        ("_arith_code", c_int),
        ("optimize_coding", c_int),
        ("_rest", ctypes.c_ubyte * (COMPRESSOR_BYTES - _SCANS_OFFSET - 28)),
    ]


class Scan(ctypes.Structure):
    """`jpeg_scan_info`: some coefficients of some components."""

    _fields_: ClassVar = [
        ("comps_in_scan", c_int),
        ("component_index", c_int * 4),
        ("first", c_int),
        ("last", c_int),
        ("_bits", c_int * 2),
    ]


class Decompressor(_Common):
    """The beginning of `jpeg_decompress_struct`."""

    _fields_: ClassVar = [
        ("_src", c_void_p),
        ("image_width", ctypes.c_uint),
        ("image_height", ctypes.c_uint),
        ("num_components", c_int),
        ("_jpeg_color_space", c_int),
        ("out_color_space", c_int),
        ("scale_num", ctypes.c_uint),
        ("scale_denom", ctypes.c_uint),
        ("_output_gamma", ctypes.c_double),
        ("_modes_and_colormap", c_int * 12),
        ("output_width", ctypes.c_uint),
        ("output_height", ctypes.c_uint),
        ("_out_color_components", c_int),
        ("output_components", c_int),
        ("_rest", ctypes.c_ubyte * (DECOMPRESSOR_BYTES - 152)),
    ]
