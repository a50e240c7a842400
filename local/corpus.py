"""The demo's pictures: what lives in a real bucket, and what goes wrong in one.

Photographs, micrographs and scans come from a package that ships some; icons, screenshots and the
awkward files are drawn here, the same bytes every time.
"""

import io
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from PIL import ExifTags, Image, ImageCms, ImageDraw, ImageFont

_SRGB: Final = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the demo's CSV, and the object that it names."""

    key: str
    body: bytes | None
    """None: there is no such object."""
    about: str
    expected: str = ""
    """`FAILED/NOT_FOUND` and the like; empty where COMPRESSED is as good as SKIPPED."""


def rows(pictures: Path) -> list[Row]:
    """Every row of the demo's CSV, in its order; `pictures` is the folder of the shipped ones."""
    listed = [*_photographs(pictures), *_graphics(pictures), *_hard_keys(pictures)]
    again = listed[0]
    return [
        *listed,
        *_awkward(pictures),
        # Which of the two is the duplicate depends on who gets to it first.
        Row(again.key, again.body, "the first row once more"),
    ]


def _photographs(pictures: Path) -> list[Row]:
    astronaut = _open(pictures / "astronaut.png")
    cat = _open(pictures / "chelsea.png")
    coffee = _open(pictures / "coffee.png")
    street = _open(pictures / "motorcycle_left.png")
    camera = _open(pictures / "camera.png")
    tissue = _open(pictures / "ihc.png")
    print_ready = coffee.convert("CMYK")
    large = astronaut.resize((2400, 1800), Image.Resampling.LANCZOS, box=(0, 0, 512, 384))
    done = _jpeg(cat, 60)
    return [
        Row("photos/rocket.jpg", _read(pictures / "rocket.jpg"), "photograph as published"),
        Row("photos/retina.jpg", _read(pictures / "retina.jpg"), "medical photograph"),
        Row("photos/hubble.jpg", _read(pictures / "hubble_deep_field.jpg"), "photograph, XMP"),
        Row("photos/astronaut.jpg", _jpeg(astronaut, 95), "camera JPEG"),
        Row("photos/astronaut-large.jpg", _jpeg(large, 93), "4 megapixels"),
        Row("photos/cat.jpeg", _jpeg(cat, 98, sampling=0), "full colour resolution"),
        Row("photos/coffee.JPG", _jpeg(coffee, 92), "upper-case extension"),
        Row("photos/street.jpg", _jpeg(street, 96, progressive=True), "progressive"),
        Row("photos/street-rotated.jpg", _jpeg(street, 94, orientation=6), "turned by EXIF"),
        Row("photos/street-mirrored.jpg", _jpeg(street, 90, orientation=2), "mirrored by EXIF"),
        Row("photos/tissue.jpg", _jpeg(tissue, 100, sampling=0), "micrograph, quality 100"),
        Row("photos/camera-grey.jpg", _jpeg(camera, 95), "grey"),
        Row("photos/print-cmyk.jpg", _jpeg(print_ready, 92), "CMYK for print"),
        Row("photos/cat-done.jpg", done, "quality 60 already"),
        Row("photos/astronaut.png", _read(pictures / "astronaut.png"), "photograph as PNG"),
        Row("photos/coffee.png", _read(pictures / "coffee.png"), "photograph as PNG"),
        Row("photos/street.png", _read(pictures / "motorcycle_right.png"), "photograph as PNG"),
    ]


def _graphics(pictures: Path) -> list[Row]:
    logo = _open(pictures / "logo.png")
    moon = _open(pictures / "moon.png")
    deep = Image.new("I;16", moon.size)
    deep.putdata([value * 257 for value in moon.get_flattened_data()])
    screen = _screenshot((1280, 800))
    return [
        Row("scans/page.png", _read(pictures / "page.png"), "scanned page, grey"),
        Row("scans/text.png", _read(pictures / "text.png"), "scanned text, grey"),
        Row("scans/moon-16-bit.png", _png(deep), "16 bits a pixel"),
        Row("textures/grass.png", _read(pictures / "grass.png"), "grey texture"),
        Row("textures/gravel.png", _read(pictures / "gravel.png"), "grey texture"),
        Row("textures/brick.jpg", _jpeg(_open(pictures / "brick.png"), 90), "grey texture"),
        Row("screens/desktop.png", _png(screen), "screenshot"),
        Row("screens/desktop.jpg", _jpeg(screen, 95), "screenshot as JPEG"),
        Row("screens/window.png", _png(_screenshot((640, 480))), "screenshot"),
        Row("screens/palette.png", _png(screen.quantize(64)), "palette of 64 colours"),
        Row("icons/logo.png", _read(pictures / "logo.png"), "logo with transparency"),
        Row("icons/logo-small.png", _png(logo.resize((96, 96))), "icon with transparency"),
        Row("icons/badge.png", _png(_badge(256)), "icon with transparency"),
        Row("icons/badge-small.png", _png(_badge(32)), "tiny icon"),
        Row("icons/horse.png", _read(pictures / "horse.png"), "silhouette"),
        Row("icons/one-bit.png", _png(logo.convert("L").convert("1")), "black and white"),
    ]


