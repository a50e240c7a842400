"""Lambda handler of the sweeper, called by a schedule."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from environment import Environment, sqs_client
from imagepress.sweep import Sweeper
from telemetry import count_pushes, logger

_environment = Environment.from_env()
_sqs = sqs_client()
_sweeper = Sweeper(
    completion=_environment.completion(_sqs),
    dispatches=_environment.queue("DISPATCH_QUEUE_URL", _sqs),
    chunk_queue=_environment.queue("CHUNK_QUEUE_URL", _sqs),
)


@logger.inject_lambda_context(clear_state=True)
def handler(event: Any, context: LambdaContext) -> Any:
    """Push on every run that has stalled; what was done, by run."""
    del event, context
    done = _sweeper.sweep()
    count_pushes(done)
    if done:
        logger.warning("swept", done=done)
    return done
