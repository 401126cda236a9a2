"""Runs CLI modules as Slicer does: command lines made of the XML, nodes exchanged through files."""

from __future__ import annotations

import contextlib
import importlib.metadata
import io
import os
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

from ACSegLib.commands.cli import main
from ACSegLib.commands.cli_modules import CLI_MODULES

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "ACSeg" / "CLI"


#: Put before Python's own start: notes which packages ACSegLib imports itself, wherever it does so.
RECORDER = """
import atexit, builtins, os
found, original = set(), builtins.__import__
def noting(name, globals=None, locals=None, fromlist=(), level=0):
    if level == 0 and globals and str(globals.get("__name__", "")).startswith("ACSegLib"):
        found.add(name.partition(".")[0])
    return original(name, globals, locals, fromlist, level)
builtins.__import__ = noting
def write():
    with open(os.environ["ACSEG_IMPORTS"], "a") as stream:
        stream.write(" ".join(sorted(found)) + " ")
atexit.register(write)
"""


def check_imports(record, step):
    """What was imported is in Slicer, or in the list of what the step installs."""
    from ACSegPanels.install import NEED_TORCH, REQUIREMENTS

    in_slicer = {"numpy", "scipy", "SimpleITK", "vtk", "slicer", "llvmlite"}  # llvmlite: numba brings it
    listed = {requirement.partition(">")[0].lower() for requirement in REQUIREMENTS[step]}
    listed |= {"torch"} if step in NEED_TORCH else set()
    distributions = importlib.metadata.packages_distributions()
    found = set(record.read_text().split()) - set(sys.stdlib_module_names) - {"ACSegLib"} - in_slicer
    assert "nrrd" in found, "nothing was recorded"
    unlisted = {n for n in found if not {d.lower() for d in distributions.get(n, [n])} & listed}
    assert unlisted == set(), f"imported by {step} and not in its list: {unlisted}"


def shown(name):
    """The parameters in a module's XML file: name -> element."""
    root = ElementTree.parse(FOLDER / name / f"{name}.xml").getroot()
    assert root.tag == "executable"
    return {p.findtext("name"): p for group in root.iter("parameters") for p in group if p.find("name") is not None}


def slicer_command_line(name, values):
    """The command line that Slicer makes of the XML and of values set by a script.

    After vtkSlicerCLIModuleLogic: numbers and choices are always given; strings, vectors and files where they are
    not empty; a check box is present or absent; indexed parameters come last. The panel's button for a folder (a
    ctkDirectoryButton) gives "." where nobody chose one.
    """
    flags, indexed = [], []
    for key, element in shown(name).items():
        untouched = "." if element.tag == "directory" else element.findtext("default") or ""
        value = str(values.get(key, untouched))
        if element.find("index") is not None:
            indexed.append((int(element.findtext("index")), value))
        elif element.tag == "boolean":
            flags += [element.findtext("longflag")] * (value.lower() == "true")
        elif value != "" or element.tag in ("integer", "double", "string-enumeration"):
            flags += [element.findtext("longflag"), value]
    return flags + [value for _, value in sorted(indexed)]


def run_script(script, *arguments, cwd=None, **environment):
    """Run a module's script with this Python; gives the finished process."""
    return subprocess.run(
        [sys.executable, str(script), *map(str, arguments)],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=280,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        cwd=cwd,
        check=False,
    )


def run_here(name, *arguments):
    """Do what a module's script does, without the second in which a process starts; gives the same."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(name, [str(argument) for argument in arguments])
    return subprocess.CompletedProcess([name, *arguments], code, out.getvalue(), err.getvalue())


def check_progress(stdout, title):
    """The lines by which Slicer follows a CLI module: a start, fractions that grow to 1, an end."""
    lines = stdout.splitlines()
    assert lines[0] == "<filter-start>"
    assert f"<filter-name>{title}</filter-name>" in lines
    fractions = [float(x) for x in re.findall(r"<filter-progress>(.*?)</filter-progress>", stdout)]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    assert "</filter-end>" in lines


class CliRunner:
    """`slicer.cli` for a scene: writes input nodes by their own storage nodes, reads output nodes back.

    A module runs in a process of its own where an environment for it is given, and in this one otherwise.
    """

    def __init__(self, scene, folder, **environment):
        self.scene, self.folder, self.environment = scene, Path(folder), environment

    def runSync(self, module, node, parameters):
        """Run a module and wait."""
        values, results = dict(parameters), []
        elements = shown(module.name)
        unknown = set(values) - set(elements)
        assert not unknown, f"Slicer would ignore the parameters {unknown}"
        for key, element in elements.items():
            data = self.scene.GetNodeByID(str(values.get(key, "")))
            if element.tag != "image" or data is None:
                continue
            ending = (element.get("fileExtensions") or ".nrrd").split(",")[0]
            path = self.folder / f"exchange-{data.GetID()}{ending}"
            values[key] = path
            if element.findtext("channel") == "output":
                results.append((data, path))
            else:
                assert self._store(data, path).WriteData(data)
        line = slicer_command_line(module.name, values)
        if self.environment:
            done = run_script(FOLDER / module.name / f"{module.name}.py", *line, **self.environment)
        else:
            done = run_here(module.name, *line)
        if done.returncode == 0:
            check_progress(done.stdout, CLI_MODULES[module.name].title)
        for data, path in results if done.returncode == 0 else ():
            assert self._store(data, path).ReadData(data)
        return self._finished(done)

    def _finished(self, done):
        import slicer

        node = slicer.vtkMRMLCommandLineModuleNode()
        node.SetOutputText(re.sub(r"<filter-.*?>.*?\n", "", done.stdout))
        node.SetErrorText(done.stderr)
        node.SetStatus(node.CompletedWithErrors if done.returncode else node.Completed)
        self.scene.AddNode(node)
        return node

    def _store(self, data, path):
        """The storage node that reads or writes a node, at a path."""
        store = data.CreateDefaultStorageNode()
        store.SetScene(self.scene)
        store.SetFileName(str(path))
        return store
