"""Which widget can show which parameter, for `parameternode`."""

from __future__ import annotations

from PySide6 import QtWidgets

from standin import widgets


class Connector:
    """Reads and writes one widget and tells when the person changed it."""

    def __init__(self, widget, signal, read, write):
        self.read, self.write = read, write
        self._callback = None
        widget.connect(signal, lambda *_: self._callback() if self._callback else None)

    def on_changed(self, callback):
        self._callback = callback


def connector(widget, parameter) -> Connector:
    """Give the connector, or refuse as Slicer does when a widget cannot represent the type."""
    kind = parameter.kind
    if isinstance(widget, widgets.qMRMLNodeComboBox) and parameter.is_node:
        return Connector(widget, "currentNodeChanged(vtkMRMLNode*)", widget.currentNode, widget.setCurrentNode)
    if isinstance(widget, QtWidgets.QCheckBox) and kind is bool:
        return Connector(widget, "toggled(bool)", lambda: widget.checked, widget.setChecked)
    if isinstance(widget, QtWidgets.QAbstractButton) and kind is bool and widget.checkable:
        return Connector(widget, "toggled(bool)", lambda: widget.checked, widget.setChecked)
    if isinstance(widget, QtWidgets.QSpinBox) and kind is int:
        _set_range(widget, parameter)
        return Connector(widget, "valueChanged(int)", lambda: widget.value, widget.setValue)
    if isinstance(widget, QtWidgets.QDoubleSpinBox) and kind is float:
        _set_range(widget, parameter)
        return Connector(widget, "valueChanged(double)", lambda: widget.value, widget.setValue)
    if isinstance(widget, QtWidgets.QLineEdit) and kind is str:
        return Connector(widget, "textChanged(QString)", lambda: widget.text, lambda v: _set_text(widget, v))
    if isinstance(widget, widgets.ctkPathLineEdit) and kind is str:
        raise Exception("ctkPathLineEdit shows pathlib.Path parameters, not str")
    choices = [c for note in parameter.notes for c in getattr(note, "choices", [])]
    if isinstance(widget, QtWidgets.QComboBox) and kind in (int, float, str) and choices:
        widget.blockSignals(True)
        widget.clear()
        widget.addItems([str(c) for c in choices])
        widget.blockSignals(False)
        return Connector(
            widget,
            "currentIndexChanged(int)",
            lambda: choices[widget.currentIndex],
            lambda value: widget.setCurrentIndex(choices.index(value)),
        )
    raise Exception(f"Unable to create GUI connector from {type(widget).__name__} to {kind.__name__}")


def _set_text(widget, value) -> None:
    if widget.text != value:
        widget.setText(value)


def _set_range(widget, parameter) -> None:
    """Slicer sets the widget's range from the annotation, and to the whole range without one."""
    low = [n.minimum for n in parameter.notes if hasattr(n, "minimum")]
    high = [n.maximum for n in parameter.notes if hasattr(n, "maximum")]
    limit = 2**31 - 1
    widget.setRange(low[0] if low else -limit, high[0] if high else limit)
