"""What may import what: the direction of imports is part of the design."""

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

LAMBDA = Path(__file__).parents[2] / "lambda"
HANDLERS = {file.stem for file in LAMBDA.glob("*.py")}
CODECS = {"PIL", "oxipng", "mozjpeg_lossless_optimization", "imagepress.codecs"}
AWS = {"boto3", "botocore", "aws_lambda_powertools"}
PURE = [
    "advice",
    "budget",
    "chunk",
    "codec_pool",
    "codec_process",
    "codec_protocol",
    "codec_table",
    "codecs",
    "costs",
    "effort",
    "engine",
    "errors",
    "image_header",
    "inventory",
    "jpeg_structure",
    "journal",
    "manifest",
    "marker",
    "notice",
    "order",
    "pinned_object",
    "records",
    "outcome",
    "page_tally",
    "page_view",
    "part",
    "png_structure",
    "prices",
    "report",
    "report_page",
    "run",
    "run_cost",
    "run_id",
    "sample",
    "settings",
    "usage",
    "wording",
]


def module_name(file: Path) -> str:
    return ".".join(file.relative_to(LAMBDA).with_suffix("").parts).removesuffix(".__init__")


MODULES = {module_name(file): file for file in sorted(LAMBDA.rglob("*.py"))}
DOMAIN = {name: file for name, file in MODULES.items() if name.split(".")[0] == "imagepress"}


def imports(file: Path) -> Iterator[str]:
    """The modules that a file imports when it runs, those inside functions included."""
    yield from _imports(ast.parse(file.read_bytes()))


def _imports(node: ast.AST) -> Iterator[str]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        if isinstance(child, ast.Import):
            yield from (alias.name for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            assert child.level == 0
            for alias in child.names:
                inner = f"{child.module}.{alias.name}"
                yield inner if inner in MODULES else str(child.module)
        else:
            yield from _imports(child)


GRAPH = {name: set(imports(file)) for name, file in MODULES.items()}


def closure(name: str) -> set[str]:
    """Everything that importing a module may bring in, seen from our own code."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        for imported in GRAPH.get(waiting.pop(), ()):
            if imported not in found:
                found.add(imported)
                waiting.append(imported)
    return found


def packages(names: set[str]) -> set[str]:
    return {name.split(".")[0] for name in names}


def loaded_by(module: str) -> set[str]:
    """The modules that are there after a fresh interpreter imported `module`."""
    script = f"import sys, json, {module}; print(json.dumps(list(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={"PYTHONPATH": str(LAMBDA)},
        capture_output=True,
        text=True,
        check=True,
    )
    return set(json.loads(done.stdout))


def test_the_graph_sees_every_module() -> None:
    assert {"dispatcher", "compressor", "imagepress.codecs.jpeg", "imagepress"} <= GRAPH.keys()
    assert "imagepress.codecs" in GRAPH["imagepress.codec_process"]


def test_imports_go_round_in_no_circle() -> None:
    ours = {name: imported & GRAPH.keys() for name, imported in GRAPH.items()}

    assert set(TopologicalSorter(ours).static_order()) == GRAPH.keys()


@pytest.mark.parametrize("module", DOMAIN)
def test_the_domain_imports_no_handler(module: str) -> None:
    assert not packages(GRAPH[module]) & HANDLERS


@pytest.mark.parametrize("handler", sorted(HANDLERS))
def test_nothing_ships_that_imports_tests_or_infrastructure(handler: str) -> None:
    assert not packages(closure(handler)) & {"infra", "local", "tests", "bench", "pytest", "moto"}


# The dispatcher and the codecs


@pytest.mark.parametrize("handler", ["dispatcher", "sweeper"])
def test_who_never_sees_a_picture_imports_no_codec(handler: str) -> None:
    brought_in = closure(handler)

    assert not packages(brought_in) & CODECS
    assert not brought_in & {"imagepress.codecs", "imagepress.codec_pool"}


def test_importing_the_dispatcher_loads_no_codec() -> None:
    loaded = loaded_by("imagepress.dispatch")

    assert "imagepress.manifest" in loaded
    assert not loaded & (CODECS | {"imagepress.codec_pool", "imagepress.codec_process"})


@pytest.mark.parametrize(
    "module", ["worker", "chunk_work", "codec_pool", "reporting", "undertake", "desktop"]
)
def test_only_the_codec_process_loads_codecs(module: str) -> None:
    assert not loaded_by(f"imagepress.{module}") & CODECS


@pytest.mark.parametrize("module", [name for name in DOMAIN if ".codecs" not in name])
def test_only_the_codec_process_names_the_codecs(module: str) -> None:
    named = {name for name in GRAPH[module] if name.startswith("imagepress.codecs")}

    assert not named or module == "imagepress.codec_process"


@pytest.mark.parametrize("handler", sorted(HANDLERS - {"reporter"}))
def test_who_writes_no_page_starts_without_its_templates(handler: str) -> None:
    assert "jinja2" not in packages(closure(handler))


def test_the_codec_process_does_without_aws() -> None:
    assert not loaded_by("imagepress.codecs, imagepress.codec_process") & AWS


# What is pure stays pure


@pytest.mark.parametrize("module", PURE)
def test_pure_modules_do_without_aws(module: str) -> None:
    assert not packages(closure(f"imagepress.{module}")) & AWS


@pytest.mark.parametrize("module", DOMAIN)
def test_the_domain_does_not_know_lambda(module: str) -> None:
    assert "aws_lambda_powertools" not in packages(GRAPH[module])


@pytest.mark.parametrize("module", [name for name in DOMAIN if name != "imagepress.aws_session"])
def test_clients_are_given_and_not_built(module: str) -> None:
    source = DOMAIN[module].read_text(encoding="utf-8")

    assert "boto3.client(" not in source
    assert "boto3.resource(" not in source
    assert "boto3.Session(" not in source


def environment_uses(file: Path) -> list[str]:
    tree = ast.parse(file.read_bytes())
    return [
        ast.unparse(node)
        for node in ast.walk(tree)
        if (isinstance(node, ast.Attribute) and node.attr in ("environ", "environb", "getenv"))
        or (isinstance(node, ast.ImportFrom) and node.module == "os")
    ]


@pytest.mark.parametrize("module", [name for name in DOMAIN if name != "imagepress.codec_process"])
def test_the_domain_does_not_read_the_environment(module: str) -> None:
    assert environment_uses(DOMAIN[module]) == []


def test_the_codec_process_sets_its_libraries_variables() -> None:
    file = DOMAIN["imagepress.codec_process"]
    lines = [line for line in file.read_text(encoding="utf-8").splitlines() if "environ" in line]

    assert environment_uses(file) == ["os.environ"]
    assert [line.strip() for line in lines] == [
        'os.environ.update(dict.fromkeys(SINGLE_THREADED, "1"))'
    ]
