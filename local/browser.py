"""The browser that shows the run's page, to the tests and for its picture in the documentation."""

import os
import platform
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from local.layout import BROWSER

# A container's user is root, for whom Chromium has no sandbox; it opens nothing but our own pages.
ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--force-color-profile=srgb", "--hide-scrollbars")
VARIABLE = "CHROMIUM"


class BrowserMissingError(Exception):
    """There is none for this machine."""


@contextmanager
def browser() -> Iterator[Browser]:
    """The browser that the variable CHROMIUM names, or the one that `make` has prepared."""
    named = os.environ.get(VARIABLE)
    binary = named and shutil.which(named)
    environment = {**os.environ}
    if named and not binary:
        raise BrowserMissingError(f"{VARIABLE} is {named!r}, which is no program.")
    if not binary:
        binary, environment = str(_prepared()), environment | _surroundings()
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(
            executable_path=binary, args=ARGUMENTS, env=dict(environment)
        )
        try:
            yield launched
        finally:
            launched.close()


def _prepared() -> Path:
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        raise BrowserMissingError(
            f"npm has no Chromium for this machine: name one in the variable {VARIABLE}."
        )
    return BROWSER / "chromium"


def _surroundings() -> dict[str, str]:
    """Its own fonts; and its own libraries where the system lacks them."""
    fonts = {
        "FONTCONFIG_FILE": str(BROWSER / "fonts.conf"),
        "XDG_CACHE_HOME": str(BROWSER / "cache"),
    }
    starts = subprocess.run(
        [BROWSER / "chromium", "--version", *ARGUMENTS], capture_output=True, check=False
    )
    libraries = {"LD_LIBRARY_PATH": str(BROWSER / "al2023" / "lib")}
    return fonts if starts.returncode == 0 else fonts | libraries
