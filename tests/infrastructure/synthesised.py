"""A synthesised stack as the tests look at it: by construct path, with readable references.

Logical ids hold hashes, so that no test names one.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from aws_cdk import App
from aws_cdk.assertions import Template

from infra.config import StackConfig
from infra.packaging import Target, lambda_code
from infra.stack import ImagepressStack

# No code is bundled: these tests are about the template.
WITHOUT_BUNDLING: Mapping[str, Any] = {
    "aws:cdk:bundling-stacks": [],
    "aws:cdk:enable-path-metadata": True,
}
STACK_UUID = {"Fn::Select": [2, {"Fn::Split": ["/", {"Ref": "AWS::StackId"}]}]}


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource of a template; `path` is its construct's, without stack and `Resource`."""

    path: str
    type: str
    properties: Mapping[str, Any]
    attributes: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Synthesised:
    """One template."""

    template: Mapping[str, Any]

    def of_type(self, resource_type: str) -> dict[str, Resource]:
        """All resources of a type, by path."""
        found = (resource for resource in self._resources() if resource.type == resource_type)
        return {resource.path: resource for resource in found}

    def outputs(self) -> dict[str, str]:
        """Every output's value."""
        return {name: self.text(output["Value"]) for name, output in self._outputs().items()}

    def text(self, value: Any) -> str:
        """A value as text, its references as `<path>` or `<path.attribute>`."""
        match value:
            case str() | int():
                return str(value)
            case {"Fn::Join": [delimiter, parts]}:
                return str(delimiter).join(self.text(part) for part in parts)
            case {"Fn::GetAtt": [logical_id, attribute]}:
                return f"<{self._path(logical_id)}.{attribute}>"
            case {"Ref": logical_id}:
                return f"<{self._path(logical_id)}>"
            case _ if value == STACK_UUID:
                return "<uuid>"
        raise AssertionError(f"no text for {value}")

    def _outputs(self) -> Mapping[str, Any]:
        outputs: Mapping[str, Any] = self.template["Outputs"]
        return outputs

    def _resources(self) -> Iterator[Resource]:
        for logical_id, resource in self.template["Resources"].items():
            attributes = {k: v for k, v in resource.items() if k not in {"Type", "Properties"}}
            path = self._path(logical_id)
            yield Resource(path, resource["Type"], resource.get("Properties", {}), attributes)

    def _path(self, logical_id: str) -> str:
        resource = self.template["Resources"].get(logical_id)
        if resource is None:
            return logical_id
        path: str = resource["Metadata"]["aws:cdk:path"]
        return path.removeprefix("imagepress/").removesuffix("/Resource")


def stack_in(app: App, config: StackConfig) -> ImagepressStack:
    """The stack, as the deployed app makes it."""
    code = lambda_code(Target.lambda_runtime(config.architecture))
    return ImagepressStack(app, "imagepress", config=config, code=code)


def synthesise(config: StackConfig) -> Synthesised:
    """The template of a configuration."""
    app = App(context=dict(WITHOUT_BUNDLING), analytics_reporting=False)
    return Synthesised(Template.from_stack(stack_in(app, config)).to_json())
