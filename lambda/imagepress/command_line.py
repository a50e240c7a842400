"""The original script's command line, unchanged in its arguments, on the new engine."""

import argparse
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError

from imagepress import __version__, journal
from imagepress.desktop import DesktopRun, run
from imagepress.errors import Refused
from imagepress.part import RowReport
from imagepress.settings import IMAGE_PARAMETERS, Parameter, RunSettings, nearest_name

ALL_WELL, ROWS_FAILED, BAD_USE, INTERRUPTED = 0, 1, 2, 130
CLIENT_CONFIG = Config(
    retries={"mode": "standard", "total_max_attempts": 8},
    max_pool_connections=128,
    # A replaced object keeps the kind of checksum that it had: none is added unasked.
    request_checksum_calculation="when_required",
)
EXAMPLE = """example:
  python compress_images_from_S3.py --bucket_name my-bucket --csv_path dataset.csv
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return 0 all well, 1 some rows failed, 2 bad use."""
    try:
        wish = _parse(sys.argv[1:] if arguments is None else arguments)
        s3 = boto3.client("s3", config=CLIENT_CONFIG)
        summary, files = run(wish, s3, _show)
    except (Refused, BotoCoreError) as refusal:
        print(f"error: {refusal}", file=sys.stderr)
        return BAD_USE
    except KeyboardInterrupt:
        print("Interrupted: every object is either the original or replaced.", file=sys.stderr)
        return INTERRUPTED
    outcomes = summary["outcomes"]
    print(
        f"{summary['rows']} images: {_done(outcomes)}, "
        f"{outcomes['SKIPPED']} skipped, {outcomes['FAILED']} failed; "
        f"{journal.megabytes(summary['bytes_before'])} became "
        f"{journal.megabytes(summary['bytes_after'])} ({summary['saved_percent']} % saved).\n"
        f"Log: {files.log}\nResults: {files.results}"
    )
    if summary["message"]:
        print(f"{summary['status']}: {summary['message']}", file=sys.stderr)
    well = not outcomes["FAILED"] and summary["status"] == "COMPLETED"
    return ALL_WELL if well else ROWS_FAILED


def _parse(arguments: Sequence[str]) -> DesktopRun:
    defaults = RunSettings(temp_dir=tempfile.gettempdir())
    parser = argparse.ArgumentParser(
        description="Recompress the images of an S3 bucket in place, from a list of their keys.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"imagepress {__version__}")
    parser.add_argument("--bucket_name", required=True, help="bucket that holds the images")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--csv_path", type=Path, help="CSV with the header path, a key in each row")
    what.add_argument("--prefix", help="all objects whose keys begin with it; '' for all")
    what.add_argument(
        "--restore",
        metavar="RUN_ID",
        help="put back what this run replaced; its files are looked for in output_dir",
    )
    for parameter in IMAGE_PARAMETERS:
        parser.add_argument(
            f"--{parameter.name}",
            type=_typed(parameter),
            default=getattr(defaults, parameter.name),
            **_flag_or_value(parameter),
            help=f"{parameter.meaning}; {parameter.allowed} (default: %(default)s)".replace(
                " % ", " %% "
            ),
        )
    parser.add_argument(
        "--output_dir", type=Path, default=Path(), help="folder for log and results (default: here)"
    )
    values, unknown = parser.parse_known_args(arguments)
    if unknown:
        parser.error(_unknown(unknown[0], [*vars(values)]))
    settings = RunSettings(
        **{parameter.name: getattr(values, parameter.name) for parameter in IMAGE_PARAMETERS}
    )
    csv = values.csv_path or Path()
    return DesktopRun(
        values.bucket_name, csv, settings, values.output_dir, values.restore, values.prefix
    )


def _flag_or_value(parameter: Parameter) -> dict[str, Any]:
    """A switch may stand without a value."""
    if parameter.allowed == "true or false":
        return {"nargs": "?", "const": True, "metavar": "true|false"}
    return {"metavar": parameter.name.rsplit("_", 1)[-1].upper()}


def _typed(parameter: Parameter) -> "argparse._ActionType":
    def parse(text: str) -> object:
        try:
            return parameter.parse(text)
        except Refused as refusal:
            raise argparse.ArgumentTypeError(str(refusal)) from None

    return parse


def _unknown(argument: str, known: Sequence[str]) -> str:
    nearest = nearest_name(argument.lstrip("-").partition("=")[0], known)
    hint = f"; did you mean --{nearest}?" if nearest else ""
    return f"unknown argument {argument}{hint}"


def _done(outcomes: Mapping[str, int]) -> str:
    restored = f", {outcomes['RESTORED']} restored" if "RESTORED" in outcomes else ""
    return f"{outcomes['COMPRESSED']} compressed{restored}"


def _show(report: RowReport) -> None:
    print(journal.lines(report.events), end="")
