"""Stand-ins of Slicer's MRML widgets and of CTK's: their properties, signals and refusals, in PySide6."""

from __future__ import annotations

from typing import ClassVar

from PySide6.QtCore import Property, Qt, Signal
from PySide6.QtWidgets import (
    QDoubleSpinBox,
    QHBoxLayout,
    QLineEdit,
    QPushButton,
    QSlider,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from standin.editorwidget import qMRMLSegmentEditorWidget
from standin.nodebox import qMRMLNodeComboBox, stored


class qMRMLWidget(QWidget):
    mrmlSceneChanged = Signal(object)
    SLICER_SIGNALS: ClassVar[dict[str, str]] = {"mrmlSceneChanged(vtkMRMLScene*)": "mrmlSceneChanged"}

    def __init__(self, parent=None):
        super().__init__(parent)
        self._scene = None

    def setMRMLScene(self, scene):
        if scene is not None and not scene.IsA("vtkMRMLScene"):
            raise TypeError(f"setMRMLScene needs a scene, not {scene!r}")
        self._scene = scene
        self.mrmlSceneChanged.emit(scene)

    def mrmlScene(self):
        return self._scene


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


class qSlicerScriptedLoadableModuleWidget(qMRMLWidget):
    """A module's panel: knows whether it is shown, and tells the widget in Python, which it makes."""

    isEntered = stored(bool, False)

    def make(self, widget_class):
        self._python = widget_class(self)
        for name in ("enter", "exit"):
            self._tell_of(name)
        self._python.setup()

    def _tell_of(self, name):
        """Whoever enters or leaves the module does so through this panel."""
        python = getattr(self._python, name)

        def call():
            self.isEntered = name == "enter"
            python()

        setattr(self._python, name, call)

    def enter(self):
        self._python.enter()

    def self(self):
        return self._python


WIDGETS = {
    cls.__name__: cls
    for cls in (
        qMRMLWidget,
        qSlicerScriptedLoadableModuleWidget,
        qMRMLNodeComboBox,
        qMRMLSegmentEditorWidget,
        qMRMLSegmentationShow3DButton,
        qMRMLTableView,
        ctkCollapsibleButton,
        ctkPathLineEdit,
        ctkSliderWidget,
    )
}
