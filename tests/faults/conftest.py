"""The functions and clients of the integration tests, in as many worlds as a test wants."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from moto.core.botocore_stubber import BotocoreStubber

from imagepress import chunk_work, start
from tests.faults.world import Worlds, new_world
from tests.integration import stack as deployed
from tests.integration.conftest import functions, session_stack, session_temp_dir, session_wire
from tests.integration.functions import Functions
from tests.integration.moto_fixes import fixed
from tests.integration.stack import Stack
from tests.integration.wire import Wire

__all__ = ["functions", "session_stack", "session_temp_dir", "session_wire"]

ROWS_A_CHUNK = 3


@pytest.fixture(scope="module")
def worlds(
    functions: Functions, session_stack: Stack, session_wire: Wire, session_temp_dir: Path
) -> Iterator[Worlds]:
    """Makes new worlds, one at a time; each row of a chunk is taken in its turn."""
    with pytest.MonkeyPatch.context() as patch:
        for name in deployed.FOREIGN:
            patch.delenv(name, raising=False)
        for name, value in deployed.CREDENTIALS.items():
            patch.setenv(name, value)
        # One row at a time, so that the calls come in the same order every time.
        patch.setattr(functions.compressor, "THREADS_A_PROCESSOR", 1)
        patch.setattr(chunk_work, "WATCH_SECONDS", 0)
        patch.setattr(start, "chunk_size", lambda rows, concurrency: ROWS_A_CHUNK)
        patch.setattr(BotocoreStubber, "process_request", fixed(BotocoreStubber.process_request))
        yield partial(new_world, session_stack, functions, session_wire, session_temp_dir)
