"""Each fix makes the emulator answer as AWS does."""

from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from local import emulator
from local.clients import Clients


def test_a_version_can_be_read_in_part(tmp_path: Path) -> None:
    with emulator.instance(tmp_path / "aws") as instance:
        s3 = Clients.of(instance).s3
        s3.create_bucket(Bucket="manifests")
        s3.put_bucket_versioning(Bucket="manifests", VersioningConfiguration={"Status": "Enabled"})
        version = s3.put_object(Bucket="manifests", Key="a.csv", Body=b"path\na.jpg\n")["VersionId"]
        s3.put_object(Bucket="manifests", Key="a.csv", Body=b"something else")

        part = s3.get_object(Bucket="manifests", Key="a.csv", VersionId=version, Range="bytes=5-")
        assert part["Body"].read() == b"a.jpg\n"
        assert part["ContentRange"] == "bytes 5-10/11"
        with pytest.raises(ClientError, match="InvalidRange"):
            s3.get_object(Bucket="manifests", Key="a.csv", VersionId=version, Range="bytes=11-")


def test_a_head_tells_how_many_tags_there_are(tmp_path: Path) -> None:
    with emulator.instance(tmp_path / "aws") as instance:
        s3 = Clients.of(instance).s3
        s3.create_bucket(Bucket="pictures")
        s3.put_object(Bucket="pictures", Key="a.jpg", Body=b"", Tagging="a=1&b=2")
        s3.put_object(Bucket="pictures", Key="b.jpg", Body=b"")
        assert s3.head_object(Bucket="pictures", Key="a.jpg")["TagCount"] == 2
        assert "TagCount" not in s3.head_object(Bucket="pictures", Key="b.jpg")

        s3.put_bucket_versioning(Bucket="pictures", VersioningConfiguration={"Status": "Enabled"})
        first = s3.put_object(Bucket="pictures", Key="a.jpg", Body=b"", Tagging="a=1")["VersionId"]
        s3.put_object(Bucket="pictures", Key="a.jpg", Body=b"")
        assert "TagCount" not in s3.head_object(Bucket="pictures", Key="a.jpg")
        assert s3.head_object(Bucket="pictures", Key="a.jpg", VersionId=first)["TagCount"] == 1
