"""The CDK app that deploys imagepress.

`lambda` is a Python keyword, so that folder is an import root and never a package. It is put on
the path here, because the stack reads the run parameters' table from the code that it ships.
"""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent / "lambda"))

STACK_ID = "imagepress"
