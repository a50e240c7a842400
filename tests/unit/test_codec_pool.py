"""The real codec process, and what may happen to it."""

import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Thread

import pytest
from PIL import Image

from imagepress.codec_pool import CodecPool
from imagepress.codec_process import MOST_THREADS
from imagepress.codec_protocol import CodecRequest, Encoded
from imagepress.errors import RowFailed, RowSkipped
from imagepress.image_header import read_header
from imagepress.outcome import FailureCode, SkipReason
from tests.pictures import (
    PNG_SIGNATURE,
    animated_png,
    decoded,
    encoded,
    jpeg,
    photograph,
    png,
    png_chunk,
    png_chunks,
    unreadable_jpeg,
)

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks at processes in /proc")

SECONDS = 60.0
MEMORY = 1_000_000_000
LITTLE_MEMORY = 100_000_000


@pytest.fixture
def pool() -> Iterator[CodecPool]:
    with CodecPool(1, MEMORY) as pool:
        yield pool


@pytest.fixture
def small_pool() -> Iterator[CodecPool]:
    with CodecPool(1, LITTLE_MEMORY) as pool:
        yield pool


TALKATIVE_CODEC = """
import importlib, os, sys
sys.path.pop(0)
myself = sys.modules.pop("oxipng")
real = importlib.import_module("oxipng")
sys.modules["oxipng"] = myself
StripChunks, PngError, Deflaters = real.StripChunks, real.PngError, real.Deflaters

def optimize_from_memory(*values, **options):
    print('{"encoded": {"encoder": "forged", "quality": 1}}', flush=True)
    os.write(1, b'{"failed": "NOT_FOUND", "message": "forged"}\\n')
    os.system("echo forged")
    return real.optimize_from_memory(*values, **options)
"""


