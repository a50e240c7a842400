"""A browser for all tests of the page, and a window that remembers what went wrong in it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, ViewportSize

from imagepress.page_tally import PageTally
from imagepress.report_page import render_page
from local.browser import BrowserMissingError, browser

DESK = ViewportSize(width=1200, height=1100)
PHONE = ViewportSize(width=360, height=740)
# Before any script of the page: what its policy refuses.
LISTEN = """
window.refused = [];
document.addEventListener("securitypolicyviolation", (event) => {
  window.refused.push(`${event.effectiveDirective} ${event.blockedURI}`);
});
"""


@dataclass
class Window:
    """A page in the browser, and what it complained of or asked the network for."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    @property
    def refused(self) -> list[str]:
        """What the page's policy has refused."""
        refused: list[str] = self.page.evaluate("window.refused")
        return refused


type Show = Callable[..., Window]


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    try:
        with browser() as launched:
            yield launched
    except BrowserMissingError as missing:
        pytest.skip(str(missing))


@pytest.fixture
def show(chromium: Browser, tmp_path: Path) -> Iterator[Show]:
    """Opens the page of a summary and a tally from a file, in a window of its own."""
    contexts = []

    def opened(
        parts: tuple[dict[str, Any], PageTally], *, dark: bool = False, phone: bool = False
    ) -> Window:
        file = tmp_path / "report.html"
        file.write_text(render_page(*parts), "utf-8")
        context = chromium.new_context(
            viewport=PHONE if phone else DESK,
            color_scheme="dark" if dark else "light",
            locale="en-GB",
        )
        contexts.append(context)
        context.add_init_script(LISTEN)
        window = Window(context.new_page())
        window.page.on("console", lambda message: window.complaints.append(message.text))
        window.page.on("pageerror", lambda error: window.complaints.append(str(error)))
        window.page.on("dialog", lambda dialog: window.complaints.append(dialog.message))
        window.page.on("request", lambda request: window.requests.append(request.url))
        window.page.goto(file.as_uri())
        return window

    yield opened
    for context in contexts:
        context.close()
