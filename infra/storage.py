"""A bucket of ours: private, encrypted, TLS only, versioned, and never deleted with the stack."""

from collections.abc import Sequence
from typing import cast

from aws_cdk import Aws, Duration, Fn, RemovalPolicy
from aws_cdk import aws_s3 as s3
from constructs import Construct, IDependable

from infra.nag import acknowledge

INCOMPLETE_UPLOAD_DAYS = 7


def unique_bucket_name(purpose: str) -> str:
    """A name that is known before the bucket exists, and that no other stack can have.

    CloudFormation's generated name is known only after the bucket is made. A function that must
    know the name of the bucket which notifies it would then be a circular dependency. The stack's
    UUID keeps two stacks apart, and a new stack apart from the buckets an old one left behind.
    """
    uuid = Fn.select(2, Fn.split("/", Aws.STACK_ID))
    return f"imagepress-{purpose}-{uuid}"


class PrivateBucket(Construct):
    """A bucket, known to others by its name and ARN."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        name: str,
        lifecycle_rules: Sequence[s3.LifecycleRule] = (),
    ) -> None:
        super().__init__(scope, construct_id)
        self.name = name
        self.arn = f"arn:{Aws.PARTITION}:s3:::{name}"
        self._bucket = s3.Bucket(
            self,
            "Bucket",
            bucket_name=name,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            encryption=s3.BucketEncryption.S3_MANAGED,
            enforce_ssl=True,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            versioned=True,
            removal_policy=RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE,
            lifecycle_rules=[
                s3.LifecycleRule(
                    id="housekeeping",
                    abort_incomplete_multipart_upload_after=Duration.days(INCOMPLETE_UPLOAD_DAYS),
                    expired_object_delete_marker=True,
                ),
                *lifecycle_rules,
            ],
        )
        acknowledge(
            self._bucket,
            "S1",
            reason="Access logs would be a second bucket, growing with every image that is read. "
            "Each run writes what it did to which object, version and ETag; who else reads is a "
            "question for CloudTrail data events, which are set for an account, not here.",
        )

    def notify_function(
        self, function_arn: str, *, suffixes: Sequence[str], after: IDependable
    ) -> None:
        """Call a function for each new object whose key ends in one of `suffixes`.

        `after` is the permission to call it: S3 checks that when it stores the configuration.
        This is the bucket's own property rather than CDK's `add_event_notification`, which would
        deploy one more function, with rights on all buckets, to set the same property.
        """
        bucket = cast("s3.CfnBucket", self._bucket.node.default_child)
        bucket.notification_configuration = s3.CfnBucket.NotificationConfigurationProperty(
            lambda_configurations=[
                s3.CfnBucket.LambdaConfigurationProperty(
                    event="s3:ObjectCreated:*",
                    function=function_arn,
                    filter=s3.CfnBucket.NotificationFilterProperty(
                        s3_key=s3.CfnBucket.S3KeyFilterProperty(
                            rules=[s3.CfnBucket.FilterRuleProperty(name="suffix", value=suffix)]
                        )
                    ),
                )
                for suffix in suffixes
            ]
        )
        bucket.node.add_dependency(after)


def expire_tagged(*, rule_id: str, tag: tuple[str, str], days: int) -> s3.LifecycleRule:
    """A rule that removes objects with a tag, and a day later the versions they leave behind."""
    key, value = tag
    return s3.LifecycleRule(
        id=rule_id,
        tag_filters={key: value},
        expiration=Duration.days(days),
        noncurrent_version_expiration=Duration.days(1),
    )
