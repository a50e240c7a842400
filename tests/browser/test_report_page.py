"""The run's page in a browser, opened from a file as people open it."""

import io
import json
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from imagepress.outcome import FailureCode
from imagepress.page_tally import PageTally
from imagepress.report import Ending
from imagepress.report_page import WEB
from imagepress.sample import Sample
from local.layout import BROWSER
from tests.browser.conftest import DESK, Show, Window
from tests.pages import HOSTILE, compressed, failed, hostile_rows, many_rows, page_parts

NODE_MODULES = BROWSER / "node_modules"
RED, BLUE = (200, 30, 30), (30, 30, 200)

type Parts = tuple[dict[str, Any], PageTally]


def sample(width: int = 480, height: int = 320) -> Sample:
    """Red before, blue after."""
    files = []
    for colour in (RED, BLUE):
        file = io.BytesIO()
        Image.new("RGB", (width, height), colour).save(file, "PNG")
        files.append(file.getvalue())
    return Sample("image/png", width, height, *files)


def everything() -> Parts:
    """A page with all that a page can hold."""
    summary, tally = page_parts(
        many_rows(), {1: sample(), 2: sample(60, 40)}, notes=["A note."], bucket_name="pictures"
    )
    return {
        **summary,
        "bytes_saved_now": -100_000,
        "bytes_saved_after_retention": 200_000,
        "undo_until": "2026-12-23",
        "cost": {"dollars": {"total": 0.5}, "months_to_pay_back": 2.5},
    }, tally


def hostile() -> Parts:
    return page_parts(
        hostile_rows(),
        {1: sample()},
        end=Ending("FAILED", HOSTILE[0]),
        notes=HOSTILE,
        source=HOSTILE[1],
        bucket_name=HOSTILE[2],
        run_id=HOSTILE[3],
    )


PAGES: Mapping[str, Callable[[], Parts]] = {
    "everything": everything,
    "hostile": hostile,
    "no rows": lambda: page_parts([], end=Ending("FAILED", "There is no such list.")),
    "one row": lambda: page_parts([compressed(1)]),
    "failures only": lambda: page_parts(
        failed(row, FailureCode.ACCESS_DENIED, message="Access Denied") for row in range(1, 100)
    ),
}
each_page = pytest.mark.parametrize("name", PAGES)


def drawn(page: Page, box: str) -> Counter[tuple[int, ...]]:
    """The colours of an element, as often as they occur."""
    picture = Image.open(io.BytesIO(page.locator(box).first.screenshot())).convert("RGB")
    content = picture.tobytes()
    return Counter(zip(content[::3], content[1::3], content[2::3], strict=True))


@each_page
@pytest.mark.parametrize("dark", [False, True])
def test_a_page_shows_without_complaint_and_asks_for_nothing(
    show: Show, name: str, *, dark: bool
) -> None:
    window = show(PAGES[name](), dark=dark)
    window.page.wait_for_load_state("networkidle")

    assert window.complaints == []
    assert window.refused == []
    assert [url for url in window.requests if not url.startswith("data:")] == [window.page.url]
    assert window.page.url.startswith("file:")


def test_hostile_keys_do_nothing(show: Show) -> None:
    page = show(hostile()).page
    before = page.title()
    for locator in page.locator(".key").all():
        locator.hover()

    assert page.title() == before
    assert page.locator("img").count() == 2
    assert page.locator("script").count() == 3
    assert page.locator("main").is_visible()


def test_the_policy_holds(show: Show) -> None:
    window = show(everything())
    window.page.evaluate(
        """() => {
          const script = document.createElement("script");
          script.textContent = "document.title = 'HACKED'";
          document.body.append(script);
          const image = document.createElement("img");
          image.src = "https://example.com/x.png";
          document.body.append(image);
          document.body.insertAdjacentHTML("beforeend", "<p style='color: red' onclick='1'>x</p>");
        }"""
    )
    window.page.wait_for_function("window.refused.length >= 3")

    assert window.page.title() != "HACKED"
    assert {refused.split()[0] for refused in window.refused} >= {
        "script-src-elem",
        "img-src",
        "style-src-attr",
    }


# The chart


@pytest.mark.parametrize("dark", [False, True])
def test_the_chart_is_drawn(show: Show, *, dark: bool) -> None:
    page = show(everything(), dark=dark).page
    accent = (62, 207, 151) if dark else (10, 122, 84)

    assert page.locator("#chart canvas").count() == 1
    assert drawn(page, "#chart")[accent] > 500


def test_the_chart_follows_the_colours_and_the_width(show: Show) -> None:
    page = show(everything()).page
    page.emulate_media(color_scheme="dark")
    page.wait_for_timeout(100)
    assert drawn(page, "#chart")[62, 207, 151] > 500

    page.emulate_media(media="print")
    page.wait_for_timeout(100)
    assert drawn(page, "#chart")[10, 122, 84] > 500

    page.set_viewport_size({"width": 500, "height": 800})
    page.wait_for_timeout(100)
    assert page.locator("#chart canvas").bounding_box()["width"] <= 500  # type: ignore[index]


def test_the_chart_tells_the_figures_under_the_pointer(show: Show) -> None:
    page = show(page_parts([compressed(1), compressed(2), compressed(3)])).page
    readout = page.locator(".readout")
    resting = readout.inner_text()
    box = page.locator("#chart .u-over").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] - 3, box["y"] + 20)

    assert readout.inner_text() == "262 kB to 371 kB: 3 before, 0 after"
    page.mouse.move(5, 5)
    assert readout.inner_text() == resting


def test_the_table_has_the_chart_s_figures(show: Show) -> None:
    page = show(everything()).page
    table = page.locator("details table")

    assert not table.is_visible()
    page.locator("summary").press("Enter")
    assert table.is_visible()
    counts = table.locator("td:nth-child(2)").all_inner_texts()
    assert sum(map(int, counts)) == 199


