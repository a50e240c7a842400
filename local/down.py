"""`make down`: stop what `make up` left running."""

import sys

from local import emulator
from local.emulator import EmulatorError
from local.layout import AWS_ENV, UP


def main() -> None:
    """Stop the instance, if it runs, and remove the file that points at it."""
    try:
        stopped = emulator.stop(UP / "aws")
    except EmulatorError as error:
        sys.exit(str(error))
    AWS_ENV.unlink(missing_ok=True)
    print("The local AWS is stopped." if stopped else "No local AWS was up.")


if __name__ == "__main__":
    main()
