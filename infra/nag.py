"""Acknowledging a cdk-nag finding next to the thing that it is about, with the reason.

A wildcard finding is acknowledged for one resource at a time. Its id holds that resource the way
cdk-nag prints it, which is worked out here, so that a reason can never cover a second wildcard.
"""

import json
from typing import Any

from aws_cdk import Acknowledgment, Stack, Validations
from constructs import IConstruct


def acknowledge(construct: IConstruct, rule: str, *, reason: str) -> None:
    """Accept what the AWS Solutions rule `rule` says about `construct` and all inside it."""
    Validations.of(construct).acknowledge(
        Acknowledgment(id=f"AwsSolutions-{rule}", reason=reason),
    )


def acknowledge_wildcard(construct: IConstruct, resource: str, *, reason: str) -> None:
    """Accept one resource with a wildcard in the policies of `construct`."""
    shown = _flatten(Stack.of(construct).resolve(resource))
    acknowledge(construct, f"IAM5[Resource::{shown}]", reason=reason)


def _flatten(value: Any) -> str:
    """Print a resolved CloudFormation value as cdk-nag does in the ids of its findings."""
    match value:
        case str():
            return value
        case {"Fn::Join": [str(delimiter), list(parts)]}:
            return delimiter.join(_flatten(part) for part in parts)
        case {"Fn::GetAtt": [str(resource), str(attribute)]}:
            return f"<{resource}.{attribute}>"
        case {"Ref": str(name)}:
            return f"<{name}>"
        case _:
            return json.dumps(value, separators=(",", ":"))
