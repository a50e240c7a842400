import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import get_args

import pytest

from infra.config import Architecture
from infra.packaging import SOURCE, PackagingError, Target, build, fingerprint
from tests.infrastructure.synthesised import Synthesised

ELF_MACHINE = {"x86_64": 0x3E, "arm64": 0xB7}


@pytest.fixture(scope="session")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The bundle that ships to each CPU."""
    return {
        name: built(Target.lambda_runtime(name), tmp_path_factory.mktemp(name))
        for name in get_args(Architecture)
    }


@pytest.fixture(scope="session")
def host_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built(Target.host(), tmp_path_factory.mktemp("host"))


def built(target: Target, output: Path) -> Path:
    build(target, output)
    return output


@pytest.mark.parametrize("architecture", ELF_MACHINE)
def test_every_shared_object_is_for_the_cpu_that_will_load_it(
    bundles: dict[str, Path], architecture: str
) -> None:
    objects = [path for path in bundles[architecture].rglob("*") if ".so" in path.suffixes]
    machines = {int.from_bytes(path.read_bytes()[18:20], "little") for path in objects}
    assert len(objects) > 10
    assert machines == {ELF_MACHINE[architecture]}


def test_the_same_inputs_give_the_same_bytes(host_bundle: Path, tmp_path: Path) -> None:
    previous = os.umask(0o077)
    try:
        again = built(Target.host(), tmp_path)
    finally:
        os.umask(previous)
    assert contents(again) == contents(host_bundle)


@pytest.mark.parametrize("name", ["Dispatcher", "Compressor", "Reporter", "Undertaker", "Sweeper"])
def test_a_function_starts_with_nothing_but_its_bundle_and_its_environment(
    host_bundle: Path, bare: Synthesised, name: str
) -> None:
    properties = bare.of_type("AWS::Lambda::Function")[f"{name}/Function"].properties
    variables = properties["Environment"]["Variables"]
    module, function = properties["Handler"].split(".")
    environment = {
        **{variable: bare.text(value) for variable, value in variables.items()},
        "AWS_REGION": "eu-west-1",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(properties["MemorySize"]),
    }
    start = f"from {module} import {function}; assert callable({function})"
    assert run_in(host_bundle, start, environment) == ""


def test_codecs_load_from_the_bundle_alone(host_bundle: Path) -> None:
    load = "import PIL.Image, mozjpeg_lossless_optimization, oxipng; PIL.Image.init()"
    assert run_in(host_bundle, load, {}) == ""


def run_in(bundle: Path, program: str, environment: Mapping[str, str]) -> str:
    """Run a program that sees the bundle and the standard library; its complaint, or nothing."""
    program = f"import sys; sys.path.insert(0, {str(bundle)!r}); {program}"
    # -I: no PYTHON* variable, no current folder. -S: no site-packages. -B: the bundle stays as is.
    command = [sys.executable, "-I", "-S", "-B", "-c", program]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    return done.stderr


def test_all_our_files_are_in_the_bundle(bundles: dict[str, Path]) -> None:
    web = (SOURCE / "imagepress" / "web").iterdir()
    ours = {path.relative_to(SOURCE) for path in (*SOURCE.rglob("*.py"), *web)}
    assert all((bundles["x86_64"] / path).is_file() for path in ours)


def test_the_bundle_holds_no_more_than_the_functions_use(bundles: dict[str, Path]) -> None:
    bundle = bundles["x86_64"]
    paths = [path.relative_to(bundle) for path in bundle.rglob("*")]
    assert not [path for path in paths if {"__pycache__", "tests", "bin"} & set(path.parts)]
    assert not [path for path in paths if path.suffix in {".pyc", ".pyi"} or path.name == "RECORD"]
    models = {path.name for path in (bundle / "botocore" / "data").iterdir() if path.is_dir()}
    assert models == {"dynamodb", "s3", "sns", "sqs"}
    size = sum(path.stat().st_size for path in bundle.rglob("*") if path.is_file())
    assert size < 96 * 2**20


def test_every_package_ships_with_its_licence(bundles: dict[str, Path]) -> None:
    for package in bundles["x86_64"].glob("*.dist-info"):
        names = [path.name.lower() for path in package.rglob("*") if path.is_file()]
        assert "metadata" in names, package
        assert [name for name in names if "licen" in name or "copying" in name], package


def test_the_notice_ships_and_names_every_package(bundles: dict[str, Path]) -> None:
    notice = (bundles["x86_64"] / "NOTICE").read_text(encoding="utf-8").lower()
    packages = [path.name.split("-")[0] for path in bundles["x86_64"].glob("*.dist-info")]
    missing = [name for name in packages if name.replace("_", "-").lower() not in notice]
    assert len(packages) > 10
    assert missing == []


def test_the_fingerprint_tells_targets_apart_and_nothing_else() -> None:
    x86_64, arm64 = Target.lambda_runtime("x86_64"), Target.lambda_runtime("arm64")
    assert fingerprint(x86_64) == fingerprint(Target.lambda_runtime("x86_64"))
    assert fingerprint(x86_64) != fingerprint(arm64)
    assert fingerprint(x86_64) != fingerprint(Target.host())


def test_a_build_that_fails_says_for_what_and_why(tmp_path: Path) -> None:
    broken = Target(name="nowhere", pip=(*Target.host().pip, "--platform=nowhere"))
    with pytest.raises(PackagingError, match=r"requirements for nowhere:\n.*\S"):
        build(broken, tmp_path)


def contents(bundle: Path) -> dict[str, str]:
    """Each file's permissions and digest: what ends up in the zip."""
    return {
        str(path.relative_to(bundle)): json.dumps(
            [oct(path.stat().st_mode), hashlib.sha256(path.read_bytes()).hexdigest()]
        )
        for path in bundle.rglob("*")
        if path.is_file()
    }
