"""Everything that may differ between two deployments, in one frozen value.

It is read once from the `imagepress` entry of cdk.json's context. A wrong entry is refused in one
message that names the field, the value and what is allowed, before anything is synthesised.
"""

import difflib
import json
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Self, get_args

from constructs import Node

from imagepress.errors import Refused
from imagepress.settings import RunSettings, check_defaults, with_defaults

CONTEXT_KEY = "imagepress"
Architecture = Literal["x86_64", "arm64"]
EMAIL = r"[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+"
MOST_TAGS = 40  # of 50, of which some are ours and CloudFormation's
LOG_RETENTION_DAYS = (1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827)


class ConfigError(ValueError):
    """An entry of cdk.json that no stack can be built with."""


@dataclass(frozen=True, slots=True)
class GivenBucket:
    """An existing bucket that the stack gets rights on."""

    name: str
    kms_key_arn: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionSize:
    """What one Lambda function gets."""

    memory_mb: int
    timeout_seconds: int
    tmp_mb: int = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class StackConfig:
    """The data of one deployment; the defaults fit a new AWS account.

    Without `image_buckets` the stack makes an images bucket of its own; with them it gets rights
    on those named and on no others. From `manifest_buckets` it may read lists of images.
    """

    image_buckets: tuple[GivenBucket, ...] = ()
    manifest_buckets: tuple[GivenBucket, ...] = ()
    architecture: Architecture = "x86_64"
    compressor_concurrency: int = 50
    # A new account is capped at 3,008 MB, which is 1.7 virtual CPUs.
    compressor: FunctionSize = FunctionSize(memory_mb=3008, timeout_seconds=900, tmp_mb=4096)
    dispatcher: FunctionSize = FunctionSize(memory_mb=1024, timeout_seconds=300)
    reporter: FunctionSize = FunctionSize(memory_mb=1769, timeout_seconds=900)
    undertaker: FunctionSize = FunctionSize(memory_mb=512, timeout_seconds=300)
    sweeper: FunctionSize = FunctionSize(memory_mb=512, timeout_seconds=240)
    log_retention_days: int = 30
    part_retention_days: int = 30
    alarm_email: str | None = None
    notice_email: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    run_defaults: RunSettings = field(default_factory=RunSettings)

    @classmethod
    def from_context(cls, node: Node) -> Self:
        """Read the `imagepress` context, from cdk.json or as JSON text from `cdk -c`."""
        given = node.try_get_context(CONTEXT_KEY)
        if isinstance(given, str):
            try:
                given = json.loads(given)
            except json.JSONDecodeError:
                raise _refused(CONTEXT_KEY, given, "a JSON object") from None
        return cls.from_json({} if given is None else given)

    @classmethod
    def from_json(cls, given: Any) -> Self:
        """Read a configuration from plain values, or raise `ConfigError`."""
        return cls(**_entries(CONTEXT_KEY, given, _READERS))


type _Reader = Callable[[str, Any], Any]


def _entries(where: str, given: Any, readers: Mapping[str, _Reader]) -> dict[str, Any]:
    if not isinstance(given, Mapping):
        raise _refused(where, given, "an object")
    for name in given:
        if name not in readers:
            raise ConfigError(_unknown(where, name, readers))
    return {name: readers[name](f"{where}.{name}", value) for name, value in given.items()}


def _whole_number(lowest: int, highest: int) -> _Reader:
    def read(where: str, value: Any) -> int:
        is_number = isinstance(value, int) and not isinstance(value, bool)
        if not (is_number and lowest <= value <= highest):
            raise _refused(where, value, f"a whole number from {lowest} to {highest}")
        return int(value)

    return read


def _one_of(*allowed: str | int) -> _Reader:
    def read(where: str, value: Any) -> Any:
        if isinstance(value, bool) or value not in allowed:
            raise _refused(where, value, f"one of {', '.join(map(str, allowed))}")
        return value

    return read


