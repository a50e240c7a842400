"""A JPEG's pixels by libjpeg, where it finds nothing wrong: Pillow keeps to itself what it found.

Damage in the coded data is a warning to libjpeg, which makes up what is missing. Compressing that
would write the damage down for good. So libjpeg is called here without Pillow in between: the very
library that Pillow has loaded, with the same pixels. The first use tests it.

What cannot be read at all is an error, and libjpeg's interface has no other way out than to end
the process; that is too common for it. So each file is read in a thread of its own. At an error
the thread stops for good, and what its decoder took is given back from outside; only its stack
remains. The codec process looks at how many there are, and has itself replaced in time.
"""

import ctypes
import io
import threading
from concurrent.futures import Future
from contextlib import suppress
from ctypes import addressof, byref, c_char_p, c_int, c_ulong, c_void_p
from functools import cache
from typing import Final, cast

from PIL import Image, _imaging

from imagepress.codecs import jpeg_abi
from imagepress.codecs.jpeg_abi import Decompressor, ErrorHandler, Signatures

_SIGNATURES: Final[Signatures] = {
    "std_error": ((c_void_p,), c_void_p),
    **jpeg_abi.READING,
    "mem_src": ((c_void_p, c_char_p, c_ulong), None),
    "finish_decompress": ((c_void_p,), c_int),
}
_MODES: Final = {1: ("L", "L"), 3: ("RGB", "RGBX"), 4: ("CMYK", "CMYK")}
"""Pillow's mode for so many components, and how the rows have it."""
_RGBX: Final = 7  # libjpeg-turbo's JCS_EXT_RGBX: as Pillow keeps it in memory
_ROWS: Final = 64
_MARKER_BYTES: Final = 2
_PADDING: Final = b"\0\xff"
_NO_MEMORY: Final = "Insufficient memory"
_MESSAGE_BYTES: Final = 200
_POINTER_BYTES: Final = ctypes.sizeof(c_void_p)
_STACK_BYTES: Final = 256 << 10
_CUT_OFF: Final = 99


class FlawedJpegError(ValueError):
    """libjpeg found something wrong; the text is libjpeg's."""


class LibjpegUnavailableError(RuntimeError):
    """Pillow's libjpeg cannot be called here."""


def decode(data: bytes, end: int) -> Image.Image:
    """The picture (L, RGB, CMYK) without metadata; CMYK as it is stored, often the wrong way round.

    `end` is where the picture ends, behind the marker that says so. Raises `FlawedJpegError`,
    `MemoryError` and `LibjpegUnavailableError`.
    """
    return _Reading(_tested_library(), data, end).result()


