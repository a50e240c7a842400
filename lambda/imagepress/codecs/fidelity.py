"""Proof that a compressed file still is the picture that it was made from.

Lossless means equal pixels, frame by frame; of 16-bit colour Pillow gives the high bytes only, so
that libvips looks at it too. Lossy results are compared on a grid of averaged blocks, which coding
noise does not move but a wrong colour space, a shift or damage does.
"""

from pathlib import Path
from typing import cast

import pyjpegli
from PIL import Image, ImageChops, ImageStat, PngImagePlugin, UnidentifiedImageError

from imagepress.codecs import jpegli_rows, strict_jpeg
from imagepress.codecs.jpegli import JpegliUnavailableError
from imagepress.errors import RowFailed
from imagepress.image_header import ImageHeader, read_header
from imagepress.outcome import FailureCode

BLOCK = 8
BAND_ROWS = 8 * BLOCK
NARROW_BLOCKS = 8
DEEP = 16
BASE_TOLERANCE = 4.0
TOLERANCE_A_QUALITY = 0.3
COMPARED_INFO = ("icc_profile", "exif", "xmp", "dpi", "comment", "gamma", "chromaticity")

# The limit on pixels is the run's own and was checked on the header already.
Image.MAX_IMAGE_PIXELS = None
# Editors write XMP of megabytes; a chunk that inflates to more than this is a bomb.
PngImagePlugin.MAX_TEXT_CHUNK = 16 << 20


def load(file: Path, header: ImageHeader) -> Image.Image:
    """Decode the whole picture in `file`; raise `RowFailed` where it is damaged."""
    try:
        image = Image.open(file, formats=(header.format,))
        image.load()
    except MemoryError:
        raise RowFailed(
            FailureCode.TOO_LARGE_FOR_MEMORY, "The picture does not fit into the function's memory."
        ) from None
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        raise damaged(str(error)) from None
    _check_size(image, header)
    return image


def load_jpeg(file: Path, data: bytes, end: int, header: ImageHeader) -> Image.Image:
    """Decode the JPEG in `file`, whose bytes are `data`; raise `RowFailed` where it is damaged.

    Pillow takes damaged data in silence; compressing it would write the damage down for good. So
    libjpeg has to find nothing wrong, or where it cannot be asked, a second decoder has to see
    what Pillow sees. The picture ends at `end`.
    """
    try:
        picture = strict_jpeg.decode(data, end)
    except strict_jpeg.FlawedJpegError as error:
        raise damaged(str(error)) from None
    except strict_jpeg.LibjpegUnavailableError:
        return _loaded_and_seen_elsewhere(file, data, header)
    _check_size(picture, header)
    if picture.mode == "CMYK":
        return load(file, header)  # Pillow knows which way round the inks are
    with Image.open(file, formats=(header.format,)) as opened:
        picture.info = opened.info
    return picture


def _check_size(picture: Image.Image, header: ImageHeader) -> None:
    if picture.size != (header.width, header.height):
        raise damaged(f"it decodes to {picture.width} x {picture.height} pixels")


def _loaded_and_seen_elsewhere(file: Path, data: bytes, header: ImageHeader) -> Image.Image:
    picture = load(file, header)
    if picture.mode in ("RGB", "L"):
        try:
            _compare_means(picture.reduce(BLOCK), _means_elsewhere(data), BASE_TOLERANCE)
        except (ValueError, RowFailed) as error:
            raise damaged(f"decoders do not agree on it ({error})") from None
    return picture


def verify(before: Image.Image, output: Path, header: ImageHeader, *, quality: int | None) -> None:
    """Raise `RowFailed(UNFAITHFUL)` unless `output` is `before`; `quality` None means lossless."""
    new_header = read_header(output)
    if new_header.depth != header.depth and DEEP in (new_header.depth, header.depth):
        raise unfaithful(f"it has {new_header.depth} bits a sample instead of {header.depth}")
    after = load(output, header)
    if getattr(before, "n_frames", 1) != getattr(after, "n_frames", 1):
        raise unfaithful("it has another number of frames")
    _compare_info(before, after)
    if quality is None:
        _compare_all_frames(before, after)
    elif before.mode != after.mode:
        raise unfaithful(f"it became {after.mode} from {before.mode}")
    else:
        _compare_blocks(before, after, _tolerance(quality))


def verify_deep(source: bytes, packed: bytes) -> None:
    """Raise `RowFailed(UNFAITHFUL)` unless two PNGs of 16 bits hold the same samples."""
    import pyvips  # noqa: PLC0415 - 30 ms, and few pictures are that deep

    try:
        one, other = (pyvips.Image.new_from_buffer(data, "") for data in (source, packed))
        if one.bands != other.bands or one.write_to_memory() != other.write_to_memory():
            raise unfaithful("its pixels differ")
    except pyvips.Error as error:
        raise damaged(str(error)) from None


def verify_info(before: Image.Image, output: Path, header: ImageHeader) -> None:
    """Raise `RowFailed(UNFAITHFUL)` unless `output` says of itself what `before` did.

    Not a pixel is decoded: for what another decoder looks at.
    """
    with Image.open(output, formats=(header.format,)) as after:
        if (before.mode, before.size) != (after.mode, after.size):
            raise unfaithful(f"it became {after.mode} of {after.size} from {before.mode}")
        _compare_info(before, after)


def thumbnail(file: Path, header: ImageHeader) -> Image.Image:
    """A JPEG at an eighth of its size, for which all of it is read; raise where it is damaged."""
    try:
        image = Image.open(file, formats=(header.format,))
        if image.size != (header.width, header.height):
            raise damaged(f"it has {image.width} x {image.height} pixels")
        image.draft(None, (1, 1))
        image.load()
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        raise damaged(str(error)) from None
    return image


