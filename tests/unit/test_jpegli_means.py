import sys
import threading
from typing import Any

import pytest
from PIL import Image, ImageChops, ImageStat

from imagepress.codecs.jpegli_means import BLOCK, block_means
from tests.pictures import broken_jpeg, decoded, jpeg, photograph

SIZES = [(64, 64), (65, 79), (200, 97), (640, 9)]
KINDS: dict[str, dict[str, Any]] = {
    "4:4:4": {"subsampling": "4:4:4"},
    "4:2:0": {"subsampling": "4:2:0"},
    "progressive": {"progressive": True},
    "restarts": {"restart_marker_blocks": 3},
}


def scan_of(data: bytes) -> int:
    return data.rindex(b"\xff\xda")


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize("kind", KINDS)
def test_each_pixel_is_the_mean_of_a_block(size: tuple[int, int], mode: str, kind: str) -> None:
    options = KINDS[kind] if mode == "RGB" or "subsampling" not in KINDS[kind] else {}
    data = jpeg(photograph(mode, size), **options)
    expected = decoded(data).reduce(BLOCK)

    means = block_means(data)

    assert (means.mode, means.size) == (mode, expected.size)
    inside = (0, 0, size[0] // BLOCK, size[1] // BLOCK)
    difference = ImageChops.difference(means.crop(inside), expected.crop(inside))
    assert max(ImageStat.Stat(difference).rms) < 4


def test_damage_is_an_error_and_the_process_goes_on() -> None:
    good = jpeg(photograph(size=(160, 120)))
    before = threading.active_count()

    for _ in range(20):
        with pytest.raises(ValueError, match="decode DCT block"):
            block_means(broken_jpeg(good))

    assert threading.active_count() == before + 20
    assert block_means(good).size == (20, 15)


def test_a_damaged_file_is_not_kept_in_memory() -> None:
    data = broken_jpeg(jpeg(photograph(size=(160, 120))))
    before = sys.getrefcount(data)

    with pytest.raises(ValueError, match="decode DCT block"):
        block_means(data)

    assert sys.getrefcount(data) == before


@pytest.mark.parametrize("progressive", [False, True])
def test_what_is_cut_off_is_damage(*, progressive: bool) -> None:
    data = jpeg(photograph(size=(160, 120)), progressive=progressive)

    for end in range(scan_of(data) + 20, len(data) - 2, 97):
        with pytest.raises(ValueError, match=r"."):
            block_means(data[:end])


def test_what_is_no_jpeg_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"."):
        block_means(b"GIF89a")


def test_no_thread_is_left_by_a_good_file() -> None:
    before = threading.active_count()

    for _ in range(5):
        block_means(jpeg(Image.new("RGB", (80, 80), "red")))

    assert threading.active_count() == before
