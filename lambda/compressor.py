"""Lambda handler of the compressor: one chunk of a run for each message."""

import math
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from environment import Environment, s3_client, sqs_client
from imagepress.bench import Bench, bench_for, bench_without_temp_dir
from imagepress.budget import Budget
from imagepress.chunk import Chunk
from imagepress.chunk_work import ChunkWork
from imagepress.codec_pool import CodecPool
from imagepress.engine import THREADS_A_PROCESSOR, private_folder
from imagepress.image_store import ImageStore
from imagepress.run import Run
from imagepress.workshop import Workshop
from sqs_events import each_message, hold
from telemetry import log_rows, logger

MEGABYTE = 1_000_000
MEGABYTES_A_PROCESSOR = 1769
OWN_MEGABYTES = 250
END_MARGIN_SECONDS = 10

_environment = Environment.from_env()
_sqs = sqs_client()
_s3 = s3_client()
_completion = _environment.completion(_sqs)
_store = _environment.store(_s3)
_chunks = _environment.queue("CHUNK_QUEUE_URL", _sqs)
_pools: dict[int, CodecPool] = {}


@logger.inject_lambda_context(clear_state=True)
def handler(event: Any, context: LambdaContext) -> Any:
    """Compress the rows of each chunk; a chunk that is not done comes back."""
    return each_message(event, lambda _, record: _take(record, context))


def _take(record: Mapping[str, Any], context: LambdaContext) -> bool:
    def seconds_left() -> float:
        return context.get_remaining_time_in_millis() / 1000

    chunk = Chunk.from_message(record["body"])
    logger.append_keys(run_id=chunk.run_id, chunk=chunk.number)
    hold(_chunks, record, context)
    processors = _processors(context)
    work = ChunkWork(_completion, _store, processors * THREADS_A_PROCESSOR, seconds_left)
    delivery = work.take(chunk, lambda run: _bench(run, context))
    log_rows(chunk.run_id, chunk.number, delivery.reports)
    for key, fault in delivery.faults:
        logger.warning("row put off", key=key, exc_info=fault)
    if delivery.again_after is None:
        return True
    _chunks.hide(record["receiptHandle"], delivery.again_after)
    return False


@contextmanager
def _bench(run: Run, context: LambdaContext) -> Iterator[Bench]:
    def seconds_left() -> float:
        return context.get_remaining_time_in_millis() / 1000 - END_MARGIN_SECONDS

    memory = (int(context.memory_limit_in_mb) - OWN_MEGABYTES) * MEGABYTE
    store = ImageStore(
        _s3,
        run.bucket_name,
        run.bucket.acl_owner,
        check_annotations=run.settings.check_annotations,
    )
    with ExitStack() as opened:
        try:
            folder = opened.enter_context(private_folder(run.settings.temp_dir))
        except OSError as error:
            yield bench_without_temp_dir(run, store, error)
            return
        workshop = Workshop(
            store=store,
            pool=_pool(_processors(context), memory),
            memory=Budget(memory),
            temp_space=Budget(shutil.disk_usage(folder).free),
            folder=folder,
            encode_seconds=seconds_left(),
            seconds_left=seconds_left,
        )
        yield bench_for(run, workshop)


def _pool(size: int, memory: int) -> CodecPool:
    """The codec processes, kept warm between invocations."""
    if memory not in _pools:
        _pools[memory] = CodecPool(size, memory)
    return _pools[memory]


def _processors(context: LambdaContext) -> int:
    """Lambda gives processor time by memory, whatever number of processors it shows."""
    share = math.ceil(int(context.memory_limit_in_mb) / MEGABYTES_A_PROCESSOR)
    return max(1, min(os.cpu_count() or 1, share))
