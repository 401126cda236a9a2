"""The effect's options: one table gives parameter, default, widget and help. Values are stored in the scene."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import ctk
import qt
from ACSegPanels.words import axisWords, deviceWords
from slicer.i18n import tr as _

from ACSegLib.commands.options import OptionValues


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
    maximum : float
        Of a number; the minimum is 0.
    suffix, off : str
        Unit shown behind a number, and the text shown for 0.
    advanced : bool
        Shown under Advanced.
    option : str
        The option of ``acseg fill`` that it sets; a test holds defaults, ranges, choices and help against it.
    """

    name: str
    default: Any
    label: str
    help: str
    choices: tuple[tuple[str, str], ...] = ()
    maximum: float = 0.0
    suffix: str = ""
    off: str = ""
    advanced: bool = False
    option: str = ""


def effectOptions() -> list[EffectOption]:
    """List the options, in the order in which they are shown."""
    return [*_labelOptions(), *_cleaningOptions(), *_computingOptions()]


def _labelOptions() -> list[EffectOption]:
    """How the sparse labels are read."""
    return [
        EffectOption(
            "Axis",
            "auto",
            _("Labelled slices:"),
            _("Axis of the labelled slices, of the volume's voxels (i, j, k = x, y, z). Automatic finds it."),
            tuple(axisWords().items()),
            option="axis",
        ),
        EffectOption(
            "Mode",
            "auto",
            _("Background:"),
            _(
                "Slices: labelled slices are complete, so voxels without a label are background there. Scribbles: only "
                "voxels with a label are known. Automatic tells strokes from slices if a segment marks the background."
            ),
            (
                ("auto", _("automatic")),
                ("slices", _("slices: voxels without a label")),
                ("scribbles", _("scribbles: marked by a segment")),
            ),
            option="mode",
        ),
        EffectOption(
            "BackgroundSegment",
            "",
            _("Background segment:"),
            _("Segment that marks background, for strokes."),
            option="background",
        ),
    ]


def _cleaningOptions() -> list[EffectOption]:
    """What is done with the filled segments."""
    return [
        EffectOption(
            "Islands",
            0,
            _("Remove islands below:"),
            _("Remove components smaller than this, in voxels. Labelled voxels stay."),
            maximum=10_000_000,
            suffix=_(" voxels"),
            off=_("keep all"),
            option="islands",
        ),
        EffectOption("Holes", False, _("Fill holes"), _("Fill enclosed holes, whatever their size."), option="holes"),
        EffectOption(
            "Smooth",
            0.0,
            _("Smoothing:"),
            _("Smooth boundaries over this length, in voxels. Labelled voxels stay; fine filopodia suffer."),
            maximum=10.0,
            suffix=_(" voxels"),
            off=_("none"),
            option="smooth",
        ),
    ]


def _computingOptions() -> list[EffectOption]:
    """Where, and with how much memory; shown under Advanced."""
    return [
        EffectOption(
            "Device",
            "auto",
            _("Compute on:"),
            _("Where to compute. Automatic takes a graphics processor when one can be used."),
            tuple(deviceWords().items()),
            advanced=True,
            option="device",
        ),
        EffectOption(
            "Memory",
            0.0,
            _("Memory limit:"),
            _("Memory that may be used, in GiB (2^30 bytes). Automatic takes what is free."),
            maximum=4096.0,
            suffix=_(" GiB"),
            off=_("automatic"),
            advanced=True,
            option="memory",
        ),
    ]


