"""Sending to SQS: one message, or batches whose answer may hide entries that failed."""

import json
import random
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from imagepress.aws_errors import passing_errors
from imagepress.errors import ImagepressError, PassingError

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

SEND_ATTEMPTS = 6
FIRST_PAUSE_SECONDS = 0.1
MAX_VISIBILITY_SECONDS = 12 * 3600


class Queue:
    """One queue to send to."""

    def __init__(self, sqs: "SQSClient", url: str) -> None:
        self._sqs = sqs
        self._url = url

    def send(self, body: Mapping[str, Any]) -> None:
        """Send one message."""
        with passing_errors("Sending a message"):
            self._sqs.send_message(QueueUrl=self._url, MessageBody=json.dumps(body))

    def send_batch(self, bodies: Sequence[str]) -> None:
        """Send at most 10 messages of 1 MiB together; all of them, or raise `PassingError`."""
        pending = dict(enumerate(bodies))
        for attempt in range(SEND_ATTEMPTS):
            if attempt:
                time.sleep(FIRST_PAUSE_SECONDS * 2**attempt * random.uniform(0.5, 1))  # noqa: S311
            entries = [{"Id": str(index), "MessageBody": body} for index, body in pending.items()]
            with passing_errors("Sending messages"):
                answer = self._sqs.send_message_batch(QueueUrl=self._url, Entries=entries)  # type: ignore[arg-type]
            failed = answer.get("Failed", [])
            faults = [entry for entry in failed if entry["SenderFault"]]
            if faults:
                raise ImagepressError(f"SQS refuses a message: {faults[0]}")
            pending = {int(entry["Id"]): pending[int(entry["Id"])] for entry in failed}
            if not pending:
                return
        raise PassingError(f"SQS did not take {len(pending)} of {len(bodies)} messages")

    def is_idle(self) -> bool:
        """Whether the queue seems to hold no message at all, in flight ones included."""
        with passing_errors("Looking at a queue"):
            answer = self._sqs.get_queue_attributes(QueueUrl=self._url, AttributeNames=["All"])
        counts = [
            int(value)
            for name, value in answer["Attributes"].items()
            if name.startswith("ApproximateNumberOfMessages")
        ]
        return not any(counts)

    def hide(self, receipt_handle: str, seconds: float) -> None:
        """Let a received message come back after `seconds` unless it is deleted before."""
        timeout = max(0, min(MAX_VISIBILITY_SECONDS, round(seconds)))
        with passing_errors("Changing a message's visibility"):
            self._sqs.change_message_visibility(
                QueueUrl=self._url, ReceiptHandle=receipt_handle, VisibilityTimeout=timeout
            )
