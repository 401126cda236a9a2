"""The effect's panel: slice guide, options, preview display, progress and buttons."""

from __future__ import annotations

from typing import Any

import ctk
import qt
from ACSegPanels.shortcuts import FILL, withKey
from ACSegPanels.sliceguide import SliceGuide
from ACSegPanels.translation import translated
from ACSegPanels.words import crossValidation, crossValidationHelp
from slicer.i18n import tr as _

from ACSegLib.worker.events import capitalized


class EffectPanel:
    """Widgets of the effect; what they do is in the effect.

    Parameters
    ----------
    effect : SegmentEditorEffect
        Told what the person does, and asked for the state.
    """

    def __init__(self, effect: Any) -> None:
        self._effect = effect
        self._host = effect.scriptedEffect
        self.guide = SliceGuide(effect.suggestSlices, intervalChanged=self._onInterval)
        self._host.addOptionsWidget(self.guide.widget)
        self._connections: list[tuple[Any, str, Any]] = []

    def build(self) -> None:
        """Add what comes below the options."""
        self._buildDisplay()
        self._buildProgress()
        self._buildButtons()

    def _button(self, text: str, name: str, tip: str, slot: Any) -> Any:
        button = qt.QPushButton(text)
        button.objectName = f"ACSegFill{name}"
        button.setToolTip(tip)
        self._connect(button, "clicked()", slot)
        return button

    def _connect(self, widget: Any, signal: str, slot: Any) -> None:
        widget.connect(signal, slot)
        self._connections.append((widget, signal, slot))

    def _buildDisplay(self) -> None:
        self.opacitySlider = ctk.ctkSliderWidget()
        self.opacitySlider.minimum = 0.0
        self.opacitySlider.maximum = 1.0
        self.opacitySlider.singleStep = 0.05
        self.opacitySlider.spinBoxVisible = False
        self.show3DButton = qt.QPushButton(_("Show 3D"))
        self.show3DButton.checkable = True
        row = qt.QHBoxLayout()
        row.addWidget(qt.QLabel(_("labels")))
        row.addWidget(self.opacitySlider)
        row.addWidget(qt.QLabel(_("filled")))
        row.addWidget(self.show3DButton)
        self._host.addLabeledOptionsWidget(_("Display:"), row)
        self.uncertaintyBox = qt.QCheckBox(_("Show uncertainty"))
        self.uncertaintyBox.setToolTip(_("Colour the slices where the fill is unsure; brighter is less sure."))
        self.autoUpdateBox = qt.QCheckBox(_("Refill after edits"))
        self.autoUpdateBox.setToolTip(
            _("While a preview is shown, fill again around edited slices, 1 s after an edit.")
        )
        checks = qt.QHBoxLayout()
        checks.addWidget(self.uncertaintyBox)
        checks.addWidget(self.autoUpdateBox)
        self._host.addOptionsWidget(checks)
        self._connect(self.opacitySlider, "valueChanged(double)", self._onOpacity)
        self._connect(self.show3DButton, "toggled(bool)", self._onShow3D)
        self._connect(self.uncertaintyBox, "toggled(bool)", self._onUncertainty)
        self._connect(self.autoUpdateBox, "toggled(bool)", self._onAutoUpdate)

    def _buildProgress(self) -> None:
        self.progressBar = qt.QProgressBar()
        self.progressBar.setRange(0, 1000)
        self.progressBar.setVisible(False)
        self.messageLabel = qt.QLabel()
        self.messageLabel.objectName = "ACSegFillMessage"
        self.messageLabel.wordWrap = True
        self.crossValidationLabel = qt.QLabel()
        self.crossValidationLabel.objectName = "ACSegFillCrossValidation"
        self.crossValidationLabel.wordWrap = True
        self.crossValidationLabel.setToolTip(crossValidationHelp())
        for widget in (self.progressBar, self.messageLabel, self.crossValidationLabel):
            self._host.addOptionsWidget(widget)
        self.showMessage("")

    def _buildButtons(self) -> None:
        row = qt.QHBoxLayout()
        effect = self._effect
        self.fillButton = self._button(_("Fill"), "Preview", "", effect.onPreview)
        self.cancelButton = self._button(_("Cancel"), "Cancel", "", effect.onCancel)
        self.applyButton = self._button(_("Apply"), "Apply", "", effect.onApply)
        for button in (self.fillButton, self.cancelButton, self.applyButton):
            row.addWidget(button)
        self._host.addOptionsWidget(row)

    def cleanup(self) -> None:
        """Disconnect every widget."""
        for widget, signal, slot in self._connections:
            widget.disconnect(signal, slot)
        self._connections = []
        self.guide.cleanup()

    # -- state ------------------------------------------------------------------------------------------------------

    def update(self) -> None:
        """Enable what can be done now, and say why the rest cannot."""
        effect, running = self._effect, self._effect.session.running
        preview, missing = effect.preview.node is not None, effect.whyNotFill()
        ready = preview and effect.outcome is not None and not running
        split = effect.session.splits
        begin = _("Correct") if effect.correcting.active else _("Fill")
        self.fillButton.text = _("Update") if preview and not split else begin
        self.fillButton.enabled = not running and not missing
        self.fillButton.toolTip = missing or (
            _("A fill is running.")
            if running
            else withKey(
                _("Carry your corrections into the volume around them.")
                if effect.correcting.active
                else _("Fill the visible segments between the labelled slices."),
                FILL,
            )
        )
        effect.correcting.update()
        effect.options.update(effect.correcting.active)
        effect.splitting.update(_("A fill is running.") if running else missing, preview and split)
        self.cancelButton.enabled = running or preview
        self.cancelButton.toolTip = (
            _("Stop the fill.")
            if running
            else _("Remove the preview.")
            if preview
            else _("Nothing is running, and there is no preview.")
        )
        self.applyButton.enabled = ready
        self.applyButton.toolTip = (
            _("Put the preview into the segmentation.") if ready else _("Press Fill first, and wait until it is done.")
        )
        self.crossValidationLabel.text = (
            crossValidation(effect.outcome) if preview and effect.outcome is not None else ""
        )
        self.crossValidationLabel.setVisible(bool(self.crossValidationLabel.text))
        self.progressBar.setVisible(running)
        if not running:
            self.progressBar.value = 0
        self._show(self.opacitySlider, value=effect.preview.opacity)
        self._show(self.show3DButton, checked=effect.preview.show3D)
        self._show(self.uncertaintyBox, checked=bool(self._host.integerParameter("ShowUncertainty")))
        self._show(self.autoUpdateBox, checked=bool(self._host.integerParameter("AutoUpdate")))
        self._show(self.guide.intervalBox, value=self._host.integerParameter("Interval"))
        for widget, tip in (
            (self.opacitySlider, _("Blend between what you drew (left) and the preview (right), 0 to 1.")),
            (self.show3DButton, _("Show the preview in the 3D views.")),
        ):
            widget.enabled = preview
            widget.setToolTip(tip if preview else _("There is no preview: press Fill first."))
        self.guide.allowSuggestions(hasattr(effect.outcome, "suggested"))

    @staticmethod
    def _show(widget: Any, **values: Any) -> None:
        """Show values without telling anyone that they changed."""
        blocked = widget.blockSignals(True)
        for name, value in values.items():
            setattr(widget, name, value)
        widget.blockSignals(blocked)

    def showMessage(self, text: str) -> None:
        """Show a sentence above the buttons; an empty one takes no room."""
        self.messageLabel.text = text
        self.messageLabel.setVisible(bool(text))

    def showProgress(self, fraction: float, message: str) -> None:
        """Show how far the fill is."""
        self.progressBar.setVisible(True)
        self.progressBar.value = round(1000 * fraction)
        if message:
            self.showMessage(capitalized(translated(message)))

    # -- what the person does ---------------------------------------------------------------------------------------

    def _onInterval(self, value: int) -> None:
        self._host.setParameter("Interval", value)

    def _onOpacity(self, value: float) -> None:
        self._effect.preview.setOpacity(value)

    def _onShow3D(self, show: bool) -> None:
        self._effect.preview.setShow3D(show)

    def _onUncertainty(self, show: bool) -> None:
        self._host.setParameter("ShowUncertainty", int(show))
        self._effect.showUncertainty()

    def _onAutoUpdate(self, on: bool) -> None:
        self._host.setParameter("AutoUpdate", int(on))
