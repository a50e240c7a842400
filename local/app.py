"""The CDK app of the local stage: the very same stack, synthesised for the emulator.

It differs in three things: credentials are the caller's (the emulator refuses CDK's bootstrap
roles), the functions' code is for this machine's interpreter, and the shims are in.
"""

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aws_cdk import App, CliCredentialsStackSynthesizer

from infra import STACK_ID
from infra.config import CONTEXT_KEY, StackConfig
from infra.packaging import Target, lambda_code
from infra.stack import ImagepressStack
from local.layout import ASSETS_BUCKET, EMULATOR_PYTHON, ROOT
from local.shims import apply_shims


def synthesise(out: Path, overrides: Mapping[str, Any]) -> None:
    """Write the cloud assembly to `out`; assets that are there already are not built again."""
    app = App(outdir=str(out), analytics_reporting=False)
    stack = ImagepressStack(
        app,
        STACK_ID,
        config=local_config(overrides),
        code=lambda_code(Target.host(EMULATOR_PYTHON)),
        synthesizer=CliCredentialsStackSynthesizer(file_assets_bucket_name=ASSETS_BUCKET),
    )
    apply_shims(stack)
    app.synth()


def local_config(overrides: Mapping[str, Any]) -> StackConfig:
    """The run parameters of cdk.json, with what this machine or a test wants otherwise.

    Each concurrent compressor is a process here, so there are as many as there are CPUs.
    """
    context = json.loads((ROOT / "cdk.json").read_text(encoding="utf-8"))["context"]
    run_defaults = context.get(CONTEXT_KEY, {}).get("run_defaults", {})
    here = {"run_defaults": run_defaults, "compressor_concurrency": max(2, os.cpu_count() or 1)}
    return StackConfig.from_json({**here, **overrides})


if __name__ == "__main__":
    synthesise(Path(sys.argv[1]), json.loads(sys.argv[2]))
