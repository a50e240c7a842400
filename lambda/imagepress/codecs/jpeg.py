"""JPEG: encode again where the source has quality to spare, else only pack its coefficients better.

A source at or near the quality asked for is never put through a second lossy pass: it is
transcoded without loss (optimal Huffman tables, progressive scans). Pixels are encoded alone;
metadata segments are carried over as the bytes they are, so that nothing in them can change.

jpegli encodes and libjpeg-turbo checks, or the other way round where jpegli or the measure of
similarity is missing: no decoder vouches for its own encoder.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import mozjpeg_lossless_optimization
from PIL import Image

from imagepress import jpeg_structure as structure
from imagepress.codec_protocol import CodecRequest, Encoded
from imagepress.codecs import fidelity, jpeg_choice, jpegli
from imagepress.codecs.jpegli import Scans
from imagepress.codecs.similarity import SimilarityUnavailableError
from imagepress.effort import Effort
from imagepress.errors import RowFailed, RowSkipped
from imagepress.image_header import ImageHeader
from imagepress.outcome import FailureCode, SkipReason
from imagepress.settings import LOSSLESS_QUALITY

QUALITY_MARGIN = 5
PADDING = b"\0\r\n\t "
# JFIF 1.01, square pixels, no thumbnail.
JFIF = b"\xff\xe0\x00\x10JFIF\0\1\1\0\0\1\0\1\0\0"
# Where most blocks are cut off at the edge, the mean of a block is not that of its pixels.
NARROW = 64
SMALL_PIXELS = 1 << 17
# A lossy pass that saves less than this is only worth it where packing alone saves much less.
WORTHWHILE = 0.88
NO_WORSE = 1.02


@dataclass(frozen=True, slots=True)
class _Candidate:
    encoded: Encoded
    data: bytes


def compress_jpeg(request: CodecRequest) -> Encoded:
    """Write the smallest of what is allowed for the source; see the package for the contract."""
    source, output = request.source, request.output
    header, quality = request.header, request.quality
    data = source.read_bytes()
    parts = parse(data)
    refuse_what_would_be_lost(data, parts)
    picture = fidelity.load_jpeg(source, data, parts.end, header)
    has_spare = quality < LOSSLESS_QUALITY and has_spare_quality(data, parts, quality)
    if has_spare and picture.mode in ("RGB", "L"):
        means = picture.reduce(fidelity.BLOCK)
        for candidate in _candidates(picture, data, parts, quality, request.effort):
            output.write_bytes(candidate.data)
            if _is_faithful(picture, means, output, candidate, header, quality):
                return candidate.encoded
    output.write_bytes(_transcode(data))
    fidelity.verify(picture, output, header, quality=None)
    return Encoded("mozjpeg-lossless", None)


def compress_jpeg_by_libjpeg(request: CodecRequest) -> Encoded:
    """The same without jpegli's encoder and without trials."""
    return compress_jpeg(replace(request, effort=Effort.FAST))


def has_spare_quality(data: structure.Bytes, parts: structure.JpegStructure, quality: int) -> bool:
    """Whether a second lossy pass is allowed, by what the quantisation table says.

    jpegli's tables read as better than they are, and its files may be this codec's own.
    """
    if structure.estimated_quality(data, parts) <= quality + QUALITY_MARGIN:
        return False
    table = structure.luminance_table(data, parts)
    try:
        distance = jpegli.distance_of(table, grey=len(parts.frame.sampling) == 1)
    except jpegli.JpegliUnavailableError:
        return True
    return distance is None or not jpeg_choice.is_near(distance, quality)


def _candidates(
    picture: Image.Image,
    data: bytes,
    parts: structure.JpegStructure,
    quality: int,
    effort: Effort,
) -> Iterator[_Candidate]:
    """Lossy files that are worth their loss, the best first."""
    packed = None
    for candidate in _encoded(picture, quality, effort):
        encoded = _with_metadata(candidate.data, data, parts)
        if len(encoded) > WORTHWHILE * len(data):
            packed = packed or _transcode(data)
            if len(encoded) >= len(data) or len(packed) <= NO_WORSE * len(encoded):
                return
        yield _Candidate(candidate.encoded, encoded)


