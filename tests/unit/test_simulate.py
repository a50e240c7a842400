from pathlib import Path

import pytest

from bench import simulate
from bench.simulate import TURN, Scenario, meet
from imagepress import chunk_work, costs

SCALE = (Path(__file__).parents[2] / "docs" / "scale.md").read_text("utf-8")
TABLES = simulate.tables()


@pytest.mark.parametrize("name", TABLES)
def test_the_document_has_the_tables_that_the_script_prints(name: str) -> None:
    assert TABLES[name] in SCALE


def test_chunks_are_those_of_the_dispatcher() -> None:
    assert Scenario(10**6, 50).chunks == 10_000
    assert Scenario(1000, 50).chunk_rows == 5


def test_without_a_ramp_work_is_shared_out() -> None:
    assert Scenario(1000, 5).compress_seconds == pytest.approx(1000 * 0.6 / 5)


def test_while_compressors_come_less_is_done() -> None:
    # 5 at once, and 5 more each second for a minute: 5 x 60 + 5 x 60 x 60 / 2 = 9,300 seconds of
    # work; the rest of 60,000 is shared by 305.
    run = Scenario(100_000, 305)

    assert run.ramp_seconds == pytest.approx(60)
    assert run.compress_seconds == pytest.approx(60 + (60_000 - 9300) / 305)


def test_a_short_run_ends_before_all_compressors_are_there() -> None:
    # 5 t + 2.5 t² = 600 has the root 14.525.
    assert Scenario(1000, 1000).compress_seconds == pytest.approx(14.525, abs=0.001)


def test_a_billion_rows_need_more_compressors() -> None:
    run = Scenario(10**9, 50)

    assert run.used()["14 days of the queue"] > 1
    assert run.first_limit == "14 days of the queue"
    # 6e8 s in 70 % of 1,209,600 s.
    assert run.concurrency_needed == 709
    assert Scenario(10**9, 709).used()["14 days of the queue"] < 0.71


def test_a_thousand_compressors_nearly_use_up_a_prefix() -> None:
    used = Scenario(10**8, 1000).used()

    # 1,667 rows a second, each with a GET, a HEAD, a look at annotations, and a PUT.
    assert used["S3 reads of a prefix"] == pytest.approx(5000 / 5500)
    assert used["S3 writes of a prefix"] == pytest.approx(1666.67 / 3500, rel=1e-4)
    # 16.7 chunks a second: 5 units each, and 36 to read.
    assert used["writes of the table"] == pytest.approx(16.667 * 5 / 4000, rel=1e-3)
    assert used["reads of the table"] == pytest.approx(16.667 * 36 / 12_000, rel=1e-3)


def test_every_limit_says_what_to_turn() -> None:
    assert Scenario(1, 2).used().keys() == TURN.keys()


def test_one_compressor_meets_nobody() -> None:
    alone = meet(1, 0.6, shards=1)

    assert (alone.refused, alone.most_tries, alone.given_up) == (0, 1, 0)
    assert alone.ends_a_second == pytest.approx(1 / 60, rel=0.02)


def test_a_single_counter_is_too_few_for_a_thousand() -> None:
    assert meet(1000, 0.1, shards=1).given_up > 0
    assert meet(1000, 0.1).given_up == 0


def test_a_simulation_says_the_same_each_time() -> None:
    assert meet(100, 0.1) == meet(100, 0.1)


def test_the_bill_knows_how_often_a_run_is_looked_at() -> None:
    assert costs.WATCH_SECONDS == chunk_work.WATCH_SECONDS
