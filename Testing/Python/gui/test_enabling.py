"""What cannot be pressed now says why: over all panels and the effect, in every state that a person meets."""

from __future__ import annotations

import numpy as np
from desk import Desk, ball, on_slices
from workbench import add_segmentation, add_volume, draw, pump


class ToolTips:
    """Notes the tool tip of every button, slider and field, enabled and disabled, from state to state."""

    def __init__(self, widgets):
        self.widgets, self.seen = widgets, {}

    def note(self):
        for name, widget in self.widgets.items():
            assert widget.toolTip, f"{name} has no tool tip"
            self.seen.setdefault(name, {True: set(), False: set()})[bool(widget.enabled)].add(widget.toolTip)

    def check(self):
        """A text that stands on an enabled widget never stands on a disabled one."""
        for name, tips in self.seen.items():
            assert not tips[True] & tips[False], f"{name}: {tips}"

    def was(self, enabled):
        return {name for name, tips in self.seen.items() if tips[enabled]}


def interactive(*tops):
    """Buttons by name; those inside other widgets (a file dialog's "...", the arrows of a section) left out."""
    from PySide6.QtWidgets import QPushButton

    return {b.objectName: b for top in tops for b in top.findChildren(QPushButton) if b.objectName}


def test_panels(module, fake):
    import slicer

    editor = module.panels["Label"].editor  # its effects are looked at by themselves
    buttons = interactive(*(panel.widget for panel in module.panels.values()))
    tips = ToolTips({name: button for name, button in buttons.items() if not editor.isAncestorOf(button)})
    tips.note()  # an empty scene
    volume = add_volume(ball().astype(np.float32))
    module.parameters.sourceVolume = volume
    tips.note()  # a tomogram
    node = add_segmentation(volume)
    module.parameters.segmentation = module.parameters.measureSegmentation = node
    module.parameters.predictVolume = volume
    train = module.panels["Train"]
    train.ui.trainVolumeSelector.setCurrentNode(volume)
    train.ui.trainLabelsSelector.setCurrentNode(node)
    for edit in (train.ui.imageFolderEdit, train.ui.labelFolderEdit):
        edit.currentPath = slicer.app.temporaryPath
    tips.note()  # everything chosen
    from standin.effecthost import label_image

    logic = slicer.vtkSlicerSegmentationsModuleLogic
    image = label_image(on_slices(ball(), (9, 15, 21)), volume)
    logic.SetBinaryLabelmapToSegment(image, node, "cytoplasm", logic.MODE_REPLACE)
    train.ui.addPairButton.click()
    train.ui.pairsTable.setCurrentCell(0, 0)
    tips.note()  # a data set
    fake.gate.clear()
    module.panels["Fill"].ui.fillButton.click()
    tips.note()  # a fill is running
    fake.gate.set()
    pump(lambda: not module.panels["Fill"].running)
    tips.note()
    slicer.mrmlScene.Clear(0)
    tips.note()
    tips.check()
    assert {"fillButton", "fillCancelButton", "trainButton", "removePairButton", "startButton"} <= tips.was(True)
    assert {"fillButton", "fillCancelButton", "trainButton", "removePairButton", "startButton"} <= tips.was(False)


def test_effect(scene, fake):
    desk = Desk(scene)
    panel = desk.panel
    widgets = {
        name: getattr(panel, name)
        for name in ("fillButton", "cancelButton", "applyButton", "opacitySlider", "show3DButton")
    }
    widgets |= {name: getattr(panel.guide, name) for name in ("nextButton", "suggestButton")}
    widgets |= desk.effect.options.widgets
    tips = ToolTips(widgets)
    desk.node.SetAndObserveSourceVolumeNode(None)
    desk.effect.updateGUIFromMRML()
    desk.count()
    tips.note()  # no volume
    desk.node.SetAndObserveSourceVolumeNode(desk.volume)
    desk.effect.updateGUIFromMRML()
    desk.count()
    tips.note()
    draw(desk.host, "cytoplasm", on_slices(ball(), (9, 15, 21)))
    fake.gate.clear()
    panel.fillButton.click()
    tips.note()  # a fill is running
    fake.gate.set()
    pump(lambda: desk.effect.preview.node is not None)
    tips.note()  # a preview
    mode = desk.effect.options.widgets["Mode"]
    for name in ("slices", "scribbles"):
        mode.setCurrentIndex(mode.findData(name))
        tips.note()
    tips.check()
    assert tips.was(True) == set(widgets)
    assert set(widgets) - tips.was(False) == {"Mode", "Islands", "Holes", "Smooth", "Device", "Memory"}
    desk.effect.cleanup()
