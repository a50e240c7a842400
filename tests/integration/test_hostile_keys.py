"""Keys are hostile input: any of them is one object, and nothing else."""

from pathlib import Path

import pytest

from tests.integration.service import Service
from tests.integration.stack import Stack
from tests.pictures import jpeg, photograph

SMALL = photograph(size=(32, 32))
KEYS = [
    "with space.jpg",
    " around .jpg ",
    "a+b.jpg",
    "a%20b.jpg",
    "100%.jpg",
    "%",
    'say "cheese".jpg',
    '"quoted.jpg"',
    "it's.jpg",
    "a,b.jpg",
    "new\nline.jpg",
    "carriage\r\nreturn.jpg",
    "ends with return\r",
    "tab\there.jpg",
    "😀/👨‍👩‍👧.jpg",
    "ação/日本語.jpg",
    "cafe\u0301.jpg",
    "../../../../etc/cron.d/job.jpg",
    "a/../../b.jpg",
    "..",
    ".",
    "./a.jpg",
    "/leading.jpg",
    "//double//slash.jpg",
    "trailing/",
    "back\\slash.jpg",
    "C:\\Windows\\win.ini",
    "a?b#c&d=e;f@g!h$i*j(k)l[m]{n}|o^p~q`r.jpg",
    "<script>alert(1)</script>.jpg",
    "$(touch hacked).jpg",
    "-rf.jpg",
    "~.jpg",
    "\u202egpj.exe",
    "\x7f.jpg",
    "s3://bucket/key.jpg",
    "compressed",
    "compressed.jpg/compressed",
    "x" * 1024,
    "é" * 512,
    "😀" * 256,
    "a/" * 512,
]


def test_any_key_is_downloaded_compressed_and_replaced(
    service: Service, stack: Stack, session_temp_dir: Path
) -> None:
    body = jpeg(SMALL)
    for key in KEYS:
        stack.put_image(key, body)
    around = sorted(session_temp_dir.parent.iterdir())

    run = service.upload(KEYS)

    assert dict(zip(KEYS, run.outcomes(), strict=True)) == dict.fromkeys(KEYS, "COMPRESSED")
    for key, row in zip(KEYS, run.results, strict=True):
        assert row["path"] in (key, f"'{key}")
        assert len(stack.image(key) or body) < len(body)
    assert sorted(session_temp_dir.parent.iterdir()) == around


def test_keys_that_look_alike_are_different_objects(service: Service, stack: Stack) -> None:
    alike = ["a b.jpg", "a+b.jpg", "a%20b.jpg", "a%2Bb.jpg", "A b.jpg", "a b.jpg ", "./a b.jpg"]
    for key in alike[::2]:
        stack.put_image(key, jpeg(SMALL))

    run = service.upload(alike)

    assert [row["path"] for row in run.results] == alike
    assert run.outcomes() == ["COMPRESSED", "FAILED/NOT_FOUND"] * 3 + ["COMPRESSED"]


@pytest.mark.parametrize("key", ["a.jpg\0", "\0", "a\x01b.jpg"], ids=ascii)
def test_a_key_with_control_characters_ends_in_an_outcome(
    service: Service, stack: Stack, key: str
) -> None:
    stack.put_image("good.jpg", jpeg())

    run = service.upload([key, "good.jpg"])

    assert run.status == "COMPLETED"
    assert run.results[0]["outcome"] == "FAILED"
    assert run.outcomes()[1] == "COMPRESSED"


def test_one_picture_under_several_rows_is_compressed_once(service: Service, stack: Stack) -> None:
    stack.put_image("a.jpg", jpeg())
    stack.put_image("b.jpg", jpeg())

    run = service.upload(["a.jpg", "b.jpg", "a.jpg", "a.jpg"])

    assert run.outcomes() == ["COMPRESSED", "COMPRESSED", "SKIPPED/DUPLICATE", "SKIPPED/DUPLICATE"]
    assert "Row 1" in run.results[2]["message"]
    assert run.summary["bytes_before"] == 2 * len(jpeg())
    assert len([key for key, *_ in stack.versions() if key == "a.jpg"]) == 2
