"""Writes docs/reference.md from the tables that the code itself uses: `make docs`.

A test fails while the file is not what this module would write.
"""

from argparse import SUPPRESS, Action
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from imagepress.advice import ADVICE
from imagepress.arguments import argument_parser
from imagepress.outcome import FailureCode, Outcome, SkipReason
from imagepress.settings import (
    DIRECT_PARAMETERS,
    IMAGE_PARAMETERS,
    UPLOAD_PARAMETERS,
    Parameter,
    RunSettings,
)
from local import reference_texts as texts
from local.layout import ROOT

REFERENCE = ROOT / "docs" / "reference.md"

HEAD = """# Reference

Written from the code by `make docs`; a test compares. What the system is and does
stands in the [README](../README.md).
"""

PARAMETERS = """## Run parameters

They are the same in an invocation's JSON (*event*), in the user metadata of an uploaded CSV
(*upload*; `-` and `_` are the same), as arguments of the command line (*command*), and as
`run_defaults` in `cdk.json` (*deployment*). Those of a run win over those of the deployment, and
these over the defaults below; the command line reads no `cdk.json`. An unknown name, a wrong type
or a value out of range is refused, in one message that names all that is wrong.
"""

ACTIONS = """## Actions

The dispatcher takes them as `{"action": "status", "run_id": "…"}`. Without an action it starts a
run.
"""

STATUSES = "## Statuses\n"

OUTCOMES = """## Outcomes

Every row of the list ends in exactly one.
"""

REASONS = """## Reasons

What SKIPPED and FAILED rows say in the column `reason`, and `summary.json` counts. The message of
a row says more.
"""

FILES = """## Files of a run

In the runs bucket under `runs/<run_id>/`. The log is `compression_<YYYY-MM-DD_HH-MM-SS>.log`, after
the run's start in UTC; `report.html` is a page for people. The command line writes the same files
into `--output_dir`, as `compression_….results.csv` and so on. All text is UTF-8. The log and the
three CSVs of a run in the stack with more than 1,000,000 estimated rows are gzipped, and end in
`.gz`.
"""

ANSWERS = """## Answers of the dispatcher

A refused action answers with `run_id`, `status` FAILED and `message`; a refused `list` with `runs`
and `message`.
"""

COMMAND = """## Command line

`python compress_images_from_S3.py` in the source tree, `imagepress` where it is installed. Every
run parameter of a deployment is an argument too, as `--name value`; a switch may stand without a
value. The default of `temp_dir` is the system's here.
"""

ONE_OF = """Exactly one of `--csv_path`, `--prefix`, `--restore`, `--resume`, `--cancel`,
`--status` and `--list` is given.
"""


def reference() -> str:
    """The whole page."""
    sections = [
        HEAD,
        PARAMETERS,
        _table(("name", "default", "allowed", "where", "meaning"), _parameters()),
        ACTIONS,
        _meanings("action", texts.ACTIONS),
        STATUSES,
        _meanings("status of a run", texts.STATUSES),
        OUTCOMES,
        _meanings("outcome", texts.OUTCOMES),
        REASONS,
        _reasons(Outcome.SKIPPED, SkipReason),
        _reasons(Outcome.FAILED, FailureCode),
        FILES,
        *_fields("results.csv", "column", texts.RESULT_COLUMNS),
        *_fields("failed.csv", "column", texts.FAILED_COLUMNS),
        *_fields("undo.csv", "column", texts.UNDO_COLUMNS),
        *_fields("summary.json", "field", texts.SUMMARY_FIELDS),
        ANSWERS,
        *_fields("The start of a run or of a restore", "field", texts.START_FIELDS),
        *_fields("status", "field", texts.STATUS_FIELDS),
        *_fields("list", "field", texts.LIST_FIELDS),
        *_fields("cancel", "field", texts.CANCEL_FIELDS),
        COMMAND,
        _table(("argument", "meaning"), _arguments()),
        ONE_OF,
        _examples(),
        _meanings("exit code", texts.EXIT_CODES),
    ]
    return "\n".join(sections)


def main() -> None:
    """Write the page."""
    REFERENCE.write_text(reference(), encoding="utf-8")


def _parameters() -> Iterable[Sequence[str]]:
    for parameter in DIRECT_PARAMETERS:
        where = ["event"]
        if parameter in UPLOAD_PARAMETERS:
            where.append("upload")
        if parameter.name != "client_token":
            where.append("command")
        if parameter in IMAGE_PARAMETERS:
            where.append("deployment")
        yield (
            _code(parameter.name),
            _default(parameter),
            parameter.allowed,
            ", ".join(where),
            parameter.meaning.replace("<", "&lt;"),
        )


def _default(parameter: Parameter) -> str:
    if parameter.name in texts.DEFAULTS:
        return texts.DEFAULTS[parameter.name]
    value = RunSettings().to_json().get(parameter.name)
    if value is None:
        return "none"
    return _code(str(value).lower() if isinstance(value, bool) else str(value))


def _reasons(outcome: Outcome, reasons: Iterable[SkipReason | FailureCode]) -> str:
    rows = ((_code(one), ADVICE[one].meaning, ADVICE[one].action) for one in reasons)
    return _table((f"{outcome}", "meaning", "what to do"), rows)


def _arguments() -> Iterable[Sequence[str]]:
    run_parameters = {parameter.name for parameter in IMAGE_PARAMETERS}
    for action in argument_parser()._actions:  # noqa: SLF001 - argparse has no other list of them
        if action.dest not in run_parameters and action.help != SUPPRESS:
            yield _code(_usage(action)), action.help or ""


def _usage(action: Action) -> str:
    name = action.option_strings[-1]
    if action.nargs == 0:
        return name
    return f"{name} {action.metavar or action.dest.upper()}"


def _examples() -> str:
    epilog = argument_parser().epilog or ""
    lines = (epilog % {"prog": "imagepress"}).splitlines()[1:]
    commands = (line.strip() if line.startswith("    ") else f"# {line.strip()}" for line in lines)
    return "\n".join(["```sh", *commands, "```", ""])


def _fields(title: str, kind: str, meanings: Mapping[str, str]) -> tuple[str, str]:
    return f"### {title}\n", _meanings(kind, meanings)


def _meanings(kind: str, meanings: Mapping[Any, str]) -> str:
    return _table((kind, "meaning"), ((_code(str(name)), text) for name, text in meanings.items()))


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [_line(head), "|---" * len(head) + "|", *map(_line, rows)]
    return "\n".join(lines) + "\n"


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _code(text: str) -> str:
    return f"`{text}`"


if __name__ == "__main__":
    main()