def _hard_keys(pictures: Path) -> list[Row]:
    coins = _jpeg(_open(pictures / "coins.png"), 92)
    clock = _jpeg(_open(pictures / "clock_motion.png"), 92)
    return [
        Row("odd keys/two words + a plus.jpg", coins, "spaces and a plus sign"),
        Row('odd keys/100%20 off, "now".jpg', clock, "per cent, comma, quotes"),
        Row("odd keys/coração 写真 🌄.png", _png(_badge(128)), "Unicode"),
    ]


def _awkward(pictures: Path) -> list[Row]:
    whole = _read(pictures / "rocket.jpg")
    cat = _open(pictures / "chelsea.png")
    unsupported = "SKIPPED/UNSUPPORTED_FORMAT"
    return [
        Row("photos/was-deleted.jpg", None, "no such object", "FAILED/NOT_FOUND"),
        Row("broken/cut-off.jpg", whole[: len(whole) // 2], "half a file", "FAILED/CORRUPT_IMAGE"),
        Row("broken/notes.png", b"Not a picture at all.\n", "text in a .png", unsupported),
        Row("other/animation.gif", _encoded(cat.quantize(32), "GIF"), "GIF", unsupported),
        Row("other/cat.webp", _encoded(cat, "WEBP"), "WebP", unsupported),
        Row("other/really-a-jpeg.png", _jpeg(cat, 95), "JPEG named .png"),
    ]


def _read(path: Path) -> bytes:
    return path.read_bytes()


def _open(path: Path) -> Image.Image:
    with Image.open(path) as picture:
        picture.load()
        return picture


def _jpeg(
    picture: Image.Image,
    quality: int,
    *,
    sampling: int = 2,
    progressive: bool = False,
    orientation: int = 1,
) -> bytes:
    """A JPEG as a camera would save it, with EXIF, and a colour profile where it is in colour."""
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "imagepress"
    exif[ExifTags.Base.Model] = "Demo"
    exif[ExifTags.Base.Orientation] = orientation
    exif[ExifTags.Base.DateTime] = "2024:02:01 12:00:00"
    return _encoded(
        picture,
        "JPEG",
        quality=quality,
        subsampling=sampling,
        progressive=progressive,
        exif=exif,
        icc_profile=_SRGB if picture.mode == "RGB" else None,
    )


def _png(picture: Image.Image) -> bytes:
    """A PNG as quick tools save it: packed lightly."""
    return _encoded(picture, "PNG", compress_level=2)


def _encoded(picture: Image.Image, file_format: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, file_format, **options)
    return buffer.getvalue()


def _screenshot(size: tuple[int, int]) -> Image.Image:
    """Windows with text in them: flat areas, thin lines, sharp letters."""
    width, height = size
    draw_random = random.Random(width)  # noqa: S311 - the same picture every time is the point
    screen = Image.linear_gradient("L").resize(size).convert("RGB")
    screen = Image.blend(screen, Image.new("RGB", size, "#1e5a96"), 0.7)
    draw = ImageDraw.Draw(screen)
    font = ImageFont.load_default(size=14)
    for left, top in ((0.05, 0.08), (0.3, 0.2), (0.45, 0.45)):
        x, y = int(left * width), int(top * height)
        right, bottom = x + width // 2, y + height // 2
        draw.rectangle((x, y, right, bottom), fill="#fbfbfb", outline="#404040")
        draw.rectangle((x, y, right, y + 24), fill="#30343c")
        draw.text((x + 8, y + 4), f"{x}, {y}", fill="white", font=font)
        for line in range(y + 34, bottom - 20, 20):
            words = " ".join("word" + "s" * draw_random.randint(0, 3) for _ in range(30))
            draw.text((x + 10, line), words[: width // 17], fill="#202020", font=font)
    return screen


def _badge(side: int) -> Image.Image:
    """A round icon with soft edges on a transparent ground."""
    large = Image.new("RGBA", (side * 4, side * 4), (0, 0, 0, 0))
    draw = ImageDraw.Draw(large)
    edge = side * 4 - 1
    draw.ellipse((0, 0, edge, edge), fill="#f2b705")
    draw.ellipse((side // 2, side // 2, edge - side // 2, edge - side // 2), fill="#d94f30e0")
    draw.polygon([(side * 2, side), (side * 3, side * 3), (side, side * 3)], fill="white")
    return large.resize((side, side), Image.Resampling.LANCZOS)
