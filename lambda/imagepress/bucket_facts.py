"""What a run must know of its bucket: whether there is a way back, and whether ACLs count."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError

from imagepress.aws_errors import error_code, is_passing, passing, with_credentials_hint
from imagepress.errors import Refused
from imagepress.run import BucketFacts

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

NO_LIFECYCLE = "NoSuchLifecycleConfiguration"
NO_WAY_BACK = (
    "The bucket {bucket} does not keep versions and no backup_prefix was given: what this run "
    "replaces cannot be brought back."
)

FOREIGN_BUCKET = (
    "bucket_name: {bucket} has ACLs on, and account {account} is not its owner, or may not "
    "s3:GetBucketAcl there. What a run replaces would belong to the writer: turn the bucket's ACLs "
    "off (Object Ownership: bucket owner enforced)."
)


def look_at_bucket(s3: "S3Client", bucket: str, account: Callable[[], str | None]) -> BucketFacts:
    """Ask S3 about a bucket; raise `Refused` where it does not exist or does not answer us.

    `account` is who writes: a bucket with ACLs on must be its own. None: nobody knows.
    """
    try:
        versioning = s3.get_bucket_versioning(Bucket=bucket).get("Status")
        acl_owner = _acl_owner(s3, bucket, account()) if _acls(s3, bucket) else None
    except (ClientError, BotoCoreError) as error:
        if is_passing(error):
            raise passing(f"Looking at bucket {bucket}", error) from error
        if isinstance(error, ClientError) and error_code(error) in ("NoSuchBucket", "404"):
            raise Refused(f"bucket_name: there is no bucket {bucket}.") from error
        if isinstance(error, ParamValidationError):
            raise Refused(
                f"bucket_name is {bucket!r}; it must be a bucket's name alone, such as my-pictures."
            ) from error
        if isinstance(error, BotoCoreError):
            raise Refused(f"S3 cannot be used: {with_credentials_hint(error)}") from error
        raise Refused(f"bucket_name is {bucket!r}; it cannot be looked at: {error}") from error
    if versioning != "Enabled":
        return BucketFacts(acl_owner=acl_owner)
    days, known = _retention(s3, bucket)
    return BucketFacts(
        versioned=True, acl_owner=acl_owner, noncurrent_days=days, lifecycle_known=known
    )


def _retention(s3: "S3Client", bucket: str) -> tuple[int | None, bool]:
    """How many days old versions are kept, and whether that is known.

    It is for the bill alone: a refusal is no error.
    """
    try:
        answer = s3.get_bucket_lifecycle_configuration(Bucket=bucket)
    except (ClientError, BotoCoreError) as error:
        none = isinstance(error, ClientError) and error_code(error) == NO_LIFECYCLE
        return None, none
    return noncurrent_days(answer.get("Rules", []))


def noncurrent_days(rules: Sequence[Mapping[str, Any]]) -> tuple[int | None, bool]:
    """How many days lifecycle `rules` keep old versions (None: for ever); whether that is sure.

    What holds of some objects only, keeps the newest of them, or moves them elsewhere is not.
    """
    days: list[int] = []
    sure = True
    for rule in rules:
        if rule["Status"] != "Enabled":
            continue
        expiration = rule.get("NoncurrentVersionExpiration", {})
        moved = bool(rule.get("NoncurrentVersionTransitions"))
        if expiration.keys() == {"NoncurrentDays"} and _holds_of_all(rule) and not moved:
            days.append(expiration["NoncurrentDays"])
        elif expiration or moved:
            sure = False
    return (min(days, default=None), True) if sure else (None, False)


def _holds_of_all(rule: Mapping[str, Any]) -> bool:
    """A rule is for the objects that its filter names, or (in old ones) its prefix."""
    return not rule.get("Prefix") and rule.get("Filter", {}) in ({}, {"Prefix": ""})


def _acl_owner(s3: "S3Client", bucket: str, account: str | None) -> str:
    """The owner's canonical id; raise `Refused` where that is another account than `account`."""
    expected: dict[str, Any] = {"ExpectedBucketOwner": account} if account else {}
    try:
        return s3.get_bucket_acl(Bucket=bucket, **expected)["Owner"]["ID"]
    except ClientError as error:
        if account and error_code(error) == "AccessDenied":
            raise Refused(FOREIGN_BUCKET.format(bucket=bucket, account=account)) from error
        raise


def _acls(s3: "S3Client", bucket: str) -> bool:
    try:
        answer = s3.get_bucket_ownership_controls(Bucket=bucket)
    except ClientError as error:
        if error_code(error) == "OwnershipControlsNotFoundError":
            return True
        raise
    rules = answer["OwnershipControls"]["Rules"]
    return any(rule["ObjectOwnership"] != "BucketOwnerEnforced" for rule in rules)
