"""What people and programs are told of a run that has ended."""

import json
from typing import Any

import pytest

from imagepress.notice import (
    LONGEST_SUBJECT,
    LONGEST_TEXT,
    MACHINES,
    Place,
    console_url,
    notice_of,
    notice_without_report,
)
from imagepress.run import Run, RunStatus
from imagepress.settings import RunSettings

PLACE = Place(region="eu-west-1", runs_bucket="runs-bucket", dispatcher="the-dispatcher")
RUN_ID = "20261123T042401Z-list-d7bec4f6"
FOLDER = f"s3://runs-bucket/runs/{RUN_ID}"
SNS_BYTES = 256 * 1024
HOSTILE = "\x00\r\nFrom: a\u2028b\ud800\ufffe=cmd()" + "ç" * 5000


def summary(**changes: Any) -> dict[str, Any]:
    plain: dict[str, Any] = {
        "run_id": RUN_ID,
        "status": "COMPLETED",
        "message": "",
        "notes": [],
        "source": "s3://trigger/list.csv",
        "bucket_name": "pictures",
        "restores": None,
        "parameters": {"perc_compression_quality": 80},
        "started": "2026-11-23T04:24:01Z",
        "finished": "2026-11-23T05:24:08Z",
        "seconds": 3607.0,
        "rows": 1043,
        "outcomes": {"COMPRESSED": 1037, "SKIPPED": 4, "FAILED": 2},
        "reasons": {"CORRUPT_IMAGE": 2, "DUPLICATE": 4},
        "bytes_before": 6_100_000,
        "bytes_after": 2_200_000,
        "bytes_saved": 3_900_000,
        "saved_percent": 63.9,
        "undo": "versions",
        "files": {
            "log": f"{FOLDER}/compression_2026-11-23_04-24-01.log",
            "results": f"{FOLDER}/results.csv",
            "summary": f"{FOLDER}/summary.json",
        },
    }
    return {**plain, **changes}


def test_it_reads_well() -> None:
    notice = notice_of(summary(), PLACE)

    pages = "https://eu-west-1.console.aws.amazon.com/s3"
    at = f"region=eu-west-1&prefix=runs/{RUN_ID}"
    event = f'{{"action": "restore", "run_id": "{RUN_ID}"}}'
    command = (
        "aws lambda invoke --region eu-west-1 --function-name the-dispatcher "
        f"--cli-binary-format raw-in-base64-out --payload '{event}' answer.json"
    )
    assert notice.subject == f"imagepress: COMPLETED {RUN_ID}"
    assert notice.text.splitlines() == [
        f"Run {RUN_ID} has ended: COMPLETED.",
        "Every row of its list has an outcome.",
        "List: s3://trigger/list.csv",
        "Images: pictures",
        "",
        "1,043 rows: 1,037 compressed, 4 skipped, 2 failed",
        "Reasons: 2 CORRUPT_IMAGE, 4 DUPLICATE",
        "6.1 MB became 2.2 MB: 3.9 MB or 63.9 % saved",
        "It took 1 h 00 min, until 2026-11-23T05:24:08Z.",
        "",
        f"Log: {pages}/object/runs-bucket?{at}/compression_2026-11-23_04-24-01.log",
        f"Results: {pages}/object/runs-bucket?{at}/results.csv",
        f"Summary: {pages}/object/runs-bucket?{at}/summary.json",
        f"Folder: {pages}/buckets/runs-bucket?{at}/",
        "",
        "To undo it:",
        command,
    ]


def test_programs_get_the_same_facts_as_json() -> None:
    message = json.loads(notice_of(summary(), PLACE).message())

    assert message["default"].startswith(f"Run {RUN_ID} has ended")
    assert message["sms"] == f"imagepress: COMPLETED {RUN_ID}"
    facts = {protocol: json.loads(message[protocol]) for protocol in MACHINES}
    assert all(one == facts["sqs"] for one in facts.values())
    expected = summary()
    for name in ("run_id", "status", "rows", "outcomes", "bytes_saved", "undo", "files"):
        assert facts["sqs"][name] == expected[name]
    assert facts["sqs"]["kind"] == "compression"
    assert set(facts["sqs"]["console"]) == {*expected["files"], "folder"}


