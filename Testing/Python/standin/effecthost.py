"""Hosts a scripted Segment Editor effect over the real vtkSlicerSegmentEditorLogic."""

from __future__ import annotations

import importlib.util
import sys
import types
from pathlib import Path

from PySide6 import QtCore, QtWidgets

_registered: dict[str, Host] = {}


def registered() -> list[str]:
    """Names of the registered effects."""
    return list(_registered)


def install() -> None:
    """Register the modules from which effects import their base and their adaptor."""
    import slicer

    package = types.ModuleType("SegmentEditorEffects")
    package.AbstractScriptedSegmentEditorEffect = AbstractScriptedSegmentEditorEffect
    sys.modules["SegmentEditorEffects"] = package
    adaptor = types.ModuleType("qSlicerSegmentationsEditorEffectsPythonQt")
    adaptor.qSlicerSegmentEditorScriptedEffect = ScriptedEffect
    sys.modules[adaptor.__name__] = adaptor
    slicer.qSlicerSegmentEditorEffectFactory = EffectFactory
    modes = slicer.vtkSlicerSegmentEditorLogic
    slicer.qSlicerSegmentEditorAbstractEffect = types.SimpleNamespace(
        ModificationModeSet=modes.ModificationModeSet,
        ModificationModeAdd=modes.ModificationModeAdd,
        ModificationModeRemove=modes.ModificationModeRemove,
    )


class EffectFactory(QtCore.QObject):
    """Knows the registered effects; there is one, which `instance` gives."""

    effectRegistered = QtCore.Signal(str)
    _one = None

    @classmethod
    def instance(cls):
        cls._one = cls._one or cls()
        return cls._one


class AbstractScriptedSegmentEditorEffect:
    """Base of scripted effects, as far as C++ and the effects use it."""

    def __init__(self, scriptedEffect):
        self.scriptedEffect = scriptedEffect

    def register(self):
        _registered[self.scriptedEffect.name] = self.scriptedEffect
        EffectFactory.instance().effectRegistered.emit(self.scriptedEffect.name)

    def cleanup(self):
        pass


class ScriptedEffect:
    """The adaptor qSlicerSegmentEditorScriptedEffect; `Host` makes one that is bound to an editor node."""

    def __init__(self, parent=None):
        self.name = self.title = ""
        self.perSegment = self.requireSegments = True
        self.showEffectCursorInSliceView = self.showEffectCursorInThreeDView = False
        self._node = self._logic = self._effect = None
        self._active = False

    def setPythonSource(self, path):
        """Load the effect as Slicer does: the folder's name is the module, the file's base name the class."""
        folder, name = Path(path).parent.name, Path(path).stem
        module = sys.modules.get(folder)
        if module is None or not hasattr(module, name):
            spec = importlib.util.spec_from_file_location(folder, path)
            module = importlib.util.module_from_spec(spec)
            sys.modules[folder] = module
            spec.loader.exec_module(module)
        self._source = path
        self._effect = getattr(module, name)(self)

    def self(self):
        return self._effect


