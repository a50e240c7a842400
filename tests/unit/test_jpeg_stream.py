"""JPEGs coded again row by row: the same picture and metadata, in little memory."""

import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from imagepress import jpeg_structure
from imagepress.codecs import jpegli_rows
from imagepress.codecs.jpegli import Coding
from imagepress.codecs.similarity import Reference
from imagepress.errors import RowFailed, RowSkipped
from imagepress.outcome import FailureCode
from tests.pictures import SRGB_PROFILE, decoded, encoded, jpeg, photograph
from tests.unit.pressing import press_in

CODEC = "jpeg-rows"
LAMBDA = Path(__file__).parents[2] / "lambda"
MEGABYTE = 1_000_000


@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize("size", [(160, 131), (300, 200), (33, 1000)])
def test_the_picture_looks_the_same(tmp_path: Path, mode: str, size: tuple[int, int]) -> None:
    source = jpeg(photograph(mode, size), 98)

    pressed = press_in(tmp_path, source, 80, CODEC)

    before, after = decoded(source), decoded(pressed.data)
    assert (after.mode, after.size) == (before.mode, before.size)
    libjpeg = decoded(encoded(before, "JPEG", quality=80))
    reference = Reference(before)
    # Bands stand for the picture within a margin.
    assert reference.score(after) > reference.score(libjpeg) - 1
    assert pressed.encoded.encoder == "jpegli-rows"
    if min(size) > 100:
        assert len(pressed.data) < len(source)


def test_all_metadata_is_carried_over(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    source = jpeg(
        photograph(size=(200, 160)), 98, exif=exif, icc_profile=SRGB_PROFILE, comment=b"x"
    )

    after = decoded(press_in(tmp_path, source, 80, CODEC).data)

    before = decoded(source)
    for name in ("exif", "icc_profile", "comment", "dpi"):
        assert after.info.get(name) == before.info.get(name)


@pytest.mark.parametrize(
    "source",
    [jpeg(photograph("CMYK", (64, 64)), 98), jpeg(photograph(size=(64, 64)), 80)],
    ids=["CMYK", "no quality to spare"],
)
def test_what_bears_no_lossy_coding_is_left_to_larger_functions(
    tmp_path: Path, source: bytes
) -> None:
    with pytest.raises(RowFailed) as failed:
        press_in(tmp_path, source, 80, CODEC)

    assert failed.value.code is FailureCode.TOO_LARGE_FOR_MEMORY


def test_what_has_several_pictures_is_left_alone(tmp_path: Path) -> None:
    source = jpeg(photograph(size=(64, 64)), 98) + b"a motion photo"

    with pytest.raises(RowSkipped, match="follow the picture"):
        press_in(tmp_path, source, 80, CODEC)


@pytest.mark.parametrize("progressive", [False, True])
def test_a_truncated_picture_is_damage(tmp_path: Path, progressive: bool) -> None:  # noqa: FBT001
    whole = jpeg(photograph(size=(400, 300)), 98, progressive=progressive)
    source = whole[: len(whole) * 2 // 3] + whole[-2:]

    with pytest.raises(RowFailed) as failed:
        press_in(tmp_path, source, 80, CODEC)

    assert failed.value.code is FailureCode.CORRUPT_IMAGE


def test_rows_read_are_those_that_were_written(tmp_path: Path) -> None:
    file, copy = tmp_path / "file.jpg", tmp_path / "copy.jpg"
    picture = photograph(size=(101, 150))
    file.write_bytes(jpeg(picture, 100))

    with jpegli_rows.Reader(file) as reader:
        read = b"".join(rows.tobytes() for rows in reader.rows())
        assert reader.warnings == 0
    with jpegli_rows.Reader(file) as reader:
        jpegli_rows.write(
            copy, reader.rows(), reader.size, reader.mode, Coding(0.1), [(0xFE, b"said")]
        )

    reference = Reference(decoded(file.read_bytes()))
    assert reference.score(Image.frombytes("RGB", picture.size, read)) > 90
    assert reference.score(decoded(copy.read_bytes())) > 60
    assert decoded(copy.read_bytes()).info["comment"] == b"said"


def test_a_file_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "file.jpg"
    file.write_bytes(jpeg())

    with pytest.raises(OSError, match="cannot be opened"), jpegli_rows.Reader(file) as reader:
        jpegli_rows.write(
            tmp_path / "no folder" / "copy.jpg",
            reader.rows(),
            reader.size,
            reader.mode,
            Coding(1),
            [],
        )


def test_memory_does_not_grow_with_the_picture(tmp_path: Path) -> None:
    """36 MP, that would be 108 MB as pixels, within 60 MB beyond what a small one takes."""
    picture = photograph(size=(500, 500))
    row = Image.new("RGB", (6000, 500))
    for x in range(0, row.width, picture.width):
        row.paste(picture, (x, 0))
    for name, rows in (("small", 1), ("large", 12)):
        whole = Image.new("RGB", (row.width, row.height * rows))
        for number in range(rows):
            whole.paste(row, (0, number * row.height))
        whole.save(tmp_path / f"{name}.jpg", quality=95)
        assert not jpeg_structure.is_scattered((tmp_path / f"{name}.jpg").read_bytes())

    small, large = (
        peak(tmp_path / f"{name}.jpg", tmp_path / "output") for name in ("small", "large")
    )

    assert large - small < 60 * MEGABYTE


def peak(source: Path, output: Path) -> int:
    """Bytes of memory that a process took at most to compress `source`."""
    code = (
        "import resource, sys; from pathlib import Path;"
        "from imagepress.codecs import compress; from imagepress.image_header import read_header;"
        "from imagepress.codec_protocol import CodecRequest;"
        "source, output = map(Path, sys.argv[1:]);"
        f"compress(CodecRequest(source, output, read_header(source), 80, codec='{CODEC}'));"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(source), str(output)],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": str(LAMBDA)},
    )
    unit = 1 if sys.platform == "darwin" else 1024
    return int(done.stdout) * unit
