"""Many rows at once, results in order: downloads and uploads of neighbours overlap with coding."""

import tempfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

THREADS_A_PROCESSOR = 8
WINDOW_A_THREAD = 8


def in_order[Item, Result](
    work: Callable[[Item], Result], items: Iterable[Item], threads: int
) -> Iterator[Result]:
    """Yield `work(item)` in the order of `items`, `threads` at a time, in bounded memory.

    An exception of `work` rises here, in its turn; what has begun is ended, the rest never begins.
    One of `items` rises behind the results of the items before it.
    """
    window: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(threads, thread_name_prefix="row") as executor:
        try:
            broken = None
            source = iter(items)
            while True:
                try:
                    item = next(source)
                except StopIteration:
                    break
                except Exception as error:  # noqa: BLE001 - it rises when what has begun is told
                    broken = error
                    break
                window.append(executor.submit(work, item))
                if len(window) >= threads * WINDOW_A_THREAD:
                    yield window.popleft().result()
            while window:
                yield window.popleft().result()
            if broken is not None:
                raise broken
        finally:
            for future in window:
                future.cancel()


@contextmanager
def private_folder(temp_dir: str) -> Iterator[Path]:
    """A folder of our own inside `temp_dir`; only that is removed, whatever happens."""
    with tempfile.TemporaryDirectory(
        prefix="imagepress-", dir=temp_dir, ignore_cleanup_errors=True
    ) as folder:
        yield Path(folder)
