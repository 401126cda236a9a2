"""The guided module: its panels' widgets, enabling, the life of the scene, and its start-up."""

from __future__ import annotations

import subprocess
import sys
import unittest
from pathlib import Path

import numpy as np
import pytest
from workbench import add_segmentation, add_volume, save_and_reload


def buttons(module, panel):
    """Those of a panel, without those of the editor in it."""
    from PySide6.QtWidgets import QPushButton

    editor = module.panels["Label"].editor
    found = module.panels[panel].widget.findChildren(QPushButton)
    return [button for button in found if not editor.isAncestorOf(button)]


def test_every_button_says_what_it_does_or_why_not(module):
    for panel in module.panels.values():
        for button in buttons(module, panel.name):
            assert button.toolTip, f"{panel.name}: {button.objectName} has no tool tip"
    assert not module.panels["Fill"].ui.fillButton.enabled
    assert "step 1" in module.panels["Fill"].ui.fillButton.toolTip


def test_choices_are_stored_in_the_scene_and_shown_again(module):
    volume = add_volume(np.zeros((4, 5, 6), np.uint8))
    ui = module.panels["Fill"].ui
    module.panels["Label"].ui.sourceVolumeSelector.setCurrentNode(volume)
    ui.fillIslandsBox.value = 12
    ui.fillAxisBox.setCurrentIndex(1)
    node = module.parameters.parameterNode
    assert node.GetNodeReference("sourceVolume") is volume
    assert node.GetParameter("fillIslands") == "12"
    assert node.GetParameter("fillAxis") == "k"
    module.parameters.fillSmooth = 1.5
    assert ui.fillSmoothBox.value == 1.5
    module.exit()
    module.enter()
    assert ui.fillIslandsBox.value == 12


def test_label_starts_with_cytoplasm_and_bead(module):
    import slicer

    volume = add_volume(np.zeros((4, 5, 6), np.uint8))
    module.parameters.sourceVolume = volume
    module.panels["Label"].ui.startButton.click()
    segmentation = module.parameters.segmentation
    table = segmentation.GetSegmentation()
    assert [table.GetSegment(s).GetName() for s in table.GetSegmentIDs()] == ["cytoplasm", "bead"]
    editor = module.panels["Label"].editor
    assert editor.segmentationNode() is segmentation
    assert editor.sourceVolumeNode() is volume
    module.panels["Label"].ui.startButton.click()
    assert table.GetNumberOfSegments() == 2
    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLSegmentEditorNode") == 1


@pytest.mark.parametrize("start", ["button", "chosen"])
def test_labels_begin_on_the_voxels_of_a_volume_that_is_transformed(module, scene, start):
    import slicer
    import vtk

    volume = add_volume(np.ones((4, 5, 6), np.uint8))
    transform = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "placement")
    matrix = vtk.vtkMatrix4x4()
    matrix.SetElement(0, 3, 12.5)
    transform.SetMatrixTransformToParent(matrix)
    volume.SetAndObserveTransformNodeID(transform.GetID())
    module.parameters.sourceVolume = volume
    if start == "button":
        module.panels["Label"].ui.startButton.click()
    else:
        module.parameters.segmentation = scene.AddNewNodeByClass("vtkMRMLSegmentationNode")
    segmentation = module.parameters.segmentation
    assert segmentation.GetParentTransformNode() is transform
    text = segmentation.GetSegmentation().GetConversionParameter("Reference image geometry")
    image = slicer.vtkOrientedImageData()
    assert slicer.vtkSegmentationConverter.DeserializeImageGeometry(text, image)
    assert image.GetOrigin() == pytest.approx(volume.GetOrigin())


