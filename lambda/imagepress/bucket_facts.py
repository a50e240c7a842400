"""What a run must know of its bucket: whether there is a way back, and whether ACLs count."""

from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError

from imagepress.aws_errors import error_code, is_passing, passing
from imagepress.errors import Refused
from imagepress.run import BucketFacts

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

NO_WAY_BACK = (
    "The bucket {bucket} does not keep versions and no backup_prefix was given: what this run "
    "replaces cannot be brought back."
)


def look_at_bucket(s3: "S3Client", bucket: str) -> BucketFacts:
    """Ask S3 about a bucket; raise `Refused` where it does not exist or does not answer us."""
    try:
        versioning = s3.get_bucket_versioning(Bucket=bucket).get("Status")
        acl_owner = s3.get_bucket_acl(Bucket=bucket)["Owner"]["ID"] if _acls(s3, bucket) else None
    except (ClientError, BotoCoreError) as error:
        if is_passing(error):
            raise passing(f"Looking at bucket {bucket}", error) from error
        if isinstance(error, ClientError) and error_code(error) in ("NoSuchBucket", "404"):
            raise Refused(f"bucket_name: there is no bucket {bucket}.") from error
        if isinstance(error, ParamValidationError):
            raise Refused(f"bucket_name is {bucket!r}; no bucket can be named so.") from error
        if isinstance(error, BotoCoreError):
            raise Refused(
                f"S3 cannot be used: {error} Set up credentials and region as for the AWS CLI "
                "(`aws configure`, or AWS_PROFILE)."
            ) from error
        raise Refused(f"bucket_name is {bucket!r}; it cannot be looked at: {error}") from error
    return BucketFacts(versioning == "Enabled", acl_owner)


def _acls(s3: "S3Client", bucket: str) -> bool:
    try:
        answer = s3.get_bucket_ownership_controls(Bucket=bucket)
    except ClientError as error:
        if error_code(error) == "OwnershipControlsNotFoundError":
            return True
        raise
    rules = answer["OwnershipControls"]["Rules"]
    return any(rule["ObjectOwnership"] != "BucketOwnerEnforced" for rule in rules)
