"""Templates are synthesised once: one bare, one for buckets that exist already."""

import os
import sys
from pathlib import Path

import pytest

from infra.config import GivenBucket, StackConfig
from tests.infrastructure.synthesised import Synthesised, synthesise

# aws-cdk-lib runs on Node, which comes with the environment even if nobody activated it.
os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"

KEY_ARN = "arn:aws:kms:eu-west-1:111122223333:key/0b1c"


@pytest.fixture(scope="session")
def bare() -> Synthesised:
    return synthesise(StackConfig())


@pytest.fixture(scope="session")
def given_buckets() -> Synthesised:
    buckets = (GivenBucket("photos"), GivenBucket("scans", kms_key_arn=KEY_ARN))
    return synthesise(StackConfig(image_buckets=buckets))
