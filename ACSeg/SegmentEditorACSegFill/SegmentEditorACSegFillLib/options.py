"""The effect's options for a fill: one table gives parameter, default, widget and help."""

from __future__ import annotations

import math
from typing import Any

import ctk
import qt
from ACSegPanels.words import axisWords, deviceWords
from slicer.i18n import tr as _

from ACSegLib.commands.options import OptionValues
from ACSegLib.scene.roi import box_of_roi, place_new_roi
from ACSegLib.voxel_boxes import VoxelBox
from SegmentEditorACSegFillLib.parameterwidgets import EffectOption, ParameterWidgets


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
                "voxels with a label are known. Automatic tells strokes from slices if a segment marks the background, "
                "and takes closed thin lines for outlines: what they enclose is their segment."
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
            ofSegments=True,
            off=_("choose a segment"),
            option="background",
        ),
        EffectOption(
            "Box",
            "",
            _("Box:"),
            _(
                "Box around the object that strokes mark; outside it is background. An ROI of the scene: create one "
                "here, and move its handles in the views."
            ),
            ofNodes="vtkMRMLMarkupsROINode",
            off=_("no box"),
            option="box",
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


class OptionsFrame(ParameterWidgets):
    """The widgets of a fill's options.

    Parameters
    ----------
    scriptedEffect : qSlicerSegmentEditorScriptedEffect
        Stores the values.
    """

    def __init__(self, scriptedEffect: Any) -> None:
        super().__init__(scriptedEffect, effectOptions())
        self._rows: dict[str, list[Any]] = {}

    def build(self) -> None:
        """Add the widgets to the effect's frame."""
        self.advanced = ctk.ctkCollapsibleButton()
        self.advanced.text = _("Advanced")
        self.advanced.objectName = "ACSegFillAdvanced"
        form = qt.QFormLayout(self.advanced)
        for option in self.table:
            label, widget = self.make(option)
            if option.advanced:
                form.addRow(label, widget)
            else:
                self._rows[option.name] = [self._effect.addLabeledOptionsWidget(label, widget), widget]
        self.connect(self.widgets["Box"], "nodeAddedByUser(vtkMRMLNode*)", self._onBoxChosen)
        self.advanced.collapsed = True
        self._effect.addOptionsWidget(self.advanced)

    def update(self, correcting: bool) -> None:
        """Hide what only a fill uses; the background stays, since strokes may be taken for solid segments."""
        for name, row in self._rows.items():
            for widget in row:
                widget.setVisible(not correcting or name in ("Mode", "BackgroundSegment"))

    def explain(self) -> None:
        """Enable what the mode uses."""
        mode = self._effect.parameter("Mode")
        self.enable("BackgroundSegment", _("Complete slices need none.") if mode == "slices" else "")
        self.enable("Axis", _("Scribbles need no slices.") if mode == "scribbles" else "")
        self.enable("Box", _("Complete slices need none.") if mode == "slices" else "")

    def values(self) -> OptionValues:
        """Options of ``acseg fill``, under their names there; those that are off are left out."""
        values = {option.option: self._value(option) for option in self.table if not option.ofNodes}
        unused = {"scribbles": "axis", "slices": "background"}.get(values["mode"])
        return {name: value for name, value in values.items() if value and name != unused}

    def box(self, volumeNode: Any) -> VoxelBox | None:
        """The voxels of the chosen box; None without one, or where slices are complete, which need none."""
        roiNode = self._effect.nodeReference("Box")
        if roiNode is None or self._effect.parameter("Mode") == "slices":
            return None
        return box_of_roi(roiNode, volumeNode)

    def _onBoxChosen(self, roiNode: Any) -> None:
        """Put an ROI that was just created, and lies nowhere yet, into the middle of the volume."""
        editorNode = self._effect.parameterSetNode()
        volumeNode = editorNode.GetSourceVolumeNode() if editorNode is not None else None
        if roiNode is not None and volumeNode is not None:
            place_new_roi(roiNode, volumeNode)

    def _value(self, option: EffectOption) -> Any:
        value = self.stored(option)
        return (math.inf if value else 0) if isinstance(option.default, bool) else value  # of holes: all of them
