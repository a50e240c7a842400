"""The lines of the run's log, to the letter of the original script's, and the events behind them.

Keys are hostile: a newline in a key must not forge a line, so control characters are escaped.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

MEGABYTE = 1_000_000
INFO = "INFO"
WARNING = "WARNING"
ERROR = "ERROR"


@dataclass(frozen=True, slots=True)
class Event:
    """One action: when (seconds since the epoch, UTC), how grave, and the log's sentence."""

    time: float
    level: str
    message: str

    def to_json(self) -> list[object]:
        """The event as a short list."""
        return [round(self.time, 3), self.level, self.message]


def event_from_json(values: Sequence[Any]) -> Event:
    """Read back what `Event.to_json` wrote."""
    time, level, message = values
    return Event(time, level, message)


def line(event: Event) -> str:
    """`2024-02-01 12:00:00 - INFO - message`, in UTC, always exactly one line."""
    return f"{_stamp(math.floor(event.time))} - {event.level} - {one_line(event.message)}"


@lru_cache(maxsize=1024)
def _stamp(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%d %H:%M:%S")


def lines(events: Iterable[Event]) -> str:
    """Several lines, each with its newline."""
    return "".join(f"{line(event)}\n" for event in events)


def log_name(started: datetime) -> str:
    """`compression_<YYYY-MM-DD_HH-MM-SS>.log`, the start of the run in UTC."""
    return f"{log_stem(started)}.log"


def log_stem(started: datetime) -> str:
    """The log's name without its ending; companions on a desktop share it."""
    return f"compression_{started.astimezone(UTC):%Y-%m-%d_%H-%M-%S}"


def downloading(key: str) -> str:
    """Before the GET."""
    return f"Downloading object {key} from AWS S3."


def saved(file: str, size: int) -> str:
    """The object's bytes are in `temp_dir`."""
    return f"File saved in {file} with size: {megabytes(size)}"


def compressing(file: str, image_format: str) -> str:
    """Before the codec."""
    return f"Compressing {file} object as {image_format} file"


def uploaded(key: str, bucket: str, size: int) -> str:
    """The original is replaced."""
    return f"Upload object {key} for bucket {bucket} with size {megabytes(size)}"


def deleted(file: str) -> str:
    """The temporary file is gone."""
    return f"File {file} was deleted."


def megabytes(size: int) -> str:
    """`3.5 MB` (10^6 bytes); small files keep two significant digits."""
    if size < 0:
        return f"-{megabytes(-size)}"
    value = size / MEGABYTE
    if round(value, 1) >= 1 or size == 0:
        return f"{value:.1f} MB"
    decimals = 1 - math.floor(math.log10(float(f"{value:.2g}")))
    return f"{value:.{min(6, decimals)}f} MB"


def one_line(text: str) -> str:
    """`text` with every character that could end or hide a line written as its escape."""
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in text
    )
