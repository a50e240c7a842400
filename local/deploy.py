"""Deploys the stack onto an emulator with the CDK command line, and tells what came of it."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from local.clients import Clients
from local.emulator import ACCOUNT, REGION, Emulator
from local.layout import ASSETS_BUCKET, CDK, NODE_BIN, ROOT

SYNTH_SECONDS = 300.0  # the first one installs what the functions ship
DEPLOY_SECONDS = 180.0
"""The emulator waits an hour for what never comes (a custom resource); we do not."""

_TAIL_LINES = 30
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


class DeployError(Exception):
    """The stack could not be deployed; the text ends in the tool's last words."""


@dataclass(frozen=True, slots=True)
class Deployment:
    """The deployed stack's names, as its outputs give them."""

    trigger_bucket: str
    images_bucket: str
    runs_bucket: str
    dispatcher_function: str
    compressor_function: str
    chunk_queue_url: str
    chunk_dlq_url: str
    runs_table: str
    notice_topic_arn: str

    @classmethod
    def from_outputs(cls, outputs: Mapping[str, str]) -> Self:
        return cls(
            trigger_bucket=outputs["TriggerBucket"],
            images_bucket=outputs["ImageBuckets"].split(",")[0],
            runs_bucket=outputs["RunsBucket"],
            dispatcher_function=outputs["DispatcherFunction"],
            compressor_function=outputs["CompressorFunction"],
            chunk_queue_url=outputs["ChunkQueueUrl"],
            chunk_dlq_url=outputs["ChunkDlqUrl"],
            runs_table=outputs["RunsTable"],
            notice_topic_arn=outputs["NoticeTopicArn"],
        )

    def environment(self) -> dict[str, str]:
        """The names as shell variables."""
        return {
            "TRIGGER_BUCKET": self.trigger_bucket,
            "IMAGES_BUCKET": self.images_bucket,
            "RUNS_BUCKET": self.runs_bucket,
            "DISPATCHER_FUNCTION": self.dispatcher_function,
            "COMPRESSOR_FUNCTION": self.compressor_function,
            "CHUNK_QUEUE_URL": self.chunk_queue_url,
            "DLQ_URL": self.chunk_dlq_url,
            "RUNS_TABLE": self.runs_table,
        }


def deploy(
    emulator: Emulator, assembly: Path, overrides: Mapping[str, Any] | None = None
) -> Deployment:
    """Synthesise into `assembly` (kept: its assets are used again) and deploy.

    `overrides` are entries of the `imagepress` context, as in cdk.json.
    """
    synthesise(assembly, overrides or {})
    return deploy_assembly(emulator, assembly)


def deploy_assembly(emulator: Emulator, assembly: Path) -> Deployment:
    """Deploy what has been synthesised; where the stack is there already, this updates it."""
    # All that CDK's bootstrap would make and a stack deployed with one's own credentials uses.
    Clients.of(emulator).s3.create_bucket(Bucket=ASSETS_BUCKET)
    outputs_file = assembly / "outputs.json"
    outputs_file.unlink(missing_ok=True)
    command = [
        *(str(NODE_BIN / "node"), str(CDK), "deploy", "--app", str(assembly)),
        *("--method", "direct", "--require-approval", "never", "--outputs-file", str(outputs_file)),
        *("--no-notices", "--version-reporting=false", "--no-color"),
    ]
    _run(command, what="cdk deploy", seconds=DEPLOY_SECONDS, environment=_cdk_environment(emulator))
    (outputs,) = json.loads(outputs_file.read_text(encoding="utf-8")).values()
    return Deployment.from_outputs(outputs)


def synthesise(assembly: Path, overrides: Mapping[str, Any]) -> None:
    """Write the cloud assembly; an asset that is there already is not built again."""
    assembly.mkdir(parents=True, exist_ok=True)
    # pip runs in it and needs the caller's settings (index, certificates); AWS's it does not.
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "CDK_"))
    }
    environment["PATH"] = f"{NODE_BIN}{os.pathsep}{environment.get('PATH', os.defpath)}"
    environment["PYTHONPATH"] = str(ROOT / "lambda")
    command = [sys.executable, "-m", "local.app", str(assembly), json.dumps(overrides)]
    _run(command, what="cdk synth", seconds=SYNTH_SECONDS, environment=environment)
    _remove_old_assets(assembly)


def _remove_old_assets(assembly: Path) -> None:
    used = "".join(manifest.read_text("utf-8") for manifest in assembly.glob("*.assets.json"))
    for asset in assembly.glob("asset.*"):
        if asset.name not in used:
            shutil.rmtree(asset) if asset.is_dir() else asset.unlink()


def _cdk_environment(emulator: Emulator) -> dict[str, str]:
    """Nothing of the caller's: proxies, profiles and certificates would lead it elsewhere."""
    return {
        "PATH": f"{NODE_BIN}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "HOME": str(emulator.folder),
        "TMPDIR": str(emulator.folder / "tmp"),
        "LANG": "C.UTF-8",
        "CI": "true",  # one line for each event, and never a question
        "NODE_EXTRA_CA_CERTS": str(emulator.certificate),
        "CDK_DEFAULT_ACCOUNT": ACCOUNT,
        "CDK_DEFAULT_REGION": REGION,
        **emulator.environment(),
    }


def _run(
    command: Sequence[str], *, what: str, seconds: float, environment: Mapping[str, str]
) -> None:
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    ) as process:
        try:
            output, _ = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            output, _ = process.communicate()
            raise DeployError(f"{what} took over {seconds:.0f} s:\n{_tail(output)}") from None
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise
    if process.returncode:
        raise DeployError(f"{what} failed ({process.returncode}):\n{_tail(output)}")


def _tail(output: str) -> str:
    return "\n".join(_COLOURS.sub("", output).splitlines()[-_TAIL_LINES:])