def test_a_scene_that_is_read_keeps_the_place_of_its_segmentation(module, scene, tmp_path):
    """The panels hear of nodes whose segments are still to be read."""
    import slicer

    volume = add_volume(np.zeros((4, 5, 6), np.uint8))
    segmentation = add_segmentation(volume)
    module.parameters.sourceVolume, module.parameters.segmentation = volume, segmentation
    transform = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "placement")
    segmentation.SetAndObserveTransformNodeID(transform.GetID())
    save_and_reload(scene, tmp_path / "scene.mrb")
    (again,) = slicer.util.getNodesByClass("vtkMRMLSegmentationNode")
    assert again.GetParentTransformNode() is not None
    assert module.parameters.segmentation is again
    assert module.panels["Label"].editor.segmentationNode() is again


def test_after_a_reload_the_old_editor_does_nothing(module):
    """Slicer hides the old widgets, and keeps them."""
    register_effect()
    module.parameters.sourceVolume = add_volume(np.zeros((4, 5, 6), np.uint8))
    module.panels["Label"].ui.startButton.click()
    module.panels["Fill"].showEffect()
    editor = module.panels["Label"].editor
    host = editor.activeEffect()
    assert host.active()
    module.cleanup()
    assert not host.active()
    assert editor.mrmlSegmentEditorNode() is None


def test_after_a_reload_the_new_editor_works(module):
    from standin.scripted import reload_module

    module.parameters.sourceVolume = add_volume(np.zeros((4, 5, 6), np.uint8))
    module.panels["Label"].ui.startButton.click()
    fresh = reload_module(module)
    node = fresh.panels["Label"].editor.mrmlSegmentEditorNode()
    assert node is not None
    assert node.GetSegmentationNode() is fresh.parameters.segmentation
    fresh.cleanup()


@pytest.mark.parametrize("other", ["vtkMRMLLabelMapVolumeNode", "vtkMRMLVectorVolumeNode"])
def test_what_no_selector_shows_is_not_taken_for_the_tomogram(module, other):
    import slicer

    slicer.mrmlScene.AddNewNodeByClass(other, "labels, or a picture in colours")
    tomogram = add_volume(np.zeros((4, 4, 4), np.float32))
    module.exit()
    module.enter()
    assert module.parameters.sourceVolume is tomogram
    assert module.parameters.predictVolume is tomogram


def test_the_volume_that_the_views_show_is_taken_as_by_segment_editor(module):
    import slicer

    hidden = add_volume(np.zeros((4, 4, 4), np.float32), "of another module")
    hidden.HideFromEditorsOn()
    first, second = (add_volume(np.zeros((4, 4, 4), np.float32), name) for name in ("first", "second"))
    slicer.util.setSliceViewerLayers(background=second)
    module.enter()
    assert module.parameters.sourceVolume is second
    assert module.parameters.predictVolume is second
    for name in ("sourceVolume", "predictVolume"):
        module.parameters.setValue(name, None)
    slicer.util.setSliceViewerLayers(background=None)
    module.enter()
    assert module.parameters.sourceVolume is first


def test_scene_close_and_after(module):
    import slicer

    volume = add_volume(np.zeros((4, 5, 6), np.uint8))
    module.parameters.sourceVolume = volume
    module.parameters.segmentation = add_segmentation(volume)
    slicer.mrmlScene.Clear(0)
    assert module.parameters.sourceVolume is None
    again = add_volume(np.zeros((4, 5, 6), np.uint8))
    module.enter()
    assert module.parameters.sourceVolume is again
    module.panels["Label"].ui.startButton.click()
    assert module.panels["Label"].editor.sourceVolumeNode() is again


def test_the_editor_has_no_segmentation_that_the_panel_does_not_show(module):
    """Its hidden selector would take the first one that comes, which may be the result of a prediction."""
    volume = add_volume(np.zeros((4, 5, 6), np.uint8))
    module.parameters.sourceVolume = volume
    add_segmentation(volume, name="predicted")
    assert module.parameters.segmentation is None
    assert module.panels["Label"].editor.segmentationNode() is None


