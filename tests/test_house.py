"""The rules of the house that a machine can hold us to."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from trainctl.version import __version__

REPO = Path(__file__).parents[1]
FOLDERS = (".ci", "benchmarks", "configs", "docs", "examples", "tests", "trainctl")
TEXT = {"", ".md", ".py", ".sh", ".toml", ".txt", ".yaml", ".yml"}

# From the ground up, as in docs/architecture.md; a layer imports from itself and from those before it.
LAYERS = (
    ("errors", "version"),
    ("backend",),
    ("autograd",),
    ("storage",),
    ("namespace",),  # the engine as `trainctl.NAME`
    ("ao", "backends", "cuda", "linalg", "nn", "optim", "data", "utils", "quantization"),
    ("plan",),  # steps of the engine, recorded and replayed
    ("onnx",),  # models of the engine, written down for others
    ("train",),
    ("registry", "build"),
    ("config",),
    ("jobs",),
    ("cli",),
)
ENTRANCES = {"trainctl/__init__.py", "trainctl/__main__.py"}  # outside the layers: the package, the program

# Ops that work in host memory by their nature, so that they may name NumPy.
HOST_OPS = {
    "trainctl/autograd/ops/creation.py": "reads the numbers a user hands over",
    "trainctl/autograd/ops/random.py": "draws on the host whatever the device",
    "trainctl/autograd/ops/random_integers.py": "draws on the host whatever the device",
    "trainctl/autograd/ops/ranges.py": "counts on the host, in whole numbers or float64",
}

# What is imported only by a user who has it: one place each.
OPTIONAL = {
    "trainctl/onnx/protos.py": {"google", "onnx"},
    "trainctl/onnx/runtime.py": {"onnxruntime"},
    "trainctl/backend/cupy.py": {"cupy", "cupyx"},
    "trainctl/data/images.py": {"PIL"},
    "trainctl/data/inputs/arrays.py": {"PIL"},
}

# Files past 400 lines, each with the reason why it is one concept all the same.
LONG: dict[str, str] = {}


def written_files() -> Iterator[Path]:
    for path in REPO.iterdir():
        if path.is_file() and path.suffix in TEXT and (path.name == ".gitignore" or path.name[0] != "."):
            yield path
    for folder in FOLDERS:
        for path in (REPO / folder).rglob("*"):
            if path.is_file() and path.suffix in TEXT and "__pycache__" not in path.parts:
                yield path


def name_of(path: Path) -> str:
    return path.relative_to(REPO).as_posix()


WRITTEN = {name_of(path): path for path in written_files()}
MODULES = sorted(name for name in WRITTEN if name.startswith("trainctl/") and name.endswith(".py"))


@cache
def parse(module: str) -> ast.Module:
    return ast.parse((REPO / module).read_text())


def imports(module: str) -> set[str]:
    """Every module the file imports when it runs, those inside functions too; not what only a type needs."""
    names = set()
    nodes: list[ast.AST] = [parse(module)]
    while nodes:
        node = nodes.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            nodes += node.orelse
            continue
        nodes += ast.iter_child_nodes(node)
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}:{node.lineno}: relative import; write the module's full name"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


UNITS = {module.removesuffix(".py").split("/")[1] for module in MODULES if module not in ENTRANCES}


def layer(unit: str) -> int:
    assert unit in set().union(*LAYERS), f"trainctl.{unit} has no place in LAYERS yet"
    return next(number for number, units in enumerate(LAYERS) if unit in units)


@pytest.mark.parametrize("module", [name for name in MODULES if name not in ENTRANCES])
def test_imports_point_only_downward(module):
    own = layer(module.removesuffix(".py").split("/")[1])
    for name in imports(module):
        package, _, rest = name.partition(".")
        if package == "trainctl":
            unit = rest.partition(".")[0]
            below = layer(unit if unit in UNITS else "namespace")  # `trainctl.Tensor` is the engine's
            assert below <= own, f"{module} imports {name}, which stands above it"


def test_only_the_command_line_draws_on_a_terminal():
    for module in MODULES:
        if not module.startswith("trainctl/cli/"):
            drawing = {name for name in imports(module) if name.partition(".")[0] in {"rich", "typer"}}
            assert not drawing, f"{module} imports {drawing}"


def test_only_the_command_line_catches_a_user_s_errors():
    for module in MODULES:
        caught = [
            ast.unparse(node.type)
            for node in ast.walk(parse(module))
            if isinstance(node, ast.ExceptHandler) and node.type is not None
        ]
        if not module.startswith("trainctl/cli/"):
            assert not [name for name in caught if "TrainctlError" in name], module


def test_ops_know_their_arrays_only_through_the_backend():
    for module in MODULES:
        if module.startswith("trainctl/autograd/ops/") and module not in HOST_OPS:
            libraries = {name.partition(".")[0] for name in imports(module)} & {"numpy", "cupy"}
            assert not libraries, f"{module} names {libraries}; use the backend"


def test_runtime_imports_are_declared_dependencies():
    project = tomllib.loads((REPO / "pyproject.toml").read_text())["project"]
    declared = {re.match(r"[\w-]+", each)[0] for each in project["dependencies"]}
    assert declared == {"numpy", "pydantic", "pyyaml", "rich", "threadpoolctl", "typer"}
    known = declared - {"pyyaml"} | {"yaml", "trainctl"} | sys.stdlib_module_names
    for module in MODULES:
        unknown = {name.partition(".")[0] for name in imports(module)} - known - OPTIONAL.get(module, set())
        assert not unknown, f"{module} imports {unknown}"


@pytest.mark.parametrize("module", MODULES)
def test_every_module_says_what_it_is(module):
    assert ast.get_docstring(parse(module)), f"{module} has no docstring"


def test_files_are_small_or_say_why_not():
    lines = {name: len(WRITTEN[name].read_text().splitlines()) for name in WRITTEN if name.endswith(".py")}
    assert {name for name, count in lines.items() if count > 400} == set(LONG)


@pytest.mark.parametrize("name", sorted(WRITTEN))
def test_no_file_names_a_place_on_somebody_s_machine(name):
    text = WRITTEN[name].read_text(encoding="utf-8")
    found = re.search(r"(?<![\w.:/~-])/(?:home|root|work|Users|opt|workspace)/\S*", text)
    assert found is None, f"{name} names {found[0]}"


@pytest.mark.parametrize("name", sorted(name for name in WRITTEN if name.endswith(".py")))
def test_what_is_switched_off_says_why(name):
    switch = re.compile(r"#\s*(?:noqa|type:\s*ignore)(?P<rule>\S*(?:, [A-Z]+\d+)*)(?P<why>.*)")
    for number, line in enumerate(WRITTEN[name].read_text().splitlines(), start=1):
        found = switch.search(line)
        if found and name != "tests/test_house.py":
            assert found["rule"], f"{name}:{number}: name the rule that is switched off"
            assert re.search(r"\w{2,}", found["why"]), f"{name}:{number}: say why the rule is switched off"


def test_the_licence_is_there():
    text = (REPO / "LICENSE").read_text()
    assert "Apache License" in text
    assert "END OF TERMS AND CONDITIONS" in text


def test_the_changelog_begins_with_this_version():
    versions = re.findall(r"^## (\S+) - \d{4}-\d\d-\d\d$", (REPO / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert versions[0] == __version__
