"""A manifest that cannot be read is a failed run with a reason; a bad row costs itself alone."""

import gzip
import json
from collections.abc import Callable

import pytest

from tests.integration.pump import Pump
from tests.integration.service import FinishedRun, Service, csv_of
from tests.integration.stack import TRIGGER, Stack
from tests.pictures import jpeg, png

MEBIBYTE = 1 << 20


@pytest.fixture(autouse=True)
def picture(stack: Stack) -> str:
    """The key of one picture that can be compressed."""
    stack.put_image("a.jpg", jpeg())
    return "a.jpg"


def assert_refused(run: FinishedRun, *words: str) -> None:
    """The run failed, and says the same in its log and its summary."""
    assert run.status == "FAILED"
    assert run.results == []
    assert f"ERROR - {run.message}" in run.log_lines
    for word in words:
        assert word in run.message


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"file;size\na.jpg;1\n", ("no column path", "file;size")),
        (b"a.jpg\nb.jpg\n", ("no column path", "a.jpg")),
        (b"images,paths\na,b\n", ("no column path", "images,paths")),
        (b'"path\na.jpg\n', ("no header", "quote")),
        (png(), ("not UTF-8 text",)),
        (jpeg(), ("text",)),
        (b"PK\x03\x04\x14\0\x06\0 workbook.xlsx", ("not a text file",)),
        ("path\na.jpg\n".encode("utf-16"), ("UTF-16", "UTF-8")),
        ("caminho,ação\n".encode("latin-1"), ("not UTF-8",)),
        (b"x" * MEBIBYTE + b"\na.jpg\n", ("no column path", "xxx")),
        (b"x" * (MEBIBYTE + 1) + b"\na.jpg\n", ("no column path", "xxx")),
        (gzip.compress(b"file\na.jpg\n"), ("no column path", "file")),
        (gzip.compress(png()), ("not UTF-8 text",)),
        (b"\x1f\x8b is not gzip", ("gzip",)),
    ],
    ids=[
        "other columns",
        "no header",
        "nearly path",
        "open quote",
        "png",
        "jpeg",
        "workbook",
        "utf-16",
        "latin-1",
        "a line of 1 MiB",
        "a line over 1 MiB",
        "gzipped without the column",
        "gzipped picture",
        "gzip in name only",
    ],
)
def test_a_csv_that_is_no_manifest_is_a_failed_run(
    service: Service, stack: Stack, content: bytes, words: tuple[str, ...]
) -> None:
    before = stack.versions()

    run = service.upload(content)

    assert_refused(run, *words)
    assert stack.versions() == before


@pytest.mark.parametrize(
    "damage",
    [
        lambda packed: packed[: len(packed) // 2],
        lambda packed: packed[:-8] + bytes(8),
        lambda packed: packed[:-4],
        lambda packed: packed[:200] + bytes(20) + packed[220:],
    ],
    ids=["cut in the middle", "wrong checksum", "cut at the end", "zeroes inside"],
)
def test_a_damaged_gzip_file_is_a_failed_run(
    service: Service, stack: Stack, damage: Callable[[bytes], bytes]
) -> None:
    keys = ["a.jpg", *(f"{number * 7919 % 10007}/{number}.jpg" for number in range(2000))]
    before = stack.versions()

    run = service.upload(damage(gzip.compress(csv_of(keys))), key="list.csv.gz")

    assert_refused(run, "gzip")
    assert stack.versions() == before


@pytest.mark.parametrize(
    ("csv_path", "words"),
    [
        ("missing.csv", ("no object", f"s3://{TRIGGER}/missing.csv")),
        (f"s3://{TRIGGER}/", ("csv_path", f"s3://{TRIGGER}/")),
        ("s3://elsewhere/list.csv", ("s3://elsewhere/list.csv", TRIGGER)),
        ("s3://", ("csv_path",)),
        ("x" * 1025, ("csv_path",)),
    ],
)
def test_a_csv_that_is_not_there_is_a_failed_run(
    service: Service, csv_path: str, words: tuple[str, ...]
) -> None:
    answer = service.invoke({"csv_path": csv_path})

    assert answer["status"] == "FAILED"
    assert_refused(service.finish(answer["run_id"]), *words)


def test_an_uploaded_csv_that_is_gone_already_is_a_failed_run(
    service: Service, stack: Stack, pump: Pump
) -> None:
    event = service.put_csv("list.csv", ["a.jpg"])
    version = event["Records"][0]["s3"]["object"]["versionId"]
    stack.s3.delete_object(Bucket=TRIGGER, Key="list.csv", VersionId=version)

    (answer,) = pump.invoke("dispatcher", event)

    assert_refused(service.finish(answer["run_id"]), "no object", "list.csv")


def test_a_csv_that_must_not_be_read_is_a_failed_run(service: Service, stack: Stack) -> None:
    event = service.put_csv("list.csv", ["a.jpg"])
    deny = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": ["s3:GetObject", "s3:HeadObject"],
        "Resource": f"arn:aws:s3:::{TRIGGER}/*",
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [deny]})
    stack.s3.put_bucket_policy(Bucket=TRIGGER, Policy=policy)

    answer = service.invoke({"csv_path": event["Records"][0]["s3"]["object"]["key"]})
    stack.s3.delete_bucket_policy(Bucket=TRIGGER)

    assert_refused(service.finish(answer["run_id"]), "forbidden", f"s3://{TRIGGER}/list.csv")


