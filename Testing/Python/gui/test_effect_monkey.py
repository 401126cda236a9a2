"""Whatever a person does with the effect, in whatever order, raises nothing and changes no voxel unasked."""

from __future__ import annotations

import random
import sys

import numpy as np
import pytest
from desk import Desk, ball, on_slices
from vtk.util.numpy_support import vtk_to_numpy
from workbench import add_segmentation, add_volume, draw, pump

STEPS = 120
#: What changes no voxel of a segmentation, and what may; how often each is done.
HARMLESS = {
    "fill": 8,
    "cancel": 3,
    "split": 2,
    "wait": 8,
    "look_away": 2,
    "hide_or_show": 0.6,
    "rename": 1,
    "add": 1,
    "select": 1,
    "set_option": 1,
    "hold_or_release": 1,
    "suggest": 1,
    "switch_effect": 1,
    "move": 0.4,
    "choose_volume": 0.4,
    "choose_segmentation": 0.4,
    "remove_preview": 0.5,
}
CHANGES = {"draw": 6, "draw_solid": 1, "apply": 4, "undo": 1, "redo": 1, "delete": 1}


class Person:
    """Does something at random with an effect, two volumes, two segmentations and a transform."""

    def __init__(self, scene, fake, seed: int) -> None:
        self.random = random.Random(seed)
        self.choice, self.chance = self.random.choice, self.random.random
        self.scene, self.fake, self.desk = scene, fake, Desk(scene)
        self.volumes = [self.desk.volume, self.desk.volume, add_volume(ball().astype(np.float32) * 50, "other"), None]
        other = add_segmentation(self.desk.volume, ("nucleus",), "other drawing")
        self.segmentations = [self.desk.segmentation, self.desk.segmentation, other, None]
        self.transform = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
        self.done: list[str] = []

    def step(self) -> None:
        actions = HARMLESS | CHANGES
        name = self.random.choices(list(actions), list(actions.values()))[0]
        self.done.append(name)
        before = self.voxels()
        getattr(self, name)()
        if name in HARMLESS:
            assert self.voxels() == before, self.done[-12:]

    def voxels(self) -> dict[tuple[str, str], bytes]:
        """What each segment holds."""
        import slicer

        found = {}
        for node in self.segmentations[1:3]:
            for name in node.GetSegmentation().GetSegmentIDs():
                image = slicer.vtkOrientedImageData()
                node.GetBinaryLabelmapRepresentation(name, image)
                if not image.IsEmpty():
                    values = vtk_to_numpy(image.GetPointData().GetScalars())
                    found[node.GetID(), name] = np.packbits(values > 0).tobytes() if values.any() else b""
        return {key: value for key, value in found.items() if value}

    @property
    def node(self):
        return self.desk.node.GetSegmentationNode()

    @property
    def ids(self) -> list[str]:
        return list(self.node.GetSegmentation().GetSegmentIDs()) if self.node is not None else []

    @staticmethod
    def press(button) -> None:
        if button.enabled:
            button.click()

    def fill(self) -> None:
        self.press(self.desk.panel.fillButton)

    def cancel(self) -> None:
        self.press(self.desk.panel.cancelButton)

    def split(self) -> None:
        self.press(self.desk.effect.splitting.button)

    def apply(self) -> None:
        self.press(self.desk.panel.applyButton)

    def wait(self) -> None:
        self.fake.gate.set()
        pump(lambda: not self.desk.effect.session.running)

    def look_away(self) -> None:
        turns = iter(range(5))
        pump(lambda: next(turns, None) is None)

    def hold_or_release(self) -> None:
        self.fake.gate.clear() if self.chance() < 0.3 else self.fake.gate.set()

    def hide_or_show(self) -> None:
        if self.ids:
            display, name = self.node.GetDisplayNode(), self.choice(self.ids)
            display.SetSegmentVisibility(name, not display.GetSegmentVisibility(name))

    def rename(self) -> None:
        if self.ids:
            name = self.choice(["cell", "background", "ignore", "Zelle ä", ""])
            self.node.GetSegmentation().GetSegment(self.choice(self.ids)).SetName(name)

    def add(self) -> None:
        if 0 < len(self.ids) < 6:
            name = f"new {self.done.count('add')}"
            self.node.GetSegmentation().AddEmptySegment(name, name)

    def select(self) -> None:
        if self.ids:
            self.desk.node.SetSelectedSegmentID(self.choice(self.ids))

    def set_option(self) -> None:
        values = {
            "Mode": ["auto", "slices", "scribbles"],
            "Axis": ["auto", "i", "j", "k", "all"],
            "ShowUncertainty": ["0", "1"],
            "AutoUpdate": ["0", "1"],
            "CorrectSlices": ["", "z:9", "nonsense", "k = 15"],
            "Slices": ["", "9,15", "z:200", "-3"],
        }
        name = self.choice(list(values))
        self.desk.host.setParameter(name, self.choice(values[name]))
        self.desk.effect.updateGUIFromMRML()

    def suggest(self) -> None:
        self.desk.effect.suggestSlices(lambda numbers: None)

    def switch_effect(self) -> None:
        self.choice([self.desk.effect.activate, self.desk.effect.deactivate])()

    def move(self) -> None:
        node = self.choice([self.desk.volume, self.desk.segmentation])
        node.SetAndObserveTransformNodeID(self.choice([None, None, self.transform.GetID()]))

    def choose_volume(self) -> None:
        self.desk.node.SetAndObserveSourceVolumeNode(self.choice(self.volumes))
        self.desk.effect.sourceVolumeNodeChanged()

    def choose_segmentation(self) -> None:
        self.desk.node.SetAndObserveSegmentationNode(self.choice(self.segmentations))
        self.desk.effect.updateGUIFromMRML()

    def remove_preview(self) -> None:
        if self.desk.effect.preview.node is not None:
            self.scene.RemoveNode(self.desk.effect.preview.node)

    def draw(self) -> None:
        if self.ids and self.desk.node.GetSourceVolumeNode() is not None:
            numbers = {self.choice([5, 9, 12, 15, 18, 21]) for _ in range(3)}
            mask = ball(radius=self.choice([3, 6, 8]), centre=(15, self.choice([8, 12]), 13))
            draw(self.desk.host, self.choice(self.ids), on_slices(mask, numbers), self.choice(["Add", "Add", "Remove"]))

    def draw_solid(self) -> None:
        if self.ids and self.desk.node.GetSourceVolumeNode() is not None:
            draw(self.desk.host, self.choice(self.ids), ball(radius=5))

    def undo(self) -> None:
        self.desk.editor.undo()

    def redo(self) -> None:
        self.desk.editor.redo()

    def delete(self) -> None:
        if len(self.ids) > 1 and self.chance() < 0.3:
            self.node.GetSegmentation().RemoveSegment(self.choice(self.ids))


@pytest.mark.parametrize("seed", range(4))
def test_nothing_that_a_person_does_raises_or_changes_voxels_unasked(scene, fake, seed, monkeypatch, caplog):
    raised: list[BaseException] = []
    monkeypatch.setattr(sys, "excepthook", lambda kind, error, trace: raised.append(error))
    person = Person(scene, fake, seed)
    for _ in range(STEPS):
        person.step()
        assert raised == [], person.done[-12:]
    person.wait()
    if seed % 2:
        scene.Clear(0)
    person.desk.effect.cleanup()
    assert raised == []
    assert [record for record in caplog.records if record.levelname in ("ERROR", "CRITICAL")] == []
    assert {"fill", "apply", "draw"} <= set(person.done)
