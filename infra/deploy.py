"""`make deploy`: looks at the account first, says what it is going to do, and has the CDK do it."""

import argparse
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from imagepress import __version__
from imagepress.aws_errors import CREDENTIALS_HINT, with_credentials_hint
from imagepress.aws_session import aws_session
from infra import STACK_ID, console_events
from infra.config import CONTEXT_KEY, ConfigError, GivenBucket, StackConfig

ROOT = Path(__file__).resolve().parents[1]
CDK = (ROOT / ".venv/bin/node", ROOT / ".local/cdk/node_modules/aws-cdk/bin/cdk")
BOOTSTRAP_VERSION = "/cdk-bootstrap/hnb659fds/version"
LEAST_BOOTSTRAP = 6
EVENT_COMMAND = ".venv/bin/python -m infra.console_events"
EVENT_RIGHTS = (
    "schemas:CreateRegistry, schemas:DescribeSchema, schemas:CreateSchema and schemas:UpdateSchema"
)


class NotReadyError(Exception):
    """Something has to be done before a deployment; the text says what."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Where the stack goes, and whether it is there."""

    account: str
    caller: str
    region: str
    exists: bool
    config: StackConfig
    warnings: tuple[str, ...]

    def __str__(self) -> str:
        config = self.config
        verb = "Update" if self.exists else "Create"
        images = ", ".join(bucket.name for bucket in config.image_buckets)
        size = f"{config.compressor.memory_mb} MB each, {config.architecture}"
        lines = [
            f"{verb} the stack {STACK_ID} with imagepress {__version__}",
            f"  in account {self.account}, region {self.region}, as {self.caller}",
            f"  images: {images or 'a bucket of its own, which stays when the stack goes'}",
            f"  compressors: at most {config.compressor_concurrency} at once, {size}",
            *(f"  Note: {warning}" for warning in self.warnings),
        ]
        return "\n".join(lines)


def main() -> None:
    """Check, tell, ask, deploy."""
    parser = argparse.ArgumentParser(description="Deploy the stack that cdk.json describes.")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument("--check", action="store_true", help="only say what would be done")
    arguments = parser.parse_args()
    try:
        plan = look(aws_session(), configuration(ROOT / "cdk.json"))
    except (NotReadyError, BotoCoreError) as why:
        sys.exit(f"Not deployed: {why}")
    print(plan)
    if arguments.check:
        return
    if not arguments.yes and input("Go on? [y/N] ").strip().lower() not in ("y", "yes"):
        sys.exit("Not deployed.")
    command = [*map(str, CDK), "deploy", "--require-approval", "never"]
    failed = subprocess.run(command, cwd=ROOT, check=False).returncode
    if failed:
        sys.exit(failed)
    print(events_for_the_console(aws_session()))


def events_for_the_console(session: boto3.Session) -> str:
    """Save them; what was done, or why not: the stack is deployed in any case."""
    try:
        return console_events.save(session)
    except (BotoCoreError, ClientError, ValueError) as error:
        return (
            "Note: the stack is deployed, but no test events were saved for the Lambda console: "
            f"{error} Whoever has the rights {EVENT_RIGHTS} can save them later: {EVENT_COMMAND}"
        )


def configuration(file: Path) -> StackConfig:
    """What cdk.json says, or `NotReadyError`."""
    try:
        context = json.loads(file.read_text("utf-8")).get("context", {})
        return StackConfig.from_json(context.get(CONTEXT_KEY, {}))
    except (OSError, ValueError) as error:
        why = str(error) if isinstance(error, ConfigError) else f"it cannot be read: {error}"
        raise NotReadyError(f"{file.name}: {why}") from None


def look(session: boto3.Session, config: StackConfig) -> Plan:
    """Ask AWS all that a deployment will need; raise `NotReadyError` for what is missing."""
    if session.region_name is None:
        raise NotReadyError(f"no region is set. {CREDENTIALS_HINT}")
    try:
        caller = session.client("sts").get_caller_identity()
    except (BotoCoreError, ClientError) as error:
        raise NotReadyError(
            f"AWS does not know these credentials: {with_credentials_hint(error)}"
        ) from None
    account, region = caller["Account"], session.region_name
    _check_bootstrap(session, account, region)
    warnings = [note for bucket in config.image_buckets for note in _bucket(session, bucket)]
    return Plan(account, caller["Arn"], region, _stack_exists(session), config, tuple(warnings))


def _check_bootstrap(session: boto3.Session, account: str, region: str) -> None:
    try:
        found = session.client("ssm").get_parameter(Name=BOOTSTRAP_VERSION)["Parameter"]["Value"]
    except ClientError as error:
        if error.response["Error"]["Code"] != "ParameterNotFound":
            raise NotReadyError(f"the CDK's bootstrap cannot be looked at: {error}") from None
        found = "0"
    if int(found) < LEAST_BOOTSTRAP:
        node, cdk = (file.relative_to(ROOT) for file in CDK)
        raise NotReadyError(
            f"account {account} is not bootstrapped for the CDK in {region} (version {found}, "
            f"needed {LEAST_BOOTSTRAP}). Once: {node} {cdk} bootstrap aws://{account}/{region}"
        )


def _bucket(session: boto3.Session, bucket: GivenBucket) -> list[str]:
    """What the user should know of a bucket that is there already."""
    s3 = session.client("s3")
    try:
        s3.head_bucket(Bucket=bucket.name)
        versioning = s3.get_bucket_versioning(Bucket=bucket.name).get("Status", "off")
    except ClientError as error:
        raise NotReadyError(
            f"cdk.json names the images bucket {bucket.name}, which S3 does not show: {error}"
        ) from None
    if versioning != "Enabled":
        way_back = "only runs with a backup_prefix can be undone there"
        return [f"{bucket.name} keeps no versions ({versioning}): {way_back}"]
    return []


def _stack_exists(session: boto3.Session) -> bool:
    try:
        (stack,) = session.client("cloudformation").describe_stacks(StackName=STACK_ID)["Stacks"]
    except ClientError as error:
        if error.response["Error"]["Code"] == "ValidationError":
            return False
        raise NotReadyError(f"the stack cannot be looked at: {error}") from None
    status = stack["StackStatus"]
    if status.endswith("_IN_PROGRESS"):
        raise NotReadyError(f"the stack {STACK_ID} is {status}; wait until that has ended.")
    if status == "ROLLBACK_COMPLETE":
        raise NotReadyError(
            f"the stack {STACK_ID} is {status}: its first deployment failed. Delete it, then "
            "deploy again."
        )
    return True


if __name__ == "__main__":
    main()
