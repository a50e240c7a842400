"""RFC 4180 from bytes in flat memory: the records of a CSV, each with the byte offset behind it.

Python's `csv` cannot tell offsets, and a reader must be able to go on in the middle of a file. A
quoted field may hold commas, newlines and doubled quotes; a quote inside an unquoted field is an
ordinary character; blank lines are no records.
"""

import re
from collections import deque
from collections.abc import Iterable, Iterator
from typing import NamedTuple

MAX_LINE_BYTES = 1 << 20
MAX_QUOTED_RECORD_BYTES = 1 << 16
SHOWN_CHARACTERS = 200

_REST_OF_QUOTED = re.compile(rb'(?:[^"]++|"")*+"[^,\n]*+')
_FIELD = re.compile(rb'"((?:[^"]++|"")*+)("?)([^,\n]*+)|([^,\n]*+)')


class Record(NamedTuple):
    """One record; `end` is the byte offset behind it, `problem` why it has no fields."""

    data: bytes
    end: int
    fields: list[bytes]
    problem: str | None = None


class _Line(NamedTuple):
    data: bytes
    end: int
    too_long: bool = False


def read_records(blocks: Iterable[bytes], offset: int) -> Iterator[Record]:
    """Yield the records of `blocks`, which start at byte `offset` of the file."""
    lines = _lines(blocks, offset)
    waiting: deque[_Line] = deque()
    while line := (waiting.popleft() if waiting else next(lines, None)):
        if line.too_long:
            yield Record(line.data, line.end, [], f"the line has over {MAX_LINE_BYTES:,} bytes")
            continue
        data = _without_line_end(line.data)
        if b'"' not in data:
            if data:
                yield Record(data, line.end, data.split(b","))
        elif fields := _plainly_quoted(data):
            yield Record(data, line.end, fields)
        else:
            yield _quoted_record(line, waiting, lines)


def show(data: bytes) -> str:
    """The beginning of a record or field, for people."""
    text = data[: 4 * SHOWN_CHARACTERS].decode("utf-8", "backslashreplace")
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}…"


def _plainly_quoted(data: bytes) -> list[bytes] | None:
    """The fields of a line in which each is quoted and holds no quote, as S3 writes its lists."""
    fields = data[1:-1].split(b'","')
    quotes_between = 2 * len(fields) == data.count(b'"')
    return fields if quotes_between and data[:1] == data[-1:] == b'"' else None


def _quoted_record(first: _Line, waiting: deque[_Line], lines: Iterator[_Line]) -> Record:
    """Join lines until every quote is closed; else the first line alone is a bad row."""
    data, end = first.data, first.end
    taken = []
    is_open = _fields(data) is None
    while is_open and len(data) <= MAX_QUOTED_RECORD_BYTES:
        line = waiting.popleft() if waiting else next(lines, None)
        if line is None:
            break
        taken.append(line)
        if line.too_long:
            break
        data += line.data
        end = line.end
        is_open = _stays_open(line.data)
    fields = None if is_open else _fields(_without_line_end(data))
    if fields is None:
        waiting.extendleft(reversed(taken))
        return Record(_without_line_end(first.data), first.end, [], "a quote is never closed")
    return Record(_without_line_end(data), end, fields)


def _stays_open(line: bytes) -> bool:
    """Whether a quoted field is open behind `line`, given that one was open before it."""
    closing = _REST_OF_QUOTED.match(line)
    if closing is None:
        return True
    if line[closing.end() : closing.end() + 1] != b",":
        return False
    return _fields(line[closing.end() + 1 :]) is None


def _fields(record: bytes) -> list[bytes] | None:
    """The fields of one record, or None while a quoted field is open at its end."""
    fields: list[bytes] = []
    position = 0
    while True:
        match = _FIELD.match(record, position)
        if match is None:  # pragma: no cover - the pattern matches the empty string
            return fields
        quoted, closing, rest, plain = match.groups()
        if quoted is None:
            fields.append(plain)
        elif not closing:
            return None
        else:
            fields.append(quoted.replace(b'""', b'"') + rest)
        position = match.end()
        if record[position : position + 1] != b",":
            return fields
        position += 1


def _lines(blocks: Iterable[bytes], offset: int) -> Iterator[_Line]:
    tail = b""
    dropped = 0
    for block in blocks:
        *whole, tail = (tail + block).split(b"\n")
        for data in whole:
            offset += dropped + len(data) + 1
            yield _Line(data + b"\n", offset, too_long=dropped + len(data) > MAX_LINE_BYTES)
            dropped = 0
        if dropped + len(tail) > MAX_LINE_BYTES:
            dropped += len(tail) - SHOWN_CHARACTERS
            tail = tail[:SHOWN_CHARACTERS]
    if tail or dropped:
        yield _Line(tail, offset + dropped + len(tail), too_long=dropped > 0)


def _without_line_end(data: bytes) -> bytes:
    return data.removesuffix(b"\n").removesuffix(b"\r")
