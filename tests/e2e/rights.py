"""What AWS demands for each request that the functions make, whatever the emulator asks for.

From the service authorization reference (Actions, resources, and condition keys for S3, SQS and
DynamoDB) and the API references' sections on permissions. A request that is not in these tables
makes the test fail: whoever makes a new kind of request looks up here what it takes.
"""

import fnmatch
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from local.iam_recorder import Decision
from local.shims import SQS_BATCH_ACTIONS


@dataclass(frozen=True, slots=True, order=True)
class Right:
    """An action on a resource; in a role's statement the resource may hold wildcards."""

    action: str
    resource: str

    def covers(self, other: "Right") -> bool:
        """Whether this right of a role is enough for `other`."""
        return self.action == other.action and fnmatch.fnmatchcase(other.resource, self.resource)


@dataclass(frozen=True, slots=True)
class Demand:
    """The action for a request, and for one that names a version."""

    action: str
    with_version: str | None = None


BUCKET, OBJECT = "bucket", "object"

S3_REQUESTS: Mapping[tuple[str, str, str], Demand] = {
    ("GET", OBJECT, ""): Demand("s3:GetObject", "s3:GetObjectVersion"),
    ("HEAD", OBJECT, ""): Demand("s3:GetObject", "s3:GetObjectVersion"),
    ("PUT", OBJECT, ""): Demand("s3:PutObject"),
    ("GET", OBJECT, "tagging"): Demand("s3:GetObjectTagging", "s3:GetObjectVersionTagging"),
    ("GET", OBJECT, "acl"): Demand("s3:GetObjectAcl", "s3:GetObjectVersionAcl"),
    ("GET", OBJECT, "annotation"): Demand("s3:ListObjectAnnotations"),
    ("POST", OBJECT, "uploads"): Demand("s3:PutObject"),
    ("PUT", OBJECT, "uploadId"): Demand("s3:PutObject"),
    ("POST", OBJECT, "uploadId"): Demand("s3:PutObject"),
    ("DELETE", OBJECT, "uploadId"): Demand("s3:AbortMultipartUpload"),
    ("GET", BUCKET, "list-type"): Demand("s3:ListBucket"),
    ("GET", BUCKET, "versioning"): Demand("s3:GetBucketVersioning"),
    ("GET", BUCKET, "lifecycle"): Demand("s3:GetLifecycleConfiguration"),
    ("GET", BUCKET, "acl"): Demand("s3:GetBucketAcl"),
    ("GET", BUCKET, "ownershipControls"): Demand("s3:GetBucketOwnershipControls"),
}
"""By method, level and subresource. HEAD has no action of its own."""

S3_HEADERS: Mapping[str, str] = {
    "x-amz-tagging": "s3:PutObjectTagging",
    "x-amz-acl": "s3:PutObjectAcl",
    "x-amz-grant-full-control": "s3:PutObjectAcl",
    "x-amz-grant-read": "s3:PutObjectAcl",
    "x-amz-grant-read-acp": "s3:PutObjectAcl",
    "x-amz-grant-write-acp": "s3:PutObjectAcl",
    "x-amz-object-lock-mode": "s3:PutObjectRetention",
    "x-amz-object-lock-retain-until-date": "s3:PutObjectRetention",
    "x-amz-object-lock-legal-hold": "s3:PutObjectLegalHold",
    "x-amz-bypass-governance-retention": "s3:BypassGovernanceRetention",
}
"""What a header demands beside its request's own action."""

S3_FREE_HEADERS = (
    "if-match",
    "if-none-match",
    "x-amz-checksum-*",
    "x-amz-decoded-content-length",
    "x-amz-expected-bucket-owner",
    "x-amz-meta-*",
    "x-amz-sdk-checksum-algorithm",
    "x-amz-server-side-encryption",
    "x-amz-server-side-encryption-bucket-key-enabled",
    "x-amz-storage-class",
    "x-amz-te",
    "x-amz-trailer",
    "x-amz-user-agent",
    "x-amz-website-redirect-location",
)
"""Headers that demand nothing; SSE with a KMS key does, of KMS: see `UNUSED`."""

S3_FREE_PARAMETERS = (
    "encoding-type",
    "max-annotation-results",
    "max-keys",
    "partNumber",
    "prefix",
    "response-*",
    "start-after",
    "continuation-token",
    "versionId",
    "x-id",
)

