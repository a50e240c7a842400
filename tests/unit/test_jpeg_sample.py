import pytest
from PIL import Image

from imagepress.codecs import jpegli
from imagepress.codecs.jpeg_sample import Sample, pieces_of
from imagepress.codecs.jpegli import Coding, Scans
from tests.pictures import decoded, photograph

PIXELS = 100_000


def checked(size: tuple[int, int]) -> Image.Image:
    """Smooth on the left, busy on the right, a quarter of it."""
    noise = Image.effect_noise(size, 120)
    smooth = Image.new("L", (size[0] * 3 // 4, size[1]), 128)
    noise.paste(smooth, (0, 0))
    return noise


@pytest.mark.parametrize("size", [(300, 300), (1, 1), (5, 3), (1, 9000), (65_500, 1), (60_000, 15)])
def test_small_and_flat_pictures_are_tried_whole(size: tuple[int, int]) -> None:
    picture = Image.new("L", size)

    assert pieces_of(picture, PIXELS) == [picture]


@pytest.mark.parametrize(
    "size",
    [(640, 480), (1440, 900), (4000, 3000), (60_000, 16), (16, 60_000), (2_000, 401), (401, 2_000)],
)
def test_pieces_lie_inside_the_picture_and_are_as_much_as_is_asked_for(
    size: tuple[int, int],
) -> None:
    pieces = pieces_of(Image.new("L", size, 255), PIXELS)

    assert all(piece.getextrema() == (255, 255) for piece in pieces)
    assert len({piece.size for piece in pieces}) == 1
    assert 0.7 * PIXELS < sum(piece.width * piece.height for piece in pieces) < 1.4 * PIXELS


def test_pieces_lie_on_the_grid_of_the_blocks() -> None:
    columns = Image.new("L", (1600, 1))
    columns.putdata([x % 16 for x in range(1600)])

    for piece in pieces_of(columns.resize((1600, 900), Image.Resampling.NEAREST), PIXELS):
        assert list(piece.crop((0, 0, 16, 1)).tobytes()) == list(range(16))
        assert piece.width % 16 == piece.height % 16 == 0


def test_pieces_are_as_busy_as_the_picture() -> None:
    pieces = pieces_of(checked((1600, 900)), PIXELS)

    busy = [piece for piece in pieces if piece.getextrema() != (128, 128)]
    assert 0.15 < len(busy) / len(pieces) < 0.35


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_seams_count_for_nothing(mode: str) -> None:
    """Coded side by side pieces score as if each were coded alone."""
    pieces: list[Image.Image] = [photograph(mode, (96, 96), seed=seed) for seed in range(4)]
    sample = Sample(pieces)
    coding = Coding(4.0)

    apart = Image.new(mode, sample.picture.size)
    for number, piece in enumerate(pieces):
        apart.paste(decoded(jpegli.encode(piece, coding, Scans.QUICK)), (96 * number, 0))

    together = sample.score(jpegli.encode(sample.picture, coding, Scans.QUICK))
    assert together == pytest.approx(sample.score_of(apart), abs=0.2)
