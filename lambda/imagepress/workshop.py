"""What the rows of a run are worked on with: store, codecs, and bounded memory and disk."""

import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from imagepress import codec_table, journal
from imagepress.budget import MEGABYTE, Budget
from imagepress.codec_pool import CodecPool
from imagepress.codec_protocol import CodecRequest, Encoded, SampleRequest
from imagepress.errors import PassingError, RowFailed
from imagepress.image_header import ImageHeader
from imagepress.image_store import ImageStore, download
from imagepress.ledger import Ledger
from imagepress.manifest import Row
from imagepress.outcome import FailureCode
from imagepress.sample import Sample
from imagepress.stored_object import StoredObject

if TYPE_CHECKING:
    from botocore.response import StreamingBody

MAX_FILE_NAME = 60
TEMP_COPIES = 2
SAMPLE_PROCESS_BYTES = 120 * MEGABYTE
SAMPLE_BYTES_A_PIXEL = 8
SAMPLE_SECONDS = 15.0
SAMPLE_RESERVE_SECONDS = 10.0
# What a codec is to blame for, and another one may do better.
CODEC_FAILURES = (FailureCode.CODEC_CRASHED, FailureCode.TOO_LARGE_FOR_MEMORY)


@dataclass(frozen=True, slots=True)
class Workshop:
    """What rows are worked on with.

    `folder` is a private one inside `temp_dir`; `encode_seconds` is what one picture may take;
    `seconds_left` tells how long this process may still go on.
    """

    store: ImageStore
    pool: CodecPool
    memory: Budget
    temp_space: Budget
    folder: Path
    encode_seconds: float
    seconds_left: Callable[[], float]

    @contextmanager
    def saved(
        self,
        row: Row,
        stored: StoredObject,
        body: "StreamingBody",
        ledger: Ledger,
        check: Callable[[bytes], None] = lambda _: None,
    ) -> Iterator[Path]:
        """The object's bytes as a file named after its key, gone at the end.

        `check` sees their beginning, and may raise the row's outcome.
        """
        with self._share_of_temp_space(stored.size), self._file(row, stored, ledger) as file:
            download(body, file, check)
            body.close()
            ledger.log(journal.saved(str(file), stored.size))
            yield file

    def encode(self, request: CodecRequest, file_size: int) -> Encoded:
        """Have a picture compressed by the best codec that fits into memory and does not fail it.

        Raises the picture's outcome, or `PassingError` where time was too short.
        """
        *better, last = codec_table.codecs_for(request.header, file_size, self.memory.total)
        for codec in better:
            try:
                return self._encode(request, codec, file_size)
            except RowFailed as failed:
                if failed.code not in CODEC_FAILURES:
                    raise
        return self._encode(request, last, file_size)

    def sample(self, header: ImageHeader, before: Path, after: Path) -> Sample | None:
        """A piece of a picture before and after; None where that would take too much, or fails.

        It only adorns the report: nothing that goes wrong here is the row's.
        """
        needed = SAMPLE_PROCESS_BYTES + header.pixels * SAMPLE_BYTES_A_PIXEL
        if needed > self.memory.total:
            return None
        with self.memory.share(needed):
            seconds = min(SAMPLE_SECONDS, self.seconds_left() - SAMPLE_RESERVE_SECONDS)
            if seconds <= 0:
                return None
            try:
                return self.pool.sample(SampleRequest(before, after, header), seconds)
            except (RowFailed, OSError):
                return None

    def _encode(
        self, request: CodecRequest, codec: codec_table.CodecEntry, file_size: int
    ) -> Encoded:
        with self.memory.share(codec.memory_needed(request.header, file_size)):
            seconds_left = self.seconds_left()
            seconds = min(self.encode_seconds, seconds_left)
            try:
                return self.pool.encode(replace(request, codec=codec.name), seconds)
            except RowFailed as failed:
                timed_out = failed.code is FailureCode.CODEC_TIMEOUT
                if timed_out and seconds_left < self.encode_seconds:
                    raise PassingError("There was not enough time left for the picture.") from None
                raise

    @contextmanager
    def _share_of_temp_space(self, file_size: int) -> Iterator[None]:
        needed, total = TEMP_COPIES * file_size, self.temp_space.total
        if needed > total:
            raise RowFailed(
                FailureCode.NO_TEMP_SPACE,
                f"The object needs {needed:,} bytes in temp_dir {self.folder.parent}; there are "
                f"{total:,}.",
            )
        with self.temp_space.share(needed):
            yield

    @contextmanager
    def _file(self, row: Row, stored: StoredObject, ledger: Ledger) -> Iterator[Path]:
        # An original that is read again has another place than what is there now.
        name = str(row.number) if stored is ledger.stored else f"{row.number}-original"
        folder = self.folder / name
        file = folder / safe_file_name(row.key)
        try:
            folder.mkdir(exist_ok=True)
        except OSError as error:
            raise RowFailed(
                FailureCode.NO_TEMP_SPACE,
                f"temp_dir {self.folder.parent} cannot be written to: {error}.",
            ) from error
        try:
            yield file
        finally:
            was_there = file.exists()
            shutil.rmtree(folder, ignore_errors=True)
            if was_there and not file.exists():
                ledger.log(journal.deleted(str(file)))


def safe_file_name(key: str) -> str:
    """The last part of a key as a file name that cannot leave its folder."""
    name = key.rstrip("/").rsplit("/", 1)[-1]
    safe = re.sub(r"[^\w.\- ]", "_", name)[-MAX_FILE_NAME:]
    return safe if safe.strip(". ") else "image"
