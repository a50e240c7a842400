"""`make up`: the stack on a local AWS that stays, and a file that points any AWS client at it."""

import shlex
import sys
import time

from local import emulator
from local.deploy import DeployError, Deployment, deploy
from local.emulator import Emulator, EmulatorError
from local.layout import AWS_ENV, ROOT, UP


def main() -> None:
    """Start the instance unless it runs, and deploy the stack as it is now."""
    began = time.monotonic()
    was_up = emulator.find(UP / "aws") is not None
    try:
        instance = emulator.start(UP / "aws")
        deployment = deploy(instance, UP / "cdk.out")
    except (EmulatorError, DeployError, KeyboardInterrupt) as error:
        if not was_up:
            emulator.stop(UP / "aws")
        sys.exit(str(error) or "Interrupted.")
    write_environment(instance, deployment)
    shown = AWS_ENV.relative_to(ROOT)
    print(f"The stack is up at {instance.endpoint} ({time.monotonic() - began:.0f} s).")
    print(f"In a shell:  . {shown}")
    print('Pictures:    aws s3 cp --recursive pictures "s3://$IMAGES_BUCKET/"')
    print('A run:       aws s3 cp pictures.csv "s3://$TRIGGER_BUCKET/"')
    print("  or:        .venv/bin/python compress_images_from_S3.py --stack imagepress --prefix ''")
    print("Stop it:     make down")


def write_environment(instance: Emulator, deployment: Deployment) -> None:
    """Write `.local/aws.env` for a shell to read."""
    variables = {**instance.environment(), **deployment.environment()}
    lines = ["unset AWS_PROFILE AWS_SESSION_TOKEN\n"]  # they would take precedence, or not fit
    lines += [f"export {name}={shlex.quote(value)}\n" for name, value in variables.items()]
    AWS_ENV.write_text("".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
