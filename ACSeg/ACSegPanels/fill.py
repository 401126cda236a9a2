"""Step 2, Fill: the slices between the labelled ones, for a whole segmentation."""

from __future__ import annotations

import math
from typing import Any

from slicer.i18n import tr as _

from ACSegLib.commands.options import OptionValues
from ACSegLib.errors import InputError
from ACSegLib.scene.read import chosen_segments
from ACSegLib.scene.roi import place_new_roi
from ACSegPanels.panel import Panel
from ACSegPanels.shortcuts import FILL, withKey
from ACSegPanels.words import Words, allHidden, axisWords, crossValidation, crossValidationHelp, deviceWords, summary

EFFECT_NAME = "ACSeg random walk fill"


class FillPanel(Panel):
    """Fill the chosen segmentation into another one, or go to the effect with its preview."""

    name = "Fill"
    title = _("2. Fill")
    dependencies = "fill"

    def setup(self) -> None:
        """Connect the buttons."""
        self.ui.fillCrossValidation.toolTip = crossValidationHelp()
        self._showCrossValidation("")
        self._leftOut: list[str] = []
        self.show3DButton = self.addShow3DButton()
        self.connect(self.ui.fillButton, "clicked()", self.fill)
        self.connect(self.ui.fillCancelButton, "clicked()", self.cancel)
        self.connect(self.ui.fillEffectButton, "clicked()", self.showEffect)
        self.connect(self.ui.fillBoxSelector, "nodeAddedByUser(vtkMRMLNode*)", self._onBoxCreated)

    def words(self) -> dict[str, Words]:
        """Words for the choices."""
        return {"fillAxisBox": axisWords(), "fillDeviceBox": deviceWords()}

    def controls(self) -> dict[str, str]:
        """Options by their widgets."""
        return {
            "axis": _("Labelled slices"),
            "box": _("Box"),
            "islands": _("Remove islands below"),
            "holes": _("Fill holes"),
            "smooth": _("Smoothing"),
            "device": _("Compute on"),
        }

    def update(self) -> None:
        """Enable the buttons, or say why not."""
        self.offer3D(self.show3DButton, self.parameters.fillOutput if self.parameters is not None else None)
        missing = self._missing()
        running = _("A fill is running.") if self.running else ""
        self.enable(self.ui.fillButton, withKey(_("Fill between the labelled slices."), FILL), missing or running)
        self.enable(self.ui.fillEffectButton, _("Fill with a preview in Segment Editor."), missing or running)
        self.enable(self.ui.fillCancelButton, _("Stop the fill."), "" if self.running else _("No fill is running."))

    def _missing(self) -> str:
        parameters = self.parameters
        if parameters is None or parameters.sourceVolume is None:
            return _("Choose a volume in step 1 first.")
        if parameters.segmentation is None:
            return _("Choose the segmentation with the labelled slices in step 1 first.")
        if not parameters.segmentation.GetSegmentation().GetNumberOfSegments():
            return _("Add a segment and draw it on two or more slices first.")
        return ""

    def options(self) -> OptionValues:
        """Keywords for `ACSegLogic.fill`."""
        parameters = self.parameters
        options: OptionValues = {"axis": parameters.fillAxis, "device": parameters.fillDevice}
        if parameters.fillBox is not None:
            options["box"] = parameters.fillBox
        if parameters.fillIslands:
            options["islands"] = parameters.fillIslands
        if parameters.fillHoles:
            options["holes"] = math.inf
        if parameters.fillSmooth:
            options["smooth"] = parameters.fillSmooth
        return options

    def fill(self) -> None:
        """Fill in the background."""
        self._showCrossValidation("")
        p = self.parameters
        output = self.outputFor(p.segmentation, p.fillOutput)
        self.start(
            lambda callbacks: self.module.logic.fill(
                p.sourceVolume, p.segmentation, output, segmentIDs=self._visible(), **self.options(), **callbacks
            ),
            self._onDone,
        )

    def _visible(self) -> list[str]:
        """Ids of the segments that take part, those that the guide counts; the others are told with the result."""
        node = self.parameters.segmentation
        visible, table = chosen_segments(node, None, visible=True), node.GetSegmentation()
        if not visible:
            raise InputError(allHidden())
        self._leftOut = [table.GetSegment(s).GetName() for s in table.GetSegmentIDs() if s not in visible]
        return visible

    def _onBoxCreated(self, roiNode: Any) -> None:
        """Put an ROI that was just created into the middle of the volume."""
        volumeNode = self.parameters.sourceVolume if self.parameters is not None else None
        if roiNode is not None and volumeNode is not None:
            place_new_roi(roiNode, volumeNode)

    def _onDone(self, node: Any) -> None:
        self.keepResults(fillOutput=node, measureSegmentation=node)
        text = summary(self.module.logic.lastFill)
        if self._leftOut:
            text += " " + _("Hidden, and left out: {names}.").format(names=", ".join(self._leftOut))
        self.say(text)
        self._showCrossValidation(crossValidation(self.module.logic.lastFill))

    def _showCrossValidation(self, text: str) -> None:
        self.ui.fillCrossValidation.text = text
        self.ui.fillCrossValidation.setVisible(bool(text))

    def sceneClosed(self) -> None:
        """Forget the last fill."""
        self._showCrossValidation("")

    def showEffect(self) -> None:
        """Open the effect in the embedded Segment Editor."""
        self.module.showStep("Label")
        self.module.panels["Label"].editor.setActiveEffectByName(EFFECT_NAME)
