"""Reading a manifest: a CSV of object keys, as bytes with offsets, in flat memory.

A run may be continued by another invocation in the middle of the file, so each row knows the
byte offset behind it, and reading may start at any such offset. Python's `csv` cannot tell
offsets; the grammar here is RFC 4180's: a quoted field may hold commas, newlines and doubled
quotes; a quote inside an unquoted field is an ordinary character; blank lines are no rows.
"""

import codecs
import re
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from imagepress.errors import Refused

MAX_LINE_BYTES = 1 << 20
MAX_QUOTED_RECORD_BYTES = 1 << 16
MAX_KEY_BYTES = 1024
SHOWN_CHARACTERS = 200

_REST_OF_QUOTED = re.compile(rb'(?:[^"]++|"")*+"[^,\n]*+')
_FIELD = re.compile(rb'"((?:[^"]++|"")*+)("?)([^,\n]*+)|([^,\n]*+)')


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the manifest; `number` counts from 1, `end` is the byte offset behind it.

    `problem` says why the row cannot be done; its `key` is then only good for showing. `extra`
    are the fields of other columns that were asked for.
    """

    number: int
    key: str
    end: int
    problem: str | None = None
    extra: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Header:
    """The index of the column `path`, those of further ones, the byte offset of the first row."""

    column: int
    end: int
    extra: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class _Line:
    data: bytes
    end: int
    too_long: bool = False


@dataclass(frozen=True, slots=True)
class _Record:
    data: bytes
    end: int
    fields: list[bytes]
    problem: str | None = None


def read_header(blocks: Iterable[bytes], extra: Sequence[str] = ()) -> Header | None:
    """Find the column `path` in the first record; None for an empty file; raise `Refused`.

    `extra` names further columns that must be there.
    """
    source = iter(blocks)
    beginning = b""
    while len(beginning) < len(codecs.BOM_UTF8) and (block := next(source, None)) is not None:
        beginning += block
    mark = len(codecs.BOM_UTF8) if beginning.startswith(codecs.BOM_UTF8) else 0
    for record in _records(_lines(chain([beginning[mark:]], source), mark)):
        if record.data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            raise Refused("The CSV is UTF-16 text; save it as UTF-8.")
        if b"\0" in record.data:
            raise Refused("The CSV is not a text file; it must be UTF-8 text with the header path.")
        if record.problem:
            raise Refused(f"The first line of the CSV is no header: {record.problem}.")
        try:
            names = [field.decode().strip().lower() for field in record.fields]
        except UnicodeDecodeError:
            raise Refused("The CSV is not UTF-8 text; save it as UTF-8.") from None
        if "path" not in names:
            raise Refused(
                f"The CSV has no column path; its header is {_show(record.data)!r}. The first "
                "line must name the columns, separated by commas, and one of them must be path."
            )
        try:
            return Header(names.index("path"), record.end, tuple(map(names.index, extra)))
        except ValueError as error:
            raise Refused(f"The CSV lacks a column: {error}.") from None
    return None


def read_rows(
    blocks: Iterable[bytes],
    column: int,
    *,
    offset: int,
    first_number: int = 1,
    extra: Sequence[int] = (),
) -> Iterator[Row]:
    """Yield the rows of `blocks`, which start at byte `offset` of the file, a record's start."""
    for number, record in enumerate(_records(_lines(blocks, offset)), first_number):
        yield _row(record, number, column, extra)


def _row(record: _Record, number: int, column: int, extra: Sequence[int]) -> Row:
    if record.problem:
        return Row(number, _show(record.data), record.end, record.problem)
    if column >= len(record.fields):
        return Row(number, _show(record.data), record.end, "the row has no field path")
    raw = record.fields[column]
    if not raw.strip():
        return Row(number, "", record.end, "the path is empty")
    if len(raw) > MAX_KEY_BYTES:
        problem = f"the path has {len(raw):,} bytes; an S3 key has at most {MAX_KEY_BYTES:,}"
        return Row(number, _show(raw), record.end, problem)
    try:
        further = tuple(
            record.fields[index].decode() if index < len(record.fields) else "" for index in extra
        )
        return Row(number, raw.decode(), record.end, extra=further)
    except UnicodeDecodeError:
        return Row(number, _show(raw), record.end, "the path is not valid UTF-8")


def _records(lines: Iterator[_Line]) -> Iterator[_Record]:
    waiting: deque[_Line] = deque()
    while line := (waiting.popleft() if waiting else next(lines, None)):
        if line.too_long:
            yield _Record(line.data, line.end, [], f"the line has over {MAX_LINE_BYTES:,} bytes")
        elif b'"' not in line.data:
            data = _without_line_end(line.data)
            if data:
                yield _Record(data, line.end, data.split(b","))
        else:
            yield _quoted_record(line, waiting, lines)


def _quoted_record(first: _Line, waiting: deque[_Line], lines: Iterator[_Line]) -> _Record:
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
        return _Record(_without_line_end(first.data), first.end, [], "a quote is never closed")
    return _Record(_without_line_end(data), end, fields)


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


def _show(data: bytes) -> str:
    text = data[: 4 * SHOWN_CHARACTERS].decode("utf-8", "backslashreplace")
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}…"
