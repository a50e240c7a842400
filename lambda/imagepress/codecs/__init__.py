"""The codecs, one function and one table entry each. Only the codec process imports them.

A codec `compress(source, output, header, quality)` reads the file `source`, writes the file
`output` in the same format, and has it verified. It raises `RowSkipped` for what must not be
touched and `RowFailed` for a damaged image.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

from imagepress.codec_protocol import Encoded
from imagepress.codecs.jpeg import compress_jpeg
from imagepress.codecs.png import compress_png
from imagepress.image_header import ImageFormat, ImageHeader

type Codec = Callable[[Path, Path, ImageHeader, int], Encoded]

CODECS: Mapping[ImageFormat, Codec] = {
    ImageFormat.JPEG: compress_jpeg,
    ImageFormat.PNG: compress_png,
}
