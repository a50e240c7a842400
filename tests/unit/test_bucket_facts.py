from typing import Any

import pytest

from imagepress.bucket_facts import noncurrent_days


def rule(days: int | None = 30, **changes: Any) -> dict[str, Any]:
    expiration = {"NoncurrentVersionExpiration": {"NoncurrentDays": days}} if days else {}
    return {"Status": "Enabled", "Filter": {}, **expiration, **changes}


@pytest.mark.parametrize(
    ("rules", "kept"),
    [
        ([], (None, True)),
        ([rule()], (30, True)),
        ([rule(Filter={"Prefix": ""})], (30, True)),
        ([rule(), rule(7)], (7, True)),
        ([rule(Status="Disabled")], (None, True)),
        ([rule(None, Expiration={"Days": 9})], (None, True)),
        ([rule(None, AbortIncompleteMultipartUpload={"DaysAfterInitiation": 1})], (None, True)),
        # Of these it depends on the object.
        ([rule(Filter={"Prefix": "raw/"})], (None, False)),
        ([rule(Prefix="raw/")], (None, False)),
        ([rule(Filter={"Tag": {"Key": "a", "Value": "b"}}), rule(7)], (None, False)),
        (
            [rule(NoncurrentVersionExpiration={"NoncurrentDays": 3, "NewerNoncurrentVersions": 2})],
            (None, False),
        ),
        ([rule(NoncurrentVersionTransitions=[{"NoncurrentDays": 1}])], (None, False)),
        ([rule(None, NoncurrentVersionTransitions=[{"NoncurrentDays": 1}])], (None, False)),
    ],
)
def test_how_long_old_versions_are_kept(
    rules: list[dict[str, Any]], kept: tuple[int | None, bool]
) -> None:
    assert noncurrent_days(rules) == kept
