"""The pump: takes what is in the queues to the functions, as Lambda's event source mappings do.

One message an invocation. What a function does not end comes back when its visibility timeout is
over, and after too many receives the queue moves it to its dead letters. Nobody waits: where all
messages are hidden, the table is made older by the time until the next one appears.
"""

import itertools
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from tests.integration.functions import Clock, Context, Functions
from tests.integration.stack import (
    CHUNKS,
    DISPATCHES,
    QUEUES,
    REPORTS,
    VISIBILITY_SECONDS,
    Stack,
    dead_letters,
    queue_url,
)
from tests.integration.wire import Death, Wire

DEAD_LETTERS = tuple(dead_letters(queue) for queue in QUEUES)
CONSUMERS = {DISPATCHES: "dispatcher", CHUNKS: "compressor", REPORTS: "reporter"} | dict.fromkeys(
    DEAD_LETTERS, "undertaker"
)
MAX_DELIVERIES = 1000
BATCH = 10


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message as it was received; `receives` counts how often by now."""

    queue: str
    message_id: str
    receipt_handle: str
    body: str
    receives: int

    def event(self) -> dict[str, Any]:
        """The event that Lambda makes of it."""
        record = {
            "messageId": self.message_id,
            "receiptHandle": self.receipt_handle,
            "body": self.body,
            "attributes": {"ApproximateReceiveCount": str(self.receives)},
            "messageAttributes": {},
            "eventSource": "aws:sqs",
            "eventSourceARN": f"arn:aws:sqs:us-east-1:123456789012:{self.queue}",
            "awsRegion": "us-east-1",
        }
        return {"Records": [record]}


type Choice = Callable[[Sequence[Delivery]], int]


def oldest(_: Sequence[Delivery]) -> int:
    """The one that was received first."""
    return 0


def newest(waiting: Sequence[Delivery]) -> int:
    """The one that was received last."""
    return len(waiting) - 1


class Pump:
    """Runs the functions until there is nothing left to do."""

    def __init__(self, stack: Stack, functions: Functions, wire: Wire) -> None:
        self.clock = Clock()
        self.deaths = 0
        # What a function may raise; anything else is a test's failure.
        self.tolerated: tuple[type[Exception], ...] = ()
        self._stack = stack
        self._functions = functions
        self._wire = wire
        self._waiting: list[Delivery] = []
        self._hidden: list[tuple[float, Delivery]] = []
        self._now = 0.0
        self._requests = itertools.count(1)

    def invoke(self, function: str, event: Any, *, request_id: str | None = None) -> Any:
        """Call a function with an event of any kind."""
        self._wire.new_invocation()
        request_id = request_id or f"request-{next(self._requests)}"
        return self._functions.call(function, event, Context(self.clock, request_id))

    def run(self, *, choose: Choice = oldest, copies: int = 1, limit: int = MAX_DELIVERIES) -> None:
        """Deliver until all queues are empty: in the order of `choose`, each one `copies` times."""
        for _ in range(limit):
            waiting = self.waiting()
            if waiting:
                delivery = waiting[choose(waiting)]
                for _ in range(copies - 1):
                    self.deliver_copy(delivery)
                self.deliver(delivery)
            elif self._hidden:
                self._let_the_next_appear()
            else:
                return
        raise AssertionError(f"Still at work after {limit} steps: {self.waiting()}")

    def waiting(self, queue: str | None = None) -> list[Delivery]:
        """The messages that can be delivered now, in the order of their arrival."""
        for name in QUEUES:
            self._receive(name)
        # A queue moves to its dead letters what somebody would have received.
        if queue in DEAD_LETTERS or not self._waiting:
            for name in DEAD_LETTERS:
                self._receive(name)
        return [one for one in self._waiting if queue in (None, one.queue)]

    def deliver(self, delivery: Delivery) -> bool:
        """Deliver a message that is waiting; False: it will come back."""
        self._waiting.remove(delivery)
        ended = self.deliver_copy(delivery)
        if ended:
            self._forget(delivery)
        else:
            self._hide(delivery)
        return ended

    def deliver_copy(self, delivery: Delivery) -> bool:
        """Deliver a message and leave it where it is: SQS delivers at least once."""
        try:
            answer = self.invoke(CONSUMERS[delivery.queue], delivery.event())
        except Death:
            self.deaths += 1
            return False
        except self.tolerated:
            return False
        return {"itemIdentifier": delivery.message_id} not in answer["batchItemFailures"]

    def step(self, queue: str) -> bool:
        """Deliver the first message that waits on `queue`, once it appears."""
        while not self.waiting(queue):
            assert self._hidden, f"Nothing waits on {queue}."
            self._let_the_next_appear()
        return self.deliver(self.waiting(queue)[0])

    def lose(self, queue: str) -> int:
        """Lose all messages of a queue; how many there were."""
        waiting = self.waiting(queue)
        hidden = [one for _, one in self._hidden if one.queue == queue]
        for delivery in (*waiting, *hidden):
            self._forget(delivery)
        return len(waiting) + len(hidden)

    def bury(self, delivery: Delivery) -> None:
        """Move a message to its queue's dead letters, as too many receives do."""
        self._forget(delivery)
        self._stack.send(dead_letters(delivery.queue), delivery.body)

    def _forget(self, delivery: Delivery) -> None:
        self._waiting = [one for one in self._waiting if one != delivery]
        self._hidden = [(due, one) for due, one in self._hidden if one != delivery]
        self._stack.sqs.delete_message(
            QueueUrl=queue_url(delivery.queue), ReceiptHandle=delivery.receipt_handle
        )

    def _receive(self, queue: str) -> None:
        while self._stack.holds_messages(queue):
            answer = self._stack.sqs.receive_message(
                QueueUrl=queue_url(queue),
                MaxNumberOfMessages=BATCH,
                VisibilityTimeout=VISIBILITY_SECONDS,
                MessageSystemAttributeNames=["ApproximateReceiveCount"],
            )
            messages = answer.get("Messages", [])
            self._waiting.extend(_delivery(queue, message) for message in messages)
            if len(messages) < BATCH:
                return

    def _hide(self, delivery: Delivery) -> None:
        """Let a message come back when its function asked for last, or when its queue says so."""
        asked = self._wire.applied("ChangeMessageVisibility", ReceiptHandle=delivery.receipt_handle)
        seconds = asked[-1].parameters["VisibilityTimeout"] if asked else VISIBILITY_SECONDS
        # One that is not hidden at all can be received again already.
        if seconds:
            self._hidden.append((self._now + seconds, delivery))

    def _let_the_next_appear(self) -> None:
        due = max(self._now, min(due for due, _ in self._hidden))
        self._stack.let_time_pass(due - self._now)
        self._now = due
        appearing = [one for when, one in self._hidden if when <= due]
        self._hidden = [(when, one) for when, one in self._hidden if when > due]
        for delivery in appearing:
            # A copy that was delivered in between may have ended it.
            with suppress(self._stack.sqs.exceptions.ReceiptHandleIsInvalid):
                self._stack.sqs.change_message_visibility(
                    QueueUrl=queue_url(delivery.queue),
                    ReceiptHandle=delivery.receipt_handle,
                    VisibilityTimeout=0,
                )


def _delivery(queue: str, message: Mapping[str, Any]) -> Delivery:
    return Delivery(
        queue=queue,
        message_id=message["MessageId"],
        receipt_handle=message["ReceiptHandle"],
        body=message["Body"],
        receives=int(message["Attributes"]["ApproximateReceiveCount"]),
    )
