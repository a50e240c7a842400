"""Which tests share a process: those that deploy or build the stack share what they prepare."""

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

DEPLOYING = ("tests/e2e/", "tests/infrastructure/", "tests/local/")


class OneProcessDeploys(LoadScopeScheduling):  # type: ignore[misc]
    """Hands out test by test, but for those that deploy: these go to one process."""

    def _split_scope(self, nodeid: str) -> str:
        return "deploying" if nodeid.startswith(DEPLOYING) else nodeid


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    return OneProcessDeploys(config, log)
