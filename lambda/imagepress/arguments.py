"""The command line's arguments: the original script's, and what can be done with runs."""

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imagepress import __version__
from imagepress.errors import Refused
from imagepress.settings import IMAGE_PARAMETERS, Parameter, RunSettings, nearest_name

EXAMPLES = """examples:
  compress the images that a CSV names, on this machine:
    %(prog)s --bucket_name my-bucket --csv_path dataset.csv --perc_compression_quality 75
  see what a sample of all images would save, and change nothing:
    %(prog)s --bucket_name my-bucket --prefix '' --dry_run_sample 500
  have a deployed stack do it, and follow it from here:
    %(prog)s --bucket_name my-bucket --csv_path dataset.csv --stack imagepress
  undo a run, on this machine or in the stack that made it:
    %(prog)s --bucket_name my-bucket --restore RUN_ID
    %(prog)s --stack imagepress --restore RUN_ID
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arguments:
    """What was asked for; exactly one of the first seven is given."""

    csv_path: str | None
    prefix: str | None
    restore: str | None
    resume: str | None
    cancel: str | None
    status: str | None
    list: bool

    bucket_name: str | None
    stack: str | None
    output_dir: Path
    json: bool
    given: dict[str, Any]
    """The image parameters that were given, by name."""

    @property
    def settings(self) -> RunSettings:
        """The settings of a run on this machine."""
        return RunSettings(**{"temp_dir": tempfile.gettempdir(), **self.given})


def parse(arguments: Sequence[str]) -> Arguments:
    """Read the arguments; what is wrong ends the process with what would be right."""
    parser = argument_parser()
    values, unknown = parser.parse_known_args(arguments)
    if unknown:
        parser.error(_unknown(unknown[0], [*vars(values)]))
    named = vars(values)
    names = [parameter.name for parameter in IMAGE_PARAMETERS]
    given = {name: named.pop(name) for name in names if named[name] is not None}
    asked = Arguments(given=given, **{k: v for k, v in named.items() if k not in names})
    works_here = (asked.csv_path, asked.prefix, asked.restore) != (None, None, None)
    if works_here and not asked.stack and not asked.bucket_name:
        parser.error("the following arguments are required: --bucket_name")
    if asked.cancel and not asked.stack:
        parser.error("--cancel needs --stack; a run on this machine is stopped with Ctrl-C")
    if asked.resume and asked.stack:
        parser.error("--resume is for runs on this machine; those of a stack go on by themselves")
    return asked


def argument_parser() -> argparse.ArgumentParser:
    """What the command line takes."""
    defaults = RunSettings(temp_dir=tempfile.gettempdir())
    parser = argparse.ArgumentParser(
        description="Recompress the images of an S3 bucket in place, from a list of their keys.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"imagepress {__version__}")
    parser.add_argument("--bucket_name", help="bucket that holds the images")
    parser.add_argument(
        "--stack", metavar="NAME", help="have this deployed stack do it, not this machine"
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--csv_path", help="CSV with the header path, a key in each row")
    what.add_argument("--prefix", help="all objects whose keys begin with it; '' for all")
    what.add_argument("--restore", metavar="RUN_ID", help="put back what this run replaced")
    what.add_argument("--resume", metavar="RUN_ID", help="go on with a run that was interrupted")
    what.add_argument("--cancel", metavar="RUN_ID", help="stop a run of a stack")
    what.add_argument("--status", metavar="RUN_ID", help="show how a run stands")
    what.add_argument("--list", action="store_true", help="show the newest runs")
    for parameter in IMAGE_PARAMETERS:
        default = getattr(defaults, parameter.name)
        meaning = f"{parameter.meaning}; {parameter.allowed} (default: {default})"
        parser.add_argument(
            f"--{parameter.name}",
            type=_typed(parameter),
            **_flag_or_value(parameter),
            help=meaning.replace("%", "%%"),
        )
    parser.add_argument(
        "--output_dir",
        type=Path,
        default=Path(),
        help="folder for log and results, where earlier runs are looked for too (default: here)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON, one object a line")
    return parser


def _flag_or_value(parameter: Parameter) -> dict[str, Any]:
    """A switch may stand without a value."""
    if parameter.allowed == "true or false":
        return {"nargs": "?", "const": True, "metavar": "true|false"}
    return {"metavar": parameter.name.rsplit("_", 1)[-1].upper()}


def _typed(parameter: Parameter) -> "argparse._ActionType":
    def read(text: str) -> object:
        try:
            return parameter.parse(text)
        except Refused as refusal:
            raise argparse.ArgumentTypeError(str(refusal)) from None

    return read


def _unknown(argument: str, known: Sequence[str]) -> str:
    name = argument.lstrip("-").partition("=")[0]
    nearest = nearest_name(name, known) or _only_one_with(name, known)
    hint = f"; did you mean --{nearest}?" if nearest else ""
    return f"unknown argument {argument}{hint}"


def _only_one_with(part: str, known: Sequence[str]) -> str | None:
    """`perc_compression_quality` for `quality`."""
    found = [name for name in known if part in name.split("_")]
    return found[0] if len(found) == 1 else None
