"""An object whose bytes are held fast by what identifies them."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PinnedObject:
    """Bytes that cannot change while a run reads them; `size` in bytes.

    Held by its version, its ETag, or `md5`, the hexadecimal hash of what it must hold.
    """

    bucket: str
    key: str
    version_id: str | None
    etag: str | None
    size: int
    gzipped: bool = False
    md5: str | None = None

    @property
    def url(self) -> str:
        """`s3://bucket/key`."""
        return f"s3://{self.bucket}/{self.key}"
