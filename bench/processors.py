"""What a picture costs on one processor and on two: the compressor's engine, pinned.

`python -m bench.processors FOLDER` takes the photographs in FOLDER, makes camera-sized JPEGs of
them (enlarged, with grain), and compresses each once for each of as many codec processes as there
are processors. CPU seconds are those of all processes; seconds also tell how busy the machine was.
"""

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from PIL import Image, ImageChops

from imagepress.codec_pool import CodecPool
from imagepress.codec_protocol import CodecRequest
from imagepress.engine import THREADS_A_PROCESSOR, in_order
from imagepress.image_header import read_header

MEGAPIXELS: Final = 12
QUALITY: Final = 80

_COUNTS: Final = (1, 2)
_MEMORY: Final = 2 << 30
_TIMEOUT_SECONDS: Final = 600
_SEED: Final = 4
_GRAIN: Final = 8
_SOURCE_QUALITY: Final = 92


def measure(folder: Path, processors: int) -> dict[str, float]:
    """Compress the JPEGs in `folder` on so many processors; sums over them."""
    os.sched_setaffinity(0, range(processors))
    pictures = sorted(folder.glob("*.jpg"))
    with CodecPool(processors, _MEMORY) as pool:

        def press(picture: Path) -> float:
            header = read_header(picture)
            request = CodecRequest(picture, picture.with_suffix(".out"), header, QUALITY)
            pool.encode(request, _TIMEOUT_SECONDS)
            return header.pixels / 1e6

        # Imports and self-tests are paid once in a worker's life.
        for _ in in_order(press, pictures[:processors], processors):
            pass
        cpu, started = _cpu(), time.monotonic()
        megapixels = sum(in_order(press, pictures, processors * THREADS_A_PROCESSOR))
        seconds = time.monotonic() - started
        cpu = _cpu() - cpu
    before = sum(picture.stat().st_size for picture in pictures)
    after = sum(picture.with_suffix(".out").stat().st_size for picture in pictures)
    return {
        "processors": processors,
        "pictures": len(pictures),
        "megapixels": megapixels,
        "cpu_seconds": cpu,
        "seconds": seconds,
        "bytes_before": before,
        "bytes_after": after,
    }


def _cpu() -> float:
    """CPU seconds of this process and of the codec processes, which live on."""
    own = resource.getrusage(resource.RUSAGE_SELF)
    ticks = os.sysconf("SC_CLK_TCK")
    total = own.ru_utime + own.ru_stime
    for children in Path("/proc/self/task").glob("*/children"):
        for child in children.read_text().split():
            fields = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()
            total += (int(fields[11]) + int(fields[12])) / ticks
    return total


def make(photographs: Path, folder: Path, megapixels: float) -> None:
    """JPEGs of that size of the photographs; the grain is what enlarging takes away."""
    noise = random.Random(_SEED)  # noqa: S311 - grain
    for photograph in sorted(photographs.glob("*.[jp][pn]g")):
        with Image.open(photograph) as opened:
            picture = opened.convert("RGB")
        scale = (megapixels * 1e6 / (picture.width * picture.height)) ** 0.5
        size = (round(picture.width * scale), round(picture.height * scale))
        large = picture.resize(size, Image.Resampling.LANCZOS)
        grain = Image.frombytes("L", size, noise.randbytes(size[0] * size[1]))
        grain = grain.point([value * 2 * _GRAIN // 256 for value in range(256)])
        large = ImageChops.add(large, Image.merge("RGB", (grain,) * 3), offset=-_GRAIN)
        large.save(folder / f"{photograph.stem}.jpg", quality=_SOURCE_QUALITY)


def main() -> None:
    """Measure on one processor and on two, each in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path, help="photographs, JPEG or PNG")
    parser.add_argument("--megapixels", type=float, default=MEGAPIXELS)
    parser.add_argument("--processors", type=int, help="measure JPEGs as they are, on so many")
    given = parser.parse_args()
    if given.processors:
        print(json.dumps(measure(given.folder, given.processors)))
        return
    with tempfile.TemporaryDirectory() as made:
        make(given.folder, Path(made), given.megapixels)
        for count in _COUNTS:
            command = [sys.executable, "-m", "bench.processors", made, "--processors", str(count)]
            subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
