"""Shares of something bounded (memory, temporary space) among rows that are worked on at once."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from imagepress.image_header import ImageFormat, ImageHeader

MEGABYTE = 1_000_000
# Bytes a pixel that coding and verification hold at once: measured at 5 to 60 MP, rounded up.
_BYTES_A_PIXEL = {ImageFormat.JPEG: 18, ImageFormat.PNG: 26}
_BYTES_A_DEEP_PIXEL = 40
_PROCESS_BYTES = 120 * MEGABYTE


def memory_needed(header: ImageHeader, file_size: int) -> int:
    """Bytes of memory that compressing and verifying this picture takes at most, an estimate."""
    deep = header.depth > 8
    a_pixel = _BYTES_A_DEEP_PIXEL if deep else _BYTES_A_PIXEL[header.format]
    return _PROCESS_BYTES + header.pixels * a_pixel + 3 * file_size


class Budget:
    """`total` units; whoever takes a share waits until it is free."""

    def __init__(self, total: int) -> None:
        self.total = total
        self._free = total
        self._changed = threading.Condition()

    @contextmanager
    def share(self, amount: int) -> Iterator[None]:
        """Hold `amount` units, which must not exceed `total`, for the length of the block."""
        with self._changed:
            self._changed.wait_for(lambda: self._free >= amount)
            self._free -= amount
        try:
            yield
        finally:
            with self._changed:
                self._free += amount
                self._changed.notify_all()
