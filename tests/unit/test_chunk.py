import json
from itertools import batched

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagepress.chunk import (
    BATCH_BYTES,
    BATCH_ENTRIES,
    MAX_ROWS,
    Chunk,
    batches,
    chunk_size,
    chunks,
)
from imagepress.manifest import MAX_KEY_BYTES, Row
from imagepress.records import SHOWN_CHARACTERS

LONGEST_RUN_ID = f"20240201T120000Z-{'x' * 40}-01234567"
HOSTILE_KEYS = [
    "images/a.jpg",
    "two words + a plus%20.jpg",
    'say "hi", \\ and \\n.jpg',
    "two\nlines\r\n.jpg",
    "\0\x01\x1f\x7f\x80.jpg",
    "coração/\U0001f304/\u202egpj.jpg",
    "\ufffe\uffff\ud7ff\ue000\U0010ffff",
    "\u2028\u2029",
    "../../etc/passwd",
    "/",
    "é" * 512,
]
keys = st.text(st.characters(codec="utf-8"), max_size=50)
rows = st.builds(
    Row, st.integers(1), keys, st.just(0), st.none() | st.text(max_size=20), file=st.just(0)
)


def row(number: int, key: str = "a.jpg") -> Row:
    return Row(number, key, 0)


# The message


@pytest.mark.parametrize("key", HOSTILE_KEYS)
def test_a_hostile_key_survives_the_message(key: str) -> None:
    chunk = Chunk("run", 7, (row(701, key),))

    assert Chunk.from_message(chunk.to_message()) == chunk


@pytest.mark.parametrize("key", HOSTILE_KEYS)
def test_the_message_is_printable_ascii(key: str) -> None:
    message = Chunk("run", 7, (row(701, key),)).to_message()

    assert all(" " <= character <= "\x7f" for character in message)


@given(st.integers(0), st.lists(rows, max_size=5))
def test_any_chunk_survives_the_message(number: int, chunk_rows: list[Row]) -> None:
    chunk = Chunk("run", number, tuple(chunk_rows))

    assert Chunk.from_message(chunk.to_message()) == chunk


def test_byte_offsets_stay_with_the_dispatcher() -> None:
    chunk = Chunk("run", 0, (Row(1, "a.jpg", 6), Row(2, "bad", 10, "the path is empty")))

    taken = Chunk.from_message(chunk.to_message())

    assert [row.end for row in taken.rows] == [0, 0]
    assert [row.problem for row in taken.rows] == [None, "the path is empty"]


@pytest.mark.parametrize(
    "key",
    ["\x01" * MAX_KEY_BYTES, "\uffff" * (MAX_KEY_BYTES // 3), "\U0001f304" * (MAX_KEY_BYTES // 4)],
)
def test_the_worst_keys_fit_into_a_message(key: str) -> None:
    worst = tuple(row(10**12 + number, key) for number in range(MAX_ROWS))

    assert len(Chunk(LONGEST_RUN_ID, 10**10, worst).to_message()) <= 1 << 20


def test_the_worst_bad_rows_fit_into_a_message() -> None:
    shown = "\U0001f304" * SHOWN_CHARACTERS + "…"
    problem = "the path has 1,048,576 bytes; an S3 key has at most 1,024"
    worst = tuple(Row(10**12, shown, 0, problem) for _ in range(MAX_ROWS))

    assert len(Chunk(LONGEST_RUN_ID, 10**10, worst).to_message()) <= 1 << 20


# Cutting


@given(st.lists(keys, max_size=60), st.integers(1, 20), st.integers(0, 10**6))
def test_chunks_hold_every_row_once_and_in_order(names: list[str], size: int, first: int) -> None:
    listed = [row(number, key) for number, key in enumerate(names, 1)]

    cut = list(chunks("run", listed, size, first=first))

    assert [chunk.rows for chunk in cut] == list(batched(listed, size))
    assert [chunk.number for chunk in cut] == list(range(first, first + len(cut)))


@given(st.integers(1, 60), st.integers(1, 10), st.integers(0, 8))
def test_a_step_that_goes_on_later_cuts_the_same_chunks(count: int, size: int, done: int) -> None:
    listed = [row(number) for number in range(1, count + 1)]
    whole = list(chunks("run", listed, size, first=0))

    assert list(chunks("run", listed[done * size :], size, first=done)) == whole[done:]


# Sizes


@pytest.mark.parametrize(
    ("rows", "concurrency", "size"),
    [
        (0, 50, 1),
        (1, 50, 1),
        (199, 50, 1),
        (400, 50, 2),
        (10_000, 50, 50),
        (20_000, 50, 100),
        (100_000_000, 50, 100),
        (100, 1, 25),
        (100, 2, 12),
        (10**6, 1000, 100),
    ],
)
def test_chunks_are_sized_so_that_all_workers_have_some(
    rows: int, concurrency: int, size: int
) -> None:
    assert chunk_size(rows, concurrency) == size


@given(st.integers(0, 10**10), st.integers(1, 1000))
def test_a_chunk_has_1_to_100_rows(rows: int, concurrency: int) -> None:
    assert 1 <= chunk_size(rows, concurrency) <= MAX_ROWS


# Batches


@given(st.lists(st.integers(1, BATCH_BYTES), max_size=40))
def test_a_batch_is_what_sqs_takes(sizes: list[int]) -> None:
    sent = [(Chunk("run", number, ()), "x" * size) for number, size in enumerate(sizes)]

    grouped = list(batches(sent))

    assert [pair for batch in grouped for pair in batch] == sent
    for batch in grouped:
        assert 1 <= len(batch) <= BATCH_ENTRIES == 10
        assert sum(len(body) for _, body in batch) <= BATCH_BYTES == 1 << 20


def test_small_messages_go_ten_at_a_time() -> None:
    sent = [(Chunk("run", number, ()), "x") for number in range(25)]

    assert [len(batch) for batch in batches(sent)] == [10, 10, 5]


def test_two_messages_that_fill_a_batch_exactly_go_together() -> None:
    half = "x" * (BATCH_BYTES // 2)
    sent = [(Chunk("run", number, ()), half) for number in range(3)]

    assert [len(batch) for batch in batches(sent)] == [2, 1]


def test_a_batch_that_was_full_leaves_the_next_all_its_room() -> None:
    sizes = [BATCH_BYTES, *[1] * 20]
    sent = [(Chunk("run", number, ()), "x" * size) for number, size in enumerate(sizes)]

    assert [len(batch) for batch in batches(sent)] == [1, 10, 10]


def test_chunks_are_only_cut_as_they_are_sent() -> None:
    cut = chunks("run", (row(number) for number in iter(int, 1)), 1, first=0)

    first = next(batches((chunk, chunk.to_message()) for chunk in cut))

    assert [json.loads(body)["chunk"] for _, body in first] == list(range(10))
