import gzip
from collections.abc import Iterator
from typing import IO, cast

from hypothesis import given
from hypothesis import strategies as st

from imagepress.block_stream import BlockStream

blocks = st.lists(st.binary(max_size=20), max_size=10)


@given(blocks, st.integers(1, 30))
def test_the_stream_is_the_blocks(pieces: list[bytes], size: int) -> None:
    stream = BlockStream(iter(pieces))
    read = b""
    while data := stream.read(size):
        assert len(data) <= size
        read += data

    assert read == b"".join(pieces)


@given(blocks)
def test_the_stream_can_be_read_at_once(pieces: list[bytes]) -> None:
    assert BlockStream(iter(pieces)).readall() == b"".join(pieces)


def test_the_end_stays_the_end() -> None:
    stream = BlockStream(iter([b"a"]))

    assert [stream.read(5), stream.read(5), stream.read(5)] == [b"a", b"", b""]


def test_empty_blocks_are_not_the_end() -> None:
    assert BlockStream(iter([b"", b"a", b"", b"", b"b"])).readall() == b"ab"


def test_blocks_are_taken_as_they_are_needed() -> None:
    taken = []

    def pieces() -> Iterator[bytes]:
        for number in range(100):
            taken.append(number)
            yield b"0123456789"

    BlockStream(pieces()).read(25)

    assert len(taken) <= 3


def test_gzip_reads_from_it() -> None:
    packed = gzip.compress(b"path\n" * 10_000)
    pieces = (packed[at : at + 7] for at in range(0, len(packed), 7))

    with gzip.GzipFile(fileobj=cast("IO[bytes]", BlockStream(pieces))) as text:
        assert text.read() == b"path\n" * 10_000
