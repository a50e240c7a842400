"""The command line against the script that people write with Pillow and dask, on all processors."""

import io
import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from PIL import Image, ImageChops

from bench.emulated import ALL, IMAGES, Deployed, deployed, on
from bench.latency_proxy import proxy
from bench.overlap import upload
from imagepress.codecs.similarity import Reference
from imagepress.effort import Effort
from imagepress.settings import RunSettings
from local.layout import LOCAL, ROOT

SCRIPT: Final = "Pillow and dask"
_PYTHON: Final = LOCAL / "bench/bin/python"
_QUALITY: Final = RunSettings().perc_compression_quality
_TOLERANCE: Final = 0.3
"""Points of SSIMULACRA2 by which a JPEG may look worse than libjpeg's; see the README."""


@dataclass(frozen=True, slots=True)
class Done:
    """What one tool took for all pictures, and how many megabytes they were before and after.

    `worst` is the least difference of SSIMULACRA2 to the script's pictures; 0 for equal pixels.
    """

    tool: str
    milliseconds: int
    seconds: float
    before: float
    after: float
    worst: float


def race(
    milliseconds: int,
    rows: int,
    photographs: Sequence[Path],
    folder: Path,
    efforts: Sequence[Effort],
) -> list[Done]:
    """Have the same `rows` pictures compressed by the script, and by the command line."""
    keys = [f"photos/{row}.jpg" for row in range(rows)]
    csv_path = folder / "rows.csv"
    csv_path.write_text("".join(f"{line}\n" for line in ("path", *keys)))
    script = ("-m", "bench.pillow_dask", IMAGES, str(csv_path), str(_QUALITY))
    tools = {SCRIPT: script} | {
        f"imagepress {effort}": _command_line(csv_path, folder, effort) for effort in efforts
    }
    with deployed(folder / "aws", ALL) as aws, proxy(aws.emulator.port, milliseconds) as port:
        environment = aws.environment(port)
        done: list[Done] = []
        theirs: Sequence[bytes] = ()
        for tool, arguments in tools.items():
            upload(aws, keys, photographs)
            seconds = _run(arguments, environment)
            outputs = [_body(aws, key) for key in keys]
            theirs = theirs or outputs
            before = sum(photographs[i % len(photographs)].stat().st_size for i in range(rows))
            worst = min(map(_difference, photographs, outputs, theirs))
            after = sum(map(len, outputs))
            done.append(Done(tool, milliseconds, seconds, before / 1e6, after / 1e6, worst))
    if any(one.worst < -_TOLERANCE for one in done):
        raise RuntimeError(f"The outputs are not of equal quality: {done}")
    return done


def _command_line(csv_path: Path, folder: Path, effort: Effort) -> tuple[str, ...]:
    command = ("compress_images_from_S3.py", "--bucket_name", IMAGES, "--csv_path", str(csv_path))
    settings = ("--perc_compression_quality", str(_QUALITY), "--effort", str(effort))
    return (*command, *settings, "--output_dir", str(folder))


def _run(arguments: Sequence[str], environment: Mapping[str, str]) -> float:
    """Seconds, the start of the interpreter included."""
    python_path = f"{ROOT / 'lambda'}:{ROOT}"
    start = time.monotonic()
    with on(ALL):
        subprocess.run(
            [str(_PYTHON), *arguments],
            check=True,
            cwd=ROOT,
            env={**os.environ, **environment, "PYTHONPATH": python_path},
            stdout=subprocess.DEVNULL,
        )
    return time.monotonic() - start


def _body(aws: Deployed, key: str) -> bytes:
    return aws.clients.s3.get_object(Bucket=IMAGES, Key=key)["Body"].read()


def _difference(photograph: Path, ours: bytes, theirs: bytes) -> float:
    """Points of SSIMULACRA2 by which our picture is better."""
    one, other = (Image.open(io.BytesIO(output)).convert("RGB") for output in (ours, theirs))
    if ImageChops.difference(one, other).getbbox() is None:
        return 0.0
    with Image.open(photograph) as original:
        reference = Reference(original.convert("RGB"))
    return reference.score(one) - reference.score(other)
