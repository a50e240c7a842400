"""The codec process: encodes one image after the other for its parent, over a pipe.

Codecs are native code that may crash, hang or eat memory on a hostile file; here that costs one
row and not the invocation. It ends when its parent does: the pipe closes, or the kernel tells.
"""

import ctypes
import faulthandler
import os
import resource
import signal
import sys
import threading

from imagepress.codec_protocol import reply_to_line, request_from_line
from imagepress.errors import RowFailed, RowSkipped
from imagepress.outcome import FailureCode

PR_SET_PDEATHSIG = 1
M_ARENA_MAX = -8
# A decoder that cannot return from an error leaves a thread behind.
MOST_THREADS = 64
SINGLE_THREADED = ("RAYON_NUM_THREADS", "VIPS_CONCURRENCY")
SELF = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
BOOT = SELF + "from imagepress.codec_process import main; main(int(sys.argv[2]))"


def main(memory_limit: int) -> None:
    """Serve requests from standard input until it closes; at most `memory_limit` bytes of data."""
    faulthandler.enable()
    _limit(memory_limit)
    replies = os.fdopen(os.dup(sys.stdout.fileno()), "wb", buffering=0)
    # Whatever a library prints must not end up between the replies.
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    # Parallelism is the parent's business: one process for each processor.
    os.environ.update(dict.fromkeys(SINGLE_THREADED, "1"))

    from imagepress.codecs import answer  # noqa: PLC0415 - under the limits, and after the variables

    for line in sys.stdin.buffer:
        request = request_from_line(line)
        try:
            replies.write(reply_to_line(answer(request)))
        except (RowSkipped, RowFailed) as outcome:
            is_last = threading.active_count() > MOST_THREADS
            replies.write(reply_to_line(outcome, is_last=is_last))
        except MemoryError:
            message = "The picture does not fit into the function's memory."
            replies.write(reply_to_line(RowFailed(FailureCode.TOO_LARGE_FOR_MEMORY, message)))
        except OSError as error:
            failed = RowFailed(FailureCode.NO_TEMP_SPACE, f"The result cannot be saved: {error}.")
            replies.write(reply_to_line(failed))


def _limit(memory_limit: int) -> None:
    # RLIMIT_DATA bounds what is allocated; address space also counts mapped libraries.
    resource.setrlimit(resource.RLIMIT_DATA, (memory_limit, memory_limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        libc = ctypes.CDLL(None)
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        # What one thread gives back is there for the next: decoders come and go in threads.
        libc.mallopt(M_ARENA_MAX, 1)
