import json
from pathlib import Path

import pytest
from aws_cdk import App, Validations
from cdk_nag import AwsSolutionsChecks

from infra.config import GivenBucket, StackConfig
from tests.infrastructure.conftest import KEY_ARN
from tests.infrastructure.synthesised import WITHOUT_BUNDLING, stack_in

GIVEN_BUCKETS = StackConfig(image_buckets=(GivenBucket("photos", kms_key_arn=KEY_ARN),))


@pytest.fixture
def checked_app(tmp_path: Path) -> App:
    app = App(context=dict(WITHOUT_BUNDLING), outdir=str(tmp_path), analytics_reporting=False)
    Validations.of(app).add_plugins(AwsSolutionsChecks(app))
    return app


@pytest.mark.parametrize("config", [StackConfig(), GIVEN_BUCKETS], ids=["bare", "given buckets"])
def test_every_finding_of_the_aws_solutions_rules_is_acknowledged(
    checked_app: App, tmp_path: Path, config: StackConfig
) -> None:
    stack_in(checked_app, config)
    checked_app.synth()
    report = json.loads((tmp_path / "validation-report.json").read_text(encoding="utf-8"))
    assert report["pluginReports"] == []


def test_one_more_wildcard_is_a_finding_of_its_own(checked_app: App) -> None:
    stack = stack_in(checked_app, StackConfig())
    stack.compressor.allow(["s3:GetObject"], ["arn:aws:s3:::other/*"])
    with pytest.raises(RuntimeError, match="ValidationFailed"):
        checked_app.synth()
