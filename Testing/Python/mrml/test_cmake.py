"""Real CMake configures, builds and installs the extension against a stand-in of Slicer's macros."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
STAND_IN = ROOT / "Testing" / "CMake" / "SlicerStandIn"
MODULES = Path("lib/Slicer-5.10/qt-scripted-modules")
CLI = Path("lib/Slicer-5.10/cli-modules")

_spec = importlib.util.spec_from_file_location("acseg_cmake_lists", ROOT / "Testing" / "CMake" / "lists.py")
lists = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(lists)


def cmake(*arguments, check=True):
    program = shutil.which("cmake")
    if program is None:
        pytest.skip("cmake is not installed (.ci/setup installs it)")
    done = subprocess.run(
        [program, *map(str, arguments)], capture_output=True, text=True, encoding="utf-8", timeout=240, check=False
    )
    if check:
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return done


def configure(source, build, *more, check=True):
    toolchain = STAND_IN / "toolchain.cmake"
    return cmake(
        *("-S", source, "-B", build, f"-DSlicer_DIR={STAND_IN}", f"-DCMAKE_TOOLCHAIN_FILE={toolchain}"),
        *("-DBUILD_TESTING=ON", *more),
        check=check,
    )


@pytest.fixture(scope="module")
def trees(tmp_path_factory):
    """A build tree and an install tree of the extension."""
    folder = tmp_path_factory.mktemp("extension")
    build, install = folder / "build", folder / "install"
    configure(ROOT, build, f"-DCMAKE_INSTALL_PREFIX={install}")
    cmake("--build", build)
    cmake("--install", build)
    return build, install


def files_below(folder):
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}


def tracked(folder):
    """The files below a folder of the repository, without build rules, caches and the sources of the page."""
    names = (p.relative_to(ROOT / folder) for p in (ROOT / folder).rglob("*") if p.is_file())
    return [n for n in names if not lists.IGNORED & set(n.parts) and n.name[0] != "."]


def expected_modules():
    """Every file of the library and of the modules, where a scripted module's files go: all in one folder."""
    wanted = {f"ACSegLib/{n.as_posix()}" for n in tracked("ACSegLib")}
    wanted |= {f"Resources/Models/{n.as_posix()}" for n in tracked("Resources/Models") if n.suffix != ".py"}
    own = {"SegmentEditorACSegFill", "ACSegStatistics"}
    for name in tracked("ACSeg"):
        if name.parts[0] in own:
            wanted.add(Path(*name.parts[1:]).as_posix())
        elif name.parts[0] != "CLI":
            wanted.add(name.as_posix())
    return wanted


def expected_cli():
    return {n.name for n in tracked("ACSeg/CLI")}


def test_lists_name_every_file_once():
    problems = lists.differences()
    assert not problems, "\n".join([*problems, "run: python Testing/CMake/lists.py --write"])


def test_a_missing_and_a_stale_line_are_named(tmp_path, monkeypatch):
    """The check itself: one file taken from the list and one added are both told, with their list."""
    monkeypatch.setattr(lists, "ROOT", tmp_path)
    monkeypatch.setattr(lists, "MODULES", {"Some": "Some"})
    (tmp_path / "Some" / "inner").mkdir(parents=True)
    for name in ("a.py", "inner/b.py", "icon.png"):
        (tmp_path / "Some" / name).touch()
    rules = tmp_path / "Some" / "CMakeLists.txt"
    rules.write_text("set(Some_PYTHON_SCRIPTS\n  a.py\n  gone.py\n  )\nset(Some_PYTHON_RESOURCES\n  )\n")
    assert [" ".join(line.split()) for line in lists.differences()] == [
        "Some/CMakeLists.txt lacks the line inner/b.py",
        "Some/CMakeLists.txt names gone.py, which does not exist",
        "Some/CMakeLists.txt lacks the line icon.png",
    ]
    lists.write()
    assert lists.differences() == []
    assert "  inner/b.py\n" in rules.read_text()


def test_every_file_lands_where_it_belongs_and_no_other(trees):
    build, install = trees
    for tree in trees:
        assert files_below(tree / MODULES) == expected_modules()
        assert files_below(tree / CLI) == expected_cli()
    assert {p.split("/")[0] for p in files_below(install)} == {"lib"}
    for name in ("ACSegLib/volume.py", "ACSeg.py"):
        assert (install / MODULES / name).read_bytes() == (build / MODULES / name).read_bytes()


def test_python_scripts_of_modules_have_no_shebang_and_cli_have_one():
    for name in tracked("ACSeg"):
        if name.suffix == ".py":
            start = (ROOT / "ACSeg" / name).read_bytes()[:2]
            assert (start == b"#!") == (name.parts[0] == "CLI"), name


def test_top_level_scripts_are_modules(trees):
    """Slicer takes every .py at the top of the folder for a module and wants a class of its name in it."""
    for script in (trees[1] / MODULES).glob("*.py"):
        assert re.search(rf"^class {script.stem}\(ScriptedLoadableModule\)", script.read_text(encoding="utf-8"), re.M)