class OptionsFrame:
    """Makes the options' widgets, and keeps them and the scene's values equal.

    Parameters
    ----------
    scriptedEffect : qSlicerSegmentEditorScriptedEffect
        Stores the values.
    """

    def __init__(self, scriptedEffect: Any) -> None:
        self._effect = scriptedEffect
        self._updating = False
        self.widgets: dict[str, Any] = {}
        self._connections: list[tuple[Any, str, Callable]] = []

    @staticmethod
    def setDefaults(scriptedEffect: Any) -> None:
        """Give every option its default where the scene has no value."""
        for option in effectOptions():
            default = int(option.default) if isinstance(option.default, bool) else option.default
            scriptedEffect.setParameterDefault(option.name, default)

    def build(self) -> None:
        """Add the widgets to the effect's frame."""
        self.advanced = ctk.ctkCollapsibleButton()
        self.advanced.text = _("Advanced")
        self.advanced.objectName = "ACSegFillAdvanced"
        form = qt.QFormLayout(self.advanced)
        for option in effectOptions():
            widget = self._make(option)
            widget.setToolTip(option.help)
            widget.objectName = f"ACSegFill{option.name}"
            self.widgets[option.name] = widget
            label = "" if isinstance(option.default, bool) else option.label
            if option.advanced:
                form.addRow(label, widget)
            else:
                self._effect.addLabeledOptionsWidget(label, widget)
        self.advanced.collapsed = True
        self._effect.addOptionsWidget(self.advanced)

    def _make(self, option: EffectOption) -> Any:
        if option.choices or isinstance(option.default, str):
            widget = qt.QComboBox()
            for value, text in option.choices:
                widget.addItem(text, value)
            return self._connected(widget, "currentIndexChanged(int)")
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
        widget.setSingleStep(10)
        return self._connected(widget, "valueChanged(int)")

    def _connected(self, widget: Any, signal: str) -> Any:
        widget.connect(signal, self.write)
        self._connections.append((widget, signal, self.write))
        return widget

    def cleanup(self) -> None:
        """Disconnect every widget."""
        for widget, signal, slot in self._connections:
            widget.disconnect(signal, slot)
        self._connections = []

    def write(self, *_ignored: Any) -> None:
        """Store what the widgets show in the scene; nothing is started by it."""
        if self._updating or self._effect.parameterSetNode() is None:
            return
        values = {}
        for option in effectOptions():
            widget = self.widgets[option.name]
            if isinstance(option.default, str):
                values[option.name] = widget.currentData
            elif isinstance(option.default, bool):
                values[option.name] = int(widget.checked)
            else:
                values[option.name] = widget.value
        for name, value in values.items():
            self._effect.setParameter(name, "" if value is None else value)

    def read(self, segments: list[tuple[str, str]]) -> None:
        """Show the scene's values; `segments` are (id, name) of those that may mark the background."""
        self._updating = True
        try:
            self._offerSegments(segments)
            for option in effectOptions():
                widget = self.widgets[option.name]
                if isinstance(option.default, str):
                    widget.setCurrentIndex(max(0, widget.findData(self._effect.parameter(option.name))))
                elif isinstance(option.default, bool):
                    widget.checked = bool(self._effect.integerParameter(option.name))
                elif isinstance(option.default, int):
                    widget.value = self._effect.integerParameter(option.name)
                else:
                    widget.value = self._effect.doubleParameter(option.name)
            mode = self._effect.parameter("Mode")
            self._enable("BackgroundSegment", _("Complete slices need none.") if mode == "slices" else "")
            self._enable("Axis", _("Scribbles need no slices.") if mode == "scribbles" else "")
        finally:
            self._updating = False

    def _enable(self, name: str, why: str) -> None:
        """Enable a widget, or disable it and say why."""
        option = next(o for o in effectOptions() if o.name == name)
        self.widgets[name].enabled = not why
        self.widgets[name].setToolTip(why or option.help)

    def _offerSegments(self, segments: list[tuple[str, str]]) -> None:
        box = self.widgets["BackgroundSegment"]
        box.clear()
        box.addItem(_("choose a segment"), "")
        for identifier, name in segments:
            box.addItem(name, identifier)

    def values(self) -> OptionValues:
        """Options of ``acseg fill``, under their names there; those that are off are left out."""
        values = {option.option: self._value(option) for option in effectOptions()}
        unused = {"scribbles": "axis", "slices": "background"}.get(values["mode"])
        return {name: value for name, value in values.items() if value and name != unused}

    def _value(self, option: EffectOption) -> Any:
        if isinstance(option.default, str):
            return self._effect.parameter(option.name)
        if isinstance(option.default, bool):
            return math.inf if self._effect.integerParameter(option.name) else 0  # of holes: all of them
        if isinstance(option.default, int):
            return self._effect.integerParameter(option.name)
        return self._effect.doubleParameter(option.name)
