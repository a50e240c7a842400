import subprocess
import sys

import pytest
from PIL import Image, ImageDraw, ImageFilter

from imagepress.codecs import similarity
from imagepress.codecs.similarity import TILE_SIDE, Reference, SimilarityUnavailableError
from tests.pictures import decoded, jpeg, photograph


@pytest.fixture
def anew() -> None:
    """The measure is tested again at its next use."""
    similarity._tested_core.cache_clear()


@pytest.mark.parametrize("mode", ["RGB", "L", "P", "CMYK", "1"])
def test_a_picture_is_like_itself(mode: str) -> None:
    picture = photograph(mode)

    assert Reference(picture).score(picture) > 99


def test_the_more_is_lost_the_lower_the_score() -> None:
    picture = photograph(size=(160, 120))
    reference = Reference(picture)

    scores = [reference.score(decoded(jpeg(picture, quality))) for quality in (95, 80, 50, 10)]

    assert scores == sorted(scores, reverse=True)
    assert scores[0] - scores[-1] > 20


def test_a_loss_of_colour_is_seen() -> None:
    picture = photograph()

    assert Reference(picture).score(picture.convert("L")) < 50


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1), (7, 9), (8, 8), (9, 7)])
def test_a_tiny_picture_can_be_compared(size: tuple[int, int]) -> None:
    picture = photograph(size=(96, 64)).resize(size)
    other = picture.point(lambda value: value // 2)

    reference = Reference(picture)

    assert reference.score(picture) > 99
    assert reference.score(other) < 95


def test_damage_in_one_corner_of_a_big_picture_is_not_averaged_away() -> None:
    picture = photograph(size=(128, 64)).resize((TILE_SIDE + 200, 400))
    damaged = picture.copy()
    draw = ImageDraw.Draw(damaged)
    draw.rectangle((TILE_SIDE, 0, TILE_SIDE + 199, 399), fill="black")

    assert Reference(picture).score(damaged) < 0


def test_pictures_of_other_sizes_are_not_compared() -> None:
    with pytest.raises(ValueError, match="compared"):
        Reference(photograph()).score(photograph(size=(96, 65)))


def test_blur_is_worse_than_nothing() -> None:
    picture = photograph()

    assert Reference(picture).score(picture.filter(ImageFilter.GaussianBlur(3))) < 60


@pytest.mark.usefixtures("anew")
def test_a_missing_package_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "vapoursynth", None)

    with pytest.raises(SimilarityUnavailableError, match="missing"):
        Reference(Image.new("RGB", (16, 16)))


@pytest.mark.usefixtures("anew")
def test_a_measure_that_is_wrong_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(similarity, "_score", lambda *_: 99.9)

    with pytest.raises(SimilarityUnavailableError, match="wrong"):
        similarity.require()


def test_one_thread_is_enough() -> None:
    script = (
        "import os; from PIL import Image; from imagepress.codecs.similarity import Reference;"
        "picture = Image.radial_gradient('L'); Reference(picture).score(picture);"
        "print(len(os.listdir('/proc/self/task')))"
    )

    result = subprocess.run(
        [sys.executable, "-c", script],
        env={"PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        check=True,
        text=True,
    )

    assert int(result.stdout) <= 2
