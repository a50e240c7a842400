import csv
import io
import tracemalloc
from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from imagepress.errors import Refused
from imagepress.manifest import (
    MAX_KEY_BYTES,
    Header,
    Row,
    S3List,
    read_header,
    read_rows,
)
from imagepress.records import MAX_LINE_BYTES, MAX_QUOTED_RECORD_BYTES, read_records

BOM = b"\xef\xbb\xbf"
MEGABYTE = 1 << 20

texts = st.text(st.characters(codec="utf-8"), max_size=30) | st.text(
    st.sampled_from('",\r\n é\U0001f304a'), max_size=12
)
tables = st.integers(1, 4).flatmap(
    lambda width: st.lists(st.lists(texts, min_size=width, max_size=width), max_size=12)
)
hostile_bytes = st.lists(
    st.sampled_from([b'"', b",", b"\n", b"\r\n", b"\r", b" ", b"a", b"\xff", b"\0", b'""', BOM])
).map(b"".join)


def blocks(data: bytes, size: int) -> Iterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


def rows(data: bytes, column: int = 0) -> list[Row]:
    return list(read_rows([data], column, offset=0))


def keys(data: bytes, column: int = 0) -> list[str | None]:
    return [None if row.problem else row.key for row in rows(data, column)]


def written(table: list[list[str]], line_end: str, *, quote_all: bool) -> bytes:
    # Older versions of csv leave a lone carriage return unquoted, which RFC 4180 does not allow.
    odd = quote_all or any("\r" in field for fields in table for field in fields)
    text = io.StringIO(newline="")
    if odd:
        csv.writer(text, lineterminator=line_end, quoting=csv.QUOTE_ALL).writerows(table)
    else:
        csv.writer(text, lineterminator=line_end).writerows(table)
    return text.getvalue().encode()


def as_key(field: str) -> str | None:
    raw = field.encode()
    return field if raw.strip() and len(raw) <= MAX_KEY_BYTES else None


# What Python's csv writes


@given(
    table=tables,
    column=st.integers(0, 3),
    size=st.integers(1, 40),
    line_end=st.sampled_from(["\n", "\r\n"]),
    bom=st.booleans(),
    quote_all=st.booleans(),
)
def test_reads_the_keys_that_python_csv_wrote(
    *,
    table: list[list[str]],
    column: int,
    size: int,
    line_end: str,
    bom: bool,
    quote_all: bool,
) -> None:
    width = len(table[0]) if table else 1
    column %= width
    names = [f"extra {index}" for index in range(width)]
    names[column] = "path"
    # A quote behind a byte order mark is another test's.
    heading = written([names], line_end, quote_all=False)
    body = written(table, line_end, quote_all=quote_all)
    data = (BOM if bom else b"") + heading + body

    header = read_header(blocks(data, size))

    assert header == Header(column, len(data) - len(body))
    found = list(read_rows(blocks(body, size), header.column, offset=header.end))
    assert [None if row.problem else row.key for row in found] == [
        as_key(fields[column]) for fields in table
    ]
    assert [row.number for row in found] == list(range(1, len(table) + 1))


@given(tables, st.data())
def test_goes_on_at_the_end_of_any_row(table: list[list[str]], data: st.DataObject) -> None:
    body = written(table, "\r\n", quote_all=False)
    whole = rows(body)
    for row in whole:
        size = data.draw(st.integers(1, 50))
        rest = read_rows(
            blocks(body[row.end :], size), 0, offset=row.end, first_number=row.number + 1
        )
        assert list(rest) == whole[row.number :]


@given(hostile_bytes, st.integers(1, 7))
@example(b'"', 1)
@example(b'"a\n"b\n', 1)
def test_any_bytes_are_rows_that_can_be_gone_on_from(body: bytes, size: int) -> None:
    whole = list(read_rows(blocks(body, size), 0, offset=0))

    assert all(one.end < other.end for one, other in pairwise(whole))
    assert not whole or whole[-1].end <= len(body)
    for row in whole:
        rest = read_rows([body[row.end :]], 0, offset=row.end, first_number=row.number + 1)
        assert list(rest) == whole[row.number :]


