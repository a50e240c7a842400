"""Topics that people subscribe to: one for alarms, one for the ends of runs.

They are two because they have different readers, one at night and one at leisure, and because
CloudWatch cannot use the key that AWS manages for SNS, while a key of one's own has its price.
"""

from aws_cdk import Aws, RemovalPolicy
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from constructs import Construct


class AlarmTopic(Construct):
    """Alarms come here, from CloudWatch and from nobody else."""

    def __init__(
        self, scope: Construct, construct_id: str, *, display_name: str, email: str | None
    ) -> None:
        super().__init__(scope, construct_id)
        cloudwatch = iam.ServicePrincipal("cloudwatch.amazonaws.com")
        key = kms.Key(
            self,
            "Key",
            description="Encrypts imagepress alarms on their way; CloudWatch may use it.",
            enable_key_rotation=True,
            # What it encrypts is gone within seconds.
            removal_policy=RemovalPolicy.DESTROY,
        )
        # Who else's alarms might use it is settled by the topic's policy.
        key.add_to_resource_policy(
            iam.PolicyStatement(
                principals=[cloudwatch],
                actions=["kms:Decrypt", "kms:GenerateDataKey*"],
                resources=["*"],
            )
        )
        self.topic = sns.Topic(
            self, "Topic", display_name=display_name, master_key=key, enforce_ssl=True
        )
        alarms = f"arn:{Aws.PARTITION}:cloudwatch:{Aws.REGION}:{Aws.ACCOUNT_ID}:alarm:*"
        self.topic.add_to_resource_policy(
            iam.PolicyStatement(
                sid="CloudWatchAlarms",
                principals=[cloudwatch],
                actions=["sns:Publish"],
                resources=[self.topic.topic_arn],
                conditions={
                    "StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID},
                    "ArnLike": {"aws:SourceArn": alarms},
                },
            )
        )
        _subscribe(self.topic, email)


class NoticeTopic(Construct):
    """Ends of runs come here; who may publish has the right in a role of the same account."""

    def __init__(
        self, scope: Construct, construct_id: str, *, display_name: str, email: str | None
    ) -> None:
        super().__init__(scope, construct_id)
        self.topic = sns.Topic(
            self,
            "Topic",
            display_name=display_name,
            master_key=kms.Alias.from_alias_name(self, "Key", "alias/aws/sns"),
            enforce_ssl=True,
        )
        _subscribe(self.topic, email)


def _subscribe(topic: sns.Topic, email: str | None) -> None:
    """Send the topic to an address, whose owner is asked first by SNS."""
    if email is not None:
        topic.add_subscription(subscriptions.EmailSubscription(email))
