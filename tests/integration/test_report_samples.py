"""Pictures are private: no piece of one leaves its bucket unless the run asks for it."""

import base64
import json

import pytest

from imagepress.run_store import RunFiles
from imagepress.sample import Sample
from tests.integration.service import FinishedRun, Service
from tests.integration.stack import RUNS, Stack
from tests.pictures import jpeg, photograph, png

IMAGES_MADE = {"a.jpg": jpeg(photograph(size=(640, 480))), "b.png": png(), "missing.jpg": None}


def run_with(service: Service, stack: Stack, metadata: dict[str, str]) -> FinishedRun:
    for key, body in IMAGES_MADE.items():
        if body is not None:
            stack.put_image(key, body)
    return service.upload([*IMAGES_MADE], metadata=metadata)


def kept(stack: Stack) -> list[bytes]:
    """Every object of the runs bucket."""
    pages = stack.s3.get_paginator("list_objects_v2").paginate(Bucket=RUNS)
    keys = [one["Key"] for page in pages for one in page.get("Contents", [])]
    return [stack.s3.get_object(Bucket=RUNS, Key=key)["Body"].read() for key in keys]


def samples(stack: Stack) -> list[Sample]:
    """The samples in all parts."""
    lines = [line for body in kept(stack) for line in body.splitlines() if b'"sample"' in line]
    return [Sample.from_json(json.loads(line)["sample"]) for line in lines]


def test_unasked_no_piece_of_a_picture_is_kept(service: Service, stack: Stack) -> None:
    run_with(service, stack, {})

    assert samples(stack) == []
    assert not [body for body in kept(stack) if b";base64," in body or b"JFIF" in body]


@pytest.mark.parametrize("metadata", [{}, {"dry-run": "true"}])
def test_where_asked_for_pieces_of_what_was_compressed_are_kept(
    service: Service, stack: Stack, metadata: dict[str, str]
) -> None:
    run = run_with(service, stack, {"report-samples": "20", **metadata})

    assert len(run.results) == 3
    pieces = samples(stack)
    assert {(one.width, one.height) for one in pieces} == {(400, 300), (96, 64)}
    page = stack.s3.get_object(Bucket=RUNS, Key=RunFiles.of(run.run).report)["Body"].read()
    assert all(base64.b64encode(piece.after) in page for piece in pieces)


@pytest.mark.parametrize("wanted", ["21", "-1", "many"])
def test_a_wish_out_of_range_is_refused(service: Service, stack: Stack, wanted: str) -> None:
    run = run_with(service, stack, {"report-samples": wanted})

    assert run.message.startswith("report_samples is ")
    assert run.message.endswith("; it must be a whole number from 0 to 20.")
