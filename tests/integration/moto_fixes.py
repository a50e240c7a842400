"""Where moto does otherwise than AWS and the pipeline would notice."""

import threading
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

from botocore.awsrequest import AWSPreparedRequest
from moto.core.botocore_stubber import BotocoreStubber
from moto.s3.models import s3_backends

type Answer = tuple[int, dict[str, Any], str | bytes]
type Process = Callable[[BotocoreStubber, AWSPreparedRequest], Answer | None]

NO_SUCH_UPLOAD = b"<Error><Code>NoSuchUpload</Code></Error>"
NO_ANNOTATIONS = b"<ListObjectAnnotationsResult/>"


def fixed(process: Process) -> Process:
    """Moto's `process_request`, but as AWS does it.

    One call at a time, as AWS looks at a condition and writes at once; a list of annotations,
    which moto takes for a download, is a list: an empty one; and a multipart upload that is gone
    is refused, where moto looks it up and fails.
    """
    lock = threading.RLock()

    def process_request(stubber: BotocoreStubber, request: AWSPreparedRequest) -> Answer | None:
        if stubber.enabled and _lists_annotations(request):
            return 200, {}, NO_ANNOTATIONS
        with lock:
            if stubber.enabled and _names_a_lost_upload(request):
                return 404, {}, NO_SUCH_UPLOAD
            return process(stubber, request)

    return process_request


def _lists_annotations(request: AWSPreparedRequest) -> bool:
    url = urlsplit(request.url)
    is_list = "annotation" in parse_qs(url.query, keep_blank_values=True)
    return is_list and request.method == "GET" and ".s3" in f".{url.netloc}"


def _names_a_lost_upload(request: AWSPreparedRequest) -> bool:
    wanted = parse_qs(urlsplit(request.url).query).get("uploadId")
    if not wanted:
        return False
    accounts = s3_backends.values()
    buckets = [bucket for one in accounts for bucket in one["aws"].buckets.values()]
    return not any(wanted[0] in bucket.multiparts for bucket in buckets)
