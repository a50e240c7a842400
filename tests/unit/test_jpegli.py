import ctypes
import subprocess
import sys
from importlib import util

import pytest
from PIL import ImageChops, ImageStat

from imagepress import jpeg_structure
from imagepress.codecs import jpegli
from imagepress.codecs.jpegli import Coding, JpegliUnavailableError, Sampling, Scans, encode
from tests.pictures import decoded, jpeg, photograph

SIZES = [(1, 1), (7, 9), (16, 16), (17, 33), (1, 400), (400, 1), (130, 129)]


@pytest.fixture
def anew() -> None:
    """The library is loaded and tested again at its next use."""
    jpegli.tested_library.cache_clear()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize("sampling", Sampling)
@pytest.mark.parametrize("scans", Scans)
def test_another_decoder_sees_the_picture(
    size: tuple[int, int], mode: str, sampling: Sampling, scans: Scans
) -> None:
    picture = photograph(mode, (96, 64)).resize(size)

    result = decoded(encode(picture, Coding(0.5, sampling), scans))

    assert (result.mode, result.size) == (mode, size)
    assert max(ImageStat.Stat(ImageChops.difference(result, picture)).mean) < 24


@pytest.mark.parametrize("adaptive", [False, True])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_the_scans_change_no_pixel(mode: str, *, adaptive: bool) -> None:
    picture, coding = photograph(mode), Coding(2.0, adaptive=adaptive)

    pixels = {decoded(encode(picture, coding, scans)).tobytes() for scans in Scans}

    assert len(pixels) == 1


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_scans_that_take_longer_are_smaller(mode: str) -> None:
    picture = photograph(mode, (640, 480))

    sizes = {scans: len(encode(picture, Coding(1.0), scans)) for scans in Scans}

    assert sizes[Scans.QUICK] > sizes[Scans.SEQUENTIAL] > sizes[Scans.SPLIT]
    assert sizes[Scans.SEQUENTIAL] > sizes[Scans.REFINED]


@pytest.mark.parametrize("sampling", Sampling)
def test_the_chroma_is_sampled_as_asked(sampling: Sampling) -> None:
    data = encode(photograph(), Coding(1.0, sampling), Scans.REFINED)

    assert jpeg_structure.parse(data).frame.sampling == (sampling.value, (1, 1), (1, 1))


@pytest.mark.parametrize("distance", [0.3, 0.5, 1.0, 2.1, 7.0, 24.0])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_the_distance_is_read_back_from_the_table(distance: float, mode: str) -> None:
    data = encode(photograph(mode), Coding(distance), Scans.REFINED)
    table = jpeg_structure.luminance_table(data, jpeg_structure.parse(data))

    found = jpegli.distance_of(table, grey=mode == "L")

    assert found is not None
    assert found == pytest.approx(distance, rel=0.15)


@pytest.mark.parametrize("quality", [30, 80, 95])
def test_libjpeg_s_tables_have_no_distance(quality: int) -> None:
    data = jpeg(quality=quality)
    table = jpeg_structure.luminance_table(data, jpeg_structure.parse(data))

    assert jpegli.distance_of(table, grey=False) is None


def test_more_distance_is_a_smaller_file() -> None:
    sizes = [
        len(encode(photograph(), Coding(distance), Scans.REFINED))
        for distance in (0.05, 0.5, 2.0, 8.0, 25.0)
    ]

    assert sizes == sorted(sizes, reverse=True)


@pytest.mark.parametrize(
    ("mode", "size", "distance"),
    [
        ("RGBA", (8, 8), 1.0),
        ("CMYK", (8, 8), 1.0),
        ("RGB", (65_501, 1), 1.0),
        ("RGB", (8, 8), 0.0),
        ("RGB", (8, 8), 26.0),
        ("RGB", (8, 8), float("nan")),
    ],
)
def test_what_jpegli_would_end_the_process_for_is_refused(
    mode: str, size: tuple[int, int], distance: float
) -> None:
    with pytest.raises(ValueError, match="does not take"):
        encode(photograph(mode, (8, 8)).resize(size), Coding(distance), Scans.REFINED)


@pytest.mark.usefixtures("anew")
def test_a_missing_package_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(util, "find_spec", lambda _: None)

    with pytest.raises(JpegliUnavailableError, match="not installed"):
        jpegli.require()


@pytest.mark.usefixtures("anew")
def test_another_library_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda _: object())

    with pytest.raises(JpegliUnavailableError, match="not the one"):
        jpegli.require()


@pytest.mark.usefixtures("anew")
@pytest.mark.parametrize(
    "wrong", [b"", b"\xff\xd8\xff\xd9", encode(photograph(), Coding(1.0), Scans.REFINED)]
)
def test_a_library_that_writes_something_else_is_not_used(
    wrong: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jpegli, "_encode", lambda *_, **__: wrong)

    with pytest.raises(JpegliUnavailableError, match="jpegli writes"):
        jpegli.require()


def test_an_error_inside_jpegli_ends_the_process_and_says_so() -> None:
    script = (
        "from imagepress.codecs import jpegli; from PIL import Image;"
        "jpegli.require(); jpegli._check = lambda *_: None;"
        "jpegli.encode(Image.new('L', (65_600, 1)), jpegli.Coding(1.0), jpegli.Scans.QUICK)"
    )

    result = subprocess.run(
        [sys.executable, "-c", script],
        env={"PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert result.returncode == jpegli._ERROR_STATUS
    assert "cannot return" in result.stderr


def test_memory_that_is_not_there_is_asked_for_before_the_library_would_abort() -> None:
    jpegli.require_memory(jpegli.ROOM)
    with pytest.raises(MemoryError):
        jpegli.require_memory(1 << 60)
