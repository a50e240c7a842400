from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from PIL import ExifTags, Image, ImageChops, ImageStat

from imagepress import jpeg_structure
from imagepress.codec_protocol import CodecRequest, Encoded
from imagepress.codecs import jpeg as jpeg_codec
from imagepress.codecs import jpeg_choice, jpeg_sample, jpegli, jpegli_rows, strict_jpeg
from imagepress.codecs.jpeg import QUALITY_MARGIN, compress_jpeg
from imagepress.codecs.jpegli import Coding, Sampling, Scans
from imagepress.codecs.similarity import SimilarityUnavailableError
from imagepress.effort import Effort
from imagepress.errors import RowFailed, RowSkipped
from imagepress.image_header import read_header
from imagepress.outcome import FailureCode, SkipReason
from tests.pictures import (
    SRGB_PROFILE,
    broken_jpeg,
    decoded,
    encoded,
    jpeg,
    photograph,
    with_segment,
)
from tests.unit.pressing import Press

XMP = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'><a>\xc3\xa7</a></x:xmpmeta>"
LARGE_PROFILE = SRGB_PROFILE + bytes(range(256)) * 600


def exif(orientation: int = 6) -> bytes:
    tags = Image.Exif()
    tags[ExifTags.Base.Make] = "imagepress"
    tags[ExifTags.Base.Orientation] = orientation
    tags[ExifTags.Base.DateTime] = "2024:02:01 12:00:00"
    tags.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitudeRef] = "S"
    return tags.tobytes()


def without_jfif(data: bytes) -> bytes:
    return data[:2] + data[4 + int.from_bytes(data[4:6]) :]


def metadata(data: bytes) -> list[bytes]:
    """The metadata segments, but for Adobe's: that one describes pixels."""
    return [
        data[segment.start : segment.end]
        for segment in jpeg_structure.parse(data).segments
        if (
            jpeg_structure.APP0 <= segment.marker <= jpeg_structure.APP15
            or segment.marker == jpeg_structure.COM
        )
        and segment.marker != jpeg_structure.APP14
    ]


def distance(one: bytes, other: bytes) -> float:
    """The mean difference of two pictures' samples, of 255."""
    difference = ImageChops.difference(decoded(one), decoded(other))
    return max(ImageStat.Stat(difference).mean)


def same_pixels(one: bytes, other: bytes) -> bool:
    before, after = decoded(one), decoded(other)
    return before.mode == after.mode and before.tobytes() == after.tobytes()


KINDS = {
    "4:2:0": jpeg(),
    "4:2:2": jpeg(subsampling="4:2:2"),
    "4:4:4": jpeg(subsampling="4:4:4"),
    "progressive": jpeg(progressive=True),
    "optimised": jpeg(optimize=True),
    "restarts": jpeg(restart_marker_blocks=3),
    "grey": jpeg(photograph("L")),
    "grey progressive": jpeg(photograph("L"), progressive=True),
    "RGB inside": jpeg(keep_rgb=True),
    "no JFIF": without_jfif(jpeg(exif=exif())),
    "one column": jpeg(photograph(size=(160, 160)).resize((1, 3000))),
    "one row": jpeg(photograph(size=(160, 160)).resize((3000, 1))),
    "odd size": jpeg(photograph(size=(161, 83))),
}
DRESSED = {
    "EXIF": {"exif": exif()},
    "ICC": {"icc_profile": SRGB_PROFILE},
    "ICC of several segments": {"icc_profile": LARGE_PROFILE},
    "XMP": {"xmp": XMP},
    "comment": {"comment": "São Paulo"},
    "DPI": {"dpi": (300, 150)},
    "everything": {
        "exif": exif(),
        "icc_profile": LARGE_PROFILE,
        "xmp": XMP,
        "comment": "a",
        "dpi": (72, 72),
    },
}


# A source with quality to spare


