"""`make demo`: the whole system from nothing, on an AWS of its own, and what it did to pictures.

It checks what it shows: it ends with an error if a row has no outcome, a picture is not what it was
but smaller, an object was touched that should not have been, or a function was refused a right.
"""

import csv
import io
import json
import mimetypes
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

from botocore.exceptions import ClientError

from imagepress.run import Run, RunStatus
from imagepress.run_store import RunFiles
from imagepress.runs import RunsTable
from local import emulator, iam_recorder
from local.clients import Clients
from local.corpus import Row, rows
from local.demo_check import Result, problems, read_results
from local.demo_table import savings_table, summary_lines
from local.deploy import DeployError, Deployment, deploy
from local.emulator import EmulatorError
from local.follow import FollowError, Look, await_end, await_start
from local.layout import DEMO, PICTURES, ROOT

CSV_KEY = "demo.csv"
QUALITY = "80"
SAMPLES = "6"
START_SECONDS = 60.0
STALLED_SECONDS = 60.0

_STEP_WIDTH = 68
_BAR_WIDTH = 30


class DemoError(Exception):
    """The system ran, but did not do what it should have."""


def main() -> None:
    """Run the demo; one clear message and exit 1 if anything is not as it should be."""
    began = time.monotonic()
    try:
        _demo()
    except (EmulatorError, DeployError) as error:
        sys.exit(f"\nThe demo failed. {error}")
    except (FollowError, DemoError) as error:
        log = (DEMO / "aws" / "emulator.log").relative_to(ROOT)
        sys.exit(f"\nThe demo failed. {error}\nWhat the functions said is in {log}.")
    except KeyboardInterrupt:
        sys.exit("\nInterrupted. Nothing is left running.")
    print(f"\nAll is as it should be ({time.monotonic() - began:.0f} s). Nothing is left running.")


def _demo() -> None:
    with _step("Collecting pictures"):
        corpus = rows(PICTURES)
    with ExitStack() as running:
        with _step("Starting a local AWS: TLS, permissions enforced"):
            instance = running.enter_context(emulator.instance(DEMO / "aws"))
        with _step("Deploying the stack with the CDK"):
            deployment = deploy(instance, DEMO / "cdk.out")
        clients = Clients.of(instance)
        with _step(f"Uploading the pictures, and a CSV of {len(corpus)} rows"):
            _upload(clients, deployment, corpus)
        run = _follow(RunsTable(clients.dynamodb, deployment.runs_table))
        files = _fetch(clients, deployment, run)
        after = _objects(clients, deployment, corpus)
    if run.status is not RunStatus.COMPLETED:
        raise DemoError(f"The run is {run.status}: {run.message}")
    with files["results.csv"].open(encoding="utf-8", newline="") as lines:
        results = read_results(csv.DictReader(lines))
    print(f"\n{savings_table(corpus, results)}\n")
    print(summary_lines(json.loads(files["summary.json"].read_text(encoding="utf-8"))))
    print("\nWhat the run left, copied here:")
    for file in files.values():
        print(f"  {file.relative_to(ROOT)}")
    _check(corpus, results, after, instance.iam_log)


def _upload(clients: Clients, deployment: Deployment, corpus: Sequence[Row]) -> None:
    def put(row: Row) -> None:
        if row.body is not None:
            clients.s3.put_object(
                Bucket=deployment.images_bucket,
                Key=row.key,
                Body=row.body,
                ContentType=mimetypes.guess_type(row.key)[0] or "application/octet-stream",
            )

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(put, corpus))
    text = io.StringIO(newline="")
    csv.writer(text).writerows([["path"], *([row.key] for row in corpus)])
    clients.s3.put_object(
        Bucket=deployment.trigger_bucket,
        Key=CSV_KEY,
        Body=text.getvalue().encode(),
        Metadata={"perc-compression-quality": QUALITY, "report-samples": SAMPLES},
    )


def _follow(table: RunsTable) -> Run:
    run_id = await_start(table, CSV_KEY, seconds=START_SECONDS)
    look = await_end(table, run_id, stalled_seconds=STALLED_SECONDS, seen=_progress_bar())
    return look.run


def _fetch(clients: Clients, deployment: Deployment, run: Run) -> dict[str, Path]:
    """Copy what the run left into `.local/demo`; the log is named after the run's start."""
    for old in DEMO.glob("compression_*.log"):
        old.unlink()
    keys = RunFiles.of(run)
    files = {}
    for key in (keys.log, keys.results, keys.failed, keys.report, keys.summary):
        file = DEMO / key.rpartition("/")[2]
        answer = clients.s3.get_object(Bucket=deployment.runs_bucket, Key=key)
        file.write_bytes(answer["Body"].read())
        files[file.name] = file
    return files


def _objects(
    clients: Clients, deployment: Deployment, corpus: Sequence[Row]
) -> dict[str, bytes | None]:
    def get(key: str) -> bytes | None:
        try:
            answer = clients.s3.get_object(Bucket=deployment.images_bucket, Key=key)
        except ClientError as error:
            if error.response["Error"]["Code"] == "NoSuchKey":
                return None
            raise
        return answer["Body"].read()

    keys = {row.key for row in corpus}
    with ThreadPoolExecutor(4) as pool:
        return dict(zip(keys, pool.map(get, keys), strict=True))


def _check(
    corpus: Sequence[Row],
    results: Sequence[Result],
    after: dict[str, bytes | None],
    iam_log: Path,
) -> None:
    found = list(problems(corpus, results, after))
    found += [
        f"{denied.function} was denied {denied.action} on {denied.resource} ({denied.why})."
        for denied in iam_recorder.read(iam_log)
        if not denied.allowed
    ]
    if found:
        raise DemoError("\n  ".join(("This is wrong:", *found)))


@contextmanager
def _step(what: str) -> Iterator[None]:
    print(f"{what:<{_STEP_WIDTH}}", end="", flush=True)
    began = time.monotonic()
    try:
        yield
    except BaseException:
        print()
        raise
    print(f"{time.monotonic() - began:6.1f} s", flush=True)


def _progress_bar() -> Callable[[Look], None]:
    """Draw over one line on a terminal; elsewhere print a line when the rows done have changed."""
    began = time.monotonic()
    terminal = sys.stdout.isatty()
    shown = ""

    def draw(look: Look) -> None:
        nonlocal shown
        done, total = look.progress.totals.rows, look.run.rows_total
        filled = _BAR_WIDTH * done // total if total else 0
        bar = f"[{'#' * filled}{'.' * (_BAR_WIDTH - filled)}]"
        text = f"{bar} {done} of {total or '?'} rows, {look.run.status.lower()}"
        if terminal or text != shown:
            start, end = ("\r", "\n" if look.ended else "") if terminal else ("", "\n")
            line = f"{start}{text:<{_STEP_WIDTH}}{time.monotonic() - began:6.1f} s"
            print(line, end=end, flush=True)
        shown = text

    return draw


if __name__ == "__main__":
    main()