class Host(ScriptedEffect):
    """A registered effect at work on a segment editor node."""

    def __init__(self, name, node):
        import slicer

        super().__init__()
        if name not in _registered:
            raise ValueError(f"no effect {name!r} is registered; there are {sorted(_registered)}")
        self._frame = QtWidgets.QFrame()
        self._form = QtWidgets.QFormLayout(self._frame)
        self._node = node
        self._logic = slicer.vtkSlicerSegmentEditorLogic()
        self._logic.SetMRMLScene(slicer.mrmlScene)
        self._history = slicer.vtkSegmentationHistory()
        self._logic.SetSegmentationHistory(self._history)
        self._logic.SetSegmentEditorNode(node)
        self._update_inputs()
        self.setPythonSource(_registered[name]._source)
        self._effect.setMRMLDefaults()
        node.AddObserver(node.EffectParameterModified, lambda caller, event: self._effect.updateGUIFromMRML())
        self._effect.setupOptionsFrame()

    def _update_inputs(self):
        if self._node is not None:
            self._history.SetSegmentation(
                self._node.GetSegmentationNode().GetSegmentation() if self._node.GetSegmentationNode() else None
            )

    # -- life cycle, called by the editor widget
    def activate(self):
        self._active = True
        self._node.SetActiveEffectName(self.name)
        self._effect.updateGUIFromMRML()
        self._effect.activate()

    def deactivate(self):
        self._active = False
        self._effect.deactivate()

    def active(self):
        return self._active

    def undo(self):
        self._logic.Undo()

    def redo(self):
        self._logic.Redo()

    # -- host interface of the effect
    def parameterSetNode(self):
        return self._node

    def optionsFrame(self):
        return self._frame

    def addOptionsWidget(self, item):
        self._form.addRow(item)

    def addLabeledOptionsWidget(self, label, item):
        heading = QtWidgets.QLabel(label)
        self._form.addRow(heading, item)
        return heading

    def _key(self, name):
        return f"{self.name}.{name}"

    def parameterDefined(self, name):
        return self.commonParameterDefined(self._key(name))

    def commonParameterDefined(self, name):
        return bool(self._node.GetAttribute(name))  # an empty text is as good as none, in Slicer as well

    def parameter(self, name):
        for key in (self._key(name), name):
            if self._node.GetAttribute(key) is not None:
                return self._node.GetAttribute(key)
        raise KeyError(f"effect {self.name} has no parameter {name!r}")

    def integerParameter(self, name):
        return int(self.parameter(name))

    def doubleParameter(self, name):
        return float(self.parameter(name))

    def setParameter(self, name, value):
        self._store(self._key(name), value)

    def setCommonParameter(self, name, value):
        self._store(name, value)

    def setParameterDefault(self, name, value):
        if not self.parameterDefined(name):
            self.setParameter(name, value)

    @staticmethod
    def _text(value):
        if not isinstance(value, (str, int, float)):
            raise TypeError(f"effect parameters are text or numbers, not {value!r}")
        return str(int(value)) if isinstance(value, bool) else str(value)

    def _store(self, key, value):
        text, old = self._text(value), self._node.GetAttribute(key)
        if text == old or (old is None and not text):
            return
        was = self._node.GetDisableModifiedEvent()
        self._node.SetDisableModifiedEvent(1)
        self._node.SetAttribute(key, text)
        self._node.SetDisableModifiedEvent(was)
        self._node.InvokeEvent(self._node.EffectParameterModified)

    def nodeReference(self, name):
        return self._node.GetNodeReference(self._key(name)) or self._node.GetNodeReference(name)

    def setCommonNodeReference(self, name, node):
        if node is not self._node.GetNodeReference(name):
            self._node.SetNodeReferenceID(name, node.GetID() if node else None)
            self._node.InvokeEvent(self._node.EffectParameterModified)

    def setNodeReference(self, name, node):
        self.setCommonNodeReference(self._key(name), node)

    def sourceVolumeImageData(self):
        self._logic.UpdateReferenceGeometryImage()
        self._logic.UpdateAlignedSourceVolume()
        return self._logic.GetAlignedSourceVolume()

    def referenceGeometryImage(self):
        self._logic.UpdateReferenceGeometryImage()
        return self._logic.GetReferenceGeometryImage()

    def saveStateForUndo(self):
        self._logic.SaveStateForUndo()

    def scene(self):
        import slicer

        return slicer.mrmlScene


def label_image(mask, volume):
    """A vtkOrientedImageData with a mask of shape (k, j, i) on the grid of a volume node."""
    import numpy as np
    import slicer
    import vtk
    from vtk.util.numpy_support import numpy_to_vtk

    image = slicer.vtkOrientedImageData()
    image.SetDimensions(mask.shape[::-1])
    scalars = numpy_to_vtk(np.ascontiguousarray(mask, np.uint8).ravel(), deep=True)
    image.GetPointData().SetScalars(scalars)
    matrix = vtk.vtkMatrix4x4()
    volume.GetIJKToRASMatrix(matrix)
    image.SetGeometryFromImageToWorldMatrix(matrix)
    return image