def test_a_csv_that_is_deleted_during_the_run_is_a_failed_run(
    service: Service, stack: Stack, pump: Pump
) -> None:
    run_id = service.start_upload(["a.jpg"])
    version = stack.s3.head_object(Bucket=TRIGGER, Key="list.csv")["VersionId"]
    stack.s3.delete_object(Bucket=TRIGGER, Key="list.csv", VersionId=version)
    pump.tolerated = (Exception,)

    assert_refused(service.finish(run_id), "no object", "list.csv")


BAD_ROWS = {
    b'""': ("empty",),
    b"  ": ("empty",),
    b"x" * 1025: ("1,025 bytes", "1,024"),
    "é".encode() * 513: ("1,026 bytes", "1,024"),
    b"caf\xe9.jpg": ("not valid UTF-8",),
    b"x" * 1_000_000: ("1,000,000 bytes", "1,024"),
    b"x" * (MEBIBYTE + 1): ("line", "1,048,576"),
    b'"' + b"x" * 1026 + b'"': ("1,026 bytes",),
    b'"never closed.jpg': ("quote", "never closed"),
}


def test_bad_rows_fail_alone(service: Service) -> None:
    content = b"".join(b"%b\nmissing.jpg\n" % row for row in BAD_ROWS)

    run = service.upload(b"path\na.jpg\n" + content)

    assert run.status == "COMPLETED"
    assert run.outcomes()[0] == "COMPRESSED"
    assert run.outcomes()[1::2] == ["FAILED/INVALID_ROW"] * len(BAD_ROWS)
    assert run.outcomes()[2::2] == ["FAILED/NOT_FOUND"] * len(BAD_ROWS)
    for row, words in zip(run.results[1::2], BAD_ROWS.values(), strict=True):
        assert [word for word in words if word not in row["message"]] == []
    assert run.failed == ["missing.jpg"] * len(BAD_ROWS)


def test_a_row_without_the_column_fails_alone(service: Service) -> None:
    run = service.upload(b"id,path\n1,a.jpg\n2\n3,missing.jpg\n")

    assert run.outcomes() == ["COMPRESSED", "FAILED/INVALID_ROW", "FAILED/NOT_FOUND"]
    assert "no field path" in run.results[1]["message"]


def test_a_header_beyond_the_part_that_is_looked_at_first_is_no_row(service: Service) -> None:
    """The column is found in the first bytes of the file, though its line is longer."""
    run = service.upload(b"path," + b"x" * 300_000 + b"\na.jpg\n")

    assert [row["path"] for row in run.results] in ([], ["a.jpg"])
