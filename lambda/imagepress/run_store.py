"""The runs bucket: the parts that attempts leave, and what a finished run leaves for people."""

from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from boto3.exceptions import S3UploadFailedError
from botocore.exceptions import ClientError

from imagepress.aws_errors import error_code, passing, passing_errors
from imagepress.journal import log_name
from imagepress.part import Part, part_from_lines
from imagepress.pinned_object import PinnedObject
from imagepress.run import Run

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

PART_TAG = "imagepress=part"


@dataclass(frozen=True, slots=True)
class RunFiles:
    """The keys of what a run leaves."""

    log: str
    results: str
    failed: str
    undo: str
    summary: str

    @classmethod
    def of(cls, run: Run) -> "RunFiles":
        """The keys for `run`."""
        prefix = run_prefix(run.run_id)
        return cls(
            log=f"{prefix}{log_name(run.started)}",
            results=f"{prefix}results.csv",
            failed=f"{prefix}failed.csv",
            undo=f"{prefix}undo.csv",
            summary=f"{prefix}summary.json",
        )


def run_prefix(run_id: str) -> str:
    """Where everything of a run lies."""
    return f"runs/{run_id}/"


class RunStore:
    """Reads and writes `runs/<run_id>/…`; raises `PassingError` when the bucket refuses."""

    def __init__(self, s3: "S3Client", bucket: str) -> None:
        self.bucket = bucket
        self._s3 = s3

    def url(self, key: str) -> str:
        """`s3://bucket/key`."""
        return f"s3://{self.bucket}/{key}"

    def links(self, run: Run) -> dict[str, str]:
        """Where a run's files are, or will be, by what they are."""
        return {name: self.url(key) for name, key in asdict(RunFiles.of(run)).items()}

    def write_part(self, run_id: str, chunk: int, attempt: int, part: Part) -> None:
        """Save what an attempt finished."""
        with passing_errors("Writing a part"):
            self._s3.put_object(
                Bucket=self.bucket,
                Key=_part_key(run_id, chunk, attempt),
                Body=part.to_lines().encode(),
                ContentType="application/x-ndjson",
                Tagging=PART_TAG,
            )

    def read_part(self, run_id: str, chunk: int, attempt: int) -> Part:
        """Read what an attempt finished."""
        with passing_errors("Reading a part"):
            answer = self._s3.get_object(Bucket=self.bucket, Key=_part_key(run_id, chunk, attempt))
            with closing(answer["Body"]) as body:
                text = body.read().decode()
        return part_from_lines(text.split("\n"))

    def write(self, key: str, body: bytes, content_type: str) -> PinnedObject:
        """Put a small object; return what holds it fast."""
        with passing_errors(f"Writing {key}"):
            answer = self._s3.put_object(
                Bucket=self.bucket, Key=key, Body=body, ContentType=content_type
            )
        return PinnedObject(self.bucket, key, answer.get("VersionId"), answer["ETag"], len(body))

    def exists(self, key: str) -> bool:
        """Whether an object is there."""
        try:
            with passing_errors("Looking for a report"):
                self._s3.head_object(Bucket=self.bucket, Key=key)
        except ClientError as error:
            if error_code(error) in ("404", "NoSuchKey", "NotFound"):
                return False
            raise
        return True

    def upload(self, file: Path, key: str, content_type: str) -> None:
        """Put a file of any size."""
        try:
            with passing_errors(f"Writing {key}"):
                self._s3.upload_file(
                    str(file), self.bucket, key, ExtraArgs={"ContentType": content_type}
                )
        except S3UploadFailedError as error:
            raise passing(f"Writing {key}", error) from error


def _part_key(run_id: str, chunk: int, attempt: int) -> str:
    return f"{run_prefix(run_id)}parts/{chunk}/{attempt}.jsonl"
