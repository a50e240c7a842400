"""Every role, right by right: what is not in these tables must not be in the template."""

from collections import defaultdict

import pytest

from infra.config import GivenBucket, StackConfig
from tests.infrastructure.conftest import KEY_ARN
from tests.infrastructure.synthesised import Synthesised, synthesise

S3 = "arn:<AWS::Partition>:s3:::"
TRIGGER = f"{S3}imagepress-trigger-<uuid>"
RUNS = f"{S3}imagepress-runs-<uuid>"
IMAGES = f"{S3}imagepress-images-<uuid>"
MANIFESTS, REPORTS, PARTS = f"{TRIGGER}/*", f"{RUNS}/runs/*", f"{RUNS}/runs/*/parts/*"
TABLE = "<RunState/Table.Arn>"
STATUS_INDEX = f"{TABLE}/index/status-index"
DISPATCH, CHUNK, REPORT = "<Dispatch/Queue.Arn>", "<Chunk/Queue.Arn>", "<Report/Queue.Arn>"
NOTICES = "<NoticeTopic/Topic>"
DEAD = {"<Dispatch/DeadLetters.Arn>", "<Chunk/DeadLetters.Arn>", "<Report/DeadLetters.Arn>"}

type Rights = dict[str, set[str]]


def consuming(*queues: str) -> Rights:
    actions = ("ReceiveMessage", "DeleteMessage", "GetQueueAttributes", "ChangeMessageVisibility")
    return {f"sqs:{action}": set(queues) for action in actions}


def logging(name: str) -> Rights:
    streams = {f"<{name}/Logs.Arn>"}
    return {"logs:CreateLogStream": streams, "logs:PutLogEvents": streams}


RIGHTS: dict[str, Rights] = {
    "Dispatcher": {
        "s3:GetObject": {MANIFESTS, REPORTS},
        "s3:GetObjectVersion": {MANIFESTS, REPORTS},
        "s3:PutObject": {REPORTS},
        "s3:ListBucket": {TRIGGER, RUNS, IMAGES},
        "s3:GetBucketVersioning": {IMAGES},
        "s3:GetLifecycleConfiguration": {IMAGES},
        "s3:GetBucketOwnershipControls": {IMAGES},
        "s3:GetBucketAcl": {IMAGES},
        "dynamodb:GetItem": {TABLE},
        "dynamodb:PutItem": {TABLE},
        "dynamodb:UpdateItem": {TABLE},
        "dynamodb:BatchGetItem": {TABLE},
        "dynamodb:Query": {STATUS_INDEX},
        "sqs:SendMessage": {DISPATCH, CHUNK, REPORT},
        **consuming(DISPATCH),
    },
    "Compressor": {
        "s3:GetObject": {f"{IMAGES}/*", PARTS},
        "s3:GetObjectVersion": {f"{IMAGES}/*"},
        "s3:GetObjectTagging": {f"{IMAGES}/*"},
        "s3:GetObjectVersionTagging": {f"{IMAGES}/*"},
        "s3:GetObjectAcl": {f"{IMAGES}/*"},
        "s3:GetObjectVersionAcl": {f"{IMAGES}/*"},
        "s3:ListObjectAnnotations": {f"{IMAGES}/*"},
        "s3:PutObjectAcl": {f"{IMAGES}/*"},
        "s3:PutObject": {f"{IMAGES}/*", PARTS},
        "s3:PutObjectTagging": {f"{IMAGES}/*", PARTS},
        "s3:ListBucket": {IMAGES},
        "dynamodb:GetItem": {TABLE},
        "dynamodb:UpdateItem": {TABLE},
        "dynamodb:BatchGetItem": {TABLE},
        "sqs:SendMessage": {REPORT},
        **consuming(CHUNK),
    },
    "Reporter": {
        "s3:GetObject": {MANIFESTS, REPORTS},
        "s3:GetObjectVersion": {MANIFESTS, REPORTS},
        "s3:PutObject": {REPORTS},
        "s3:PutObjectTagging": {f"{PARTS[:-1]}report/*"},
        "s3:ListBucket": {TRIGGER, RUNS},
        "dynamodb:GetItem": {TABLE},
        "dynamodb:BatchGetItem": {TABLE},
        "dynamodb:UpdateItem": {TABLE},
        "sqs:SendMessage": {REPORT},
        "sns:Publish": {NOTICES},
        **consuming(REPORT),
    },
    "Undertaker": {
        "s3:GetObject": {f"{IMAGES}/*", PARTS},
        "s3:PutObject": {PARTS},
        "s3:PutObjectTagging": {PARTS},
        "s3:ListBucket": {IMAGES},
        "dynamodb:GetItem": {TABLE},
        "dynamodb:UpdateItem": {TABLE},
        "dynamodb:BatchGetItem": {TABLE},
        "sqs:SendMessage": {REPORT},
        "sns:Publish": {NOTICES},
        **consuming(*DEAD),
    },
    "Sweeper": {
        "dynamodb:Query": {STATUS_INDEX},
        "dynamodb:GetItem": {TABLE},
        "dynamodb:BatchGetItem": {TABLE},
        "dynamodb:UpdateItem": {TABLE},
        "sqs:SendMessage": {DISPATCH, REPORT},
        "sqs:GetQueueAttributes": {CHUNK},
    },
}


