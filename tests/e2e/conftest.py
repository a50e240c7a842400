"""One emulator with the stack deployed on it, for all end-to-end tests of a session."""

import re
from collections.abc import Iterator

import pytest

from imagepress.runs import RunsTable
from local import emulator
from local.clients import Clients
from local.deploy import deploy
from tests.e2e.instances import ASSEMBLY, CONFIG, roomy_folder
from tests.e2e.system import System


@pytest.fixture(scope="session")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """The deployed system. It fails the session if a function was denied what no test expected."""
    with (
        roomy_folder(tmp_path_factory) as folder,
        emulator.instance(folder / "instance") as instance,
    ):
        deployment = deploy(instance, ASSEMBLY, CONFIG)
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


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Look at the rights last, when all other tests have used theirs."""
    items.sort(key=lambda item: item.path.name == "test_rights.py")