@pytest.mark.parametrize("tree", ["build", "install"])
def test_library_is_importable_from_the_tree(trees, tree):
    """Only the modules' folder is on the path, as Slicer has it."""
    folder = trees[tree == "install"] / MODULES
    code = (
        "import sys; sys.meta_path = [f for f in sys.meta_path if 'editable' not in str(f).lower()];"
        f"sys.path.insert(0, {str(folder)!r}); import ACSegLib, ACSegLib.commands.main as m; print(ACSegLib.__file__);"
        "assert not {'torch', 'numba', 'monai'} & set(sys.modules)"
    )
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        encoding="utf-8",
        env=environment,
        cwd=folder.parent,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()).parent == folder / "ACSegLib"


@pytest.mark.parametrize("tree", ["build", "install"])
def test_cli_module_runs_from_the_tree(trees, tree):
    folder = trees[tree == "install"] / CLI
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, str(folder / "ACSegMeasure.py"), "--help"],
        capture_output=True,
        text=True,
        encoding="utf-8",
        env=environment,
        cwd=folder,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "--length-unit" in done.stdout


def test_self_tests_are_registered(trees):
    listing = subprocess.run(
        [shutil.which("ctest") or "ctest", "-N", "--test-dir", str(trees[0])],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )
    for name in ("py_ACSeg", "py_SegmentEditorACSegFill", "py_ACSegStatistics", "py_run_self_tests"):
        assert re.search(rf": {name}$", listing.stdout, re.M), listing.stdout + listing.stderr


def test_the_packaged_description_is_whole(trees):
    """As the Extensions Manager shows it: Slicer's packaging cuts a text at its first semicolon."""
    lines = (trees[0] / "ACSeg.s4ext").read_text(encoding="utf-8").splitlines()
    packaged = dict(line.split(" ", 1) for line in lines if not line.startswith("#"))
    rules = (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")
    written = dict(re.findall(r'^set\(EXTENSION_(\w+) "(.+)"\)', rules, re.M))
    texts = (
        "homepage",
        "contributors",
        "description",
        "iconurl",
        "screenshoturls",
        "depends",
        "recommends",
        "keywords",
    )
    for name in (*texts, "depends", "recommends", "keywords"):
        assert packaged[name] == written[name.upper()], name
    assert "random-walk" in packaged["keywords"].split()
    assert packaged["description"].endswith("Nothing is sent anywhere.")


def test_packaging_of_the_extensions_index_has_no_cli_macro(tmp_path):
    """Its use file does not include the CLI macro; the extension does so itself."""
    done = configure(ROOT, tmp_path / "build", "-DSTANDIN_PYTHON_ONLY=ON")
    assert "Unknown CMake command" not in done.stderr


# ---------------------------------------------------------------- the stand-in refuses what Slicer refuses


@pytest.mark.parametrize(
    ("rules", "reason"),
    [
        ("slicerMacroBuildScriptedModule(NAME Lone SCRIPTS Lone.py gone.py)", "there is no file gone.py"),
        ("slicerMacroBuildScriptedModule(NAME Other SCRIPTS Lone.py)", "lacks Other.py"),
        ("slicerMacroBuildScriptedModule(NAME Lone SCRIPTS Lone.py SCRPTS x)", "there is no file"),
        ("slicerMacroBuildScriptedModule(NAME Shebang SCRIPTS Shebang.py)", "begins with #!"),
        (
            "slicerMacroBuildScriptedModule(NAME Lone SCRIPTS Lone.py)\nadd_subdirectory(again)",
            "would overwrite that of",
        ),
        ("slicer_add_python_unittest(SCRIPT Nobody.py)", "no module of this extension"),
        (
            'ctkMacroCompilePythonScript(TARGET_NAME a SCRIPTS "" RESOURCES x DESTINATION_DIR b INSTALL_DIR c)',
            "SCRIPTS is mandatory",
        ),
    ],
)
def test_stand_in_refuses(tmp_path, rules, reason):
    source = tmp_path / "source"
    (source / "again").mkdir(parents=True)
    (source / "Lone.py").write_text("class Lone: pass\n")
    (source / "Shebang.py").write_text("#!/usr/bin/env python\n")
    (source / "again" / "Lone.py").write_text("class Lone: pass\n")
    (source / "again" / "Two.py").write_text("class Two: pass\n")
    (source / "again" / "CMakeLists.txt").write_text(
        "slicerMacroBuildScriptedModule(NAME Two SCRIPTS Two.py Lone.py)\n"
    )
    (source / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.16.3...3.28)\nproject(Demo)\nfind_package(Slicer REQUIRED)\n"
        "include(${Slicer_USE_FILE})\n" + rules + "\n"
    )
    done = configure(source, tmp_path / "build", check=False)
    assert done.returncode != 0
    assert reason in " ".join(done.stderr.split())
