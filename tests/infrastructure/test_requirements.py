"""What is installed is what was looked at: exact versions, known bytes, free licences."""

import re
from importlib import metadata
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
LOCKS = (
    "lambda/requirements.txt",
    "requirements.txt",
    "requirements-dev.txt",
    "local/requirements.txt",
    "local/pictures.txt",
    "bench/requirements.txt",
    "bench/pictures.txt",
)
REQUIREMENT = re.compile(r"(?P<name>[a-z0-9][a-z0-9._-]*)(\[[a-z0-9,-]+\])?==[^ ;]+( ; .+)?")
HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}")


def entries(lock: str) -> list[list[str]]:
    """Each requirement of a lock file with its options: lines that end in a backslash go on."""
    text = (PROJECT / lock).read_text().replace("\\\n", "\0")
    lines = [line for line in text.splitlines() if line and not line.lstrip().startswith("#")]
    return [[part.strip() for part in line.split("\0")] for line in lines]


@pytest.mark.parametrize("lock", LOCKS)
def test_every_requirement_is_one_version_with_hashes(lock: str) -> None:
    found = entries(lock)

    assert found
    for requirement, *options in found:
        assert REQUIREMENT.fullmatch(requirement), requirement
        assert options, requirement
        assert all(HASH.fullmatch(option) for option in options), requirement


def test_what_is_measured_is_what_ships() -> None:
    shipped, measured = (
        {requirement.partition(" ")[0] for requirement, *_ in entries(lock)}
        for lock in ("lambda/requirements.txt", "bench/requirements.txt")
    )

    assert shipped - measured == set()


def test_nothing_that_ships_is_under_the_gpl() -> None:
    shipped = [REQUIREMENT.fullmatch(entry[0]) for entry in entries("lambda/requirements.txt")]

    licences = {found["name"]: licence(found["name"]) for found in shipped if found is not None}

    assert all(licences.values()), licences
    assert {
        name: text
        for name, text in licences.items()
        if re.search(r"(?<!L)\bA?GPL|(?<!Lesser )General Public", text)
    } == {}


def licence(name: str) -> str:
    """All that a package says of its licence in its metadata."""
    facts = metadata.metadata(name)
    stated = [facts.get("License-Expression", ""), facts.get("License", "")]
    classified = [one for one in facts.get_all("Classifier") or [] if one.startswith("License ::")]
    return "\n".join([*stated, *classified]).strip()
