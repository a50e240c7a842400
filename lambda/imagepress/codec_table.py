"""The codecs as data: the best first, each with the memory that a picture takes in it.

Nothing here imports a codec; the codec process does, when one is first asked for.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from imagepress.budget import MEGABYTE
from imagepress.errors import RowFailed
from imagepress.image_header import ImageFormat, ImageHeader
from imagepress.outcome import FailureCode

DEEP = 16


@dataclass(frozen=True, slots=True)
class CodecEntry:
    """A codec: the name that a request has for it, and where its function is.

    Memory is `process_bytes`, as many bytes a pixel, and `file_copies` times the file: measured
    at 5 to 144 MP, rounded up. Deep pixels have 16 bits a sample, scattered ones are those of a
    JPEG whose rows are not together; where nothing is said of them they take as much as others.
    """

    name: str
    format: ImageFormat
    module: str
    function: str
    bytes_a_pixel: float
    file_copies: int
    bytes_a_deep_pixel: float | None = None
    bytes_a_scattered_pixel: float | None = None
    process_bytes: int = 120 * MEGABYTE

    def memory_needed(self, header: ImageHeader, file_size: int) -> int:
        """Bytes of memory that compressing and verifying this picture takes at most."""
        a_pixel = None
        if header.depth == DEEP:
            a_pixel = self.bytes_a_deep_pixel
        elif header.scattered:
            a_pixel = self.bytes_a_scattered_pixel
        if a_pixel is None:
            a_pixel = self.bytes_a_pixel
        return self.process_bytes + int(header.pixels * a_pixel) + self.file_copies * file_size


CODECS = (
    CodecEntry(
        name="jpeg",
        format=ImageFormat.JPEG,
        module="imagepress.codecs.jpeg",
        function="compress_jpeg",
        bytes_a_pixel=18,
        file_copies=3,
    ),
    CodecEntry(
        name="jpeg-libjpeg",
        format=ImageFormat.JPEG,
        module="imagepress.codecs.jpeg",
        function="compress_jpeg_by_libjpeg",
        bytes_a_pixel=18,
        file_copies=3,
    ),
    CodecEntry(
        name="jpeg-rows",
        format=ImageFormat.JPEG,
        module="imagepress.codecs.jpeg_stream",
        function="recode_jpeg",
        bytes_a_pixel=0.2,
        bytes_a_scattered_pixel=6.5,
        file_copies=0,
        process_bytes=200 * MEGABYTE,
    ),
    CodecEntry(
        name="png",
        format=ImageFormat.PNG,
        module="imagepress.codecs.png",
        function="compress_png",
        bytes_a_pixel=70,
        bytes_a_deep_pixel=40,
        file_copies=3,
    ),
    CodecEntry(
        name="png-lossless",
        format=ImageFormat.PNG,
        module="imagepress.codecs.png",
        function="pack_png",
        bytes_a_pixel=26,
        bytes_a_deep_pixel=40,
        file_copies=3,
    ),
    CodecEntry(
        name="png-stream",
        format=ImageFormat.PNG,
        module="imagepress.codecs.png_stream",
        function="deflate_png_again",
        bytes_a_pixel=0,
        file_copies=0,
    ),
)


def codecs_for(header: ImageHeader, file_size: int, memory: int) -> Sequence[CodecEntry]:
    """The codecs that can take a picture within `memory` bytes, the best first.

    Raises `RowFailed(TOO_LARGE_FOR_MEMORY)` where there is none.
    """
    rivals = [codec for codec in CODECS if codec.format is header.format]
    needs = {codec.name: codec.memory_needed(header, file_size) for codec in rivals}
    fitting = [codec for codec in rivals if needs[codec.name] <= memory]
    if not fitting:
        raise RowFailed(
            FailureCode.TOO_LARGE_FOR_MEMORY,
            f"The picture of {header.pixels:,} pixels needs about "
            f"{min(needs.values()) // MEGABYTE:,} MB of memory; there are "
            f"{memory // MEGABYTE:,} MB.",
        )
    return fitting


def codec_named(name: str, image_format: ImageFormat) -> CodecEntry:
    """The codec of that name; the best of the format where the name is empty."""
    return next(
        codec for codec in CODECS if codec.format is image_format and name in ("", codec.name)
    )
