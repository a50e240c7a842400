"""What people are told when a run has ended: how, with what figures, where to look, the way back.

Pure text. No image's key is in it; what a list was called and why a run was refused come from
outside, and are one short line each whatever they hold, so that a notice always fits SNS.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from imagepress.journal import megabytes, one_line
from imagepress.outcome import Outcome
from imagepress.run import Run, RunStatus
from imagepress.storable import storable

LONGEST_SUBJECT = 100
LONGEST_TEXT = 300
MOST_NOTES = 5
MACHINES = ("sqs", "lambda", "http", "https", "firehose", "email-json")
FIGURES = (
    "status",
    "restores",
    "started",
    "finished",
    "seconds",
    "rows",
    "outcomes",
    "reasons",
    "bytes_before",
    "bytes_after",
    "bytes_saved",
    "saved_percent",
    "dry_run",
    "undo",
    "files",
)
CONSOLES = {"cn-": "console.amazonaws.cn", "us-gov-": "console.amazonaws-us-gov.com"}
CONSOLE = "console.aws.amazon.com"
ENDINGS = {
    RunStatus.COMPLETED: "Every row of its list has an outcome.",
    RunStatus.FAILED: "It could not be done to its end; what it had replaced stays replaced.",
    RunStatus.CANCELLED: "Somebody cancelled it; what it had replaced until then stays replaced.",
    RunStatus.ABORTED: "It stopped itself, since too many rows failed. Look at failed.csv first.",
}


@dataclass(frozen=True, slots=True)
class Place:
    """Where the stack is, for links and commands."""

    region: str
    runs_bucket: str
    dispatcher: str


@dataclass(frozen=True, slots=True)
class Notice:
    """One message, for people and for programs; `kind` and `status` are to filter by."""

    subject: str
    text: str
    facts: Mapping[str, Any]
    kind: str
    status: str

    def message(self) -> str:
        """The text for each protocol, as SNS takes it with `MessageStructure="json"`."""
        facts = json.dumps(self.facts)
        texts = {"default": self.text, "sms": self.subject}
        return json.dumps(texts | dict.fromkeys(MACHINES, facts))


def notice_of(summary: Mapping[str, Any], place: Place) -> Notice:
    """The notice of a run that left a report; `summary` is what `summary.json` says."""
    run_id, status = summary["run_id"], RunStatus(summary["status"])
    links = _links(summary["files"], place)
    paragraphs = (
        _head(run_id, status, summary),
        _figures(summary),
        _pages(links),
        _undo(summary, place),
    )
    return _notice(
        run_id,
        status,
        _kind(summary),
        paragraphs,
        {**_origin(summary), **{name: summary.get(name) for name in FIGURES}, "console": links},
    )


def notice_without_report(run: Run, message: str, prefix: str, place: Place) -> Notice:
    """The notice of a run whose report could not be written; `prefix` is where its parts lie."""
    facts: dict[str, Any] = {
        "run_id": run.run_id,
        "message": message,
        "source": run.source,
        "bucket_name": run.bucket_name,
        "notes": run.notes,
    }
    folder = {"folder": _folder(prefix, place)}
    status = RunStatus.FAILED
    return _notice(
        run.run_id,
        status,
        "restore" if run.restores else "compression",
        (_head(run.run_id, status, facts), ["There is no report.", *_pages(folder)]),
        {**_origin(facts), "status": status, "restores": run.restores, "console": folder},
    )


def console_url(place: Place, key: str) -> str:
    """Where the S3 console shows an object of the runs bucket."""
    return f"{_console(place)}/s3/object/{place.runs_bucket}?{_query(place, key)}"


def _folder(prefix: str, place: Place) -> str:
    return f"{_console(place)}/s3/buckets/{place.runs_bucket}?{_query(place, prefix)}"


def _console(place: Place) -> str:
    hosts = (host for begin, host in CONSOLES.items() if place.region.startswith(begin))
    return f"https://{place.region}.{next(hosts, CONSOLE)}"


def _query(place: Place, key: str) -> str:
    return f"region={place.region}&prefix={quote(key, safe='/')}"


def _notice(
    run_id: str,
    status: RunStatus,
    kind: str,
    paragraphs: Iterable[Iterable[str]],
    facts: Mapping[str, Any],
) -> Notice:
    text = "\n\n".join("\n".join(lines) for lines in paragraphs)
    subject = f"imagepress: {status} {run_id}"[:LONGEST_SUBJECT]
    return Notice(subject, f"{text}\n", {**facts, "kind": kind}, kind, status)


def _kind(summary: Mapping[str, Any]) -> str:
    if summary["restores"]:
        return "restore"
    return "dry run" if "dry_run" in summary else "compression"


def _origin(facts: Mapping[str, Any]) -> dict[str, Any]:
    """What comes from outside, cut."""
    texts = ("run_id", "message", "source", "bucket_name")
    notes = [_short(note) for note in facts["notes"][:MOST_NOTES]]
    return {**{name: _short(facts[name]) for name in texts}, "notes": notes}


def _short(text: str) -> str:
    line = one_line(storable(text))
    return line if len(line) <= LONGEST_TEXT else f"{line[: LONGEST_TEXT - 1]}…"


def _head(run_id: str, status: RunStatus, facts: Mapping[str, Any]) -> list[str]:
    origin = _origin(facts)
    said = [origin["message"]] if origin["message"] else []
    return [
        f"Run {run_id} has ended: {status}.",
        ENDINGS[status],
        *said,
        *origin["notes"],
        f"List: {origin['source']}",
        f"Images: {origin['bucket_name'] or 'none'}",
    ]


def _figures(summary: Mapping[str, Any]) -> list[str]:
    counts = [f"{count:,} {name.lower()}" for name, count in summary["outcomes"].items()]
    reasons = [f"{count:,} {name}" for name, count in summary["reasons"].items()]
    lines = [f"{summary['rows']:,} rows: {', '.join(counts)}"]
    if reasons:
        lines.append(f"Reasons: {', '.join(reasons)}")
    if "dry_run" in summary:
        estimate = summary["dry_run"]
        low, high = map(megabytes, estimate["interval_95"])
        lines.append(
            f"It was a dry run: nothing was written. About {megabytes(estimate['bytes_saved'])} "
            f"would be saved ({low} to {high})."
        )
    elif summary["outcomes"][Outcome.COMPRESSED]:
        lines.append(
            f"{megabytes(summary['bytes_before'])} became {megabytes(summary['bytes_after'])}: "
            f"{megabytes(summary['bytes_saved'])} or {summary['saved_percent']} % saved"
        )
    return [*lines, f"It took {_duration(summary['seconds'])}, until {summary['finished']}."]


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours:,} h {minutes:02} min"
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"


def _links(files: Mapping[str, str], place: Place) -> dict[str, str]:
    """The console's page for each file, and for the folder that they are in."""
    root = f"s3://{place.runs_bucket}/"
    keys = {name: url.removeprefix(root) for name, url in files.items()}
    folder = keys["summary"].rpartition("/")[0] + "/"
    pages = {name: console_url(place, key) for name, key in keys.items()}
    return {**pages, "folder": _folder(folder, place)}


def _pages(links: Mapping[str, str]) -> list[str]:
    return [f"{name.capitalize()}: {url}" for name, url in links.items()]


def _undo(summary: Mapping[str, Any], place: Place) -> list[str]:
    if _kind(summary) == "restore":
        return ["It was itself an undoing; it may be repeated, and cannot be undone."]
    if not summary["outcomes"][Outcome.COMPRESSED]:
        return ["It replaced nothing: there is nothing to undo."]
    if summary["undo"] == "none":
        return [
            "It cannot be undone: the bucket keeps no versions, and there was no backup_prefix."
        ]
    event = json.dumps({"action": "restore", "run_id": summary["run_id"]})
    command = (
        f"aws lambda invoke --region {place.region} --function-name {place.dispatcher} "
        f"--cli-binary-format raw-in-base64-out --payload '{event}' answer.json"
    )
    return ["To undo it:", command]
