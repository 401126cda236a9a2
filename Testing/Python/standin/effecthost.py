"""Hosts scripted Segment Editor effects as Slicer's C++ classes do, over the real vtkSlicerSegmentEditorLogic."""

from __future__ import annotations

import importlib.util
import sys
import types
from pathlib import Path

from PySide6 import QtCore, QtWidgets

#: The registered effects by their names; each editor has copies of them.
REGISTERED: dict[str, ScriptedEffect] = {}


def install(upstream: str | None = None) -> None:
    """Register the modules from which effects import their base and their adaptor; `upstream` as in `standin`."""
    import slicer

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
    package = types.ModuleType("SegmentEditorEffects")
    package.AbstractScriptedSegmentEditorEffect = _own_base(upstream) or AbstractScriptedSegmentEditorEffect
    sys.modules["SegmentEditorEffects"] = package


def _own_base(upstream: str | None) -> type | None:
    """Slicer's own base class of scripted effects, where its sources are there."""
    if not upstream:
        return None
    effects = "Modules/Loadable/Segmentations/EditorEffects/Python/SegmentEditorEffects"
    name = "AbstractScriptedSegmentEditorEffect"
    spec = importlib.util.spec_from_file_location(name, Path(upstream).parents[2] / effects / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return getattr(module, name)


class EffectFactory(QtCore.QObject):
    """Knows the registered effects; there is one, which `instance` gives."""

    effectRegistered = QtCore.Signal(str)
    _one = None

    @classmethod
    def instance(cls):
        cls._one = cls._one or cls()
        return cls._one

    def registerEffect(self, effect):
        """Take an effect; one of the name of another is refused."""
        if effect.name in REGISTERED:
            return False
        REGISTERED[effect.name] = effect
        self.effectRegistered.emit(effect.name)
        return True


class AbstractScriptedSegmentEditorEffect:
    """Base of scripted effects, as far as C++ and the effects use it."""

    def __init__(self, scriptedEffect):
        self.scriptedEffect = scriptedEffect

    def register(self):
        import slicer

        slicer.qSlicerSegmentEditorEffectFactory.instance().registerEffect(self.scriptedEffect)

    def cleanup(self):
        pass


class ScriptedEffect:
    """The adaptor qSlicerSegmentEditorScriptedEffect: what C++ calls in Python, and what Python calls in C++.

    An editor makes it, builds its frame, and gives it a node later; `activate` shows its frame.
    """

    def __init__(self, parent=None):
        self.name = self.title = ""
        self.perSegment = self.requireSegments = True
        self.showEffectCursorInSliceView, self.showEffectCursorInThreeDView = True, False
        self._node = self._logic = self._effect = self._editor = None
        self._active = False
        self._frame = QtWidgets.QFrame()
        self._form = QtWidgets.QFormLayout(self._frame)

    def setPythonSource(self, path):
        """Load the effect as Slicer does: the folder's name is the module, the file's base name the class."""
        folder, name = Path(path).parent.name, Path(path).stem
        module = sys.modules.get(folder)
        if module is None or not hasattr(module, name):
            spec = importlib.util.spec_from_file_location(folder, path)
            module = importlib.util.module_from_spec(spec)
            sys.modules[folder] = module
            spec.loader.exec_module(module)
        self._effect = getattr(module, name)(self)

    def self(self):
        return self._effect

    # -- called by the editor
    def clone(self):
        return self._effect.clone()

    def install(self, editor, logic):
        """Belong to an editor: what an effect asks for goes through the editor's logic."""
        self._editor, self._logic = editor, logic

    def setParameterSetNode(self, node):
        self._node = node

    def setMRMLDefaults(self):
        self._effect.setMRMLDefaults()

    def setupOptionsFrame(self):
        self._effect.setupOptionsFrame()

    def activate(self):
        self._frame.setVisible(True)
        self._active = True
        self.updateGUIFromMRML()
        self._effect.activate()

    def deactivate(self):
        self._frame.setVisible(False)
        self._active = False
        self._effect.deactivate()

    def active(self):
        return self._active

    def updateGUIFromMRML(self, *_ignored):
        """Only an active effect is told; one that is activated is told then."""
        if self._active:
            self._effect.updateGUIFromMRML()

    def sourceVolumeNodeChanged(self):
        self._effect.sourceVolumeNodeChanged()

    def interactionNodeModified(self, node):
        """An effect that does not say otherwise is left where the mouse places markups, or changes the window."""
        if hasattr(self._effect, "interactionNodeModified"):
            self._effect.interactionNodeModified(node)
        elif node.GetCurrentInteractionMode() != node.ViewTransform:
            self.selectEffect("")

    def cleanup(self):
        self._effect.cleanup()

    # -- called by the effect
    def selectEffect(self, name):
        self._editor.setActiveEffectByName(name)

    def parameterSetNode(self):
        return self._node

    def optionsFrame(self):
        return self._frame

    def addOptionsWidget(self, item):
        self._form.addRow(self._adopted(item))

    def addLabeledOptionsWidget(self, label, item):
        heading = QtWidgets.QLabel(label)
        self._form.addRow(heading, self._adopted(item))
        return heading

    def _adopted(self, item):
        if isinstance(item, QtWidgets.QWidget):
            item.setParent(self._frame)
            policy = QtWidgets.QSizePolicy.Policy
            item.setSizePolicy(policy.Preferred, policy.MinimumExpanding)
        return item

    def _key(self, name):
        return f"{self.name}.{name}"

    def parameterDefined(self, name):
        return self.commonParameterDefined(self._key(name))

    def commonParameterDefined(self, name):
        return self._node is not None and bool(self._node.GetAttribute(name))  # an empty text is as good as none

    def parameter(self, name):
        if self._node is None:
            return ""
        for key in (self._key(name), name):
            if self._node.GetAttribute(key) is not None:
                return self._node.GetAttribute(key)
        raise KeyError(f"effect {self.name} has no parameter {name!r}")

    def integerParameter(self, name):
        return int(self.parameter(name)) if self._node is not None else 0

    def doubleParameter(self, name):
        return float(self.parameter(name)) if self._node is not None else 0.0

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
        return f"{value:g}" if isinstance(value, float) else str(int(value)) if isinstance(value, bool) else str(value)

    def _store(self, key, value):
        text, old = self._text(value), self._node.GetAttribute(key)
        if text == old or (old is None and not text):
            return
        was = self._node.GetDisableModifiedEvent()
        self._node.SetDisableModifiedEvent(1)
        self._node.SetAttribute(key, text)
        self._node.SetDisableModifiedEvent(was)
        self._node.InvokeCustomModifiedEvent(self._node.EffectParameterModified)

    def nodeReference(self, name):
        if self._node is None:
            return None
        return self._node.GetNodeReference(self._key(name)) or self._node.GetNodeReference(name)

    def setCommonNodeReference(self, name, node):
        if node is not self._node.GetNodeReference(name):
            self._node.SetNodeReferenceID(name, node.GetID() if node else None)
            self._node.InvokeCustomModifiedEvent(self._node.EffectParameterModified)

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
        return self._node.GetScene() if self._node is not None else None


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
