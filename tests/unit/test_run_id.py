import re
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagepress.run_id import csv_slug, make_run_id

NOON = datetime(2024, 2, 1, 12, tzinfo=UTC)
moments = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis wants bare bounds
encodable = st.text(st.characters(codec="utf-8"))


@pytest.mark.parametrize(
    ("path", "slug"),
    [
        ("dataset.csv", "dataset"),
        ("lists/2024/dataset.csv", "dataset"),
        ("s3://bucket/lists/dataset.csv", "dataset"),
        ("dataset.csv.gz", "dataset"),
        ("dataset.gz", "dataset"),
        ("Meu Dataset (2).CSV", "meu-dataset-2"),
        ("data.set.v2.csv", "data-set-v2"),
        ("../../etc/passwd", "passwd"),
        ("inventory/", "inventory"),
        ("ação.csv", "a-o"),
        ("写真.csv", "run"),
        (".csv", "run"),
        ("", "run"),
        ("///", "run"),
        ("x" * 100 + ".csv", "x" * 40),
        ("x" * 39 + "-y.csv", "x" * 39),
        ("--" + "x" * 100 + ".csv", "x" * 40),
        ("a\nb.csv", "a-b"),
    ],
)
def test_the_csv_s_name_as_a_piece_of_a_key(path: str, slug: str) -> None:
    assert csv_slug(path) == slug


def test_a_run_id_shows_time_and_csv() -> None:
    run_id = make_run_id(NOON, "lists/dataset.csv", "token")

    assert re.fullmatch(r"20240201T120000Z-dataset-[0-9a-f]{8}", run_id)


def test_the_time_is_utc_wherever_the_event_came_from() -> None:
    there = NOON.astimezone(timezone(timedelta(hours=-3)))

    assert make_run_id(there, "a.csv", "t") == make_run_id(NOON, "a.csv", "t")


def test_another_token_is_another_run() -> None:
    assert make_run_id(NOON, "a.csv", "one") != make_run_id(NOON, "a.csv", "two")


@given(moments, encodable, encodable)
def test_any_csv_and_token_make_a_plain_key(started: datetime, path: str, token: str) -> None:
    run_id = make_run_id(started, path, token)

    assert re.fullmatch(r"\d{8}T\d{6}Z-[a-z0-9]+(-[a-z0-9]+)*-[0-9a-f]{8}", run_id)
    assert len(run_id) <= 66
    assert run_id == make_run_id(started, path, token)


@given(moments, moments, encodable)
def test_run_ids_sort_by_time(one: datetime, other: datetime, path: str) -> None:
    seconds = [moment.replace(microsecond=0) for moment in (one, other)]
    earlier, later = sorted(seconds)

    assert earlier == later or make_run_id(earlier, path, "t") < make_run_id(later, path, "a")
