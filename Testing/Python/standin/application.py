"""`slicer.app`, `slicer.modules`, a fresh MRML scene, and the watch over threads."""

from __future__ import annotations

import sys
import tempfile
import threading
import types
from pathlib import Path

from PySide6 import QtCore, QtWidgets

_violations: list[str] = []


class Application(QtCore.QObject):
    """The part of qSlicerApplication that modules use."""

    startupCompleted = QtCore.Signal()
    aboutToQuit = QtCore.Signal()
    isStandIn = True

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory(prefix="acseg-slicer-", ignore_cleanup_errors=True)
        self._temporary = self._folder.name
        self._cursors = 0
        self._extensions = ExtensionsManagerModel()

    temporaryPath = QtCore.Property(str, lambda self: self._temporary)
    slicerHome = QtCore.Property(str, lambda self: self._temporary)
    cachePath = QtCore.Property(str, lambda self: self._temporary)

    def translate(self, context, text):
        return _translated(text)

    def processEvents(self):
        QtWidgets.QApplication.processEvents()

    applicationName = "Slicer"
    testing = True

    def testingEnabled(self):
        return self.testing

    def topLevelWidgets(self):
        return QtWidgets.QApplication.topLevelWidgets()

    def setOverrideCursor(self, cursor):
        self._cursors += 1

    def restoreOverrideCursor(self):
        self._cursors -= 1
        assert self._cursors >= 0, "restoreOverrideCursor without setOverrideCursor"

    def moduleManager(self):
        return self._module_manager

    def applicationLogic(self):
        import slicer

        return slicer.modules.applicationLogic

    def layoutManager(self):
        return LayoutManager()

    def userSettings(self):
        return QtCore.QSettings(self._temporary + "/user.ini", QtCore.QSettings.Format.IniFormat)

    def settings(self):
        return self.userSettings()

    def extensionsManagerModel(self):
        return self._extensions


class LayoutManager:
    """Gives the real slice logics of the scene's views."""

    def mrmlSliceLogics(self):
        import slicer

        return slicer.modules.applicationLogic.GetSliceLogics()

    def sliceViewNames(self):
        return ["Red", "Green", "Yellow"]


class ExtensionsManagerModel:
    """Knows one extension on its server; asks nothing where it is not interactive, as Slicer's does."""

    def __init__(self):
        self.interactive, self.installed, self.reachable, self.restarts = True, [], True, 0

    def installExtensionFromServer(self, extensionName, restart=True, update=False):
        assert not self.interactive, "it would ask a second time"
        if extensionName != "PyTorch" or not self.reachable:
            return False
        self.installed.append(extensionName)
        self.restarts += bool(restart)
        return True


class ModuleManager(QtCore.QObject):
    moduleAboutToBeUnloaded = QtCore.Signal(str)

    def moduleNames(self):
        return ["ACSeg", "SegmentEditorACSegFill"]


def install() -> None:
    """Give `slicer` its application; a scene is made by `start_scene`."""
    import slicer

    from standin import widgets

    slicer.app = Application()
    slicer.app._module_manager = ModuleManager()
    i18n = types.ModuleType("slicer.i18n")
    i18n.tr, i18n.translate = _translated, lambda context, text: _translated(text)
    sys.modules["slicer.i18n"] = slicer.i18n = i18n
    for name, cls in widgets.WIDGETS.items():
        if name.startswith("q"):
            setattr(slicer, name, cls)
    start_scene()


def start_scene():
    """Put a new, empty scene with its logics behind `slicer.mrmlScene` and `slicer.modules`."""
    import slicer
    import vtk

    scene = slicer.vtkMRMLScene()
    logic = slicer.vtkSlicerApplicationLogic()
    logic.SetMRMLScene(scene)
    logic.SetTemporaryPath(slicer.app.temporaryPath)
    scene.SetRootDirectory(slicer.app.temporaryPath)
    segmentations = slicer.vtkSlicerSegmentationsModuleLogic()
    segmentations.SetMRMLApplicationLogic(logic)
    segmentations.SetMRMLScene(scene)
    colours = slicer.vtkMRMLColorLogic()
    colours.SetMRMLScene(scene)
    logic.SetModuleLogic("Colors", colours)
    slicer.mrmlScene = scene
    previous = getattr(slicer, "modules", types.SimpleNamespace())
    slicer.modules = types.SimpleNamespace(
        segmentations=types.SimpleNamespace(logic=lambda: segmentations),
        colors=types.SimpleNamespace(logic=lambda: colours),
        plots=types.SimpleNamespace(logic=lambda: _Plots()),
        applicationLogic=logic,
        acseg=types.SimpleNamespace(path=str(Path(__file__).resolve().parents[3] / "ACSeg" / "ACSeg.py")),
        sampleDataSources=getattr(previous, "sampleDataSources", {}),
    )
    slicer.vtkMRMLSliceNode.AddDefaultSliceOrientationPresets(scene)
    views = vtk.vtkCollection()
    for name in ("Red", "Green", "Yellow"):
        views.AddItem(_add_slice_view(scene, name))
    logic.SetSliceLogics(views)
    return scene


def _add_slice_view(scene, name: str):
    import slicer

    view = scene.AddNewNodeByClass("vtkMRMLSliceNode", name)
    view.SetLayoutName(name)
    view.SetSingletonTag(name)
    view.SetOrientation({"Red": "Axial", "Green": "Coronal", "Yellow": "Sagittal"}[name])
    layers = scene.AddNewNodeByClass("vtkMRMLSliceCompositeNode", name + "Composite")
    layers.SetLayoutName(name)
    layers.SetSingletonTag(name)
    logic = slicer.vtkMRMLSliceLogic()
    logic.SetMRMLScene(scene)
    logic.SetSliceNode(view)
    logic.SetSliceCompositeNode(layers)
    return logic


class _Plots:
    """`slicer.modules.plots.logic()`: remembers what was shown."""

    shown = None

    def ShowChartInLayout(self, chart):
        if not chart.IsA("vtkMRMLPlotChartNode"):
            raise TypeError("ShowChartInLayout needs a chart node")
        type(self).shown = chart


def _translated(text):
    """Slicer asks Qt for a translation, which only the main thread may do."""
    if threading.current_thread() is not threading.main_thread():
        _violations.append(f"translation of {text!r} on another thread")
    return text


def watch(frame, event, argument) -> None:
    """Note every call into MRML or Qt made on a thread other than the main one."""
    if event != "c_call":
        return
    owner = getattr(argument, "__self__", None)
    kind = type(owner).__name__
    if kind.startswith(("vtkMRML", "vtkSegment", "vtkOriented", "vtkSlicer")) or isinstance(owner, QtWidgets.QWidget):
        _violations.append(f"{kind}.{argument.__name__} in {frame.f_code.co_filename}:{frame.f_lineno}")


def thread_violations() -> list[str]:
    """Give, and forget, the calls that Slicer would not have survived."""
    found = list(_violations)
    _violations.clear()
    return found
