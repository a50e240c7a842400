import pytest
from PIL import Image, ImageDraw

from imagepress.codecs import jpegli
from imagepress.codecs.jpeg_choice import choose, encode_by_libjpeg
from imagepress.codecs.jpegli import Coding, Sampling, Scans
from imagepress.codecs.similarity import Reference
from imagepress.effort import Effort
from tests.pictures import coloured_stars, decoded, photograph

TOLERANCE = 0.3
SEARCHED = [Effort.BALANCED, Effort.SMALL]


def gain(picture: Image.Image, quality: int, effort: Effort) -> float:
    """How much better the chosen file scores than libjpeg's."""
    reference = Reference(picture)
    choice = choose(picture, quality, effort)
    chosen = jpegli.encode(picture, choice.coding, Scans.REFINED) if choice else None
    libjpeg = encode_by_libjpeg(picture, quality)
    return reference.score(decoded(chosen or libjpeg)) - reference.score(decoded(libjpeg))


@pytest.mark.parametrize("quality", [1, 5, 30, 60, 80, 90, 95, 99])
@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize("effort", SEARCHED)
def test_no_picture_looks_worse_than_libjpeg_s(quality: int, mode: str, effort: Effort) -> None:
    assert gain(photograph(mode, (240, 160)), quality, effort) >= -TOLERANCE


@pytest.mark.parametrize("seed", range(4))
def test_noise_does_not_look_worse_either(seed: int) -> None:
    noise = Image.effect_noise((160, 120), 30 + 40 * seed).convert("RGB")

    assert gain(noise, 80, Effort.BALANCED) >= -TOLERANCE


def test_no_more_is_spent_than_needed() -> None:
    assert gain(photograph(size=(240, 160)), 80, Effort.BALANCED) < 3


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_a_photograph_gets_smaller_than_libjpeg_s(mode: str) -> None:
    picture = photograph(mode, (240, 160))

    choice = choose(picture, 80, Effort.BALANCED)

    assert choice is not None
    libjpeg = encode_by_libjpeg(picture, 80)
    assert len(jpegli.encode(picture, choice.coding, Scans.REFINED)) < len(libjpeg)


@pytest.mark.parametrize("effort", SEARCHED)
def test_fine_colours_keep_more_of_their_chroma(effort: Effort) -> None:
    choice = choose(coloured_stars(), 80, effort)

    assert choice is not None
    assert choice.coding.sampling is not Sampling.HALF


@pytest.mark.parametrize("effort", SEARCHED)
def test_a_big_picture_is_judged_by_a_part_of_it(
    monkeypatch: pytest.MonkeyPatch, effort: Effort
) -> None:
    picture = photograph(size=(96, 64)).resize((1800, 1200), Image.Resampling.BICUBIC)
    seen = []

    def encode(sample: Image.Image, coding: Coding, scans: Scans) -> bytes:
        seen.append(sample.width * sample.height)
        return real(sample, coding, scans)

    real = jpegli.encode
    monkeypatch.setattr(jpegli, "encode", encode)
    choose(picture, 80, effort)

    assert 100_000 < min(seen) <= max(seen) < 300_000


def odd_one_out() -> Image.Image:
    """Smooth nearly everywhere, with one busy corner: no sample stands for that."""
    picture = Image.linear_gradient("L").resize((800, 600), Image.Resampling.BICUBIC)
    coloured = Image.merge("RGB", (picture, picture.point(lambda value: value // 2), picture))
    coloured.paste(photograph(size=(220, 180)), (570, 410))
    return coloured


@pytest.mark.parametrize("quality", [50, 80])
def test_with_all_effort_the_picture_itself_has_the_last_word(quality: int) -> None:
    assert -TOLERANCE <= gain(odd_one_out(), quality, Effort.SMALL) < 2


@pytest.mark.parametrize("effort", SEARCHED)
def test_where_nothing_is_lost_nothing_more_is_asked_for(effort: Effort) -> None:
    stripes = Image.new("RGB", (640, 480), "white")
    ImageDraw.Draw(stripes).rectangle((0, 160, 640, 320), "black")

    choice = choose(stripes, 80, effort)

    assert choice is not None
    assert not choice.strained


@pytest.mark.parametrize("quality", [50, 80])
def test_colours_in_few_places_are_looked_after(quality: int) -> None:
    picture = photograph(size=(640, 480)).convert("L").convert("RGB")
    picture.paste(coloured_stars(), (40, 40))
    picture.paste(coloured_stars(), (360, 260))

    assert gain(picture, quality, Effort.BALANCED) >= -TOLERANCE


@pytest.mark.parametrize("quality", [50, 80, 90])
@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize("effort", SEARCHED)
def test_where_the_rest_is_calculated_it_looks_no_worse_either(
    quality: int, mode: str, effort: Effort
) -> None:
    busy = photograph(mode, (440, 280))

    assert -TOLERANCE <= gain(busy, quality, effort) < 3


def test_smooth_pictures_are_not_trusted_to_a_calculation() -> None:
    """Their score falls in steps, which show as banding."""
    sky = Image.linear_gradient("L").resize((420, 300), Image.Resampling.BICUBIC)
    picture = Image.merge("RGB", (sky, sky.point(lambda value: value // 2), sky))

    for quality in (60, 70, 80):
        assert gain(picture, quality, Effort.BALANCED) >= -TOLERANCE


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_what_is_written_in_less_time_has_the_same_pixels(mode: str) -> None:
    picture = photograph(mode)

    quick, usual = (encode_by_libjpeg(picture, 80, optimize=optimize) for optimize in (False, True))

    assert len(quick) > len(usual)
    assert decoded(quick).tobytes() == decoded(usual).tobytes()


@pytest.mark.parametrize("size", [(1, 1), (1, 9000), (9000, 1), (3, 5), (1, 1_000_000 // 16)])
def test_any_shape_can_be_chosen_for(size: tuple[int, int]) -> None:
    assert gain(photograph(size=(96, 64)).resize(size), 80, Effort.BALANCED) >= -TOLERANCE
