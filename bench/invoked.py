"""Calls a function as Lambda does, in the process that is measured: with messages of its queue."""

import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import boto3

SECONDS: Final = 900.0
MEGABYTES: Final = 1769
_MEGABYTE: Final = 1e6

type Handler = Callable[[Any, Any], Any]


class Context:
    """What Lambda tells a function with one processor about its invocation."""

    function_name = "imagepress"
    memory_limit_in_mb = MEGABYTES
    invoked_function_arn = "arn:aws:lambda:us-east-1:000000000000:function:imagepress"

    def __init__(self) -> None:
        self.aws_request_id = str(uuid.uuid4())
        self._end = time.monotonic() + SECONDS

    def get_remaining_time_in_millis(self) -> int:
        """Of the 15 minutes that an invocation may take."""
        return int((self._end - time.monotonic()) * 1000)


class Source:
    """A queue that sends its messages to a function, one each time."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._sqs = boto3.client("sqs")

    def take(self, handler: Handler) -> bool:
        """Have the next message handled; False where there is none."""
        received = self._sqs.receive_message(QueueUrl=self._url).get("Messages", [])
        for message in received:
            record = {
                "eventSource": "aws:sqs",
                "messageId": message["MessageId"],
                "receiptHandle": message["ReceiptHandle"],
                "body": message["Body"],
            }
            answer = handler({"Records": [record]}, Context())
            if answer["batchItemFailures"]:
                raise RuntimeError(f"The function could not do the message {message['Body']:.200}")
            self._sqs.delete_message(QueueUrl=self._url, ReceiptHandle=message["ReceiptHandle"])
        return bool(received)


def peak_megabytes() -> float:
    """The most memory that this process has had; its parent's, as in `ru_maxrss`, not counted."""
    status = Path("/proc/self/status").read_text()
    fields = dict(line.split(":", 1) for line in status.splitlines())
    return int(fields["VmHWM"].split()[0]) * 1024 / _MEGABYTE