@pytest.fixture
def talkative(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The real codec for PNGs, but it prints what looks like replies."""
    folder = tmp_path / "talkative"
    folder.mkdir()
    (folder / "oxipng.py").write_text(TALKATIVE_CODEC)
    monkeypatch.syspath_prepend(str(folder))


def request_for(folder: Path, data: bytes, name: str = "image", quality: int = 80) -> CodecRequest:
    source = folder / name
    source.write_bytes(data)
    return CodecRequest(source, folder / f"{name}.out", read_header(source), quality)


@pytest.fixture(autouse=True)
def ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other tests keep codec processes warm in this process: those are not counted."""
    monkeypatch.setattr(sys.modules[__name__], "OTHERS", codec_processes())


OTHERS: set[int] = set()


def children() -> set[int]:
    """The codec processes that this test has started."""
    return codec_processes() - OTHERS


def codec_processes() -> set[int]:
    tasks = Path("/proc/self/task").glob("*/children")
    pids = {int(pid) for task in tasks for pid in task.read_text().split()}
    return {pid for pid in pids if b"codec_process" in Path(f"/proc/{pid}/cmdline").read_bytes()}


def only_child() -> int:
    (pid,) = children()
    return pid


def failure(pool: CodecPool, request: CodecRequest, seconds: float = SECONDS) -> RowFailed:
    with pytest.raises(RowFailed) as failed:
        pool.encode(request, seconds)
    return failed.value


def works(pool: CodecPool, folder: Path) -> bool:
    request = request_for(folder, jpeg(), "the next one")
    result = pool.encode(request, SECONDS)
    return result.quality == 80 and decoded(request.output.read_bytes()).size == (96, 64)


def killer() -> bytes:
    """An APNG whose second frame says that it is so large that the codec aborts."""
    controls = 0
    parts = []
    for kind, payload in png_chunks(animated_png(2)):
        controls += kind == b"fcTL"
        huge = kind == b"fcTL" and controls == 2
        parts.append(
            (kind, payload[:4] + b"\0\xff\xff\xff" * 2 + payload[12:] if huge else payload)
        )
    return PNG_SIGNATURE + b"".join(png_chunk(kind, payload) for kind, payload in parts)


# Ordinary work


def test_a_picture_is_compressed(pool: CodecPool, tmp_path: Path) -> None:
    request = request_for(tmp_path, jpeg())

    assert pool.encode(request, SECONDS).quality == 80
    assert request.output.stat().st_size < request.source.stat().st_size


def test_one_process_does_one_picture_after_the_other(pool: CodecPool, tmp_path: Path) -> None:
    pids = set()
    for data in (jpeg(), png(), jpeg(photograph("L")), jpeg(quality=50)):
        pool.encode(request_for(tmp_path, data), SECONDS)
        pids |= children()

    assert len(pids) == 1


def test_no_process_is_started_before_it_is_needed(pool: CodecPool) -> None:
    assert not children()


def test_a_skip_is_no_fault_of_the_process(pool: CodecPool, tmp_path: Path) -> None:
    with pytest.raises(RowSkipped) as skipped:
        pool.encode(request_for(tmp_path, jpeg() + b"a film"), SECONDS)

    assert skipped.value.reason is SkipReason.UNSUPPORTED_IMAGE
    pid = only_child()
    assert works(pool, tmp_path)
    assert only_child() == pid


def test_a_damaged_picture_is_no_fault_of_the_process(pool: CodecPool, tmp_path: Path) -> None:
    failed = failure(pool, request_for(tmp_path, jpeg()[:2000]))

    assert failed.code is FailureCode.CORRUPT_IMAGE
    pid = only_child()
    assert works(pool, tmp_path)
    assert only_child() == pid


def test_a_process_full_of_stopped_threads_is_replaced(pool: CodecPool, tmp_path: Path) -> None:
    request = request_for(tmp_path, unreadable_jpeg(jpeg()))

    pids = set()
    for _ in range(MOST_THREADS + 10):
        assert failure(pool, request).code is FailureCode.CORRUPT_IMAGE
        pids |= children()

    assert len(pids) == 2
    assert works(pool, tmp_path)


def test_a_result_that_cannot_be_saved_is_no_fault_of_the_process(
    pool: CodecPool, tmp_path: Path
) -> None:
    request = request_for(tmp_path, jpeg())
    request.output.mkdir()

    assert failure(pool, request).code is FailureCode.NO_TEMP_SPACE
    assert works(pool, tmp_path)


def test_a_disk_that_is_full_is_no_fault_of_the_process(pool: CodecPool, tmp_path: Path) -> None:
    request = request_for(tmp_path, jpeg())
    request.output.symlink_to("/dev/full")

    assert failure(pool, request).code is FailureCode.NO_TEMP_SPACE
    assert works(pool, tmp_path)


def test_as_many_processes_as_the_pool_has_places(tmp_path: Path) -> None:
    requests = [request_for(tmp_path, jpeg(photograph(seed=n)), f"{n}") for n in range(12)]
    with CodecPool(2, MEMORY) as pool, ThreadPoolExecutor(6) as threads:
        results = list(threads.map(lambda request: pool.encode(request, SECONDS), requests))
        assert len(children()) <= 2

    assert results == [Encoded("jpegli", 80)] * 12
    assert {decoded(request.output.read_bytes()).size for request in requests} == {(96, 64)}


def test_a_process_outlives_the_thread_that_started_it(pool: CodecPool, tmp_path: Path) -> None:
    request = request_for(tmp_path, jpeg())
    ended: list[Encoded | RowFailed] = []

    def encode() -> None:
        try:
            ended.append(pool.encode(request, SECONDS))
        except RowFailed as failed:
            ended.append(failed)

    for _ in range(15):
        thread = Thread(target=encode)
        thread.start()
        thread.join()

    assert ended == [Encoded("jpegli", 80)] * 15


def test_file_names_may_hold_anything(pool: CodecPool, tmp_path: Path) -> None:
    request = request_for(tmp_path, jpeg(), "coração\n\"'\\ \U0001f304 -rf")

    assert pool.encode(request, SECONDS).quality == 80


# A process that dies


def test_a_picture_that_kills_the_codec_costs_itself(pool: CodecPool, tmp_path: Path) -> None:
    failed = failure(pool, request_for(tmp_path, killer()))

    assert failed.code is FailureCode.CODEC_CRASHED
    assert f"killed by signal {signal.SIGABRT}" in str(failed)
    assert works(pool, tmp_path)


def test_last_words_are_passed_on_and_are_short(pool: CodecPool, tmp_path: Path) -> None:
    assert 50 < len(str(failure(pool, request_for(tmp_path, killer())))) < 600


def test_last_words_are_those_of_this_picture(
    talkative: None, pool: CodecPool, tmp_path: Path
) -> None:
    pool.encode(request_for(tmp_path, png(), quality=100), SECONDS)
    os.kill(only_child(), signal.SIGSTOP)

    failed = killed_while_encoding(pool, request_for(tmp_path, jpeg()))

    assert str(failed).endswith("the original stays.")


def killed_while_encoding(pool: CodecPool, request: CodecRequest) -> RowFailed:
    """Kill the stopped process as soon as the request has reached it."""
    pid = only_child()
    with ThreadPoolExecutor(1) as thread, Path(f"/proc/{pid}/fd/0").open("rb") as requests:
        answer = thread.submit(pool.encode, request, SECONDS)
        select.select([requests], [], [], SECONDS)
        os.kill(pid, signal.SIGKILL)
        failed = answer.exception()
    assert isinstance(failed, RowFailed)
    return failed


def test_a_process_that_is_killed_at_work_costs_its_picture(
    pool: CodecPool, tmp_path: Path
) -> None:
    assert works(pool, tmp_path)
    os.kill(only_child(), signal.SIGSTOP)

    failed = killed_while_encoding(pool, request_for(tmp_path, jpeg()))

    assert failed.code is FailureCode.CODEC_CRASHED
    assert "killed by signal 9" in str(failed)
    assert works(pool, tmp_path)


def test_a_process_that_is_killed_at_rest_costs_nothing(pool: CodecPool, tmp_path: Path) -> None:
    assert works(pool, tmp_path)
    pid = only_child()
    kill_and_wait(pid)

    assert works(pool, tmp_path)
    assert only_child() != pid


class KillingRequest(CodecRequest):
    """Kills the process while it is being written."""

    def to_line(self) -> bytes:
        kill_and_wait(only_child())
        return super().to_line()


def test_a_process_that_is_killed_between_costs_its_picture(
    pool: CodecPool, tmp_path: Path
) -> None:
    assert works(pool, tmp_path)
    request = request_for(tmp_path, jpeg())

    failed = failure(
        pool, KillingRequest(request.source, request.output, request.header, request.quality)
    )

    assert failed.code is FailureCode.CODEC_CRASHED
    assert works(pool, tmp_path)


def kill_and_wait(pid: int) -> None:
    descriptor = os.pidfd_open(pid)
    os.kill(pid, signal.SIGKILL)
    select.select([descriptor], [], [], SECONDS)
    os.close(descriptor)


def test_a_process_that_hangs_is_stopped(pool: CodecPool, tmp_path: Path) -> None:
    assert works(pool, tmp_path)
    hanging = only_child()
    os.kill(hanging, signal.SIGSTOP)

    failed = failure(pool, request_for(tmp_path, jpeg()), seconds=0.01)

    assert failed.code is FailureCode.CODEC_TIMEOUT
    assert not Path(f"/proc/{hanging}").exists()
    assert works(pool, tmp_path)


def test_a_picture_that_takes_too_long_is_stopped(pool: CodecPool, tmp_path: Path) -> None:
    request = request_for(tmp_path, png(Image.effect_noise((2000, 2000), 60)))

    assert failure(pool, request, seconds=0.01).code is FailureCode.CODEC_TIMEOUT
    assert not children()
    assert works(pool, tmp_path)


# Memory


@pytest.mark.parametrize("file_format", ["JPEG", "PNG"])
def test_a_picture_that_is_too_large_for_the_memory_costs_itself(
    small_pool: CodecPool, tmp_path: Path, file_format: str
) -> None:
    large = encoded(Image.new("RGB", (8000, 6000)), file_format)

    failed = failure(small_pool, request_for(tmp_path, large))

    assert failed.code in (FailureCode.TOO_LARGE_FOR_MEMORY, FailureCode.CODEC_CRASHED)
    assert works(small_pool, tmp_path)


def test_a_picture_that_fits_only_once_into_the_memory_is_no_crash(tmp_path: Path) -> None:
    large = encoded(Image.new("RGB", (6000, 5000)), "JPEG", quality=95)
    with CodecPool(1, LITTLE_MEMORY * 3 // 2) as pool:
        assert failure(pool, request_for(tmp_path, large)).code is FailureCode.TOO_LARGE_FOR_MEMORY
        assert works(pool, tmp_path)


def test_a_picture_that_only_the_codec_has_no_memory_for_costs_itself(
    small_pool: CodecPool, tmp_path: Path
) -> None:
    large = png(Image.new("RGB", (4000, 4000)))

    failed = failure(small_pool, request_for(tmp_path, large))

    assert failed.code in (FailureCode.TOO_LARGE_FOR_MEMORY, FailureCode.CODEC_CRASHED)
    assert works(small_pool, tmp_path)


# What a process says


def test_a_codec_that_prints_does_not_break_the_protocol(
    talkative: None, pool: CodecPool, tmp_path: Path
) -> None:
    for _ in range(3):
        request = request_for(tmp_path, png(), quality=100)
        assert pool.encode(request, SECONDS) == Encoded("oxipng", None)


def test_a_codec_that_prints_says_nothing_on_our_own_output(
    talkative: None, pool: CodecPool, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    pool.encode(request_for(tmp_path, png(), quality=100), SECONDS)

    assert capfd.readouterr() == ("", "")


def test_a_key_press_that_interrupts_us_does_not_reach_the_processes(
    pool: CodecPool, tmp_path: Path
) -> None:
    assert works(pool, tmp_path)

    assert os.getpgid(only_child()) != os.getpgrp()


def test_processes_take_nothing_from_our_own_standard_input(
    pool: CodecPool, tmp_path: Path
) -> None:
    assert works(pool, tmp_path)
    ours = Path("/proc/self/fd/0").readlink()

    assert Path(f"/proc/{only_child()}/fd/0").readlink() != ours


# The end


def test_no_process_is_left_when_the_pool_is_closed(tmp_path: Path) -> None:
    pool = CodecPool(2, MEMORY)
    assert works(pool, tmp_path)
    pid = only_child()

    pool.close()

    assert not Path(f"/proc/{pid}").exists()


def test_all_processes_end_when_the_pool_is_closed() -> None:
    pool = CodecPool(2, MEMORY)
    with pool._lent() as one, pool._lent() as other:
        assert [one.alive, other.alive] == [True, True]

    pool.close()

    assert [one.alive, other.alive] == [False, False]


def test_a_pool_that_was_closed_can_be_used_again(tmp_path: Path) -> None:
    with CodecPool(1, MEMORY) as pool:
        assert works(pool, tmp_path)
        pool.close()
        assert works(pool, tmp_path)


@pytest.mark.parametrize("end", ["os.kill(os.getpid(), 9)", "os._exit(0)", "sys.exit()"])
def test_no_process_outlives_its_parent(tmp_path: Path, end: str) -> None:
    request = request_for(tmp_path, jpeg())
    script = f"""
import os, sys
sys.path[:] = {sys.path!r}
from imagepress.codec_pool import CodecPool
from imagepress.codec_process import MOST_THREADS
from imagepress.codec_protocol import CodecRequest
pool = CodecPool(1, {MEMORY})
pool.encode(CodecRequest.from_line({request.to_line()!r}), {SECONDS})
print(pool._idle.queue[0]._process.pid, flush=True)
sys.stdin.readline()
{end}
"""
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as parent:
        assert parent.stdin is not None
        assert parent.stdout is not None
        codec = os.pidfd_open(int(parent.stdout.readline()))
        parent.stdin.write(b"\n")
        parent.stdin.flush()
        ended, _, _ = select.select([codec], [], [], SECONDS)
        os.close(codec)

    assert ended
