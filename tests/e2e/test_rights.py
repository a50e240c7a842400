"""Least privilege, shown by what the functions did in all the other tests of the session.

These tests run last.
"""

from collections.abc import Iterable
from pathlib import Path

import pytest

from local.iam_recorder import Decision, read
from tests.e2e import rights
from tests.e2e.rights import UNUSED, Right, UnknownRequestError, demanded
from tests.e2e.system import System

pytestmark = pytest.mark.e2e

FOLDER = Path(__file__).parent


def test_nothing_was_used_that_aws_would_not_allow(system: System) -> None:
    allowed = rights.allowed(system.clients.iam)
    decisions = [decision for decision in read(system.emulator.iam_log) if decision.allowed]

    missing = {
        role: sorted(right for right in needed if not any(a.covers(right) for a in allowed[role]))
        for role, needed in rights.used(decisions).items()
    }

    assert {role: found for role, found in missing.items() if found} == {}


def test_nothing_is_allowed_that_nobody_uses(
    system: System, request: pytest.FixtureRequest
) -> None:
    if not_run := all_modules() - modules_of(request.session.items):
        pytest.skip(f"Only all tests together use every right; not run: {', '.join(not_run)}.")
    used = rights.used(read(system.emulator.iam_log))
    allowed = rights.allowed(system.clients.iam)
    assert set(used) == set(allowed)

    idle = {
        role: sorted(
            right
            for right in granted
            if right.action not in UNUSED and not any(right.covers(use) for use in used[role])
        )
        for role, granted in allowed.items()
    }

    assert {role: found for role, found in idle.items() if found} == {}


def test_every_exception_is_a_right_that_is_given_or_belongs_to_kms(system: System) -> None:
    given = {
        right.action for granted in rights.allowed(system.clients.iam).values() for right in granted
    }

    assert {action for action in UNUSED if not action.startswith("kms:")} <= given


@pytest.mark.parametrize(
    ("request_line", "resource", "actions"),
    [
        ("GET x-amz-checksum-mode", "b/k", {"s3:GetObject"}),
        ("HEAD versionId", "b/k", {"s3:GetObjectVersion"}),
        ("GET tagging versionId", "b/k", {"s3:GetObjectVersionTagging"}),
        (
            "PUT if-match x-amz-grant-read x-amz-meta-a x-amz-tagging",
            "b/k/l",
            {"s3:PutObject", "s3:PutObjectAcl", "s3:PutObjectTagging"},
        ),
        ("PUT partNumber uploadId", "b/k", {"s3:PutObject"}),
        ("GET versioning", "b", {"s3:GetBucketVersioning"}),
    ],
)
def test_headers_and_parameters_count(request_line: str, resource: str, actions: set[str]) -> None:
    arn = f"arn:aws:s3:::{resource}"
    decision = Decision("", "s3:Whatever", arn, allowed=True, why="", request=request_line)

    assert demanded(decision) == {Right(action, arn) for action in actions}


@pytest.mark.parametrize("request_line", ["DELETE", "GET torrent", "PUT x-amz-new-thing"])
def test_a_request_of_a_new_kind_has_to_be_looked_up(request_line: str) -> None:
    arn = "arn:aws:s3:::b/k"
    decision = Decision("", "s3:Whatever", arn, allowed=True, why="", request=request_line)

    with pytest.raises(UnknownRequestError):
        demanded(decision)


def all_modules() -> set[str]:
    """The test modules of this folder."""
    return {path.name for path in FOLDER.glob("test_*.py")}


def modules_of(items: Iterable[pytest.Item]) -> set[str]:
    """Those that this session has run."""
    return {item.path.name for item in items if item.path.parent == FOLDER}
