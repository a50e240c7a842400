"""A chunk: the numbered handful of rows that one compressor invocation takes, as an SQS message."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Self

from imagepress.manifest import Row

MAX_ROWS = 100
CHUNKS_PER_WORKER = 4
BATCH_ENTRIES = 10
BATCH_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Chunk:
    """Rows `rows` of run `run_id`; chunk `number` (from 0) always holds the same rows."""

    run_id: str
    number: int
    rows: tuple[Row, ...]

    def to_message(self) -> str:
        """The message body; ASCII, since SQS refuses some characters that keys may have."""
        rows = [
            [row.number, row.key, row.problem, *row.extra]
            if row.problem is not None or row.extra
            else [row.number, row.key]
            for row in self.rows
        ]
        body = {"run_id": self.run_id, "chunk": self.number, "rows": rows}
        return json.dumps(body, separators=(",", ":"))

    @classmethod
    def from_message(cls, body: str) -> Self:
        """Read back what `to_message` wrote (byte offsets stay with the dispatcher)."""
        values = json.loads(body)
        rows = tuple(
            Row(number, key, 0, rest[0] if rest else None, tuple(rest[1:]))
            for number, key, *rest in values["rows"]
        )
        return cls(values["run_id"], values["chunk"], rows)


def chunk_size(estimated_rows: int, concurrency: int) -> int:
    """Rows a chunk: small runs spread over all workers, large ones spare requests."""
    return max(1, min(MAX_ROWS, estimated_rows // (concurrency * CHUNKS_PER_WORKER)))


def chunks(run_id: str, rows: Iterable[Row], size: int, *, first: int) -> Iterator[Chunk]:
    """Cut `rows` into chunks of `size`, numbered from `first`."""
    taken: list[Row] = []
    number = first
    for row in rows:
        taken.append(row)
        if len(taken) == size:
            yield Chunk(run_id, number, tuple(taken))
            taken = []
            number += 1
    if taken:
        yield Chunk(run_id, number, tuple(taken))


def batches(sized: Iterable[tuple[Chunk, str]]) -> Iterator[list[tuple[Chunk, str]]]:
    """Group (chunk, message) pairs as `SendMessageBatch` takes them: 10 entries and 1 MiB."""
    batch: list[tuple[Chunk, str]] = []
    size = 0
    for chunk, body in sized:
        if batch and (len(batch) == BATCH_ENTRIES or size + len(body) > BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append((chunk, body))
        size += len(body)
    if batch:
        yield batch