def test_a_widget_that_does_not_exist_is_refused(module):
    with pytest.raises(AttributeError):
        module.panels["Fill"].ui.fillButton.colour = "red"
    with pytest.raises(AttributeError):
        _ = module.panels["Fill"].ui.noSuchButton
    with pytest.raises(TypeError):
        module.panels["Label"].ui.sourceVolumeSelector.setCurrentNode(module.parameters.parameterNode)


def test_what_pythonqt_refuses_or_misreads_is_refused(scene):
    """As seen in PythonQt: "None" as a text, 1.5 as 1, a timer and a method that cannot be set."""
    import qt

    label = qt.QLabel("text")
    for thing, name, value in (
        (label, "text", None),
        (qt.QSpinBox(), "value", 1.5),
        (qt.QTimer(), "singleShot", True),
        (label, "setText", "text"),
    ):
        with pytest.raises((AttributeError, TypeError)):
            setattr(thing, name, value)
    with pytest.raises(ValueError, match="keyword"):
        qt.QPushButton(text="text")
    assert isinstance(label.width, int), "a property, and no method"


def test_self_test_of_the_module(scene):
    """The body that CTest runs in Slicer."""
    from ACSeg import ACSegTest

    ACSegTest().runTest()


def test_self_test_of_the_effect(scene):
    """The body that CTest runs in Slicer."""
    import SegmentEditorACSegFill as module
    from standin.scripted import ModuleParent

    module.SegmentEditorACSegFill(ModuleParent(module.__file__)).registerEditorEffect()
    module.SegmentEditorACSegFillTest().runTest()


def test_self_tests_leave_out_what_is_not_installed(scene, monkeypatch, caplog):
    """Under CTest nothing is installed; a build machine without the packages is no failure."""
    import SegmentEditorACSegFill as module
    from ACSegPanels import install

    from ACSeg import ACSegTest

    monkeypatch.setitem(install.REQUIREMENTS, "fill", ["no-such-package>=1"])
    register_effect()
    for test in (module.SegmentEditorACSegFillTest(), ACSegTest()):
        told = []
        monkeypatch.setattr(test, "delayDisplay", told.append, raising=False)
        with pytest.raises(unittest.SkipTest, match="SKIPPED, not tested: no-such-package>=1 is not installed"):
            test.runTest()
        assert told[-1].startswith("SKIPPED")
    assert caplog.text.count("SKIPPED") == 2


def test_self_tests_test_what_needs_no_package(scene, monkeypatch):
    """Before they say that the rest was skipped; a fault in it is a failure."""
    from ACSegPanels import install, selftest

    from ACSeg import ACSegTest

    monkeypatch.setitem(install.REQUIREMENTS, "fill", ["no-such-package>=1"])
    monkeypatch.setattr(selftest, "checkGuide", lambda: pytest.fail("the guide is wrong"))
    with pytest.raises(pytest.fail.Exception, match="the guide is wrong"):
        ACSegTest().runTest()


def register_effect():
    """What the hidden module does once Slicer has started."""
    import SegmentEditorACSegFill as effect
    from standin.scripted import ModuleParent

    effect.SegmentEditorACSegFill(ModuleParent(effect.__file__)).registerEditorEffect()


def test_an_effect_that_is_registered_later_is_in_the_embedded_editor(module):
    """With ACSeg as start-up module, effects come after the editor was made."""
    from standin.effecthost import REGISTERED

    editor = module.panels["Label"].editor
    editor._effects.clear()
    REGISTERED.clear()
    register_effect()
    assert "ACSeg random walk fill" in editor.availableEffectNames()


def test_a_fill_goes_on_when_the_module_is_left_and_is_there_when_it_is_shown_again(module, fake):
    import slicer
    from desk import ball, on_slices
    from workbench import draw, pump

    register_effect()
    volume = add_volume(ball().astype(np.float32) * 100)
    module.parameters.sourceVolume = volume
    module.parameters.segmentation = add_segmentation(volume)
    editor = module.panels["Label"].editor
    editor.setActiveEffectByName("ACSeg random walk fill")
    host = editor.activeEffect()
    draw(host, "cytoplasm", on_slices(ball(), (9, 15, 21)))
    fake.gate.clear()
    host.self().panel.fillButton.click()
    module.exit()
    fake.gate.set()
    pump(lambda: not host.self().session.running)
    assert host.self().preview.node is not None, host.self().message
    module.enter()
    editor.setActiveEffectByName("ACSeg random walk fill")
    effect = editor.activeEffect().self()
    assert effect.preview.node is not None
    effect.panel.applyButton.click()
    assert "Applied" in effect.message
    slicer.mrmlScene.Clear(0)
    assert editor.segmentationNode() is None
    effect.cleanup()


