"""Properties are searched with the same examples every time; a wider search is one variable away.

`HYPOTHESIS_PROFILE=search pytest tests/unit` looks for new ones.
"""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.unit.pressing import Press, press_in

settings.register_profile(
    "steady",
    deadline=None,
    derandomize=True,
    max_examples=60,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile(
    "search",
    deadline=None,
    max_examples=2000,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "steady"))


@pytest.fixture
def press(tmp_path: Path) -> Press:
    return lambda data, quality: press_in(tmp_path, data, quality)
