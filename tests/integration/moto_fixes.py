"""Where moto does otherwise than AWS and the pipeline would notice."""

import threading
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

from botocore.awsrequest import AWSPreparedRequest
from moto.core.botocore_stubber import BotocoreStubber

type Answer = tuple[int, dict[str, Any], str | bytes]
type Process = Callable[[BotocoreStubber, AWSPreparedRequest], Answer | None]

NO_ANNOTATIONS = b"<ListObjectAnnotationsResult/>"


def fixed(process: Process) -> Process:
    """Moto's `process_request`, but as AWS does it.

    One call at a time, as AWS looks at a condition and writes at once; and a list of annotations,
    which moto takes for a download, is a list: an empty one.
    """
    lock = threading.RLock()

    def process_request(stubber: BotocoreStubber, request: AWSPreparedRequest) -> Answer | None:
        if stubber.enabled and _lists_annotations(request):
            return 200, {}, NO_ANNOTATIONS
        with lock:
            return process(stubber, request)

    return process_request


def _lists_annotations(request: AWSPreparedRequest) -> bool:
    url = urlsplit(request.url)
    is_list = "annotation" in parse_qs(url.query, keep_blank_values=True)
    return is_list and request.method == "GET" and ".s3" in f".{url.netloc}"
