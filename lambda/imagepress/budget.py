"""Shares of something bounded (memory, temporary space) among rows that are worked on at once."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

MEGABYTE = 1_000_000


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
