"""A volume, a segmentation and the effect at work on them, for the tests that drive the effect."""

from __future__ import annotations

import numpy as np
from workbench import add_segmentation, add_volume, draw, pump, segment_array

#: Name of the effect, which is never translated.
EFFECT = "ACSeg random walk fill"

SHAPE = (30, 24, 26)


def ball(shape=SHAPE, centre=(15, 12, 13), radius=8):
    k, j, i = np.indices(shape)
    return (k - centre[0]) ** 2 + (j - centre[1]) ** 2 + (i - centre[2]) ** 2 <= radius**2


def on_slices(mask, numbers):
    kept = np.zeros_like(mask)
    kept[list(numbers)] = mask[list(numbers)]
    return kept


def effect_on(node):
    """The effect at work in an editor of its own on a segment editor node."""
    import slicer

    editor = slicer.qMRMLSegmentEditorWidget()
    editor.setMRMLScene(node.GetScene())
    editor.setMRMLSegmentEditorNode(node)
    editor.setActiveEffectByName(EFFECT)
    effect = editor.activeEffect()
    effect.editor = editor  # it lives as long as its effect
    return effect


class Desk:
    """A volume, a segmentation and the effect at work on them."""

    def __init__(self, scene):
        import SegmentEditorACSegFill as module
        from SegmentEditorACSegFill import SegmentEditorACSegFill
        from standin.scripted import ModuleParent

        SegmentEditorACSegFill(ModuleParent(module.__file__)).registerEditorEffect()
        self.volume = add_volume(ball().astype(np.float32) * 100)
        self.segmentation = add_segmentation(self.volume)
        self.node = scene.AddNewNodeByClass("vtkMRMLSegmentEditorNode")
        self.node.SetAndObserveSegmentationNode(self.segmentation)
        self.node.SetAndObserveSourceVolumeNode(self.volume)
        self.host = effect_on(self.node)
        self.editor = self.host.editor
        self.effect = self.host.self()
        self.panel = self.effect.panel

    def draw(self, numbers=(9, 15, 21), segment="cytoplasm", mask=None):
        draw(self.host, segment, on_slices(ball() if mask is None else mask, numbers))

    def count(self):
        """Let the guide count."""
        self.effect.updateGuide()
        pump(lambda: not self.effect.counting)

    def fill(self):
        self.panel.fillButton.click()
        pump(lambda: not self.effect.session.running)

    def array(self, segment="cytoplasm"):
        return segment_array(self.segmentation, segment, self.volume)

    def previewed(self, segment="cytoplasm"):
        return segment_array(self.effect.preview.node, segment, self.volume)
