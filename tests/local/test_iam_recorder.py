"""Permission decisions are recorded as the emulator makes them."""

import json
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from local import emulator
from local.clients import Clients
from local.emulator import REGION, Emulator
from local.iam_recorder import Decision, read

POLICY = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}],
}


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    with emulator.instance(tmp_path_factory.mktemp("recorder") / "aws") as started:
        yield started


def test_records_what_a_user_may_and_may_not_do(instance: Emulator) -> None:
    root = Clients.of(instance)
    root.s3.create_bucket(Bucket="pictures")
    root.s3.put_object(Bucket="pictures", Key="a.jpg", Body=b"")
    where = {"endpoint_url": instance.endpoint, "verify": str(instance.certificate)}
    session = boto3.Session("test", "test", region_name=REGION)
    iam = session.client("iam", config=Config(proxies={}), **where)  # type: ignore[call-overload]
    arn = iam.create_user(UserName="reader")["User"]["Arn"]
    iam.put_user_policy(UserName="reader", PolicyName="p", PolicyDocument=json.dumps(POLICY))
    key = iam.create_access_key(UserName="reader")["AccessKey"]
    reader = boto3.Session(key["AccessKeyId"], key["SecretAccessKey"], region_name=REGION)
    s3 = reader.client("s3", config=Config(proxies={}), **where)  # type: ignore[call-overload]

    s3.get_object(Bucket="pictures", Key="a.jpg")
    with pytest.raises(ClientError, match="AccessDenied"):
        s3.delete_object(Bucket="pictures", Key="a.jpg")

    resource = "arn:aws:s3:::pictures/a.jpg"
    allowed, denied = (d for d in read(instance.iam_log) if d.principal == arn)
    assert allowed == Decision(arn, "s3:GetObject", resource, allowed=True, why="")
    assert (denied.action, denied.resource, denied.allowed) == ("s3:DeleteObject", resource, False)


def test_a_function_is_known_by_its_session(tmp_path: Path) -> None:
    log = tmp_path / "iam.jsonl"
    principal = "arn:aws:sts::000000000000:assumed-role/stack-Role/stack-Compressor"
    log.write_text(
        json.dumps(
            {
                "principal": principal,
                "action": "a",
                "resource": "*",
                "allowed": False,
                "why": "",
            }
        )
        + '\n{"half a li',
        encoding="utf-8",
    )

    (decision,) = read(log)

    assert decision.function == "stack-Compressor"