@pytest.mark.parametrize("status", ["COMPLETED", "FAILED", "CANCELLED", "ABORTED"])
def test_every_end_has_its_sentence(status: str) -> None:
    notice = notice_of(summary(status=status, message="This is why."), PLACE)

    first, sentence, why, *_ = notice.text.splitlines()
    assert first == f"Run {RUN_ID} has ended: {status}."
    assert len(sentence) > 20
    assert why == "This is why."
    assert (notice.status, notice.kind) == (status, "compression")


def test_a_dry_run_says_what_would_be_saved_and_that_nothing_was_written() -> None:
    estimate = {"bytes_saved": 5_000_000, "interval_95": [4_000_000, 6_000_000]}
    outcomes = {"COMPRESSED": 0, "SKIPPED": 9, "FAILED": 0}
    notice = notice_of(summary(dry_run=estimate, outcomes=outcomes), PLACE)

    assert notice.kind == "dry run"
    assert "nothing was written. About 5.0 MB would be saved (4.0 MB to 6.0 MB)" in notice.text
    assert "nothing to undo" in notice.text


def test_a_restore_says_so() -> None:
    outcomes = {"COMPRESSED": 0, "SKIPPED": 0, "FAILED": 0, "RESTORED": 9}
    notice = notice_of(summary(restores="another", outcomes=outcomes), PLACE)

    assert notice.kind == "restore"
    assert "9 restored" in notice.text
    assert "itself an undoing" in notice.text


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"undo": "none"}, "It cannot be undone"),
        ({"outcomes": {"COMPRESSED": 0, "SKIPPED": 0, "FAILED": 0}}, "there is nothing to undo"),
    ],
)
def test_who_cannot_undo_is_told_why(changes: dict[str, Any], said: str) -> None:
    text = notice_of(summary(**changes), PLACE).text

    assert said in text
    assert "aws lambda invoke" not in text


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.4, "0 s"), (59, "59 s"), (61, "1 min 01 s"), (90_000, "25 h 00 min")],
)
def test_durations(seconds: float, said: str) -> None:
    assert f"It took {said}, until" in notice_of(summary(seconds=seconds), PLACE).text


def test_hostile_names_are_one_short_line_each() -> None:
    hostile = summary(source=HOSTILE, message=HOSTILE, bucket_name=HOSTILE, notes=[HOSTILE] * 99)
    notice = notice_of(hostile, PLACE)

    usual = len(notice_of(summary(message="x", notes=["x"] * 5), PLACE).text.splitlines())
    assert len(notice.text.splitlines()) == usual
    assert "\n".join(notice.text.splitlines()) + "\n" == notice.text
    assert all(character.isprintable() or character == "\n" for character in notice.text)
    facts = json.loads(json.loads(notice.message())["sqs"])
    assert len(facts["source"]) <= LONGEST_TEXT
    assert len(notice.message().encode()) < SNS_BYTES


def test_a_subject_is_what_sns_takes() -> None:
    run_id = f"20261123T042401Z-{'a' * 40}-d7bec4f6"
    subject = notice_of(summary(run_id=run_id, status="CANCELLED"), PLACE).subject

    assert subject.isascii()
    assert subject.isprintable()
    assert subject.endswith(run_id)
    assert len(subject) <= LONGEST_SUBJECT


def test_a_run_without_a_report_is_announced_too() -> None:
    run = Run(
        run_id=RUN_ID,
        created=0.0,
        source="s3://trigger/list.csv",
        bucket_name="pictures",
        settings=RunSettings(),
        chunk_size=1,
        shards=1,
        status=RunStatus.REPORTING,
    )
    notice = notice_without_report(run, "It went wrong.", f"runs/{RUN_ID}/", PLACE)

    assert notice.subject == f"imagepress: FAILED {RUN_ID}"
    assert "It went wrong.\n" in notice.text
    assert "There is no report." in notice.text
    assert f"prefix=runs/{RUN_ID}/" in notice.text
    assert json.loads(json.loads(notice.message())["sqs"])["status"] == "FAILED"


@pytest.mark.parametrize(
    ("region", "host"),
    [
        ("eu-west-1", "eu-west-1.console.aws.amazon.com"),
        ("cn-north-1", "cn-north-1.console.amazonaws.cn"),
        ("us-gov-west-1", "us-gov-west-1.console.amazonaws-us-gov.com"),
    ],
)
def test_links_lead_to_the_console_of_the_region(region: str, host: str) -> None:
    url = console_url(Place(region, "b", "d"), "runs/a b&c.csv")

    assert url == f"https://{host}/s3/object/b?region={region}&prefix=runs/a%20b%26c.csv"
