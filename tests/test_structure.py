"""Who imports whom in the package."""

import ast
import collections
import pathlib

import pytest

from tests import mutations
from tests.lines import core_modules, imported_by
from tests.metamorphic import faults as metamorphic_faults

pytestmark = pytest.mark.once

ROOT = pathlib.Path(__file__).parents[1]
PACKAGE = ROOT / "keras_bfn"
BACKENDS = {"tensorflow", "jax", "torch"}
ABOVE = {  # what stands on the core
    f"keras_bfn.{name}"
    for name in (
        "callbacks",
        "checkpoints",
        "codec",
        "datasets",
        "devices",
        "distillation",
        "guidance",
        "metrics",
        "orders",
        "presets",
        "recipes",
        "saving",
        "series",
        "simulation",
        "tables",
        "testing",
        "text",
        "visualization",
    )
}


def module_of(path):
    """The name of the module that a file is."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


PATHS = {module_of(path): path for path in PACKAGE.rglob("*.py")}


def imports_of(path):
    """The modules that a file names in its imports, those inside of functions among them.

    `from package import name` is the module `package.name` if there is one, else the package.
    """
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} has a relative import"
            names = (f"{node.module}.{alias.name}" for alias in node.names)
            yield from (name if name in PATHS else node.module for name in names)


def folder_of(module):
    """What is directly below the package: a folder with all its modules, or a single module."""
    return ".".join(module.split(".")[:2])


def find_cycle(graph):
    """A list of nodes, each of which has an edge to the next and the last to the first; or None."""
    done = set()

    def visit(node, path):
        if node in path:
            return path[path.index(node) :]
        for other in sorted(graph.get(node, set()) - done):
            cycle = visit(other, [*path, node])
            if cycle:
                return cycle
        done.add(node)
        return None

    return next(filter(None, (visit(node, []) for node in sorted(graph))), None)


def is_ours(module):
    return module.split(".")[0] == PACKAGE.name


# All imports; and those that happen when the module itself is imported.
NAMED = {module: set(filter(is_ours, imports_of(path))) for module, path in PATHS.items()}
IMPORTS = {module: imported_by(path, PATHS) - {module} for module, path in PATHS.items()}


def for_types(module):
    """What only a type checker imports."""
    blocks = [
        ast.Module(node.body, [])
        for node in ast.walk(ast.parse(PATHS[module].read_text()))
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    ]
    nodes = [node for block in blocks for node in ast.walk(block)]
    return {node.module for node in nodes if isinstance(node, ast.ImportFrom)} & set(PATHS)


def by_folder(imports):
    """Which folders import which, but themselves."""
    folders = collections.defaultdict(set)
    for module, names in imports.items():
        folders[folder_of(module)] |= {folder_of(name) for name in names} - {folder_of(module)}
    return folders


@pytest.mark.parametrize(
    ("graph", "cycle"),
    [
        ({}, None),
        ({"a": {"b", "c"}, "b": {"c"}, "c": set()}, None),
        ({"a": {"a"}}, ["a"]),
        ({"a": {"b"}, "b": {"c", "d"}, "d": {"b"}}, ["b", "d"]),
    ],
)
def test_a_cycle_is_found_where_there_is_one(graph, cycle):
    assert find_cycle(graph) == cycle


def test_imports_are_of_modules_that_exist():
    assert len(PATHS) > 50
    assert set().union(*NAMED.values()) <= set(PATHS)


def test_no_module_imports_itself_by_way_of_others():
    """Not for types either. Methods may import what stands on their class."""
    own_folder = {module: module.rpartition(".")[0] for module in IMPORTS}  # with each of its files
    graph = {
        module: (names - {own_folder[module]}) | for_types(module)
        for module, names in IMPORTS.items()
    }
    assert find_cycle(graph) is None


def test_no_folder_imports_itself_by_way_of_others():
    """Stricter: to import a module is to import all that its folder's `__init__` does."""
    assert find_cycle(by_folder(IMPORTS)) is None


def test_the_core_imports_nothing_that_stands_on_it():
    core = {folder_of(module) for module in core_modules()}
    assert not core & ABOVE
    assert core | ABOVE | {"keras_bfn", "keras_bfn._imports"} == {folder_of(m) for m in PATHS}
    any_order = {folder_of(m) for m in core_modules("keras_bfn.orders.any_order_network")}
    assert {"keras_bfn.orders", "keras_bfn.guidance"} <= any_order & ABOVE  # are found


def test_what_stands_on_the_core_is_imported_there_by_methods_of_models_alone():
    """A loss, a flow, a network or a sampler never asks for it."""
    asking = {
        module
        for module in core_modules()
        if {folder_of(name) for name in NAMED[module] - for_types(module)} & ABOVE
    }
    assert {folder_of(module) for module in asking} == {"keras_bfn.models"}


def test_within_a_folder_no_module_imports_from_the_folders_init():
    for module, names in NAMED.items():
        if PATHS[module].name != "__init__.py":
            assert module.rpartition(".")[0] not in names, module


def test_backends_are_imported_in_two_places_only():
    allowed = {"keras_bfn._backend", "keras_bfn.checkpoints"}
    for module, path in PATHS.items():
        if folder_of(module) not in allowed:
            assert not {name.split(".")[0] for name in imports_of(path)} & BACKENDS, module


WITHOUT_TESTS = {"keras_bfn._typing", "keras_bfn.codec.errors"}  # names alone


def test_each_module_has_a_file_of_tests_with_its_name():
    """In the folder of tests like its own, or in one of its own name."""
    lost = set()
    for module, path in PATHS.items():
        if path.name != "__init__.py":
            folder, name = ROOT / "tests" / path.parent.relative_to(PACKAGE), path.stem.strip("_")
            file = f"test_{name}.py"
            if not (folder / file).exists() and not (folder / name / file).exists():
                lost.add(module)
    assert lost == WITHOUT_TESTS


def test_the_text_of_each_seeded_fault_is_in_the_package_once():
    lost = [
        f"{fault.path}: {text!r}"
        for fault in (*mutations.FAULTS, *metamorphic_faults.FAULTS)
        for text, _ in ((fault.text, fault.wrong), *fault.more)
        if (PACKAGE / fault.path).read_text().count(text) != 1
    ]
    assert not lost
