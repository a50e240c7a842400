"""The original script's command line, unchanged in its arguments, on the new engine.

It works on this machine, or has a deployed stack work and follows it.
"""

import json
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from types import FrameType
from typing import Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from imagepress import desktop, journal
from imagepress.arguments import Arguments, parse
from imagepress.aws_session import aws_session
from imagepress.deployed import DeployedStack
from imagepress.desktop import DesktopRun
from imagepress.desktop_runs import left_run, left_runs
from imagepress.display import Display, display_for
from imagepress.errors import Refused

ALL_WELL, ROWS_FAILED, BAD_USE, INTERRUPTED = 0, 1, 2, 130
CSV_ELSEWHERE = (
    "csv_path is {!r}; without --stack it must be a file on this machine: fetch it first, with "
    "`aws s3 cp`."
)
CLIENT_CONFIG = Config(
    retries={"mode": "standard", "total_max_attempts": 8},
    max_pool_connections=128,
    # A replaced object keeps the kind of checksum that it had: none is added unasked.
    request_checksum_calculation="when_required",
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return 0 all well, 1 some rows failed, 2 bad use, 130 interrupted."""
    asked = parse(sys.argv[1:] if arguments is None else arguments)
    try:
        if asked.list or asked.status:
            return _show(asked)
        display = display_for(as_json=asked.json)
        return _in_stack(asked, display) if asked.stack else _here(asked, display)
    except (Refused, BotoCoreError) as refusal:
        print(f"error: {refusal}", file=sys.stderr)
        return BAD_USE
    except KeyboardInterrupt:
        print("Interrupted: every object is either the original or replaced.", file=sys.stderr)
        return INTERRUPTED


def _here(asked: Arguments, display: Display) -> int:
    """A run on this machine."""
    if (asked.csv_path or "").startswith("s3://"):
        raise Refused(CSV_ELSEWHERE.format(asked.csv_path))
    if asked.resume:
        wish = desktop.resumed(asked.output_dir, asked.resume)
    else:
        wish = DesktopRun(
            bucket_name=asked.bucket_name or "",
            settings=asked.settings,
            output_dir=asked.output_dir,
            csv=Path(asked.csv_path) if asked.csv_path else None,
            prefix=asked.prefix,
            restores=asked.restore,
        )
    wish = replace(wish, account=_account)
    s3 = aws_session().client("s3", config=CLIENT_CONFIG)
    with _first_interruption(display.say) as stops:
        summary, files = desktop.run(wish, s3, display, stops)
    display.end(summary, {name: str(file) for name, file in asdict(files).items()})
    return _exit_code(summary)


def _account() -> str | None:
    """Whose credentials these are; stores that only look like S3 may have nobody to ask."""
    try:
        return str(aws_session().client("sts").get_caller_identity()["Account"])
    except (BotoCoreError, ClientError):
        return None


def _in_stack(asked: Arguments, display: Display) -> int:
    """A run in a deployed stack; it goes on there whatever happens here."""
    stack = DeployedStack.find(asked.stack or "", aws_session())
    if asked.cancel:
        answer = stack.ask({"action": "cancel", "run_id": asked.cancel})
        if "run_id" in answer and answer["status"] != "FAILED":
            display.say(f"{asked.cancel}: {answer['status']}. {answer['message']}")
            return ALL_WELL
        raise Refused(answer["message"])
    answer = _started(asked, stack)
    run_id = answer["run_id"]
    display.say(f"Run {run_id} has begun; Ctrl-C leaves it alone and only stops looking.")
    for note in answer["notes"]:
        display.say(note)
    try:
        status = stack.follow(run_id, display.look)
    except KeyboardInterrupt:
        display.say(
            f"The run goes on. Look at it with --stack {asked.stack} --status {run_id}, "
            f"stop it with --stack {asked.stack} --cancel {run_id}."
        )
        return INTERRUPTED
    files = stack.fetch(status, asked.output_dir)
    summary = json.loads(Path(files["summary"]).read_text("utf-8"))
    display.end(summary, files)
    return _exit_code(summary)


def _started(asked: Arguments, stack: DeployedStack) -> dict[str, Any]:
    if asked.restore:
        return stack.start({"action": "restore", "run_id": asked.restore}, None)
    event = dict(asked.given)
    if asked.bucket_name:
        event["bucket_name"] = asked.bucket_name
    if asked.prefix is not None:
        return stack.start({**event, "prefix": asked.prefix}, None)
    csv = asked.csv_path or ""
    if csv.startswith("s3://"):
        return stack.start({**event, "csv_path": csv}, None)
    return stack.start(event, Path(csv))


def _show(asked: Arguments) -> int:
    """How a run stands, or which there are."""
    runs: list[Mapping[str, Any]]
    if asked.stack:
        stack = DeployedStack.find(asked.stack, aws_session())
        if asked.list:
            runs = stack.ask({"action": "list"})["runs"]
        else:
            runs = [stack.ask({"action": "status", "run_id": asked.status})]
            if "files" not in runs[0]:
                raise Refused(runs[0]["message"])
    elif asked.list:
        runs = [run.summary for run in left_runs(asked.output_dir)]
    else:
        runs = [left_run(asked.output_dir, asked.status or "").summary]
    for run in runs:
        if asked.json:
            print(json.dumps(run))
        elif asked.list:
            print(journal.one_line(f"{run['run_id']}  {run['status']:<10} {run['source']}"))
        else:
            print(json.dumps(run, indent=2))
    return ALL_WELL


@contextmanager
def _first_interruption(say: Callable[[str], None]) -> Iterator[Callable[[], bool]]:
    """Whether somebody pressed Ctrl-C, or the process was told to end; the second time it does."""
    came: list[int] = []

    def note(number: int, _frame: FrameType | None) -> None:
        if came:
            raise KeyboardInterrupt
        came.append(number)
        say("Ending what has begun; once more to stop at once.")

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(came)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _exit_code(summary: Mapping[str, Any]) -> int:
    if summary["message"]:
        print(f"{summary['status']}: {summary['message']}", file=sys.stderr)
    if summary["status"] == "CANCELLED":
        return INTERRUPTED
    well = not summary["outcomes"]["FAILED"] and summary["status"] == "COMPLETED"
    return ALL_WELL if well else ROWS_FAILED
