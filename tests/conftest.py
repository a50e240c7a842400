"""Which tests share a process: who deploys or browses shares what that takes."""

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

DEPLOYING = ("tests/e2e/", "tests/infrastructure/", "tests/local/")
BROWSING = "tests/browser/"


class SharedProcesses(LoadScopeScheduling):  # type: ignore[misc]
    """Hands out test by test, but for those that deploy, or share a browser."""

    def _split_scope(self, nodeid: str) -> str:
        if nodeid.startswith(DEPLOYING):
            return "deploying"
        return "browsing" if nodeid.startswith(BROWSING) else nodeid


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    return SharedProcesses(config, log)
