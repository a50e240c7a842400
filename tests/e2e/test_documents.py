"""The commands of the documents, run as they stand there; only names are put in."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from local import up
from local.follow import await_start
from tests.documents import README, ROOT, Command, blocks, commands
from tests.e2e import aws_command
from tests.e2e.system import START_SECONDS, System, csv_of
from tests.pictures import jpeg

pytestmark = pytest.mark.e2e

KEY = "documents/1.jpg"
CSV = "dataset.csv"
OWN_BUCKET = "documents-pictures"
REMOVED = "documents-to-remove"
RUN = list({one.text: one for one in commands() if one.is_run}.values())


class Reader:
    """Somebody in a folder with the repository's commands, who types what the documents say."""

    def __init__(self, system: System, folder: Path) -> None:
        self._system = system
        self.folder = folder
        tools = {
            "aws": [sys.executable, aws_command.__file__],
            "imagepress": [sys.executable, str(ROOT / "compress_images_from_S3.py")],
            "python": [sys.executable],
        }
        bin_folder = folder / "bin"
        bin_folder.mkdir()
        for name, command in tools.items():
            file = bin_folder / name
            file.write_text(f'#!/bin/sh\nexec {shlex.join(command)} "$@"\n')
            file.chmod(0o755)
        (folder / "compress_images_from_S3.py").symlink_to(ROOT / "compress_images_from_S3.py")
        (folder / CSV).write_bytes(csv_of([KEY]))
        self._path = f"{bin_folder}{os.pathsep}{os.environ['PATH']}"

    def types(self, text: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["/bin/sh", "-euc", text],
            cwd=self.folder,
            env={**os.environ, **self._system.emulator.environment(), "PATH": self._path},
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )

    def has_run(self) -> str:
        """The id of a run that this reader has made, on this machine."""
        done = self.types(f"imagepress --bucket_name {OWN_BUCKET} --csv_path {CSV} --json")
        assert done.returncode == 0, done.stderr
        run_id: str = json.loads(done.stdout.splitlines()[0])["run_id"]
        return run_id


@pytest.fixture
def reader(system: System, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Reader:
    system.put(KEY, jpeg())
    s3 = system.clients.s3
    s3.create_bucket(Bucket=OWN_BUCKET)
    s3.put_bucket_versioning(Bucket=OWN_BUCKET, VersioningConfiguration={"Status": "Enabled"})
    s3.put_object(Bucket=OWN_BUCKET, Key=KEY, Body=jpeg())
    (tmp_path / ".local").mkdir()
    monkeypatch.setattr(up, "AWS_ENV", tmp_path / ".local" / "aws.env")
    up.write_environment(system.emulator, system.deployment)
    return Reader(system, tmp_path)


def with_names(command: Command, system: System, reader: Reader) -> str:
    """The command with the names of what there is."""
    text, deployment = command.text, system.deployment
    in_stack = "--stack" in text
    bucket = deployment.images_bucket if in_stack else OWN_BUCKET
    names = {
        "my-pictures": bucket,
        "my-bucket": bucket,
        "TRIGGER_BUCKET": deployment.trigger_bucket,
        "RUNS_BUCKET": deployment.runs_bucket,
        "RUNS_TABLE": deployment.runs_table,
        "DISPATCHER_FUNCTION": deployment.dispatcher_function,
    }
    if " rb " in text or "delete-table" in text:
        # Others still need the stack's own.
        names |= dict.fromkeys(("TRIGGER_BUCKET", "RUNS_BUCKET", "RUNS_TABLE"), REMOVED)
        make_what_is_removed(system, text)
    if "RUN_ID" in text:
        names["RUN_ID"] = finished_run(system) if in_stack else reader.has_run()
    for name, real in names.items():
        text = text.replace(name, real)
    return text


def finished_run(system: System) -> str:
    run_id = system.upload_csv("documents-run.csv", [KEY])
    return system.await_run(run_id).run_id


def make_what_is_removed(system: System, text: str) -> None:
    if " rb " in text:
        system.clients.s3.create_bucket(Bucket=REMOVED)
        return
    system.clients.dynamodb.create_table(
        TableName=REMOVED,
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )


@pytest.mark.parametrize("command", RUN, ids=lambda command: command.text)
def test_a_command_of_the_documents_does_its_work(
    system: System, reader: Reader, command: Command
) -> None:
    done = reader.types(with_names(command, system, reader))

    assert done.returncode == 0, done.stderr + done.stdout


def test_the_upload_of_the_readme_is_a_run_with_its_parameter(
    system: System, reader: Reader
) -> None:
    (command,) = (one for one in RUN if one.text.startswith("aws s3 cp dataset.csv"))
    name = "readme-upload.csv"
    (reader.folder / name).write_bytes(csv_of([KEY]))

    done = reader.types(with_names(command, system, reader).replace(CSV, name))
    assert done.returncode == 0, done.stderr
    run = system.await_run(await_start(system.table, name, seconds=START_SECONDS))

    assert run.summary["parameters"]["perc_compression_quality"] == 75
    assert run.summary["rows"] == 1


def test_the_event_of_the_readme_is_answered_as_the_readme_shows(
    system: System, reader: Reader
) -> None:
    event, answer = (
        json.loads(block.text)
        for block in blocks("json", document=README)
        if "context" not in block.text
    )
    event["bucket_name"] = system.deployment.images_bucket
    event["csv_path"] = "lists/readme"
    system.put_csv("lists/readme", (reader.folder / CSV).read_bytes())

    given = system.invoke(event)

    assert shape(given) == shape(answer)
    assert system.await_run(given["run_id"]).status == "COMPLETED"


def shape(value: Any) -> Any:
    """The names in a JSON value, however deep."""
    if isinstance(value, dict):
        return {name: shape(inner) for name, inner in value.items()}
    return type(value).__name__