@pytest.mark.parametrize("name", RIGHTS)
def test_a_role_has_the_rights_of_its_function_and_no_others(bare: Synthesised, name: str) -> None:
    assert rights_of(bare, name) == RIGHTS[name] | logging(name)


@pytest.mark.parametrize("name", RIGHTS)
def test_a_role_is_assumed_by_lambda_alone_and_takes_no_managed_policy(
    bare: Synthesised, name: str
) -> None:
    role = bare.of_type("AWS::IAM::Role")[f"{name}/Role"].properties
    (trust,) = role["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"Service": "lambda.amazonaws.com"}
    assert "ManagedPolicyArns" not in role
    assert "Policies" not in role
    assert name.lower() in role["Description"]


def test_there_is_no_role_or_policy_but_the_functions_own(bare: Synthesised) -> None:
    roles = bare.of_type("AWS::IAM::Role")
    assert set(roles) == {f"{name}/Role" for name in RIGHTS}
    policies = bare.of_type("AWS::IAM::Policy")
    assert set(policies) == {f"{name}/Role/DefaultPolicy" for name in RIGHTS}


@pytest.mark.parametrize("name", ["Compressor", "Undertaker"])
def test_rights_on_images_are_on_the_named_buckets_alone(
    given_buckets: Synthesised, name: str
) -> None:
    rights = rights_of(given_buckets, name)
    own, photos, scans = f"{IMAGES}/*", f"{S3}photos/*", f"{S3}scans/*"
    expected = {
        action: (resources - {own, IMAGES})
        | ({photos, scans} if own in resources else set())
        | ({f"{S3}photos", f"{S3}scans"} if IMAGES in resources else set())
        for action, resources in RIGHTS[name].items()
    }
    keys = {"kms:Decrypt": {KEY_ARN}}
    if name == "Compressor":
        keys["kms:GenerateDataKey"] = {KEY_ARN}
    assert rights == expected | keys | logging(name)


@pytest.mark.parametrize("name", RIGHTS)
def test_lists_may_be_read_from_the_buckets_named_for_them(name: str) -> None:
    lists = StackConfig(manifest_buckets=(GivenBucket("lists", KEY_ARN),))
    rights = rights_of(synthesise(lists), name)

    more: Rights = {}
    if name in ("Dispatcher", "Reporter"):
        read = {"s3:GetObject": f"{S3}lists/*", "s3:GetObjectVersion": f"{S3}lists/*"}
        for action, resource in {**read, "s3:ListBucket": f"{S3}lists"}.items():
            more[action] = RIGHTS[name][action] | {resource}
        more["kms:Decrypt"] = {KEY_ARN}
    assert rights == RIGHTS[name] | more | logging(name)


@pytest.mark.parametrize("name", ["Reporter", "Sweeper"])
def test_functions_that_touch_no_image_have_no_right_on_any(
    given_buckets: Synthesised, name: str
) -> None:
    assert rights_of(given_buckets, name) == RIGHTS[name] | logging(name)


def rights_of(synthesised: Synthesised, name: str) -> Rights:
    policy = synthesised.of_type("AWS::IAM::Policy")[f"{name}/Role/DefaultPolicy"].properties
    rights: Rights = defaultdict(set)
    for statement in policy["PolicyDocument"]["Statement"]:
        assert set(statement) == {"Action", "Effect", "Resource"}
        assert statement["Effect"] == "Allow"
        for action in as_list(statement["Action"]):
            assert "*" not in action
            for resource in as_list(statement["Resource"]):
                rights[action].add(synthesised.text(resource))
    return dict(rights)


def as_list[T](value: T | list[T]) -> list[T]:
    return value if isinstance(value, list) else [value]
