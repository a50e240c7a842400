"""JPEG of any size: coded again row by row, in memory that does not grow with the picture.

How much may be lost is tried on a few bands of it. The result is decoded by libjpeg-turbo at an
eighth of the size, for which it reads everything there is, and compared with the source's.
"""

from mmap import ACCESS_READ, mmap
from pathlib import Path

from PIL import Image

from imagepress import jpeg_structure as structure
from imagepress.codec_protocol import CodecRequest, Encoded
from imagepress.codecs import fidelity, jpeg_choice, jpegli_rows
from imagepress.codecs.jpeg import (
    JFIF,
    carried_over,
    has_spare_quality,
    parse,
    refuse_what_would_be_lost,
)
from imagepress.codecs.jpegli import Coding, JpegliUnavailableError
from imagepress.codecs.similarity import SimilarityUnavailableError
from imagepress.errors import RowFailed
from imagepress.outcome import FailureCode
from imagepress.settings import LOSSLESS_QUALITY

SAMPLE_PIXELS = 4_000_000
BANDS = 8
BAND_STEP = 16


def recode_jpeg(request: CodecRequest) -> Encoded:
    """Write what jpegli makes of the source's rows; see the package for the contract."""
    source, header, quality = request.source, request.header, request.quality
    with source.open("rb") as stream, mmap(stream.fileno(), 0, access=ACCESS_READ) as data:
        parts = parse(data)
        refuse_what_would_be_lost(data, parts)
        colours = len(parts.frame.sampling) in (1, 3)
        if (
            quality == LOSSLESS_QUALITY
            or not colours
            or not has_spare_quality(data, parts, quality)
        ):
            raise _too_large("it bears no lossy coding")
        segments = _metadata(data, parts)
    before = fidelity.thumbnail(source, header)
    try:
        coding = jpeg_choice.choose_plain(_bands(source), quality)
        if coding is not None:
            _recode(source, request.output, coding, segments)
    except (JpegliUnavailableError, SimilarityUnavailableError) as error:
        raise RowFailed(FailureCode.CODEC_CRASHED, f"{error}.") from None
    if coding is None:
        raise _too_large("no lossy coding is good enough for its details")
    fidelity.verify_thumbnail(before, request.output, header, quality=quality)
    return Encoded("jpegli-rows", quality)


def _too_large(why: str) -> RowFailed:
    return RowFailed(
        FailureCode.TOO_LARGE_FOR_MEMORY,
        f"The picture could only be packed without loss, for which memory is too small: {why}.",
    )


def _metadata(data: mmap, parts: structure.JpegStructure) -> list[tuple[int, bytes]]:
    """The segments that are carried over; see `jpeg` for which."""
    carried = [(segment.marker, segment.payload(data)) for segment in carried_over(parts)]
    has_jfif = any(marker == structure.APP0 for marker, _ in carried)
    return carried if has_jfif else [(structure.APP0, JFIF[4:]), *carried]


def _bands(source: Path) -> Image.Image:
    """Bands that lie evenly over the picture, on the grid of its blocks; all of a small one."""
    with jpegli_rows.Reader(source) as reader:
        width, height = reader.size
        rows = max(1, SAMPLE_PIXELS // width // BANDS // BAND_STEP) * BAND_STEP
        tops = [
            int((band + 0.5) * height / BANDS - rows / 2) // BAND_STEP * BAND_STEP
            for band in range(BANDS)
        ]
        if BANDS * rows >= height:
            rows, tops = height, [0]
        kept = bytearray()
        top = 0
        for some in reader.rows():
            pixels = some.tobytes()
            for row in range(some.count):
                if any(start <= top + row < start + rows for start in tops):
                    kept += pixels[row * some.stride : (row + 1) * some.stride]
            top += some.count
        return Image.frombytes(reader.mode, (width, rows * len(tops)), bytes(kept))


def _recode(source: Path, output: Path, coding: Coding, segments: list[tuple[int, bytes]]) -> None:
    with jpegli_rows.Reader(source) as reader:
        jpegli_rows.write(output, reader.rows(), reader.size, reader.mode, coding, segments)
        if reader.warnings:
            raise fidelity.damaged("its data is broken")
