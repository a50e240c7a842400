from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from imagepress.errors import Refused
from imagepress.order import (
    MISSING_CSV_PATH,
    Location,
    direct_order,
    direct_wish,
    upload_order,
    upload_wish,
)

NOW = 1_706_788_800.0
READABLE = ("trigger", "runs")
UPLOAD = Location("trigger", "lists/dataset.csv", "v1")
EVENT_TIME = "2024-02-01T12:00:00.123Z"


# Tokens: what is the same run


def test_retries_of_one_direct_invocation_are_one_order() -> None:
    event = {"csv_path": "dataset.csv"}

    assert direct_order(event, "request", NOW).token == direct_order(event, "request", 9e9).token


def test_two_direct_invocations_are_two_orders() -> None:
    event = {"csv_path": "dataset.csv"}

    assert direct_order(event, "one", NOW).token != direct_order(event, "two", NOW).token


def test_a_client_token_makes_two_invocations_one_order() -> None:
    event = {"csv_path": "dataset.csv", "client_token": "mine"}

    assert direct_order(event, "one", NOW).token == direct_order(event, "two", NOW).token


def test_a_client_token_cannot_pass_for_another_kind_of_token() -> None:
    upload = upload_order(UPLOAD, "seq", EVENT_TIME).token
    request = direct_order({}, "one", NOW).token
    for token in (upload, request):
        assert direct_order({"client_token": token}, "x", NOW).token not in (upload, request)


def test_repeated_notifications_of_one_upload_are_one_order() -> None:
    assert (
        upload_order(UPLOAD, "seq", EVENT_TIME).token
        == upload_order(UPLOAD, "seq", "2024-02-01T12:00:59Z").token
    )


@pytest.mark.parametrize(
    ("upload", "sequencer"),
    [
        (UPLOAD, "other"),
        (replace(UPLOAD, version_id="v2"), "seq"),
        (replace(UPLOAD, key="lists/other.csv"), "seq"),
        (replace(UPLOAD, bucket="other"), "seq"),
    ],
)
def test_another_upload_is_another_order(upload: Location, sequencer: str) -> None:
    first = upload_order(UPLOAD, "seq", EVENT_TIME)

    assert upload_order(upload, sequencer, EVENT_TIME).token != first.token


# What an order says


def test_a_direct_order_starts_now() -> None:
    order = direct_order({"csv_path": "a.csv"}, "request", NOW)

    assert order.started == datetime(2024, 2, 1, 12, tzinfo=UTC)
    assert order.name == "a.csv"


def test_an_upload_s_order_started_when_it_was_uploaded() -> None:
    order = upload_order(UPLOAD, "seq", EVENT_TIME)

    assert order.started == datetime(2024, 2, 1, 12, 0, 0, 123_000, tzinfo=UTC)
    assert order.name == UPLOAD.key


@pytest.mark.parametrize("path", [None, 5, ["a.csv"], {}, True])
def test_a_csv_path_that_is_no_text_names_no_csv(path: object) -> None:
    assert direct_order({"csv_path": path}, "request", NOW).name == ""


@pytest.mark.parametrize("token", [None, 0, "", [], 5, ["x"], {"a": 1}])
def test_a_client_token_of_a_wrong_type_still_makes_an_order(token: object) -> None:
    assert direct_order({"client_token": token}, "request", NOW).token


# Fingerprints: what must be equal where a token comes again


def test_the_order_of_parameters_does_not_matter() -> None:
    one = direct_order({"csv_path": "a.csv", "temp_dir": "/tmp"}, "r", NOW)
    other = direct_order({"temp_dir": "/tmp", "csv_path": "a.csv"}, "r", NOW)

    assert one.fingerprint() == other.fingerprint()


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"csv_path": "b.csv"},
        {"csv_path": "a.csv", "perc_compression_quality": 70},
        {"csv_path": "a.csv", "perc_compression_quality": "80"},
    ],
)
def test_other_parameters_have_another_fingerprint(event: dict[str, Any]) -> None:
    first = direct_order({"csv_path": "a.csv", "perc_compression_quality": 80}, "r", NOW)

    assert direct_order(event, "r", NOW).fingerprint() != first.fingerprint()


def test_a_notification_has_the_fingerprint_of_its_first_delivery() -> None:
    one = upload_order(UPLOAD, "seq", EVENT_TIME)
    other = upload_order(UPLOAD, "seq", "2024-02-01T12:00:59Z")

    assert one.fingerprint() == other.fingerprint()


# Wishes


@pytest.mark.parametrize(
    ("path", "location"),
    [
        ("dataset.csv", Location("trigger", "dataset.csv")),
        ("lists/a b+c%20.csv", Location("trigger", "lists/a b+c%20.csv")),
        ("s3://trigger/lists/a.csv", Location("trigger", "lists/a.csv")),
        ("s3://runs/runs/x/failed.csv", Location("runs", "runs/x/failed.csv")),
        ("/leading.csv", Location("trigger", "/leading.csv")),
    ],
)
def test_csv_path_says_where_the_manifest_is(path: str, location: Location) -> None:
    assert direct_wish({"csv_path": path}, "trigger", READABLE).csv == location


@pytest.mark.parametrize("path", ["s3://elsewhere/a.csv", "s3://trigger", "s3://trigger/", "s3://"])
def test_a_csv_that_cannot_be_read_is_refused(path: str) -> None:
    with pytest.raises(Refused) as refusal:
        direct_wish({"csv_path": path}, "trigger", READABLE)

    assert repr(path) in str(refusal.value)
    assert "trigger, runs" in str(refusal.value)


def test_a_direct_invocation_needs_a_csv() -> None:
    with pytest.raises(Refused) as refusal:
        direct_wish({"perc_compression_quality": 75}, "trigger", READABLE)

    assert str(refusal.value) == MISSING_CSV_PATH


def test_a_wrong_parameter_is_refused_before_the_csv_is_looked_for() -> None:
    with pytest.raises(Refused, match="perc_compression_quality is 101"):
        direct_wish({"perc_compression_quality": 101}, "trigger", READABLE)


def test_an_upload_s_wish_stands_in_its_metadata() -> None:
    wish = upload_wish(UPLOAD, {"perc-compression-quality": "75"})

    assert wish.values == {"perc_compression_quality": 75}
    assert wish.csv == UPLOAD
    assert not wish.notes


def test_foreign_metadata_is_reported() -> None:
    wish = upload_wish(UPLOAD, {"uid": "1000", "mtime": "1"})

    assert wish.notes == ["Metadata of the CSV that is no parameter was ignored: mtime, uid."]
