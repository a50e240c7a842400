"""The structure of a JPEG file: its segments, without decoding a pixel (ITU-T T.81, annex B)."""

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from mmap import mmap

type Bytes = bytes | mmap

SOI, EOI, SOS, DQT, COM = 0xD8, 0xD9, 0xDA, 0xDB, 0xFE
APP0, APP1, APP2, APP11, APP14, APP15 = 0xE0, 0xE1, 0xE2, 0xEB, 0xEE, 0xEF
FRAME_MARKERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
HUFFMAN_DCT_FRAMES = frozenset({0xC0, 0xC1, 0xC2})
_STANDALONE = frozenset({0x01, *range(0xD0, 0xD8)})
_MARKER_AFTER_SCAN = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")

# ITU-T T.81, table K.1, row by row.
# fmt: off
_IJG_LUMINANCE = (
    16, 11, 10, 16,  24,  40,  51,  61,
    12, 12, 14, 19,  26,  58,  60,  55,
    14, 13, 16, 24,  40,  57,  69,  56,
    14, 17, 22, 29,  51,  87,  80,  62,
    18, 22, 37, 56,  68, 109, 103,  77,
    24, 35, 55, 64,  81, 104, 113,  92,
    49, 64, 78, 87, 103, 121, 120, 101,
    72, 92, 95, 98, 112, 100, 103,  99,
)
# fmt: on


class MalformedJpegError(ValueError):
    """The bytes do not follow the JPEG grammar."""


@dataclass(frozen=True, slots=True)
class Segment:
    """One marker segment: bytes `start` to `end` of the file, marker and length included."""

    marker: int
    start: int
    end: int

    def payload(self, data: Bytes) -> bytes:
        """The bytes behind marker and length."""
        return data[self.start + 4 : self.end]


@dataclass(frozen=True, slots=True)
class Frame:
    """What the frame header says; `sampling` holds (horizontal, vertical) for each component."""

    marker: int
    precision: int
    width: int
    height: int
    sampling: tuple[tuple[int, int], ...]

    @property
    def progressive(self) -> bool:
        """Whether the picture is sent in several scans."""
        return self.marker == 0xC2


@dataclass(frozen=True, slots=True)
class JpegStructure:
    """A JPEG's segments in file order, its frame, and where the picture ends (behind EOI)."""

    segments: tuple[Segment, ...]
    frame: Frame
    end: int


def parse(data: Bytes) -> JpegStructure:
    """Walk all segments of the first picture in `data`; raise `MalformedJpegError`."""
    segments = []
    frame = None
    for segment in _segments(data):
        segments.append(segment)
        if segment.marker in FRAME_MARKERS:
            if frame is not None:
                raise MalformedJpegError("it has two frame headers")
            frame = _frame(segment, data)
    if frame is None:
        raise MalformedJpegError("it has no frame header")
    if not segments or segments[-1].marker != EOI:
        raise MalformedJpegError("it is truncated: no end of image")
    return JpegStructure(tuple(segments), frame, segments[-1].end)


def read_frame(data: Bytes) -> Frame:
    """The frame header in `data`, which may be only the beginning of the file."""
    for segment in _segments(data):
        if segment.marker in FRAME_MARKERS:
            return _frame(segment, data)
        if segment.marker == SOS:
            break
    raise MalformedJpegError("it has no frame header")


def is_scattered(data: Bytes) -> bool:
    """Whether a row's data stands in several places: no decoder can go row by row then."""
    frame = read_frame(data)
    for segment in _segments(data):
        if segment.marker == SOS:
            return frame.progressive or segment.payload(data)[:1] != bytes([len(frame.sampling)])
    return frame.progressive


def estimated_quality(data: Bytes, structure: JpegStructure) -> int:
    """IJG quality (1-100) that the luminance quantisation table stands for.

    The quality whose table, as libjpeg's `jpeg_quality_scaling` makes it, has the nearest sum:
    exact for tables that libjpeg scaled, an estimate for others.
    """
    total = sum(luminance_table(data, structure))
    return min(_IJG_SUMS, key=lambda quality: abs(_IJG_SUMS[quality] - total))


def luminance_table(data: Bytes, structure: JpegStructure) -> tuple[int, ...]:
    """The 64 quantisation steps of the first component, in the file's own order."""
    for segment in structure.segments:
        if segment.marker != DQT:
            continue
        payload = segment.payload(data)
        position = 0
        while position < len(payload):
            wide, index = payload[position] >> 4, payload[position] & 15
            size = 128 if wide else 64
            table = payload[position + 1 : position + 1 + size]
            if len(table) < size:
                break
            if index == 0:
                return struct.unpack(">64H" if wide else "64B", table)
            position += 1 + size
    raise MalformedJpegError("it has no quantisation table")


def _scaled_sum(quality: int) -> int:
    scale = 5000 // quality if quality < 50 else 200 - 2 * quality
    return sum(min(255, max(1, (value * scale + 50) // 100)) for value in _IJG_LUMINANCE)


def _segments(data: Bytes) -> Iterator[Segment]:
    if data[:2] != b"\xff\xd8":
        raise MalformedJpegError("it does not begin as a JPEG")
    position = 2
    while (start := _next_marker(data, position)) is not None:
        marker, position = data[start + 1], start + 2
        if marker == EOI:
            yield Segment(marker, start, position)
            return
        if marker in _STANDALONE:
            continue
        length = int.from_bytes(data[position : position + 2])
        position += length
        if length < 2 or position > len(data):
            raise MalformedJpegError(f"the segment at byte {start} is cut off")
        yield Segment(marker, start, position)
        if marker == SOS:
            scan_end = _MARKER_AFTER_SCAN.search(data, position)
            if scan_end is None:
                return
            position = scan_end.start()


def _next_marker(data: Bytes, position: int) -> int | None:
    """Where the last 0xFF before a marker's code is; any number of them may stand there."""
    if position < len(data) and data[position] != 0xFF:
        raise MalformedJpegError(f"there is no marker at byte {position}")
    while position + 1 < len(data):
        if data[position + 1] != 0xFF:
            return position
        position += 1
    return None


def _frame(segment: Segment, data: Bytes) -> Frame:
    payload = segment.payload(data)
    try:
        precision, height, width, components = struct.unpack_from(">BHHB", payload)
        sampling = tuple(
            (payload[7 + 3 * index] >> 4, payload[7 + 3 * index] & 15)
            for index in range(components)
        )
    except (struct.error, IndexError):
        raise MalformedJpegError("its frame header is cut off") from None
    return Frame(segment.marker, precision, width, height, sampling)


_IJG_SUMS = {quality: _scaled_sum(quality) for quality in range(1, 101)}
