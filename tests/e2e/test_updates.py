"""A newer stack takes the place of an older one while a run is on, and finds all that was there.

On an emulator of its own: the other tests' stack stays as it is.
"""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from imagepress import __version__
from imagepress.run import RunStatus
from imagepress.runs import RunsTable
from local import emulator
from local.clients import Clients
from local.deploy import Deployment, deploy_assembly, synthesise
from local.emulator import Emulator
from tests.e2e.instances import ASSEMBLY, CONFIG, roomy_folder
from tests.e2e.system import FinishedRun, System
from tests.pictures import jpeg, photograph, png

pytestmark = pytest.mark.e2e

OLD_VERSION = "0.0.1"
NEW_CONFIG: dict[str, Any] = {
    **CONFIG,
    "compressor": {"timeout_seconds": 90, "memory_mb": 2048},
    "run_defaults": {"perc_compression_quality": 70},
}
ROWS = 16
PICTURE = png(photograph(size=(320, 240)))
HELD_SECONDS = 600


@dataclass(frozen=True, slots=True)
class Updated:
    """What an update found and left: a run that ended before it, and one that was on."""

    system: System
    before: Deployment
    old_resources: dict[str, str]
    ended: FinishedRun
    going_on: FinishedRun
    chunks_held: int


@pytest.fixture(scope="module")
def updated(system: System, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Updated]:
    """The stack as the other tests have it, of an older version, is updated to another one."""
    with (
        roomy_folder(tmp_path_factory) as folder,
        emulator.instance(folder / "instance") as instance,
    ):
        old = folder / "old.cdk.out"
        make_older(ASSEMBLY, old)
        before = deployed(instance, old)
        old_resources = resources(before)
        before.put("ended/0.jpg", jpeg())
        ended = before.await_run(before.upload_csv("ended.csv", ["ended/0.jpg"]))

        keys = [f"on/{number}.png" for number in range(ROWS)]
        for key in keys:
            before.put(key, PICTURE)
        run_id = before.upload_csv("on.csv", keys)
        before.await_rows(run_id, 2)
        held = hold_back(before)
        synthesise(ASSEMBLY, NEW_CONFIG)
        now = deployed(instance, ASSEMBLY)
        let_go(before, held)
        going_on = before.await_run(run_id)
        yield Updated(now, before.deployment, old_resources, ended, going_on, len(held))
        assert now.unexpected_denials() == []


def deployed(instance: Emulator, assembly: Path) -> System:
    deployment = deploy_assembly(instance, assembly)
    clients = Clients.of(instance)
    return System(instance, clients, deployment, RunsTable(clients.dynamodb, deployment.runs_table))


def make_older(assembly: Path, older: Path) -> None:
    """The same assembly with the code of another version, as an earlier deployment had it."""
    shutil.copytree(assembly, older, symlinks=True)
    (asset,) = (path for path in older.glob("asset.*") if path.is_dir())
    its_hash = asset.name.removeprefix("asset.")
    older_hash = its_hash[::-1]
    for file in older.glob("*.json"):
        file.write_text(file.read_text("utf-8").replace(its_hash, older_hash), "utf-8")
    code = asset / "imagepress" / "__init__.py"
    code.write_text(code.read_text("utf-8").replace(f'"{__version__}"', f'"{OLD_VERSION}"'))
    asset.rename(older / f"asset.{older_hash}")


def hold_back(system: System) -> list[str]:
    """Keep the chunks that wait from everybody, as a long queue would; their messages' handles."""
    held: list[str] = []
    while True:
        messages = system.clients.sqs.receive_message(
            QueueUrl=system.deployment.chunk_queue_url,
            MaxNumberOfMessages=10,
            VisibilityTimeout=HELD_SECONDS,
        ).get("Messages", [])
        if not messages:
            return held
        held += [message["ReceiptHandle"] for message in messages]


def let_go(system: System, held: list[str]) -> None:
    for handle in held:
        system.clients.sqs.change_message_visibility(
            QueueUrl=system.deployment.chunk_queue_url, ReceiptHandle=handle, VisibilityTimeout=0
        )


def resources(system: System) -> dict[str, str]:
    """The physical id of everything in the stack, by its logical id."""
    pages = system.clients.cloudformation.get_paginator("list_stack_resources").paginate(
        StackName="imagepress"
    )
    return {
        one["LogicalResourceId"]: one["PhysicalResourceId"]
        for page in pages
        for one in page["StackResourceSummaries"]
    }


def test_an_update_changes_code_and_settings(updated: Updated) -> None:
    functions = updated.system.clients.functions
    compressor = functions.get_function_configuration(
        FunctionName=updated.system.deployment.compressor_function
    )

    assert updated.ended.summary["version"] == OLD_VERSION
    assert updated.going_on.summary["version"] == __version__
    assert (compressor["Timeout"], compressor["MemorySize"]) == (90, 2048)


def test_an_update_takes_nothing_away(updated: Updated) -> None:
    assert updated.system.deployment == updated.before
    assert resources(updated.system) == updated.old_resources


def test_a_run_that_is_on_during_an_update_ends_exactly(updated: Updated) -> None:
    run = updated.going_on

    assert 0 < updated.chunks_held < ROWS
    assert run.status is RunStatus.COMPLETED
    assert [row["path"] for row in run.results] == [f"on/{number}.png" for number in range(ROWS)]
    assert run.outcomes() == ["COMPRESSED"] * ROWS
    assert run.look.progress.totals.rows == run.summary["rows"] == ROWS
    # What was asked for when it began, whatever runs get now.
    assert run.summary["parameters"]["perc_compression_quality"] == 80
    # Nothing was written twice.
    assert {len(ids) for ids in updated.system.versions("on/").values()} == {2}


def test_runs_of_before_an_update_are_listed_and_can_be_restored(updated: Updated) -> None:
    system = updated.system
    listed = [run["run_id"] for run in system.invoke({"action": "list"})["runs"]]
    restores = [
        system.invoke({"action": "restore", "run_id": run.run_id})["run_id"]
        for run in (updated.ended, updated.going_on)
    ]
    first, second = map(system.await_run, restores)

    assert {updated.ended.run_id, updated.going_on.run_id} <= set(listed)
    assert first.outcomes() == ["RESTORED"]
    assert second.outcomes() == ["RESTORED"] * ROWS
    assert system.get("ended/0.jpg") == jpeg()
    assert {system.get(f"on/{number}.png") for number in range(ROWS)} == {PICTURE}


def test_a_run_after_an_update_gets_the_new_defaults(updated: Updated) -> None:
    updated.system.put("after/0.jpg", jpeg())

    run = updated.system.await_run(updated.system.upload_csv("after.csv", ["after/0.jpg"]))

    assert run.outcomes() == ["COMPRESSED"]
    assert run.summary["parameters"]["perc_compression_quality"] == 70
