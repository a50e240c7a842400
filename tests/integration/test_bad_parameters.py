"""A wrong parameter changes no picture: the run fails, naming the field, the value and the rule."""

from collections.abc import Mapping
from typing import Any

import pytest

from tests.integration.service import FinishedRun, Service
from tests.integration.stack import ACCOUNT, IMAGES, TRIGGER, Stack
from tests.integration.wire import Wire, refuse
from tests.pictures import jpeg


@pytest.fixture
def csv(service: Service, stack: Stack) -> str:
    stack.put_image("a.jpg", jpeg())
    service.put_csv("list.csv", ["a.jpg"])
    return "list.csv"


def assert_refused(run: FinishedRun, words: tuple[str, ...]) -> None:
    """The run failed, and says the same in its log and its summary."""
    assert run.status == "FAILED"
    assert run.results == []
    assert f"ERROR - {run.message}" in run.log_lines
    for word in words:
        assert word in run.message


QUALITY = ("perc_compression_quality", "a whole number from 0 to 100")


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"perc_compression_quality": -1}, (*QUALITY, "-1")),
        ({"perc_compression_quality": 101}, (*QUALITY, "101")),
        ({"perc_compression_quality": "80"}, (*QUALITY, '"80"')),
        ({"perc_compression_quality": 80.5}, (*QUALITY, "80.5")),
        ({"perc_compression_quality": None}, (*QUALITY, "null")),
        ({"perc_compression_quality": True}, (*QUALITY, "true")),
        ({"perc_compression_quality": [80]}, (*QUALITY, "[80]")),
        ({"perc_compresion_quality": 80}, ("perc_compresion_quality", "Did you mean perc_comp")),
        ({"quality": 80}, ('"quality" is not a parameter', "perc_compression_quality")),
        ({"max_image_pixels": 0}, ("max_image_pixels", "0", "at least 1")),
        ({"min_savings_percent": 100}, ("min_savings_percent", "100", "0 to 99")),
        ({"temp_dir": ""}, ("temp_dir", '""', "folder")),
        ({"temp_dir": "/does/not/exist"}, ("temp_dir", "/does/not/exist", "exists")),
        ({"temp_dir": __file__}, ("temp_dir", __file__, "folder")),
        ({"temp_dir": 7}, ("temp_dir", "7")),
        ({"bucket_name": "elsewhere"}, ("bucket_name", "elsewhere", IMAGES, "image_buckets")),
        ({"bucket_name": TRIGGER}, ("bucket_name", TRIGGER, IMAGES)),
        ({"bucket_name": ""}, ("bucket_name", '""')),
        ({"bucket_name": None}, ("bucket_name", "null")),
        ({"csv_path": 5}, ("csv_path", "5", "s3://")),
        ({"csv_path": ""}, ("csv_path", '""')),
        ({"client_token": ""}, ("client_token", '""')),
        ({"client_token": "x" * 257}, ("client_token", "256")),
        ({"perc_compression_quality": "x" * 10_000}, (*QUALITY, "xxx…")),
        (
            {"perc_compression_quality": 101, "max_image_pixels": -5, "tmp_dir": "/"},
            ("101", "-5", "tmp_dir", "Did you mean temp_dir?"),
        ),
    ],
    ids=lambda value: ascii(value)[:60] if isinstance(value, dict) else "",
)
def test_a_wrong_parameter_is_a_failed_run_that_says_what_is_allowed(
    service: Service, stack: Stack, csv: str, wrong: Mapping[str, Any], words: tuple[str, ...]
) -> None:
    before = stack.versions()

    answer = service.invoke({"csv_path": csv, **wrong})

    assert answer["status"] == "FAILED"
    run = service.finish(answer["run_id"])
    assert answer["message"] == run.message
    assert_refused(run, words)
    assert stack.versions() == before


@pytest.mark.parametrize(
    ("metadata", "words"),
    [
        ({"perc-compression-quality": "-1"}, (*QUALITY, "-1")),
        ({"perc-compression-quality": "101"}, (*QUALITY, "101")),
        ({"perc-compression-quality": "80.5"}, (*QUALITY, "80.5")),
        ({"perc-compression-quality": "high"}, (*QUALITY, "high")),
        ({"perc-compression-quality": ""}, (*QUALITY, '""')),
        ({"perc-compresion-quality": "80"}, ("perc_compresion_quality", "Did you mean")),
        ({"temp-dir": "/does/not/exist"}, ("temp_dir", "/does/not/exist")),
        ({"bucket-name": "elsewhere"}, ("bucket_name", "elsewhere", IMAGES)),
    ],
)
def test_a_wrong_parameter_of_an_upload_is_a_failed_run_too(
    service: Service,
    stack: Stack,
    csv: str,
    metadata: Mapping[str, str],
    words: tuple[str, ...],
) -> None:
    before = stack.versions()

    assert_refused(service.upload(["a.jpg"], metadata=metadata), words)
    assert stack.versions() == before


@pytest.mark.parametrize("quality", [0, 1, 99, 100])
def test_the_ends_of_the_range_are_allowed(service: Service, csv: str, quality: int) -> None:
    answer = service.invoke({"csv_path": csv, "perc_compression_quality": quality})

    run = service.finish(answer["run_id"])

    assert run.status == "COMPLETED"
    assert run.outcomes() == ["COMPRESSED"]


def test_a_bucket_with_acls_of_another_account_is_refused(
    service: Service, stack: Stack, wire: Wire
) -> None:
    """What is written there would belong to the writer, and its owner could lose access."""
    wire.before("GetBucketAcl", refuse("AccessDenied", status=403))
    service.put_csv("list.csv", ["a.jpg"])

    run = service.finish(service.invoke({"csv_path": "list.csv"})["run_id"])

    (call,) = wire.made("GetBucketAcl")
    assert call.parameters["ExpectedBucketOwner"] == ACCOUNT
    assert run.status == "FAILED"
    assert f"account {ACCOUNT} is not its owner" in run.message
    assert "bucket owner enforced" in run.message
