"""Lambda handler of the undertaker: ends what the queues gave up."""

from collections.abc import Mapping
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from environment import Environment, s3_client, sns_client, sqs_client
from imagepress.chunk import Chunk
from imagepress.image_store import ImageStore
from imagepress.undertake import Undertaker
from publisher import Publisher
from sqs_events import each_message
from telemetry import log_rows, logger

_environment = Environment.from_env()
_s3 = s3_client()
_undertaker = Undertaker(
    completion=_environment.completion(sqs_client()),
    store=_environment.store(_s3),
    images=lambda bucket: ImageStore(_s3, bucket),
    announce=Publisher(sns_client(), _environment).run_unreported,
)


@logger.inject_lambda_context(clear_state=True)
def handler(event: Any, context: LambdaContext) -> Any:
    """End the chunk, the sending out or the report that each message stands for."""
    del context
    return each_message(event, _take)


def _take(body: Mapping[str, Any], record: Mapping[str, Any]) -> bool:
    logger.append_keys(run_id=_run_id(body))
    if "chunk" in body:
        chunk = Chunk.from_message(record["body"])
        log_rows(chunk.run_id, chunk.number, _undertaker.end_chunk(chunk))
    elif "dispatch" in body:
        _undertaker.end_dispatch(body["dispatch"])
    elif "report" in body:
        _undertaker.end_report(body["report"])
    else:
        # Somebody should look at it: it stays, and the alarm on this queue stays on.
        logger.error("message that nothing can be done about", body=body)
        return False
    logger.warning("ended what a queue gave up", body={**body, "rows": None})
    return True


def _run_id(body: Mapping[str, Any]) -> str | None:
    """The run that a message of any kind is about; a chunk's names it, the others are named so."""
    named = body.get("run_id") or body.get("dispatch") or body.get("report")
    return None if named is None else str(named)
