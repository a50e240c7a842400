from contextlib import AbstractContextManager

import pytest
from botocore.exceptions import (
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    IncompleteReadError,
    NoCredentialsError,
    ParamValidationError,
    ReadTimeoutError,
    ResponseStreamingError,
    SSLError,
)
from urllib3.exceptions import ProtocolError

from imagepress.aws_errors import error_code, http_status, is_passing, passing_errors
from imagepress.errors import PassingError

URL = "https://s3"
PASSING: list[Exception] = [
    ConnectTimeoutError(endpoint_url=URL),
    EndpointConnectionError(endpoint_url=URL),
    IncompleteReadError(actual_bytes=1, expected_bytes=2),
    ReadTimeoutError(endpoint_url=URL),
    ResponseStreamingError(error="reset"),
    SSLError(endpoint_url=URL, error=OSError("eof")),
    ProtocolError("Connection broken"),
]
FINAL: list[Exception] = [
    NoCredentialsError(),
    ParamValidationError(report="no"),
    ValueError("ours"),
    KeyError("ours"),
]


def answer(code: str, status: int) -> ClientError:
    return ClientError(
        {"Error": {"Code": code, "Message": "m"}, "ResponseMetadata": {"HTTPStatusCode": status}},  # type: ignore[typeddict-item]
        "GetObject",
    )


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("SlowDown", 503),
        ("ThrottlingException", 400),
        ("ProvisionedThroughputExceededException", 400),
        ("TransactionConflictException", 400),
        ("RequestTimeout", 400),
        ("InternalError", 500),
        ("ServiceUnavailable", 503),
        ("ConditionalRequestConflict", 409),
        ("OperationAborted", 409),
        ("KMS.ThrottlingException", 400),
        ("SomethingNew", 500),
        ("", 502),
    ],
)
def test_an_answer_that_passes(code: str, status: int) -> None:
    assert is_passing(answer(code, status))


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("NoSuchKey", 404),
        ("404", 404),
        ("AccessDenied", 403),
        ("PreconditionFailed", 412),
        ("ConditionalCheckFailedException", 400),
        ("InvalidObjectState", 403),
        ("ValidationException", 400),
        ("", 400),
        ("", 0),
    ],
)
def test_an_answer_that_is_final(code: str, status: int) -> None:
    assert not is_passing(answer(code, status))


@pytest.mark.parametrize("error", PASSING, ids=lambda error: type(error).__name__)
def test_a_connection_that_breaks_passes(error: Exception) -> None:
    assert is_passing(error)


@pytest.mark.parametrize("error", FINAL, ids=lambda error: type(error).__name__)
def test_what_time_does_not_mend_is_final(error: Exception) -> None:
    assert not is_passing(error)


def test_an_answer_without_its_usual_parts_has_none() -> None:
    bare = ClientError({}, "GetObject")

    assert (error_code(bare), http_status(bare)) == ("", 0)


@pytest.mark.parametrize("error", [answer("SlowDown", 503), *PASSING])
def test_what_passes_says_what_was_going_on(error: Exception) -> None:
    with pytest.raises(PassingError, match=r"^Writing a part: ") as passing, _writing():
        raise error

    assert passing.value.__cause__ is error


@pytest.mark.parametrize("error", [answer("AccessDenied", 403), *FINAL])
def test_what_is_final_rises_as_it_is(error: Exception) -> None:
    with pytest.raises(type(error)) as final, _writing():
        raise error

    assert final.value is error


def test_what_goes_well_goes_well() -> None:
    with _writing():
        pass


def _writing() -> AbstractContextManager[None]:
    return passing_errors("Writing a part")
