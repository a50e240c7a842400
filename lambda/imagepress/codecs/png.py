"""PNG: with a loss that cannot be seen where that is smaller, and packed better without one.

Without loss means better filters and deflate, and smaller colour types that hold the very same
pixels. Metadata are carried over either way.
"""

from pathlib import Path

import oxipng
from PIL import Image

from imagepress import png_structure as structure
from imagepress.codec_protocol import CodecRequest, Encoded
from imagepress.codecs import fidelity
from imagepress.codecs.lossy_png import WORK, Work, smallest_lossy
from imagepress.errors import RowFailed, RowSkipped
from imagepress.image_header import ImageHeader
from imagepress.outcome import FailureCode, SkipReason
from imagepress.settings import LOSSLESS_QUALITY

DEEP = 16

_LEFT_ALONE = {
    b"caBX": "it carries signed content credentials (C2PA)",
    b"dSIG": "it is digitally signed",
    b"CgBI": "it is in Apple's own variant of PNG",
}


def compress_png(request: CodecRequest) -> Encoded:
    """Write the smallest that the quality allows; see the package for the contract."""
    data = request.source.read_bytes()
    refuse_what_would_be_lost(data)
    picture = fidelity.load(request.source, request.header)
    work = WORK[request.effort]
    lossy = None
    if request.quality < LOSSLESS_QUALITY:
        lossy = smallest_lossy(picture, data, request.header, request.quality, work)
    if lossy is None or len(lossy.data) >= work.lossless_above * len(data):
        _write_lossless(data, picture, request, work)
        if lossy is None or len(lossy.data) >= request.output.stat().st_size:
            return Encoded("oxipng", None)
    request.output.write_bytes(lossy.data)
    return Encoded(lossy.encoder, request.quality)


def pack_png(request: CodecRequest) -> Encoded:
    """Pack without loss, whatever the quality, in less memory; see the package."""
    data = request.source.read_bytes()
    refuse_what_would_be_lost(data)
    picture = fidelity.load(request.source, request.header)
    _write_lossless(data, picture, request, WORK[request.effort])
    return Encoded("oxipng", None)


def _write_lossless(data: bytes, picture: Image.Image, request: CodecRequest, work: Work) -> None:
    output, header = request.output, request.header
    try:
        _write_verified(_pack(data, header, work, reduce=True), data, picture, output, header)
    except RowFailed as failed:
        if failed.code is not FailureCode.UNFAITHFUL:
            raise
        # A smaller colour type that reads as another picture: keep the one that there is.
        _write_verified(_pack(data, header, work, reduce=False), data, picture, output, header)


def _write_verified(
    packed: bytes, data: bytes, picture: Image.Image, output: Path, header: ImageHeader
) -> None:
    _check_metadata(data, packed)
    output.write_bytes(packed)
    fidelity.verify(picture, output, header, quality=None)
    if header.depth == DEEP:
        fidelity.verify_deep(data, packed)


def refuse_what_would_be_lost(data: structure.Sliceable) -> None:
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


def _pack(data: bytes, header: ImageHeader, work: Work, *, reduce: bool) -> bytes:
    try:
        return oxipng.optimize_from_memory(
            data,
            level=work.lossless_level,
            deflate=oxipng.Deflaters.libdeflater(work.lossless_deflate),
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
