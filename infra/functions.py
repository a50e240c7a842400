"""A Lambda function of the pipeline, with a role that holds what is written out and no more."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from aws_cdk import Duration, RemovalPolicy, Size, Stack
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_lambda_destinations as destinations
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.config import Architecture, FunctionSize
from infra.nag import acknowledge, acknowledge_wildcard

ARCHITECTURES: Mapping[Architecture, lambda_.Architecture] = {
    "x86_64": lambda_.Architecture.X86_64,
    "arm64": lambda_.Architecture.ARM_64,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shipment:
    """What all functions of a stack have in common."""

    code: lambda_.Code
    architecture: Architecture
    log_retention_days: int


class PipelineFunction(Construct):
    """A function, its role and its log group.

    CDK's conveniences (event sources, destinations) would add rights of their own choice. The
    function sees its role as read-only, so that only `allow` changes it.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        name: str,
        description: str,
        shipment: Shipment,
        size: FunctionSize,
        environment: Mapping[str, str],
        continues_itself: bool = False,
        failures_to: sqs.IQueue | None = None,
    ) -> None:
        super().__init__(scope, construct_id)
        log_group = logs.LogGroup(self, "Logs", removal_policy=RemovalPolicy.DESTROY)
        self.log_group = log_group
        # CDK's L2 construct takes an enumeration; CloudFormation the number of days.
        cast(
            "logs.CfnLogGroup", log_group.node.default_child
        ).retention_in_days = shipment.log_retention_days
        self.role = iam.Role(
            self,
            "Role",
            assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
            description=f"What the imagepress {name} may do.",
        )
        self.allow(
            ["logs:CreateLogStream", "logs:PutLogEvents"],
            [log_group.log_group_arn],
        )
        self.function = lambda_.Function(
            self,
            "Function",
            runtime=lambda_.Runtime.PYTHON_3_13,
            handler=f"{name}.handler",
            code=shipment.code,
            description=description,
            role=self.role.without_policy_updates(),
            log_group=log_group,
            architecture=ARCHITECTURES[shipment.architecture],
            memory_size=size.memory_mb,
            timeout=Duration.seconds(size.timeout_seconds),
            ephemeral_storage_size=Size.mebibytes(size.tmp_mb),
            recursive_loop=lambda_.RecursiveLoop.ALLOW if continues_itself else None,
            on_failure=destinations.SqsDestination(failures_to) if failures_to else None,
            environment={
                "POWERTOOLS_SERVICE_NAME": name,
                "POWERTOOLS_METRICS_NAMESPACE": Stack.of(self).stack_name,
                "POWERTOOLS_LOG_LEVEL": "INFO",
                **environment,
            },
        )
        acknowledge(
            self.function,
            "L1",
            reason="Python 3.13 is what the tests, the local AWS and the wheels are checked with; "
            "it moves in one change for all of them.",
        )

    def allow(
        self,
        actions: Sequence[str],
        resources: Sequence[str],
        *,
        wildcard_reason: str | None = None,
    ) -> None:
        """Add one statement to the role; a wildcard in a resource needs a reason."""
        self.role.add_to_policy(
            iam.PolicyStatement(actions=list(actions), resources=list(resources))
        )
        if wildcard_reason:
            for resource in resources:
                acknowledge_wildcard(self.role, resource, reason=wildcard_reason)

    def consume(
        self, construct_id: str, queue: sqs.IQueue, *, max_concurrency: int | None = None
    ) -> None:
        """Be called with each message of a queue, one at a time."""
        self.allow(
            [
                "sqs:ReceiveMessage",
                "sqs:DeleteMessage",
                "sqs:GetQueueAttributes",
                "sqs:ChangeMessageVisibility",
            ],
            [queue.queue_arn],
        )
        self.function.add_event_source_mapping(
            construct_id,
            event_source_arn=queue.queue_arn,
            batch_size=1,
            report_batch_item_failures=True,
            max_concurrency=max_concurrency,
        )

    def run_every(self, interval: Duration, *, description: str) -> None:
        """Be called on a schedule; a call that cannot be delivered is dropped, the next is soon."""
        events.Rule(
            self,
            "Schedule",
            description=description,
            schedule=events.Schedule.rate(interval),
            targets=[targets.LambdaFunction(self.function, retry_attempts=0)],
        )
