from datetime import UTC, datetime

import pytest

from imagepress.run import MAX_SHARDS, Run, shards_for
from imagepress.settings import RunSettings

RUN = Run(
    run_id="r",
    created=1_706_788_800.0,
    source="a.csv",
    bucket_name="b",
    settings=RunSettings(),
    chunk_size=1,
    shards=1,
)


@pytest.mark.parametrize(
    ("chunks", "shards"), [(0, 1), (1, 1), (31, 1), (32, 2), (200, 12), (10**9, MAX_SHARDS)]
)
def test_a_large_run_counts_in_many_places(chunks: int, shards: int) -> None:
    assert shards_for(chunks) == shards


def test_a_run_started_when_it_was_created() -> None:
    assert RUN.started == datetime(2024, 2, 1, 12, tzinfo=UTC)


def test_a_run_is_sent_out_once_its_chunks_are_counted() -> None:
    assert not RUN.fully_dispatched