def _text_like(pattern: str, allowed: str) -> _Reader:
    def read(where: str, value: Any) -> str:
        if not (isinstance(value, str) and re.fullmatch(pattern, value)):
            raise _refused(where, value, allowed)
        return value

    return read


def _function_size(name: str) -> _Reader:
    readers = {
        "memory_mb": _whole_number(128, 10_240),
        "timeout_seconds": _whole_number(30, 900),
        "tmp_mb": _whole_number(512, 10_240),
    }

    def read(where: str, value: Any) -> FunctionSize:
        default: FunctionSize = getattr(StackConfig(), name)
        return replace(default, **_entries(where, value, readers))

    return read


def _buckets(where: str, value: Any) -> tuple[GivenBucket, ...]:
    readers = {
        "name": _text_like(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", "the name of a bucket"),
        "kms_key_arn": _text_like(
            r"arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{12}:key/[\w-]+", "the ARN of a KMS key, not an alias"
        ),
    }
    if not (isinstance(value, list) and value):
        allowed = 'a list such as [{"name": "my-bucket"}]; leave it out where there is none'
        raise _refused(where, value, allowed)
    entries = [_entries(f"{where}[{i}]", item, readers) for i, item in enumerate(value)]
    for i, entry in enumerate(entries):
        if "name" not in entry:
            raise _refused(f"{where}[{i}]", value[i], 'an object with a "name"')
    names = [entry["name"] for entry in entries]
    if len(set(names)) < len(names):
        raise _refused(where, names, "a list that names each bucket once")
    return tuple(GivenBucket(**entry) for entry in entries)


def _tags(where: str, value: Any) -> Mapping[str, str]:
    # What every service that is tagged here takes; S3 and IAM are the strictest.
    allowed = r"[A-Za-z0-9 _.:/=+@-]"
    if not isinstance(value, Mapping):
        raise _refused(where, value, "an object")
    if len(value) > MOST_TAGS:
        raise _refused(where, value, f"an object with at most {MOST_TAGS} tags")
    name = _text_like(f"(?!aws:|imagepress:){allowed}{{1,128}}", "a tag's name, not aws:… or ours")
    text = _text_like(f"{allowed}{{0,256}}", "a tag's value: letters, digits and _.:/=+@-")
    return {name(where, key): text(f"{where}.{key}", item) for key, item in value.items()}


def _run_defaults(where: str, value: Any) -> RunSettings:
    if not isinstance(value, Mapping):
        raise _refused(where, value, "an object")
    try:
        return with_defaults(check_defaults(value), {})
    except Refused as refusal:
        raise ConfigError(f"{where}: {refusal}") from None


_READERS: Mapping[str, _Reader] = {
    "image_buckets": _buckets,
    "manifest_buckets": _buckets,
    "architecture": _one_of(*get_args(Architecture)),
    "compressor_concurrency": _whole_number(2, 1000),
    "compressor": _function_size("compressor"),
    "dispatcher": _function_size("dispatcher"),
    "reporter": _function_size("reporter"),
    "undertaker": _function_size("undertaker"),
    "sweeper": _function_size("sweeper"),
    "log_retention_days": _one_of(*LOG_RETENTION_DAYS),
    # A run lives as long as its messages can, 14 days, and is reported from its parts.
    "part_retention_days": _whole_number(15, 3650),
    "alarm_email": _text_like(EMAIL, "an e-mail address"),
    "notice_email": _text_like(EMAIL, "an e-mail address"),
    "tags": _tags,
    "run_defaults": _run_defaults,
}


def _refused(where: str, value: Any, allowed: str) -> ConfigError:
    return ConfigError(f"{where} is {json.dumps(value, default=repr)}; it must be {allowed}.")


def _unknown(where: str, name: str, known: Collection[str]) -> str:
    nearest = difflib.get_close_matches(name, known, n=1)
    hint = f" Did you mean {nearest[0]}?" if nearest else ""
    return f'{where} has no field "{name}".{hint} Known: {", ".join(known)}.'
