"""Which tests share a process: those that build or deploy the stack share what they prepare."""

from pathlib import Path

import pytest

DEPLOYING = ("e2e", "infrastructure", "local")
TESTS = Path(__file__).parent


@pytest.hookimpl(tryfirst=True)  # before the plugin that reads the marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.relative_to(TESTS).parts[0] in DEPLOYING:
            item.add_marker(pytest.mark.xdist_group("deploying"))
