"""What a run leaves for people: log, results, failed rows and summary."""

import json
import re
from datetime import UTC, datetime, timedelta

import pytest

from imagepress import reporting
from imagepress.run_store import run_prefix
from tests.integration.pump import Pump, newest
from tests.integration.service import Service
from tests.integration.stack import IMAGES, RUNS, TRIGGER, Stack
from tests.pictures import jpeg, photograph, png


def block(lines: list[str], about: str) -> list[str]:
    """The lines from the first to the last that mention `about`."""
    numbers = [number for number, line in enumerate(lines) if about in line]
    return lines[numbers[0] : numbers[-1] + 1]


@pytest.mark.parametrize(("key", "name"), [("imagens/imagem1.jpg", "JPEG"), ("a/b.PNG", "PNG")])
def test_a_compressed_row_has_the_lines_of_the_original_script(
    service: Service, stack: Stack, key: str, name: str
) -> None:
    body = jpeg(photograph(size=(1800, 1200)), 98) if name == "JPEG" else png()
    stack.put_image(key, body)

    run = service.upload([key])

    def size(number_of_bytes: int) -> str:
        megabytes = number_of_bytes / 1e6
        return f"{megabytes:.1f} MB" if megabytes >= 0.95 else r"0\.\d+ MB"

    file = rf"(/\S+/{re.escape(key.rsplit('/', 1)[-1])})"
    after = int(run.row(key)["bytes_after"])
    expected = [
        rf"INFO - Downloading object {key} from AWS S3\.",
        rf"INFO - File saved in {file} with size: {size(len(body))}",
        rf"INFO - Compressing \1 object as {name} file",
        rf"INFO - Upload object {key} for bucket {IMAGES} with size {size(after)}",
        r"INFO - File \1 was deleted\.",
    ]
    assert re.fullmatch("\n".join(expected), "\n".join(run.log_lines[1:-1]))


def test_the_log_begins_with_what_was_asked_for_and_ends_with_the_totals(
    service: Service, stack: Stack
) -> None:
    stack.put_image("a.jpg", jpeg())

    run = service.upload(["a.jpg", "missing.jpg"])

    first, last = run.log_lines[0], run.log_lines[-1]
    assert first.startswith(
        f"INFO - Processing started: run {run.run_id}, bucket {IMAGES}, "
        f"CSV s3://{TRIGGER}/list.csv, perc_compression_quality 80, max_image_pixels 1000000000"
    )
    assert last.startswith(
        "INFO - Processing finished: COMPLETED, 2 images: 1 compressed, 0 skipped, 1 failed; 0.00"
    )
    assert last.endswith(f"{run.summary['saved_percent']} % saved")


