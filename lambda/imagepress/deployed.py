"""A deployed stack, seen from the command line: its runs are started, followed and fetched."""

import json
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from boto3.exceptions import S3UploadFailedError
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from imagepress.aws_errors import error_code, with_credentials_hint
from imagepress.errors import Refused
from imagepress.order import Location
from imagepress.run import RunStatus

POLL_SECONDS = 2.0
UPLOADS = "command-line"
FORBIDDEN = ("AccessDenied", "AccessDeniedException", "403")
CLIENT_CONFIG = Config(retries={"mode": "standard", "total_max_attempts": 8}, read_timeout=120)


@dataclass(frozen=True, slots=True)
class DeployedStack:
    """The outputs of a stack that matter here, and clients to reach it."""

    dispatcher: str
    trigger_bucket: str
    session: boto3.Session

    @classmethod
    def find(cls, name: str, session: boto3.Session) -> "DeployedStack":
        """The stack `name`; raise `Refused`, which says what to do, where it is not to be had."""
        outputs = _outputs(name, session)
        try:
            return cls(outputs["DispatcherFunction"], outputs["TriggerBucket"], session)
        except KeyError as missing:
            raise Refused(f"stack is {name!r}; it is no imagepress: no output {missing}.") from None

    def ask(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """Invoke the dispatcher; its answer."""
        with _told("lambda:InvokeFunction"):
            answer = self.session.client("lambda", config=CLIENT_CONFIG).invoke(
                FunctionName=self.dispatcher, Payload=json.dumps(event).encode()
            )
        payload: dict[str, Any] = json.load(answer["Payload"])
        if answer.get("FunctionError"):
            raise Refused(f"The dispatcher failed: {payload.get('errorMessage', payload)}")
        return payload

    def start(self, event: Mapping[str, Any], csv: Path | None) -> dict[str, Any]:
        """Start a run; `csv` is uploaded first. Raise `Refused` where the stack refuses it."""
        token = secrets.token_hex(8)
        event = {"client_token": token, **event}
        if csv is not None:
            # Without the ending that would start a run by itself.
            name = csv.name.removesuffix(".gz").removesuffix(".csv")
            key = f"{UPLOADS}/{token}/{name}"
            with _told("s3:PutObject"):
                s3 = self.session.client("s3", config=CLIENT_CONFIG)
                try:
                    s3.upload_file(str(csv), self.trigger_bucket, key)
                except OSError as error:
                    why = error.strerror or error
                    raise Refused(f"csv_path is {str(csv)!r}; it cannot be read: {why}") from None
            event["csv_path"] = key
        answer = self.ask(event)
        if answer["status"] == RunStatus.FAILED:
            raise Refused(answer["message"])
        return answer

    def follow(self, run_id: str, seen: Callable[[Mapping[str, Any]], None]) -> dict[str, Any]:
        """Wait until a run has ended; `seen` is told how it stands meanwhile."""
        while True:
            status = self.ask({"action": "status", "run_id": run_id})
            if "files" not in status:
                raise Refused(status["message"])
            seen(status)
            if RunStatus(status["status"]).has_ended:
                return status
            time.sleep(POLL_SECONDS)

    def fetch(self, status: Mapping[str, Any], folder: Path) -> dict[str, str]:
        """Copy a run's files into `folder`; where each is now."""
        s3 = self.session.client("s3", config=CLIENT_CONFIG)
        # A stack undoes its runs itself.
        places = {name: Location.at(url) for name, url in status["files"].items() if name != "undo"}
        stem = places["log"].key.rpartition("/")[2].partition(".")[0]
        found = {}
        for name, place in places.items():
            ending = place.key.rpartition("/")[2].partition(".")[2]
            file = folder / (f"{stem}.{ending}" if name == "log" else f"{stem}.{name}.{ending}")
            with _told("s3:GetObject"):
                s3.download_file(place.bucket, place.key, str(file))
            found[name] = str(file)
        return found


def _outputs(name: str, session: boto3.Session) -> dict[str, str]:
    with _told("cloudformation:DescribeStacks"):
        client = session.client("cloudformation", config=CLIENT_CONFIG)
        try:
            stack = client.describe_stacks(StackName=name)["Stacks"][0]
        except ClientError as error:
            if error_code(error) == "ValidationError":
                raise Refused(
                    f"stack is {name!r}; region {session.region_name} has no such stack. Name "
                    "another, or set AWS_REGION or AWS_PROFILE to where it was deployed."
                ) from None
            raise
        return {one["OutputKey"]: one["OutputValue"] for one in stack.get("Outputs", [])}


@contextmanager
def _told(action: str) -> Iterator[None]:
    """Turn what AWS refuses into one sentence with the remedy."""
    try:
        yield
    except ClientError as error:
        if error_code(error) in FORBIDDEN:
            raise Refused(
                f"These credentials may not {action}: {error}. Allow it, or set AWS_PROFILE."
            ) from None
        raise Refused(f"{action} failed: {error}") from None
    except S3UploadFailedError as error:
        raise Refused(f"These credentials may not {action}, or it failed: {error}") from None
    except BotoCoreError as error:
        raise Refused(f"AWS cannot be used: {with_credentials_hint(error)}") from None
