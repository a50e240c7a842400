"""The run parameters: one table that the event, object metadata, command line and config share.

A wrong name, type or range is refused in one message that names the field, the value, what is
allowed and the nearest known name, because a misspelt parameter must never change pictures.
"""

import difflib
import hashlib
import json
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Self

from imagepress.effort import Effort
from imagepress.errors import Refused
from imagepress.storable import storable

NEAR_MISS = 0.8
MAX_PREFIX_BYTES = 200
MAX_KEY_BYTES = 1024
LOSSLESS_QUALITY = 100


@dataclass(frozen=True, slots=True)
class RunSettings:
    """How the images of a run are treated; names and defaults are the original script's."""

    perc_compression_quality: int = 80
    max_image_pixels: int = 1_000_000_000
    temp_dir: str = "/tmp"  # noqa: S108 - the default asked for; a private folder is made inside
    min_savings_percent: int = 1
    backup_prefix: str | None = None
    from_original: bool = False
    dry_run: bool = False
    dry_run_sample: int | None = None
    stop_at_failure_percent: int = 50
    check_annotations: bool = True
    effort: Effort = Effort.BALANCED
    report_samples: int = 0

    @property
    def only_measures(self) -> bool:
        """Whether nothing may be written to the images bucket; a sample is always a dry run."""
        return self.dry_run or self.dry_run_sample is not None

    @property
    def digest(self) -> str:
        """Short hash of what decides an output's bytes: equal digests mean nothing to redo."""
        asked = f"q={self.perc_compression_quality} effort={self.effort}"
        return hashlib.sha256(asked.encode()).hexdigest()[:8]

    def to_json(self) -> dict[str, Any]:
        """Plain values under the parameters' public names."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Read back what `to_json` wrote."""
        known = {field.name for field in fields(cls)}
        return cls(**{name: value for name, value in values.items() if name in known})


@dataclass(frozen=True, slots=True)
class Parameter:
    """One run parameter: its public name, what is allowed, and how to read it from text."""

    name: str
    allowed: str
    is_valid: Callable[[Any], bool]
    from_text: Callable[[str], Any]
    meaning: str

    def check(self, value: Any) -> Any:
        """Return `value`, or raise `Refused`."""
        if not self.is_valid(value):
            raise Refused(f"{self.name} is {_shown(value)}; it must be {self.allowed}.")
        return value

    def parse(self, text: str) -> Any:
        """The value that `text` stands for (metadata, command line), or raise `Refused`."""
        try:
            return self.check(self.from_text(text.strip()))
        except ValueError:
            raise Refused(f"{self.name} is {_shown(text)}; it must be {self.allowed}.") from None


def _whole_number(lowest: int, highest: int | None = None) -> Callable[[Any], bool]:
    def is_valid(value: Any) -> bool:
        is_number = isinstance(value, int) and not isinstance(value, bool)
        return is_number and value >= lowest and (highest is None or value <= highest)

    return is_valid


def _text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _integer(text: str) -> int:
    if not re.fullmatch(r"-?[0-9]{1,18}", text):
        raise ValueError(text)
    return int(text)


def _flag(value: Any) -> bool:
    return isinstance(value, bool)


def _flag_from_text(text: str) -> bool:
    try:
        return {"true": True, "false": False}[text.lower()]
    except KeyError:
        raise ValueError(text) from None


def _prefix(value: Any) -> bool:
    is_short = _text(value) and len(value.encode()) <= MAX_PREFIX_BYTES
    return is_short and not value.startswith("/") and not value.endswith("/")


BUCKET_NAME = Parameter(
    "bucket_name",
    "the name of a bucket",
    _text,
    str,
    "bucket that holds the images; one that the stack was deployed for",
)
CSV_PATH = Parameter(
    "csv_path",
    "a key in the trigger bucket or s3://bucket/key",
    _text,
    str,
    "the manifest: a CSV with the header `path` and one object key a row; s3:// names the trigger, "
    "the runs or a manifest bucket",
)
PREFIX = Parameter(
    "prefix",
    "the beginning of keys, or empty for all",
    lambda value: isinstance(value, str) and len(value.encode()) <= MAX_KEY_BYTES,
    str,
    "instead of csv_path: all objects of bucket_name whose keys begin with it",
)
CLIENT_TOKEN = Parameter(
    "client_token",
    "a text of 1 to 256 characters",
    lambda value: _text(value) and len(value) <= 256,
    str,
    "a repeated call with the same token is the same run",
)
ACTION = Parameter(
    "action",
    "restore, cancel, status or list",
    lambda value: value in ("restore", "cancel", "status", "list"),
    str,
    "what to do with the runs that there are",
)
RUN_ID = Parameter(
    "run_id", "the id of a run", _text, str, "the run to restore, to cancel or to look at"
)
IMAGE_PARAMETERS = (
    Parameter(
        "perc_compression_quality",
        "a whole number from 0 to 100",
        _whole_number(0, 100),
        _integer,
        "quality of lossy compression; 100 = lossless only",
    ),
    Parameter(
        "max_image_pixels",
        "a whole number of at least 1",
        _whole_number(1),
        _integer,
        "width x height above it is refused from the header, before decoding",
    ),
    Parameter(
        "temp_dir",
        "the path of a folder that exists and is writable",
        _text,
        str,
        "where images are downloaded to; a private folder is made inside it and removed",
    ),
    Parameter(
        "min_savings_percent",
        "a whole number from 0 to 99",
        _whole_number(0, 99),
        _integer,
        "a saving below it leaves the original in place",
    ),
    Parameter(
        "backup_prefix",
        "a key prefix without / at its ends, at most 200 bytes long",
        _prefix,
        str,
        "each original is first copied to <backup_prefix>/<run_id>/<key>, never over another "
        "object; keys under it are not processed",
    ),
    Parameter(
        "from_original",
        "true or false",
        _flag,
        _flag_from_text,
        "an image that was compressed at other settings is made again from its original",
    ),
    Parameter(
        "dry_run",
        "true or false",
        _flag,
        _flag_from_text,
        "measure and report the savings, and write nothing to the images bucket",
    ),
    Parameter(
        "dry_run_sample",
        "a whole number of at least 1",
        _whole_number(1),
        _integer,
        "dry run of about so many rows, drawn at random; the savings of all are estimated",
    ),
    Parameter(
        "stop_at_failure_percent",
        "a whole number from 1 to 100",
        _whole_number(1, 100),
        _integer,
        "a run stops itself when more of its rows have failed, looked at from 1,000 rows on",
    ),
    Parameter(
        "effort",
        "fast, balanced or small",
        lambda value: isinstance(value, str) and value in set(Effort),
        str,
        "how much CPU time may be spent on making a picture smaller",
    ),
    Parameter(
        "check_annotations",
        "true or false",
        _flag,
        _flag_from_text,
        "ask, just before each write, for object annotations, which a write would lose; "
        "false saves that request where there are none",
    ),
    Parameter(
        "report_samples",
        "a whole number from 0 to 20",
        _whole_number(0, 20),
        _integer,
        "of how many pictures the report shows a piece, before and after; it is kept with the "
        "report, in the runs bucket",
    ),
)
ACTION_PARAMETERS = (ACTION, RUN_ID, CLIENT_TOKEN)
DIRECT_PARAMETERS = (BUCKET_NAME, CSV_PATH, PREFIX, CLIENT_TOKEN, *IMAGE_PARAMETERS)
UPLOAD_PARAMETERS = (BUCKET_NAME, *IMAGE_PARAMETERS)


