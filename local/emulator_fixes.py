"""Where the emulator does otherwise than AWS and the pipeline would notice; runs inside it.

Each fix names what AWS does. A newer emulator may make one of them needless: `make test` with the
fix taken out tells.
"""

import functools
import importlib
from collections.abc import Callable, Mapping
from typing import Any

type _Response = tuple[int, dict[str, Any], bytes]


def install() -> None:
    """Put the fixes in place; must run before the emulator serves."""
    s3: Any = importlib.import_module("ministack.services.s3")
    s3._get_object = _ranges_of_versions(s3._get_object, s3)  # noqa: SLF001
    s3._head_object = _counts_of_tags(s3._head_object, s3)  # noqa: SLF001


def _ranges_of_versions(get_object: Callable[..., _Response], s3: Any) -> Callable[..., _Response]:
    """S3 honours Range on a GET with a VersionId; the emulator sends the whole version.

    The dispatcher goes on reading a manifest, pinned to its version, from where it stopped.
    """

    @functools.wraps(get_object)
    def ranged(
        bucket: str, key: str, headers: Mapping[str, str], query: Mapping[str, Any] | None = None
    ) -> _Response:
        status, answer, body = get_object(bucket, key, headers, query)
        wanted = headers.get("range")
        if status != 200 or not wanted or "versionId" not in (query or {}):
            return status, answer, body
        parsed = s3._parse_range(wanted, len(body))  # noqa: SLF001
        if parsed is None:
            refused = {"Content-Type": "application/xml", "Content-Range": f"bytes */{len(body)}"}
            return 416, refused, s3._xml_body(s3._range_error_xml(bucket, key))  # noqa: SLF001
        start, end = parsed
        part = body[start : end + 1]
        whole = {name: value for name, value in answer.items() if "checksum" not in name.lower()}
        place = f"bytes {start}-{end}/{len(body)}"
        return 206, {**whole, "Content-Length": str(len(part)), "Content-Range": place}, part

    return ranged


def _counts_of_tags(head_object: Callable[..., _Response], s3: Any) -> Callable[..., _Response]:
    """S3's HEAD tells how many tags an object has, as its GET does; the emulator's does not.

    The compressor reads an object's properties once more, by HEAD, before it replaces it.
    """

    @functools.wraps(head_object)
    def counted(bucket: str, key: str, *args: Any, **kwargs: Any) -> _Response:
        status, answer, body = head_object(bucket, key, *args, **kwargs)
        if status == 200:
            version = answer.get("x-amz-version-id")
            for kept_under in (version, None):  # an object without versions is kept under None
                count = s3._object_tagging_count_header(bucket, key, kept_under)  # noqa: SLF001
                if count:
                    return status, {**answer, **count}, body
                if version not in (None, "null"):
                    break
        return status, answer, body

    return counted
