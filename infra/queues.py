"""A queue whose timings follow its consumer's, with a dead-letter queue of the same kind."""

from aws_cdk import Duration
from aws_cdk import aws_sqs as sqs
from constructs import Construct

# SQS keeps a message 14 days at most; a run has that long to end.
RETENTION = Duration.days(14)
# AWS asks for six times the function's timeout: the poller retries throttled invocations inside it.
VISIBILITY_TIMEOUTS = 6


class WorkQueue(Construct):
    """A queue and its dead-letter queue, each with one Lambda function as its consumer."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        max_receives: int,
        consumer_timeout_seconds: int,
        dlq_consumer_timeout_seconds: int,
    ) -> None:
        super().__init__(scope, construct_id)
        self.dead_letters = self._queue("DeadLetters", dlq_consumer_timeout_seconds)
        self.queue = self._queue(
            "Queue",
            consumer_timeout_seconds,
            sqs.DeadLetterQueue(queue=self.dead_letters, max_receive_count=max_receives),
        )

    def _queue(
        self,
        construct_id: str,
        consumer_timeout_seconds: int,
        dead_letter_queue: sqs.DeadLetterQueue | None = None,
    ) -> sqs.Queue:
        return sqs.Queue(
            self,
            construct_id,
            encryption=sqs.QueueEncryption.SQS_MANAGED,
            enforce_ssl=True,
            retention_period=RETENTION,
            visibility_timeout=Duration.seconds(VISIBILITY_TIMEOUTS * consumer_timeout_seconds),
            dead_letter_queue=dead_letter_queue,
        )
