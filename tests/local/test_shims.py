"""The local stage's extra rights are the batch twins of what a role has, and nothing else."""

from local.shims import with_batch_actions


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
