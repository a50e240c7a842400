"""The rivals: each takes a source, an output and a quality, and is asked as its users ask.

They run in processes of their own, which import what they need.
"""

import importlib
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from PIL import Image

from imagepress.codec_protocol import CodecRequest
from imagepress.codecs import compress
from imagepress.effort import Effort
from imagepress.errors import RowFailed, RowSkipped
from imagepress.image_header import read_header

SMALLEST_SAVING: Final = 0.99
"""What this project replaces is at most so much of the source (`min_savings_percent` is 1)."""

OXIPNG_LEVEL: Final = 2

type Run = Callable[[Path, Path, int], None]


@dataclass(frozen=True, slots=True)
class Tool:
    """A rival: its name in the tables, what it does, and the qualities of its curve."""

    name: str
    title: str
    run: Run
    curve: tuple[int, ...] = ()


def _imagepress(source: Path, output: Path, quality: int, *, effort: Effort) -> None:
    request = CodecRequest(source, output, read_header(source), quality, effort)
    try:
        compress(request)
    except (RowSkipped, RowFailed):
        shutil.copyfile(source, output)
        return
    if output.stat().st_size > SMALLEST_SAVING * source.stat().st_size:
        shutil.copyfile(source, output)


def _pillow_jpeg(source: Path, output: Path, quality: int) -> None:
    with Image.open(source) as picture:
        picture.save(output, "JPEG", quality=quality, optimize=True)


def _pillow_png(source: Path, output: Path, quality: int) -> None:
    with Image.open(source) as picture:
        picture.save(output, "PNG", quality=quality, optimize=True)


def _mozjpeg(source: Path, output: Path, quality: int) -> None:
    _opened_by_vips(source).jpegsave(
        str(output),
        Q=quality,
        optimize_coding=True,
        interlace=True,
        trellis_quant=True,
        overshoot_deringing=True,
        optimize_scans=True,
        quant_table=3,
        subsample_mode="on",
    )


def _vips_palette(source: Path, output: Path, quality: int) -> None:
    _opened_by_vips(source).pngsave(
        str(output), palette=True, Q=quality, effort=7, dither=1.0, compression=6
    )


def _palette_and_oxipng(source: Path, output: Path, quality: int) -> None:
    unpacked = output.with_suffix(".palette.png")
    _vips_palette(source, unpacked, quality)
    _oxipng(unpacked, output, quality)


def _oxipng(source: Path, output: Path, _: int) -> None:
    importlib.import_module("oxipng").optimize(source, output, level=OXIPNG_LEVEL)


def _optimize_images(source: Path, output: Path, quality: int) -> None:
    api = importlib.import_module("optimize_images.api")
    data, _ = api.optimize_image_data(source.read_bytes(), quality=quality)
    output.write_bytes(data)


def _opened_by_vips(source: Path) -> Any:
    image = importlib.import_module("pyvips").Image
    return image.new_from_file(str(source), access="sequential")


JPEG_CURVE: Final = (50, 70, 80, 90)
# It scores below the original at the same quality: a point where the equal score is sought.
MOZJPEG_CURVE: Final = (50, 70, 80, 85, 90)
# Above 85 this project only packs a source of 90, and would be drawn as lossless.
PROJECT_JPEG_CURVE: Final = (50, 70, 80, 85)
PNG_CURVE: Final = (60, 70, 80, 90)
PALETTE_CURVE: Final = (40, 65, 80, 100)

ORIGINAL: Final = "pillow"
PROJECT: Final = "imagepress balanced"

JPEG_TOOLS: Final = (
    Tool(
        ORIGINAL, "`save(quality=q, optimize=True)`, the original script", _pillow_jpeg, JPEG_CURVE
    ),
    Tool("optimize-images", "at quality q", _optimize_images, JPEG_CURVE),
    Tool("libvips mozjpeg", "as sharp's `mozjpeg: true`", _mozjpeg, MOZJPEG_CURVE),
    Tool("imagepress fast", "", partial(_imagepress, effort=Effort.FAST)),
    Tool(PROJECT, "", partial(_imagepress, effort=Effort.BALANCED), PROJECT_JPEG_CURVE),
    Tool("imagepress small", "", partial(_imagepress, effort=Effort.SMALL), PROJECT_JPEG_CURVE),
)
PNG_TOOLS: Final = (
    Tool(ORIGINAL, "`save(quality=q, optimize=True)`, the original script", _pillow_png),
    Tool("optimize-images", "lossless by default", _optimize_images),
    Tool("oxipng", f"level {OXIPNG_LEVEL}, lossless", _oxipng),
    Tool("libvips palette", "as sharp's `palette: true`", _vips_palette, PALETTE_CURVE),
    Tool("palette + oxipng", "libvips, as pngquant is used", _palette_and_oxipng, PALETTE_CURVE),
    Tool("imagepress fast", "", partial(_imagepress, effort=Effort.FAST)),
    Tool(PROJECT, "", partial(_imagepress, effort=Effort.BALANCED), PNG_CURVE),
    Tool("imagepress small", "", partial(_imagepress, effort=Effort.SMALL)),
)
