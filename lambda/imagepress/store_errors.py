"""What S3's refusals mean for a row of a run."""

from botocore.exceptions import ClientError, ParamValidationError

from imagepress.aws_errors import error_code, http_status, is_passing, passing
from imagepress.errors import RowFailed, RowSkipped
from imagepress.outcome import FailureCode, SkipReason

FORBIDDEN = ("AccessDenied", "403", "AllAccessDisabled")
NOT_FOUND = 404


def read_error(error: Exception, bucket: str, key: str) -> Exception:
    """The outcome, or `PassingError`, that a failed read stands for."""
    if isinstance(error, ParamValidationError):
        return RowFailed(FailureCode.INVALID_ROW, f"The key cannot be asked for: {error}")
    if is_passing(error) or not isinstance(error, ClientError):
        return passing(f"Reading {key}", error)
    code = error_code(error)
    if code == "NoSuchBucket":
        return RowFailed(FailureCode.NOT_FOUND, f"There is no bucket {bucket}.")
    if code in ("NoSuchVersion", "NoSuchKey") or http_status(error) == NOT_FOUND:
        return RowFailed(FailureCode.NOT_FOUND, f"There is no such object in bucket {bucket}.")
    if code == "InvalidObjectState":
        return RowSkipped(SkipReason.ARCHIVED, "The object is archived; restore it first.")
    if code in FORBIDDEN:
        return RowFailed(
            FailureCode.ACCESS_DENIED, f"Reading the object is forbidden: {_detail(error)}"
        )
    if code == "InvalidRequest" and "ncryption" in str(error):
        return RowSkipped(
            SkipReason.CUSTOMER_KEY, "The object is encrypted with a key of the customer (SSE-C)."
        )
    return RowFailed(FailureCode.REQUEST_REFUSED, f"S3 refused to read the object: {error}")


def annotations_error(error: Exception, bucket: str, key: str) -> Exception:
    """The outcome, or `PassingError`, of a failed look for annotations; it names the way out."""
    found = read_error(error, bucket, key)
    if not isinstance(found, RowFailed) or found.code is FailureCode.NOT_FOUND:
        return found
    return RowFailed(
        found.code,
        "The object's annotations cannot be listed; allow s3:ListObjectAnnotations, or set "
        f"check_annotations to false where no object has any: {error}",
    )


def write_error(error: Exception, bucket: str, key: str) -> Exception:
    """The outcome, or `PassingError`, that a failed write stands for."""
    if isinstance(error, ClientError) and error_code(error) in FORBIDDEN:
        return RowFailed(
            FailureCode.ACCESS_DENIED,
            f"Writing the object to bucket {bucket} is forbidden: {_detail(error)}",
        )
    if isinstance(error, (ClientError, ParamValidationError)):
        return RowFailed(FailureCode.REQUEST_REFUSED, f"S3 refused the replacement: {error}")
    return passing(f"Uploading {key}", error)


def _detail(error: ClientError) -> str:
    return error.response.get("Error", {}).get("Message", "") or str(error)