OTHER_ACTIONS: Mapping[str, str] = {
    "dynamodb:BatchGetItem": "dynamodb:BatchGetItem",
    "dynamodb:GetItem": "dynamodb:GetItem",
    "dynamodb:PutItem": "dynamodb:PutItem",
    "dynamodb:Query": "dynamodb:Query",
    # A transaction is no action: each of its items is recorded as the action that it performs.
    "dynamodb:UpdateItem": "dynamodb:UpdateItem",
    "sns:Publish": "sns:Publish",
    "sqs:ChangeMessageVisibility": "sqs:ChangeMessageVisibility",
    "sqs:GetQueueAttributes": "sqs:GetQueueAttributes",
    "sqs:SendMessage": "sqs:SendMessage",
    "sqs:SendMessageBatch": "sqs:SendMessage",
}
"""For services whose requests name their action: what the emulator saw, and what AWS demands."""

LOG_ACTIONS = ("logs:CreateLogStream", "logs:PutLogEvents")
POLLER_ACTIONS = (
    "sqs:ReceiveMessage",
    "sqs:DeleteMessage",
    "sqs:GetQueueAttributes",
    "sqs:ChangeMessageVisibility",
)
ACL_ACTIONS = ("s3:GetBucketAcl", "s3:GetObjectAcl", "s3:GetObjectVersionAcl", "s3:PutObjectAcl")

UNUSED: Mapping[str, str] = {
    **dict.fromkeys(LOG_ACTIONS, "Lambda itself writes a function's logs, in the role's name."),
    **dict.fromkeys(POLLER_ACTIONS, "Lambda's poller takes the messages, in the role's name."),
    **dict.fromkeys(ACL_ACTIONS, "The stack's own images bucket has ACLs off; others may not."),
    "s3:ListBucket": "No request is made: with it S3 answers 404 for a missing key, without 403.",
    "kms:Decrypt": "Only where a bucket was given a KMS key.",
    "kms:GenerateDataKey": "Only where a bucket was given a KMS key.",
}
"""Rights that need no use in the tests, each with its reason."""


class UnknownRequestError(Exception):
    """A function made a request that the tables do not know."""


def demanded(decision: Decision) -> set[Right]:
    """All that AWS demands for the request behind a decision."""
    service = decision.action.partition(":")[0]
    if service == "s3":
        return _demanded_by_s3(decision)
    if decision.action not in OTHER_ACTIONS:
        raise UnknownRequestError(f"{decision.action} ({decision.request})")
    return {Right(OTHER_ACTIONS[decision.action], decision.resource)}


def used(decisions: Iterable[Decision]) -> dict[str, set[Right]]:
    """All that AWS would have demanded of each role, by the role's name."""
    rights: defaultdict[str, set[Right]] = defaultdict(set)
    for decision in set(decisions):
        if ":assumed-role/" in decision.principal:
            rights[decision.principal.split("/")[1]] |= demanded(decision)
    return dict(rights)


def allowed(iam: Any) -> dict[str, set[Right]]:
    """All that each deployed role may do, by the role's name; the local shims left out."""
    rights = {}
    for role in iam.list_roles()["Roles"]:
        name = role["RoleName"]
        documents = [
            iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]
            for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]
        ]
        rights[name] = {
            Right(action, resource)
            for document in documents
            for statement in document["Statement"]
            for action in _listed(statement["Action"])
            for resource in _listed(statement["Resource"])
            if action not in SQS_BATCH_ACTIONS.values()
        }
    return rights


def _demanded_by_s3(decision: Decision) -> set[Right]:
    method, *names = decision.request.split()
    is_object = "/" in decision.resource.rpartition(":")[2]
    actions = set()
    subresources = []
    for name in names:
        if name in S3_HEADERS:
            actions.add(S3_HEADERS[name])
        elif not _matches(name, (*S3_FREE_HEADERS, *S3_FREE_PARAMETERS)):
            subresources.append(name)
    request = (method, OBJECT if is_object else BUCKET, " ".join(subresources))
    if request not in S3_REQUESTS:
        raise UnknownRequestError(f"{decision.action}: {request}")
    demand = S3_REQUESTS[request]
    versioned = demand.with_version if "versionId" in names else None
    return {Right(action, decision.resource) for action in {versioned or demand.action, *actions}}


def _matches(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def _listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value
