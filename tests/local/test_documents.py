"""What the documents say can be done, and where they point to; tests/e2e runs their commands."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from imagepress.outcome import FailureCode, Outcome, SkipReason
from imagepress.settings import DIRECT_PARAMETERS, check_action, check_event
from tests.documents import (
    DOCUMENTS,
    INLINE_JSON,
    NOT_RUN,
    README,
    README_PT,
    ROOT,
    Block,
    Command,
    anchors,
    blocks,
    commands,
    headings,
    links,
)

NUMBER = re.compile(r"\d+[.,]\d+")
PACKAGE = ROOT / "lambda" / "imagepress"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.name)
def test_links_lead_somewhere(document: Path) -> None:
    for link in links(document):
        path, _, anchor = link.partition("#")
        target = (document.parent / path).resolve() if path else document
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_every_reason_for_not_running_a_command_is_needed() -> None:
    texts = [command.text for command in commands()]

    for pattern in NOT_RUN:
        assert any(re.fullmatch(pattern, text) for text in texts), pattern


def targets() -> list[str]:
    found = set()
    for command in commands():
        match = re.fullmatch(r"(?:\w+=.*)?make (.*)", command.text)
        if match:
            found |= {word for word in match[1].split() if "=" not in word}
    return sorted(found)


@pytest.mark.parametrize("target", targets())
def test_targets_of_make_exist(target: str) -> None:
    done = subprocess.run(
        ["make", "-n", target], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr


def test_the_cdk_is_the_one_that_the_tests_deploy_with() -> None:
    pinned = json.loads((ROOT / "local" / "package.json").read_text())["devDependencies"]["aws-cdk"]
    named = {found for one in commands() for found in re.findall(r"aws-cdk@(\S+)", one.text)}

    assert named == {pinned}


# JSON


@pytest.mark.parametrize("block", blocks("json"), ids=str)
def test_json_can_be_read(block: Block) -> None:
    assert isinstance(json.loads(block.text), dict)


def events() -> list[dict[str, Any]]:
    found = [json.loads(block.text) for block in blocks("json")]
    for document in DOCUMENTS:
        found += map(json.loads, INLINE_JSON.findall(document.read_text("utf-8")))
    asked = [one for one in found if one.keys() & {"csv_path", "prefix", "action"}]
    return list({json.dumps(one): one for one in asked}.values())


@pytest.mark.parametrize("event", events(), ids=json.dumps)
def test_events_are_taken_by_the_dispatcher(event: dict[str, Any]) -> None:
    checked = check_action(event) if "action" in event else check_event(event)

    assert checked == event


# The README and its translation


def test_both_readmes_have_the_same_headings() -> None:
    levels = [[level for level, _ in headings(document)] for document in (README, README_PT)]

    assert levels[0] == levels[1]


def test_both_readmes_have_the_same_commands() -> None:
    first, second = ([one.text for one in commands(document)] for document in (README, README_PT))

    assert first == second


def test_both_readmes_have_the_same_blocks_but_for_comments() -> None:
    first, second = (
        [block.text for block in blocks("json", "csv", "log", "text", "mermaid", document=document)]
        for document in (README, README_PT)
    )

    assert first == second


def test_both_readmes_have_the_same_figures() -> None:
    first, second = (
        [line for line in document.read_text("utf-8").splitlines() if line.startswith("|")]
        for document in (README, README_PT)
    )

    assert [figures(line) for line in first] == [figures(line) for line in second]


def figures(line: str) -> list[str]:
    return [number.replace(",", ".") for number in NUMBER.findall(line)]


def test_both_readmes_link_to_the_same_places() -> None:
    assert set(links(README)) - {README_PT.name} == set(links(README_PT)) - {README.name}


@pytest.mark.parametrize("document", [README, README_PT], ids=lambda document: document.name)
def test_a_readme_names_what_there_is(document: Path) -> None:
    text = document.read_text("utf-8")
    names = {parameter.name for parameter in DIRECT_PARAMETERS}
    words = {*Outcome, *SkipReason, *FailureCode}

    parameters = re.findall(r"^\| `(\w+)`(?:, `(\w+)`)? \| [^|]* \| [^|]* \|$", text, re.MULTILINE)
    outcomes = re.findall(r"^\| ([A-Z]*) *\| ([A-Z_]*) *\| ", text, re.MULTILINE)

    assert len(parameters) == 8
    assert {name for pair in parameters for name in pair if name} <= names
    assert len(outcomes) == 10
    assert {word for pair in outcomes for word in pair if word} <= words
    assert f" {len(SkipReason) + len(FailureCode)}," in text


# The map of the code


def test_every_module_is_on_the_map() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    modules = {file.stem for file in PACKAGE.glob("*.py")} - {"__init__"}

    assert {module for module in modules if f"`{module}`" not in text} == set()


def test_every_command_that_is_run_is_one_that_is_known() -> None:
    known = ("aws ", "imagepress ", "python compress_images_from_S3.py ", ". .local/aws.env ")

    strange = [one for one in commands() if one.is_run and not one.text.startswith(known)]
    assert strange == list[Command]()
