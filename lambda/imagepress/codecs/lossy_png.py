"""PNG with loss: a palette, or samples that are rounded, whichever passes the gate and is smaller.

Only what has 8 bits a sample and many colours may lose something. What has a palette or was rounded
before may not: no run adds to another's losses.
"""

import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial, reduce
from math import floor
from typing import Final

import oxipng
from PIL import Image, ImageChops

from imagepress import png_structure as structure
from imagepress.codecs.near_lossless import STEPS, NearLossless
from imagepress.codecs.palette import NoPaletteError, with_colour, with_palette
from imagepress.codecs.png_gate import ALPHA_MODES, Gate, hides_nothing
from imagepress.codecs.similarity import SimilarityUnavailableError
from imagepress.effort import Effort
from imagepress.image_header import ImageHeader

# Animations, colours that mean something by their exact value, and light that the gate misjudges.
_LOSSLESS_ONLY: Final = frozenset({b"acTL", b"fcTL", b"fdAT", b"tRNS", b"PLTE", b"hIST", b"cICP"})
_USUAL_GAMMAS: Final = range(40_000, 60_000)
_FEW_COLOURS: Final = 256
_FEW_GREYS: Final = 32
# Among more colours a palette is sought for minutes.
_MOST_COLOURS: Final = 1 << 18
# From this share of flat pixels on a picture was drawn. The palette of a photograph seldom passes,
# which a few of its rows tell sooner, and gets little better with quality.
_DRAWN: Final = 0.65
_SAMPLED_PIXELS: Final = 1 << 17
_SAMPLED_BANDS: Final = 8
# Points of the score: a palette this far off gets no better.
_HOPELESS: Final = 20
_HOPELESS_SHOT: Final = 3
# libvips may leave one of 256 out; more quality changes nothing then.
_FULL_PALETTE: Final = 255
# So few are dithered so much that more colours may be smaller.
_SPARSE_PALETTE: Final = 24
_FIRST_STEP: Final = 5
_UNTOUCHED: Final = 100
_DRAFT: Final = 6
_COLOUR_TYPES: Final = {
    "L": "grayscale",
    "LA": "grayscale_alpha",
    "RGB": "rgb",
    "RGBA": "rgba",
}


@dataclass(frozen=True, slots=True)
class Work:
    """What is tried. Qualities of palettes lead from what looks best to what is smallest."""

    qualities: Sequence[int]
    dithers: Sequence[float]
    flat_share: float
    """A palette is looked for where so many pixels equal their left neighbours."""
    steps: Sequence[int]
    tries: int
    """How many steps are tried at most."""
    close: float
    """So many points of the score above what is asked are not worth another try."""
    both: bool
    """Whether a picture that got a palette is rounded as well, to see which is smaller."""
    palette_deflate: int
    rounded_deflate: int
    lossless_level: int
    lossless_deflate: int
    lossless_above: float
    """The share of the source from which on lossless is tried beside a lossy candidate."""


WORK: Final = {
    Effort.FAST: Work(
        qualities=(80,),
        dithers=(1.0,),
        flat_share=0.65,
        steps=(4,),
        tries=1,
        close=4,
        both=False,
        palette_deflate=7,
        rounded_deflate=7,
        lossless_level=1,
        lossless_deflate=10,
        lossless_above=0.9,
    ),
    Effort.BALANCED: Work(
        qualities=(100, 92, 80, 50),
        dithers=(1.0,),
        flat_share=0.3,
        steps=STEPS,
        tries=3,
        close=4,
        both=False,
        palette_deflate=10,
        rounded_deflate=7,
        lossless_level=2,
        lossless_deflate=10,
        lossless_above=0.75,
    ),
    Effort.SMALL: Work(
        qualities=(100, 92, 86, 80, 72, 65, 58, 50, 40),
        dithers=(1.0, 0.0),
        flat_share=0.0,
        steps=STEPS,
        tries=6,
        close=1,
        both=True,
        palette_deflate=12,
        rounded_deflate=12,
        lossless_level=4,
        lossless_deflate=12,
        lossless_above=0.6,
    ),
}


