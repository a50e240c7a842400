"""What the emulator needs and AWS does not, each with its reason; for the local stage only."""

from collections.abc import Mapping, Sequence
from typing import Any

import jsii
from aws_cdk import Aspects, IAspect, Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from constructs import IConstruct

SQS_BATCH_ACTIONS: Mapping[str, str] = {
    "sqs:SendMessage": "sqs:SendMessageBatch",
    "sqs:DeleteMessage": "sqs:DeleteMessageBatch",
    "sqs:ChangeMessageVisibility": "sqs:ChangeMessageVisibilityBatch",
}
"""On AWS the single action covers the batch call, and these do not exist; the emulator asks."""


def apply_shims(stack: Stack) -> None:
    """Add to the stack what the emulator needs, and leave out what it cannot deploy."""
    _remove_what_cannot_be_deployed(stack)
    Aspects.of(stack).add(_GrantSqsBatchActions())


def _remove_what_cannot_be_deployed(stack: Stack) -> None:
    """The emulator knows neither saved queries nor alarms on metric math; they fail its deploy."""
    for construct in stack.node.find_all():
        if _is_unknown(construct) and construct.node.scope:
            construct.node.scope.node.try_remove_child(construct.node.id)


def _is_unknown(construct: IConstruct) -> bool:
    if isinstance(construct, cloudwatch.CfnAlarm):
        return construct.metrics is not None
    return isinstance(construct, logs.CfnQueryDefinition)


@jsii.implements(IAspect)
class _GrantSqsBatchActions:
    def visit(self, node: IConstruct) -> None:
        """Put the batch action beside the single one in every policy of a role."""
        if isinstance(node, iam.CfnPolicy):
            document = Stack.of(node).resolve(node.policy_document)
            node.policy_document = with_batch_actions(document)


def with_batch_actions(document: Mapping[str, Any]) -> dict[str, Any]:
    """The policy document with each SQS action's batch twin."""
    statements = [_widened(statement) for statement in document["Statement"]]
    return {**document, "Statement": statements}


def _widened(statement: Mapping[str, Any]) -> dict[str, Any]:
    given = statement["Action"]
    actions: Sequence[str] = [given] if isinstance(given, str) else given
    twins = [SQS_BATCH_ACTIONS[action] for action in actions if action in SQS_BATCH_ACTIONS]
    return {**statement, "Action": [*actions, *twins]} if twins else dict(statement)
