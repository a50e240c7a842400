"""The local stage's extra rights are the batch twins of what a role has, and nothing else."""

from aws_cdk import App, CfnResource

from infra.config import StackConfig
from local.shims import apply_shims, with_batch_actions
from tests.infrastructure.synthesised import WITHOUT_BUNDLING, stack_in


def test_adds_the_batch_twin_beside_the_single_action() -> None:
    document = {"Statement": [{"Action": "sqs:SendMessage", "Resource": "queue"}]}

    assert with_batch_actions(document)["Statement"] == [
        {"Action": ["sqs:SendMessage", "sqs:SendMessageBatch"], "Resource": "queue"}
    ]


def test_leaves_other_statements_as_they_are() -> None:
    document = {
        "Version": "2012-10-17",
        "Statement": [{"Action": ["s3:GetObject", "sqs:GetQueueAttributes"], "Resource": "*"}],
    }

    assert with_batch_actions(document) == document


def test_leaves_out_what_the_emulator_cannot_deploy_and_nothing_else() -> None:
    app = App(context=dict(WITHOUT_BUNDLING), analytics_reporting=False)
    stack = stack_in(app, StackConfig())
    whole = {one.node.path for one in stack.node.find_all() if CfnResource.is_cfn_resource(one)}

    apply_shims(stack)

    left = {one.node.path for one in stack.node.find_all() if CfnResource.is_cfn_resource(one)}
    gone = whole - left
    assert gone
    assert all("/Alarms/" in path or "/Queries/" in path for path in gone)
    assert any("/Alarms/SweeperStopped" in path for path in left)