@dataclass(frozen=True, slots=True)
class Lossy:
    """A whole file, and who made it."""

    encoder: str
    data: bytes


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A picture, its score, as it was written quickly, and how it is written best."""

    encoder: str
    picture: Image.Image
    score: float
    draft: bytes
    encode: Callable[[], bytes]


def smallest_lossy(
    picture: Image.Image, data: bytes, header: ImageHeader, quality: int, work: Work
) -> Lossy | None:
    """The smallest file for `picture`, out of `data`, that passes the gate; None if none does."""
    if not _may_be_lossy(picture, data, header):
        return None
    bare = _bare(picture, data)
    try:
        rounding = _near_lossless_of(bare)
        if rounding is not None and rounding.is_done_already:
            return None
        gate = Gate(bare, quality)
    except SimilarityUnavailableError:
        return None
    candidates: list[_Candidate] = []
    flat_share = _flat_share(bare)
    if flat_share >= work.flat_share and _may_get_palette(bare):
        if flat_share >= _DRAWN:
            candidates += _palettes(bare, data, gate, work, _HOPELESS)
        elif work.both or _sample_gets_palette(bare, quality, work):
            candidates += _palettes(bare, data, gate, work, _HOPELESS_SHOT)
    if rounding is not None and (work.both or not candidates):
        rounded = _rounded(rounding, gate, work)
        candidates += [rounded] if rounded else []
    if not candidates:
        return None
    best = min(candidates, key=lambda candidate: len(candidate.draft))
    encoded = structure.with_metadata_of(data, best.encode())
    return Lossy(best.encoder, encoded) if _is_faithful(encoded, best.picture, data) else None


def _may_be_lossy(picture: Image.Image, data: bytes, header: ImageHeader) -> bool:
    parts = structure.parse(data)
    payloads = {chunk.kind: data[chunk.start : chunk.end] for chunk in parts.chunks}
    few = _FEW_GREYS if picture.mode in ("L", "LA") else _FEW_COLOURS
    return (
        header.depth == 8
        and picture.mode in _COLOUR_TYPES
        and not parts.kinds() & _LOSSLESS_ONLY
        and not picture.info.get("interlace")
        and set(payloads.get(b"sBIT", b"\x08")) == {8}
        and int.from_bytes(payloads.get(b"gAMA", b"\0\0\xb1\x8f")) in _USUAL_GAMMAS
        and picture.getcolors(few) is None
    )


def _bare(picture: Image.Image, data: bytes) -> Image.Image:
    """Pixels alone, without an alpha channel that hides nothing; sBIT would count its bits."""
    needless = picture.mode in ALPHA_MODES and hides_nothing(picture)
    if needless and b"sBIT" not in structure.parse(data).kinds():
        bare = picture.convert(picture.mode.removesuffix("A"))
    else:
        bare = picture.copy()
    bare.info = {}
    return bare


def _may_get_palette(picture: Image.Image) -> bool:
    """Grey stays grey, and among millions of colours a palette is sought for minutes."""
    if picture.mode not in ("RGB", "RGBA"):
        return False
    is_small = picture.width * picture.height <= _MOST_COLOURS
    return is_small or picture.getcolors(_MOST_COLOURS) is not None


def _sample_gets_palette(picture: Image.Image, quality: int, work: Work) -> bool:
    """Whether a large picture's bands of rows pass in a palette, as they do before all of it does.

    Small pictures are not asked: to try is as cheap.
    """
    if picture.width * picture.height < 2 * _SAMPLED_PIXELS:
        return True
    sample = _bands(picture)
    middle = work.qualities[len(work.qualities) // 2]
    try:
        found = _decoded(with_palette(sample, middle, work.dithers[0]))
    except (NoPaletteError, ImportError, OSError):
        return False
    gate = Gate(sample, quality)
    return gate.score(found) >= gate.least


def _bands(picture: Image.Image) -> Image.Image:
    """Some rows of `picture`, from top to bottom."""
    width, height = picture.size
    rows = max(1, min(height, _SAMPLED_PIXELS // width) // _SAMPLED_BANDS)
    sample = Image.new(picture.mode, (width, rows * _SAMPLED_BANDS))
    for band in range(_SAMPLED_BANDS):
        top = height * band // _SAMPLED_BANDS
        sample.paste(picture.crop((0, top, width, top + rows)), (0, rows * band))
    return sample


def _flat_share(picture: Image.Image) -> float:
    """How many pixels are as their left neighbour: many in what was drawn, few in what was shot."""
    width, height = picture.size
    left = picture.crop((0, 0, width - 1, height))
    bands = ImageChops.difference(left, picture.crop((1, 0, width, height))).split()
    return reduce(ImageChops.lighter, bands).histogram()[0] / max(1, left.width * height)


def _palettes(
    picture: Image.Image, data: bytes, gate: Gate, work: Work, hopeless: int
) -> Iterator[_Candidate]:
    """Palettes that pass; none where the first missed by over `hopeless`.

    From one with room to spare the search goes on to poorer ones; from one with few colours and
    little room to richer ones.
    """
    for dither in work.dithers:
        low, high = -1, len(work.qualities)
        at = high // 2
        while low < at < high:
            found = _palette(picture, data, gate, work.qualities[at], dither, work.palette_deflate)
            if found is None:
                return
            missed = gate.least - found.score
            if missed > 0:
                high = at
                if missed > hopeless or _colours(found.picture) >= _FULL_PALETTE:
                    break
            else:
                yield found
                if -missed >= 2 * work.close or _colours(found.picture) > _SPARSE_PALETTE:
                    low = at
                    if -missed < work.close:
                        break
                else:
                    high = at
            at = (low + high + 1) // 2


def _colours(picture: Image.Image) -> int:
    """How many entries of its palette a picture has use for."""
    return sum(map(bool, picture.histogram()))


def _palette(
    picture: Image.Image, data: bytes, gate: Gate, quality: int, dither: float, deflate: int
) -> _Candidate | None:
    """The picture in a palette, whether it passes or not; None where there cannot be one."""
    try:
        draft = with_palette(picture, quality, dither)
    except (NoPaletteError, ImportError, OSError):
        return None
    background = structure.background(data)
    if background is not None:
        draft = with_colour(draft, background)
    result = _decoded(draft)

    def encode() -> bytes:
        return oxipng.optimize_from_memory(
            draft,
            filter=[oxipng.RowFilter.NoOp],
            deflate=oxipng.Deflaters.libdeflater(deflate),
            # The background colour may need an entry of its own.
            bit_depth_reduction=background is None,
            grayscale_reduction=False,
        )

    return _Candidate("palette+oxipng", result, gate.score(result), draft, encode)


def _near_lossless_of(picture: Image.Image) -> NearLossless | None:
    try:
        return NearLossless(picture)
    except (ImportError, OSError):
        return None


def _rounded(rounding: NearLossless, gate: Gate, work: Work) -> _Candidate | None:
    """The picture with the greatest step that passes.

    The next step is guessed from the score, which falls about evenly with it.
    """
    best, best_score = None, 0.0
    low, high = work.steps[0] - 1, work.steps[-1] + 1
    step = min(_FIRST_STEP, high - 1)
    for _ in range(work.tries):
        if not low < step < high:
            break
        result = rounding.rounded(step)
        score = gate.score(result)
        spare = floor((score - gate.least) * step / max(1, _UNTOUCHED - score))
        if score < gate.least:
            high = step
            step = max(low + 1, step + spare)
        else:
            best, best_score, low = result, score, step
            if score - gate.least < work.close:
                break
            step = min(high - 1, step + spare)
    if best is None:
        return None
    draft = _averaged(best, _DRAFT) if work.both else b""
    encode = partial(_averaged, best, work.rounded_deflate)
    return _Candidate("near-lossless+oxipng", best, best_score, draft, encode)


def _averaged(picture: Image.Image, deflate: int) -> bytes:
    """A PNG with the filter that pictures are rounded for."""
    colour_type = getattr(oxipng.ColorType, _COLOUR_TYPES[picture.mode])()
    image = oxipng.RawImage(picture.tobytes(), *picture.size, color_type=colour_type)
    return image.create_optimized_png(
        filter=[oxipng.RowFilter.Average],
        deflate=oxipng.Deflaters.libdeflater(deflate),
        bit_depth_reduction=False,
        color_type_reduction=False,
        palette_reduction=False,
        grayscale_reduction=False,
    )


def _is_faithful(encoded: bytes, picture: Image.Image, source: bytes) -> bool:
    """Whether another decoder than oxipng's sees `picture`, and all metadata of `source`."""
    result = _decoded(encoded)
    same_metadata = structure.metadata(source) == structure.metadata(encoded)
    return same_metadata and _pixels(result) == _pixels(picture)


def _decoded(data: bytes) -> Image.Image:
    picture = Image.open(io.BytesIO(data), formats=("PNG",))
    picture.load()
    return picture


def _pixels(picture: Image.Image) -> bytes:
    has_alpha = picture.mode in ALPHA_MODES or "transparency" in picture.info
    return picture.convert("RGBA" if has_alpha else "RGB").tobytes()