# Before and after


def shares(window: Window) -> tuple[int, int]:
    """How much of the first pair is shown as it was, and as it is, in percent."""
    colours = drawn(window.page, ".stage")
    total = colours.total()
    return round(100 * colours[RED] / total), round(100 * colours[BLUE] / total)


def test_a_pair_shows_half_of_each_at_first(show: Show) -> None:
    before, after = shares(show(everything()))

    assert 47 <= before <= 50
    assert 47 <= after <= 50


@pytest.mark.parametrize(("key", "share"), [("Home", 0), ("End", 100), ("ArrowRight", 51)])
def test_the_slider_moves_by_keyboard(show: Show, key: str, share: int) -> None:
    window = show(everything())
    window.page.locator(".stage input").first.press(key)
    before, after = shares(window)

    assert window.page.locator(".stage input").first.input_value() == str(share)
    assert abs(before - share) <= 3
    assert abs(after - (100 - share)) <= 3


def test_the_slider_moves_by_mouse(show: Show) -> None:
    window = show(everything())
    stage = window.page.locator(".stage").first
    stage.scroll_into_view_if_needed()
    box = stage.bounding_box()
    assert box is not None
    window.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 30)
    window.page.mouse.down()
    window.page.mouse.move(box["x"] + box["width"] * 0.9, box["y"] + 30, steps=5)
    window.page.mouse.up()
    before, after = shares(window)

    assert 86 <= before <= 91
    assert 8 <= after <= 12


def test_a_focused_slider_shows(show: Show) -> None:
    page = show(everything()).page
    page.locator(".stage input").first.press("ArrowLeft")
    outline = page.locator(".stage").first.evaluate("stage => getComputedStyle(stage).outlineStyle")

    assert outline == "solid"


# For everybody


def violations(page: Page) -> list[str]:
    """What axe-core finds, the serious and the critical."""
    # As a debugger's, for the page's policy lets in no script.
    page.context.new_cdp_session(page).send(
        "Runtime.evaluate", {"expression": (NODE_MODULES / "axe-core" / "axe.min.js").read_text()}
    )
    found = page.evaluate("axe.run().then((results) => results.violations)")
    return [
        f"{one['id']}: {json.dumps([node['html'][:120] for node in one['nodes'][:3]])}"
        for one in found
        if one["impact"] in ("serious", "critical")
    ]


@each_page
@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("phone", [False, True])
def test_nothing_shuts_anybody_out(show: Show, name: str, *, dark: bool, phone: bool) -> None:
    page = show(PAGES[name](), dark=dark, phone=phone).page
    if page.locator("summary").count():
        page.locator("summary").press("Enter")

    assert violations(page) == []


def test_the_keyboard_reaches_all_that_can_be_worked(show: Show) -> None:
    page = show(everything()).page
    reached = []
    for _ in range(6):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.localName"))

    assert reached[:5] == ["input", "input", "summary", "pre", "button"]


def test_the_command_is_copied(show: Show) -> None:
    page = show(everything()).page
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.locator(".copy").click()

    expect(page.locator(".copy")).to_have_text("Copied")
    command = page.locator(".command code").inner_text()
    assert page.evaluate("navigator.clipboard.readText()") == command


def test_a_page_has_one_title_and_sections_with_names(show: Show) -> None:
    page = show(everything()).page

    assert page.locator("h1").count() == 1
    assert page.locator("main section").count() == 10
    assert page.locator("main section:not([aria-labelledby])").count() == 0
    assert page.locator("html").get_attribute("lang") == "en"


@each_page
def test_a_phone_has_nothing_to_scroll_sideways(show: Show, name: str) -> None:
    page = show(PAGES[name](), phone=True).page
    wide = page.evaluate(
        """() => [...document.body.querySelectorAll("main *")]
          .filter((one) => !one.closest(".unseen, .uplot, svg"))
          .filter((one) => one.getBoundingClientRect().right > innerWidth + 1)
          .map((one) => one.outerHTML.slice(0, 80))"""
    )

    assert page.evaluate("document.documentElement.scrollWidth") == 360
    assert wide == []


@each_page
def test_a_desk_has_nothing_to_scroll_sideways(show: Show, name: str) -> None:
    page = show(PAGES[name]()).page

    assert page.evaluate("document.documentElement.scrollWidth") == DESK["width"]


@each_page
def test_a_page_can_be_printed(show: Show, name: str) -> None:
    page = show(PAGES[name](), dark=True).page
    page.emulate_media(media="print")

    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(0, 0, 0)"
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.pdf(format="A4").startswith(b"%PDF-")


def test_without_the_chart_library_all_else_works(show: Show) -> None:
    """It fails as it loads where a browser names its language in a way of its own."""
    window = show(everything())
    page = window.page
    page.add_init_script("Object.defineProperty(navigator, 'language', { value: 'en_US@x' })")
    page.reload()
    page.locator(".stage input").first.press("Home")

    assert page.locator("#chart canvas").count() == 0
    assert page.locator("details table").is_visible()
    assert shares(window)[0] == 0


def test_the_vendored_library_is_npm_s() -> None:
    assert (WEB / "uplot.min.js").read_bytes() == (
        NODE_MODULES / "uplot" / "dist" / "uPlot.iife.min.js"
    ).read_bytes()
    assert (WEB / "uplot.min.css").read_bytes() == (
        NODE_MODULES / "uplot" / "dist" / "uPlot.min.css"
    ).read_bytes()
    assert (WEB / "uplot.license.txt").read_bytes() == (
        NODE_MODULES / "uplot" / "LICENSE"
    ).read_bytes()
