"""PNG: better filters and deflate, and smaller colour types that hold the very same pixels."""

from mmap import mmap
from pathlib import Path

import oxipng
from PIL import Image

from imagepress import png_structure as structure
from imagepress.codec_protocol import CodecRequest, Encoded
from imagepress.codecs import fidelity
from imagepress.errors import RowFailed, RowSkipped
from imagepress.image_header import ImageHeader
from imagepress.outcome import FailureCode, SkipReason

LEVEL = 2
DEEP = 16

_LEFT_ALONE = {
    b"caBX": "it carries signed content credentials (C2PA)",
    b"dSIG": "it is digitally signed",
    b"CgBI": "it is in Apple's own variant of PNG",
}


def compress_png(request: CodecRequest) -> Encoded:
    """Pack the source without loss, whatever the quality; see the package for the contract."""
    source, output, header = request.source, request.output, request.header
    data = source.read_bytes()
    refuse_what_would_be_lost(data)
    picture = fidelity.load(source, header)
    try:
        _write_verified(_pack(data, header, reduce=True), data, picture, output, header)
    except RowFailed as failed:
        if failed.code is not FailureCode.UNFAITHFUL:
            raise
        # A smaller colour type that reads as another picture: keep the one that there is.
        _write_verified(_pack(data, header, reduce=False), data, picture, output, header)
    return Encoded("oxipng", None)


def _write_verified(
    packed: bytes, data: bytes, picture: Image.Image, output: Path, header: ImageHeader
) -> None:
    _check_metadata(data, packed)
    output.write_bytes(packed)
    fidelity.verify(picture, output, header, quality=None)


def refuse_what_would_be_lost(data: bytes | mmap) -> None:
    """Raise the outcome of a PNG that is damaged, or has what no compression may touch."""
    try:
        parts = structure.parse(data)
    except structure.MalformedPngError as error:
        raise RowFailed(FailureCode.CORRUPT_IMAGE, f"The image is damaged: {error}.") from None
    for kind in sorted(parts.kinds() & _LEFT_ALONE.keys()):
        raise _unsupported(_LEFT_ALONE[kind])
    if len(data) > parts.end:
        raise _unsupported(f"{len(data) - parts.end:,} bytes follow the picture")


def _unsupported(why: str) -> RowSkipped:
    return RowSkipped(SkipReason.UNSUPPORTED_IMAGE, f"The PNG is left as it is: {why}.")


def _pack(data: bytes, header: ImageHeader, *, reduce: bool) -> bytes:
    try:
        return oxipng.optimize_from_memory(
            data,
            level=LEVEL,
            strip=oxipng.StripChunks.none(),
            interlace=None,
            # Palettes may get narrower; a picture with 16 bits keeps them.
            bit_depth_reduction=reduce and header.depth < DEEP,
            color_type_reduction=reduce,
            palette_reduction=reduce,
            grayscale_reduction=False,
        )
    except oxipng.PngError as error:
        raise RowFailed(FailureCode.CORRUPT_IMAGE, f"The image is damaged: {error}.") from None


def _check_metadata(before: bytes, after: bytes) -> None:
    if structure.metadata(before) != structure.metadata(after):
        raise RowFailed(
            FailureCode.UNFAITHFUL,
            "The compressed picture would have lost metadata; the original stays.",
        )
