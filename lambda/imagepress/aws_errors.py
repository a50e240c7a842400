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

from imagepress.errors import PassingError, Throttled

THROTTLING_CODES = frozenset(
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
        "KMS.ThrottlingException",
    }
)
PASSING_CODES = THROTTLING_CODES | {
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
}
CREDENTIALS_HINT = (
    "Set up credentials and region as for the AWS CLI (`aws configure`, or AWS_PROFILE and "
    "AWS_REGION)."
)
CONNECTION_ERRORS = (
    ConnectionError,
    HTTPClientError,
    HTTPError,
    IncompleteReadError,
    ResponseStreamingError,
)
FIRST_SERVER_ERROR = 500
# The answer to a HEAD has no code; S3 sends 503 where it is asked too much of.
SLOW_DOWN = 503


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


def passing(message: str, error: Exception) -> PassingError:
    """The `PassingError` for an answer that passes; `Throttled` where only the pace was wrong."""
    if isinstance(error, ClientError) and (
        error_code(error) in THROTTLING_CODES or http_status(error) == SLOW_DOWN
    ):
        return Throttled(f"{message}: {error}")
    return PassingError(f"{message}: {error}")


@contextmanager
def passing_errors(action: str) -> Iterator[None]:
    """Turn what passes into `PassingError`; what is final rises as it is."""
    try:
        yield
    except (ClientError, BotoCoreError, HTTPError) as error:
        if is_passing(error):
            raise passing(action, error) from error
        raise


def with_credentials_hint(error: object) -> str:
    """What AWS or its library says, and what to do about it; not all of them end a sentence."""
    return f"{str(error).rstrip('.')}. {CREDENTIALS_HINT}"
