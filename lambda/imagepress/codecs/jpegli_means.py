"""The means of a JPEG's blocks, by jpegli, which refuses what other decoders take in silence.

Only the entropy coding is undone in full, which is where damage shows: half of a decoder's work.

jpegli must not go on after an error, and libjpeg's interface has no other way out than to end the
process; a damaged file is too common for that. So each file is read in a thread of its own. At an
error the thread stops for good, and what its decoder took is given back from outside; only its
stack remains. The codec process looks at how many there are, and has itself replaced in time.
"""

import ctypes
import threading
from concurrent.futures import Future
from ctypes import addressof, byref, c_void_p
from typing import Final

from PIL import Image

from imagepress.codecs import jpegli, jpegli_rows

BLOCK: Final = 8

_MESSAGE: Final = slice(44, 124)
_STACK_BYTES: Final = 256 << 10


def block_means(data: bytes) -> Image.Image:
    """The picture, RGB or L, an eighth as large: each pixel is the mean of 8 x 8.

    At the right and lower edges some of them may not be the picture's. Raises `ValueError` where
    the file is damaged, `MemoryError`, and `JpegliUnavailableError`.
    """
    reading = _Reading(data)
    jpegli.require_memory(jpegli.ROOM)
    return reading.result()


class _Reading:
    """One file on its way through the decoder.

    All that C looks at belongs to it, and a thread that has stopped keeps it alive for good. So it
    lets go of the file, and of an error no more than the text: exceptions hold on to their callers.
    """

    def __init__(self, data: bytes) -> None:
        self._library = jpegli_rows.whole_library()
        self._data = data
        self._on_error = ctypes.CFUNCTYPE(None, c_void_p)(self._stop)
        self._handler = jpegli.error_handler(self._library)
        c_void_p.from_buffer(self._handler).value = ctypes.cast(self._on_error, c_void_p).value
        self._decompressor = jpegli_rows.decompressor(self._library, self._handler)
        self._seen: Future[Image.Image | str] = Future()

    def result(self) -> Image.Image:
        usual = threading.stack_size(_STACK_BYTES)
        try:
            threading.Thread(target=self._run, daemon=True).start()
        finally:
            threading.stack_size(usual)
        try:
            seen = self._seen.result()
        finally:
            self._library.jpegli_destroy_decompress(byref(self._decompressor))
            self._data = b""
        if isinstance(seen, str):
            raise MemoryError if "memory" in seen else ValueError(seen)
        return seen

    def _run(self) -> None:
        try:
            self._seen.set_result(self._read())
        except Exception as error:  # noqa: BLE001 - whoever waits is to have it
            self._seen.set_exception(error)

    def _read(self) -> Image.Image:
        reference = byref(self._decompressor)
        self._library.jpegli_mem_src(reference, self._data, len(self._data))
        self._library.jpegli_read_header(reference, 1)
        self._decompressor.scale_num, self._decompressor.scale_denom = 1, BLOCK
        self._library.jpegli_start_decompress(reference)
        width, height = self._decompressor.output_width, self._decompressor.output_height
        stride = width * self._decompressor.output_components
        pixels = (ctypes.c_char * (stride * height))()
        start = addressof(pixels)
        pointers = (c_void_p * height)(*range(start, start + stride * height, stride))
        done = 0
        while done < height:
            rest = byref(pointers, done * ctypes.sizeof(c_void_p))
            done += self._library.jpegli_read_scanlines(reference, rest, height - done)
        if jpegli_rows.warnings(self._handler):
            raise ValueError("its data is not complete")
        mode = jpegli_rows.MODES[self._decompressor.output_components]
        return Image.frombytes(mode, (width, height), pixels.raw)

    def _stop(self, _: int) -> None:
        """Called by the decoder in the reading thread; must not return."""
        message = self._handler.raw[_MESSAGE].partition(b"\0")[0].decode(errors="replace")
        self._seen.set_result(message.rpartition(": ")[2])
        threading.Event().wait()
