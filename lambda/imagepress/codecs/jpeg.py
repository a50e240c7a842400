"""JPEG: encode again where the source has quality to spare, else only pack its coefficients better.

A source at or near the quality asked for is never put through a second lossy pass: it is
transcoded without loss (optimal Huffman tables, progressive scans). Pixels are encoded alone;
metadata segments are carried over as the bytes they are, so that nothing in them can change.
"""

import io
from pathlib import Path

import mozjpeg_lossless_optimization
from PIL import Image

from imagepress import jpeg_structure as structure
from imagepress.codec_protocol import CodecRequest, Encoded
from imagepress.codecs import fidelity
from imagepress.errors import RowFailed, RowSkipped
from imagepress.image_header import ImageHeader
from imagepress.outcome import FailureCode, SkipReason
from imagepress.settings import LOSSLESS_QUALITY

QUALITY_MARGIN = 5
FULL_CHROMA_QUALITY = 88
PADDING = b"\0\r\n\t "

_SUBSAMPLING = {(1, 1): "4:4:4", (2, 1): "4:2:2", (2, 2): "4:2:0"}


def compress_jpeg(request: CodecRequest) -> Encoded:
    """Write the smaller of what is allowed for the source; see the package for the contract."""
    source, output = request.source, request.output
    header, quality = request.header, request.quality
    data = source.read_bytes()
    parts = _parse(data)
    _refuse_what_would_be_lost(data, parts)
    picture = fidelity.load(source, header)
    if picture.mode in ("RGB", "L"):
        fidelity.check_jpeg_source(picture, data)
    spare = structure.estimated_quality(data, parts) > quality + QUALITY_MARGIN
    if quality < LOSSLESS_QUALITY and spare and picture.mode in ("RGB", "L"):
        encoded = _with_metadata(_encode(picture, parts.frame, quality), data, parts)
        if len(encoded) < len(data):
            output.write_bytes(encoded)
            if _is_faithful(picture, output, encoded, header, quality):
                return Encoded("pillow-jpeg", quality)
    output.write_bytes(_transcode(data))
    fidelity.verify(picture, output, header, quality=None)
    return Encoded("mozjpeg-lossless", None)


def _is_faithful(
    picture: Image.Image, output: Path, encoded: bytes, header: ImageHeader, quality: int
) -> bool:
    """Whether two decoders agree that `output` looks like `picture`; tiny ones may not."""
    try:
        fidelity.verify(picture, output, header, quality=quality)
        fidelity.verify_jpeg_elsewhere(picture, encoded, quality=quality)
    except RowFailed as failed:
        if failed.code is FailureCode.UNFAITHFUL:
            return False
        raise
    return True


def _parse(data: bytes) -> structure.JpegStructure:
    try:
        return structure.parse(data)
    except structure.MalformedJpegError as error:
        raise RowFailed(FailureCode.CORRUPT_IMAGE, f"The image is damaged: {error}.") from None


def _refuse_what_would_be_lost(data: bytes, parts: structure.JpegStructure) -> None:
    for segment in parts.segments:
        payload = segment.payload(data)
        if segment.marker == structure.APP2 and payload.startswith(b"MPF\0"):
            raise _unsupported("it holds several pictures (MPO, Ultra HDR)")
        if segment.marker == structure.APP11 and payload.startswith(b"JP"):
            raise _unsupported("it carries signed content credentials (C2PA)")
    behind = data[parts.end :].strip(PADDING)
    if behind:
        raise _unsupported(f"{len(behind):,} bytes follow the picture (a motion photo?)")


def _unsupported(why: str) -> RowSkipped:
    return RowSkipped(SkipReason.UNSUPPORTED_IMAGE, f"The JPEG is left as it is: {why}.")


def _encode(picture: Image.Image, frame: structure.Frame, quality: int) -> bytes:
    buffer = io.BytesIO()
    options = {} if picture.mode == "L" else {"subsampling": _subsampling(frame, quality)}
    # A bare copy: Pillow writes what it finds in `info` (ICC, comments, DPI) by itself.
    bare = picture.copy()
    bare.info = {}
    bare.save(buffer, "JPEG", quality=quality, optimize=True, progressive=True, **options)
    return buffer.getvalue()


def _subsampling(frame: structure.Frame, quality: int) -> str:
    """The source's own, but full chroma only at qualities where it pays."""
    own = _SUBSAMPLING.get(frame.sampling[0], "4:2:0")
    return "4:2:0" if own == "4:4:4" and quality < FULL_CHROMA_QUALITY else own


def _with_metadata(encoded: bytes, source: bytes, parts: structure.JpegStructure) -> bytes:
    """`encoded` with the source's APPn and COM segments; Adobe's describes pixels, not metadata.

    The encoder writes one metadata segment of its own, JFIF, and only that; the source's wins.
    """
    carried = [
        source[segment.start : segment.end]
        for segment in parts.segments
        if _is_metadata(segment) and segment.marker != structure.APP14
    ]
    has_jfif = any(segment.marker == structure.APP0 for segment in parts.segments)
    jfif = structure.parse(encoded).segments[0]
    start = encoded[:2] if has_jfif else encoded[: jfif.end]
    return start + b"".join(carried) + encoded[jfif.end :]


def _is_metadata(segment: structure.Segment) -> bool:
    is_app = structure.APP0 <= segment.marker <= structure.APP15
    return is_app or segment.marker == structure.COM


def _transcode(data: bytes) -> bytes:
    try:
        result: bytes = mozjpeg_lossless_optimization.optimize(
            data, copy=mozjpeg_lossless_optimization.COPY_MARKERS.ALL
        )
    except ValueError as error:
        raise RowFailed(FailureCode.CORRUPT_IMAGE, f"The image is damaged: {error}.") from None
    return result
