"""The original script's command: recompress the images of an S3 bucket from this machine."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "lambda"))

from imagepress.command_line import main

if __name__ == "__main__":
    sys.exit(main())
