"""Which answers of AWS are final and which pass: one table for all services."""

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,  # noqa: A004 - botocore's root of broken and slow connections
    HTTPClientError,
    IncompleteReadError,
    ResponseStreamingError,
)
from urllib3.exceptions import HTTPError

from imagepress.errors import PassingError

PASSING_CODES = frozenset(
    {
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "RequestThrottled",
        "RequestThrottledException",
        "TooManyRequestsException",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "BandwidthLimitExceeded",
        "LimitExceededException",
        "TransactionConflictException",
        "TransactionInProgressException",
        "RequestTimeout",
        "RequestTimeoutException",
        "PriorRequestNotComplete",
        "InternalError",
        "InternalFailure",
        "InternalServerError",
        "ServiceUnavailable",
        "ServiceUnavailableException",
        "OperationAborted",
        "ConditionalRequestConflict",
        "ExpiredToken",
        "KMS.ThrottlingException",
    }
)
CONNECTION_ERRORS = (
    ConnectionError,
    HTTPClientError,
    HTTPError,
    IncompleteReadError,
    ResponseStreamingError,
)
FIRST_SERVER_ERROR = 500


def error_code(error: ClientError) -> str:
    """The service's own name of the error, such as `NoSuchKey`."""
    return error.response.get("Error", {}).get("Code", "")


def http_status(error: ClientError) -> int:
    """The answer's HTTP status."""
    return error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)


def is_passing(error: Exception) -> bool:
    """Whether the same call may well succeed later."""
    if isinstance(error, ClientError):
        return error_code(error) in PASSING_CODES or http_status(error) >= FIRST_SERVER_ERROR
    return isinstance(error, CONNECTION_ERRORS)


@contextmanager
def passing_errors(action: str) -> Iterator[None]:
    """Turn what passes into `PassingError`; what is final rises as it is."""
    try:
        yield
    except (ClientError, BotoCoreError, HTTPError) as error:
        if is_passing(error):
            raise PassingError(f"{action}: {error}") from error
        raise
