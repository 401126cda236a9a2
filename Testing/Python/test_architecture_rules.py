"""The rules that keep the library simple, checked on its source."""

import ast
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

import ACSegLib

ROOT = Path(ACSegLib.__file__).parent
MODULES = sorted(path for path in ROOT.rglob("*.py") if "node_modules" not in path.parts)
STEPS = ("fill", "network", "measure")
#: What the steps share, and the files below it: they know none of the rooms above them.
SHARED = ("postprocess", "labelled_slices", "cells")
GROUND = (
    *("volume", "geometry", "arrays", "notebook", "axes", "files", "jobs", "errors", "masks", "noise", "padding"),
    *("compute", "cgroups", "threads", "distances", "distance_kernels", "components", "run_kernels", "json_values"),
)
ABOVE = ("api", "study", "workflows", "commands", "app", "worker", "phantom", "pictures", "scene")
HEAVY = {
    *("torch", "monai", "lightning", "numba", "sklearn", "matplotlib", "vtk", "vtkmodules", "pandas", "openvino"),
    *("skimage", "SimpleITK", "h5py", "zarr", "mrcfile", "tifffile", "nrrd"),
}
QT = {"qt", "PythonQt", "PySide6", "PySide2", "PyQt5", "PyQt6", "ctk", "slicer"}


@pytest.fixture(scope="module")
def trees():
    """Syntax tree of each module, by its name within the library, such as "fill/seeds.py"."""
    return {path.relative_to(ROOT).as_posix(): ast.parse(path.read_text(encoding="utf-8")) for path in MODULES}


def imports(tree, top_level_only=False):
    """Names of the modules that a file imports; at its top level alone, or anywhere."""
    nodes = tree.body if top_level_only else ast.walk(tree)
    found = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def packages_used(tree, top_level_only=False):
    """Packages that a file imports from."""
    return {name.split(".")[0] for name in imports(tree, top_level_only)}


def rooms_used(tree):
    """Files and folders of the library that a file imports from."""
    return {name.split(".")[1] for name in imports(tree) if name.startswith("ACSegLib.")}


def edges(tree, modules):
    """Modules (names from `modules`) that a file imports; of `from package import module`, the module alone."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= inner & modules.keys() or {node.module}
    return found & modules.keys()


def reaches(graph, start, goal):
    """Whether the edges of a graph (sets of names by name) lead from one node to another, in one step or more."""
    seen, todo = set(), [start]
    while todo:
        for name in graph[todo.pop()] - seen:
            if name == goal:
                return True
            seen.add(name)
            todo.append(name)
    return False


def part_of(name):
    return name.partition("/")[0].removesuffix(".py")


def test_steps_know_neither_one_another_nor_what_is_above_them(trees):
    for name, tree in trees.items():
        if part_of(name) in STEPS:
            assert not rooms_used(tree) & (set(STEPS) - {part_of(name)} | set(ABOVE)), name


def test_workflows_open_no_files_print_nothing_and_know_no_front_end(trees):
    for name, tree in trees.items():
        if part_of(name) == "workflows":
            assert not rooms_used(tree) & (set(ABOVE) - {"workflows", "phantom"} | {"files"}), name
            calls = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
            assert not {call.id for call in calls if isinstance(call, ast.Name)} & {"print", "open"}, name


def test_what_the_steps_share_knows_none_of_them(trees):
    for name, tree in trees.items():
        if part_of(name) in SHARED + GROUND:
            above = {*STEPS, *ABOVE, *(SHARED if part_of(name) in GROUND else ())}
            assert not rooms_used(tree) & above, name


def test_no_import_goes_in_a_circle(trees):
    """No file reaches itself by imports, those for type checkers included."""
    modules = {
        f"ACSegLib.{name.removesuffix('.py').replace('/', '.')}".removesuffix(".__init__"): tree
        for name, tree in trees.items()
    }
    graph = {name: edges(tree, modules) - {name} for name, tree in modules.items()}
    circles = {name for name in graph if reaches(graph, name, name)}
    assert circles == set()


def test_no_qt_in_the_library_and_slicer_only_in_the_scene(trees):
    for name, tree in trees.items():
        assert not packages_used(tree) & QT - ({"slicer"} if part_of(name) == "scene" else set()), name


def test_commands_import_heavy_packages_only_when_they_run(trees):
    for name, tree in trees.items():
        if part_of(name) == "commands":
            assert not packages_used(tree, top_level_only=True) & (HEAVY | {"scipy"}), name


def test_importing_the_library_loads_nothing_heavy():
    heavy = sorted(HEAVY | {"scipy"})
    code = f"import sys, ACSegLib; print(sorted(set({heavy!r}) & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, encoding="utf-8", timeout=60)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr


def test_no_error_is_swallowed(trees):
    for name, tree in trees.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ExceptHandler):
                broad = node.type is None or (
                    isinstance(node.type, ast.Name) and node.type.id in ("Exception", "BaseException")
                )
                silent = all(isinstance(line, (ast.Pass, ast.Continue)) for line in node.body)
                assert not (broad and silent), f"{name}:{node.lineno} hides every error"


def test_public_names_are_documented(trees):
    for name, tree in trees.items():
        assert ast.get_docstring(tree), f"{name} says nothing of itself"
        for node in tree.body:
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith("_"):
                overload = "overload" in map(ast.unparse, node.decorator_list)
                assert overload or ast.get_docstring(node), f"{name}: {node.name}"


def test_nothing_is_unpickled_or_run_from_text(trees):
    for name, tree in trees.items():
        assert not packages_used(tree) & {"pickle", "dill", "joblib", "marshal"}, name
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                place, called = f"{name}:{node.lineno}", ast.unparse(node.func)
                words = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
                assert called not in ("eval", "exec", "os.system"), place
                assert words.get("shell") != "True", place
                assert words.get("allow_pickle") != "True", place
                if called == "torch.load":
                    assert words.get("weights_only") == "True", place


def test_no_two_files_of_tests_have_the_same_name():
    """pytest would import one of them in place of the other, and run none at all."""
    names = Counter(path.name for path in Path(__file__).parent.rglob("*.py") if path.name != "conftest.py")
    assert [name for name, count in names.items() if count > 1] == []
