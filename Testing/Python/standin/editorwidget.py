"""The Segment Editor's widget: which node, volume and effect it has, and whom it tells, as in Slicer's C++."""

from __future__ import annotations

import weakref

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QLabel, QVBoxLayout, QWidget
from shiboken6 import isValid

from standin.effecthost import REGISTERED
from standin.nodebox import qMRMLNodeComboBox, stored


class qMRMLSegmentEditorWidget(QWidget):
    """Follows a segment editor node. Of the effects it has copies of its own, made when it is made, or when asked to.

    Its selectors of nodes work while they are hidden, too: the first node that comes is chosen, unless they offer None.
    """

    segmentationNodeChanged = Signal(object)
    sourceVolumeNodeChanged = Signal(object)
    segmentationNodeSelectorVisible = stored(bool, True)
    sourceVolumeNodeSelectorVisible = stored(bool, True)
    switchToSegmentationsButtonVisible = stored(bool, True)
    autoShowSourceVolumeNode = stored(bool, True)
    maximumNumberOfUndoStates = stored(int, 10)

    def __init__(self, parent=None):
        import slicer

        super().__init__(parent)
        self._scene = self._node = self._segmentation = self._volume = self._active = self._interaction = None
        self._effects = {}
        self._logic = slicer.vtkSlicerSegmentEditorLogic()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        self._heading = QLabel("Segment Editor", self)
        layout.addWidget(self._heading)
        self._boxes = [
            self._selector("SegmentationNodeComboBox", "vtkMRMLSegmentationNode", self.setSegmentationNode),
            self._selector("SourceVolumeNodeComboBox", "vtkMRMLScalarVolumeNode", self.setSourceVolumeNode),
        ]
        self._frame = QWidget(self)
        QVBoxLayout(self._frame).setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._frame)
        self.updateEffectList()

    def _selector(self, name, kind, choose):
        box = qMRMLNodeComboBox(self)
        box.setObjectName(name)
        box.setVisible(False)
        box.nodeTypes = [kind]
        box.showChildNodeTypes = kind != "vtkMRMLScalarVolumeNode"

        def chosen(node):
            if self._scene is not None and not self._scene.IsBatchProcessing():
                choose(node)

        box.currentNodeChanged.connect(chosen)
        return box

    # -- scene and nodes

    def setMRMLScene(self, scene):
        if scene is self._scene:
            return
        self._scene = scene
        for box in self._boxes:
            blocked = box.blockSignals(True)
            box.setMRMLScene(scene)
            box.blockSignals(blocked)
        self._logic.SetMRMLScene(scene)
        if scene is not None:
            self._interaction = scene.GetNodeByID("vtkMRMLInteractionNodeSingleton")
            self._observe(self._interaction, "ModifiedEvent", self._on_interaction)
            self._observe(scene, scene.EndCloseEvent, self._initialize)
            self._observe(scene, scene.EndBatchProcessEvent, self._on_batch)
        self._update()

    def _observe(self, subject, event, slot):
        """Until the widget goes: it may go before what it observes, which must not call it then."""
        if subject is not None:
            here = weakref.ref(self)
            subject.AddObserver(event, lambda *_: here() is not None and isValid(here()) and slot())

    def _on_batch(self):
        """A scene was read, or closed: what the selectors show then counts."""
        if self._node is not None:
            self.setSegmentationNode(self._boxes[0].currentNode())
            if self._boxes[1].currentNode() is None or self._logic.GetSegmentationNode() is not None:
                self._logic.SetSourceVolumeNode(self._boxes[1].currentNode())
        self._update()

    def _on_interaction(self):
        if self._active is not None:
            self._active.interactionNodeModified(self._interaction)

    def setMRMLSegmentEditorNode(self, node):
        if node is not None and not node.IsA("vtkMRMLSegmentEditorNode"):
            raise TypeError("setMRMLSegmentEditorNode needs a vtkMRMLSegmentEditorNode")
        if node is self._node:
            return
        self._node = node
        self._logic.SetSegmentEditorNode(node)
        if node is None:
            return
        self._observe(node, "ModifiedEvent", lambda: node is self._node and self._update())
        self._initialize()
        self._update()

    def _initialize(self):
        """Give the node to the effects; nothing is told of it meanwhile."""
        if self._node is not None:
            was = self._node.StartModify()
            for effect in self._effects.values():
                self._give_node(effect)
            self._node.EndModify(was)

    def _give_node(self, effect):
        effect.setParameterSetNode(self._node)
        effect.setMRMLDefaults()
        node = self._node
        self._observe(node, node.EffectParameterModified, lambda: node is self._node and effect.updateGUIFromMRML())

    def mrmlSegmentEditorNode(self):
        return self._node

    def setSegmentationNode(self, node):
        if node is not None and not node.IsA("vtkMRMLSegmentationNode"):
            raise TypeError("setSegmentationNode needs a segmentation node")
        if node is self._logic.GetSegmentationNode():
            return
        if self._node is None:
            raise ValueError("Slicer logs an error: need to set segment editor node first")
        self._logic.SetSegmentationNode(node)
        self.setActiveEffectByName("")

    def setSourceVolumeNode(self, node):
        if node is not None and not node.IsA("vtkMRMLScalarVolumeNode"):
            raise TypeError("setSourceVolumeNode needs a volume node")
        if node is not None and self._logic.GetSegmentationNode() is None:
            raise ValueError("Slicer logs an error: need to set segment editor and segmentation nodes first")
        self._logic.SetSourceVolumeNode(node)

    def segmentationNode(self):
        return self._boxes[0].currentNode()

    def sourceVolumeNode(self):
        return self._logic.GetSourceVolumeNode()

    # -- what a change of the node leads to

    def _update(self):
        """Show the node; a change that this makes is shown in a round of its own."""
        scene, node = self._scene, self._node
        if scene is None or node is None or scene.IsClosing() or scene.IsBatchProcessing():
            return
        was = node.StartModify()
        self._follow_segmentation()
        self._follow_volume()
        self._follow_effect()
        node.EndModify(was)

    def _follow_segmentation(self):
        segmentation = self._logic.GetSegmentationNode()
        self._show(self._boxes[0], segmentation)
        if segmentation is self._segmentation:
            return
        self._segmentation = segmentation
        if segmentation is not None:
            role = segmentation.GetReferenceImageGeometryReferenceRole()
            self._boxes[1].setCurrentNode(segmentation.GetNodeReference(role))
            segmentation.CreateDefaultDisplayNodes()
            if segmentation.GetSegmentation().GetNumberOfSegments():
                self._node.SetSelectedSegmentID(segmentation.GetSegmentation().GetNthSegmentID(0))
        self.segmentationNodeChanged.emit(segmentation)

    def _follow_volume(self):
        volume = self._logic.GetSourceVolumeNode()
        if self._segmentation is None or volume is self._volume:
            return
        self._volume = volume
        self._show(self._boxes[1], volume)
        self.sourceVolumeNodeChanged.emit(volume)
        for effect in self._effects.values():
            effect.sourceVolumeNodeChanged()

    @staticmethod
    def _show(box, node):
        blocked = box.blockSignals(True)
        box.setCurrentNode(node)
        box.blockSignals(blocked)

    def _follow_effect(self):
        wanted = self._effects.get(self._node.GetActiveEffectName() or "")
        if wanted is self._active:
            return
        if self._active is not None:
            self._active.deactivate()
        if wanted is not None and self._segmentation is None:
            wanted = None  # there is nothing whose representation could be made a binary labelmap
        self._active = wanted
        if wanted is not None:
            wanted.activate()

    # -- effects

    def setActiveEffectByName(self, name):
        if self._node is None:
            if name:
                raise ValueError("Slicer logs an error: Invalid segment editor parameter set node")
            return
        if name and name not in self._effects:
            raise ValueError(f"the editor knows no effect {name!r}; there are {sorted(self._effects)}")
        self._node.SetActiveEffectName(name)

    def activeEffect(self):
        return self._active

    def updateEffectList(self):
        """Copy the effects that are registered now; the widget does so by itself only when it is made."""
        for name, effect in REGISTERED.items():
            if name in self._effects:
                continue
            copy = self._effects[name] = effect.clone()
            copy.install(self, self._logic)
            if self._node is not None:
                self._give_node(copy)
            copy.setupOptionsFrame()
            copy.optionsFrame().setVisible(False)
            self._frame.layout().addWidget(copy.optionsFrame())

    def availableEffectNames(self):
        return sorted(self._effects)

    def effectByName(self, name):
        return self._effects.get(name)

    def undo(self):
        self._logic.Undo()

    def redo(self):
        self._logic.Redo()

    def setupViewObservations(self):
        pass

    def removeViewObservations(self):
        pass

    def installKeyboardShortcuts(self):
        pass

    def uninstallKeyboardShortcuts(self):
        pass
