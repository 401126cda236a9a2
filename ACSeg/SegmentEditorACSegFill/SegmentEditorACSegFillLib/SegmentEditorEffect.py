"""The Segment Editor effect "Random walk fill": fill between labelled slices, correct what is there, split cells."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import qt
import slicer
from ACSegPanels.counting import Inputs, SliceCounter
from ACSegPanels.install import ensureDependencies
from ACSegPanels.observing import ModifiedObserver, SegmentationObserver
from ACSegPanels.shortcuts import FILL, NEXT_SLICE, Shortcuts
from ACSegPanels.slices import DEFAULT_INTERVAL, SliceCounts
from ACSegPanels.task import POLL_MILLISECONDS, sentence
from ACSegPanels.translation import translated
from ACSegPanels.views import UncertaintyOverlay
from ACSegPanels.words import summary, turnedBox
from ACSegPanels.working import prepareWorker
from SegmentEditorEffects import AbstractScriptedSegmentEditorEffect
from slicer.i18n import tr as _

from ACSegLib.errors import InputError
from ACSegLib.scene.grid import voxels_key
from ACSegLib.worker import Event
from ACSegLib.worker.events import capitalized
from SegmentEditorACSegFillLib.correcting import Correcting
from SegmentEditorACSegFillLib.inputs import (
    FillInputs,
    collect,
    inputKey,
    requireBackground,
    requireRoom,
    requireVisibleSegment,
)
from SegmentEditorACSegFillLib.options import OptionsFrame
from SegmentEditorACSegFillLib.panel import EffectPanel
from SegmentEditorACSegFillLib.parameterwidgets import namedByWidgets
from SegmentEditorACSegFillLib.preview import Preview
from SegmentEditorACSegFillLib.results import Results
from SegmentEditorACSegFillLib.session import FillSession
from SegmentEditorACSegFillLib.splitting import Splitting, splitSegment

#: How many slices are suggested at once.
SUGGESTED = 3

#: Milliseconds between the last edit and what follows from it.
EDIT_DELAY = 1000


class SegmentEditorEffect(AbstractScriptedSegmentEditorEffect):
    """Fills all visible segments between labelled slices, with a preview that is refilled after edits."""

    def __init__(self, scriptedEffect):
        scriptedEffect.name = "ACSeg random walk fill"  # never translated
        scriptedEffect.title = _("Random walk fill")
        scriptedEffect.perSegment = False
        scriptedEffect.requireSegments = True
        AbstractScriptedSegmentEditorEffect.__init__(self, scriptedEffect)
        self.options = OptionsFrame(scriptedEffect)
        self.preview = Preview(scriptedEffect)
        self.session = FillSession()
        self.overlay = UncertaintyOverlay(scriptedEffect)
        self.panel: EffectPanel | None = None
        self._observer = SegmentationObserver(self._onEdited, self._onSceneClosing)
        self._editorObserver = ModifiedObserver(self._onNodesChanged)
        self._message = ""
        self._listed: list[tuple[str, str]] = []
        self._stale = self._edited = self._refused = self._turned = False
        self.correcting = Correcting(scriptedEffect, self.say)
        self.splitting = Splitting(scriptedEffect)
        self.results = Results(scriptedEffect, self.session, self.splitting)
        self._overlayTimer = self._timer(0, self.showUncertainty)
        self._released: list[Any] = []
        self._releaseTimer = self._timer(0, self._release)
        self._pollTimer = self._timer(POLL_MILLISECONDS, self._poll, repeated=True)
        self._editTimer = self._timer(EDIT_DELAY, self._refillAfterEdit)
        self._counter = SliceCounter(self._countingInputs, self._showCount)
        self._shortcuts = Shortcuts({NEXT_SLICE: self._onNextSlice, FILL: self._onFillKey})

    @staticmethod
    def _timer(milliseconds: int, slot: Any, repeated: bool = False) -> Any:
        timer = qt.QTimer()
        timer.setInterval(milliseconds)
        timer.setSingleShot(not repeated)
        timer.connect("timeout()", slot)
        return timer

    # -- interface that Segment Editor calls ------------------------------------------------------------------------

    def clone(self):
        """Make another adaptor of this effect, as the editor asks."""
        import qSlicerSegmentationsEditorEffectsPythonQt as effects

        clonedEffect = effects.qSlicerSegmentEditorScriptedEffect(None)
        clonedEffect.setPythonSource(Path(__file__).as_posix())
        return clonedEffect

    def icon(self):
        """Icon of the effect's button."""
        path = Path(__file__).with_name("SegmentEditorEffect.png")
        return qt.QIcon(str(path)) if path.exists() else qt.QIcon()

    def helpText(self):
        """Help shown in the effect's panel."""
        return _(
            "<html>Draw the visible segments on about every 20th slice, then press <b>Fill</b>: a random walk on the "
            "image carries the outlines from slice to slice.<br>"
            "<ul><li>Only visible segments take part. Hidden segments and masked voxels are never changed, nor is "
            "what you drew.</li>"
            "<li>Correct a few slices while the preview is shown: only the part around them is filled again.</li>"
            "<li><b>Suggest slices</b> says where one more labelled slice helps most.</li>"
            "<li>A segmentation that is there already (filled, predicted, imported) is <b>corrected</b>: draw a slice "
            "right, or add and erase with a few strokes, then press <b>Correct</b>.</li>"
            "<li><b>Split touching cells</b> makes each cell of the selected segment a segment of its own.</li>"
            "<li><b>Apply</b> puts the preview into the segmentation; undo takes it back.</li></ul></html>"
        )

    def setupOptionsFrame(self):
        """Make the effect's panel."""
        self.panel = EffectPanel(self)
        self.correcting.build()
        self.options.build()
        self.splitting.build(self.onSplit)
        self.panel.build()

    def setMRMLDefaults(self):
        """Give the parameters that the scene lacks their defaults."""
        for part in (self.options, self.correcting, self.splitting):
            part.setDefaults()
        self.scriptedEffect.setParameterDefault("AutoUpdate", 1)
        self.scriptedEffect.setParameterDefault("Interval", DEFAULT_INTERVAL)
        self.scriptedEffect.setParameterDefault("ShowUncertainty", 0)

    def createCursor(self, widget):
        """Keep the views' usual cursor."""
        return slicer.util.mainWindow().cursor

    def activate(self):
        """Start to watch the sparse labels, and the process that will fill."""
        prepareWorker()
        self._observeSegmentation()
        self.correcting.remember()
        self._counter.setActive(True)
        self._shortcuts.install()

    def deactivate(self):
        """Another effect is chosen: preview and running fill stay, so that more can be drawn meanwhile."""
        self.correcting.readCells()
        self._counter.setActive(False)
        self._shortcuts.uninstall()
        self._observeSegmentation()

    def sourceVolumeNodeChanged(self):
        """Drop a preview that belongs to another volume."""
        self._dropForeignPreview()

    def referenceGeometryChanged(self):
        """Drop a preview on another grid."""
        self._dropForeignPreview()

    def layoutChanged(self):
        """Nothing of this effect depends on the layout."""

    def interactionNodeModified(self, interactionNode):
        """Stay chosen while a box is placed, or brightness is set, with the mouse, which this effect does not use."""

    def updateGUIFromMRML(self):
        """Show the state of the scene and of the fill."""
        if self.panel is None or self.scriptedEffect.parameterSetNode() is None:
            return
        self._dropForeignPreview()
        self._observeSegmentation()
        self._listed = self._segments()
        for part in (self.options, self.correcting, self.splitting):
            part.read(self._listed)
        self.panel.update()

    def updateMRMLFromGUI(self):
        """Store what the widgets show."""
        for part in (self.options, self.correcting, self.splitting):
            part.write()

    def cleanup(self):
        """Disconnect signals and observers, so that nothing keeps the effect alive."""
        for timer, slot in (
            (self._pollTimer, self._poll),
            (self._editTimer, self._refillAfterEdit),
            (self._overlayTimer, self.showUncertainty),
            (self._releaseTimer, self._release),
        ):
            timer.stop()
            timer.disconnect("timeout()", slot)
        self._released = []
        self.correcting.memory.forget()
        self._counter.cleanup()
        self._shortcuts.uninstall()
        self.session.forget()
        self._stopObserving()
        for part in (self.options, self.correcting, self.splitting):
            part.cleanup()
        if self.panel is not None:
            self.panel.cleanup()

    # -- state ------------------------------------------------------------------------------------------------------

    @property
    def message(self) -> str:
        """The sentence shown under the buttons."""
        return self._message

    @property
    def outcome(self) -> Any:
        """The last fill, or None."""
        return self.session.outcome

    def say(self, text: str) -> None:
        """Show a sentence in the panel."""
        self._message = text = self._inWidgets(text)
        if self.panel is not None:
            self.panel.showMessage(text)

    def _inWidgets(self, text: str) -> str:
        """Name the options of a sentence by the widgets of what is done: a split, a correction, or a fill."""
        own, module = [], "ACSegFill"
        if self.session.splits:
            own, module = self.splitting.table, "ACSegSplit"
        elif self.correcting.active:
            own, module = self.correcting.table, "ACSegCorrect"
        return namedByWidgets(text, [*own, *self.options.table], module)

    def whyNotFill(self) -> str:
        """Say what is missing before a fill can start; empty where nothing is."""
        node = self.scriptedEffect.parameterSetNode()
        if node is None or node.GetSegmentationNode() is None:
            return _("Choose or create a segmentation first.")
        if node.GetSourceVolumeNode() is None:
            return _("Choose a source volume first.")
        if not self._segments():
            return _("Add a segment and draw it on two or more slices first.")
        return ""

    def _segments(self) -> list[tuple[str, str]]:
        node = self.scriptedEffect.parameterSetNode()
        segmentationNode = node.GetSegmentationNode() if node is not None else None
        if segmentationNode is None:
            return []
        segmentation = segmentationNode.GetSegmentation()
        return [(s, segmentation.GetSegment(s).GetName()) for s in segmentation.GetSegmentIDs()]

    # -- fill, cancel, apply ----------------------------------------------------------------------------------------

    def onPreview(self, automatic: bool = False):
        """Start a fill, a refill of what was edited, or a correction, in the background."""
        text = _("Correcting...") if self.correcting.active else _("Filling...")
        self._begin(lambda: self._start(collect(self.scriptedEffect)), text, automatic)

    def onSplit(self, automatic: bool = False):
        """Start to split the selected segment into its cells, in the background; or the one that is shown split."""
        shown = splitSegment(self.session.request) if self.session.splits else ""

        def start() -> None:
            self.session.startSplit(*self.splitting.collect(shown, again=automatic))

        self._begin(start, _("Splitting..."), automatic)

    def _begin(self, start: Callable[[], None], text: str, automatic: bool) -> None:
        if self.session.running:
            return
        self._editTimer.stop()
        try:
            if not automatic:
                ensureDependencies("fill")
            self._dropForeignPreview()
            start()
        except Exception as error:
            logging.getLogger("ACSeg").info("the work could not start", exc_info=True)
            self.say(sentence(error))
            return
        self._stale = self._edited = False
        self._pollTimer.start()
        self.say(text)
        self.panel.update()

    def _onFillKey(self) -> None:
        if self.panel is not None and self.panel.fillButton.enabled:
            self.onPreview()

    def _onNextSlice(self) -> None:
        if self.panel is not None:
            self.panel.guide.goToNext()

    def _start(self, inputs: FillInputs) -> None:
        options = self.options.values()
        if self.correcting.active:
            options = {name: value for name, value in options.items() if name == "device"} | self.correcting.options()
            self.session.startCorrection(inputs, self.correcting.before(inputs), options)
            return
        requireRoom(inputs)
        box = self.options.box(self.scriptedEffect.parameterSetNode().GetSourceVolumeNode())
        if box is None:
            requireBackground(options, inputs.drawn)
        else:
            options["box"] = list(box.box)
        self._turned = box is not None and box.turned
        self.session.start(inputs, options)

    def onCancel(self):
        """Stop the running fill; without one, remove the preview."""
        self._editTimer.stop()
        if self.session.running:
            self.session.cancel()
            self.say(_("Cancelling..."))
            return
        self.reset()
        self.say("")

    def onApply(self):
        """Put the preview into the segmentation, as one step that undo takes back."""
        outcome = self.session.outcome
        if outcome is None or self.preview.node is None or self.session.running:
            return
        self._editTimer.stop()
        try:
            if not self._isOfInputs():
                raise InputError(
                    _("The volume, its place or the segmentation changed since the preview: press Fill again.")
                )
            surface = self.preview.show3D
            self._observer.stop()
            applied = self.results.apply(self._edited, surface)
            self.correcting.applied(self.session.key, applied, outcome)
        except Exception as error:
            logging.getLogger("ACSeg").info("the preview could not be applied", exc_info=True)
            self._observeSegmentation()
            self.say(sentence(error))
            return
        self.reset()
        self.say(_("Applied. Undo takes it back."))

    def reset(self):
        """Cancel, remove preview and overlay, and free their memory in turns of their own: that takes its time."""
        self._editTimer.stop()
        self._released += [self.session.outcome]
        self.session.forget()
        self.overlay.hide()
        self._released += [self.preview.remove()]
        self._releaseTimer.start()
        self._observeSegmentation()
        self._counter.request()
        if self.panel is not None:
            self.panel.update()

    def _release(self) -> None:
        del self._released[-1:]
        if self._released:
            self._releaseTimer.start()

    def _poll(self) -> None:
        for event in self.session.poll():
            if event.kind == "progress":
                self.panel.showProgress(event.fraction, event.message)
            elif event.final:
                self._finish(event)
        if not self.session.watched:
            self._pollTimer.stop()

    def _finish(self, event: Event) -> None:
        if event.kind == "cancelled":
            self.say(_("Cancelled; nothing was changed."))
        elif event.kind == "error":
            self.say(capitalized(translated(event.message)))
            self._refused = self.session.fills
            self._correctInstead()
        else:
            try:
                self._showOutcome()
            except Exception as error:
                logging.getLogger("ACSeg").info("the preview could not be shown", exc_info=True)
                self.say(sentence(error))
        self.panel.update()
        if self._stale and event.kind == "done":
            self._editTimer.start()

    def _correctInstead(self) -> None:
        """Correct where a fill that began before the labels were looked at was refused, since they are solid."""
        if self._refused and self.correcting.active:
            self._refused = False
            self.onPreview(automatic=True)

    def _isOfInputs(self) -> bool:
        """Whether the outcome is still of the nodes, the grid and the voxels that are chosen."""
        node = self.scriptedEffect.parameterSetNode()
        if node is None or inputKey(node) != self.session.key:
            return False
        return voxels_key(node.GetSourceVolumeNode()) == self.session.image

    def _showOutcome(self) -> None:
        editorNode = self.scriptedEffect.parameterSetNode()
        if same := self._isOfInputs():
            shown = self.results.shown(self._edited)
            self.preview.show(shown, editorNode.GetSourceVolumeNode(), editorNode.GetSegmentationNode())
            same = self.session.outcome is not None  # the editor may choose another volume when a node is added
        if not same:
            self.reset()
            self.say(_("The volume, its place or the segmentation changed while filling: press Fill again."))
            return
        self._overlayTimer.start()
        text = summary(self.session.outcome)
        if gone := self.results.gone():
            text += " " + _("Left out, deleted meanwhile: {names}.").format(names=", ".join(gone))
        if self.session.fills and self._turned:
            text += " " + turnedBox()
        if self.session.splits and self.splitting.note:
            text += " " + self.splitting.note
        self.say(text)
        self._counter.request()

    # -- edits ------------------------------------------------------------------------------------------------------

    def _observeSegmentation(self) -> None:
        """Watch what is edited while this effect is chosen, or has something that may go stale."""
        node = self.scriptedEffect.parameterSetNode()
        if not (self.scriptedEffect.active() or self.session.running or self.session.outcome is not None):
            node = None
        self._editorObserver.observe(node)
        self._observer.observe(node.GetSegmentationNode() if node is not None else None)

    def _stopObserving(self) -> None:
        self._observer.stop()
        self._editorObserver.observe(None)

    def _onNodesChanged(self) -> None:
        """Another segmentation or volume is edited, or one or the preview was deleted: Segment Editor does not tell."""
        node = self.scriptedEffect.parameterSetNode()
        if node is None or slicer.mrmlScene.IsBatchProcessing():  # a scene that is read has not all nodes yet
            return
        if self.preview.wasDeleted:
            self.reset()
            self.say(_("The preview was deleted; the segmentation is as it was."))
        if self.session.key and inputKey(node) != self.session.key:
            self.updateGUIFromMRML()

    def _onEdited(self) -> None:
        self._edited = True
        self._counter.request()
        if self._segments() != self._listed:  # Segment Editor does not tell the effect
            self.updateGUIFromMRML()
        if self.preview.node is None and not self.session.running:
            return
        self._stale = True
        if not self.session.running and self.scriptedEffect.integerParameter("AutoUpdate"):
            self._editTimer.start()

    def _refillAfterEdit(self) -> None:
        if self.preview.node is None or self.session.running:
            return
        again = self.onSplit if self.session.splits else self.onPreview
        again(automatic=True)

    def _onSceneClosing(self) -> None:
        """The scene is about to be closed: stop, and touch none of its nodes any more."""
        self._editTimer.stop()
        self._counter.stop()
        self.session.forget()
        self.correcting.memory.forget()
        self.overlay = UncertaintyOverlay(self.scriptedEffect)
        self._stopObserving()
        self.say(_("The scene was closed; the fill was cancelled."))

    def _dropForeignPreview(self) -> None:
        """A preview of another segmentation, volume or grid would be misleading: remove it."""
        node = self.scriptedEffect.parameterSetNode()
        if self.session.key and node is not None and inputKey(node) != self.session.key:
            shown, running = self.preview.node is not None, self.session.running
            self.session.key = ()
            self.reset()
            if shown:
                self.say(_("The preview was removed: the volume, its place or the segmentation changed."))
            elif running:
                self.say(_("The work was stopped: the volume, its place or the segmentation changed."))
            else:  # what was said is of another input
                self.say("")

    # -- guide and overlay ------------------------------------------------------------------------------------------

    @property
    def counting(self) -> bool:
        """Whether the labelled slices are being counted."""
        return self._counter.busy

    def updateGuide(self) -> None:
        """Count the labelled slices anew."""
        self._counter.count()

    def _countingInputs(self) -> Inputs:
        node = self.scriptedEffect.parameterSetNode()
        if node is None:
            return None, None, "auto"
        requireVisibleSegment(node)
        return node.GetSegmentationNode(), node.GetSourceVolumeNode(), self.scriptedEffect.parameter("Axis")

    def _showCount(self, counts: SliceCounts, volumeNode: Any, problem: str) -> None:
        problem = self._inWidgets(self.correcting.counted(counts, problem))
        if self.panel is not None:
            self.panel.guide.update(counts, volumeNode, self._canSuggest(), problem)
            self.panel.update()
        self._correctInstead()

    def _canSuggest(self) -> bool:
        return hasattr(self.session.outcome, "suggested")

    def suggestSlices(self, told: Callable[[list[tuple[str, int]]], None]) -> None:
        """Find slices worth labelling, from the last fill; `told` is called with (axis, slice), the best first."""
        outcome = self.session.outcome
        if outcome is None or not self._canSuggest():
            told([])
            return
        axis = outcome.report.axis
        self.session.suggest(SUGGESTED, lambda numbers: told([(axis, number) for number in numbers]))
        self._pollTimer.start()

    def showUncertainty(self) -> None:
        """Show or hide the uncertainty of the last fill, as the parameter says."""
        outcome, editorNode = self.session.outcome, self.scriptedEffect.parameterSetNode()
        volumeNode = editorNode.GetSourceVolumeNode() if editorNode is not None else None
        wanted = self.scriptedEffect.integerParameter("ShowUncertainty") and hasattr(outcome, "uncertainty")
        if not wanted or volumeNode is None:
            self.overlay.hide()
            return
        self.overlay.show(outcome.uncertainty, volumeNode, outcome.segmentation.geometry)
