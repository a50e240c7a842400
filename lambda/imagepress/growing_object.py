"""An object that grows in S3 piece by piece, over several invocations, and is never held whole.

Its bytes, and where they are cut into parts, follow from its text alone. So two writers of the
same text may work on one upload at once: each part is the same, whoever was last.
"""

import gzip
from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from imagepress.aws_errors import error_code, passing_errors
from imagepress.errors import UploadLost

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

PART_BYTES = 8 << 20
PARTS_OF_A_SIZE = 1000
GZIP_BLOCK_BYTES = 1 << 20
# Level 6 takes three times as long for a report 6 % smaller.
GZIP_LEVEL = 3
GZIP_TYPE = "application/gzip"


@dataclass(frozen=True, slots=True)
class Growth:
    """How far an object has grown: the parts that are uploaded, and the bytes that are not.

    Of those, `text` waits to be compressed and `body` to be uploaded.
    """

    upload_id: str | None = None
    etags: tuple[str, ...] = ()
    body: bytes = b""
    text: bytes = b""


class GrowingObject:
    """One object: `write` its text, `seal` it, `complete` it; only then it is there.

    A small one is put at once, a large one by a multipart upload. `growth` is all that another
    process needs to go on. Nobody ever aborts an upload, as others may be at work on it: those
    that are left over are the bucket's lifecycle's. Raises `UploadLost` where it came first.
    """

    def __init__(
        self,
        s3: "S3Client",
        bucket: str,
        key: str,
        content_type: str,
        *,
        gzipped: bool,
        growth: Growth,
    ) -> None:
        self._s3 = s3
        self._bucket = bucket
        self._key = key
        self._content_type = GZIP_TYPE if gzipped else content_type
        self._gzipped = gzipped
        self._upload_id = growth.upload_id
        self._etags = list(growth.etags)
        self._body = bytearray(growth.body)
        self._text = bytearray(growth.text)

    @property
    def growth(self) -> Growth:
        """How far it has grown."""
        return Growth(self._upload_id, tuple(self._etags), bytes(self._body), bytes(self._text))

    @property
    def in_parts(self) -> bool:
        """Whether it is too large to be put at once."""
        return self._upload_id is not None

    def write(self, text: str) -> None:
        """Append `text`, as UTF-8."""
        data = text.encode("utf-8", "backslashreplace")
        if self._gzipped:
            self._text += data
            while len(self._text) >= GZIP_BLOCK_BYTES:
                self._compress(GZIP_BLOCK_BYTES)
        else:
            self._body += data
        self._upload_whole_parts()

    def seal(self) -> None:
        """Upload what is left, if it is in parts; no text may follow. May be repeated."""
        if self._text:
            self._compress(len(self._text))
        self._upload_whole_parts()
        if self.in_parts and self._body:
            self._upload(len(self._body))

    def complete(self) -> None:
        """Let the object appear. May be repeated, by another process too."""
        if self._upload_id is None:
            with passing_errors(f"Writing {self._key}"):
                self._s3.put_object(
                    Bucket=self._bucket,
                    Key=self._key,
                    Body=bytes(self._body),
                    ContentType=self._content_type,
                )
            return
        parts = [{"PartNumber": number, "ETag": etag} for number, etag in enumerate(self._etags, 1)]
        try:
            with passing_errors(f"Completing {self._key}"):
                self._s3.complete_multipart_upload(
                    Bucket=self._bucket,
                    Key=self._key,
                    UploadId=self._upload_id,
                    MultipartUpload={"Parts": parts},  # type: ignore[typeddict-item]
                )
        except ClientError as error:
            if not (error_code(error) == "NoSuchUpload" and self._exists()):
                raise _lost(error) from error

    def _compress(self, size: int) -> None:
        """Turn the next `size` bytes of text into a gzip member; members make up a gzip file."""
        self._body += gzip.compress(bytes(self._text[:size]), GZIP_LEVEL, mtime=0)
        del self._text[:size]

    def _upload_whole_parts(self) -> None:
        """Upload what more follows on: the last part, which may be small, must not be empty."""
        while len(self._body) > (size := _part_bytes(len(self._etags))):
            self._upload(size)

    def _upload(self, size: int) -> None:
        if self._upload_id is None:
            with passing_errors(f"Beginning {self._key}"):
                answer = self._s3.create_multipart_upload(
                    Bucket=self._bucket, Key=self._key, ContentType=self._content_type
                )
            self._upload_id = answer["UploadId"]
        try:
            with passing_errors(f"Writing {self._key}"):
                part = self._s3.upload_part(
                    Bucket=self._bucket,
                    Key=self._key,
                    UploadId=self._upload_id,
                    PartNumber=len(self._etags) + 1,
                    Body=bytes(self._body[:size]),
                )
        except ClientError as error:
            raise _lost(error) from error
        self._etags.append(part["ETag"])
        del self._body[:size]

    def _exists(self) -> bool:
        try:
            with passing_errors(f"Looking for {self._key}"):
                self._s3.head_object(Bucket=self._bucket, Key=self._key)
        except ClientError as error:
            if error_code(error) in ("404", "NoSuchKey"):
                return False
            raise
        return True


def _part_bytes(parts_before: int) -> int:
    """The size of the next part: they grow, so that the 10,000 that S3 allows hold 460 GB."""
    return PART_BYTES * (1 + parts_before // PARTS_OF_A_SIZE)


def _lost(error: ClientError) -> Exception:
    """`UploadLost` where an error says that the upload, or a part, is not what it was."""
    if error_code(error) in ("NoSuchUpload", "InvalidPart"):
        return UploadLost(str(error))
    return error
