"""How the functions take SQS messages: one by one, and those that are not done come back."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from imagepress.errors import PassingError
from imagepress.queues import Queue
from telemetry import logger

VISIBILITY_MARGIN_SECONDS = 30


def hold(queue: Queue, record: Mapping[str, Any], context: LambdaContext) -> None:
    """Hide a message until this invocation must have ended, so that a death costs minutes."""
    seconds_left = context.get_remaining_time_in_millis() / 1000
    queue.hide(record["receiptHandle"], seconds_left + VISIBILITY_MARGIN_SECONDS)


def each_message(
    event: Mapping[str, Any], take: Callable[[Any, Mapping[str, Any]], bool]
) -> dict[str, Any]:
    """Call `take(body, record)` for each message; those it returns False for come back."""
    failures = []
    for record in event["Records"]:
        try:
            done = take(json.loads(record["body"]), record)
        except PassingError as error:
            logger.warning("put off", error=str(error), message_id=record["messageId"])
            done = False
        if not done:
            failures.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failures}