def check_event(event: Mapping[str, Any]) -> dict[str, Any]:
    """Check a direct invocation's parameters; raise `Refused` naming everything that is wrong."""
    return _check(event, DIRECT_PARAMETERS, lambda parameter, value: parameter.check(value))


def check_action(event: Mapping[str, Any]) -> dict[str, Any]:
    """Check the parameters of an action on a run; raise `Refused` naming what is wrong."""
    return _check(event, ACTION_PARAMETERS, lambda parameter, value: parameter.check(value))


def check_defaults(values: Mapping[str, Any]) -> dict[str, Any]:
    """Check the defaults that a deployment sets for its runs."""
    return _check(values, IMAGE_PARAMETERS, lambda parameter, value: parameter.check(value))


def read_metadata(metadata: Mapping[str, str]) -> tuple[dict[str, Any], list[str]]:
    """Read parameters from an uploaded CSV's user metadata: (values, names that were ignored).

    Upload tools leave names of their own there (`mtime`, `uid`), which are ignored; a name that
    nearly is a parameter is refused, as its author meant one.
    """
    known = {parameter.name: parameter for parameter in UPLOAD_PARAMETERS}
    named: dict[str, str] = {}
    for name, text in metadata.items():
        plain = name.lower().replace("-", "_")
        if plain in known and plain in named:
            raise Refused(f"{plain} stands twice in the CSV's metadata; give it once.")
        named[plain] = text
    ignored = [name for name in named if name not in known and nearest_name(name, known) is None]
    asked = {name: text for name, text in named.items() if name not in ignored}
    values = _check(asked, UPLOAD_PARAMETERS, lambda parameter, text: parameter.parse(text))
    return values, sorted(ignored)


def with_defaults(defaults: Mapping[str, Any], values: Mapping[str, Any]) -> RunSettings:
    """Run settings from checked values, filled up from the deployment's defaults and ours."""
    known = {field.name for field in fields(RunSettings)}
    merged = {**defaults, **values}
    return RunSettings(**{name: value for name, value in merged.items() if name in known})


def nearest_name(name: str, known: Iterable[str]) -> str | None:
    """The known name that somebody who wrote `name` probably meant."""
    plain = name.lower().replace("-", "_")
    matches = difflib.get_close_matches(plain, known, n=1, cutoff=NEAR_MISS)
    return matches[0] if matches else None


def check_temp_dir(temp_dir: str) -> None:
    """Raise `Refused` unless files can be made in the folder `temp_dir`."""
    if not Path(temp_dir).is_dir() or not os.access(temp_dir, os.W_OK):
        raise Refused(f"temp_dir is {temp_dir!r}; it must be a folder that exists and is writable.")


def _check(
    given: Mapping[str, Any],
    parameters: Sequence[Parameter],
    read: Callable[[Parameter, Any], Any],
) -> dict[str, Any]:
    known = {parameter.name: parameter for parameter in parameters}
    values, problems = {}, []
    for name, value in given.items():
        try:
            if name not in known:
                raise Refused(_unknown(name, known))
            values[name] = read(known[name], value)
        except Refused as refusal:
            problems.append(str(refusal))
    if problems:
        raise Refused(" ".join(problems))
    return values


def _unknown(name: str, known: Mapping[str, Parameter]) -> str:
    nearest = nearest_name(name, known)
    hint = f" Did you mean {nearest}?" if nearest else ""
    return f"{_shown(name)} is not a parameter.{hint} Known: {', '.join(known)}."


def _shown(value: Any) -> str:
    try:
        text = storable(json.dumps(value, ensure_ascii=False, default=repr))
    except ValueError:
        return "a number of thousands of digits"
    return text if len(text) <= 100 else f"{text[:100]}…"
