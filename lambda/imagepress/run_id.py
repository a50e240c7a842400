"""Run ids: derived from what started the run, so that a redelivered event is the same run."""

import hashlib
import re
from datetime import UTC, datetime

SLUG_CHARACTERS = 40
STAMP = "%Y%m%dT%H%M%SZ"
_IN_A_KEY = re.compile(r"(?:^|/)\d{8}T\d{6}Z-[a-z0-9-]+-[0-9a-f]{8}/")


def make_run_id(started: datetime, csv_path: str, token: str) -> str:
    """`<UTC time>-<name of the CSV>-<hash of token>`: sorts by time and names the CSV."""
    digest = hashlib.sha256(token.encode("utf-8", "backslashreplace")).hexdigest()[:8]
    return f"{started.astimezone(UTC).strftime(STAMP)}-{csv_slug(csv_path)}-{digest}"


def has_run_folder(key: str) -> bool:
    """Whether a folder of `key` is named by a run id, as those of copies of originals are."""
    return _IN_A_KEY.search(key) is not None


def csv_slug(csv_path: str) -> str:
    """The CSV's base name as a piece of a key: lower-case letters, digits and dashes."""
    name = csv_path.rstrip("/").rsplit("/", 1)[-1].lower()
    stem = re.sub(r"(\.csv)?(\.gz)?$", "", name)
    slug = re.sub(r"[^a-z0-9]+", "-", stem).strip("-")[:SLUG_CHARACTERS].strip("-")
    return slug or "run"
