"""A session with AWS: for those who use their own credentials, not for the functions."""

import boto3
from botocore.session import Session

# boto3 by itself reads the second one only; the AWS CLI and the CDK, both, and in this order.
REGION = ("region", ["AWS_REGION", "AWS_DEFAULT_REGION"], None, None)


def aws_session() -> boto3.Session:
    """Credentials and region as the AWS CLI and the CDK find them."""
    return boto3.Session(botocore_session=Session(session_vars={"region": REGION}))
