import base64
import hashlib
import json
import re
import shlex
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from imagepress.advice import ADVICE
from imagepress.outcome import FailureCode, Outcome, RowResult, SkipReason
from imagepress.page_tally import MOST_FAILURES, PageTally
from imagepress.report import Ending
from imagepress.report_page import WEB, render_page
from imagepress.run import BucketFacts
from imagepress.sample import Sample
from imagepress.settings import RunSettings
from imagepress.wording import NO_BREAK, dollars_text, duration_text, moment_text, size_text
from tests.pages import HOSTILE, compressed, failed, hostile_rows, many_rows, page_parts, skipped

SAMPLE = Sample("image/png", 4, 3, b"before", b"after")
# What a page may hold: attributes that run or fetch something are not among them.
ATTRIBUTES = {
    *("alt", "aria-hidden", "aria-label", "aria-labelledby", "charset", "class", "content"),
    *("datetime", "focusable", "height", "hidden", "http-equiv", "id", "lang", "max", "min"),
    *("name", "role", "scope", "src", "tabindex", "type", "value", "width", "x"),
}


class Page(HTMLParser):
    """What a parser finds in a page."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.contents: dict[str, list[str]] = {"script": [], "style": []}
        self.words: list[str] = []
        self._inside = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._inside = tag

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside in self.contents:
            self.contents[self._inside].append(data)
        else:
            self.words.append(data)

    @property
    def text(self) -> str:
        """All that is read, on one line."""
        return " ".join(" ".join(self.words).split())

    def all(self, tag: str) -> list[dict[str, str | None]]:
        """The attributes of all elements of that name."""
        return [attributes for name, attributes in self.tags if name == tag]


def page_of(results: Any, **said: Any) -> Page:
    return Page(render_page(*page_parts(results, **said)))


# What it says


def test_the_headline_tells_what_came_of_the_run() -> None:
    text = page_of([compressed(1), compressed(2), failed(3, FailureCode.NOT_FOUND)]).text

    assert "400.0 kB saved" in text
    assert "2 of 3 pictures were replaced, and are 66.7 % smaller." in text
    assert "COMPLETED" in text
    assert "23 November 2026, 04:24 UTC" in text
    assert "quality 80" in text
    assert "bucket pictures" in text
    assert "20261123T042401Z-november-d7bec4f6" in text


@pytest.mark.parametrize(
    ("status", "title"),
    [
        ("FAILED", "The run failed"),
        ("ABORTED", "The run stopped itself"),
        ("CANCELLED", "The run was cancelled"),
        ("COMPLETED", "Nothing was replaced"),
    ],
)
def test_a_run_without_a_row_says_why(status: str, title: str) -> None:
    text = page_of([], end=Ending(status, "There is no such list.")).text

    assert title in text
    assert "There is no such list." in text
    assert "Largest savings" not in text


def test_a_dry_run_speaks_of_what_would_be() -> None:
    result = replace(compressed(1), outcome=Outcome.SKIPPED, reason=SkipReason.DRY_RUN)
    text = page_of([result], settings=RunSettings(dry_run=True)).text

    assert "200.0 kB would be saved" in text
    assert "Put it all back" not in text


def test_a_restore_says_how_many_came_back() -> None:
    result = RowResult(row=1, path="a", outcome=Outcome.RESTORED, bytes_before=100, bytes_after=300)
    text = page_of([result], restores="20261122T000000Z-x-00000000").text

    assert "1 picture put back" in text
    assert "20261122T000000Z-x-00000000" in text


def test_every_reason_that_there_is_has_an_explanation() -> None:
    assert ADVICE.keys() == {*SkipReason, *FailureCode}
    assert all(advice.meaning for advice in ADVICE.values())


def test_every_reason_that_occurred_is_explained() -> None:
    text = page_of(many_rows()).text

    for reason, advice in ADVICE.items():
        assert reason in text
        assert advice.meaning in text
        assert advice.action in text


def test_of_many_failures_the_first_are_shown_and_the_others_counted() -> None:
    page = page_of(failed(row, FailureCode.NOT_FOUND) for row in range(1, 1001))

    assert page.text.count("NOT_FOUND") == MOST_FAILURES + 1
    assert "And 950 more." in page.text
    assert "failed.csv" in page.text


def test_the_histogram_stands_in_a_table_as_well() -> None:
    text = page_of([compressed(1, before=300_000, after=100_000)]).text

    assert "262.1 kB to 524.3 kB 1 0" in text
    assert "65.5 kB to 131.1 kB 0 1" in text


def test_the_chart_has_an_edge_more_than_bins() -> None:
    data = json.loads(page_of(many_rows()).contents["script"][0])

    assert len(data["edges"]) == len(data["before"]) + 1 == len(data["after"]) + 1
    assert sum(data["before"]) == sum(data["after"]) == 199


def test_cost_and_net_savings_stand_where_they_are_known() -> None:
    summary, tally = page_parts([compressed(1)])
    known = {
        "bytes_saved_now": -100_000,
        "bytes_saved_after_retention": 200_000,
        "undo_until": "2026-12-23",
        "cost": {
            "dollars": {"total": 0.00214},
            "prices": {"region": "eu-west-1", "as_of": "2026-11"},
            "dollars_saved_a_month_after_retention": 1.5,
            "months_to_pay_back": 2.3,
        },
    }
    text = Page(render_page({**summary, **known}, tally)).text

    assert "-100.0 kB" in text
    assert "$0.0021" in text
    assert "prices of eu-west-1, 2026-11" in text
    assert "2.3 months" in text
    assert "2026-12-23" in text
    unknown = {name: value for name, value in summary.items() if name not in known}
    assert "Cost and net savings" not in Page(render_page(unknown, tally)).text


def test_originals_that_never_expire_are_said_to_stay() -> None:
    summary, tally = page_parts([compressed(1)])
    known = {"bytes_saved_now": -1000, "bytes_saved_after_retention": -1000, "undo_until": None}
    text = Page(render_page({**summary, **known}, tally)).text

    assert "-1.0 kB as the originals are kept for good" in text
    assert "Net saving later" not in text
    assert "expired" not in text


def test_where_no_original_is_kept_one_saving_is_enough() -> None:
    summary, tally = page_parts([compressed(1)], bucket=BucketFacts(versioned=False))
    text = Page(render_page(summary, tally)).text

    assert "Net saving now" in text
    assert "Net saving later" not in text
    assert "originals" not in text


def test_the_restore_command_can_be_copied() -> None:
    text = page_of([compressed(1)]).text

    assert (
        "aws lambda invoke --function-name DISPATCHER_FUNCTION "
        "--cli-binary-format raw-in-base64-out --payload "
        """'{"action": "restore", "run_id": "20261123T042401Z-november-d7bec4f6"}' answer.json"""
    ) in text


def test_on_a_desktop_the_restore_command_is_that_of_the_desktop() -> None:
    summary, tally = page_parts([compressed(1)], bucket_name="a'b")
    summary["files"] = {"summary": "/home/me/compression.summary.json"}

    assert (
        f"python compress_images_from_S3.py --bucket_name {shlex.quote("a'b")} "
        "--restore 20261123T042401Z-november-d7bec4f6"
    ) in Page(render_page(summary, tally)).text


@pytest.mark.parametrize(
    "said",
    [
        {"bucket": BucketFacts(versioned=False)},
        {"restores": "20261122T000000Z-x-00000000"},
    ],
)
def test_what_cannot_be_undone_has_no_restore_command(said: dict[str, Any]) -> None:
    assert "Put it all back" not in page_of([compressed(1)], **said).text


def test_files_are_named_and_not_linked() -> None:
    page = page_of(many_rows())

    assert "s3://runs/20261123T042401Z-november-d7bec4f6/failed.csv" in page.text
    assert page.all("a") == []


def test_samples_are_in_the_page_itself() -> None:
    page = page_of([compressed(1)], samples={1: SAMPLE})

    assert [image["src"] for image in page.all("img")] == [
        f"data:image/png;base64,{base64.b64encode(content).decode()}"
        for content in (b"before", b"after")
    ]
    assert [one["aria-label"] for one in page.all("input")] == [
        "How much of it is shown as it was before: row 1"
    ]


@pytest.mark.parametrize(
    ("size", "shown"), [((400, 300), (400, 300)), ((32, 32), (288, 288)), ((1, 300), (1, 300))]
)
def test_a_small_sample_is_enlarged_by_whole_pixels(
    size: tuple[int, int], shown: tuple[int, int]
) -> None:
    page = page_of([compressed(1)], samples={1: Sample("image/png", *size, b"", b"")})

    for image in page.all("img"):
        assert (image["width"], image["height"]) == tuple(map(str, shown))


def test_without_samples_no_picture_is_in_the_page() -> None:
    page = page_of(many_rows())

    assert page.all("img") == []
    assert "data:" not in [word for word in page.words if "img-src" not in word]


# What it lets in


def policy(page: Page) -> dict[str, list[str]]:
    meta = next(one for one in page.all("meta") if "http-equiv" in one)
    assert meta["http-equiv"] == "Content-Security-Policy"
    directives = [one.split() for one in str(meta["content"]).split("; ")]
    return {name: sources for name, *sources in directives}


def hash_of(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def test_the_policy_lets_in_what_the_page_brings_and_nothing_else() -> None:
    page = page_of(many_rows())
    _data, *scripts = page.contents["script"]

    assert policy(page) == {
        "default-src": ["'none'"],
        "script-src": [hash_of(script) for script in scripts],
        "style-src": [hash_of(style) for style in page.contents["style"]],
        "img-src": ["data:"],
        "base-uri": ["'none'"],
        "form-action": ["'none'"],
    }
    assert len(scripts) == 2
    assert len(page.contents["style"]) == 1


def test_the_policy_stands_before_all_that_it_rules() -> None:
    names = [tag for tag, _ in page_of(many_rows()).tags]

    assert names.index("meta") < names.index("style") < names.index("script")
    assert names[:4] == ["html", "head", "meta", "meta"]


def test_it_tells_nobody_where_it_was_read() -> None:
    named = {one.get("name"): one.get("content") for one in page_of([]).all("meta")}

    assert named["referrer"] == "no-referrer"
    assert named["robots"] == "noindex, nofollow"


@pytest.mark.parametrize("name", ["report.js", "report.css", "uplot.min.js", "uplot.min.css"])
def test_our_files_do_not_end_the_element_that_holds_them(name: str) -> None:
    text = (WEB / name).read_text("utf-8").lower()

    assert "</" not in text.replace("</g", "") or name == "uplot.min.js"
    assert not re.search(r"</(script|style)|<!--|\r", text)


@pytest.mark.parametrize("name", ["report.js", "report.css", "report.html.jinja", "uplot.min.css"])
def test_our_files_name_no_address(name: str) -> None:
    assert not re.search(r"https?:|//[a-z]|url\(|@import", (WEB / name).read_text("utf-8"))


def test_the_chart_library_s_licence_is_in_the_page() -> None:
    library = page_of(many_rows()).contents["script"][1]

    assert "Copyright (c) 2022 Leon Sorokin" in library
    assert "Permission is hereby granted" in library


# Hostile keys and messages


def shape(page: Page) -> list[tuple[str, list[str]]]:
    return [(tag, sorted(attributes)) for tag, attributes in page.tags]


def harmless_rows() -> Any:
    return hostile_rows(["x"] * len(HOSTILE))


def test_hostile_texts_change_nothing_but_the_text() -> None:
    hostile = page_of(
        hostile_rows(),
        end=Ending("FAILED", HOSTILE[0]),
        notes=HOSTILE,
        source=HOSTILE[1],
        bucket_name=HOSTILE[2],
        run_id=HOSTILE[3],
    )
    harmless = page_of(harmless_rows(), end=Ending("FAILED", "x"), notes=["x"] * len(HOSTILE))

    assert shape(hostile) == shape(harmless)
    assert hostile.contents == harmless.contents
    assert policy(hostile) == policy(harmless)


@pytest.mark.parametrize(
    "text", [text for text in HOSTILE if text.isprintable() and len(text) < 99]
)
def test_hostile_texts_are_shown_as_they_are(text: str) -> None:
    page = page_of([compressed(1, text)])

    assert text in page.words


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("\N{RIGHT-TO-LEFT OVERRIDE}gpj.evil", r"\u202egpj.evil"),
        ("a\0b\nc\td", r"a\x00b\nc\td"),
        ("\ud800", r"\ud800"),
        ("x" * 1024, f"{'x' * 500}…"),
        ("e" + "\N{COMBINING ACUTE ACCENT}" * 300, f"e{'\N{COMBINING ACUTE ACCENT}' * 4}…"),
    ],
)
def test_what_would_turn_hide_or_cover_other_text_is_written_out(text: str, seen: str) -> None:
    assert seen in page_of([compressed(1, text)]).words


texts = st.text(st.characters(exclude_categories=[]), max_size=40) | st.sampled_from(HOSTILE)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(texts, texts, texts)
def test_no_text_gets_out_of_its_place(key: str, message: str, name: str) -> None:
    rows = [compressed(1, key or "x"), failed(2, FailureCode.NOT_FOUND, key or "x", message or "x")]
    page = page_of(rows, source=name, bucket_name=name, notes=[name])
    plain = page_of([compressed(1), failed(2, FailureCode.NOT_FOUND, "x", "x")], notes=["x"])

    assert shape(page) == shape(plain)
    assert {name for _, attributes in page.tags for name in attributes} <= ATTRIBUTES


# How large it gets


def test_a_page_of_ten_million_rows_is_no_larger_than_one_of_some_hundred() -> None:
    summary, tally = page_parts(many_rows())
    small = len(render_page(summary, tally))
    for counts in (tally.sizes_before, tally.sizes_after):
        for number in range(10, 64):
            counts[number] += 10_000_000
    large = len(render_page({**summary, "rows": 10_000_000}, tally))

    assert large < small + 20_000
    assert large < 150_000


def test_a_page_of_the_worst_keys_is_bounded() -> None:
    rows = [
        *(compressed(row, "\0" * 1024) for row in range(1, 200)),
        *(failed(row, FailureCode.NOT_FOUND, "'" * 1024, "&" * 4096) for row in range(200, 400)),
    ]

    assert len(render_page(*page_parts(rows)).encode()) < 500_000


def test_a_tally_without_rows_makes_a_page() -> None:
    summary, _ = page_parts([skipped(1, SkipReason.NOT_SMALLER)])

    assert "Nothing was replaced" in Page(render_page(summary, PageTally("a-run"))).text


# Figures in words


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 bytes"),
        (1, "1 byte"),
        (999, "999 bytes"),
        (1000, "1.0 kB"),
        (112_525, "112.5 kB"),
        (999_960, "1.0 MB"),
        (4_000_000_000_000, "4.0 TB"),
        (10**18, "1,000.0 PB"),
        (-1_200_000, "-1.2 MB"),
    ],
)
def test_sizes_in_words(size: int, text: str) -> None:
    assert size_text(size).replace(NO_BREAK, " ") == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.0 s"),
        (6.789, "6.8 s"),
        (59.7, "1 min"),
        (200, "3 min 20 s"),
        (7500, "2 h 5 min"),
        (97_200, "1 d 3 h"),
        (86_400, "1 d"),
    ],
)
def test_durations_in_words(seconds: float, text: str) -> None:
    assert duration_text(seconds).replace(NO_BREAK, " ") == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "$0.00"), (1234.5, "$1,234.50"), (0.00214, "$0.0021"), (-0.5, "-$0.50"), (0.01, "$0.01")],
)
def test_dollars_in_words(value: float, text: str) -> None:
    assert dollars_text(value) == text


def test_moments_in_words() -> None:
    assert moment_text("2026-11-03T04:05:59Z") == "3 November 2026, 04:05 UTC"
