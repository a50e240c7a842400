import pytest
from PIL import Image

from imagepress.codecs import jpegli
from imagepress.codecs.jpeg_sample import PIECE_PIXELS, Sample, pieces_of
from imagepress.codecs.jpegli import Coding, Scans
from tests.pictures import decoded, jpeg, photograph

NUMBER = 25
PIXELS = NUMBER * PIECE_PIXELS
CODING = Coding(4.0)


def with_noise(size: tuple[int, int], box: tuple[int, int, int, int]) -> Image.Image:
    """Grey, but for a box that is noise."""
    picture = Image.new("L", size, 128)
    picture.paste(Image.effect_noise((box[2] - box[0], box[3] - box[1]), 120), box[:2])
    return picture


@pytest.mark.parametrize("size", [(300, 300), (1, 1), (5, 3), (1, 9000), (65_500, 1), (60_000, 15)])
def test_small_and_flat_pictures_are_tried_whole(size: tuple[int, int]) -> None:
    picture = Image.new("L", size)

    assert pieces_of(picture, NUMBER) == [picture]


@pytest.mark.parametrize(
    "size",
    [(640, 480), (1440, 900), (4000, 3000), (60_000, 16), (16, 60_000), (2_000, 401), (401, 2_000)],
)
def test_pieces_lie_inside_the_picture_and_are_as_much_as_is_asked_for(
    size: tuple[int, int],
) -> None:
    pieces = pieces_of(Image.new("L", size, 255), NUMBER)

    assert all(piece.getextrema() == (255, 255) for piece in pieces)
    assert len({piece.size for piece in pieces}) == 1
    assert 0.7 * PIXELS < sum(piece.width * piece.height for piece in pieces) < 1.4 * PIXELS


def test_pieces_lie_on_the_grid_of_the_blocks() -> None:
    columns = Image.new("L", (1600, 1))
    columns.putdata([x % 16 for x in range(1600)])

    for piece in pieces_of(columns.resize((1600, 900), Image.Resampling.NEAREST), NUMBER):
        assert list(piece.crop((0, 0, 16, 1)).tobytes()) == list(range(16))
        assert piece.width % 16 == piece.height % 16 == 0


@pytest.mark.parametrize("column", range(8))
def test_pieces_are_as_busy_as_the_picture(column: int) -> None:
    """Wherever the noise is: an eighth of them shows it."""
    picture = with_noise((1600, 960), (200 * column, 0, 200 * column + 200, 960))

    pieces = pieces_of(picture, NUMBER)

    busy = sum(piece.getextrema() != (128, 128) for piece in pieces)
    assert 3 <= busy <= 5


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_seams_count_for_nothing(mode: str) -> None:
    """Side by side pieces are coded as each is alone, but for a pixel on each side of a seam."""
    pieces: list[Image.Image] = [photograph(mode, (96, 96), seed=seed) for seed in range(4)]
    alone = [decoded(jpegli.encode(piece, CODING, Scans.QUICK)) for piece in pieces]
    sample = Sample(pieces)

    together = decoded(jpegli.encode(sample.picture, CODING, Scans.QUICK))

    for number, piece in enumerate(alone):
        inner = (1, 0, 95, 96)
        left = 96 * number
        assert together.crop((left + 1, 0, left + 95, 96)).tobytes() == piece.crop(inner).tobytes()


def test_what_is_at_the_seams_is_not_looked_at() -> None:
    sample = Sample([photograph("L", (96, 96), seed=seed) for seed in range(4)])
    good = jpegli.encode(sample.picture, CODING, Scans.QUICK)
    bad = decoded(good)
    bad.paste(255, (95, 0, 97, 96))

    assert sample.score(jpeg(bad, 100)) == pytest.approx(
        sample.score(jpeg(decoded(good), 100)), abs=1
    )
