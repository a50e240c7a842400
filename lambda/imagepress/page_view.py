"""What the run's page says, in words: from the summary and the page's tally, without any markup."""

import json
import shlex
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from imagepress.advice import ADVICE, Advice
from imagepress.journal import one_line
from imagepress.outcome import FailureCode, Outcome
from imagepress.page_tally import FormatSizes, PageTally, Saving, bin_start
from imagepress.sample import HEIGHT, WIDTH, Sample
from imagepress.settings import LOSSLESS_QUALITY
from imagepress.wording import dollars_text, duration_text, percent_text, size_text

MOST_LETTERS = 500
MOST_MARKS = 4
MARKS = ("Mn", "Me")
BAR = 100
ENDED = {
    "FAILED": "The run failed",
    "ABORTED": "The run stopped itself",
    "CANCELLED": "The run was cancelled",
}


@dataclass(frozen=True, slots=True)
class Fact:
    """A name, what it is, and an afterthought."""

    name: str
    value: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Headline:
    """The page's first words; `tone` is good, poor or plain."""

    title: str
    lead: str
    tone: str


def shown(text: object) -> str:
    """`text` on one line, cut off, and without what could turn or cover the text around it."""
    whole = _unstacked(one_line(str(text)))
    return whole if len(whole) <= MOST_LETTERS else f"{whole[:MOST_LETTERS]}…"


def headline(summary: Mapping[str, Any], tally: PageTally) -> Headline:
    """What came of the run."""
    return Headline(_title(summary), _lead(summary, tally), _tone(summary))


def circumstances(summary: Mapping[str, Any]) -> list[str]:
    """What stands below the headline beside the run's id and start."""
    return [
        f"took {duration_text(summary['seconds'])}",
        f"quality {_quality(summary)}",
        f"bucket {shown(summary['bucket_name'])}",
    ]


def run_facts(summary: Mapping[str, Any]) -> list[Fact]:
    """Everything that was asked for."""
    return [
        Fact("Bucket", shown(summary["bucket_name"])),
        Fact("List", shown(summary["source"])),
        *(Fact(name, _value(value)) for name, value in summary["parameters"].items()),
        Fact("Duration", duration_text(summary["seconds"])),
        Fact("Computing", duration_text(summary["work_seconds"])),
        *([Fact("Restores run", shown(summary["restores"]))] if summary["restores"] else []),
    ]


def outcome_counts(summary: Mapping[str, Any]) -> list[tuple[str, int]]:
    """Outcomes that occurred, with their counts."""
    return [(name, count) for name, count in summary["outcomes"].items() if count]


def totals(summary: Mapping[str, Any], tally: PageTally) -> list[Fact]:
    """The figures that people look for first."""
    if summary["restores"]:
        return [
            Fact("Before", size_text(summary["bytes_before"])),
            Fact("After", size_text(summary["bytes_after"])),
        ]
    smaller = _sum(tally)
    if not smaller.images:
        return []
    saved = smaller.before - smaller.after
    average = size_text(smaller.after / smaller.images)
    which = "of what would be compressed" if "dry_run" in summary else "of the compressed pictures"
    return [
        Fact("Before", size_text(smaller.before), which),
        Fact("After", size_text(smaller.after), f"{average} on average"),
        Fact("Saved", size_text(saved), percent_text(saved, smaller.before)),
        *_untouched(summary, smaller),
    ]


def money(summary: Mapping[str, Any]) -> list[Fact]:
    """What the run cost and what it saves, where the summary knows."""
    cost = summary.get("cost", {})
    dollars, prices = cost.get("dollars", {}), cost.get("prices", {})
    now, later = (summary.get(f"bytes_saved_{when}") for when in ("now", "after_retention"))
    for_good = summary.get("undo_until", "") is None
    kept = now is not None and now != summary["bytes_saved"]
    expired = "when the originals have expired" if kept else ""
    facts = []
    if now is not None:
        note = "as the originals are kept for good" if for_good else "while originals are kept"
        facts.append(Fact("Net saving now", size_text(now), note if kept else ""))
    if later is not None and later != now:
        facts.append(Fact("Net saving later", size_text(later), expired))
    if "total" in dollars:
        where = shown(f"prices of {prices['region']}, {prices['as_of']}") if prices else ""
        facts.append(Fact("Cost of the run", dollars_text(dollars["total"]), where))
    if "dollars_saved_a_month_after_retention" in cost:
        value = dollars_text(cost["dollars_saved_a_month_after_retention"])
        facts.append(Fact("Saved a month", value, "" if for_good else expired))
    if cost.get("months_to_pay_back") is not None:
        facts.append(Fact("Paid back after", f"{cost['months_to_pay_back']} months"))
    return facts


