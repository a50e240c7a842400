"""What somebody died before finishing, the sweeper and the undertaker finish."""

import json
import time
from dataclasses import replace
from typing import Any

import pytest

from imagepress.chunk import Chunk, chunks
from imagepress.errors import RowSkipped
from imagepress.manifest_store import ManifestStore
from imagepress.messages import dispatch_message, report_message
from imagepress.outcome import SkipReason
from imagepress.part import Part
from imagepress.run import BucketFacts, Cursor, Run, RunStatus
from imagepress.run_store import RunStore
from imagepress.settings import RunSettings
from imagepress.worker import without_trying
from local.follow import await_end
from tests.e2e.system import System, csv_of
from tests.pictures import jpeg, photograph

pytestmark = pytest.mark.e2e

LONG_AGO_SECONDS = 3600


def test_the_sweeper_pushes_on_every_run_that_has_stalled(system: System, name: str) -> None:
    keys = [f"{name}/{number}.jpg" for number in range(3)]
    for key in keys:
        system.put(key, jpeg())
    asleep = plant(system, f"{name}-asleep", keys[:1])
    unnoticed = plant(system, f"{name}-unnoticed", [], sent=True)
    unreported = plant(system, f"{name}-unreported", keys[1:2], status=RunStatus.REPORTING)
    fresh = plant(system, f"{name}-fresh", keys[2:], stalled=False)

    done = sweep(system)

    assert done == {
        asleep.run_id: "asked for the next step of sending out again",
        unnoticed.run_id: "started the report",
        unreported.run_id: "asked for the report again",
    }
    assert system.await_run(asleep.run_id).outcomes() == ["COMPRESSED"]
    assert system.await_run(unnoticed.run_id).outcomes() == []
    assert system.await_run(unreported.run_id).outcomes() == ["FAILED/WORKER_LOST"]
    cancelled = system.invoke({"action": "cancel", "run_id": fresh.run_id})
    assert cancelled["status"] in ("STOPPING", "REPORTING", "CANCELLED")
    assert system.await_run(fresh.run_id).outcomes() == ["SKIPPED/CANCELLED"]


def test_the_sweeper_sends_lost_chunks_again(system: System, name: str) -> None:
    system.put(f"{name}/0.jpg", jpeg())
    # Chunks that killed workers of other tests held would come back, and are nobody's any more.
    system.clients.sqs.purge_queue(QueueUrl=system.deployment.chunk_queue_url)
    lost = plant(system, f"{name}-lost", [f"{name}/0.jpg"], sent=True)

    done = sweep(system)

    assert done == {lost.run_id: "sent lost chunks again"}
    assert system.await_run(lost.run_id).outcomes() == ["COMPRESSED"]


def test_an_attempt_goes_on_where_the_one_before_stopped(system: System, name: str) -> None:
    keys = [f"{name}/{number}.jpg" for number in range(3)]
    for key in keys:
        system.put(key, jpeg())
    run, (chunk,) = half_done(system, f"{name}-half", keys)

    send(system, system.deployment.chunk_queue_url, chunk.to_message())

    outcomes = system.await_run(run.run_id).outcomes()
    assert outcomes == ["SKIPPED/NOT_SMALLER", "COMPRESSED", "COMPRESSED"]


def test_the_undertaker_ends_what_was_delivered_too_often(system: System, name: str) -> None:
    keys = [f"{name}/{number}.jpg" for number in range(3)]
    for key in keys[:2]:
        system.put(key, jpeg())
    run, (chunk,) = half_done(system, f"{name}-half", keys)

    send(system, system.deployment.chunk_dlq_url, chunk.to_message())

    ended = system.await_run(run.run_id)
    assert ended.outcomes() == ["SKIPPED/NOT_SMALLER", *["FAILED/RETRIES_EXHAUSTED"] * 2]
    assert system.get(keys[1]) == jpeg()


def test_the_undertaker_ends_a_run_that_cannot_be_sent_out(system: System, name: str) -> None:
    system.put(f"{name}/0.jpg", jpeg())
    run = plant(system, f"{name}-dispatch", [f"{name}/0.jpg"])

    dead = queue_url(system, "DispatchDeadLetters")
    send(system, dead, json.dumps(dispatch_message(run.run_id)))

    ended = system.await_run(run.run_id)
    assert ended.status is RunStatus.FAILED
    assert ended.outcomes() == ["FAILED/RUN_FAILED"]


