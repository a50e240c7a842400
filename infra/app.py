"""The CDK app: `cdk deploy` and `cdk synth` run it through cdk.json, from the repository's root."""

import sys

from aws_cdk import App, Validations
from cdk_nag import AwsSolutionsChecks

from infra import STACK_ID
from infra.config import ConfigError, StackConfig
from infra.packaging import Target, lambda_code
from infra.stack import ImagepressStack


def main() -> None:
    """Synthesise the stack that cdk.json describes."""
    app = App()
    try:
        config = StackConfig.from_context(app.node)
    except ConfigError as error:
        sys.exit(f"cdk.json: {error}")
    code = lambda_code(Target.lambda_runtime(config.architecture))
    ImagepressStack(app, STACK_ID, config=config, code=code)
    Validations.of(app).add_plugins(AwsSolutionsChecks(app))
    app.synth()


if __name__ == "__main__":
    main()
