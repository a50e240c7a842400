import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.infrastructure.synthesised import WITHOUT_BUNDLING

ROOT = Path(__file__).resolve().parents[2]
CDK_JSON = json.loads((ROOT / "cdk.json").read_text(encoding="utf-8"))


@pytest.fixture
def assembly(tmp_path: Path) -> Path:
    return tmp_path / "cdk.out"


def run_app(assembly: Path, context: Mapping[str, Any]) -> subprocess.CompletedProcess[str]:
    """Run the app as the CDK command line does, on a machine that knows no AWS account."""
    module = CDK_JSON["app"].split()[1:]
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": os.environ["HOME"],  # jsii unpacks aws-cdk-lib there, once
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "CDK_OUTDIR": str(assembly),
        "CDK_CONTEXT_JSON": json.dumps({**WITHOUT_BUNDLING, **context}),
    }
    return subprocess.run(
        [sys.executable, *module],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_synth_needs_no_credentials(assembly: Path) -> None:
    done = run_app(assembly, CDK_JSON["context"])
    assert done.returncode == 0, done.stderr
    assert (assembly / "imagepress.template.json").is_file()


def test_a_wrong_entry_of_cdk_json_is_one_line_and_no_traceback(assembly: Path) -> None:
    done = run_app(assembly, {"imagepress": {"compressor_concurrency": 5000}})
    assert done.returncode == 1
    field = "imagepress.compressor_concurrency"
    assert done.stderr == f"cdk.json: {field} is 5000; it must be a whole number from 2 to 1000.\n"
