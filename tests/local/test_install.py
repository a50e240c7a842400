"""`pipx install .`: the wheel has the command, its version, what it needs, and every file."""

import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from email import message_from_bytes
from email.message import Message
from pathlib import Path

import pytest

from imagepress import __version__
from tests.documents import ROOT

PARTS = ("pyproject.toml", "README.md", "requirements-cli.in", "lambda")
REQUIREMENTS = (ROOT / "lambda" / "requirements.in", ROOT / "requirements-cli.in")


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[zipfile.ZipFile]:
    """Built from a copy, as a build leaves its own folders in the tree; nothing is downloaded."""
    source, output = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for part in PARTS:
        if (ROOT / part).is_dir():
            shutil.copytree(ROOT / part, source / part, ignore=shutil.ignore_patterns("*.pyc"))
        else:
            shutil.copyfile(ROOT / part, source / part)
    command = [
        *(sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check"),
        *("--no-deps", "--no-build-isolation", "--no-index", f"--wheel-dir={output}", str(source)),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (file,) = output.glob("*.whl")
    with zipfile.ZipFile(file) as opened:
        yield opened


@pytest.fixture(scope="session")
def metadata(wheel: zipfile.ZipFile) -> Message:
    return message_from_bytes(wheel.read(f"imagepress-{__version__}.dist-info/METADATA"))


def test_the_version_is_the_one_in_the_code(metadata: Message) -> None:
    assert (metadata["Name"], metadata["Version"]) == ("imagepress", __version__)


def test_it_is_for_any_machine_with_a_python_that_it_runs_on(
    wheel: zipfile.ZipFile, metadata: Message
) -> None:
    assert Path(str(wheel.filename)).name.endswith("-py3-none-any.whl")
    assert metadata["Requires-Python"] == ">=3.12"


def test_it_has_the_command(wheel: zipfile.ZipFile) -> None:
    entries = wheel.read(f"imagepress-{__version__}.dist-info/entry_points.txt").decode()

    assert entries.split() == [
        *("[console_scripts]", "imagepress", "=", "imagepress.command_line:main")
    ]


def test_it_requires_what_the_command_line_needs(metadata: Message) -> None:
    lines = [line.strip() for file in REQUIREMENTS for line in file.read_text().splitlines()]
    wanted = [re.split(r"\s+#", line)[0] for line in lines if line and not line.startswith("#")]

    assert metadata.get_all("Requires-Dist") == wanted


def test_it_has_every_file_of_the_package_and_no_handler(wheel: zipfile.ZipFile) -> None:
    package = ROOT / "lambda" / "imagepress"
    files = {
        file.relative_to(ROOT / "lambda").as_posix()
        for file in package.rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }

    assert {name for name in wheel.namelist() if ".dist-info/" not in name} == files


def test_the_command_runs_from_the_wheel(wheel: zipfile.ZipFile, tmp_path: Path) -> None:
    wheel.extractall(tmp_path)
    start = "import sys; from imagepress.command_line import main; sys.exit(main())"

    done = subprocess.run(
        [sys.executable, "-c", start, "--version"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.stdout == f"imagepress {__version__}\n", done.stderr
