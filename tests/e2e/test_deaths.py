"""Processes are killed while a run is on: it ends, exact to the row, and nothing is damaged."""

import hashlib
import sys
import time
from collections import Counter

import pytest

from imagepress.chunk import Chunk, chunks
from imagepress.manifest_store import ManifestStore
from imagepress.run import ChunkState, Cursor, RunStatus
from tests.e2e import processes
from tests.e2e.processes import Process
from tests.e2e.system import FinishedRun, System
from tests.pictures import decoded, photograph, png

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc"),
]

PICTURE = png(photograph(size=(640, 480)))


def test_codec_processes_that_are_killed_are_followed_by_the_next_codec(
    system: System, name: str
) -> None:
    keys = put_pictures(system, name, 24)
    run_id = system.upload_csv(f"{name}.csv", keys)

    kills = 0
    for rows in (2, 6, 10):
        system.await_rows(run_id, rows)
        kills += sum(process.kill() for process in busy_codecs(system))
    run = system.await_run(run_id)

    assert kills >= 3
    assert run.status is RunStatus.COMPLETED
    check_accounts(system, run, keys)
    assert run.outcomes() == ["COMPRESSED"] * len(keys)
    encoders = Counter(row["encoder"] for row in run.results)
    assert set(encoders) <= {"near-lossless+oxipng", "oxipng", "zlib"}
    # Each step down to the next codec took a kill.
    assert 1 <= encoders["oxipng"] + 2 * encoders["zlib"] <= kills


def test_compressors_that_are_killed_cost_nothing(system: System, name: str) -> None:
    keys = put_pictures(system, name, 24)
    run_id = system.upload_csv(f"{name}.csv", keys)

    killed: list[Process] = []
    orphans: list[Process] = []
    for rows in (2, 8):
        system.await_rows(run_id, rows)
        orphans += processes.codecs(system.emulator)
        killed += [process for process in await_workers(system) if process.kill()]
        # At once: for a second after a death the emulator starts nobody new on that queue.
        died = chunks_in_hand(system, run_id)
        assert processes.await_gone([*killed, *orphans]) == []
        let_time_pass(system, died)
    run = system.await_run(run_id)

    assert killed
    assert orphans
    assert run.status is RunStatus.COMPLETED
    check_accounts(system, run, keys)
    assert run.outcomes() == ["COMPRESSED"] * len(keys)


def put_pictures(system: System, name: str, count: int) -> list[str]:
    """Pictures that take a while, alike but for their names."""
    keys = [f"{name}/{number}.png" for number in range(count)]
    for key in keys:
        system.put(key, PICTURE, CacheControl="max-age=9")
    return keys


def busy_codecs(system: System) -> list[Process]:
    """The codec processes, once there are some."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if found := processes.codecs(system.emulator):
            return found
        time.sleep(0.01)
    raise AssertionError("No codec process was started.")


def await_workers(system: System) -> list[Process]:
    """The compressor's workers, once there are some."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        function = system.deployment.compressor_function
        if found := processes.workers(system.emulator, function):
            return found
        time.sleep(0.01)
    raise AssertionError("No compressor was started.")


def chunks_in_hand(system: System, run_id: str) -> list[tuple[Chunk, ChunkState]]:
    """The chunks that are not done, each as it stands now."""
    run = system.table.load(run_id)
    assert run is not None
    assert run.manifest is not None
    rows = ManifestStore(system.clients.s3).rows(run.manifest, Cursor(run.manifest.start))
    states = (
        (chunk, system.table.chunk_state(run_id, chunk.number))
        for chunk in chunks(run_id, rows, run.chunk_size, first=0)
    )
    return [(chunk, state) for chunk, state in states if state.done_attempt is None]


def let_time_pass(system: System, died: list[tuple[Chunk, ChunkState]]) -> None:
    """Do what a minute or two would: the dead attempts' terms end, and their messages come back.

    A chunk whose message still waits is delivered twice then, as SQS may do at any time.
    """
    for chunk, state in died:
        if state.open_until is not None:
            system.clients.dynamodb.update_item(
                TableName=system.deployment.runs_table,
                Key={"pk": {"S": f"chunk#{chunk.run_id}#{chunk.number}"}},
                UpdateExpression="SET open_until = :now",
                ConditionExpression="attempts = :attempts",
                ExpressionAttributeValues={
                    ":now": {"N": str(round(time.time() * 1000))},
                    ":attempts": {"N": str(state.attempts)},
                },
            )
        system.clients.sqs.send_message(
            QueueUrl=system.deployment.chunk_queue_url, MessageBody=chunk.to_message()
        )


def check_accounts(system: System, run: FinishedRun, keys: list[str]) -> None:
    """Each row has one outcome, totals agree, and every object is what its outcome says."""
    assert [row["path"] for row in run.results] == keys
    said = Counter(row["outcome"] for row in run.results)
    assert run.summary["outcomes"] == {
        outcome: said[outcome] for outcome in ("COMPRESSED", "SKIPPED", "FAILED")
    }
    assert run.look.progress.totals.rows == run.summary["rows"] == len(keys)
    versions = system.versions(f"{keys[0].partition('/')[0]}/")
    undo = {row["path"]: row for row in run.undo}
    assert len(undo) == len(run.undo) == said["COMPRESSED"]
    for row in run.results:
        key = row["path"]
        now = system.stored(key)
        if row["outcome"] != "COMPRESSED":
            assert key not in undo
            assert len(versions[key]) == 1
            assert now.body == PICTURE
            continue
        first, second = versions[key]  # and not a third: nothing was written twice
        assert (undo[key]["version_before"], undo[key]["version_after"]) == (first, second)
        assert undo[key]["etag_before"] == hashlib.md5(PICTURE).hexdigest()
        assert undo[key]["etag_after"] == hashlib.md5(now.body).hexdigest()
        assert len(now.body) == int(row["bytes_after"]) < len(PICTURE)
        assert decoded(now.body).size == decoded(PICTURE).size
        assert now.headers["CacheControl"] == "max-age=9"
        assert now.marker is not None
        assert (now.marker["r"], now.marker["v0"]) == (run.run_id, first)
