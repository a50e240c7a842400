"""`make screenshots`: how a run's page and the command line look, for the documentation.

The page is what `make demo` left; the command line runs here, on the demo's pictures.
"""

import csv
import os
import random
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.sync_api import Browser, ViewportSize

from imagepress.codec_protocol import CodecRequest
from imagepress.codecs import compress
from imagepress.image_header import read_header
from imagepress.settings import RunSettings
from local import emulator, terminal
from local.browser import BrowserMissingError, browser
from local.clients import Clients
from local.corpus import rows
from local.emulator import Emulator, EmulatorError
from local.layout import DEMO, PICTURES, ROOT

PAGE = DEMO / "report.html"
REPORT, TERMINAL = (ROOT / "docs" / name for name in ("report.png", "terminal.png"))
FOLD = ViewportSize(width=1200, height=1100)
SCRIPT = "compress_images_from_S3.py"
BUCKET, CSV = "my-pictures", "dataset.csv"
ARGUMENTS = (SCRIPT, "--bucket_name", BUCKET, "--csv_path", CSV)


def main() -> None:
    """Draw them, or say what is missing."""
    if not PAGE.exists():
        sys.exit(f"There is no {PAGE.relative_to(ROOT)}: `make demo` leaves one.")
    try:
        with browser() as opened:
            _draw_report(opened)
            _draw_terminal(opened)
    except (BrowserMissingError, EmulatorError) as error:
        sys.exit(str(error))
    for picture in (REPORT, TERMINAL):
        _compress(picture)
        print(f"Drawn: {picture.relative_to(ROOT)}")


def _draw_report(opened: Browser) -> None:
    page = opened.new_page(viewport=FOLD, color_scheme="light", locale="en-GB")
    page.goto(PAGE.as_uri(), wait_until="networkidle")
    page.screenshot(path=REPORT)


def _draw_terminal(opened: Browser) -> None:
    with TemporaryDirectory() as name, emulator.instance(Path(name, "aws")) as instance:
        folder = Path(name, "work")
        folder.mkdir()
        _prepare(instance, folder)
        written = terminal.written(
            [sys.executable, *ARGUMENTS], folder, {**os.environ, **instance.environment()}
        )
    typed = f"$ python {' '.join(ARGUMENTS)}\r\n".encode()
    terminal.draw(opened, typed + written, TERMINAL)


def _prepare(instance: Emulator, folder: Path) -> None:
    """A bucket with the demo's pictures, and a folder with their list, in no order."""
    s3 = Clients.of(instance).s3
    s3.create_bucket(Bucket=BUCKET)
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    listed = rows(PICTURES)
    for row in listed:
        if row.body is not None:
            s3.put_object(Bucket=BUCKET, Key=row.key, Body=row.body)
    random.Random(3).shuffle(listed)  # noqa: S311 - the same order every time
    with (folder / CSV).open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["path"], *([row.key] for row in listed)])
    (folder / SCRIPT).symlink_to(ROOT / SCRIPT)


def _compress(file: Path) -> None:
    """As a run does it."""
    output = file.with_suffix(".smaller")
    request = CodecRequest(file, output, read_header(file), RunSettings().perc_compression_quality)
    compress(request)
    output.replace(file)


if __name__ == "__main__":
    main()