def test_the_undertaker_ends_a_run_that_cannot_be_reported(system: System, name: str) -> None:
    run = plant(system, f"{name}-report", [], status=RunStatus.REPORTING)

    dead = queue_url(system, "ReportDeadLetters")
    send(system, dead, json.dumps(report_message(run.run_id)))

    look = await_end(system.table, run.run_id, stalled_seconds=30)
    assert look.run.status is RunStatus.FAILED
    assert "report" in look.run.message


def test_a_backup_never_takes_the_place_of_another_object(system: System, name: str) -> None:
    key, prefix = f"{name}/picture.jpg", f"{name}-copies"
    original, other = jpeg(), jpeg(photograph(seed=5))
    system.put(key, original)
    run = plant(system, name, [key], settings=RunSettings(backup_prefix=prefix))
    there = f"{prefix}/{run.run_id}/{key}"
    system.put(there, other)
    before = system.versions(name)

    send(system, queue_url(system, "DispatchQueue"), json.dumps(dispatch_message(run.run_id)))

    assert system.await_run(run.run_id).outcomes() == ["FAILED/BACKUP_FAILED"]
    assert system.versions(name) == before
    assert (system.get(key), system.get(there)) == (original, other)


def plant(
    system: System,
    run_id: str,
    keys: list[str],
    *,
    status: RunStatus = RunStatus.RUNNING,
    settings: RunSettings | None = None,
    sent: bool = False,
    stalled: bool = True,
) -> Run:
    """A run as a dispatcher that died would leave it; `sent`: all its chunks are on their way."""
    system.put_csv(f"{run_id}.txt", csv_of(keys))
    store = ManifestStore(system.clients.s3)
    found = store.inspect(system.deployment.trigger_bucket, f"{run_id}.txt", None)
    assert found.pointer is not None
    now = time.time()
    run = Run(
        run_id=run_id,
        created=now,
        source=f"{run_id}.txt",
        bucket_name=system.deployment.images_bucket,
        settings=settings or RunSettings(),
        chunk_size=10,
        shards=1,
        bucket=BucketFacts(versioned=True),
        manifest=found.pointer,
        cursor=Cursor(found.pointer.start),
    )
    if sent or status is RunStatus.REPORTING:
        run = replace(run, chunks_total=min(1, len(keys)), rows_total=len(keys))
    assert system.table.create(replace(run, status=status))
    if stalled:
        system.clients.dynamodb.update_item(
            TableName=system.deployment.runs_table,
            Key={"pk": {"S": f"run#{run_id}"}},
            UpdateExpression="SET updated = :then",
            ExpressionAttributeValues={":then": {"N": str(round(now - LONG_AGO_SECONDS) * 1000)}},
        )
    return run


def half_done(system: System, run_id: str, keys: list[str]) -> tuple[Run, list[Chunk]]:
    """A run whose only chunk had an attempt that ended its first row and saved that."""
    run = plant(system, run_id, keys, sent=True)
    assert run.manifest is not None
    rows = ManifestStore(system.clients.s3).rows(run.manifest, Cursor(run.manifest.start))
    cut = list(chunks(run_id, rows, run.chunk_size, first=0))
    first = cut[0].rows[0]
    report = without_trying(first, RowSkipped(SkipReason.NOT_SMALLER, "It was not."))
    store = RunStore(system.clients.s3, system.deployment.runs_bucket)
    state = system.table.begin_attempt(run_id, system.table.chunk_state(run_id, 0), time.time())
    assert state is not None
    store.write_part(run_id, 0, state.attempts, Part({first.number: report}, {}))
    system.table.close_attempt(run_id, state, state.attempts)
    return run, cut


def sweep(system: System) -> dict[str, Any]:
    """Call the sweeper as its schedule does; what it did."""
    functions = system.clients.functions.list_functions()["Functions"]
    (sweeper,) = (f["FunctionName"] for f in functions if "Sweeper" in f["FunctionName"])
    answer = system.clients.functions.invoke(FunctionName=sweeper, Payload=b"{}")
    assert not answer.get("FunctionError")
    return dict(json.loads(answer["Payload"].read()))


def queue_url(system: System, name: str) -> str:
    """The queue whose name has `name` in it."""
    urls = system.clients.sqs.list_queues()["QueueUrls"]
    (found,) = (url for url in urls if name in url)
    return found


def send(system: System, url: str, body: str) -> None:
    system.clients.sqs.send_message(QueueUrl=url, MessageBody=body)
