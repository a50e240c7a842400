"""As much of the AWS CLI as the documents use. The real one pins a botocore of its own."""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import boto3
from botocore import xform_name

URL = "s3://"


def main(arguments: Sequence[str]) -> None:
    """`aws SERVICE OPERATION [POSITIONAL…] [--option value…]`."""
    service, operation, *rest = arguments
    positional, options = _split(rest)
    endpoint = options.pop("endpoint-url", None)
    client: Any = boto3.client(service, endpoint_url=endpoint)  # type: ignore[call-overload]
    if service == "s3":
        _S3[operation](client, *positional, **options)
        return
    answer = _call(client, operation.replace("-", "_"), options)
    for file in positional:
        Path(file).write_bytes(answer.pop("Payload").read())
    sys.stdout.write(f"{json.dumps(answer, default=str)}\n")


def _split(rest: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    positional, options = [], {}
    words = iter(rest)
    for word in words:
        if word.startswith("--"):
            options[word.removeprefix("--")] = next(words)
        else:
            positional.append(word)
    return positional, options


def _call(client: Any, operation: str, options: Mapping[str, str]) -> dict[str, Any]:
    """Call an operation of the API; each option is the member of its input with that name."""
    api_name = client.meta.method_to_api_mapping[operation]
    members = client.meta.service_model.operation_model(api_name).input_shape.members
    named = {xform_name(name, "-"): (name, shape.type_name) for name, shape in members.items()}
    values = {}
    for option, text in options.items():
        if option == "cli-binary-format":
            continue
        name, kind = named[option]
        values[name] = text if kind in ("string", "blob") else json.loads(text)
    return dict(getattr(client, operation)(**values))


def _cp(s3: Any, source: str, target: str, *, metadata: str = "") -> None:
    if source.startswith(URL):
        bucket, _, key = source.removeprefix(URL).partition("/")
        s3.download_file(bucket, key, target)
        return
    bucket, _, key = target.removeprefix(URL).partition("/")
    if not key or key.endswith("/"):
        key += Path(source).name
    pairs = dict(pair.split("=", 1) for pair in metadata.split(",") if pair)
    s3.upload_file(source, bucket, key, ExtraArgs={"Metadata": pairs})


def _ls(s3: Any) -> None:
    for bucket in s3.list_buckets()["Buckets"]:
        sys.stdout.write(f"{bucket['Name']}\n")


def _rb(s3: Any, url: str) -> None:
    s3.delete_bucket(Bucket=url.removeprefix(URL))


_S3: Mapping[str, Callable[..., None]] = {"cp": _cp, "ls": _ls, "rb": _rb}

if __name__ == "__main__":
    main(sys.argv[1:])