class _Reading:
    """One file on its way through the decoder.

    All that C looks at belongs to it, and a thread that has stopped keeps it alive for good. So it
    lets go of whatever is large.
    """

    def __init__(self, library: ctypes.CDLL, data: bytes, end: int) -> None:
        self._library = library
        self._data = data
        self._end = end
        self._on_error = _Callback(self._stop)
        self._on_warning = _Callback(self._note)
        self._handler = ErrorHandler()
        self._decompressor = Decompressor()
        self._band: ctypes.Array[ctypes.c_char] | None = None
        self._picture: Image.Image | None = None
        self._leftover = 0
        self._warning = ""
        self._flaw: Future[str] = Future()

    def result(self) -> Image.Image:
        usual = threading.stack_size(_STACK_BYTES)
        try:
            threading.Thread(target=self._run, daemon=True).start()
        finally:
            threading.stack_size(usual)
        try:
            flaw = self._flaw.result()
            if flaw.startswith(_NO_MEMORY):
                raise MemoryError
            if flaw or self._picture is None:
                raise FlawedJpegError(flaw)
            return self._picture
        finally:
            self._library.jpeg_destroy_decompress(byref(self._decompressor))
            self._data, self._band, self._picture = b"", None, None

    def _run(self) -> None:
        try:
            self._flaw.set_result(self._read())
        except MemoryError:
            self._flaw.set_result(_NO_MEMORY)
        except Exception as error:  # noqa: BLE001 - whoever waits is to have it
            self._flaw.set_exception(error)

    def _read(self) -> str:
        library, decompressor = self._library, self._decompressor
        reference = byref(decompressor)
        library.jpeg_std_error(byref(self._handler))
        self._handler.error_exit = ctypes.cast(self._on_error, c_void_p).value
        self._handler.output_message = ctypes.cast(self._on_warning, c_void_p).value
        decompressor.err = addressof(self._handler)
        library.jpeg_CreateDecompress(reference, jpeg_abi.VERSION, jpeg_abi.DECOMPRESSOR_BYTES)
        library.jpeg_mem_src(reference, self._data, len(self._data))
        library.jpeg_read_header(reference, 1)
        # What it thinks of versions and of foreign segments says nothing of the picture.
        self._handler.warnings, self._warning = 0, ""
        if decompressor.num_components not in _MODES:
            return f"it has {decompressor.num_components} components"
        mode, raw_mode = _MODES[decompressor.num_components]
        if mode == "RGB":
            decompressor.out_color_space = _RGBX
        library.jpeg_start_decompress(reference)
        width, height = decompressor.output_width, decompressor.output_height
        self._picture = Image.new(mode, (width, height))
        self._read_rows(width, height, raw_mode)
        if self._handler.warnings:
            return self._warning
        library.jpeg_finish_decompress(reference)
        return self._warning if self._handler.warnings and not self._is_padded() else ""

    def _read_rows(self, width: int, height: int, raw_mode: str) -> None:
        """Band by band: a copy of all pixels would cost memory and time."""
        read_scanlines = self._library.jpeg_read_scanlines
        decompressor = addressof(self._decompressor)
        stride = width * len(raw_mode)
        self._band = (ctypes.c_char * (stride * _ROWS))()
        pointers = jpeg_abi.row_pointers(addressof(self._band), stride, _ROWS)
        places = [addressof(pointers) + row * _POINTER_BYTES for row in range(_ROWS)]
        for top in range(0, height, _ROWS):
            rows = min(_ROWS, height - top)
            done = 0
            while done < rows:
                done += read_scanlines(decompressor, places[done], rows - done)
            self._keep((width, rows), top, raw_mode)

    def _keep(self, size: tuple[int, int], top: int, raw_mode: str) -> None:
        picture = cast("Image.Image", self._picture)
        band = cast("bytearray", self._band)
        rows = Image.frombuffer(picture.mode, size, band, "raw", raw_mode, 0, 1)
        picture.paste(rows, (0, top))

    def _is_padded(self) -> bool:
        """Whether all that is left behind the last row is what some cameras fill it up with."""
        end = self._end - _MARKER_BYTES
        return not self._data[end - self._leftover : end].strip(_PADDING)

    def _note(self, decompressor: int) -> None:
        """Called by the decoder at the first warning."""
        self._warning = self._message(decompressor)
        self._leftover = self._handler.numbers[0]

    def _stop(self, decompressor: int) -> None:
        """Called by the decoder in the reading thread; must not return."""
        self._flaw.set_result(self._message(decompressor))
        threading.Event().wait()

    def _message(self, decompressor: int) -> str:
        text = ctypes.create_string_buffer(_MESSAGE_BYTES)
        _Formatter(self._handler.format_message)(decompressor, text)
        return text.value.decode(errors="replace")


_Callback: Final = ctypes.CFUNCTYPE(None, c_void_p)
_Formatter: Final = ctypes.CFUNCTYPE(None, c_void_p, c_char_p)


@cache
def _tested_library() -> ctypes.CDLL:
    """The library that Pillow has loaded, once it saw in small pictures what Pillow sees."""
    library = _library()
    for picture in jpeg_abi.small_pictures():
        file = io.BytesIO()
        picture.save(file, "JPEG")
        data = file.getvalue()
        with Image.open(file, formats=("JPEG",)) as expected:
            expected.load()
        try:
            seen = _Reading(library, data, len(data)).result()
        except FlawedJpegError as error:
            raise LibjpegUnavailableError(f"Pillow's libjpeg does not read: {error}") from None
        if seen.mode != expected.mode or seen.tobytes() != expected.tobytes():
            raise LibjpegUnavailableError("Pillow's libjpeg sees another picture than Pillow")
        with suppress(FlawedJpegError):
            _Reading(library, data[:-_CUT_OFF], len(data) - _CUT_OFF).result()
            raise LibjpegUnavailableError("Pillow's libjpeg finds nothing wrong with damage")
    return library


def _library() -> ctypes.CDLL:
    library = ctypes.CDLL(_imaging.__file__)  # and what that is linked with
    try:
        jpeg_abi.bind(library, "jpeg", _SIGNATURES)
    except AttributeError as error:
        raise LibjpegUnavailableError(f"Pillow's libjpeg cannot be called: {error}") from None
    return library
