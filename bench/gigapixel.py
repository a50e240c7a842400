"""Pictures of a thousand million pixels: made row by row, and compressed in a process alone.

`python -m bench.gigapixel STEP FILE` is one such process; its last line is JSON. The picture is a
photograph enlarged, with grain: a tile repeated would be too easy to pack.
"""

import ctypes
import json
import resource
import struct
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image

from imagepress.codec_protocol import CodecRequest
from imagepress.codecs import compress, jpegli_rows
from imagepress.codecs.jpegli import Coding, Sampling
from imagepress.image_header import PNG_SIGNATURE, read_header

WIDTH: Final = 32_000
HEIGHT: Final = 31_250
QUALITY: Final = 80

_SEED: Final = 4
_GRAIN: Final = 8
_SAMPLE_SECONDS: Final = 0.1
_SOURCE_DISTANCE: Final = 0.6
_MEGABYTE: Final = 1e6
_PEAK_UNIT: Final = 1 if sys.platform == "darwin" else 1024


@dataclass(frozen=True, slots=True)
class Big:
    """What compressing a picture took: bytes, peak megabytes of the process, CPU seconds.

    `memory` counts the pages of mapped files, which the kernel takes back when it needs them;
    `own_memory` does not, and is 0 where the system does not tell.
    """

    picture: str
    codec: str
    source_bytes: int
    output_bytes: int
    memory: float
    own_memory: float
    cpu: float


def compress_jpeg(photograph: Path, folder: Path) -> Big:
    """A baseline JPEG of a gigapixel."""
    return _alone(photograph, folder / "big.jpg", "JPEG, RGB", "jpeg-rows")


def compress_png(photograph: Path, folder: Path) -> Big:
    """A grey PNG of a gigapixel, packed as fast encoders do."""
    return _alone(photograph, folder / "big.png", "PNG, grey", "png-stream")


def _alone(photograph: Path, file: Path, picture: str, codec: str) -> Big:
    """Make the picture in one process, compress it in the next: each has a peak of its own."""
    _step("make", photograph, file)
    output = file.with_stem("big-output")
    taken = json.loads(_step(codec, file, output))
    big = Big(picture, codec, file.stat().st_size, output.stat().st_size, **taken)
    file.unlink()
    output.unlink()
    return big


def _step(name: str, source: Path, target: Path) -> bytes:
    command = [sys.executable, "-m", "bench.gigapixel", name, str(source), str(target)]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout


def _main(step: str, source: Path, target: Path) -> None:
    if step == "make":
        if target.suffix == ".jpg":
            _make_jpeg(source, target)
        else:
            _make_png(source, target)
        return
    own = _OwnMemory()
    own.start()
    start = time.process_time()
    compress(CodecRequest(source, target, read_header(source), QUALITY, codec=step))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _PEAK_UNIT / _MEGABYTE
    seconds = time.process_time() - start
    print(json.dumps({"memory": peak, "own_memory": own.peak, "cpu": seconds}))


class _OwnMemory(threading.Thread):
    """Looks, now and then, how much memory the process has that is no file's."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.peak = 0.0

    def run(self) -> None:
        status = Path("/proc/self/status")
        while status.exists():
            fields = dict(line.split(":", 1) for line in status.read_text().splitlines())
            now = int(fields["RssAnon"].split()[0]) * 1024 / _MEGABYTE
            self.peak = max(self.peak, now)
            time.sleep(_SAMPLE_SECONDS)


def _make_jpeg(photograph: Path, target: Path) -> None:
    coding = Coding(_SOURCE_DISTANCE, Sampling.HALF)
    jpegli_rows.write(target, _rows(photograph), (WIDTH, HEIGHT), "RGB", coding, [])


def _rows(photograph: Path) -> Iterator[jpegli_rows.Rows]:
    stride = WIDTH * 3
    for pixels in _strips(photograph, "RGB"):
        count = len(pixels) // stride
        buffer = ctypes.create_string_buffer(pixels, len(pixels))
        start = ctypes.addressof(buffer)
        pointers = (ctypes.c_void_p * count)(*range(start, start + len(pixels), stride))
        yield jpegli_rows.Rows(pointers, count, buffer, stride)


def _make_png(photograph: Path, target: Path) -> None:
    packer = zlib.compressobj(1)
    with target.open("wb") as stream:
        stream.write(PNG_SIGNATURE)
        stream.write(_chunk(b"IHDR", struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 0, 0, 0, 0)))
        for pixels in _strips(photograph, "L"):
            rows = np.frombuffer(pixels, np.uint8).reshape(-1, WIDTH)
            # The filter is "sub": each sample but the first is kept as the step from its neighbour.
            steps = np.diff(rows, axis=1, prepend=np.uint8(0))
            filtered = np.insert(steps, 0, 1, axis=1).tobytes()
            stream.write(_chunk(b"IDAT", packer.compress(filtered)))
        stream.write(_chunk(b"IDAT", packer.flush()))
        stream.write(_chunk(b"IEND", b""))


def _chunk(kind: bytes, data: bytes) -> bytes:
    checksum = zlib.crc32(kind + data)
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)


def _strips(photograph: Path, mode: str) -> Iterator[bytes]:
    """The enlarged photograph, `ROWS` rows at a time."""
    with Image.open(photograph) as opened:
        picture = opened.convert(mode)
    grain = np.random.default_rng(_SEED)
    for top in range(0, HEIGHT, jpegli_rows.ROWS):
        bottom = min(HEIGHT, top + jpegli_rows.ROWS)
        box = (0, top * picture.height / HEIGHT, picture.width, bottom * picture.height / HEIGHT)
        strip = picture.resize((WIDTH, bottom - top), Image.Resampling.BILINEAR, box=box)
        pixels = np.asarray(strip)
        noise = np.frombuffer(grain.bytes(strip.width * strip.height), np.uint8) % (2 * _GRAIN)
        noise = noise.reshape(strip.height, strip.width, *(1,) * (pixels.ndim - 2))
        # Saturated at both ends, so that grain never turns white into black.
        yield (np.clip(pixels, _GRAIN, 255 - _GRAIN) - np.uint8(_GRAIN) + noise).tobytes()


if __name__ == "__main__":
    _main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
