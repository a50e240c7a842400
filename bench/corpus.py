"""The pictures of the benchmark, the same bytes every time.

Photographs, screenshots and icons come from packages (`pictures.in` names each licence), the rest
is drawn. What is a JPEG in its package and good enough is taken as it is, without its metadata,
which most tools drop; other JPEGs are saved here at 90 to 97, as cameras and editors do.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import matplotlib as mpl
from PIL import Image

from bench import drawings
from imagepress import jpeg_structure

PICTURES_IN_QUICK: Final = 2
LOW_QUALITIES: Final = (60, 75, 85)

TINY_SIDE: Final = 160

GREY: Final = "grey"


@dataclass(frozen=True, slots=True)
class Source:
    """A file to compress; `original` is what it was made from, where that was better.

    `tiny` is a small copy, for tools to get warm on.
    """

    name: str
    kind: str
    file: Path
    original: Path
    tiny: Path

    @classmethod
    def of(cls, name: str, kind: str, file: Path, original: Path | None = None) -> Self:
        """The source in `file`, with a tiny copy beside it."""
        tiny = file.with_stem(f"{file.stem}-tiny")
        with Image.open(file) as picture:
            picture.resize((TINY_SIDE, TINY_SIDE)).save(tiny, quality=95)
        return cls(name, kind, file, original or file, tiny)


@dataclass(frozen=True, slots=True)
class _Saved:
    """How a picture becomes a JPEG; `sampling` as Pillow names it, or grey."""

    quality: int
    sampling: str


@dataclass(frozen=True, slots=True)
class Corpus:
    """All sources: JPEGs with quality to spare, JPEGs with none, PNGs."""

    jpegs: tuple[Source, ...]
    low_jpegs: tuple[Source, ...]
    pngs: tuple[Source, ...]


_FULL: Final = "4:4:4"
_HALF: Final = "4:2:0"
_SKIMAGE: Final = "skimage/data"
_URSINA: Final = "ursina/textures"
_ARCADE: Final = "arcade/resources"
_SPYDER: Final = "spyder/plugins/help/utils/static/images"

# Name, class, file in the packages or a drawing, how it is saved (None: as it is).
_JPEGS: Final[tuple[tuple[str, str, str, _Saved | None], ...]] = (
    ("astronaut", "photograph", f"{_SKIMAGE}/astronaut.png", _Saved(95, _FULL)),
    ("coffee", "photograph", f"{_SKIMAGE}/coffee.png", _Saved(95, _HALF)),
    ("cat", "photograph", f"{_SKIMAGE}/chelsea.png", _Saved(92, _HALF)),
    ("motorcycle", "photograph", f"{_SKIMAGE}/motorcycle_left.png", _Saved(95, "4:2:2")),
    ("tissue", "photograph", f"{_SKIMAGE}/ihc.png", _Saved(97, _FULL)),
    ("retina", "photograph", f"{_SKIMAGE}/retina.jpg", None),
    ("galaxies", "photograph", f"{_SKIMAGE}/hubble_deep_field.jpg", None),
    ("rocket", "photograph", f"{_SKIMAGE}/rocket.jpg", None),
    ("temple", "photograph", "sklearn/datasets/images/china.jpg", None),
    ("flower", "photograph", "sklearn/datasets/images/flower.jpg", None),
    ("shore", "photograph", f"{_URSINA}/shore.jpg", None),
    ("earth", "photograph", "pyvista/examples/2k_earth_daymap.jpg", None),
    ("album-4mp", "photograph", "drawn/album", _Saved(95, _HALF)),
    ("cameraman", "photograph", f"{_SKIMAGE}/camera.png", _Saved(92, GREY)),
    ("gravel", "photograph", f"{_SKIMAGE}/gravel.png", _Saved(97, GREY)),
    ("wall", "photograph", f"{_SKIMAGE}/brick.png", _Saved(95, GREY)),
    ("page", "scan", f"{_SKIMAGE}/page.png", _Saved(95, GREY)),
    ("cells", "screenshot", "napari/resources/multichannel_cells.png", _Saved(95, _FULL)),
    ("start", "screenshot", "glue/icons/glue_welcome.png", _Saved(95, _FULL)),
    ("help", "screenshot", f"{_SPYDER}/spyder-nice-docstring-rendering.png", _Saved(92, _HALF)),
    ("desktop", "screenshot", "drawn/desktop", _Saved(95, _HALF)),
    ("logo", "drawing", f"{_SKIMAGE}/logo.png", _Saved(95, _FULL)),
    ("chart", "drawing", "drawn/chart", _Saved(95, _FULL)),
    ("abstract", "drawing", f"{_ARCADE}/assets/images/backgrounds/abstract_2.jpg", None),
    ("sky", "gradient", "drawn/grainy-sky", _Saved(95, _HALF)),
)  # fmt: skip

_PNGS: Final[tuple[tuple[str, str, str], ...]] = (
    ("astronaut", "photograph", f"{_SKIMAGE}/astronaut.png"),
    ("cat", "photograph", f"{_SKIMAGE}/chelsea.png"),
    ("coffee", "photograph", f"{_SKIMAGE}/coffee.png"),
    ("motorcycle", "photograph", f"{_SKIMAGE}/motorcycle_left.png"),
    ("tissue", "photograph", f"{_SKIMAGE}/ihc.png"),
    ("cameraman", "photograph", f"{_SKIMAGE}/camera.png"),
    ("galaxies", "photograph", f"{_SKIMAGE}/hubble_deep_field.jpg"),
    ("admiral", "photograph", "matplotlib/grace_hopper.jpg"),
    ("start", "screenshot", "glue/icons/glue_welcome.png"),
    ("desktop", "screenshot", "drawn/desktop"),
    ("cells", "screenshot", "napari/resources/multichannel_cells.png"),
    ("help", "screenshot", f"{_SPYDER}/spyder-nice-docstring-rendering.png"),
    ("text", "screenshot", "drawn/text"),
    ("bag", "icon", f"{_URSINA}/items/bag.png"),
    ("gem", "icon", f"{_URSINA}/items/gem.png"),
    ("arcade", "icon", f"{_ARCADE}/system/logo.png"),
    ("matplotlib", "icon", "matplotlib/logo2.png"),
    ("card", "icon", "drawn/card"),
    ("tiles", "drawing", f"{_ARCADE}/assets/images/spritesheets/tiles.png"),
    ("test-card", "drawing", f"{_SKIMAGE}/color.png"),
    ("chart", "drawing", "drawn/chart"),
    ("shapes", "drawing", "drawn/shapes"),
    ("sky", "gradient", "drawn/sky"),
    ("grainy-sky", "gradient", "drawn/grainy-sky"),
    ("glow", "gradient", "drawn/glow"),
    ("vignette", "gradient", f"{_URSINA}/vignette.png"),
)  # fmt: skip

_LOW: Final = ("astronaut", "coffee", "motorcycle", "start")
_ALBUM: Final = ("astronaut", "coffee", "chelsea", "motorcycle_left", "ihc", "motorcycle_right")


def make_corpus(packages: Path, folder: Path, *, quick: bool) -> Corpus:
    """Write all sources into `folder`; with `quick` a few of each class."""
    jpegs = []
    for name, kind, where, saved in _some(_JPEGS, quick=quick):
        file = folder / f"{name}.jpg"
        if saved is None:
            file.write_bytes(_without_metadata((packages / where).read_bytes()))
        else:
            _save_jpeg(_open(packages, where), file, saved)
        jpegs.append(Source.of(name, kind, file))
    pngs = []
    for name, kind, where in _some(_PNGS, quick=quick):
        file = folder / f"{name}.png"
        if where.endswith(".png") and not where.startswith("matplotlib"):
            file.write_bytes((packages / where).read_bytes())
        else:
            _open(packages, where).save(file)
        pngs.append(Source.of(name, kind, file))
    return Corpus(tuple(jpegs), tuple(_low(packages, folder, quick=quick)), tuple(pngs))


def _some[Row: tuple[object, ...]](rows: tuple[Row, ...], *, quick: bool) -> list[Row]:
    if not quick:
        return list(rows)
    kinds = dict.fromkeys(row[1] for row in rows)
    return [row for kind in kinds for row in [r for r in rows if r[1] == kind][:PICTURES_IN_QUICK]]


def _low(packages: Path, folder: Path, *, quick: bool) -> list[Source]:
    """JPEGs of low quality, each made once from what was better."""
    where = {name: where for name, _, where, _ in _JPEGS}
    sources = []
    for name in _LOW[:PICTURES_IN_QUICK] if quick else _LOW:
        picture = _open(packages, where[name])
        original = folder / f"{name}-original.png"
        drawings.flat(picture).save(original)
        for quality in LOW_QUALITIES:
            file = folder / f"{name}-{quality}.jpg"
            _save_jpeg(picture, file, _Saved(quality, _HALF))
            sources.append(Source.of(f"{name}-{quality}", f"quality {quality}", file, original))
    return sources


def _open(packages: Path, where: str) -> Image.Image:
    folder, _, name = where.partition("/")
    match folder:
        case "drawn":
            return _drawn(packages, name)
        case "matplotlib":
            file = Path(mpl.get_data_path(), "sample_data", name)
        case _:
            file = packages / where
    with Image.open(file) as picture:
        picture.load()
    picture.info = {}
    return picture


def _drawn(packages: Path, name: str) -> Image.Image:
    match name:
        case "album":
            return drawings.album([_open(packages, f"{_SKIMAGE}/{one}.png") for one in _ALBUM])
        case "desktop":
            return drawings.desktop(_open(packages, f"{_SKIMAGE}/coffee.png"))
        case _:
            return drawings.DRAWINGS[name]()


def _save_jpeg(picture: Image.Image, file: Path, saved: _Saved) -> None:
    if saved.sampling == GREY:
        picture.convert("L").save(file, "JPEG", quality=saved.quality)
    else:
        flat = drawings.flat(picture)
        flat.save(file, "JPEG", quality=saved.quality, subsampling=saved.sampling)


def _without_metadata(data: bytes) -> bytes:
    kept = bytearray()
    start = 0
    for segment in jpeg_structure.parse(data).segments:
        is_app = jpeg_structure.APP0 < segment.marker <= jpeg_structure.APP15
        if (is_app and segment.marker != jpeg_structure.APP14) or (
            segment.marker == jpeg_structure.COM
        ):
            kept += data[start : segment.start]
            start = segment.end
    return bytes(kept + data[start:])
