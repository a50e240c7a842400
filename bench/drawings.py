"""Pictures that no package has: text, a desktop, a chart, gradients; drawn alike every time."""

import io
from collections.abc import Callable
from typing import Final

import numpy as np
from matplotlib.figure import Figure
from PIL import Image, ImageDraw, ImageFilter, ImageFont

_SEED: Final = 4
_SKY_SIZE: Final = (960, 640)
_WORDS: Final = "The quick brown fox jumps over the lazy dog, 0123456789 times. " * 2


def flat(picture: Image.Image) -> Image.Image:
    """The picture in RGB, over white where something shines through."""
    picture = picture.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture).convert("RGB")


def album(pictures: list[Image.Image]) -> Image.Image:
    """A page of 4 megapixels on which photographs lie side by side, in their own size."""
    page = Image.new("RGB", (2560, 1600), (236, 232, 224))
    margin, top, across = 12, 12, 0
    left = margin
    while top < page.height:
        picture = pictures[across % len(pictures)]
        page.paste(picture.convert("RGB"), (left, top))
        left += picture.width + margin
        across += 1
        if left >= page.width:
            left, top = margin, top + 524
    return page


def desktop(photograph: Image.Image) -> Image.Image:
    """A desktop with a gradient behind, an editor and a viewer with a photograph."""
    screen = _ramp((1440, 900), (24, 40, 72), (90, 60, 110))
    draw = ImageDraw.Draw(screen)
    draw.rectangle((0, 0, 1440, 28), fill=(30, 30, 34))
    draw.text((16, 6), "File   Edit   View   Window   Help", (230, 230, 230), _font(14))
    draw.rounded_rectangle((60, 70, 800, 840), 10, fill=(250, 250, 250))
    draw.rounded_rectangle((60, 70, 800, 104), 10, fill=(222, 224, 228))
    for line in range(42):
        colour = ((40, 40, 48), (150, 40, 90), (30, 90, 160))[line % 3]
        indent = 84 + line % 4 * 24
        draw.text(
            (indent, 114 + line * 17), _WORDS[line : line + 70 - line % 23], colour, _font(13)
        )
    draw.rounded_rectangle((700, 300, 1380, 780), 10, fill=(44, 44, 50))
    screen.paste(photograph.convert("RGB"), (740, 346))
    return screen


def chart() -> Image.Image:
    """A chart as programs draw it: lines, bars, a heat map, text."""
    numbers = np.random.default_rng(_SEED)
    figure = Figure(figsize=(10, 6), dpi=100, layout="tight")
    lines, bars, heat, dots = figure.subplots(2, 2).flat
    lines.plot(numbers.normal(size=(200, 4)).cumsum(axis=0), label=list("abcd"))
    lines.legend(title="series")
    bars.bar(range(12), numbers.uniform(1, 9, 12), color="tab:green")
    heat.imshow(numbers.uniform(size=(12, 16)), cmap="viridis")
    dots.scatter(*numbers.normal(size=(2, 400)), c=numbers.uniform(size=400), alpha=0.6)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    with Image.open(buffer) as picture:
        return flat(picture)


def _text() -> Image.Image:
    picture = Image.new("RGB", (900, 700), "white")
    draw = ImageDraw.Draw(picture)
    for line in range(26):
        draw.text((20, 8 + line * 26), _WORDS, (line * 6, 20, 90), _font(10 + line))
    return picture


def _card() -> Image.Image:
    """A card with a soft shadow over nothing: its alpha is a gradient."""
    alpha = Image.new("L", (600, 420), 0)
    ImageDraw.Draw(alpha).rounded_rectangle((90, 90, 510, 330), 24, fill=160)
    picture = Image.new("RGBA", alpha.size, (0, 0, 0, 0))
    picture.putalpha(alpha.filter(ImageFilter.GaussianBlur(22)))
    draw = ImageDraw.Draw(picture)
    draw.rounded_rectangle((90, 80, 510, 320), 24, fill=(250, 250, 252, 255))
    draw.text((120, 110), "Account", (20, 24, 40, 255), _font(40))
    return picture


def _shapes() -> Image.Image:
    picture = _ramp((900, 600), (250, 240, 230), (180, 205, 235))
    draw = ImageDraw.Draw(picture)
    draw.ellipse((120, 90, 380, 350), fill=(230, 90, 60))
    draw.polygon([(480, 500), (640, 120), (820, 500)], fill=(60, 120, 110))
    return picture.filter(ImageFilter.GaussianBlur(1.5))


def _sky() -> Image.Image:
    return _ramp(_SKY_SIZE, (28, 78, 158), (196, 222, 244))


def _grainy_sky() -> Image.Image:
    sky = np.asarray(_ramp(_SKY_SIZE, (58, 60, 120), (250, 170, 96)), dtype=np.float64)
    grain = np.random.default_rng(_SEED).normal(0, 3, sky.shape)
    return Image.fromarray((sky + grain).round().clip(0, 255).astype(np.uint8))


def _glow() -> Image.Image:
    mask = Image.radial_gradient("L").resize((1000, 800), Image.Resampling.BICUBIC)
    dark, bright = (Image.new("RGB", mask.size, c) for c in ((24, 16, 64), (255, 196, 90)))
    return Image.composite(dark, bright, mask)


def _ramp(size: tuple[int, int], top: tuple[int, ...], bottom: tuple[int, ...]) -> Image.Image:
    mask = Image.linear_gradient("L").resize(size, Image.Resampling.BICUBIC)
    return Image.composite(Image.new("RGB", size, bottom), Image.new("RGB", size, top), mask)


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


DRAWINGS: Final[dict[str, Callable[[], Image.Image]]] = {
    "text": _text,
    "chart": chart,
    "card": _card,
    "shapes": _shapes,
    "sky": _sky,
    "grainy-sky": _grainy_sky,
    "glow": _glow,
}
"""By the name that `corpus` has for them."""
