"""Stand-ins of Slicer's MRML widgets and of CTK's: their properties, signals and refusals, in PySide6."""

from __future__ import annotations

import weakref
from typing import ClassVar

from PySide6.QtCore import Property, Qt, Signal
from PySide6.QtWidgets import (
    QComboBox,
    QDoubleSpinBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QSlider,
    QToolButton,
    QVBoxLayout,
    QWidget,
)
from shiboken6 import isValid


def stored(kind, default):
    """Make a Qt property that only holds a value."""
    cell = {}

    def get(self):
        return cell.get(id(self), default)

    def put(self, value):
        cell[id(self)] = value

    return Property(kind, get, put)


class qMRMLWidget(QWidget):
    mrmlSceneChanged = Signal(object)
    SLICER_SIGNALS: ClassVar[dict[str, str]] = {"mrmlSceneChanged(vtkMRMLScene*)": "mrmlSceneChanged"}

    def __init__(self, parent=None):
        super().__init__(parent)
        self._scene = None

    isEntered = True

    def setMRMLScene(self, scene):
        if scene is not None and not scene.IsA("vtkMRMLScene"):
            raise TypeError(f"setMRMLScene needs a scene, not {scene!r}")
        self._scene = scene
        self.mrmlSceneChanged.emit(scene)

    def mrmlScene(self):
        return self._scene


class qMRMLNodeComboBox(QComboBox):
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
        nodes = self.nodes()
        current = self._node if self._node in nodes else None
        if current is None and nodes and not self.noneEnabled:
            current = nodes[0]
        self.blockSignals(True)
        self.clear()
        if self.noneEnabled or not nodes:
            self.addItem(self.noneDisplay, None)
        for node in nodes:
            self.addItem(node.GetName(), node.GetID())
        self.blockSignals(False)
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


class ctkCollapsibleButton(QWidget):
    contentsCollapsed = Signal(bool)
    toggled = Signal(bool)

    def __init__(self, parent=None):
        super().__init__(parent)
        self._collapsed, self._text = False, ""
        self.setContentsMargins(0, 28, 0, 0)
        self._button = QToolButton(self)
        self._button.setObjectName("collapseHeader")
        self._button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self._button.setAutoRaise(True)
        self._button.clicked.connect(lambda: self._set_collapsed(not self._collapsed))
        self._draw()

    def _draw(self):
        self._button.setArrowType(Qt.ArrowType.RightArrow if self._collapsed else Qt.ArrowType.DownArrow)
        self._button.setText(self._text)

    def resizeEvent(self, event):
        self._button.setGeometry(0, 0, self.geometry.width(), 26)

    def _get_collapsed(self):
        return self._collapsed

    def _set_collapsed(self, collapsed):
        self._collapsed = bool(collapsed)
        for child in self.children():
            if isinstance(child, QWidget) and child is not self._button:
                child.setVisible(not self._collapsed)
        self.setMaximumHeight(28 if self._collapsed else 16777215)
        self._draw()
        self.contentsCollapsed.emit(self._collapsed)

    def _get_text(self):
        return self._text

    def _set_text(self, text):
        self._text = text
        self._draw()

    collapsed = Property(bool, _get_collapsed, _set_collapsed)
    checked = Property(bool, lambda self: not self._collapsed, lambda self, v: self._set_collapsed(not v))
    text = Property(str, _get_text, _set_text)


class ctkPathLineEdit(QWidget):
    currentPathChanged = Signal(str)
    Files, Dirs = 2, 1
    filters = stored(int, 2)

    def __init__(self, parent=None):
        super().__init__(parent)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        self._edit, self._browse = QLineEdit(self), QToolButton(self)
        self._browse.setText("...")
        layout.addWidget(self._edit)
        layout.addWidget(self._browse)
        self._edit.textChanged.connect(self.currentPathChanged)

    currentPath = Property(str, lambda self: self._edit.text, lambda self, value: self._edit.setText(value))


class ctkSliderWidget(QWidget):
    valueChanged = Signal(float)
    decimals = stored(int, 2)

    def __init__(self, parent=None):
        super().__init__(parent)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        self._slider, self._spin = QSlider(Qt.Orientation.Horizontal, self), QDoubleSpinBox(self)
        layout.addWidget(self._slider)
        layout.addWidget(self._spin)
        self._spin.valueChanged.connect(self._moved)
        self._slider.valueChanged.connect(lambda v: self._spin.setValue(self._at(v)))

    def _at(self, position):
        return self._spin.minimum + position / 100 * (self._spin.maximum - self._spin.minimum)

    def _moved(self, value):
        span = (self._spin.maximum - self._spin.minimum) or 1
        self._slider.blockSignals(True)
        self._slider.setValue(round(100 * (value - self._spin.minimum) / span))
        self._slider.blockSignals(False)
        self.valueChanged.emit(value)

    def _delegate(name):
        return Property(float, lambda s: getattr(s._spin, name), lambda s, v: setattr(s._spin, name, v))

    value = _delegate("value")
    minimum = _delegate("minimum")
    maximum = _delegate("maximum")
    singleStep = _delegate("singleStep")
    spinBoxVisible = Property(bool, lambda s: not s._spin.isHidden(), lambda s, v: s._spin.setVisible(v))


