"""What the end-to-end tests' emulators have in common: where they live, and what is deployed."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from local.layout import LOCAL

ASSEMBLY = LOCAL / "tests" / "cdk.out"
MEMORY = Path("/dev/shm")
MEMORY_BYTES = 2 << 30

# A message that a worker failed to finish comes back after at most six times its timeout.
CONFIG: dict[str, Any] = {
    "compressor_concurrency": 2,
    "compressor": {"timeout_seconds": 60},
    "dispatcher": {"timeout_seconds": 30},
    # No more than it keeps in reserve: it goes on in another invocation after each chunk.
    "reporter": {"timeout_seconds": 30},
    "undertaker": {"timeout_seconds": 30},
    "sweeper": {"timeout_seconds": 30},
}


@contextmanager
def roomy_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """In memory where there is room: each worker unpacks the code, which a busy disk makes slow."""
    if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > MEMORY_BYTES:
        with tempfile.TemporaryDirectory(dir=MEMORY, prefix="imagepress-") as folder:
            yield Path(folder)
    else:
        yield tmp_path_factory.mktemp("aws")
