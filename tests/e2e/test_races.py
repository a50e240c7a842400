"""Others write to the very objects that a run is working on: no write of theirs is lost."""

import hashlib
import random
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import pairwise

import pytest

from imagepress.run import RunStatus
from tests.e2e.system import System
from tests.pictures import jpeg, photograph

pytestmark = pytest.mark.e2e

WRITERS = 3
KEYS_EACH = 8
HOT_KEYS = 2
UNTOUCHED_KEYS = 2
HOT_SHARE = 0.9
PAUSE_SECONDS = 0.01


@dataclass(slots=True)
class Writer:
    """Overwrites keys of its own, each a few times, and remembers what it wrote."""

    system: System
    keys: Sequence[str]
    seed: int
    written: dict[str, list[tuple[str, bytes]]] = field(default_factory=dict)

    def put(self, key: str) -> None:
        past = self.written.setdefault(key, [])
        body = jpeg(photograph(seed=self.seed), comment=f"{key} {len(past)}".encode())
        answer = self.system.clients.s3.put_object(
            Bucket=self.system.deployment.images_bucket, Key=key, Body=body
        )
        past.append((answer["VersionId"], body))

    def work(self, end: threading.Event) -> None:
        """Until the end: some keys are written all the time, some now and then, some never."""
        dice = random.Random(self.seed)
        hot, warm = self.keys[:HOT_KEYS], self.keys[HOT_KEYS:-UNTOUCHED_KEYS]
        while not end.wait(PAUSE_SECONDS):
            self.put(dice.choice(hot if dice.random() < HOT_SHARE else warm))


def test_no_write_of_anybody_is_lost(system: System, name: str) -> None:
    writers = [
        Writer(system, [f"{name}/{writer}-{number}.jpg" for number in range(KEYS_EACH)], writer)
        for writer in range(WRITERS)
    ]
    keys = [key for writer in writers for key in writer.keys]
    for writer in writers:
        for key in writer.keys:
            writer.put(key)
    end = threading.Event()
    with ThreadPoolExecutor(WRITERS) as threads:
        working = [threads.submit(writer.work, end) for writer in writers]
        try:
            run = system.await_run(system.upload_csv(f"{name}.csv", keys))
        finally:
            end.set()
        for writer_work in working:
            writer_work.result()

    assert run.status is RunStatus.COMPLETED
    outcomes = dict(zip(keys, run.outcomes(), strict=True))
    assert set(outcomes.values()) <= {"COMPRESSED", "FAILED/CHANGED_MEANWHILE"}
    assert "COMPRESSED" in outcomes.values()
    versions = system.versions(f"{name}/")
    for writer in writers:
        assert all(len(writer.written[key]) > 1 for key in writer.keys[:HOT_KEYS])
        for key in writer.keys:
            theirs = dict(writer.written[key])
            check_history(system, key, versions[key], theirs, outcomes[key], run.run_id)


def check_history(
    system: System,
    key: str,
    versions: Sequence[str],
    theirs: dict[str, bytes],
    outcome: str,
    run_id: str,
) -> None:
    """Every version is the writer's own or a replacement of exactly the one before it."""
    by_run = [version for version in versions if version not in theirs]
    assert [version for version in versions if version in theirs] == list(theirs)
    assert len(by_run) == (outcome == "COMPRESSED")
    before = dict(zip(versions[1:], versions[:-1], strict=True))
    for version in by_run:
        marker = system.stored(key, version).marker
        assert marker is not None
        replaced = before[version]
        assert (marker["r"], marker["v0"]) == (run_id, replaced)
        assert marker["t0"] == hashlib.md5(theirs[replaced]).hexdigest()
    for older, newer in pairwise(versions):
        assert older != newer
    if versions[-1] in theirs:
        assert system.get(key) == theirs[versions[-1]] == list(theirs.values())[-1]
    else:
        assert versions[-2] == list(theirs)[-1]