def field_of_view(name="Red"):
    import slicer

    return slicer.mrmlScene.GetSingletonNode(name, "vtkMRMLSliceNode").GetFieldOfView()[:2]


def test_the_first_volume_is_shown_and_fits_the_views(module):
    """A tomogram in nanometres is 14,200 units wide, in views of 250."""
    from ACSegPanels.views import shownVolumes

    volume = add_volume(np.ones((40, 40, 40), np.uint8), spacing=(355.0, 355.0, 355.0))
    module.exit()
    module.enter()
    assert shownVolumes() == {volume.GetID()}
    assert min(field_of_view()) >= 14200


def test_a_volume_that_is_chosen_is_shown_and_the_views_stay_otherwise(module):
    import slicer
    from ACSegPanels.views import shownVolumes

    first, second = (add_volume(np.ones((9, 9, 9), np.uint8), name) for name in ("first", "second"))
    module.exit()
    module.enter()
    assert shownVolumes() == {first.GetID()}
    module.panels["Label"].ui.sourceVolumeSelector.setCurrentNode(second)
    assert shownVolumes() == {second.GetID()}
    module.exit()
    slicer.util.setSliceViewerLayers(background=first)
    module.enter()
    assert shownVolumes() == {first.GetID()}, "the person looks at another one: entering the module changes nothing"


PROBE = """
import importlib, os, pkgutil, sys, time
sys.meta_path = [finder for finder in sys.meta_path if "editable" not in str(finder).lower()]
sys.path += {paths!r}
import standin; standin.install()
import statistics_standin; statistics_standin.install()
import numpy, slicer, vtk
before, start = set(sys.modules), time.process_time()
import ACSeg, ACSegPanels, ACSegStatistics, ACSegStatisticsLib, SegmentEditorACSegFill, SegmentEditorACSegFillLib
for package in (ACSegPanels, ACSegStatisticsLib, SegmentEditorACSegFillLib):
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(package.__name__ + "." + module.name)
ACSeg.registerSampleData()
ACSegStatistics.registerPlugin()
seconds = time.process_time() - start
top = {{name: name.partition(".")[0] for name in set(sys.modules) - before}}
slicers = {{"slicer", "SampleData", "SegmentStatistics", "SegmentStatisticsPlugins"}}  # where they run on its own files
added = [name for name in top if top[name] not in sys.stdlib_module_names and top[name] not in slicers]
packages = {{top[name] for name in added}}
print(round(seconds, 3), len(added), *sorted(packages))
sys.stdout.flush(); os._exit(0)
"""


def test_importing_the_modules_is_light_and_needs_no_installed_library(scene, tmp_path):
    """All files, and what is done when Slicer has started: no package is imported that Slicer has not imported.

    As from a source checkout whose module folders were added to Slicer's module paths.
    """
    tests = Path(__file__).resolve().parent.parent
    paths = [str(tests), str(tests / "mrml"), str(tests.parents[1] / "ACSeg" / "ACSegStatistics")]
    command = [sys.executable, "-c", PROBE.format(paths=paths)]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    seconds, count, *packages = done.stdout.strip().splitlines()[-1].split()
    assert {name for name in packages if not name.startswith(("ACSeg", "SegmentEditorACSegFill"))} == set()
    assert int(count) < 140, "each module costs a millisecond or two of Slicer's start"
    print(f"importing every module file took {seconds} s of processor time, {count} modules")
