import io
import random
from pathlib import Path

import pytest
from PIL import Image, ImageCms

from imagepress.codec_pool import CodecPool
from imagepress.codec_protocol import SampleRequest, request_from_line
from imagepress.codecs.sample_pair import MOST_BYTES, make_sample
from imagepress.errors import RowFailed
from imagepress.image_header import read_header
from imagepress.outcome import FailureCode
from imagepress.sample import HEIGHT, WIDTH, Sample
from tests.pictures import decoded, encoded, jpeg, photograph, png

LARGE = (900, 700)
ORIENTATION = 0x0112
GPS = 0x8825


def request_for(folder: Path, before: bytes, after: bytes) -> SampleRequest:
    files = folder / "before", folder / "after"
    for file, data in zip(files, (before, after), strict=True):
        file.write_bytes(data)
    return SampleRequest(*files, read_header(files[0]))


def sample_of(folder: Path, before: bytes, after: bytes | None = None) -> Sample:
    return make_sample(request_for(folder, before, after or before))


def test_the_middle_of_both_is_shown_pixel_for_pixel(tmp_path: Path) -> None:
    picture = Image.linear_gradient("L").resize(LARGE).convert("RGB")
    darker = picture.point(lambda value: value // 2)
    sample = sample_of(tmp_path, png(picture), png(darker))
    left, top = (LARGE[0] - WIDTH) // 2, (LARGE[1] - HEIGHT) // 2
    box = (left, top, left + WIDTH, top + HEIGHT)

    assert (sample.kind, sample.width, sample.height) == ("image/webp", WIDTH, HEIGHT)
    assert decoded(sample.before).convert("RGB").tobytes() == picture.crop(box).tobytes()
    assert decoded(sample.after).convert("RGB").tobytes() == darker.crop(box).tobytes()


def test_a_small_picture_is_shown_whole(tmp_path: Path) -> None:
    sample = sample_of(tmp_path, png(photograph(size=(60, 500))))

    assert (sample.width, sample.height) == (60, HEIGHT)


def test_what_stays_large_without_loss_is_shown_with_little(tmp_path: Path) -> None:
    grain = Image.frombytes("RGB", LARGE, random.Random(0).randbytes(3 * LARGE[0] * LARGE[1]))
    picture = Image.blend(photograph(size=LARGE), grain, 0.2)
    sample = sample_of(tmp_path, jpeg(picture), jpeg(picture, 30))

    assert sample.kind == "image/jpeg"
    assert max(len(sample.before), len(sample.after)) <= MOST_BYTES
    assert decoded(sample.before).size == decoded(sample.after).size == (WIDTH, HEIGHT)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_any_kind_of_png_can_be_shown(tmp_path: Path, mode: str) -> None:
    sample = sample_of(tmp_path, png(photograph(mode, LARGE)))

    assert decoded(sample.before).size == (WIDTH, HEIGHT)


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_any_kind_of_jpeg_can_be_shown(tmp_path: Path, mode: str) -> None:
    sample = sample_of(tmp_path, jpeg(photograph(mode, LARGE)))

    assert decoded(sample.before).size == (WIDTH, HEIGHT)


def test_a_deep_picture_keeps_its_brightness(tmp_path: Path) -> None:
    grey = Image.new("I;16", (40, 30), 0x8000)
    shown = decoded(sample_of(tmp_path, png(grey)).before).convert("RGB")

    assert shown.getpixel((5, 5)) == (128, 128, 128)


def test_a_turned_picture_is_shown_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    sample = sample_of(tmp_path, jpeg(photograph(size=LARGE), exif=exif))

    assert (sample.width, sample.height) == (WIDTH, HEIGHT)


def test_colours_go_with_their_profile_and_nothing_else_does(tmp_path: Path) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    exif = Image.Exif()
    exif.get_ifd(GPS)[1] = "N"
    exif[0x010E] = "A secret"
    picture = photograph(size=LARGE)
    data = encoded(picture, "JPEG", icc_profile=profile, exif=exif, comment=b"A secret")
    sample = sample_of(tmp_path, data)

    assert decoded(sample.before).info["icc_profile"] == profile
    assert b"secret" not in sample.before
    assert not decoded(sample.before).getexif()


@pytest.mark.parametrize("broken", ["before", "after"])
def test_what_does_not_decode_is_refused(tmp_path: Path, broken: str) -> None:
    request = request_for(tmp_path, jpeg(), jpeg())
    file = tmp_path / broken
    file.write_bytes(file.read_bytes()[:400])

    with pytest.raises(RowFailed) as failed:
        make_sample(request)
    assert failed.value.code is FailureCode.CORRUPT_IMAGE


def test_a_request_survives_its_line(tmp_path: Path) -> None:
    request = request_for(tmp_path, jpeg(), jpeg())

    assert request_from_line(request.to_line()) == request


def test_the_codec_process_answers_with_the_same(tmp_path: Path) -> None:
    picture = photograph(size=LARGE)
    request = request_for(tmp_path, jpeg(picture), jpeg(picture, 30))
    with CodecPool(1, 1_000_000_000) as pool:
        assert pool.sample(request, 60.0) == make_sample(request)


def test_the_codec_process_says_what_went_wrong_and_goes_on(tmp_path: Path) -> None:
    request = request_for(tmp_path, jpeg(), jpeg())
    request.after.write_bytes(io.BytesIO(jpeg()).read(300))
    with CodecPool(1, 1_000_000_000) as pool:
        with pytest.raises(RowFailed):
            pool.sample(request, 60.0)
        request.after.write_bytes(jpeg())
        assert pool.sample(request, 60.0).width == 96
