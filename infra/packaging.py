"""Builds the directory that becomes the functions' zip, without Docker.

pip installs wheels for the CPU that will run them, from requirements with hashes. What no function
uses is left out, and so is whatever differs between two builds of the same inputs.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import Any, Self

import jsii
from aws_cdk import AssetHashType, BundlingOptions, DockerImage, ILocalBundling
from aws_cdk import aws_lambda as lambda_

from infra.config import Architecture

SOURCE = Path(__file__).resolve().parent.parent / "lambda"
WEB = SOURCE / "imagepress" / "web"
REQUIREMENTS = SOURCE / "requirements.txt"
NOTICE = SOURCE.parent / "NOTICE"
LAMBDA_PYTHON = "3.13"
# Lambda's Python 3.13 runs on Amazon Linux 2023. pip takes a platform tag literally, so that each
# glibc up to that system's is named; manylinux2014 is how wheels for 2.17 are still tagged.
LAMBDA_GLIBC_MINOR = 34
CPUS: dict[Architecture, str] = {"x86_64": "x86_64", "arm64": "aarch64"}

AWS_SERVICES = frozenset({"dynamodb", "s3", "sns", "sqs"})
# Licences stay with what they cover; METADATA and SBOMs are what vulnerability scanners read.
KEPT_DIST_INFO = ("licen", "notice", "copying", "authors", "metadata", "sboms")
UNUSED_DIRECTORIES = frozenset({"__pycache__", "bin", "test", "tests"})
# Of several builds of one library the one that we import.
UNUSED_LUA = ("lua5", "luajit20")
# Published without a wheel: a pure one is built here, without the headers that might be around.
SOURCE_ONLY = "pyvips=="
NO_HEADERS = {"PKG_CONFIG_LIBDIR": "/nonexistent"}
UNUSED_SUFFIXES = frozenset({".pyi", ".pyc", ".typed"})


class PackagingError(RuntimeError):
    """The bundle could not be built."""


@dataclass(frozen=True, slots=True)
class Target:
    """What the bundle is to run on: a name that tells two targets apart, and pip called for it."""

    name: str
    pip: tuple[str, ...]

    @classmethod
    def lambda_runtime(cls, architecture: Architecture) -> Self:
        """AWS Lambda, from any machine."""
        cpu = CPUS[architecture]
        tags = [f"manylinux_2_{minor}_{cpu}" for minor in range(LAMBDA_GLIBC_MINOR, 16, -1)]
        platforms = [f"--platform={tag}" for tag in [*tags, f"manylinux2014_{cpu}"]]
        pip = (sys.executable, "-m", "pip", "install", *platforms)
        return cls(
            name=f"lambda-python{LAMBDA_PYTHON}-{cpu}",
            pip=(*pip, f"--python-version={LAMBDA_PYTHON}", "--implementation=cp"),
        )

    @classmethod
    def host(cls, python: str | Path = sys.executable) -> Self:
        """This machine, for a given Python interpreter."""
        question = "import sys, sysconfig; print(sysconfig.get_platform(), sys.version_info[:2])"
        answer = _run([str(python), "-c", question], what=f"ask {python} what it is")
        return cls(name=f"host-{answer.strip()}", pip=(str(python), "-m", "pip", "install"))


def lambda_code(target: Target) -> lambda_.Code:
    """The functions' code as a CDK asset, built when it is needed and not in `cdk.out` yet.

    The asset's hash is that of all that goes into the build. It is the same in every checkout and
    at any time, so that a deployment without a change is one without an upload.
    """
    return lambda_.Code.from_asset(
        str(SOURCE),
        asset_hash=fingerprint(target),
        asset_hash_type=AssetHashType.CUSTOM,
        bundling=BundlingOptions(
            # CDK insists on an image; with local bundling that never gives up it is not used.
            image=DockerImage.from_registry("unused"),
            local=_Bundling(target),
        ),
    )


def build(target: Target, output: Path) -> None:
    """Fill the empty directory `output` with all that a function needs to run."""
    install = [
        *target.pip,
        "-qq",
        "--only-binary=:all:",
        "--no-compile",
        "--disable-pip-version-check",
        f"--target={output}",
    ]
    with TemporaryDirectory() as folder:
        wheels, source_only = Path(folder, "wheels.txt"), Path(folder, "source.txt")
        _split_requirements(wheels, source_only)
        what = f"install the functions' requirements for {target.name}"
        _run([*install, "--require-hashes", f"--requirement={wheels}"], what=what)
        _run([*install, "--no-deps", *_built(source_only, Path(folder))], what=what)
    for path in list(_unused(output)):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)  # its directory may be gone already
    for source in _sources():
        copy = output / source.relative_to(SOURCE)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, copy)
    shutil.copyfile(NOTICE, output / NOTICE.name)
    for path in output.rglob("*"):
        # The zip keeps permissions, and those of new files depend on the builder's umask.
        path.chmod(0o755 if path.is_dir() else 0o644)


def _split_requirements(wheels: Path, source_only: Path) -> None:
    """Write the requirements that have wheels, and those that have none, into these files."""
    entries = re.split(r"\n(?=[a-z])", REQUIREMENTS.read_text())
    wheels.write_text("\n".join(one for one in entries if not one.startswith(SOURCE_ONLY)))
    source_only.write_text("\n".join(one for one in entries if one.startswith(SOURCE_ONLY)))


def _built(requirements: Path, folder: Path) -> list[str]:
    """Wheels of requirements that have none, for any machine; with the tools that are pinned."""
    build = [
        *(sys.executable, "-m", "pip", "wheel", "-qq", "--disable-pip-version-check"),
        *("--no-deps", "--no-build-isolation", "--no-binary=:all:", "--require-hashes"),
        *(f"--requirement={requirements}", f"--wheel-dir={folder}"),
    ]
    _run(build, what="build wheels", environment=NO_HEADERS)
    return [str(wheel) for wheel in sorted(folder.glob("*-none-any.whl"))]


def fingerprint(target: Target) -> str:
    """Hash of everything that decides the bundle's bytes: sources, pins, target, this module."""
    digest = hashlib.sha256(target.name.encode())
    for path in [Path(__file__).resolve(), REQUIREMENTS, NOTICE, *_sources()]:
        content = path.read_bytes()
        name = path.relative_to(SOURCE.parent).as_posix()
        digest.update(f"{name}:{len(content)}:".encode())
        digest.update(content)
    return digest.hexdigest()


