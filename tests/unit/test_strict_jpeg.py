import ctypes
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from PIL import Image, ImageChops

from imagepress.codecs import strict_jpeg
from imagepress.codecs.strict_jpeg import FlawedJpegError, LibjpegUnavailableError
from tests.pictures import broken_jpeg, decoded, jpeg, photograph, unreadable_jpeg

SIZES = [(1, 1), (64, 64), (65, 79), (200, 97), (640, 9), (3, 300)]
KINDS: dict[str, dict[str, Any]] = {
    "4:4:4": {"subsampling": "4:4:4"},
    "4:2:2": {"subsampling": "4:2:2"},
    "4:2:0": {"subsampling": "4:2:0"},
    "progressive": {"progressive": True},
    "restarts": {"restart_marker_blocks": 3},
}
EOI = b"\xff\xd9"


@pytest.fixture
def anew() -> Iterator[None]:
    """The library is loaded and tested again at its next use."""
    strict_jpeg._tested_library.cache_clear()
    yield
    strict_jpeg._tested_library.cache_clear()


def decode(data: bytes) -> Image.Image:
    return strict_jpeg.decode(data, len(data))


def scan_of(data: bytes) -> int:
    return data.rindex(b"\xff\xda")


def with_left_over(data: bytes, left_over: bytes) -> bytes:
    assert data.endswith(EOI)
    return data[:-2] + left_over + EOI


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize("kind", KINDS)
def test_the_pixels_are_those_that_pillow_sees(size: tuple[int, int], mode: str, kind: str) -> None:
    options = KINDS[kind] if mode == "RGB" or "subsampling" not in KINDS[kind] else {}
    data = jpeg(photograph(mode, size), **options)

    picture = decode(data)

    assert (picture.mode, picture.size) == (mode, size)
    assert picture.tobytes() == decoded(data).tobytes()


def test_inks_are_as_they_are_stored() -> None:
    data = jpeg(photograph("CMYK"))

    assert decode(data).tobytes() == ImageChops.invert(decoded(data)).tobytes()


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_what_pillow_takes_in_silence_is_damage(mode: str) -> None:
    data = broken_jpeg(jpeg(photograph(mode, (160, 120))))
    decoded(data)

    with pytest.raises(FlawedJpegError, match="Corrupt JPEG data"):
        decode(data)


@pytest.mark.parametrize("progressive", [False, True])
def test_what_is_cut_off_is_damage(*, progressive: bool) -> None:
    data = jpeg(photograph(size=(160, 120)), progressive=progressive)

    for end in range(scan_of(data) + 20, len(data) - 2, 97):
        with pytest.raises(FlawedJpegError):
            decode(data[:end] + EOI)


def test_data_that_is_left_over_is_damage() -> None:
    with pytest.raises(FlawedJpegError, match="extraneous bytes before marker 0xd9"):
        decode(with_left_over(jpeg(), b"what nobody has decoded"))


@pytest.mark.parametrize("padding", [b"\0", b"\0" * 512, b"\xff" * 3, b"\0\0\xff"])
def test_padding_is_not(padding: bytes) -> None:
    data = jpeg()

    assert decode(with_left_over(data, padding)).tobytes() == decode(data).tobytes()


def test_padding_is_looked_for_where_the_picture_ends() -> None:
    data = with_left_over(jpeg(), b"\0" * 9)

    assert strict_jpeg.decode(data + b"x" * 40, len(data)).size == decode(data).size


def test_an_unknown_version_in_the_header_is_not() -> None:
    data = jpeg()
    at = data.index(b"JFIF\0") + 5

    decode(data[:at] + b"\2" + data[at + 1 :])


def test_damage_leaves_no_thread_behind() -> None:
    before = threading.active_count()

    for data in (jpeg(), broken_jpeg(jpeg()), jpeg()):
        try:
            decode(data)
        except FlawedJpegError:
            continue

    assert threading.active_count() == before


def test_the_process_goes_on_after_an_error() -> None:
    good = jpeg(photograph(size=(160, 120)))
    before = threading.active_count()

    for _ in range(20):
        with pytest.raises(FlawedJpegError, match="Bogus DHT index 15"):
            decode(unreadable_jpeg(good))

    assert threading.active_count() == before + 20
    assert decode(good).size == (160, 120)


@pytest.mark.parametrize("spoil", [broken_jpeg, unreadable_jpeg])
def test_a_damaged_file_is_not_kept_in_memory(spoil: Any) -> None:
    data = spoil(jpeg(photograph(size=(160, 120))))
    before = sys.getrefcount(data)

    with pytest.raises(FlawedJpegError):
        decode(data)

    assert sys.getrefcount(data) == before


def test_nor_is_what_was_decoded_before_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """An error between scans, where the picture is there already."""
    readings: list[strict_jpeg._Reading] = []
    real = strict_jpeg._Reading.result

    def result(self: strict_jpeg._Reading) -> Image.Image:
        readings.append(self)
        return real(self)

    monkeypatch.setattr(strict_jpeg._Reading, "result", result)
    with pytest.raises(FlawedJpegError):
        decode(unreadable_jpeg(jpeg(photograph(size=(160, 120)))))

    assert readings[-1]._picture is None
    assert readings[-1]._band is None


@pytest.mark.parametrize("data", [b"", b"GIF89a", b"\xff\xd8\xff\xd9"])
def test_what_is_no_jpeg_is_an_error(data: bytes) -> None:
    with pytest.raises(FlawedJpegError):
        decode(data)


@pytest.mark.usefixtures("anew")
def test_a_library_without_the_interface_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    none = ctypes.CDLL(None)
    monkeypatch.setattr(ctypes, "CDLL", lambda _: none)

    with pytest.raises(LibjpegUnavailableError, match="jpeg_std_error"):
        decode(jpeg())


@pytest.mark.usefixtures("anew")
def test_a_library_that_sees_another_picture_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strict_jpeg, "_RGBX", 9)  # libjpeg-turbo's BGRX

    with pytest.raises(LibjpegUnavailableError, match="another picture"):
        decode(jpeg())