@given(hostile_bytes, st.integers(1, 7))
def test_the_blocks_sizes_make_no_difference(body: bytes, size: int) -> None:
    assert list(read_rows(blocks(body, size), 0, offset=0)) == rows(body)


# Grammar, case by case


@pytest.mark.parametrize(
    ("line", "key"),
    [
        (b"images/a.jpg", "images/a.jpg"),
        (b'"images/a.jpg"', "images/a.jpg"),
        (b'"a, b.jpg"', "a, b.jpg"),
        (b'"say ""hi"".jpg"', 'say "hi".jpg'),
        (b'19" screen.jpg', '19" screen.jpg'),
        (b'"two\nlines.jpg"', "two\nlines.jpg"),
        (b'"two\r\nlines.jpg"', "two\r\nlines.jpg"),
        (b"a b+c%20d.jpg", "a b+c%20d.jpg"),
        (b" leading space.jpg", " leading space.jpg"),
        (b"../up.jpg", "../up.jpg"),
        (b"/leading/slash.jpg", "/leading/slash.jpg"),
        ("coração/\U0001f304.jpg".encode(), "coração/\U0001f304.jpg"),
        (b"a\rb.jpg", "a\rb.jpg"),
        (b"k" * MAX_KEY_BYTES, "k" * MAX_KEY_BYTES),
    ],
)
@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"])
def test_reads_a_key(line: bytes, key: str, end: bytes) -> None:
    assert rows(line + end) == [Row(1, key, len(line + end))]


@pytest.mark.parametrize("blank", [b"\n", b"\r\n", b"\n\r\n\n"])
def test_blank_lines_are_no_rows(blank: bytes) -> None:
    assert keys(blank + b"a.jpg\n" + blank + b"b.jpg\n" + blank) == ["a.jpg", "b.jpg"]


def test_numbers_and_offsets_go_on_where_they_are_told() -> None:
    found = read_rows([b"b.jpg\nc.jpg\n"], 0, offset=106, first_number=8)

    assert list(found) == [Row(8, "b.jpg", 112), Row(9, "c.jpg", 118)]


def test_a_quoted_key_may_be_spread_over_many_blocks() -> None:
    data = b'"one\ntwo\nthree.jpg"\nnext.jpg\n'

    found = list(read_rows(blocks(data, 1), 0, offset=0))

    assert [row.key for row in found] == ["one\ntwo\nthree.jpg", "next.jpg"]


# Bad rows


@pytest.mark.parametrize(
    ("bad", "problem"),
    [
        (b"", "the path is empty"),
        (b'""', "the path is empty"),
        (b'"  "', "the path is empty"),
        (b"   ", "the path is empty"),
        (b"caf\xe9.jpg", "the path is not valid UTF-8"),
        (b'"caf\xe9, au lait.jpg"', "the path is not valid UTF-8"),
        (b"k" * (MAX_KEY_BYTES + 1), "the path has 1,025 bytes; an S3 key has at most 1,024"),
        ("é".encode() * 513, "the path has 1,026 bytes; an S3 key has at most 1,024"),
        (b"x" * (MAX_LINE_BYTES + 1), "the line has over 1,048,576 bytes"),
        (b'"' + b"x" * (MAX_LINE_BYTES + 1), "the line has over 1,048,576 bytes"),
    ],
    ids=lambda value: str(value[:20]),
)
def test_a_bad_row_costs_just_itself(bad: bytes, problem: str) -> None:
    found = rows(b"a.jpg,1\n" + bad + b",2\nb.jpg,3\n")

    assert [row.number for row in found] == [1, 2, 3]
    assert [row.problem for row in found] == [None, problem, None]
    assert [found[0].key, found[2].key] == ["a.jpg", "b.jpg"]


