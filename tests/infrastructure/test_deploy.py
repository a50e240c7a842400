"""What `make deploy` looks at before it deploys."""

import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import boto3
import pytest
from botocore.stub import Stubber
from moto import mock_aws

from infra import deploy
from infra.config import GivenBucket, StackConfig


class Account(boto3.Session):
    """An account in moto, but for its stacks, which moto wants packages for: canned answers."""

    stack_status: str | None = None

    def client(self, service_name: str, *arguments: Any, **options: Any) -> Any:
        client = super().client(service_name, *arguments, **options)  # type: ignore[call-overload]
        if service_name == "cloudformation":
            stubber = Stubber(client)
            if self.stack_status is None:
                stubber.add_client_error("describe_stacks", "ValidationError")
            else:
                stack = {
                    "StackName": "imagepress",
                    "CreationTime": datetime.now(UTC),
                    "StackStatus": self.stack_status,
                }
                stubber.add_response("describe_stacks", {"Stacks": [stack]})
            stubber.activate()
        return client


@pytest.fixture
def session() -> Iterator[Account]:
    """An account that is ready."""
    with mock_aws():
        session = Account("id", "secret", region_name="eu-west-1")
        session.client("ssm").put_parameter(
            Name=deploy.BOOTSTRAP_VERSION, Value="30", Type="String"
        )
        yield session


def make_bucket(session: Account, name: str, *, versioned: bool) -> None:
    s3 = session.client("s3")
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    if versioned:
        s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})


def test_the_plan_says_what_will_be_done_and_where(session: Account) -> None:
    plan = str(deploy.look(session, StackConfig()))

    assert plan.startswith("Create the stack imagepress with imagepress ")
    assert "account 123456789012, region eu-west-1, as arn:aws:" in plan
    assert "a bucket of its own" in plan
    assert "at most 50 at once, 3008 MB each" in plan


def test_a_stack_that_is_there_is_updated(session: Account) -> None:
    session.stack_status = "UPDATE_COMPLETE"

    assert str(deploy.look(session, StackConfig())).startswith("Update ")


@pytest.mark.parametrize(
    ("status", "remedy"),
    [
        ("UPDATE_IN_PROGRESS", "wait until that has ended"),
        ("ROLLBACK_COMPLETE", "Delete it, then deploy again"),
    ],
)
def test_a_stack_that_cannot_be_deployed_to_is_said(
    session: Account, status: str, remedy: str
) -> None:
    session.stack_status = status

    with pytest.raises(deploy.NotReadyError, match=remedy):
        deploy.look(session, StackConfig())


def test_a_bucket_without_versions_is_warned_of(session: Account) -> None:
    make_bucket(session, "kept", versioned=True)
    make_bucket(session, "bare", versioned=False)
    config = StackConfig(image_buckets=(GivenBucket("kept"), GivenBucket("bare")))

    plan = deploy.look(session, config)

    (warning,) = plan.warnings
    assert warning.startswith("bare keeps no versions (off)")
    assert "images: kept, bare" in str(plan)


def test_a_bucket_that_is_not_there_is_named(session: Account) -> None:
    with pytest.raises(deploy.NotReadyError, match="names the images bucket nowhere"):
        deploy.look(session, StackConfig(image_buckets=(GivenBucket("nowhere"),)))


@pytest.mark.parametrize("version", [None, "5"])
def test_an_account_that_is_not_bootstrapped_is_told_the_command(
    session: Account, version: str | None
) -> None:
    ssm = session.client("ssm")
    ssm.delete_parameter(Name=deploy.BOOTSTRAP_VERSION)
    if version:
        ssm.put_parameter(Name=deploy.BOOTSTRAP_VERSION, Value=version, Type="String")

    with pytest.raises(deploy.NotReadyError, match="bootstrap aws://123456789012/eu-west-1"):
        deploy.look(session, StackConfig())


def test_a_missing_region_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")

    with pytest.raises(deploy.NotReadyError, match="no region is set"):
        deploy.look(boto3.Session("id", "secret"), StackConfig())


def test_missing_credentials_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")

    with pytest.raises(deploy.NotReadyError, match="aws configure"):
        deploy.look(boto3.Session(region_name="eu-west-1"), StackConfig())


@pytest.fixture
def deployment(session: Account, monkeypatch: pytest.MonkeyPatch) -> Mock:
    """`make deploy DEPLOY_OPTIONS=--yes`, without the CDK; its exit code is the CDK's."""
    cdk = Mock(returncode=0)
    monkeypatch.setattr(deploy, "aws_session", lambda: session)
    monkeypatch.setattr("infra.deploy.subprocess.run", lambda *_, **__: cdk)
    monkeypatch.setattr(deploy, "events_for_the_console", lambda _: "Saved.")
    monkeypatch.setattr(sys, "argv", ["deploy", "--yes"])
    return cdk


def test_events_for_the_console_are_saved_after_a_deployment(
    deployment: Mock, capsys: pytest.CaptureFixture[str]
) -> None:
    deploy.main()

    assert capsys.readouterr().out.endswith("\nSaved.\n")


def test_a_deployment_that_failed_saves_no_events(
    deployment: Mock, capsys: pytest.CaptureFixture[str]
) -> None:
    deployment.returncode = 3

    with pytest.raises(SystemExit) as end:
        deploy.main()

    assert end.value.code == 3
    assert "Saved." not in capsys.readouterr().out


def test_a_wrong_entry_of_cdk_json_is_said(tmp_path: Path) -> None:
    file = tmp_path / "cdk.json"
    file.write_text('{"context": {"imagepress": {"architecture": "sparc"}}}')

    with pytest.raises(deploy.NotReadyError, match='architecture is "sparc"'):
        deploy.configuration(file)


def test_the_projects_own_cdk_json_is_right() -> None:
    assert deploy.configuration(deploy.ROOT / "cdk.json") == StackConfig()
