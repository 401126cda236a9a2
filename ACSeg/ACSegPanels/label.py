"""Step 1, Label: the embedded Segment Editor and the slice guide."""

from __future__ import annotations

from typing import Any

import slicer
from slicer.i18n import tr as _

from ACSegLib.scene.write import take_place_of
from ACSegPanels.counting import Inputs, SliceCounter
from ACSegPanels.observing import SegmentationObserver
from ACSegPanels.panel import Panel
from ACSegPanels.shortcuts import FILL, NEXT_SLICE, Shortcuts
from ACSegPanels.sliceguide import SliceGuide
from ACSegPanels.slices import DEFAULT_INTERVAL, SliceCounts
from ACSegPanels.views import alignViews, shownVolumes, showVolume

EDITOR_TAG = "ACSegEditor"

#: Hidden selectors of the embedded editor. Without "None" they choose the first node that is added, whatever the panel
#: shows, and log an error where the editor has no parameter node.
_SELECTORS = ("SegmentationNodeComboBox", "SourceVolumeNodeComboBox")

#: Segments of the workflow's start: name, colour (sRGB, 0 to 1).
STARTING_SEGMENTS = (("cytoplasm", (0.50, 0.68, 0.50)), ("bead", (0.95, 0.84, 0.57)))


class LabelPanel(Panel):
    """Draw on every 20th slice or so."""

    name = "Label"
    title = _("1. Label")

    def setup(self) -> None:
        """Connect the widgets, and embed the editor and the guide."""
        self.guide = SliceGuide(interval=DEFAULT_INTERVAL, intervalChanged=self._onInterval)
        self.ui.guideFrame.layout().addWidget(self.guide.widget)
        self.connect(self.ui.startButton, "clicked()", self.addStartingSegments)
        self.connect(self.ui.alignButton, "clicked()", self._onAlign)
        self.counter = SliceCounter(self._countingInputs, self._showCount)
        self._observer = SegmentationObserver(self.counter.request)
        self._shortcuts = Shortcuts({NEXT_SLICE: self.guide.goToNext, FILL: self._onFillKey})
        self._entered, self._expanded, self._chosen = False, True, False
        for name in _SELECTORS:
            if (selector := getattr(self.ui, name, None)) is not None:
                selector.noneEnabled = True
        factory = slicer.qSlicerSegmentEditorEffectFactory.instance()
        self.connect(factory, "effectRegistered(QString)", self._onEffectRegistered)
        self._shown: tuple[Any, Any] = (None, None)

    def _onEffectRegistered(self, *_ignored: Any) -> None:
        """An effect came after the editor was made: with ACSeg as start-up module all of extensions do."""
        self.editor.updateEffectList()

    @property
    def editor(self) -> Any:
        """The embedded Segment Editor widget."""
        return self.ui.segmentEditorWidget

    def _editorNode(self) -> Any:
        node = slicer.mrmlScene.GetSingletonNode(EDITOR_TAG, "vtkMRMLSegmentEditorNode")
        if node is None:
            node = slicer.mrmlScene.CreateNodeByClass("vtkMRMLSegmentEditorNode")
            node.UnRegister(None)
            node.SetSingletonTag(EDITOR_TAG)
            node = slicer.mrmlScene.AddNode(node)
        return node

    def enter(self) -> None:
        """The module is shown: give the editor its node, views and shortcuts."""
        self.editor.setMRMLScene(slicer.mrmlScene)
        self.editor.setMRMLSegmentEditorNode(self._editorNode())
        self.editor.setupViewObservations()
        self.editor.installKeyboardShortcuts()
        self._shortcuts.install()
        self._entered = True
        self._updateCounting()
        self.showChosen()

    def showChosen(self) -> None:
        """Give the chosen nodes to the editor, also where they are those that were given to it last."""
        self._shown = (None, None)
        self.update()

    def exit(self) -> None:
        """The module is left: no effect may still paint in the views."""
        self._stopEditing()
        self._shortcuts.uninstall()
        self._entered = False
        self._updateCounting()

    def onCollapsed(self, collapsed: bool) -> None:
        """The panel's section was collapsed or expanded."""
        self._expanded = not collapsed
        self._updateCounting()

    def _updateCounting(self) -> None:
        self.counter.setActive(self._entered and self._expanded)

    def update(self) -> None:
        """Show the chosen nodes in editor and guide."""
        parameters = self.parameters
        if parameters is not None:
            self.guide.showInterval(parameters.interval)
        volume = parameters.sourceVolume if parameters else None
        segmentation = parameters.segmentation if parameters else None
        missing = "" if volume is not None else _("Choose a volume first.")
        self.enable(self.ui.startButton, _("Add the segments cytoplasm and bead to the segmentation."), missing)
        self.enable(self.ui.alignButton, _("Turn the slice views to the volume's own axes."), missing)
        self.say(missing or ("" if segmentation else _("Choose or create a segmentation, or press the button above.")))
        if parameters is None or self._shown == (volume, segmentation) or slicer.mrmlScene.IsBatchProcessing():
            return  # without parameters the module is left: the editor keeps its nodes, and a running fill its result
        self._chosen = self._entered and self._shown[0] not in (None, volume)
        self._shown = (volume, segmentation)
        if self.editor.mrmlSegmentEditorNode() is not None:
            self._place(volume, segmentation)
        self._observer.observe(segmentation)
        self.counter.request()

    def _place(self, volume: Any, segmentation: Any) -> None:
        if segmentation is not None and volume is not None and not segmentation.GetSegmentation().GetNumberOfSegments():
            take_place_of(segmentation, volume)
        if volume is not None and self._mayShow(volume):
            showVolume(volume)  # before the editor does so, which does not fit it into the views
        self.editor.setSegmentationNode(segmentation)
        if volume is not None and segmentation is not None:  # without a segmentation, an error is logged
            self.editor.setSourceVolumeNode(volume)

    def _mayShow(self, volume: Any) -> bool:
        """Whether the views should change to a volume: it was chosen here, or they show nothing."""
        shown = shownVolumes()
        return volume.GetID() not in shown and (self._chosen or not shown)

    def addStartingSegments(self) -> Any:
        """Make a segmentation if there is none, and add the usual segments."""
        parameters = self.parameters
        volume, segmentation = parameters.sourceVolume, parameters.segmentation
        if segmentation is None:
            name = f"{volume.GetName()} labels"
            segmentation = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", name)
            segmentation.CreateDefaultDisplayNodes()
            take_place_of(segmentation, volume)
        table = segmentation.GetSegmentation()
        present = {table.GetSegment(s).GetName() for s in table.GetSegmentIDs()}
        for name, colour in STARTING_SEGMENTS:
            if name not in present:
                table.AddEmptySegment("", name, colour)
        parameters.segmentation = segmentation
        return segmentation

    def _countingInputs(self) -> Inputs:
        parameters = self.parameters
        if parameters is None:
            return None, None, "auto"
        return parameters.segmentation, parameters.sourceVolume, "auto"

    def _showCount(self, counts: SliceCounts, volumeNode: Any, problem: str) -> None:
        self.guide.update(counts, volumeNode, problem=problem)

    def _onInterval(self, value: int) -> None:
        if self.parameters is not None:
            self.parameters.interval = value

    def _onFillKey(self) -> None:
        fill = self.module.panels["Fill"]
        if fill.ui.fillButton.enabled:
            fill.fill()

    def _onAlign(self) -> None:
        alignViews(self.parameters.sourceVolume)

    def sceneClosed(self) -> None:
        """Let go of the scene's nodes."""
        self.counter.stop()
        self._observer.stop()
        self._shown = (None, None)
        self.editor.setSegmentationNode(None)
        self._release()
        self.guide.update(SliceCounts(), None)

    def _stopEditing(self) -> None:
        self.editor.setActiveEffectByName("")
        self.editor.uninstallKeyboardShortcuts()
        self.editor.removeViewObservations()

    def _release(self) -> None:
        """Let the editor go: no effect of it may work any more."""
        self._stopEditing()
        self.editor.setMRMLSegmentEditorNode(None)

    def cleanup(self) -> None:
        """Disconnect everything; where the module is reloaded, its old editor lives on and is only hidden."""
        self._release()
        self.counter.cleanup()
        self._shortcuts.uninstall()
        self._observer.stop()
        self.guide.cleanup()
        super().cleanup()