@jsii.implements(ILocalBundling)
class _Bundling:
    def __init__(self, target: Target) -> None:
        self._target = target

    def try_bundle(self, output_dir: str, *_args: Any, **_kwargs: Any) -> bool:
        """Build, or fail: answering False would make CDK look for Docker.

        The options that follow come as one object, though their type says keywords.
        """
        build(self._target, Path(output_dir))
        return True


def _sources() -> list[Path]:
    modules = (path for path in SOURCE.rglob("*.py") if "__pycache__" not in path.parts)
    return sorted([*modules, *(path for path in WEB.iterdir() if path.is_file())])


def _unused(bundle: Path) -> Iterator[Path]:
    """What pip installed and no function uses, or what is never the same twice."""
    for path in sorted(bundle.rglob("*")):
        parent = path.parent
        if path.is_dir():
            is_model = parent.parts[-2:] in {("botocore", "data"), ("boto3", "data")}
            if path.name in UNUSED_DIRECTORIES or (is_model and path.name not in AWS_SERVICES):
                yield path
        elif path.suffix in UNUSED_SUFFIXES or path.name.startswith(UNUSED_LUA):
            yield path
        if parent.suffix == ".dist-info" and not path.name.lower().startswith(KEPT_DIST_INFO):
            yield path


def _run(
    command: list[str], *, what: str, environment: Mapping[str, str] = MappingProxyType({})
) -> str:
    done = subprocess.run(  # noqa: S603 - argument list, our own
        command, capture_output=True, text=True, check=False, env={**os.environ, **environment}
    )
    if done.returncode:
        raise PackagingError(f"Could not {what}:\n{done.stderr.strip()}")
    return done.stdout