def _encoded(picture: Image.Image, quality: int, effort: Effort) -> Iterator[_Candidate]:
    """Lossy files without metadata, the smallest first."""
    choice = None if effort is Effort.FAST else _choice(picture, quality, effort)
    if choice is None:
        yield _by_libjpeg(picture, quality, effort)
    elif choice.strained:
        files = [_by_jpegli(picture, choice.coding, quality, effort)]
        files.append(_by_libjpeg(picture, quality, effort))
        yield from sorted(files, key=lambda file: len(file.data))
    else:
        yield _by_jpegli(picture, choice.coding, quality, effort)
        yield _by_libjpeg(picture, quality, effort)


def _choice(picture: Image.Image, quality: int, effort: Effort) -> jpeg_choice.Choice | None:
    try:
        return jpeg_choice.choose(picture, quality, effort)
    except (jpegli.JpegliUnavailableError, SimilarityUnavailableError):
        return None


def _by_jpegli(
    picture: Image.Image, coding: jpegli.Coding, quality: int, effort: Effort
) -> _Candidate:
    scans = Scans.REFINED if effort is Effort.SMALL else Scans.SPLIT
    encoded = jpegli.encode(picture, coding, scans)
    if picture.width * picture.height <= SMALL_PIXELS:
        encoded = min(encoded, jpegli.encode(picture, coding, Scans.SEQUENTIAL), key=len)
    return _Candidate(Encoded("jpegli", quality), encoded)


def _by_libjpeg(picture: Image.Image, quality: int, effort: Effort) -> _Candidate:
    # Progressive scans save 2 %, and take twice as long to write and to verify.
    progressive = effort is not Effort.FAST
    encoded = jpeg_choice.encode_by_libjpeg(picture, quality, progressive=progressive)
    if progressive and picture.width * picture.height <= SMALL_PIXELS:
        encoded = min(encoded, jpeg_choice.encode_by_libjpeg(picture, quality), key=len)
    return _Candidate(Encoded("pillow-jpeg", quality), encoded)


def _is_faithful(
    picture: Image.Image,
    means: Image.Image,
    output: Path,
    candidate: _Candidate,
    header: ImageHeader,
    quality: int,
) -> bool:
    """Whether a decoder that is not the encoder's own sees `picture` in `output`.

    Tiny pictures may not look like themselves; they are packed without loss then.
    """
    try:
        by_jpegli = candidate.encoded.encoder == "jpegli"
        # libjpeg's thumbnails blur chroma that is coarser across than down.
        sampling = structure.read_frame(candidate.data).sampling
        if min(picture.size) < NARROW or any(across != down for across, down in sampling):
            fidelity.verify(picture, output, header, quality=quality)
        elif by_jpegli:
            fidelity.verify_thumbnail(means, output, header, quality=quality)
        else:
            fidelity.verify_info(picture, output, header)
        if not by_jpegli:
            fidelity.verify_jpeg_elsewhere(means, output, quality=quality)
    except RowFailed as failed:
        if failed.code is FailureCode.UNFAITHFUL:
            return False
        raise
    return True


def parse(data: structure.Bytes) -> structure.JpegStructure:
    """The parts of a JPEG; raise its outcome where it is damaged."""
    try:
        return structure.parse(data)
    except structure.MalformedJpegError as error:
        raise RowFailed(FailureCode.CORRUPT_IMAGE, f"The image is damaged: {error}.") from None


def refuse_what_would_be_lost(data: structure.Bytes, parts: structure.JpegStructure) -> None:
    """Raise the outcome of a JPEG that has what no compression may touch."""
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


def _with_metadata(encoded: bytes, source: bytes, parts: structure.JpegStructure) -> bytes:
    """`encoded` with the source's APPn and COM segments instead of its own.

    Adobe's is left out: it describes the pixels. A source without JFIF's gets one.
    """
    carried = [source[segment.start : segment.end] for segment in carried_over(parts)]
    has_jfif = any(segment.marker == structure.APP0 for segment in parts.segments)
    picture = next(s for s in structure.parse(encoded).segments if not _is_metadata(s))
    start = encoded[:2] + (b"" if has_jfif else JFIF)
    return start + b"".join(carried) + encoded[picture.start :]


def carried_over(parts: structure.JpegStructure) -> list[structure.Segment]:
    """The segments that a picture that is coded again keeps."""
    return [
        segment
        for segment in parts.segments
        if _is_metadata(segment) and segment.marker != structure.APP14
    ]


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
