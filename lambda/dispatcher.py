"""Lambda handler of the dispatcher: CSV uploads, direct invocations, and steps of its own queue."""

import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote_plus

from aws_lambda_powertools.utilities.typing import LambdaContext

from environment import Environment, s3_client, sqs_client
from imagepress.bucket_facts import look_at_bucket
from imagepress.cancel import cancel
from imagepress.dispatch import Dispatcher
from imagepress.listing import Lister
from imagepress.look import Onlooker
from imagepress.manifest_store import ManifestStore
from imagepress.order import Location, direct_order, restore_order, upload_order
from imagepress.start import Deployment, Starter
from sqs_events import each_message, hold
from telemetry import logger

_environment = Environment.from_env()
_sqs = sqs_client()
_s3 = s3_client()
_completion = _environment.completion(_sqs)
_store = _environment.store(_s3)
_manifests = ManifestStore(_s3)
_lister = Lister(_s3, _store)
_concurrency = int(_environment.text("COMPRESSOR_CONCURRENCY"))
_dispatches = _environment.queue("DISPATCH_QUEUE_URL", _sqs)
_starter = Starter(
    deployment=Deployment(
        trigger_bucket=_environment.text("TRIGGER_BUCKET"),
        manifest_buckets=_environment.json("MANIFEST_BUCKETS"),
        image_buckets=_environment.json("IMAGE_BUCKETS"),
        run_defaults=_environment.json("RUN_DEFAULTS"),
        concurrency=_concurrency,
    ),
    runs=_completion.runs,
    manifests=_manifests,
    lister=_lister,
    store=_store,
    look_at=lambda bucket: look_at_bucket(_s3, bucket, lambda: _environment.text("ACCOUNT_ID")),
    dispatches=_dispatches,
    reports=_completion.reports,
)
_onlooker = Onlooker(_completion.runs, _store)
_dispatcher = Dispatcher(
    completion=_completion,
    manifests=_manifests,
    lister=_lister,
    concurrency=_concurrency,
    dispatches=_dispatches,
    chunk_queue=_environment.queue("CHUNK_QUEUE_URL", _sqs),
)


@logger.inject_lambda_context(clear_state=True)
def handler(event: Any, context: LambdaContext) -> Any:
    """Start runs and send them out; a direct invocation is answered with the run's facts."""
    sources = _event_sources(event)
    if sources == {"aws:sqs"}:
        return each_message(event, lambda body, record: _take(body, record, context))
    return _start(event, context.aws_request_id)


def _take(body: Mapping[str, Any], record: Mapping[str, Any], context: LambdaContext) -> bool:
    hold(_dispatches, record, context)
    if "dispatch" in body:
        logger.append_keys(run_id=body["dispatch"])
        _dispatcher.step(
            body["dispatch"], body["hop"], lambda: context.get_remaining_time_in_millis() / 1000
        )
    elif "requestPayload" in body:
        # An asynchronous invocation that Lambda gave up: what it asked for is still wanted.
        _start(body["requestPayload"], body["requestContext"]["requestId"])
    else:
        logger.error("unknown message", body=body)
    return True


def _start(event: Any, request_id: str) -> Any:
    if "aws:s3" not in _event_sources(event):
        return _logged(
            _asked(event if isinstance(event, Mapping) else {"event": event}, request_id)
        )
    return [
        _logged(_starter.start(upload_order(upload, sequencer, when)))
        for upload, sequencer, when in map(_upload, event["Records"])
        if upload.bucket == _environment.text("TRIGGER_BUCKET")
    ]


def _asked(event: Mapping[str, Any], request_id: str) -> dict[str, Any]:
    match event.get("action"):
        case "cancel":
            return cancel(event, _completion)
        case "status":
            return _onlooker.status(event)
        case "list":
            return _onlooker.newest(event)
        case "restore":
            return _starter.start(restore_order(event, request_id, time.time()))
        case _:
            return _starter.start(direct_order(event, request_id, time.time()))


def _upload(record: Mapping[str, Any]) -> tuple[Location, str, str]:
    thing = record["s3"]["object"]
    upload = Location(
        record["s3"]["bucket"]["name"], unquote_plus(thing["key"]), thing.get("versionId")
    )
    return upload, thing.get("sequencer", ""), record["eventTime"]


def _event_sources(event: Any) -> set[str]:
    records = event.get("Records") if isinstance(event, Mapping) else None
    if not isinstance(records, list):
        return set()
    return {
        record.get("eventSource", "") if isinstance(record, Mapping) else "" for record in records
    }


def _logged(answer: dict[str, Any]) -> dict[str, Any]:
    logger.info("run", run_id=answer.get("run_id"), answer=answer)
    return answer
