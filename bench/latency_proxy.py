"""`python -m bench.latency_proxy PORT MILLISECONDS`: a TCP proxy that answers later.

Every piece of an answer is passed on so many milliseconds after it came, in order and at any
rate: distance, not a narrow line. TLS goes through. It prints its own port, and ends with its
standard input.
"""

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import Iterator
from typing import Final

from bench.emulated import BESIDE, on
from local.layout import ROOT

_HOST: Final = "127.0.0.1"
_PIECE_BYTES: Final = 1 << 18

type _Late = asyncio.Queue[tuple[float, bytes]]


@contextlib.contextmanager
def proxy(port: int, milliseconds: int) -> Iterator[int]:
    """The port of a proxy before `port` that ends with this block."""
    command = [sys.executable, "-m", "bench.latency_proxy", str(port), str(milliseconds)]
    with on(BESIDE):
        process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
    with process:
        assert process.stdin is not None  # noqa: S101 - told to the type checker
        assert process.stdout is not None  # noqa: S101 - told to the type checker
        yield int(process.stdout.readline())
        process.stdin.close()


async def _serve(port: int, delay: float) -> None:
    async def pass_on(client: asyncio.StreamReader, answers: asyncio.StreamWriter) -> None:
        server, requests = await asyncio.open_connection(_HOST, port)
        late: _Late = asyncio.Queue()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_copy(client, requests))
            tasks.create_task(_receive(server, late, delay))
            tasks.create_task(_send(late, answers))

    listening = await asyncio.start_server(pass_on, _HOST, 0)
    print(listening.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)
    listening.close()


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while piece := await source.read(_PIECE_BYTES):
            target.write(piece)
            await target.drain()
    target.close()


async def _receive(source: asyncio.StreamReader, late: _Late, delay: float) -> None:
    now = asyncio.get_running_loop().time
    piece = b" "
    while piece:
        try:
            piece = await source.read(_PIECE_BYTES)
        except ConnectionError:
            piece = b""
        late.put_nowait((now() + delay, piece))


async def _send(late: _Late, target: asyncio.StreamWriter) -> None:
    now = asyncio.get_running_loop().time
    while True:
        due, piece = await late.get()
        await asyncio.sleep(due - now())
        if not piece or target.is_closing():
            break
        target.write(piece)
    target.close()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1]), int(sys.argv[2]) / 1000))