def test_an_unclosed_quote_costs_its_own_line() -> None:
    found = rows(b'a.jpg\n"b.jpg\nc.jpg\nd.jpg\n')

    assert [row.problem for row in found] == [None, "a quote is never closed", None, None]
    assert [row.key for row in found] == ["a.jpg", '"b.jpg', "c.jpg", "d.jpg"]


def test_a_quote_that_closes_too_far_away_is_unclosed() -> None:
    far = b"line.jpg\n" * (2 * MAX_QUOTED_RECORD_BYTES // 9)
    found = rows(b'"open.jpg\n' + far + b'close"\n')

    assert [row.number for row in found if row.problem] == [1]
    assert len(found) == 2 + far.count(b"\n")


def test_an_unclosed_quote_before_a_line_that_is_too_long_costs_two_rows() -> None:
    found = rows(b'"open.jpg\n' + b"x" * (MAX_LINE_BYTES + 1) + b"\nc.jpg\n")

    assert [bool(row.problem) for row in found] == [True, True, False]
    assert found[2].key == "c.jpg"


def test_a_row_without_the_column_is_bad() -> None:
    found = rows(b"1,a.jpg\n2\n3,c.jpg\n", column=1)

    assert [row.problem for row in found] == [None, "the row has no field path", None]


def test_the_longest_line_that_is_allowed_is_read() -> None:
    line = b"a.jpg," + b"x" * (MAX_LINE_BYTES - 6)

    assert keys(line + b"\nb.jpg\n") == ["a.jpg", "b.jpg"]


def test_a_bad_row_shows_only_its_beginning() -> None:
    (row,) = rows(b'"' + b"x" * 5000)

    assert row.key == '"' + "x" * 199 + "…"


@pytest.mark.parametrize("ends", [True, False])
def test_a_line_of_any_length_takes_flat_memory(*, ends: bool) -> None:
    def endless() -> Iterator[bytes]:
        yield b"a.jpg\n"
        for _ in range(512):
            yield b"x" * (MEGABYTE // 8)
        if ends:
            yield b"\nb.jpg\n"

    tracemalloc.start()
    found = list(read_rows(endless(), 0, offset=0))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak < 8 * MEGABYTE
    assert [bool(row.problem) for row in found] == ([False, True, False] if ends else [False, True])
    assert found[1].end == 6 + 64 * MEGABYTE + ends


def test_many_rows_take_flat_memory() -> None:
    block = b"images/2024/photo.jpg\n" * 5000

    tracemalloc.start()
    count = sum(1 for _ in read_rows((block for _ in range(20)), 0, offset=0))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert count == 100_000
    assert peak < 4 * MEGABYTE


# The header


@pytest.mark.parametrize(
    ("line", "column"),
    [
        (b"path", 0),
        (b"Path", 0),
        (b" path ", 0),
        (b"id,path,size", 1),
        (b'"id","path"', 1),
        (b'"a\nb",path', 1),
        (b"path,path", 0),
        (BOM + b"path", 0),
    ],
)
def test_finds_the_column_path(line: bytes, column: int) -> None:
    assert read_header([line + b"\r\na.jpg\r\n"]) == Header(column, len(line) + 2)


def test_finds_a_quoted_column_behind_a_byte_order_mark() -> None:
    assert read_header([BOM + b'"path","size"\r\n"a.jpg","1"\r\n']) == Header(0, 18)


def test_blank_lines_before_the_header_are_skipped() -> None:
    assert read_header([b"\n\r\npath\n"]) == Header(0, 8)


@pytest.mark.parametrize("data", [[], [b""], [b"\n"], [b"\r\n\n"]])
def test_an_empty_file_has_no_header(data: list[bytes]) -> None:
    assert read_header(data) is None


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"key,size\na.jpg,1\n", "no column path; its header is 'key,size'"),
        (b"path;size\na.jpg;1\n", "no column path; its header is 'path;size'"),
        (b"a.jpg\nb.jpg\n", "no column path; its header is 'a.jpg'"),
        ("path\na.jpg\n".encode("utf-16"), "UTF-16 text; save it as UTF-8"),
        ("\ufeffpath\na.jpg\n".encode("utf-16-be"), "UTF-16 text; save it as UTF-8"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\n", "not UTF-8 text"),
        (b"PK\x03\x04\0\0\0\0path\n", "not a text file"),
        (b"pa\xefth\n", "not UTF-8 text; save it as UTF-8"),
        (b'"path\na.jpg\n', "no header: a quote is never closed"),
        (b"x" * (MAX_LINE_BYTES + 1), "no header: the line has over 1,048,576 bytes"),
    ],
    ids=lambda value: str(value[:20]),
)
def test_says_what_is_wrong_with_a_header(data: bytes, message: str) -> None:
    with pytest.raises(Refused) as refusal:
        read_header([data])

    assert message in str(refusal.value)


