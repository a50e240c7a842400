"""Buckets, table and queues as they are deployed, in moto, seen with clients of the test's own."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import boto3
from botocore.exceptions import ClientError
from moto.sqs.models import sqs_backends

from imagepress.runs import RunsTable

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

ACCOUNT = "123456789012"
REGION = "us-east-1"
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_SESSION_TOKEN": "testing",
    "AWS_REGION": REGION,
    "AWS_DEFAULT_REGION": REGION,
}
# What a shell may have set for another AWS.
FOREIGN = ("AWS_ENDPOINT_URL", "AWS_CA_BUNDLE", "AWS_PROFILE", "AWS_CONFIG_FILE")

TRIGGER, RUNS, IMAGES = "trigger", "runs", "images"
INVENTORIES = "inventories"
TABLE = "runs"
DISPATCHES, CHUNKS, REPORTS = "dispatches", "chunks", "reports"
NOTICES = "notices"
NOTICE_TOPIC = f"arn:aws:sns:{REGION}:{ACCOUNT}:{NOTICES}"
QUEUES = (DISPATCHES, CHUNKS, REPORTS)
MAX_RECEIVES = 20
VISIBILITY_SECONDS = 5400


def queue_url(name: str) -> str:
    """Where moto keeps a queue."""
    return f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/{name}"


def dead_letters(queue: str) -> str:
    """The name of a queue's DLQ."""
    return f"{queue}-dead-letters"


@dataclass(frozen=True, slots=True)
class Stack:
    """What is deployed, and what a test wants to know of it."""

    s3: "S3Client"
    sqs: "SQSClient"
    dynamodb: "DynamoDBClient"
    sns: Any
    table: RunsTable

    @classmethod
    def of(cls, session: boto3.Session) -> Self:
        """The stack as `session` sees it."""
        dynamodb = session.client("dynamodb")
        table = RunsTable(dynamodb, TABLE)
        sns = session.client("sns")
        return cls(session.client("s3"), session.client("sqs"), dynamodb, sns, table)

    def create(self) -> None:
        """Make everything."""
        for bucket in (TRIGGER, RUNS, IMAGES, INVENTORIES):
            self.s3.create_bucket(Bucket=bucket)
            self.s3.put_bucket_versioning(
                Bucket=bucket, VersioningConfiguration={"Status": "Enabled"}
            )
        for queue in QUEUES:
            _create_queue(self.sqs, queue)
        self.sns.create_topic(Name=NOTICES)
        _create_table(self.dynamodb)

    def holds_messages(self, queue: str) -> bool:
        """Whether there are any, received or not: told by moto itself, without a request."""
        return bool(sqs_backends[ACCOUNT][REGION].queues[queue]._messages)

    def forget_messages(self, queue: str) -> None:
        """Empty a queue, without a request."""
        sqs_backends[ACCOUNT][REGION].queues[queue]._messages.clear()

    # Images

    def put_image(self, key: str, body: bytes, **properties: Any) -> str:
        """Put an image; its ETag."""
        answer = self.s3.put_object(Bucket=IMAGES, Key=key, Body=body, **properties)
        return answer["ETag"].strip('"')

    def image(self, key: str) -> bytes | None:
        """An image's bytes, or None."""
        try:
            return self.s3.get_object(Bucket=IMAGES, Key=key)["Body"].read()
        except ClientError as error:
            if error.response["Error"]["Code"] == "NoSuchKey":
                return None
            raise

    def head(self, key: str) -> dict[str, Any]:
        """An image's properties."""
        return dict(self.s3.head_object(Bucket=IMAGES, Key=key))

    def versions(self) -> list[tuple[str, str, str]]:
        """Key, version and ETag of all that is or was in the images bucket."""
        pages = [*self.s3.get_paginator("list_object_versions").paginate(Bucket=IMAGES)]
        versions = [one for page in pages for one in page.get("Versions", [])]
        deletions = [one for page in pages for one in page.get("DeleteMarkers", [])]
        return sorted(
            [
                *((one["Key"], one["VersionId"], one["ETag"]) for one in versions),
                *((one["Key"], one["VersionId"], "deleted") for one in deletions),
            ]
        )

    # Time

    def let_time_pass(self, seconds: float) -> None:
        """Make everything in the runs table older."""
        pages = self.dynamodb.get_paginator("scan").paginate(TableName=TABLE)
        for item in [item for page in pages for item in page["Items"]]:
            for name in ("open_until", "updated"):
                if name in item:
                    self._older(item["pk"]["S"], name, seconds)

    def _older(self, key: str, name: str, seconds: float) -> None:
        self.dynamodb.update_item(
            TableName=TABLE,
            Key={"pk": {"S": key}},
            UpdateExpression=f"SET {name} = {name} - :age",
            ExpressionAttributeValues={":age": {"N": str(round(seconds * 1000))}},
        )

    # Queues

    def send(self, queue: str, body: str | Mapping[str, Any]) -> None:
        """Put a message on a queue."""
        text = body if isinstance(body, str) else json.dumps(body)
        self.sqs.send_message(QueueUrl=queue_url(queue), MessageBody=text)


def _create_queue(sqs: "SQSClient", name: str) -> None:
    visibility = str(VISIBILITY_SECONDS)
    sqs.create_queue(QueueName=dead_letters(name), Attributes={"VisibilityTimeout": visibility})
    target = f"arn:aws:sqs:{REGION}:{ACCOUNT}:{dead_letters(name)}"
    redrive = json.dumps({"deadLetterTargetArn": target, "maxReceiveCount": MAX_RECEIVES})
    sqs.create_queue(
        QueueName=name, Attributes={"VisibilityTimeout": visibility, "RedrivePolicy": redrive}
    )


def _create_table(dynamodb: "DynamoDBClient") -> None:
    dynamodb.create_table(
        TableName=TABLE,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[
            {"AttributeName": name, "AttributeType": "S"} for name in ("pk", "status", "run_id")
        ],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "status-index",
                "KeySchema": [
                    {"AttributeName": "status", "KeyType": "HASH"},
                    {"AttributeName": "run_id", "KeyType": "RANGE"},
                ],
                "Projection": {"ProjectionType": "KEYS_ONLY"},
            }
        ],
    )
