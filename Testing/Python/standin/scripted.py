"""Bases of scripted modules, parameter nodes, sample data and packaging: Slicer's interface, own implementation."""

from __future__ import annotations

import importlib.metadata
import sys
import types
import unittest
from pathlib import Path


def install(upstream: str | None) -> None:
    """Register the modules; with `upstream` (a folder with Slicer's Python files) use Slicer's own bases."""
    import slicer

    slicer.packaging = sys.modules["slicer.packaging"] = _module(
        "slicer.packaging", pip_check=pip_check, pip_ensure=pip_ensure
    )
    if upstream:
        slicer.__path__.append(upstream)
        sys.path.append(str(Path(upstream).parents[2] / "Modules" / "Scripted" / "SampleData"))
        del sys.modules["slicer.i18n"], slicer.i18n
        _name_unused_widgets()
        return
    sys.modules["SampleData"] = _module("SampleData", SampleDataLogic=SampleDataLogic)
    from standin import parameternode

    names = {n: globals()[n] for n in _BASES}
    sys.modules["slicer.ScriptedLoadableModule"] = slicer.ScriptedLoadableModule = _module(
        "slicer.ScriptedLoadableModule", __all__=list(_BASES), **names
    )
    public = {n: getattr(parameternode, n) for n in parameternode.__all__}
    sys.modules["slicer.parameterNodeWrapper"] = slicer.parameterNodeWrapper = _module(
        "slicer.parameterNodeWrapper", __all__=list(public), **public
    )


def _name_unused_widgets() -> None:
    """Slicer's own parameterNodeWrapper names widget classes that ACSeg does not use; it only asks for their type."""
    import ctk
    import qt
    import slicer

    unused = "CheckBox CheckablePushButton ColorPickerButton ComboBox DirectoryButton DoubleRangeSlider DoubleSlider"
    for name in (*unused.split(), "DoubleSpinBox", "RangeWidget"):
        setattr(ctk, f"ctk{name}", type(f"ctk{name}", (qt.QWidget,), {}))
    for name in ("qMRMLRangeWidget", "qMRMLSliderWidget", "qMRMLSpinBox", "qSlicerWidget"):
        setattr(slicer, name, type(name, (qt.QWidget,), {}))


_BASES = (
    "ScriptedLoadableModule",
    "ScriptedLoadableModuleWidget",
    "ScriptedLoadableModuleLogic",
    "ScriptedLoadableModuleTest",
)


def _module(name: str, **members) -> types.ModuleType:
    module = types.ModuleType(name)
    module.__dict__.update(members)
    return module


class ScriptedLoadableModule:
    def __init__(self, parent):
        self.parent = parent
        self.moduleName = type(self).__name__

    def resourcePath(self, filename):
        return str(Path(self.parent.path).parent / "Resources" / filename)


class ScriptedLoadableModuleWidget:
    def __init__(self, parent=None):
        import qt
        import slicer

        self.moduleName = type(self).__name__.removesuffix("Widget")
        self.parent = parent or slicer.qMRMLWidget()
        if parent is None:
            qt.QVBoxLayout(self.parent)
            self.parent.setMRMLScene(slicer.mrmlScene)
        self.layout = self.parent.layout()
        if parent is None:
            self.setup()
            self.parent.show()

    def resourcePath(self, filename):
        import slicer

        return str(Path(slicer.util.modulePath(self.moduleName)).parent / "Resources" / filename)

    def setup(self):
        pass

    def cleanup(self):
        pass


class ScriptedLoadableModuleLogic:
    def __init__(self, parent=None):
        self.moduleName = type(self).__name__.removesuffix("Logic")
        self.isSingletonParameterNode = True

    def getParameterNode(self):
        import slicer

        node = slicer.mrmlScene.GetSingletonNode(self.moduleName, "vtkMRMLScriptedModuleNode")
        if node is None:
            node = slicer.mrmlScene.CreateNodeByClass("vtkMRMLScriptedModuleNode")
            node.UnRegister(None)
            node.SetSingletonTag(self.moduleName)
            node.SetModuleName(self.moduleName)
            node.SetAttribute("ModuleName", self.moduleName)
            node = slicer.mrmlScene.AddNode(node)
        return node


