"""The runs bucket: the parts that attempts leave, and what a finished run leaves for people."""

from contextlib import closing
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from imagepress.aws_errors import passing_errors
from imagepress.growing_object import GrowingObject, Growth
from imagepress.journal import log_name
from imagepress.part import Part, part_from_lines
from imagepress.pinned_object import PinnedObject
from imagepress.report_checkpoint import Checkpoint
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
    report: str
    summary: str

    @classmethod
    def of(cls, run: Run) -> "RunFiles":
        """The keys for `run`."""
        prefix = run_prefix(run.run_id)
        gz = ".gz" if run.gzipped_report else ""
        return cls(
            log=f"{prefix}{log_name(run.started)}{gz}",
            results=f"{prefix}results.csv{gz}",
            failed=f"{prefix}failed.csv{gz}",
            undo=f"{prefix}undo.csv{gz}",
            report=f"{prefix}report.html",
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
        return part_from_lines(self.part_text(run_id, chunk, attempt).split("\n"))

    def write(self, key: str, body: bytes, content_type: str) -> PinnedObject:
        """Put a small object; return what holds it fast."""
        with passing_errors(f"Writing {key}"):
            answer = self._s3.put_object(
                Bucket=self.bucket, Key=key, Body=body, ContentType=content_type
            )
        return PinnedObject(self.bucket, key, answer.get("VersionId"), answer["ETag"], len(body))

    def part_text(self, run_id: str, chunk: int, attempt: int) -> str:
        """What an attempt finished, as it was written."""
        return self._read(_part_key(run_id, chunk, attempt)).decode()

    def write_checkpoint(self, run_id: str, step: int, checkpoint: Checkpoint) -> None:
        """Save how far a report has come."""
        with passing_errors("Writing a checkpoint"):
            self._s3.put_object(
                Bucket=self.bucket,
                Key=_checkpoint_key(run_id, step),
                Body=checkpoint.to_bytes(),
                Tagging=PART_TAG,
            )

    def read_checkpoint(self, run_id: str, step: int) -> Checkpoint | None:
        """Read how far a report has come; None where nothing says so."""
        try:
            return Checkpoint.from_bytes(self._read(_checkpoint_key(run_id, step)))
        except self._s3.exceptions.NoSuchKey:
            return None

    def growing_object(
        self, key: str, content_type: str, growth: Growth, *, gzipped: bool = False
    ) -> GrowingObject:
        """An object that is written piece by piece."""
        return GrowingObject(
            self._s3, self.bucket, key, content_type, gzipped=gzipped, growth=growth
        )

    def _read(self, key: str) -> bytes:
        with passing_errors(f"Reading {key}"):
            answer = self._s3.get_object(Bucket=self.bucket, Key=key)
            with closing(answer["Body"]) as body:
                return body.read()


def _checkpoint_key(run_id: str, step: int) -> str:
    return f"{run_prefix(run_id)}parts/report/{step}"


def _part_key(run_id: str, chunk: int, attempt: int) -> str:
    return f"{run_prefix(run_id)}parts/{chunk}/{attempt}.jsonl"
