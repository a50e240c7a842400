"""The same piece of a picture before and after, as a page shows it: what compression really did.

Without loss where that is small; else as JPEGs so fine that what is seen is not theirs.
"""

import io
from pathlib import Path

from PIL import ExifTags, Image, ImageOps

from imagepress.codec_protocol import SampleRequest
from imagepress.codecs import fidelity
from imagepress.image_header import ImageHeader
from imagepress.sample import HEIGHT, WIDTH, Sample

MOST_BYTES = 100_000
QUALITIES = (97, 95, 92, 88, 80)
# Orientations of EXIF that turn a picture on its side.
TURNED = (5, 6, 7, 8)
# Modes whose profile still is that of the colours after they became RGB.
PROFILED = ("RGB", "RGBA", "P", "PA")


def make_sample(request: SampleRequest) -> Sample:
    """Cut the middle out of both pictures; raise `RowFailed` where one does not decode."""
    before, after = (_middle(file, request.header) for file in (request.before, request.after))
    kind, files = _files([before, after])
    return Sample(kind, *before.size, *files)


def _middle(file: Path, header: ImageHeader) -> Image.Image:
    """The middle as it is looked at: upright, with eight bits a sample and its colour profile."""
    with fidelity.load(file, header) as picture:
        turned = picture.getexif().get(ExifTags.Base.Orientation) in TURNED
        wanted = (HEIGHT, WIDTH) if turned else (WIDTH, HEIGHT)
        width, height = map(min, picture.size, wanted)
        left, top = (picture.width - width) // 2, (picture.height - height) // 2
        piece = picture.crop((left, top, left + width, top + height))
    upright = ImageOps.exif_transpose(piece)
    seen = _eight_bits(upright)
    profile = upright.info.get("icc_profile") if upright.mode in PROFILED else None
    # Nothing else of the file goes along: where it was taken is nobody's business.
    seen.info = {"icc_profile": profile} if profile else {}
    return seen


def _eight_bits(picture: Image.Image) -> Image.Image:
    if picture.mode.startswith("I"):
        return picture.convert("I").point(lambda value: value * (1 / 256)).convert("RGB")
    return picture.convert("RGBA" if picture.has_transparency_data else "RGB")


def _files(pieces: list[Image.Image]) -> tuple[str, list[bytes]]:
    """Both pieces as files of one kind."""
    files = [_saved(piece, "WEBP", lossless=True) for piece in pieces]
    if max(map(len, files)) <= MOST_BYTES:
        return "image/webp", files
    opaque = [_on_white(piece) for piece in pieces]
    for quality in QUALITIES:
        files = [_saved(piece, "JPEG", quality=quality, subsampling=0) for piece in opaque]
        if max(map(len, files)) <= MOST_BYTES:
            break
    return "image/jpeg", files


def _on_white(piece: Image.Image) -> Image.Image:
    if piece.mode != "RGBA":
        return piece
    ground = Image.new("RGBA", piece.size, "white")
    return Image.alpha_composite(ground, piece).convert("RGB")


def _saved(piece: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    piece.save(file, kind, icc_profile=piece.info.get("icc_profile"), **options)
    return file.getvalue()