def formats(tally: PageTally) -> list[dict[str, Any]]:
    """Savings by format, the largest first."""
    most = max((sizes.before for sizes in tally.formats.values()), default=0)
    ranked = sorted(tally.formats.items(), key=lambda item: -item[1].before)
    return [
        {
            "name": shown(name or "other"),
            "images": sizes.images,
            "before": size_text(sizes.before),
            "after": size_text(sizes.after),
            "saved": size_text(sizes.before - sizes.after),
            "percent": percent_text(sizes.before - sizes.after, sizes.before),
            "bar_before": _share(sizes.before, most),
            "bar_after": _share(sizes.after, most),
        }
        for name, sizes in ranked
    ]


def encoders(summary: Mapping[str, Any]) -> list[tuple[str, int]]:
    """How pictures were made, the most frequent first."""
    ranked = sorted(summary["encoders"].items(), key=lambda item: -item[1])
    return [(shown(name), count) for name, count in ranked]


def histogram(tally: PageTally) -> dict[str, Any] | None:
    """Edges in bytes, and how many pictures lie between each two; None where there are none."""
    bins = [*tally.sizes_before, *tally.sizes_after]
    if not bins:
        return None
    numbers = range(min(bins), max(bins) + 1)
    return {
        "edges": [bin_start(number) for number in (*numbers, numbers[-1] + 1)],
        "before": [tally.sizes_before[number] for number in numbers],
        "after": [tally.sizes_after[number] for number in numbers],
    }


