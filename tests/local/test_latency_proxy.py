"""The benchmark's proxy: distance to AWS, and nothing else."""

import socket
import sys
import threading
import time
from collections.abc import Iterator

import pytest

if sys.platform != "linux":
    pytest.skip("The benchmark at scale needs Linux.", allow_module_level=True)

from bench.latency_proxy import proxy

MILLISECONDS = 100
ANSWER = bytes(range(256)) * 40_000


@pytest.fixture
def server() -> Iterator[int]:
    """The port of a server that answers each line with `ANSWER`."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            connection, _ = listening.accept()
            with connection, connection.makefile("rb") as requests:
                for _ in requests:
                    connection.sendall(ANSWER)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield int(listening.getsockname()[1])
        thread.join(timeout=5)


def test_every_answer_comes_whole_and_once_so_much_later(server: int) -> None:
    with proxy(server, MILLISECONDS) as port, socket.create_connection(("127.0.0.1", port)) as line:
        for _ in range(2):
            asked = time.monotonic()
            line.sendall(b"please\n")
            answer = line.recv(1)
            waited = time.monotonic() - asked
            while len(answer) < len(ANSWER):
                answer += line.recv(1 << 20)
            took = time.monotonic() - asked

            assert answer == ANSWER
            assert waited >= MILLISECONDS / 1000
            # 10 MB are as late as the first byte, not later piece by piece.
            assert took < 10 * MILLISECONDS / 1000
