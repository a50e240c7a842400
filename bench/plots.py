"""Rate and quality as curves: one plot for each format, as SVG and as PNG."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from matplotlib.figure import Figure

from bench.figures import Point

_OURS: Final = "imagepress"
_STYLES: Final = ("o-", "s--", "^-.", "D:", "v--", "P-.")
_INK: Final = ("#555555", "#b06a00", "#7a3fa0", "#2f7d32", "#a03030", "#1f6f8b")
_OUR_INK: Final = {
    "imagepress fast": "#6baed6",
    "imagepress balanced": "#0050b3",
    "imagepress small": "#002b66",
}


def draw(
    curves: Mapping[str, Sequence[Point]], title: str, against: str, stem: Path
) -> tuple[Path, Path]:
    """Write the plot beside `stem` twice, and return both files."""
    figure = Figure(figsize=(9, 5.6), layout="constrained")
    axes = figure.subplots()
    inks = iter(_INK)
    for number, (tool, points) in enumerate(curves.items()):
        ordered = sorted(points, key=lambda point: point.bytes)
        ours = tool.startswith(_OURS)
        axes.plot(
            [point.bytes for point in ordered],
            [point.score for point in ordered],
            _STYLES[number % len(_STYLES)],
            label=tool,
            color=_OUR_INK[tool] if ours else next(inks),
            linewidth=2.6 if ours else 1.6,
            markersize=7 if ours else 5,
        )
    axes.set_title(f"{title}: up and to the left is better", fontsize=13)
    axes.set_xlabel(f"bytes, against {against} (geometric mean)", fontsize=12)
    axes.set_ylabel("SSIMULACRA2 (mean)", fontsize=12)
    axes.tick_params(labelsize=11)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=11)
    files = (stem.with_suffix(".svg"), stem.with_suffix(".png"))
    for file in files:
        figure.savefig(file, dpi=120, metadata={"Date": None} if file.suffix == ".svg" else None)
    return files
