"""The run's page, `report.html`: one file that needs nothing else, and lets nothing else in.

Keys and messages are hostile: the template escapes whatever it is given, and the page's own policy
runs no script and applies no style but those whose hashes it names.
"""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

from imagepress import page_view as view
from imagepress.page_tally import MOST_FAILURES, PageTally
from imagepress.sample import Sample
from imagepress.wording import moment_text

WEB = Path(__file__).parent / "web"
STYLES = ("uplot.min.css", "report.css")
CHART_LIBRARY = ("uplot.license.txt", "uplot.min.js")


def render_page(summary: Mapping[str, Any], tally: PageTally) -> str:
    """The page of a run: from what `summary.json` says, and what the page's tally gathered."""
    style = _text(*STYLES)
    licence, library = (_text(name) for name in CHART_LIBRARY)
    scripts = [f"/*!\n{licence}*/\n{library}", _text("report.js")]
    failed = summary["outcomes"].get("FAILED", 0)
    return _template().render(
        policy=_policy(style, scripts),
        style=Markup(style),  # noqa: S704 - our own file
        scripts=[Markup(script) for script in scripts],  # noqa: S704 - our own files
        status=view.shown(summary["status"]),
        run_id=view.shown(summary["run_id"]),
        version=view.shown(summary["version"]),
        started={"iso": summary["started"], "text": moment_text(summary["started"])},
        headline=view.headline(summary, tally),
        message=view.shown(summary["message"]),
        notes=[view.shown(note) for note in summary["notes"]],
        circumstances=view.circumstances(summary),
        facts=view.run_facts(summary),
        rows=summary["rows"],
        outcomes=view.outcome_counts(summary),
        totals=view.totals(summary, tally),
        money=view.money(summary),
        undo=view.undo_command(summary),
        undo_until=summary.get("undo_until"),
        formats=view.formats(tally),
        encoders=view.encoders(summary),
        histogram=view.histogram(tally),
        histogram_rows=view.histogram_rows(tally),
        reasons=view.reasons(summary),
        savings=view.savings(tally),
        samples=view.samples(tally),
        failures=view.failures(tally),
        failures_beyond=max(0, failed - MOST_FAILURES),
        files=[(name, view.shown(place)) for name, place in summary["files"].items()],
    )


@cache
def _template() -> Template:
    environment = Environment(
        loader=FileSystemLoader(WEB),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = "{:,}".format
    environment.filters["before"] = lambda sample: _data_url(sample, sample.before)
    environment.filters["after"] = lambda sample: _data_url(sample, sample.after)
    return environment.get_template("report.html.jinja")


def _data_url(sample: Sample, content: bytes) -> str:
    return f"data:{sample.kind};base64,{base64.b64encode(content).decode()}"


def _policy(style: str, scripts: Sequence[str]) -> str:
    """What the page may do: show itself."""
    hashes = " ".join(f"'{_hash(script)}'" for script in scripts)
    return (
        f"default-src 'none'; script-src {hashes}; style-src '{_hash(style)}'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


@cache
def _text(*names: str) -> str:
    return "\n".join((WEB / name).read_text("utf-8") for name in names)
