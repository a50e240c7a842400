"""One emulator with the stack deployed on it, for all end-to-end tests of a session."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from imagepress.runs import RunsTable
from local import emulator
from local.clients import Clients
from local.deploy import deploy
from local.layout import LOCAL
from tests.e2e.system import System

# A message that a worker failed to finish comes back after at most six times its timeout.
CONFIG: dict[str, Any] = {
    "compressor_concurrency": 2,
    "compressor": {"timeout_seconds": 60},
    "dispatcher": {"timeout_seconds": 30},
    "reporter": {"timeout_seconds": 60},
    "undertaker": {"timeout_seconds": 30},
    "sweeper": {"timeout_seconds": 30},
}


@pytest.fixture(scope="session")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """The deployed system. It fails the session if a function was denied what no test expected."""
    with emulator.instance(tmp_path_factory.mktemp("aws") / "instance") as instance:
        deployment = deploy(instance, LOCAL / "tests" / "cdk.out", CONFIG)
        clients = Clients.of(instance)
        table = RunsTable(clients.dynamodb, deployment.runs_table)
        deployed = System(instance, clients, deployment, table)
        yield deployed
    denials = deployed.unexpected_denials()
    if denials:
        pytest.fail("Denied by IAM:\n" + "\n".join(map(str, denials)), pytrace=False)


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """A name of the test's own, for its CSV and as the prefix of its keys."""
    return re.sub(r"\W+", "-", request.node.name).strip("-")[:40].strip("-")
