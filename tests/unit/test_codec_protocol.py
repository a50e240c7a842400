import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagepress.codec_protocol import (
    CodecRequest,
    Encoded,
    is_last,
    reply_from_line,
    reply_to_line,
)
from imagepress.errors import RowFailed, RowSkipped
from imagepress.image_header import ImageFormat, ImageHeader
from imagepress.outcome import FailureCode, SkipReason

file_names = st.text(
    st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=40
).filter(lambda name: name not in (".", ".."))
headers = st.builds(
    ImageHeader,
    st.sampled_from(ImageFormat),
    st.integers(1, 2**31 - 1),
    st.integers(1, 2**31 - 1),
    st.sampled_from([1, 2, 4, 8, 16]),
    st.integers(1, 4),
)


@given(file_names, file_names, headers, st.integers(0, 100))
def test_a_request_survives_its_line(
    source: str, output: str, header: ImageHeader, quality: int
) -> None:
    request = CodecRequest(Path("/tmp") / source, Path("/tmp") / output, header, quality)
    line = request.to_line()

    assert CodecRequest.from_line(line) == request
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1


@pytest.mark.parametrize("quality", [None, 0, 80, 100])
def test_a_result_survives_its_line(quality: int | None) -> None:
    encoded = Encoded("encoder", quality)

    assert reply_from_line(reply_to_line(encoded)) == encoded


@pytest.mark.parametrize(("quality", "lossless"), [(None, True), (0, False), (80, False)])
def test_a_result_without_a_quality_is_lossless(*, quality: int | None, lossless: bool) -> None:
    assert Encoded("encoder", quality).lossless is lossless


@pytest.mark.parametrize("reason", SkipReason)
def test_a_skip_rises_on_the_other_side(reason: SkipReason) -> None:
    with pytest.raises(RowSkipped, match=r"^as it is$") as skipped:
        reply_from_line(reply_to_line(RowSkipped(reason, "as it is")))

    assert skipped.value.reason is reason


@pytest.mark.parametrize("code", FailureCode)
def test_a_failure_rises_on_the_other_side(code: FailureCode) -> None:
    with pytest.raises(RowFailed, match=r"^damaged$") as failed:
        reply_from_line(reply_to_line(RowFailed(code, "damaged")))

    assert failed.value.code is code


@given(st.text())
def test_any_message_is_one_line(message: str) -> None:
    line = reply_to_line(RowFailed(FailureCode.CORRUPT_IMAGE, message))

    assert line.count(b"\n") == 1
    assert json.loads(line)["message"] == message


def test_a_process_may_ask_to_be_ended() -> None:
    failed = RowFailed(FailureCode.CORRUPT_IMAGE, "is_last")

    assert is_last(reply_to_line(failed, is_last=True))
    assert not is_last(reply_to_line(failed))