class ScriptedLoadableModuleTest(unittest.TestCase):
    messageDelay = 0

    def __init__(self, *args):
        super().__init__(*args) if args else super().__init__("runTest")

    def delayDisplay(self, message, requestedDelay=None, msec=None):
        pass

    def runTest(self):
        pass


class ModuleParent:
    """What Slicer hands to a module's constructor."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.title = self.helpText = self.acknowledgementText = ""
        self.categories, self.dependencies, self.contributors = [], [], []
        self.hidden, self.icon = False, None


def reload_module(widget):
    """As `slicer.util.reloadScriptedModule`: another widget in the place of this one, which is not entered anew."""
    parent = widget.parent
    widget.cleanup()
    while parent.layout().count():
        parent.layout().takeAt(0)
    parent.make(type(widget))
    return parent.self()


def open_module(widget_class):
    """Make a module's widget as Slicer does: in a panel of its own, set up, then entered."""
    import qt
    import slicer

    parent = slicer.qSlicerScriptedLoadableModuleWidget()
    qt.QVBoxLayout(parent)
    parent.setMRMLScene(slicer.mrmlScene)
    parent.make(widget_class)
    parent.enter()
    return parent.self()


class SampleDataSource:
    """A data set; its fields must be lists of one length, as Slicer makes them of single texts."""

    def __init__(
        self,
        sampleName=None,
        uris=None,
        fileNames=None,
        nodeNames=None,
        checksums=None,
        loadFiles=None,
        customDownloader=None,
        thumbnailFileName=None,
        loadFileTypes=None,
        loadFileProperties=None,
    ):
        fields = [uris, fileNames, nodeNames, loadFiles, loadFileTypes, checksums]
        if isinstance(uris, str):
            fields = [[field] for field in fields]
        elif isinstance(uris, (list, tuple)):
            fields = [[None] * len(uris) if field is None else field for field in fields]
        if len({len(field) for field in fields}) != 1:
            raise ValueError("All fields of sample data source must have the same length")
        self.uris, self.fileNames, self.nodeNames = fields[:3]
        self.sampleName, self.sampleDescription = sampleName, sampleName
        self.customDownloader, self.thumbnailFileName = customDownloader, thumbnailFileName

    def __str__(self):
        return f"{self.sampleName} {self.thumbnailFileName} {self.customDownloader} {self.uris} {self.nodeNames}"

    def __eq__(self, other):
        return str(self) == str(other)


class SampleDataLogic:
    """Registers data sets; `slicer.modules.sampleDataSources` holds them, as in Slicer."""

    @staticmethod
    def registerCustomSampleDataSource(category="Custom", sampleName=None, **settings):
        import slicer

        source = SampleDataSource(sampleName, **settings)
        sources = slicer.modules.sampleDataSources.setdefault(category, [])
        if source not in sources:
            sources.append(source)


def pip_check(requirement) -> bool:
    """Whether a requirement is met by what is installed."""
    from packaging.requirements import Requirement

    parsed = Requirement(str(requirement))
    try:
        version = importlib.metadata.version(parsed.name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return version in parsed.specifier


def pip_ensure(
    requirements,
    constraints=None,
    skip_packages=None,
    prompt_install=True,
    prompt_restart=True,
    requester=None,
    skip_in_testing=True,
    show_progress=True,
):
    """Ask, then install by `slicer.util.pip_install`; Slicer's own interface and refusals."""
    import slicer

    missing = [str(r) for r in requirements if not pip_check(r)]
    if not missing or (skip_in_testing and slicer.app.testingEnabled()):
        return
    if prompt_install and not slicer.util.confirmOkCancelDisplay(f"Install {missing}?", requester):
        raise RuntimeError("User declined package installation")
    slicer.util.pip_install([*(["--constraint", str(constraints)] if constraints else []), *missing])
