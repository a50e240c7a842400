"""Figures in words, as people read them."""

import math
from datetime import UTC, datetime

UNITS = ("bytes", "kB", "MB", "GB", "TB", "PB")
# Keeps a number and its unit on one line.
NO_BREAK = "\N{NO-BREAK SPACE}"


def size_text(size: float) -> str:
    """`112.5 kB`; units are powers of 1,000."""
    if abs(size) < 1000:
        return f"1{NO_BREAK}byte" if size == 1 else f"{size:,.0f}{NO_BREAK}bytes"
    power = min(int(math.log10(abs(size)) / 3 + 1e-9), len(UNITS) - 1)
    value = size / 1000**power
    if abs(round(value, 1)) >= 1000 and power + 1 < len(UNITS):
        value, power = value / 1000, power + 1
    return f"{value:,.1f}{NO_BREAK}{UNITS[power]}"


def percent_text(part: float, whole: float) -> str:
    """`64.2 %`; nothing where there is no whole."""
    return f"{100 * part / whole:.1f}{NO_BREAK}%" if whole else ""


def duration_text(seconds: float) -> str:
    """`6.8 s`, `3 min 20 s`, `2 h 5 min` or `1 d 3 h`."""
    if seconds < 10:
        return f"{seconds:.1f}{NO_BREAK}s"
    whole = round(seconds)
    for name, unit, smaller, part in (("d", 86400, "h", 3600), ("h", 3600, "min", 60)):
        if whole >= unit:
            return _two(whole // unit, name, whole % unit // part, smaller)
    return _two(whole // 60, "min", whole % 60, "s") if whole >= 60 else f"{whole}{NO_BREAK}s"


def moment_text(iso: str) -> str:
    """`23 November 2026, 04:24 UTC`."""
    moment = datetime.fromisoformat(iso).astimezone(UTC)
    return f"{moment.day} {moment:%B %Y, %H:%M} UTC"


def dollars_text(value: float) -> str:
    """`$1,234.50`; what is below a cent keeps two digits."""
    if value == 0 or abs(value) >= 0.01:
        return f"-${-value:,.2f}" if value < 0 else f"${value:,.2f}"
    decimals = 1 - math.floor(math.log10(abs(value)))
    return f"{'-' if value < 0 else ''}${abs(value):.{decimals}f}"


def _two(count: int, unit: str, rest: int, smaller: str) -> str:
    parts = [str(count), unit, *([str(rest), smaller] if rest else [])]
    return NO_BREAK.join(parts)