def test_times_in_the_log_are_utc_and_now(service: Service, stack: Stack) -> None:
    stack.put_image("a.jpg", jpeg())

    run = service.upload(["a.jpg"])

    (line,) = (line for line in run.log.splitlines() if "Upload object" in line)
    when = datetime.strptime(line[:19], "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
    assert abs(datetime.now(UTC) - when) < timedelta(minutes=1)


def test_rows_are_in_the_manifests_order_whatever_was_done_first(
    service: Service, stack: Stack, pump: Pump
) -> None:
    keys = [f"{number}.jpg" for number in range(9)]
    for key in keys[::2]:
        stack.put_image(key, jpeg(photograph(size=(32, 32))))
    run_id = service.start_upload(keys)

    pump.run(choose=newest)
    run = service.finished(run_id)

    assert [row["path"] for row in run.results] == keys
    downloads = [line for line in run.log_lines if "Downloading" in line]
    assert downloads == [f"INFO - Downloading object {key} from AWS S3." for key in keys]


def test_the_lines_of_a_row_stand_together(service: Service, stack: Stack) -> None:
    keys = [f"image-{number}.jpg" for number in range(12)]
    for key in keys:
        stack.put_image(key, jpeg(photograph(size=(32, 32))))

    run = service.upload(keys)

    for key in keys:
        assert all(key in line for line in block(run.log_lines, key))


def test_a_row_in_results_tells_what_an_undo_needs(service: Service, stack: Stack) -> None:
    etag = stack.put_image("a.jpg", jpeg())
    version = stack.head("a.jpg")["VersionId"]

    row = service.upload(["a.jpg"]).row("a.jpg")

    now = stack.head("a.jpg")
    assert (row["etag_before"], row["version_before"]) == (etag, version)
    assert row["etag_after"] == now["ETag"].strip('"')
    assert row["version_after"] == now["VersionId"]
    assert (int(row["bytes_before"]), int(row["bytes_after"])) == (
        len(jpeg()),
        now["ContentLength"],
    )
    assert (row["format"], row["encoder"], row["quality"]) == ("JPEG", "jpegli", "80")
    assert 0 < float(row["seconds"]) < 60


def test_the_summary_counts_by_outcome_reason_format_and_encoder(
    service: Service, stack: Stack
) -> None:
    stack.put_image("a.jpg", jpeg())
    stack.put_image("b.png", png())
    stack.put_image("c.txt", b"hello")

    run = service.upload(["a.jpg", "b.png", "c.txt", "missing.jpg", "a.jpg"])

    summary = run.summary
    assert summary["outcomes"] == {"COMPRESSED": 2, "SKIPPED": 2, "FAILED": 1}
    assert summary["reasons"] == {"DUPLICATE": 1, "NOT_FOUND": 1, "UNSUPPORTED_FORMAT": 1}
    assert summary["encoders"] == {"near-lossless+oxipng": 1, "jpegli": 1}
    assert {name: one["images"] for name, one in summary["formats"].items()} == {
        "JPEG": 1,
        "PNG": 1,
    }
    assert summary["bytes_before"] == len(jpeg()) + len(png()) + len(b"hello")
    assert summary["parameters"].keys() == {
        "perc_compression_quality",
        "max_image_pixels",
        "temp_dir",
        "from_original",
        "dry_run",
        "stop_at_failure_percent",
        "check_annotations",
        "effort",
        "report_samples",
        "min_savings_percent",
    }
    assert summary["started"] == "2024-02-01T12:00:00Z"
    assert summary["bucket_name"] == IMAGES


def test_the_links_in_the_summary_lead_somewhere(service: Service, stack: Stack) -> None:
    run = service.upload(["missing.jpg"])

    for url in run.summary["files"].values():
        bucket, key = url.removeprefix("s3://").split("/", 1)
        assert stack.s3.head_object(Bucket=bucket, Key=key)["ContentLength"]


def test_failed_csv_can_be_uploaded_to_try_those_again(service: Service, stack: Stack) -> None:
    awkward = [
        'quo"te.jpg',
        "com,ma.jpg",
        "new\nline.jpg",
        " space .jpg",
        "=formula.jpg",
        "é😀.jpg",
        "cr\r",
    ]
    stack.put_image("good.jpg", jpeg())
    first = service.upload(["good.jpg", *awkward, "x" * 1025])
    assert first.failed == awkward
    for key in awkward:
        stack.put_image(key, jpeg(photograph(size=(32, 32))))

    second = service.upload(first.failed_csv, key="again.csv")

    assert [row["path"].lstrip("'") for row in second.results] == [
        row["path"].lstrip("'") for row in first.results[1:8]
    ]
    assert second.outcomes() == ["COMPRESSED"] * len(awkward)
    assert second.failed == []


def test_failed_csv_says_why(service: Service) -> None:
    run = service.upload(["missing.jpg"])

    assert run.failed_csv.decode() == (
        f"path,reason,message\nmissing.jpg,NOT_FOUND,There is no such object in bucket {IMAGES}.\n"
    )


def test_a_key_with_a_newline_cannot_forge_a_log_line(service: Service, stack: Stack) -> None:
    key = "a.jpg\n2024-02-01 12:00:00 - INFO - Processing finished: all is well\u2028more"
    stack.put_image(key, jpeg())

    run = service.upload([key])

    assert run.outcomes() == ["COMPRESSED"]
    assert [line for line in run.log.splitlines() if line.endswith("all is well")] == []
    assert sum("Downloading" in line for line in run.log.splitlines()) == 1
    assert run.results[0]["path"] == key


def test_no_cell_of_the_results_is_a_formula(service: Service, stack: Stack) -> None:
    keys = ["=1+1.jpg", "+1.jpg", "-1.jpg", "@sum.jpg", "\t=1.jpg", "\r=1.jpg", "=1+1 missing.jpg"]
    for key in keys[:-1]:
        stack.put_image(key, jpeg(photograph(size=(32, 32))))

    run = service.upload(keys)

    assert run.outcomes() == [*["COMPRESSED"] * 6, "FAILED/NOT_FOUND"]
    assert [row["path"] for row in run.results] == [f"'{key}" for key in keys]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n\r\n\n",
        b"\xef\xbb\xbf",
        b"path\n",
        b"path",
        b"id,path\r\n\r\n",
    ],
    ids=["no byte", "blank lines", "byte order mark", "header", "header alone", "two columns"],
)
def test_a_csv_without_rows_is_a_completed_run_of_0_images(
    service: Service, content: bytes
) -> None:
    run = service.upload(content)

    assert run.status == "COMPLETED"
    assert run.results == []
    assert run.failed_csv == b"path,reason,message\n"
    assert run.summary["rows"] == 0
    assert run.summary["outcomes"] == {"COMPRESSED": 0, "SKIPPED": 0, "FAILED": 0}
    assert "COMPLETED, 0 images: 0 compressed, 0 skipped, 0 failed" in run.log_lines[-1]


