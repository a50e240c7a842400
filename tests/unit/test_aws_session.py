"""Where a session looks for its region: as the AWS CLI and the CDK do."""

from pathlib import Path

import pytest

from imagepress.aws_session import aws_session

CONFIG = "[default]\nregion = sa-east-1\n[profile other]\nregion = eu-north-1\n"


@pytest.mark.parametrize(
    ("variables", "region"),
    [
        ({"AWS_REGION": "eu-west-1"}, "eu-west-1"),
        ({"AWS_DEFAULT_REGION": "eu-west-2"}, "eu-west-2"),
        ({"AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "eu-west-2"}, "eu-west-1"),
        ({"AWS_REGION": "eu-west-1", "AWS_PROFILE": "other"}, "eu-west-1"),
        ({"AWS_PROFILE": "other"}, "eu-north-1"),
        ({}, "sa-east-1"),
    ],
    ids=str,
)
def test_the_region_is_the_one_that_other_tools_take(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variables: dict[str, str], region: str
) -> None:
    (tmp_path / "config").write_text(CONFIG)
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE", "AWS_DEFAULT_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    session = aws_session()

    assert session.region_name == region
    assert (
        session.client("sqs", aws_access_key_id="a", aws_secret_access_key="b").meta.region_name
        == region
    )
