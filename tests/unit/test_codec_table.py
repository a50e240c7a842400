"""The table of codecs: what a picture needs, and which codec may have it."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagepress.budget import MEGABYTE
from imagepress.codec_table import CODECS, codecs_for
from imagepress.errors import RowFailed
from imagepress.image_header import ImageFormat, ImageHeader
from imagepress.outcome import FailureCode

UNLIMITED = 1 << 60
headers = st.builds(
    ImageHeader,
    st.sampled_from(ImageFormat),
    st.integers(1, 100_000),
    st.integers(1, 100_000),
    st.sampled_from([1, 2, 4, 8, 16]),
    st.integers(1, 4),
)


@given(headers, st.integers(0, 5 << 30))
def test_a_larger_picture_needs_no_less_memory(header: ImageHeader, file_size: int) -> None:
    larger = ImageHeader(
        header.format, header.width + 1, header.height, header.depth, header.channels
    )
    for codec in codecs_for(header, file_size, UNLIMITED):
        needed = codec.memory_needed(header, file_size)
        assert codec.memory_needed(larger, file_size) >= needed
        assert codec.memory_needed(header, file_size + 1) >= needed
    best = codecs_for(header, file_size, UNLIMITED)[0]
    assert best.memory_needed(header, file_size) > 4 * header.pixels


@given(headers, st.integers(0, 5 << 30), st.integers(0, 1 << 40))
def test_what_is_chosen_fits(header: ImageHeader, file_size: int, memory: int) -> None:
    try:
        fitting = {codec.name for codec in codecs_for(header, file_size, memory)}
    except RowFailed:
        fitting = set()
    for codec in CODECS:
        fits = codec.memory_needed(header, file_size) <= memory
        assert (codec.name in fitting) == (fits and codec.format is header.format)


def test_a_picture_that_fits_nowhere_names_the_least_that_is_needed() -> None:
    header = ImageHeader(ImageFormat.PNG, 10, 10, 8, 3)
    least = min(codec.memory_needed(header, 0) for codec in codecs_for(header, 0, UNLIMITED))

    with pytest.raises(RowFailed, match=f"needs about {least // MEGABYTE} MB") as failed:
        codecs_for(header, 0, least - 1)

    assert failed.value.code is FailureCode.TOO_LARGE_FOR_MEMORY


def test_sixteen_bits_need_more_memory_than_eight() -> None:
    flat, deep = (ImageHeader(ImageFormat.PNG, 1000, 1000, depth, 3) for depth in (8, 16))
    codecs = {codec.name: codec for codec in codecs_for(flat, 0, UNLIMITED)}
    lossless = codecs["png-lossless"]

    assert lossless.memory_needed(deep, 0) > lossless.memory_needed(flat, 0)


def test_an_ordinary_photograph_fits_into_the_smallest_function() -> None:
    camera = ImageHeader(ImageFormat.JPEG, 8000, 6000, 8, 3)

    assert codecs_for(camera, 20_000_000, 1_600_000_000)[0] is CODECS[0]


def test_a_gigapixel_png_fits_into_half_a_gigabyte() -> None:
    poster = ImageHeader(ImageFormat.PNG, 40_000, 25_000, 8, 3)

    assert codecs_for(poster, 2_000_000_000, 512_000_000)


def test_a_gigapixel_jpeg_fits_into_half_a_gigabyte_if_its_rows_are_together() -> None:
    poster = ImageHeader(ImageFormat.JPEG, 40_000, 25_000, 8, 3)

    assert codecs_for(poster, 500_000_000, 512_000_000)
    with pytest.raises(RowFailed, match="needs about 6,700 MB"):
        codecs_for(replace(poster, scattered=True), 500_000_000, 512_000_000)
