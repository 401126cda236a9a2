"""The selector of nodes qMRMLNodeComboBox, and properties that only hold a value."""

from __future__ import annotations

import weakref
from typing import ClassVar

from PySide6.QtCore import Property, Signal
from PySide6.QtWidgets import QComboBox
from shiboken6 import isValid


def stored(kind, default):
    """Make a Qt property that only holds a value."""
    cell = {}

    def get(self):
        return cell.get(id(self), default)

    def put(self, value):
        cell[id(self)] = value

    return Property(kind, get, put)


class qMRMLNodeComboBox(QComboBox):
    """Shows nodes of some classes; as in Slicer, there is nothing for None unless `noneEnabled`."""

    currentNodeChanged = Signal(object)
    nodeAddedByUser = Signal(object)
    SLICER_SIGNALS: ClassVar[dict[str, str]] = {
        "nodeAddedByUser(vtkMRMLNode*)": "nodeAddedByUser",
        "currentNodeChanged(vtkMRMLNode*)": "currentNodeChanged",
        "currentNodeChanged(bool)": "currentNodeChanged",
    }
    noneEnabled = stored(bool, False)
    addEnabled = stored(bool, True)
    removeEnabled = stored(bool, True)
    editEnabled = stored(bool, False)
    renameEnabled = stored(bool, False)
    showHidden = stored(bool, False)
    showChildNodeTypes = stored(bool, True)
    selectNodeUponCreation = stored(bool, True)
    noneDisplay = stored(str, "None")
    baseName = stored(str, "")

    def __init__(self, parent=None):
        super().__init__(parent)
        self._scene, self._tags, self._types, self._node = None, [], [], None
        self.activated.connect(self._pick)

    def _get_types(self):
        return self._types

    def _set_types(self, types):
        import slicer

        unknown = [t for t in types if t and not hasattr(slicer, t)]
        if unknown:
            raise ValueError(f"unknown node class {unknown[0]}")
        self._types = list(types)

    nodeTypes = Property("QStringList", _get_types, _set_types)

    def setMRMLScene(self, scene):
        if self._scene is not None:
            for tag in self._tags:
                self._scene.RemoveObserver(tag)
        self._scene, self._tags = scene, []
        if scene is not None:
            events = (scene.NodeAddedEvent, scene.NodeRemovedEvent, scene.EndCloseEvent)
            here = weakref.ref(self)  # the scene must not own the widget: it would be destroyed with an observer

            def refresh(*_ignored):
                widget = here()
                if widget is not None and isValid(widget):
                    widget._refresh()

            self._tags = [scene.AddObserver(event, refresh) for event in events]
        self._refresh()

    def mrmlScene(self):
        return self._scene

    def nodes(self):
        found = []
        for kind in self._types if self._scene else []:
            collection = self._scene.GetNodesByClass(kind)
            collection.UnRegister(None)
            found += [collection.GetItemAsObject(n) for n in range(collection.GetNumberOfItems())]
        if not self.showChildNodeTypes:
            found = [n for n in found if n.GetClassName() in self._types]
        return [n for n in found if self.showHidden or not n.GetHideFromEditors()]

    def _refresh(self):
        """Show the nodes that are there; without None to choose, the first is, unless none was and there were some."""
        nodes = self.nodes()
        current = self._node if self._node in nodes else None
        wasEmpty = not any(self.itemData(n) for n in range(self.count))
        if current is None and nodes and not self.noneEnabled and (wasEmpty or self._node is not None):
            current = nodes[0]
        blocked = self.blockSignals(True)
        self.clear()
        if self.noneEnabled or not nodes:
            self.addItem(self.noneDisplay, None)
        for node in nodes:
            self.addItem(node.GetName(), node.GetID())
        self.blockSignals(blocked)
        self.setCurrentNode(current)

    def _pick(self, index):
        identifier = self.itemData(index)
        self.setCurrentNode(self._scene.GetNodeByID(identifier) if identifier else None)

    def setCurrentNode(self, node):
        if node is not None and not any(node.IsA(t) for t in self._types):
            raise TypeError(f"{self.objectName} shows {self._types}, not {node.GetClassName()}")
        changed = node is not self._node
        self._node = node
        self.setCurrentIndex(max(0, self.findData(node.GetID() if node else None)))
        if changed:
            self.currentNodeChanged.emit(node)

    def currentNode(self):
        return self._node

    def currentNodeID(self):
        return self._node.GetID() if self._node else ""

    def addNode(self):
        node = self._scene.AddNewNodeByClass(self._types[0], self.baseName or "")
        if self.selectNodeUponCreation:
            self.setCurrentNode(node)
        self.nodeAddedByUser.emit(node)
        return node
