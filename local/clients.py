"""The AWS clients of one emulator; they never read the shell's AWS settings or proxies."""

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import boto3
import botocore.session
from botocore.config import Config

from local.emulator import REGION, Emulator

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

_NO_SETTINGS = {
    "profile": (None, None, None, None),
    "config_file": (None, None, os.devnull, None),
    "credentials_file": (None, None, os.devnull, None),
}
"""For botocore: no variable and no file of these is looked at; a profile may name what is gone."""


@dataclass(frozen=True, slots=True)
class Clients:
    """One client for each service that the demo and the tests speak to."""

    s3: "S3Client"
    sqs: "SQSClient"
    dynamodb: "DynamoDBClient"
    functions: "LambdaClient"
    cloudformation: "CloudFormationClient"
    iam: Any
    """Its type stubs are large, and only tests look at what was deployed."""
    sns: Any
    """Only tests listen."""

    @classmethod
    def of(cls, emulator: Emulator) -> Self:
        bare = botocore.session.Session(session_vars=_NO_SETTINGS)
        session = boto3.Session("test", "test", region_name=REGION, botocore_session=bare)
        config = Config(proxies={}, retries={"mode": "standard"}, read_timeout=120)
        url, trust = emulator.endpoint, str(emulator.certificate)
        return cls(
            s3=session.client("s3", endpoint_url=url, verify=trust, config=config),
            sqs=session.client("sqs", endpoint_url=url, verify=trust, config=config),
            dynamodb=session.client("dynamodb", endpoint_url=url, verify=trust, config=config),
            functions=session.client("lambda", endpoint_url=url, verify=trust, config=config),
            cloudformation=session.client(
                "cloudformation", endpoint_url=url, verify=trust, config=config
            ),
            sns=session.client("sns", endpoint_url=url, verify=trust, config=config),
            iam=session.client("iam", endpoint_url=url, verify=trust, config=config),
        )