@pytest.mark.parametrize("data", KINDS.values(), ids=KINDS)
def test_a_source_with_quality_to_spare_is_encoded_again(press: Press, data: bytes) -> None:
    pressed = press(data, 80)

    assert pressed.encoded.quality == 80
    assert not pressed.encoded.lossless
    assert len(pressed.data) < len(data)


@pytest.mark.parametrize("data", KINDS.values(), ids=KINDS)
def test_what_is_encoded_again_is_the_same_picture(press: Press, data: bytes) -> None:
    result = press(data, 80).data

    assert decoded(result).size == decoded(data).size
    assert decoded(result).mode == decoded(data).mode
    assert distance(data, result) < 8


@pytest.mark.parametrize("quality", [20, 50, 75, 85])
def test_a_lower_quality_is_a_smaller_file(press: Press, quality: int) -> None:
    data = jpeg(quality=98)

    assert len(press(data, quality).data) < len(press(data, quality + 8).data)


def test_what_was_encoded_again_is_not_encoded_a_third_time(press: Press) -> None:
    once = press(jpeg(), 80).data

    twice = press(once, 80)

    assert twice.encoded.lossless
    assert same_pixels(once, twice.data)


@pytest.mark.parametrize("distance", [1.2, 2.0, 3.0])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_what_jpegli_coded_for_this_quality_is_not_coded_again(
    press: Press, mode: str, distance: float
) -> None:
    picture = photograph(mode, (240, 160))
    data = jpegli.encode(picture, jpegli.Coding(distance), Scans.REFINED)

    assert press(data, 80).encoded.lossless


def test_what_jpegli_coded_almost_without_loss_is_coded_again(press: Press) -> None:
    data = jpegli.encode(photograph(), jpegli.Coding(0.3), Scans.REFINED)

    assert not press(data, 80).encoded.lossless


# A source without


@pytest.mark.parametrize("source", [30, 75, 80, 80 + QUALITY_MARGIN])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_a_source_at_or_near_the_quality_is_only_packed(
    press: Press, source: int, mode: str
) -> None:
    data = jpeg(photograph(mode), source)

    pressed = press(data, 80)

    assert pressed.encoded.lossless
    assert same_pixels(data, pressed.data)
    assert len(pressed.data) < len(data)


def test_a_source_just_above_that_is_encoded_again(press: Press) -> None:
    assert press(jpeg(quality=80 + QUALITY_MARGIN + 1), 80).encoded.quality == 80


@pytest.mark.parametrize("data", KINDS.values(), ids=KINDS)
def test_quality_100_is_lossless_only(press: Press, data: bytes) -> None:
    pressed = press(data, 100)

    assert pressed.encoded.lossless
    assert same_pixels(data, pressed.data)


def test_the_best_source_is_left_its_pixels_at_quality_100(press: Press) -> None:
    data = jpeg(quality=100, subsampling="4:4:4")

    assert same_pixels(data, press(data, 100).data)


@pytest.mark.parametrize("progressive", [False, True])
def test_cmyk_is_only_packed(press: Press, *, progressive: bool) -> None:
    data = jpeg(photograph("CMYK"), 98, progressive=progressive)

    pressed = press(data, 60)

    assert pressed.encoded.lossless
    assert same_pixels(data, pressed.data)


def test_what_would_grow_by_encoding_again_is_only_packed(press: Press) -> None:
    grey = Image.new("L", (64, 64), 128)
    data = jpeg(grey, 95, optimize=True)

    pressed = press(data, 80)

    assert pressed.encoded.lossless or len(pressed.data) < len(data)


@pytest.mark.parametrize("size", [(1, 1), (3, 2), (8, 8), (16, 16), (17, 9), (32, 32)])
@pytest.mark.parametrize("subsampling", ["4:2:0", "4:4:4"])
def test_a_tiny_picture_is_a_picture(press: Press, size: tuple[int, int], subsampling: str) -> None:
    data = jpeg(photograph(size=(96, 64)).resize(size), subsampling=subsampling)

    assert decoded(press(data, 80).data).size == size