def histogram_rows(tally: PageTally) -> list[dict[str, Any]]:
    """The histogram as a table, whole doublings together."""
    doublings = sorted({number // 2 for number in (*tally.sizes_before, *tally.sizes_after)})
    return [
        {
            "range": f"{_edge(2 * number)} to {_edge(2 * number + 2)}",
            "before": tally.sizes_before[2 * number] + tally.sizes_before[2 * number + 1],
            "after": tally.sizes_after[2 * number] + tally.sizes_after[2 * number + 1],
        }
        for number in doublings
    ]


def reasons(summary: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Why rows were left or failed, failures first, the most frequent of each first."""
    counted = [
        {"outcome": _outcome_of(reason), "reason": shown(reason), "count": count, **_said(reason)}
        for reason, count in summary["reasons"].items()
    ]
    return sorted(counted, key=lambda one: (one["outcome"], -one["count"]))


def savings(tally: PageTally) -> list[dict[str, Any]]:
    """The largest savings."""
    return [_picture(saving) for saving in tally.savings]


def failures(tally: PageTally) -> list[dict[str, Any]]:
    """The first failures, and what to do about each."""
    return [
        {
            "row": failure.row,
            "path": shown(failure.path),
            "reason": shown(failure.reason),
            "message": shown(failure.message),
            **_said(failure.reason),
        }
        for failure in tally.failures
    ]


def samples(tally: PageTally) -> list[dict[str, Any]]:
    """Pieces of pictures before and after."""
    return [
        {**_picture(one.saving), "sample": one.sample, "scale": _enlarged(one.sample)}
        for one in tally.samples
    ]


def undo_command(summary: Mapping[str, Any]) -> dict[str, str] | None:
    """How to put everything back; None where nothing was replaced, or nothing holds it."""
    replaced = summary["outcomes"].get(Outcome.COMPRESSED, 0)
    if not replaced or summary["restores"] or summary["undo"] == "none":
        return None
    run_id = summary["run_id"]
    if any(place.startswith("s3://") for place in summary["files"].values()):
        event = json.dumps({"action": "restore", "run_id": run_id})
        return {
            "where": "DISPATCHER_FUNCTION is the stack's output DispatcherFunction.",
            "command": (
                "aws lambda invoke --function-name DISPATCHER_FUNCTION "
                "--cli-binary-format raw-in-base64-out "
                f"--payload {shlex.quote(event)} answer.json"
            ),
        }
    bucket = shlex.quote(summary["bucket_name"])
    return {
        "where": "In the folder where this run left its files:",
        "command": (
            f"python compress_images_from_S3.py --bucket_name {bucket} "
            f"--restore {shlex.quote(run_id)}"
        ),
    }


def _unstacked(text: str) -> str:
    """`text` without heaps of accents, which would cover what stands above and below."""
    letters, marks = [], 0
    for letter in text:
        marks = marks + 1 if unicodedata.category(letter) in MARKS else 0
        if marks <= MOST_MARKS:
            letters.append(letter)
        elif marks == MOST_MARKS + 1:
            letters.append("…")
    return "".join(letters)


def _enlarged(sample: Sample) -> int:
    """How often a pixel is repeated each way: an icon would be too small to look at."""
    return max(1, min(WIDTH // sample.width, HEIGHT // sample.height))


def _picture(saving: Saving) -> dict[str, Any]:
    saved = saving.before - saving.after
    return {
        "row": saving.row,
        "path": shown(saving.path),
        "format": shown(saving.format),
        "before": size_text(saving.before),
        "after": size_text(saving.after),
        "saved": size_text(saved),
        "percent": percent_text(saved, saving.before),
        "bar": _share(saving.after, saving.before),
    }


def _title(summary: Mapping[str, Any]) -> str:
    outcomes = summary["outcomes"]
    if "dry_run" in summary:
        return f"{size_text(summary['dry_run']['bytes_saved'])} would be saved"
    if summary["restores"]:
        return f"{_count(outcomes.get(Outcome.RESTORED, 0), 'picture')} put back"
    if not outcomes[Outcome.COMPRESSED]:
        return ENDED.get(summary["status"], "Nothing was replaced")
    return f"{size_text(summary['bytes_saved'])} saved"


def _lead(summary: Mapping[str, Any], tally: PageTally) -> str:
    rows = _count(summary["rows"], "row")
    if "dry_run" in summary:
        estimate = summary["dry_run"]
        low, high = (size_text(value) for value in estimate["interval_95"])
        return (
            f"A dry run looked at {estimate['rows_drawn']:,} of {rows}; "
            f"about {_count(estimate['would_compress'], 'picture')} would be replaced"
            + (f", and {low} to {high} saved (95 % interval)." if low != high else ".")
        )
    if summary["restores"]:
        return f"{rows} of the undo record, put back where nobody had changed the picture later."
    if not summary["rows"]:
        return "The run had no rows to work on."
    done = summary["outcomes"][Outcome.COMPRESSED]
    smaller = _sum(tally)
    part = percent_text(smaller.before - smaller.after, smaller.before)
    by = f", and are {part} smaller" if part else ""
    return f"{done:,} of {_count(summary['rows'], 'picture')} were replaced{by}."


def _tone(summary: Mapping[str, Any]) -> str:
    if summary["status"] != "COMPLETED":
        return "poor"
    return "plain" if summary["outcomes"].get(Outcome.FAILED) else "good"


def _untouched(summary: Mapping[str, Any], smaller: FormatSizes) -> list[Fact]:
    """What the other objects take that were read."""
    rest = summary["bytes_before"] - smaller.before
    return [Fact("Left as it was", size_text(rest), "of other objects")] if rest > 0 else []


def _sum(tally: PageTally) -> FormatSizes:
    sizes = tally.formats.values()
    return FormatSizes(
        sum(one.images for one in sizes),
        sum(one.before for one in sizes),
        sum(one.after for one in sizes),
    )


def _value(value: object) -> str:
    return shown(value if isinstance(value, str) else json.dumps(value))


def _quality(summary: Mapping[str, Any]) -> str:
    quality = summary["parameters"].get("perc_compression_quality")
    return "100, without loss" if quality == LOSSLESS_QUALITY else shown(quality)


def _outcome_of(reason: str) -> str:
    return Outcome.FAILED if reason in set(FailureCode) else Outcome.SKIPPED


def _said(reason: str) -> dict[str, str]:
    said = next((advice for code, advice in ADVICE.items() if code == reason), Advice(""))
    return {"meaning": said.meaning, "action": said.action}


def _edge(number: int) -> str:
    return size_text(bin_start(number))


def _share(part: int, whole: int) -> float:
    return round(BAR * part / whole, 2) if whole else 0.0


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
