"""Widgets of options whose values are stored in the scene; each option is a row of a table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import qt
import slicer
from ACSegPanels.words import namedByControls


@dataclass(frozen=True)
class EffectOption:
    """One option of the effect.

    Parameters
    ----------
    name : str
        Parameter in the scene.
    default : str, int, float or bool
        Its type decides the widget, unless there are `choices`.
    label, help : str
        Shown to the person; the help names the unit.
    choices : tuple of (value, text)
        For a choice.
    ofSegments : bool
        Whether a segment is chosen; the value is its id.
    ofNodes : str
        Class of the nodes of which one is chosen; the scene keeps it as a node reference of the effect.
    maximum : float
        Of a number; the minimum is 0.
    suffix, off : str
        Unit shown behind a number, and the text shown for 0, no segment, or no text.
    advanced : bool
        Shown under Advanced.
    option : str
        The option of the command that it sets; a test holds defaults, ranges, choices and help against it.
    """

    name: str
    default: Any
    label: str
    help: str
    choices: tuple[tuple[str, str], ...] = ()
    ofSegments: bool = False
    ofNodes: str = ""
    maximum: float = 0.0
    suffix: str = ""
    off: str = ""
    advanced: bool = False
    option: str = ""


def namedByWidgets(text: str, options: Iterable[EffectOption], module: str) -> str:
    """Name options by their widgets in a sentence of the library; see `ACSegPanels.words.namedByControls`."""
    labels = {option.option: option.label.rstrip(": ") for option in options if option.option}
    return namedByControls(text, labels, module)


class ParameterWidgets:
    """Makes the widgets of some options, and keeps them and the scene's values equal.

    Parameters
    ----------
    scriptedEffect : qSlicerSegmentEditorScriptedEffect
        Stores the values.
    options : sequence of EffectOption
    """

    def __init__(self, scriptedEffect: Any, options: Sequence[EffectOption]) -> None:
        self._effect, self.table = scriptedEffect, list(options)
        self._updating = False
        self.widgets: dict[str, Any] = {}
        self._connections: list[tuple[Any, str, Callable]] = []

    def setDefaults(self) -> None:
        """Give every option its default where the scene has no value."""
        for option in self.table:
            if option.ofNodes:
                continue
            default = int(option.default) if isinstance(option.default, bool) else option.default
            self._effect.setParameterDefault(option.name, default)

    def make(self, option: EffectOption) -> tuple[str, Any]:
        """Make the widget of an option; gives the label to put before it, and the widget."""
        widget = self._widget(option)
        widget.setToolTip(option.help)
        widget.objectName = f"ACSegFill{option.name}"
        self.widgets[option.name] = widget
        return "" if isinstance(option.default, bool) else option.label, widget

    def _widget(self, option: EffectOption) -> Any:
        if option.ofNodes:
            return self._nodeBox(option)
        if option.choices or option.ofSegments:
            widget = qt.QComboBox()
            for value, text in option.choices:
                widget.addItem(text, value)
            return self._connected(widget, "currentIndexChanged(int)")
        if isinstance(option.default, str):
            widget = qt.QLineEdit()
            widget.placeholderText = option.off
            return self._connected(widget, "editingFinished()")
        if isinstance(option.default, bool):
            widget = qt.QCheckBox(option.label)
            return self._connected(widget, "toggled(bool)")
        widget = qt.QSpinBox() if isinstance(option.default, int) else qt.QDoubleSpinBox()
        widget.setRange(0, int(option.maximum) if isinstance(option.default, int) else option.maximum)
        widget.suffix = option.suffix
        widget.specialValueText = option.off
        widget.keyboardTracking = False
        if isinstance(option.default, float):
            widget.setDecimals(1)
            widget.setSingleStep(0.5)
            return self._connected(widget, "valueChanged(double)")
        widget.setSingleStep(1 if option.maximum < 1000 else 10)
        return self._connected(widget, "valueChanged(int)")

    def _nodeBox(self, option: EffectOption) -> Any:
        widget = slicer.qMRMLNodeComboBox()
        widget.nodeTypes = [option.ofNodes]
        widget.noneEnabled = widget.addEnabled = widget.removeEnabled = widget.renameEnabled = True
        widget.selectNodeUponCreation = True
        widget.showHidden = False
        widget.noneDisplay = option.off
        widget.setMRMLScene(slicer.mrmlScene)
        return self._connected(widget, "currentNodeChanged(vtkMRMLNode*)")

    def _connected(self, widget: Any, signal: str) -> Any:
        self.connect(widget, signal, self.write)
        return widget

    def connect(self, widget: Any, signal: str, slot: Callable) -> None:
        """Connect a signal until `cleanup`."""
        widget.connect(signal, slot)
        self._connections.append((widget, signal, slot))

    def cleanup(self) -> None:
        """Disconnect every widget, also from the scene."""
        for widget, signal, slot in self._connections:
            widget.disconnect(signal, slot)
        self._connections = []
        for option in self.table:
            if option.ofNodes and option.name in self.widgets:
                self.widgets[option.name].setMRMLScene(None)

    def write(self, *_ignored: Any) -> None:
        """Store what the widgets show in the scene; nothing is started by it."""
        if self._updating or self._effect.parameterSetNode() is None:
            return
        values = [(option, self._shown(option)) for option in self.table]  # all, since storing one shows them anew
        for option, value in values:
            if option.ofNodes:
                self._effect.setNodeReference(option.name, value)
            else:
                self._effect.setParameter(option.name, "" if value is None else value)

    def _shown(self, option: EffectOption) -> Any:
        widget = self.widgets[option.name]
        if option.ofNodes:
            return widget.currentNode()
        if option.choices or option.ofSegments:
            return widget.currentData
        if isinstance(option.default, str):
            return widget.text.strip()
        return int(widget.checked) if isinstance(option.default, bool) else widget.value

    def read(self, segments: list[tuple[str, str]]) -> None:
        """Show the scene's values; `segments` are (id, name) of those that can be chosen."""
        self._updating = True
        try:
            for option in self.table:
                self._show(option, segments)
            self.explain()
        finally:
            self._updating = False

    def _show(self, option: EffectOption, segments: list[tuple[str, str]]) -> None:
        widget = self.widgets[option.name]
        if option.ofNodes:
            widget.setCurrentNode(self._effect.nodeReference(option.name))
            return
        if option.ofSegments:
            widget.clear()
            for identifier, name in [("", option.off), *segments]:
                widget.addItem(name, identifier)
        if option.choices or option.ofSegments:
            widget.setCurrentIndex(max(0, widget.findData(self.text(option.name))))
        elif isinstance(option.default, str):
            if not widget.hasFocus():  # it is being written
                widget.text = self.text(option.name)
        elif isinstance(option.default, bool):
            widget.checked = bool(self._effect.integerParameter(option.name))
        else:
            widget.value = self.stored(option)

    def explain(self) -> None:
        """Enable what can be chosen now, and say why the rest cannot; for subclasses."""

    def enable(self, name: str, why: str) -> None:
        """Enable a widget, or disable it and say why."""
        option = next(o for o in self.table if o.name == name)
        self.widgets[name].enabled = not why
        self.widgets[name].setToolTip(why or option.help)

    def stored(self, option: EffectOption) -> Any:
        """The value of an option in the scene that is no node."""
        if isinstance(option.default, str):
            return self.text(option.name)
        if isinstance(option.default, (bool, int)):
            return self._effect.integerParameter(option.name)
        return self._effect.doubleParameter(option.name)

    def text(self, name: str) -> str:
        """The text of a parameter; empty where the scene has none, of which Slicer logs an error when it is asked."""
        return self._effect.parameter(name) if self._effect.parameterDefined(name) else ""