@pytest.mark.parametrize("quality", [5, 80])
def test_a_tiny_picture_of_vivid_colours_is_no_failure(press: Press, quality: int) -> None:
    colours = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0), (0, 255, 255), (255, 0, 255)]
    picture = Image.new("RGB", (17, 9))
    for index in range(17 * 9):
        picture.putpixel((index % 17, index // 17), colours[index * 7 % 6])

    pressed = press(jpeg(picture, 95, subsampling="4:4:4"), quality)

    assert decoded(pressed.data).size == (17, 9)


# Metadata


@pytest.mark.parametrize("quality", [60, 80, 100])
@pytest.mark.parametrize("options", DRESSED.values(), ids=DRESSED)
def test_metadata_are_carried_over_as_the_bytes_they_are(
    press: Press, quality: int, options: dict[str, Any]
) -> None:
    data = jpeg(**options)

    assert metadata(press(data, quality).data) == metadata(data)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_orientation_is_kept_and_the_pixels_stay_as_they_lie(
    press: Press, orientation: int
) -> None:
    data = jpeg(exif=exif(orientation))

    result = press(data, 80).data

    assert decoded(result).getexif()[ExifTags.Base.Orientation] == orientation
    assert distance(data, result) < 8


@pytest.mark.parametrize("quality", [80, 100])
@pytest.mark.parametrize("marker", [*range(0xE3, 0xEB), 0xEC, 0xED, 0xEF])
def test_a_segment_of_any_application_is_kept(press: Press, marker: int, quality: int) -> None:
    data = with_segment(jpeg(), marker, b"Ducky\0" + bytes(range(256)))

    assert metadata(press(data, quality).data) == metadata(data)


def test_a_preview_inside_the_metadata_is_kept(press: Press) -> None:
    data = with_segment(jpeg(), jpeg_structure.APP1, b"Exif\0\0" + jpeg(photograph(size=(16, 8))))

    assert metadata(press(data, 100).data) == metadata(data)


@pytest.mark.parametrize("quality", [80, 100])
def test_a_picture_that_holds_rgb_keeps_its_colours(press: Press, quality: int) -> None:
    data = jpeg(keep_rgb=True)

    assert distance(data, press(data, quality).data) < 8


def test_a_picture_that_held_rgb_no_longer_says_so(press: Press) -> None:
    result = press(jpeg(keep_rgb=True), 80).data

    markers = {segment.marker for segment in jpeg_structure.parse(result).segments}
    assert jpeg_structure.APP14 not in markers


# What is left alone


def skipped(press: Press, data: bytes, why: str) -> None:
    with pytest.raises(RowSkipped, match=why) as outcome:
        press(data, 80)
    assert outcome.value.reason is SkipReason.UNSUPPORTED_IMAGE


@pytest.mark.parametrize("pictures", [2, 3])
def test_a_file_of_several_pictures_is_left_alone(press: Press, pictures: int) -> None:
    first, *others = (photograph(seed=number) for number in range(pictures))

    skipped(press, encoded(first, "MPO", save_all=True, append_images=others), "several pictures")


def test_a_gain_map_is_left_alone(press: Press) -> None:
    data = with_segment(jpeg(), jpeg_structure.APP2, b"MPF\0II*\0" + bytes(60))

    skipped(press, data + jpeg(photograph("L")), "several pictures")


def test_content_credentials_are_left_alone(press: Press) -> None:
    data = with_segment(jpeg(), jpeg_structure.APP11, b"JP\0\1" + bytes(40) + b"jumbc2pa")

    skipped(press, data, "C2PA")


@pytest.mark.parametrize("behind", [b"ftypmp42 a film", jpeg(), b"\0\0x", b"\xff\xd9"])
def test_what_follows_the_picture_is_not_cut_off(press: Press, behind: bytes) -> None:
    skipped(press, jpeg() + behind, f"{len(behind.strip(bytes(1))):,} bytes follow the picture")


@pytest.mark.parametrize("padding", [b"\0" * 512, b"\n", b"\r\n"])
@pytest.mark.parametrize("quality", [80, 100])
def test_padding_behind_the_picture_is_nothing(press: Press, padding: bytes, quality: int) -> None:
    assert press(jpeg() + padding, quality).encoded.lossless is (quality == 100)


# What is damaged


@pytest.mark.parametrize("data", [jpeg(), jpeg(progressive=True), jpeg(quality=60)])
@pytest.mark.parametrize("quality", [80, 100])
def test_a_truncated_picture_is_a_corrupt_image(press: Press, data: bytes, quality: int) -> None:
    scan = len(data) - 400
    for cut in range(scan, len(data) - 2, 37):
        with pytest.raises(RowFailed) as failed:
            press(data[:cut], quality)
        assert failed.value.code is FailureCode.CORRUPT_IMAGE


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("quality", [80, 100])
def test_damage_that_pillow_takes_in_silence_is_not(press: Press, mode: str, quality: int) -> None:
    with pytest.raises(RowFailed, match="Corrupt JPEG data") as failed:
        press(broken_jpeg(jpeg(photograph(mode, (160, 120)))), quality)
    assert failed.value.code is FailureCode.CORRUPT_IMAGE


def test_without_libjpeg_s_word_another_decoder_s_is_taken(
    press: Press, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise strict_jpeg.LibjpegUnavailableError("gone")

    monkeypatch.setattr(strict_jpeg, "decode", fail)
    data = jpeg(photograph(size=(160, 120)))

    assert press(data, 80).encoded.encoder == "jpegli"
    with pytest.raises(RowFailed, match="decoders do not agree") as failed:
        press(broken_jpeg(data), 80)
    assert failed.value.code is FailureCode.CORRUPT_IMAGE


# Which encoder served


def test_jpegli_encodes_what_libjpeg_would(press: Press) -> None:
    assert press(jpeg(), 80).encoded.encoder == "jpegli"


@pytest.mark.parametrize(
    ("module", "error"),
    [
        (jpegli, jpegli.JpegliUnavailableError("gone")),
        (jpeg_sample, SimilarityUnavailableError("gone")),
    ],
)
def test_libjpeg_serves_where_jpegli_or_the_measure_is_missing(
    press: Press, monkeypatch: pytest.MonkeyPatch, module: ModuleType, error: Exception
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(module, "encode" if module is jpegli else "Reference", fail)
    data = jpeg()

    pressed = press(data, 80)

    assert pressed.encoded == Encoded("pillow-jpeg", 80)
    assert distance(data, pressed.data) < 8


@pytest.mark.parametrize("size", [(160, 120), (40, 30)])
def test_fast_does_without_jpegli_s_interface_for_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]
) -> None:
    def fail() -> None:
        raise jpegli.JpegliUnavailableError("gone")

    monkeypatch.setattr(jpegli_rows, "whole_library", fail)
    source = tmp_path / "source"
    source.write_bytes(jpeg(photograph(size=size)))
    request = CodecRequest(source, tmp_path / "output", read_header(source), 80, Effort.FAST)

    assert compress_jpeg(request) == Encoded("pillow-jpeg", 80)


def test_a_broken_file_from_libjpeg_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, output = tmp_path / "source", tmp_path / "output"
    source.write_bytes(jpeg(photograph(size=(40, 30))))
    broken = broken_jpeg(jpeg(photograph(size=(40, 30)), 80))
    monkeypatch.setattr(jpeg_choice, "encode_by_libjpeg", lambda *_, **__: broken)
    request = CodecRequest(source, output, read_header(source), 80, Effort.FAST)

    assert compress_jpeg(request).lossless


def test_a_wrong_picture_from_jpegli_is_not_kept(
    press: Press, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = jpeg(photograph().transpose(Image.Transpose.FLIP_LEFT_RIGHT), 80)
    monkeypatch.setattr(jpegli, "encode", lambda *_, **__: other)
    choice = jpeg_choice.Choice(jpegli.Coding(1.0), strained=False)
    monkeypatch.setattr(jpeg_choice, "choose", lambda *_: choice)

    pressed = press(jpeg(), 80)

    assert pressed.encoded.encoder == "pillow-jpeg"


def test_chroma_that_is_coarser_across_than_down_is_not_a_wrong_picture(
    press: Press, monkeypatch: pytest.MonkeyPatch
) -> None:
    choice = jpeg_choice.Choice(Coding(2.0, Sampling.HALF_ACROSS), strained=False)
    monkeypatch.setattr(jpeg_choice, "choose", lambda *_: choice)

    bars = Image.new("RGB", (256, 192), "#d04040")
    for left in range(0, 256, 16):
        bars.paste("#4080d0", (left, 0, left + 8, 192))

    assert press(jpeg(bars, subsampling=0), 80).encoded.encoder == "jpegli"


@pytest.mark.parametrize(("strained", "encoder"), [(False, "jpegli"), (True, "pillow-jpeg")])
def test_where_jpegli_is_strained_the_smaller_file_is_taken(
    press: Press, monkeypatch: pytest.MonkeyPatch, *, strained: bool, encoder: str
) -> None:
    choice = jpeg_choice.Choice(Coding(0.7), strained)
    monkeypatch.setattr(jpeg_choice, "choose", lambda *_: choice)

    assert press(jpeg(quality=99), 80).encoded.encoder == encoder


@pytest.mark.parametrize("damage", ["other picture", "no profile"])
def test_a_wrong_picture_from_libjpeg_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    source, output = tmp_path / "source", tmp_path / "output"
    source.write_bytes(jpeg(photograph(size=(160, 120)), icc_profile=SRGB_PROFILE))
    flipped = photograph(size=(160, 120)).transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    wrong = jpeg(flipped, 80)
    if damage == "other picture":
        monkeypatch.setattr(jpeg_choice, "encode_by_libjpeg", lambda *_, **__: wrong)
    else:
        monkeypatch.setattr(jpeg_codec, "_with_metadata", lambda encoded, *_: encoded)

    encoded = compress_jpeg(CodecRequest(source, output, read_header(source), 80, Effort.FAST))

    assert encoded.lossless


def test_fast_is_libjpeg_alone(tmp_path: Path) -> None:
    source, output = tmp_path / "source", tmp_path / "output"
    source.write_bytes(jpeg())

    encoded = compress_jpeg(CodecRequest(source, output, read_header(source), 80, Effort.FAST))

    assert encoded.encoder == "pillow-jpeg"


def test_more_effort_is_spent_on_the_scans(tmp_path: Path) -> None:
    source, output = tmp_path / "source", tmp_path / "output"
    source.write_bytes(jpeg(photograph(size=(480, 320))))

    scans = {}
    for effort in (Effort.BALANCED, Effort.SMALL):
        compress_jpeg(CodecRequest(source, output, read_header(source), 80, effort))
        scans[effort] = output.read_bytes().count(b"\xff\xda")

    assert 1 < scans[Effort.BALANCED] < scans[Effort.SMALL]


def test_a_loss_that_saves_next_to_nothing_is_not_made(press: Press) -> None:
    data = jpeg(photograph(size=(240, 160)), 88)

    pressed = press(data, 82)

    packed = press(data, 100)
    assert pressed.encoded.lossless or len(pressed.data) < 0.98 * len(packed.data)


@pytest.mark.parametrize("effort", Effort)
@pytest.mark.parametrize("quality", [0, 1, 99])
def test_every_quality_and_effort_is_served(tmp_path: Path, quality: int, effort: Effort) -> None:
    source, output = tmp_path / "source", tmp_path / "output"
    source.write_bytes(jpeg(photograph(size=(90, 70)), 98))

    compress_jpeg(CodecRequest(source, output, read_header(source), quality, effort))

    assert output.stat().st_size < source.stat().st_size
