"""How fast the dispatcher sends out a manifest, and in how much memory.

`python -m bench.dispatching CSV_PATH` is the process that is measured: the real handler starts a
run, and takes its steps. What it sends is thrown away by another.
"""

import contextlib
import gzip
import hashlib
import importlib
import json
import os
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import batched
from pathlib import Path
from typing import Final

from bench.emulated import CHUNKS, IMAGES, LISTS, Deployed, deployed, measured_alone
from bench.invoked import Context, Source, peak_megabytes

_PURGE_SECONDS: Final = 0.5
_LINES_AT_ONCE: Final = 10_000


class Form(StrEnum):
    """How a manifest is written."""

    PLAIN = "CSV"
    GZIPPED = "CSV, gzipped"
    INVENTORY = "S3 Inventory: gzipped, quoted, keys in URL encoding"


@dataclass(frozen=True, slots=True)
class Dispatched:
    """What sending out `rows` rows took; `memory` is the process's peak in megabytes."""

    form: Form
    rows: int
    cpu: float
    seconds: float
    memory: float

    @property
    def rows_per_cpu_second(self) -> float:
        """The rate that does not depend on how fast the emulator answers."""
        return self.rows / self.cpu


def dispatch(form: Form, rows: int, folder: Path) -> Dispatched:
    """Have a manifest of `rows` rows sent out, in a fresh process and a fresh emulator."""
    with deployed(folder / "aws") as aws:
        csv_path = _upload(form, rows, aws)
        with _purging(aws):
            taken = measured_alone("bench.dispatching", csv_path, environment=aws.environment())
        if taken.pop("rows") != rows:
            raise RuntimeError(f"Not all of {rows:,} rows were sent out.")
    return Dispatched(form, rows, **taken)


def write_csv(rows: int, file: Path) -> None:
    """A CSV of keys as shops and archives have them, about 45 bytes each."""
    with file.open("wb") as stream:
        stream.write(b"path\n")
        stream.writelines(_lines(rows, "{}\n"))


def key_of(row: int) -> str:
    """The key in row `row`, which counts from 1."""
    return f"catalogue/2024/{row % 12 + 1:02}/{row * 2654435761 % 2**32:08x}/IMG_{row:08}.jpg"


def _lines(rows: int, form: str) -> Iterator[bytes]:
    for numbers in batched(range(1, rows + 1), _LINES_AT_ONCE):
        yield "".join(form.format(key_of(row)) for row in numbers).encode()


def _upload(form: Form, rows: int, aws: Deployed) -> str:
    """Put the manifest into its bucket; what the run is to be given as `csv_path`."""
    with tempfile.TemporaryDirectory() as name:
        file = Path(name, "rows")
        match form:
            case Form.PLAIN:
                write_csv(rows, file)
                return _put(aws, file, "rows.csv")
            case Form.GZIPPED:
                _write_gzipped(file, (b"path\n", *_lines(rows, "{}\n")))
                return _put(aws, file, "rows.csv.gz")
            case Form.INVENTORY:
                line = f'"{IMAGES}","{{}}","1048576","2024-02-01T12:00:00.000Z","STANDARD"\n'
                quoted = (lines.replace(b"/", b"%2F") for lines in _lines(rows, line))
                _write_gzipped(file, quoted)
                _put(aws, file, "inventory/1.csv.gz")
                Path(name, "manifest").write_text(_inventory(file))
                return _put(aws, Path(name, "manifest"), "inventory/manifest.json")


def _write_gzipped(file: Path, blocks: Iterable[bytes]) -> None:
    with gzip.open(file, "wb", compresslevel=1) as stream:
        stream.writelines(blocks)


def _inventory(file: Path) -> str:
    content = file.read_bytes()
    listed = {
        "key": "inventory/1.csv.gz",
        "size": len(content),
        "MD5checksum": hashlib.md5(content, usedforsecurity=False).hexdigest(),
    }
    return json.dumps(
        {
            "sourceBucket": IMAGES,
            "fileFormat": "CSV",
            "fileSchema": "Bucket, Key, Size, LastModifiedDate, StorageClass",
            "files": [listed],
        }
    )


def _put(aws: Deployed, file: Path, key: str) -> str:
    with file.open("rb") as body:
        aws.clients.s3.put_object(Bucket=LISTS, Key=key, Body=body)
    return key


@contextlib.contextmanager
def _purging(aws: Deployed) -> Iterator[None]:
    """Empty the chunk queue now and then, so that the emulator stays small."""
    through = threading.Event()

    def purge() -> None:
        while not through.wait(_PURGE_SECONDS):
            aws.clients.sqs.purge_queue(QueueUrl=aws.queues[CHUNKS])

    thread = threading.Thread(target=purge)
    thread.start()
    try:
        yield
    finally:
        through.set()
        thread.join()


def _main(csv_path: str) -> None:
    dispatcher = importlib.import_module("dispatcher")
    answer = dispatcher.handler({"csv_path": csv_path, "bucket_name": IMAGES}, Context())
    steps = Source(os.environ["DISPATCH_QUEUE_URL"])
    cpu, seconds = time.process_time(), time.monotonic()
    while steps.take(dispatcher.handler):
        pass
    taken = {"cpu": time.process_time() - cpu, "seconds": time.monotonic() - seconds}
    memory = peak_megabytes()
    run = dispatcher._completion.runs.load(answer["run_id"])  # noqa: SLF001 - its own table
    print(json.dumps({**taken, "memory": memory, "rows": run.rows_total}))


if __name__ == "__main__":
    _main(sys.argv[1])