class qMRMLSegmentEditorWidget(QWidget):
    """Shows which effects are there; the active one is hosted by `effecthost`."""

    segmentationNodeSelectorVisible = stored(bool, True)
    sourceVolumeNodeSelectorVisible = stored(bool, True)
    switchToSegmentationsButtonVisible = stored(bool, True)
    autoShowSourceVolumeNode = stored(bool, True)
    maximumNumberOfUndoStates = stored(int, 10)

    def __init__(self, parent=None):
        super().__init__(parent)
        self._scene = self._editor_node = self._host = None
        self._hosts = {}
        self.updateEffectList()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        self._heading = QLabel("Segment Editor", self)
        layout.addWidget(self._heading)
        self._frame = QWidget(self)
        self._frame_layout = QFormLayout(self._frame)
        layout.addWidget(self._frame)

    def setMRMLScene(self, scene):
        self._scene = scene

    def setMRMLSegmentEditorNode(self, node):
        if node is not None and not node.IsA("vtkMRMLSegmentEditorNode"):
            raise TypeError("setMRMLSegmentEditorNode needs a vtkMRMLSegmentEditorNode")
        self._editor_node = node

    def mrmlSegmentEditorNode(self):
        return self._editor_node

    def setSegmentationNode(self, node):
        if node is not None and not node.IsA("vtkMRMLSegmentationNode"):
            raise TypeError("setSegmentationNode needs a segmentation node")
        if self._editor_node and node is not self._editor_node.GetSegmentationNode():
            self._editor_node.SetAndObserveSegmentationNode(node)
            self.setActiveEffectByName("")

    def setSourceVolumeNode(self, node):
        if node is not None and not node.IsA("vtkMRMLScalarVolumeNode"):
            raise TypeError("setSourceVolumeNode needs a volume node")
        if self._editor_node:
            self._editor_node.SetAndObserveSourceVolumeNode(node)

    def segmentationNode(self):
        return self._editor_node.GetSegmentationNode() if self._editor_node else None

    def sourceVolumeNode(self):
        return self._editor_node.GetSourceVolumeNode() if self._editor_node else None

    def setActiveEffectByName(self, name):
        from standin.effecthost import Host

        if self._host is not None:
            self._host.deactivate()
            self._host.optionsFrame().setParent(None)
            self._host = None
        if name:
            if name not in self._effects:
                raise ValueError(f"the editor knows no effect {name!r}; there are {sorted(self._effects)}")
            key = name, self._editor_node.GetID()
            self._host = self._hosts.setdefault(key, None) or Host(name, self._editor_node)
            self._hosts[key] = self._host  # an effect lives as long as the editor
            self._frame_layout.addRow(self._host.optionsFrame())
            self._host.activate()

    def activeEffect(self):
        return self._host

    def updateEffectList(self):
        """Take over the effects that are registered now; the widget does so by itself only when it is made."""
        from standin import effecthost

        self._effects = set(effecthost.registered())

    def availableEffectNames(self):
        return sorted(self._effects)

    def undo(self):
        self._host.undo()

    def redo(self):
        self._host.redo()

    def setupViewObservations(self):
        pass

    def removeViewObservations(self):
        pass

    def installKeyboardShortcuts(self):
        pass

    def uninstallKeyboardShortcuts(self):
        pass


class qMRMLSegmentationShow3DButton(QPushButton):
    """Shows a segmentation's surfaces; pressed in where they are there, disabled without a segmentation."""

    def __init__(self, parent=None):
        super().__init__("Show 3D", parent)
        self._node = None
        self.setCheckable(True)
        self.setEnabled(False)
        self.toggled.connect(self._show)

    def setSegmentationNode(self, node):
        if node is not None and not node.IsA("vtkMRMLSegmentationNode"):
            raise TypeError("setSegmentationNode needs a segmentation node")
        self._node = node
        self.setEnabled(node is not None)

    def segmentationNode(self):
        return self._node

    def _show(self, on):
        if on:
            self._node.CreateClosedSurfaceRepresentation()
        else:
            self._node.RemoveClosedSurfaceRepresentation()


class qMRMLTableView(QWidget):
    def __init__(self, parent=None):
        from PySide6.QtWidgets import QTableWidget

        super().__init__(parent)
        self._node = None
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        self._table = QTableWidget(self)
        layout.addWidget(self._table)

    def setMRMLScene(self, scene):
        pass

    def setMRMLTableNode(self, node):
        if node is not None and not node.IsA("vtkMRMLTableNode"):
            raise TypeError("setMRMLTableNode needs a table node")
        from PySide6.QtWidgets import QTableWidgetItem

        self._node = node
        table = node.GetTable() if node else None
        columns = table.GetNumberOfColumns() if table else 0
        self._table.setColumnCount(columns)
        self._table.setRowCount(table.GetNumberOfRows() if table else 0)
        self._table.setHorizontalHeaderLabels([_heading(node, table.GetColumnName(c)) for c in range(columns)])
        for row in range(self._table.rowCount):
            for column in range(columns):
                item = QTableWidgetItem(table.GetValue(row, column).ToString())
                self._table.setItem(row, column, item)
        self._table.resizeColumnsToContents()

    def mrmlTableNode(self):
        return self._node

    def columnCount(self):
        return self._table.columnCount

    def header(self, column):
        return self._table.horizontalHeaderItem(column).text()


def _heading(node, name):
    """As qMRMLTableModel: the title where the node asks for it, with the unit in brackets; else the name."""
    if not node.GetUseColumnTitleAsColumnHeader():
        return name
    unit = node.GetColumnUnitLabel(name)
    return (node.GetColumnTitle(name) or name) + (f" [{unit}]" if unit else "")


WIDGETS = {
    cls.__name__: cls
    for cls in (
        qMRMLWidget,
        qMRMLNodeComboBox,
        qMRMLSegmentEditorWidget,
        qMRMLSegmentationShow3DButton,
        qMRMLTableView,
        ctkCollapsibleButton,
        ctkPathLineEdit,
        ctkSliderWidget,
    )
}
