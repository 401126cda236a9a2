"""Runs CLI modules as Slicer does: command lines made of the XML, nodes exchanged through files, in processes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "ACSeg" / "CLI"


def shown(name):
    """The parameters in a module's XML file: name -> element."""
    root = ElementTree.parse(FOLDER / name / f"{name}.xml").getroot()
    assert root.tag == "executable"
    return {p.findtext("name"): p for group in root.iter("parameters") for p in group if p.find("name") is not None}


def slicer_command_line(name, values):
    """The command line that Slicer makes of the XML and of values set by a script.

    After vtkSlicerCLIModuleLogic: numbers and choices are always given; strings, vectors and files where they are
    not empty; a check box is present or absent; indexed parameters come last.
    """
    flags, indexed = [], []
    for key, element in shown(name).items():
        value = str(values.get(key, element.findtext("default") or ""))
        if element.find("index") is not None:
            indexed.append((int(element.findtext("index")), value))
        elif element.tag == "boolean":
            flags += [element.findtext("longflag")] * (value.lower() == "true")
        elif value != "" or element.tag in ("integer", "double", "string-enumeration"):
            flags += [element.findtext("longflag"), value]
    return flags + [value for _, value in sorted(indexed)]


def run_script(script, *arguments, cwd=None):
    """Run a module's script with this Python; gives the finished process."""
    return subprocess.run(
        [sys.executable, str(script), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=280,
        env=dict(os.environ, PYTHONPATH=str(ROOT)),
        cwd=cwd,
        check=False,
    )


class CliRunner:
    """`slicer.cli` for a scene: writes input nodes by their own storage nodes, reads output nodes back."""

    def __init__(self, scene, folder):
        self.scene, self.folder = scene, Path(folder)

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
        done = run_script(FOLDER / module.name / f"{module.name}.py", *slicer_command_line(module.name, values))
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
        store = data.CreateDefaultStorageNode()
        store.SetScene(self.scene)
        store.SetFileName(str(path))
        return store