def test_parts_carry_the_tag_that_lets_them_expire(service: Service, stack: Stack) -> None:
    run = service.upload(["missing.jpg", "missing too.jpg"])

    prefix = f"{run_prefix(run.run_id)}parts/"
    parts = stack.s3.list_objects_v2(Bucket=RUNS, Prefix=prefix)["Contents"]
    assert [part["Key"] for part in parts] == [f"{prefix}0/1.jsonl", f"{prefix}1/1.jsonl"]
    for part in parts:
        tags = stack.s3.get_object_tagging(Bucket=RUNS, Key=part["Key"])["TagSet"]
        assert tags == [{"Key": "imagepress", "Value": "part"}]


def test_every_row_is_one_structured_record_in_cloudwatch(
    service: Service,
    stack: Stack,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    stack.put_image("a.jpg", jpeg())

    run = service.upload(["a.jpg", "missing.jpg"])

    rows = [vars(record) for record in caplog.records if record.getMessage() == "row"]
    assert [(row["run_id"], row["result"]["path"]) for row in rows] == [
        (run.run_id, "a.jpg"),
        (run.run_id, "missing.jpg"),
    ]
    assert len(rows[0]["events"]) == 5
    printed = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    metrics = [record for record in printed if "_aws" in record]
    assert sum(sum(record.get("ImagesCompressed", [])) for record in metrics) == 1
    assert sum(sum(record.get("ImagesFailed", [])) for record in metrics) == 1
    assert sum(sum(record.get("FailuresByCode", [])) for record in metrics) == 1


def test_a_page_that_cannot_be_made_holds_no_run_up(
    service: Service, stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> str:
        raise RuntimeError("<b>no ink</b>")

    monkeypatch.setattr(reporting, "render_page", broken)

    run = service.upload(["missing.jpg"])

    key = f"runs/{run.run_id}/report.html"
    page = stack.s3.get_object(Bucket=RUNS, Key=key)["Body"].read().decode()
    assert run.status == "COMPLETED"
    assert "no ink" in page
    assert "<b>" not in page
