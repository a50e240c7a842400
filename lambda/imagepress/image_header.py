"""What the first bytes of a file say: format and size, before anything is decoded.

The content decides the format, never the key's extension. Reading is bounded, so that a
decompression bomb costs nothing.
"""

import struct
from dataclasses import dataclass
from enum import StrEnum
from mmap import ACCESS_READ, mmap
from pathlib import Path

from imagepress import jpeg_structure
from imagepress.errors import RowFailed, RowSkipped
from imagepress.outcome import FailureCode, SkipReason

READ_BYTES = 64
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
JPEG_SIGNATURE = b"\xff\xd8\xff"

_PNG_DEPTHS = {
    0: (1, 2, 4, 8, 16),
    2: (8, 16),
    3: (1, 2, 4, 8),
    4: (8, 16),
    6: (8, 16),
}
_PNG_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_OTHER_FORMATS = (
    (b"GIF8", 0, "GIF"),
    (b"WEBP", 8, "WebP"),
    (b"II*\0", 0, "TIFF"),
    (b"MM\0*", 0, "TIFF"),
    (b"BM", 0, "BMP"),
    (b"ftypavif", 4, "AVIF"),
    (b"ftyphei", 4, "HEIF"),
    (b"ftypmif1", 4, "HEIF"),
    (b"\xff\x0a", 0, "JPEG XL"),
    (b"\0\0\0\x0cJXL ", 0, "JPEG XL"),
    (b"\0\0\0\x0cjP  ", 0, "JPEG 2000"),
    (b"8BPS", 0, "PSD"),
    (b"%PDF", 0, "PDF"),
    (b"<svg", 0, "SVG"),
)


class ImageFormat(StrEnum):
    """The formats that are compressed; a JPG is a JPEG."""

    JPEG = "JPEG"
    PNG = "PNG"


@dataclass(frozen=True, slots=True)
class ImageHeader:
    """Format and geometry; `depth` in bits a sample, `channels` as stored (a palette is one).

    `scattered` is a JPEG whose rows are not together: a progressive one, or a scan a component.
    """

    format: ImageFormat
    width: int
    height: int
    depth: int
    channels: int
    scattered: bool = False

    @property
    def pixels(self) -> int:
        """Width x height."""
        return self.width * self.height


def check_format(start: bytes) -> None:
    """Raise `RowSkipped` or `RowFailed` unless a file that begins so is a PNG or JPEG."""
    if not start:
        raise RowFailed(FailureCode.CORRUPT_IMAGE, "The object is empty.")
    if not start.startswith((PNG_SIGNATURE, JPEG_SIGNATURE)):
        name = _other_format(start)
        what = f"is a {name} file" if name else "is not an image that is known here"
        raise RowSkipped(
            SkipReason.UNSUPPORTED_FORMAT, f"The object {what}; PNG and JPEG are done."
        )


def read_header(file: Path) -> ImageHeader:
    """Read the header of the image in `file`; raise `RowSkipped` or `RowFailed`."""
    with file.open("rb") as stream:
        start = stream.read(READ_BYTES)
    check_format(start)
    return _png_header(start) if start.startswith(PNG_SIGNATURE) else _jpeg_header(file)


def check_pixels(header: ImageHeader, max_image_pixels: int) -> None:
    """Refuse a picture with more than `max_image_pixels`."""
    if header.pixels > max_image_pixels:
        raise RowFailed(
            FailureCode.TOO_MANY_PIXELS,
            f"The picture has {header.width} x {header.height} = {header.pixels:,} pixels; "
            f"max_image_pixels is {max_image_pixels:,}.",
        )


def _png_header(start: bytes) -> ImageHeader:
    try:
        length, kind, width, height, depth, colour = struct.unpack_from(">I4sIIBB", start, 8)
    except struct.error:
        raise _corrupt("its header is cut off") from None
    if kind != b"IHDR" or length != 13 or not width or not height:
        raise _corrupt("its header is not that of a PNG")
    if depth not in _PNG_DEPTHS.get(colour, ()):
        raise _corrupt(f"colour type {colour} with {depth} bits is none that PNG has")
    return ImageHeader(ImageFormat.PNG, width, height, depth, _PNG_CHANNELS[colour])


def _jpeg_header(file: Path) -> ImageHeader:
    # A view, not a copy: metadata may fill megabytes before the header comes.
    with file.open("rb") as stream, mmap(stream.fileno(), 0, access=ACCESS_READ) as view:
        try:
            frame = jpeg_structure.read_frame(view)
            scattered = jpeg_structure.is_scattered(view)
        except jpeg_structure.MalformedJpegError as error:
            raise _corrupt(str(error)) from None
    if frame.marker not in jpeg_structure.HUFFMAN_DCT_FRAMES or frame.precision != 8:
        raise RowSkipped(
            SkipReason.UNSUPPORTED_IMAGE,
            f"A JPEG of type SOF{frame.marker - 0xC0} with {frame.precision} bits a sample "
            "(lossless, arithmetic or 12-bit) is left as it is.",
        )
    if not frame.width or not frame.height or len(frame.sampling) not in (1, 3, 4):
        raise _corrupt("its frame header makes no sense")
    return ImageHeader(
        ImageFormat.JPEG,
        frame.width,
        frame.height,
        frame.precision,
        len(frame.sampling),
        scattered,
    )


def _corrupt(why: str) -> RowFailed:
    return RowFailed(FailureCode.CORRUPT_IMAGE, f"The image is damaged: {why}.")


def _other_format(start: bytes) -> str | None:
    for magic, position, name in _OTHER_FORMATS:
        if start.startswith(magic, position):
            return name
    return None
