"""What docs/security.md and docs/deploying.md say of rights and settings is what the stack has."""

import json
import re
from collections import defaultdict
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from infra.config import LOG_RETENTION_DAYS, FunctionSize, StackConfig
from tests.infrastructure.synthesised import Synthesised
from tests.infrastructure.test_roles import (
    CHUNK,
    DISPATCH,
    IMAGES,
    MANIFESTS,
    NOTICES,
    PARTS,
    REPORT,
    REPORTS,
    RIGHTS,
    RUNS,
    STATUS_INDEX,
    TABLE,
    TRIGGER,
    Rights,
    rights_of,
)

DOCS = Path(__file__).parents[2] / "docs"
NAMES = {
    TRIGGER: "trigger bucket",
    MANIFESTS: "objects of the trigger bucket",
    RUNS: "runs bucket",
    REPORTS: "`runs/*` in the runs bucket",
    PARTS: "`runs/*/parts/*` in the runs bucket",
    f"{PARTS[:-1]}report/*": "`runs/*/parts/report/*` in the runs bucket",
    IMAGES: "images buckets",
    f"{IMAGES}/*": "objects of the images buckets",
    TABLE: "runs table",
    STATUS_INDEX: "its index by status",
    DISPATCH: "dispatch queue",
    CHUNK: "chunk queue",
    REPORT: "report queue",
    "<Dispatch/DeadLetters.Arn>": "dead letters of dispatches",
    "<Chunk/DeadLetters.Arn>": "dead letters of chunks",
    "<Report/DeadLetters.Arn>": "dead letters of reports",
    NOTICES: "topic for notices",
}


def rights_table(rights: dict[str, Rights]) -> str:
    """The table of docs/security.md."""
    lines = ["| function | on | may |", "|---|---|---|"]
    for function, actions in rights.items():
        on = defaultdict(list)
        for action, resources in actions.items():
            for resource in resources:
                if resource != f"<{function}/Logs.Arn>":
                    on[NAMES[resource]].append(action)
        shown = function.lower()
        for name in sorted(on, key=list(NAMES.values()).index):
            allowed = ", ".join(f"`{action}`" for action in sorted(on[name]))
            lines.append(f"| {shown} | {name} | {allowed} |")
            shown = ""
    return "\n".join(lines)


def test_the_table_of_rights_is_that_of_the_template(bare: Synthesised) -> None:
    table = rights_table({name: rights_of(bare, name) for name in RIGHTS})

    assert table in (DOCS / "security.md").read_text("utf-8"), table


def test_the_bucket_policy_for_another_account_allows_what_the_functions_use(
    bare: Synthesised,
) -> None:
    used: dict[str, set[str]] = defaultdict(set)
    for name in RIGHTS:
        for action, resources in rights_of(bare, name).items():
            for resource in resources & {IMAGES, f"{IMAGES}/*"}:
                used[resource].add(action)

    looks, replaces = next(
        block["Statement"] for block in blocks("deploying.md") if "Statement" in block
    )

    assert set(looks["Action"]) == used[IMAGES]
    assert set(replaces["Action"]) == used[f"{IMAGES}/*"]


def test_the_cdk_json_of_the_document_is_one_that_is_taken() -> None:
    (context,) = (block["context"] for block in blocks("deploying.md") if "context" in block)

    config = StackConfig.from_json(context["imagepress"])

    assert [bucket.name for bucket in config.image_buckets] == ["my-pictures", "my-secret-pictures"]


def test_the_documented_outputs_are_those_of_the_stack(bare: Synthesised) -> None:
    text = (DOCS / "deploying.md").read_text("utf-8")
    rows = text.split("| output | what it is |\n")[1].split("\n\n")[0].splitlines()[1:]

    named = [name for row in rows for name in re.findall(r"`(\w+)`", split_row(row)[0])]
    assert sorted(named) == sorted(bare.outputs())


def settings_table() -> dict[str, list[str]]:
    text = (DOCS / "deploying.md").read_text("utf-8")
    section = text.split("\n## Settings\n")[1].split("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| `")]
    return {cells[0].strip("`"): cells[1:] for cells in map(split_row, rows)}


def split_row(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_every_setting_is_documented() -> None:
    assert list(settings_table()) == [field.name for field in fields(StackConfig)]


@pytest.mark.parametrize("name", [field.name for field in fields(StackConfig)])
def test_the_documented_default_of_a_setting_is_the_real_one(name: str) -> None:
    documented = settings_table()[name][0].strip("`")

    match getattr(StackConfig(), name):
        case FunctionSize(memory_mb=memory, timeout_seconds=seconds, tmp_mb=tmp):
            assert documented == f"{memory} MB, {seconds} s, {tmp} MB"
        case int() | str() as value:
            assert documented == str(value)
        case () | None | {}:
            assert documented in ("none", "one of the stack's own")
        case _:
            assert name == "run_defaults"


def test_the_retentions_are_those_that_cloudwatch_has() -> None:
    assert settings_table()["log_retention_days"][1] == ", ".join(map(str, LOG_RETENTION_DAYS))


def blocks(document: str) -> list[dict[str, Any]]:
    text = (DOCS / document).read_text("utf-8")
    return [json.loads(block) for block in re.findall(r"```json\n(.*?)```", text, re.DOTALL)]