def verify_thumbnail(
    before: Image.Image, output: Path, header: ImageHeader, *, quality: int
) -> None:
    """Raise `RowFailed(UNFAITHFUL)` unless the JPEG `output` looks like the thumbnail `before`.

    Each pixel is the mean of 8 x 8, as in the comparison of whole pictures, and costs less.
    """
    after = thumbnail(output, header)
    _compare_info(before, after)
    if (before.mode, before.size) != (after.mode, after.size):
        raise unfaithful(f"it became {after.mode} of {after.size} from {before.mode}")
    _compare(before, after, _tolerance(quality))


def verify_jpeg_elsewhere(means: Image.Image, output: Path, *, quality: int) -> None:
    """Raise `RowFailed(UNFAITHFUL)` unless a decoder that is not libjpeg sees the same in `output`.

    `means` is the picture with each pixel the mean of a block. For what was encoded here: jpegli
    reads it, which ends the process at an error, and takes as much chroma across as down.
    """
    try:
        if min(means.size) < NARROW_BLOCKS:
            seen = _means_elsewhere(output.read_bytes())
        else:
            seen = _thumbnail_elsewhere(output)
    except ValueError as error:
        raise unfaithful(f"another decoder refuses it ({error})") from None
    _compare_means(means, seen, _tolerance(quality))


def _thumbnail_elsewhere(output: Path) -> Image.Image:
    """The same as `_means_elsewhere` in half of the time, but for the edges."""
    try:
        with jpegli_rows.Reader(output, BLOCK) as reader:
            pixels = b"".join(rows.tobytes() for rows in reader.rows())
            if reader.warnings:
                raise ValueError("it is incomplete")
            return Image.frombytes(reader.mode, reader.size, pixels)
    except JpegliUnavailableError:
        return _means_elsewhere(output.read_bytes())


def _compare_means(means: Image.Image, seen: Image.Image, tolerance: float) -> None:
    if seen.size != means.size:
        raise unfaithful("another decoder sees another number of pixels")
    _compare(means.convert(seen.mode), seen, tolerance)


def _means_elsewhere(data: bytes) -> Image.Image:
    """What jpegli sees, with each pixel the mean of a block; `ValueError` where it refuses."""
    try:
        pixels, width, height = pyjpegli.decode(data, max_pixels=None)
    except RuntimeError as error:
        if "memory" in str(error):
            raise MemoryError from None
        raise ValueError(str(error)) from None
    return _block_means(pixels, (width, height))


def _block_means(pixels: bytes, size: tuple[int, int]) -> Image.Image:
    """An RGB picture reduced to the means of its blocks, a few rows at a time: they stay cached."""
    width, height = size
    means = Image.new("RGB", (-(-width // BLOCK), -(-height // BLOCK)))
    for top in range(0, height, BAND_ROWS):
        rows = min(BAND_ROWS, height - top)
        band = pixels[3 * width * top : 3 * width * (top + rows)]
        image = Image.frombuffer("RGB", (width, rows), band, "raw", "RGB", 0, 1)
        means.paste(image.reduce(BLOCK), (0, top // BLOCK))
    return means


def _tolerance(quality: int) -> float:
    return BASE_TOLERANCE + (100 - quality) * TOLERANCE_A_QUALITY


def _compare_info(before: Image.Image, after: Image.Image) -> None:
    for name in COMPARED_INFO:
        if before.info.get(name) != after.info.get(name):
            raise unfaithful(f"its {name} differs")


def _compare_all_frames(before: Image.Image, after: Image.Image) -> None:
    for frame in range(getattr(before, "n_frames", 1)):
        try:
            if frame:
                before.seek(frame)
                after.seek(frame)
            one, other = _comparable(before, after)
        except (OSError, SyntaxError, ValueError) as error:
            raise damaged(str(error)) from None
        if one.tobytes() != other.tobytes():
            raise unfaithful("its pixels differ")


def _comparable(before: Image.Image, after: Image.Image) -> tuple[Image.Image, Image.Image]:
    """Both in one mode that holds all of both: a palette and its colours are the same picture."""
    same_transparency = before.info.get("transparency") == after.info.get("transparency")
    if before.mode == after.mode != "P" and same_transparency:
        return before, after
    return before.convert("RGBA"), after.convert("RGBA")


def _compare_blocks(before: Image.Image, after: Image.Image, tolerance: float) -> None:
    _compare(before.reduce(BLOCK), after.reduce(BLOCK), tolerance)


def _compare(before: Image.Image, after: Image.Image, tolerance: float) -> None:
    difference = ImageChops.difference(before, after)
    # Where no single one is off by more, which takes less time to see, they are not together.
    extrema = (cast("tuple[int, int]", band.getextrema()) for band in difference.split())
    if all(largest <= tolerance for _, largest in extrema):
        return
    worst = max(ImageStat.Stat(difference).rms)
    if worst > tolerance:
        raise unfaithful(f"its colours are off by {worst:.0f} of 255")


def damaged(why: str) -> RowFailed:
    """The outcome of a picture that cannot be decoded in full."""
    return RowFailed(FailureCode.CORRUPT_IMAGE, f"The image is damaged: {why}.")


def unfaithful(why: str) -> RowFailed:
    """The outcome of a result that is not the picture it was made from."""
    return RowFailed(
        FailureCode.UNFAITHFUL, f"The compressed picture is not the original: {why}; it stays."
    )
