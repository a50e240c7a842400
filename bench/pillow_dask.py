"""`python -m bench.pillow_dask BUCKET CSV QUALITY`: the same job as people write it.

Keys from a CSV, dask on all cores, boto3, Pillow; what got smaller is put back. No check of the
result, no condition on the write, metadata is lost, and an error ends it all.
"""

import csv
import io
import sys
from functools import cache, partial
from pathlib import Path
from typing import Any

import boto3
import dask.bag  # type: ignore[import-not-found]  # in the benchmark's own environment
from PIL import Image


@cache
def _s3() -> Any:
    """One client for each process."""
    return boto3.client("s3")


def compress(key: str, bucket: str, quality: int) -> int:
    """Compress one object; the bytes saved."""
    before = _s3().get_object(Bucket=bucket, Key=key)["Body"].read()
    picture = Image.open(io.BytesIO(before))
    output = io.BytesIO()
    picture.save(output, picture.format, quality=quality, optimize=True)
    after = output.getvalue()
    if len(after) >= len(before):
        return 0
    _s3().put_object(Bucket=bucket, Key=key, Body=after)
    return len(before) - len(after)


def main(bucket: str, csv_path: str, quality: str) -> None:
    """Compress all keys of a CSV on all cores."""
    with Path(csv_path).open(newline="", encoding="utf-8") as stream:
        keys = [row["path"] for row in csv.DictReader(stream)]
    work = partial(compress, bucket=bucket, quality=int(quality))
    saved = dask.bag.from_sequence(keys).map(work).compute(scheduler="processes")
    print(f"{sum(saved)} bytes saved")


if __name__ == "__main__":
    main(*sys.argv[1:])