def test_a_header_that_is_not_text_is_shown_short() -> None:
    with pytest.raises(Refused) as refusal:
        read_header([b"column," * 10_000])

    assert len(str(refusal.value)) < 500


@given(st.binary(max_size=200))
def test_a_header_is_found_or_refused(data: bytes) -> None:
    try:
        header = read_header([data])
    except Refused:
        return
    assert header is None or 0 < header.end <= len(data)


# S3's own lists

LIST = S3List("pictures", left_out=((2, "false"),))


def listed(data: bytes) -> list[Row]:
    return list(read_rows([data], 1, offset=0, s3_list=LIST))


@pytest.mark.parametrize(
    "line",
    [
        b'"pictures","a%20b/%C3%A7%2B%25.jpg"',
        b"pictures,a%20b/%C3%A7%2B%25.jpg",
        b'"pictures","a+b/%c3%a7%2b%25.jpg","true"',
        b'"pictures",a+b/%C3%A7%2B%25.jpg',
    ],
)
def test_keys_of_s3s_own_lists_are_url_encoded(line: bytes) -> None:
    assert [row.key for row in listed(line + b"\r\n")] == ["a b/ç+%.jpg"]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b"others,a.jpg", "the row names the bucket others; the run's is pictures"),
        (b"pictures", "the row has no bucket and key"),
        (b"pictures,%FF.jpg", "the path is not valid UTF-8"),
        (b"pictures,%20", "the path is empty"),
        (b"pictures," + b"%41" * 1025, "the path has 1,025 bytes; an S3 key has at most 1,024"),
        (b'"pictures,a.jpg', "a quote is never closed"),
    ],
)
def test_bad_rows_of_s3s_own_lists_say_why(line: bytes, problem: str) -> None:
    assert [row.problem for row in listed(line)] == [problem]


def test_what_is_not_there_now_is_no_row() -> None:
    data = b'"pictures","a","true"\n"pictures","b","false"\n"pictures","c","true"\n'

    assert [(row.number, row.key) for row in listed(data)] == [(1, "a"), (2, "c")]


@pytest.mark.parametrize(
    ("data", "is_list"),
    [
        (b"pictures,a.jpg\npictures,b.jpg,v1\n", True),
        (BOM + b'"pictures","a.jpg"\n', True),
        (b"pictures,title\na.jpg,x\n", False),
        (b"pictures,a.jpg,v1,more\n", False),
        (b"others,a.jpg\n", False),
        (b"pictures\n", False),
    ],
)
def test_a_list_for_s3_batch_operations_has_no_header(*, data: bytes, is_list: bool) -> None:
    if is_list:
        start = len(BOM) if data.startswith(BOM) else 0
        assert read_header([data], (), "pictures") == Header(1, start, s3_list=S3List("pictures"))
    else:
        with pytest.raises(Refused, match="no column path"):
            read_header([data], (), "pictures")


@given(st.lists(st.lists(texts, min_size=1, max_size=3), max_size=8))
def test_lists_in_which_all_is_quoted_are_read_as_python_reads_them(table: list[list[str]]) -> None:
    records = read_records([written(table, "\n", quote_all=True)], 0)

    assert [[field.decode() for field in record.fields] for record in records] == table
