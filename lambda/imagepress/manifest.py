"""Reading a manifest: a list of object keys, as bytes with offsets, in flat memory.

A run may be continued by another invocation in the middle of the file, so each row knows the
byte offset behind it, and reading may start at any such offset. A manifest is a CSV with a column
`path`, or one of S3's own lists (Inventory, Batch Operations).
"""

import codecs
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from imagepress.errors import Refused
from imagepress.records import Record, read_records, show

MAX_KEY_BYTES = 1024
BATCH_COLUMNS = (2, 3)


class Row(NamedTuple):
    """One row of the manifest; `number` counts from 1, `end` is the byte offset behind it.

    `problem` says why the row cannot be done; its `key` is then only good for showing. `extra`
    are the fields of other columns that were asked for. `file` counts the files of a manifest
    that has several, from 0; `end` is an offset in that one.
    """

    number: int
    key: str
    end: int
    problem: str | None = None
    extra: tuple[str, ...] = ()
    file: int = 0


@dataclass(frozen=True, slots=True)
class S3List:
    """What a list that S3 or its users wrote for S3 has: no header, and keys in URL encoding.

    The field `bucket_column` must name `bucket`. Records of which a field of `left_out`, pairs of
    index and value, has that value are no objects of now, and no rows.
    """

    bucket: str
    bucket_column: int = 0
    left_out: tuple[tuple[int, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Header:
    """The index of the column `path`, those of further ones, the byte offset of the first row."""

    column: int
    end: int
    extra: tuple[int, ...] = ()
    s3_list: S3List | None = None


def read_header(
    blocks: Iterable[bytes], extra: Sequence[str] = (), bucket: str | None = None
) -> Header | None:
    """Find the column `path` in the first record; None for an empty file; raise `Refused`.

    `extra` names further columns that must be there. A list of two or three fields, the first of
    which names `bucket` from the first record on, is one for S3 Batch Operations.
    """
    source = iter(blocks)
    beginning = b""
    while len(beginning) < len(codecs.BOM_UTF8) and (block := next(source, None)) is not None:
        beginning += block
    mark = len(codecs.BOM_UTF8) if beginning.startswith(codecs.BOM_UTF8) else 0
    records = read_records(chain([beginning[mark:]], source), mark)
    for record in records:
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
            if bucket and all(_is_of_batch(one, bucket) for one in (record, *islice(records, 1))):
                return Header(1, mark, s3_list=S3List(bucket))
            raise Refused(
                f"The CSV has no column path; its header is {show(record.data)!r}. The first "
                "line must name the columns, separated by commas, and one of them must be path."
            )
        try:
            return Header(names.index("path"), record.end, tuple(map(names.index, extra)))
        except ValueError as error:
            raise Refused(f"The CSV lacks a column: {error}.") from None
    return None


def _is_of_batch(record: Record, bucket: str) -> bool:
    return len(record.fields) in BATCH_COLUMNS and record.fields[0] == bucket.encode()


def read_rows(
    blocks: Iterable[bytes],
    column: int,
    *,
    offset: int,
    first_number: int = 1,
    extra: Sequence[int] = (),
    s3_list: S3List | None = None,
    file: int = 0,
) -> Iterator[Row]:
    """Yield the rows of `blocks`, which start at byte `offset` of the file, a record's start."""
    records = read_records(blocks, offset)
    if s3_list is not None:
        listed = (record for record in records if not _is_left_out(record, s3_list))
        for number, record in enumerate(listed, first_number):
            yield _listed_row(record, number, column, s3_list, file)
        return
    for number, record in enumerate(records, first_number):
        yield _row(record, number, column, extra)


def _row(record: Record, number: int, column: int, extra: Sequence[int]) -> Row:
    if record.problem:
        return Row(number, show(record.data), record.end, record.problem)
    if column >= len(record.fields):
        return Row(number, show(record.data), record.end, "the row has no field path")
    raw = record.fields[column]
    problem = _problem(raw)
    if problem:
        return Row(number, show(raw) if raw.strip() else "", record.end, problem)
    try:
        further = tuple(
            record.fields[index].decode() if index < len(record.fields) else "" for index in extra
        )
        return Row(number, raw.decode(), record.end, extra=further)
    except UnicodeDecodeError:
        return Row(number, show(raw), record.end, "the path is not valid UTF-8")


def _listed_row(record: Record, number: int, column: int, s3_list: S3List, file: int) -> Row:
    def bad(data: bytes, problem: str) -> Row:
        return Row(number, show(data), record.end, problem, file=file)

    if record.problem:
        return bad(record.data, record.problem)
    if max(column, s3_list.bucket_column) >= len(record.fields):
        return bad(record.data, "the row has no bucket and key")
    bucket = show(record.fields[s3_list.bucket_column])
    if bucket != s3_list.bucket:
        return bad(record.data, f"the row names the bucket {bucket}; the run's is {s3_list.bucket}")
    raw = record.fields[column]
    if b"%" in raw or b"+" in raw:
        raw = unquote_to_bytes(raw.replace(b"+", b" "))
    problem = _problem(raw)
    if problem:
        return bad(raw, problem)
    try:
        return Row(number, raw.decode(), record.end, file=file)
    except UnicodeDecodeError:
        return bad(raw, "the path is not valid UTF-8")


def _problem(raw: bytes) -> str | None:
    if not raw.strip():
        return "the path is empty"
    if len(raw) > MAX_KEY_BYTES:
        return f"the path has {len(raw):,} bytes; an S3 key has at most {MAX_KEY_BYTES:,}"
    return None


def _is_left_out(record: Record, s3_list: S3List) -> bool:
    return any(
        index < len(record.fields) and record.fields[index].decode("ascii", "replace") == value
        for index, value in s3_list.left_out
    )
