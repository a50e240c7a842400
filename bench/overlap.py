"""How busy the compressor keeps its processor while S3 answers late, and what it costs itself.

`python -m bench.overlap chunks` is the process that is measured: the real handler takes one chunk
to get warm, then another. `python -m bench.overlap codec EFFORT ROWS FILE…` is the bare loop that
it is compared with.
"""

import importlib
import json
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import Final

from bench.emulated import CHUNKS, IMAGES, MEASURED, Deployed, deployed, measured_alone
from bench.invoked import Source
from bench.latency_proxy import proxy
from imagepress.chunk import Chunk
from imagepress.codec_protocol import CodecRequest
from imagepress.codecs import compress
from imagepress.effort import Effort
from imagepress.image_header import read_header
from imagepress.manifest import Row
from imagepress.run import Run
from imagepress.settings import RunSettings

ROWS_TO_GET_WARM: Final = 8
_ONE_THREAD: Final = {"RAYON_NUM_THREADS": "1", "VIPS_CONCURRENCY": "1"}
_TICK: Final = 1 / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Overlap:
    """One chunk: seconds of the wall, and of CPU in the handler's process and in the codec's.

    `others` are those that strangers took from the same processor meanwhile.
    """

    milliseconds: int
    effort: Effort
    rows: int
    wall: float
    own_cpu: float
    codec_cpu: float
    others: float

    @property
    def busy(self) -> float:
        """The share of the time in which the processor worked for the chunk."""
        return (self.own_cpu + self.codec_cpu) / self.wall

    @property
    def others_share(self) -> float:
        """The share of the time in which it worked for strangers."""
        return self.others / self.wall


@dataclass(frozen=True, slots=True)
class Bare:
    """CPU seconds of the codec alone, over as many rows."""

    effort: Effort
    rows: int
    cpu: float


def work_on_chunk(
    milliseconds: int, effort: Effort, rows: int, photographs: Sequence[Path], folder: Path
) -> Overlap:
    """Have a chunk of `rows` photographs done by a function with one processor."""
    all_rows = ROWS_TO_GET_WARM + rows
    run = Run(
        run_id="20240201T120000Z-bench-00000000",
        created=time.time(),
        source="bench",
        bucket_name=IMAGES,
        settings=RunSettings(temp_dir=tempfile.gettempdir(), effort=effort),
        chunk_size=rows,
        shards=1,
        chunks_total=2,
        rows_total=all_rows,
    )
    with deployed(folder / "aws") as aws, proxy(aws.emulator.port, milliseconds) as port:
        aws.table.create(run)
        _send(aws, run, 0, range(1, ROWS_TO_GET_WARM + 1), photographs)
        _send(aws, run, 1, range(ROWS_TO_GET_WARM + 1, all_rows + 1), photographs)
        taken = measured_alone("bench.overlap", "chunks", environment=aws.environment(port))
        if aws.table.progress(run).totals.compressed != all_rows:
            raise RuntimeError("Not all photographs were compressed.")
    return Overlap(milliseconds, effort, rows, **taken)


def run_codec_alone(effort: Effort, rows: int, photographs: Sequence[Path]) -> Bare:
    """Have as many photographs compressed by nothing but the codec."""
    arguments = ("codec", effort, str(rows), *map(str, photographs))
    taken = measured_alone("bench.overlap", *arguments, environment=_ONE_THREAD)
    return Bare(effort, rows, **taken)


def upload(aws: Deployed, keys: Sequence[str], photographs: Sequence[Path]) -> None:
    """Put a photograph under each key, in turn."""
    bodies = [photograph.read_bytes() for photograph in photographs]
    for key, body in zip(keys, cycle(bodies), strict=False):
        aws.clients.s3.put_object(Bucket=IMAGES, Key=key, Body=body, ContentType="image/jpeg")


def _send(aws: Deployed, run: Run, number: int, rows: range, photographs: Sequence[Path]) -> None:
    chunk = Chunk(run.run_id, number, tuple(Row(row, f"photos/{row}.jpg", 0) for row in rows))
    upload(aws, [row.key for row in chunk.rows], photographs)
    aws.clients.sqs.send_message(QueueUrl=aws.queues[CHUNKS], MessageBody=chunk.to_message())


def _take_chunks() -> dict[str, float]:
    """What the second chunk took."""
    compressor = importlib.import_module("compressor")
    chunks = Source(os.environ["CHUNK_QUEUE_URL"])
    took: list[dict[str, float]] = []

    def handler(event: object, context: object) -> object:
        wall, own, codec, all_of_them = _clocks()
        answer = compressor.handler(event, context)
        after = _clocks()
        own, codec = after[1] - own, after[2] - codec
        others = max(0.0, after[3] - all_of_them - own - codec)
        took.append({"wall": after[0] - wall, "own_cpu": own, "codec_cpu": codec, "others": others})
        return answer

    while chunks.take(handler):
        pass
    return took[-1]


def _clocks() -> tuple[float, float, float, float]:
    """Seconds: the wall's; CPU of this process, of its children, of all on this processor."""
    children = {
        child
        for task in Path("/proc/self/task").iterdir()
        for child in (task / "children").read_text().split()
    }
    in_children = sum(
        sum(map(int, Path("/proc", child, "stat").read_text().rsplit(")")[-1].split()[11:13]))
        for child in children
    )
    mine = next(
        line.split()[1:]
        for line in Path("/proc/stat").read_text().splitlines()
        if line.startswith(f"cpu{min(MEASURED)} ")
    )
    user, nice, system, _, _, interrupts, soft_interrupts, stolen, *_ = map(int, mine)
    busy = user + nice + system + interrupts + soft_interrupts + stolen
    return time.monotonic(), time.process_time(), in_children * _TICK, busy * _TICK


def _run_codec(effort: Effort, rows: int, files: Sequence[Path]) -> dict[str, float]:
    quality = RunSettings().perc_compression_quality
    with tempfile.TemporaryDirectory() as name:
        requests = [
            CodecRequest(file, Path(name, file.name), read_header(file), quality, effort)
            for file in files
        ]
        for request in requests:
            compress(request)
        cpu = time.process_time()
        for request in islice(cycle(requests), rows):
            compress(request)
        return {"cpu": time.process_time() - cpu}


def _main(what: str, *arguments: str) -> None:
    if what == "chunks":
        taken = _take_chunks()
    else:
        effort, rows, *files = arguments
        taken = _run_codec(Effort(effort), int(rows), [*map(Path, files)])
    print(json.dumps(taken))


if __name__ == "__main__":
    _main(*sys.argv[1:])
