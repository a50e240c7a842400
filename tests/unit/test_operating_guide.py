"""The events in the guide are what the dispatcher takes."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from imagepress.settings import check_action, check_event

GUIDE = Path(__file__).parents[2] / "docs" / "operating.md"
EVENTS = re.findall(r"```json\n(.*?)\n```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.parametrize("text", EVENTS)
def test_an_event_of_the_guide_is_valid(text: str) -> None:
    event: dict[str, Any] = json.loads(text)
    check = check_action if "action" in event else check_event
    assert check(event) == event


def test_there_is_an_event_for_each_thing_to_ask_for() -> None:
    events = [json.loads(text) for text in EVENTS]
    actions = {event.get("action") for event in events}
    assert actions == {None, "status", "list", "cancel", "restore"}
    assert any("prefix" in event for event in events)
    assert any("dry_run" in event for event in events)
