"""One emulator with the stack deployed on it, for all end-to-end tests of a session."""

import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from imagepress.runs import RunsTable
from local import emulator
from local.clients import Clients
from local.deploy import deploy
from local.layout import LOCAL
from tests.e2e.system import System

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


@pytest.fixture(scope="session")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """The deployed system. It fails the session if a function was denied what no test expected."""
    with (
        roomy_folder(tmp_path_factory) as folder,
        emulator.instance(folder / "instance") as instance,
    ):
        deployment = deploy(instance, LOCAL / "tests" / "cdk.out", CONFIG)
        clients = Clients.of(instance)
        table = RunsTable(clients.dynamodb, deployment.runs_table)
        deployed = System(instance, clients, deployment, table)
        yield deployed
    denials = deployed.unexpected_denials()
    if denials:
        pytest.fail("Denied by IAM:\n" + "\n".join(map(str, denials)), pytrace=False)


@contextmanager
def roomy_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """In memory where there is room: each worker unpacks the code, which a busy disk makes slow."""
    if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > MEMORY_BYTES:
        with tempfile.TemporaryDirectory(dir=MEMORY, prefix="imagepress-") as folder:
            yield Path(folder)
    else:
        yield tmp_path_factory.mktemp("aws")


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """A name of the test's own, for its CSV and as the prefix of its keys."""
    return re.sub(r"\W+", "-", request.node.name).strip("-")[:40].strip("-")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Look at the rights last, when all other tests have used theirs."""
    items.sort(key=lambda item: item.path.name == "test_rights.py")
