"""Photographs as cameras leave them: about 3 megapixels and a megabyte, the same every time."""

from pathlib import Path
from typing import Final

from PIL import Image

from local.layout import LOCAL

PIXELS: Final = 3_000_000
QUALITY: Final = 96

_DATA: Final = LOCAL / "bench-pictures/skimage/data"
_NAMES: Final = (
    "astronaut.png",
    "coffee.png",
    "chelsea.png",
    "motorcycle_left.png",
    "motorcycle_right.png",
    "ihc.png",
    "retina.jpg",
    "hubble_deep_field.jpg",
)


def take_photographs(folder: Path) -> list[Path]:
    """Write the photographs, enlarged, into `folder`."""
    files = []
    for name in _NAMES:
        file = folder / Path(name).with_suffix(".jpg")
        with Image.open(_DATA / name) as opened:
            picture = opened.convert("RGB")
        scale = (PIXELS / (picture.width * picture.height)) ** 0.5
        size = (round(picture.width * scale), round(picture.height * scale))
        enlarged = picture.resize(size, Image.Resampling.BICUBIC)
        enlarged.save(file, quality=QUALITY, subsampling="4:4:4")
        files.append(file)
    return files
