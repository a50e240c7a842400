"""`make screenshots`: how a run's page looks, for the documentation, from what `make demo` left."""

import sys
from pathlib import Path

from playwright.sync_api import ViewportSize

from imagepress.codec_protocol import CodecRequest
from imagepress.codecs import compress
from imagepress.image_header import read_header
from imagepress.settings import RunSettings
from local.browser import BrowserMissingError, browser
from local.layout import DEMO, ROOT

PAGE = DEMO / "report.html"
PICTURE = ROOT / "docs" / "report.png"
FOLD = ViewportSize(width=1200, height=1100)


def main() -> None:
    """Draw it, or say what is missing."""
    if not PAGE.exists():
        sys.exit(f"There is no {PAGE.relative_to(ROOT)}: `make demo` leaves one.")
    PICTURE.parent.mkdir(exist_ok=True)
    try:
        with browser() as opened:
            page = opened.new_page(viewport=FOLD, color_scheme="light", locale="en-GB")
            page.goto(PAGE.as_uri(), wait_until="networkidle")
            page.screenshot(path=PICTURE)
            _compress(PICTURE)
    except BrowserMissingError as missing:
        sys.exit(str(missing))
    print(f"Drawn: {PICTURE.relative_to(ROOT)}")


def _compress(file: Path) -> None:
    """As a run does it."""
    output = file.with_suffix(".smaller")
    request = CodecRequest(file, output, read_header(file), RunSettings().perc_compression_quality)
    compress(request)
    output.replace(file)


if __name__ == "__main__":
    main()
