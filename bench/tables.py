"""The figures as Markdown tables."""

from collections.abc import Sequence

from bench.figures import ALL, QUALITY, GenerationFigures, JpegFigures, LowFigures, PngFigures
from bench.gigapixel import Big
from bench.markdown import table


def jpeg_table(figures: Sequence[JpegFigures], pictures: int) -> str:
    """JPEGs with quality to spare."""
    rows = (
        (
            _name(one.tool, one.title),
            f"{one.bytes:.3f}",
            "" if one.equal_bytes is None else _equal(one, pictures),
            f"{one.worst:+.2f} / {one.mean:+.2f}",
            f"{one.below}",
            f"{one.ms_ssim:.4f} / {one.ms_ssim_loss:.2f}",
            f"{one.butteraugli:.2f}",
            f"{one.cpu:.2f} / {one.cpu_each:.1f} / {_or_dash(one.cpu_large)}",
            f"{one.memory:.0f}",
        )
        for one in figures
    )
    return table(
        (
            "tool",
            "bytes",
            "bytes at equal score",
            "score, worst / mean",
            "below",
            "MS-SSIM / 1 - MS-SSIM",
            "butteraugli",
            "CPU, sum / each / large",
            "MB",
        ),
        rows,
    )


def low_table(figures: Sequence[LowFigures]) -> str:
    """JPEGs whose quality is low already."""
    kinds = list(dict.fromkeys(one.kind for one in figures))
    tools = dict.fromkeys(one.tool for one in figures)
    rows = []
    for tool in tools:
        found = {one.kind: one for one in figures if one.tool == tool}
        cells = [
            f"{found[kind].bytes:.2f}, {found[kind].grown} grew, "
            f"{max(0.0, found[kind].lost):.1f} lost"
            for kind in kinds
        ]
        most = max(one.most_lost for one in found.values())
        rows.append((tool, *cells, f"{max(0.0, most):.1f}"))
    return table(("tool", *kinds, "most lost"), rows)


def png_table(figures: Sequence[PngFigures]) -> str:
    """Bytes of PNGs by class, scores, cost."""
    kinds = list(figures[0].bytes)
    rows = (
        (
            _name(one.tool, one.title),
            *(f"{one.bytes[kind]:.3f}" for kind in kinds),
            "" if one.gated_bytes is None else f"{one.gated_bytes:.3f}",
            f"{one.median:.1f} / {one.worst:.1f}",
            f"{one.below}",
            f"{one.cpu[ALL]:.2f} / {one.cpu_each:.1f}",
            f"{one.memory:.0f}",
        )
        for one in figures
    )
    return table(
        (
            "tool",
            *kinds,
            f"all, at score {QUALITY}",
            "score, median / worst",
            f"below {QUALITY}",
            "CPU, sum / each",
            "MB",
        ),
        rows,
    )


def png_cpu_table(figures: Sequence[PngFigures]) -> str:
    """CPU of PNGs by class."""
    kinds = list(figures[0].cpu)
    return table(
        ("CPU", *kinds), ((one.tool, *(f"{one.cpu[k]:.2f}" for k in kinds)) for one in figures)
    )


def generation_table(figures: dict[str, list[GenerationFigures]]) -> str:
    """What several runs in a row do."""
    rows = (
        (
            name,
            f"{one.run}",
            f"{one.bytes:.4f}",
            f"{one.worst:.2f}",
            f"{one.changed} of {one.pictures}",
        )
        for name, runs in figures.items()
        for one in runs
    )
    return table(("format", "run", "bytes", "worst score", "pixels changed in"), rows)


def big_table(figures: Sequence[Big]) -> str:
    """Pictures of a gigapixel."""
    rows = (
        (
            one.picture,
            one.codec,
            f"{one.source_bytes / 1e6:,.0f}",
            f"{one.output_bytes / 1e6:,.0f}",
            f"{one.memory:.0f}",
            f"{one.own_memory:.0f}",
            f"{one.cpu:.0f}",
        )
        for one in figures
    )
    return table(
        ("picture", "codec", "MB before", "MB after", "peak MB", "without mapped files", "CPU s"),
        rows,
    )


def _equal(figures: JpegFigures, pictures: int) -> str:
    of = "" if figures.equal_pictures == pictures else f" ({figures.equal_pictures} pictures)"
    return f"{figures.equal_bytes:.3f}{of}"


def _or_dash(figure: float | None) -> str:
    return "-" if figure is None else f"{figure:.2f}"


def _name(tool: str, title: str) -> str:
    return f"{tool} ({title})" if title else tool
