"""`ACSegLogic` from the Python console: blocking, with callbacks, and the examples of the tutorial as they stand."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from desk import ball, on_slices
from workbench import add_segmentation, add_volume, pump, segment_array

from ACSegLib.errors import InputError

SCRIPTING = Path(__file__).resolve().parents[3] / "Documentation" / "slicer-scripting.md"
#: The blocks that need a worker; ../mrml/test_scripting.py runs the others.
BLOCKS = dict(re.findall(r"<!-- test: (\w+) -->\n```\w+\n(.*?)```", SCRIPTING.read_text(encoding="utf-8"), re.DOTALL))


def drawn_cell():
    import slicer
    from standin.effecthost import label_image

    volume = add_volume(ball().astype(np.float32) * 100)
    volume.SetAttribute("ACSeg.LengthUnit", "um")
    node = add_segmentation(volume)
    logic = slicer.vtkSlicerSegmentationsModuleLogic
    image = label_image(on_slices(ball(), (9, 15, 21)), volume)
    logic.SetBinaryLabelmapToSegment(image, node, "cytoplasm", logic.MODE_REPLACE)
    return volume, node


def test_fill_waits_and_makes_a_new_node(scene, fake):
    from ACSeg import ACSegLogic

    volume, node = drawn_cell()
    before = segment_array(node, "cytoplasm", volume)
    filled = ACSegLogic().fill(volume, node, axis="k")
    assert filled is not node
    assert fake.calls[0][1] == "k"
    assert np.array_equal(segment_array(node, "cytoplasm", volume), before)
    assert segment_array(filled, "cytoplasm", volume)[before].all()
    assert filled.GetSegmentation().GetSegment("cytoplasm").GetName() == "cytoplasm"


def test_fill_into_an_existing_node_and_some_segments(scene, fake):
    from ACSeg import ACSegLogic

    volume, node = drawn_cell()
    output = add_segmentation(volume, name="output")
    same = ACSegLogic().fill(volume, node, output, segmentIDs=["cytoplasm"])
    assert same is output
    assert segment_array(output, "cytoplasm", volume)[12].any()
    assert not segment_array(output, "bead", volume).any()


def test_an_output_that_is_a_surface_is_refused_before_the_fill(scene, fake):
    import vtk

    from ACSeg import ACSegLogic

    volume, node = drawn_cell()
    surface = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "mesh")
    surface.SetSourceRepresentationToClosedSurface()
    sphere = vtk.vtkSphereSource()
    sphere.Update()
    surface.AddSegmentFromClosedSurfaceRepresentation(sphere.GetOutput(), "ball", [1, 0, 0])
    with pytest.raises(InputError, match="'mesh' is stored as 'Closed surface'"):
        ACSegLogic().fill(volume, node, surface)
    assert not fake.calls


@pytest.mark.parametrize(
    ("call", "wanted"),
    [
        (
            lambda logic, volume, node: logic.fill(volume, node, volume),
            "a segmentation node is needed, not vtkMRMLScalar",
        ),
        (lambda logic, volume, node: logic.predict(volume, None, "labels"), "a segmentation node is needed, not str"),
        (lambda logic, volume, node: logic.predict(__file__), "a volume node is needed, not str"),
        (lambda logic, volume, node: logic.correct(volume, node, None), "no segmentation is chosen"),
        (lambda logic, volume, node: logic.measure(node, volume, node), "a table node is needed, not vtkMRMLSegment"),
        (lambda logic, volume, node: logic.split(node, volume, segmentIDs="nucleus"), "has no segment 'nucleus'"),
    ],
)
def test_a_wrong_node_is_told_in_one_sentence(scene, fake, call, wanted):
    from ACSeg import ACSegLogic

    with pytest.raises(InputError, match=wanted):
        call(ACSegLogic(), *drawn_cell())


def raising(*_told):
    raise LookupError("of the callback")


def test_a_progress_callback_that_raises_stops_the_work(scene, quick):
    import slicer

    from ACSeg import ACSegLogic

    quick.held = True  # it would never end by itself
    with pytest.raises(LookupError, match="of the callback"):
        ACSegLogic().predict(drawn_cell()[0], __file__, onProgress=raising)
    pump(lambda: not list(Path(slicer.app.temporaryPath).glob("ACSeg-*")))


def test_the_end_is_told_after_a_progress_callback_that_raised(scene):
    from types import SimpleNamespace

    from ACSegPanels.task import Task

    from ACSegLib.worker import Event

    found = []
    events = [Event("progress", 0.5, "at work"), Event("done", value=3)]
    task = Task(SimpleNamespace(poll=lambda: events, lingering=False), lambda value: value)
    task.watch(raising, found.append)
    with pytest.raises(LookupError):
        task.poll()
    assert (task.state, found) == ("done", [3])


def test_a_second_result_takes_the_place_of_the_first_and_an_input_keeps_its_segments(scene, fake):
    from ACSeg import ACSegLogic

    volume, node = drawn_cell()
    output = ACSegLogic().fill(volume, node)
    node.GetSegmentation().RemoveSegment("bead")
    ACSegLogic().fill(volume, node, output)
    assert list(output.GetSegmentation().GetSegmentIDs()) == ["cytoplasm"]
    output.GetSegmentation().AddEmptySegment("nucleus", "nucleus")
    ACSegLogic().fill(volume, output, output, segmentIDs=["cytoplasm"])
    assert list(output.GetSegmentation().GetSegmentIDs()) == ["cytoplasm", "nucleus"]


def test_the_unit_of_the_values_of_a_volume_comes_with_it(scene):
    """A file that states that it has LAC gives LAC in Slicer as in the shell; nodes have Slicer's own place for it."""
    import slicer

    from ACSeg import ACSegLogic
    from ACSegLib.scene import (
        segmentation_from_node,
        volume_from_node,
        write_segmentation_to_node,
        write_volume_to_node,
    )
    from ACSegLib.volume import Volume

    plain, node = drawn_cell()
    opened = volume_from_node(plain)
    stated = Volume(opened.array, opened.geometry, "lac", {"intensity_unit": "1/um"})
    volume = write_volume_to_node(stated, scene=slicer.mrmlScene)
    assert volume.GetVoxelValueUnits().GetCodeMeaning() == "1/um"
    cell = write_segmentation_to_node(segmentation_from_node(node, plain), volume_node=volume)
    logic = ACSegLogic()
    table = logic.measure(cell, volume)
    assert table.GetTable().GetColumnByName("intensity_unit").GetValue(0) == "1/um"
    assert not [note for note in logic.lastNotes if "have no unit" in note]


def test_cells_that_are_split_again_in_place_are_segments_of_their_own(scene):
    import slicer
    from standin.effecthost import label_image

    from ACSeg import ACSegLogic

    shape = (24, 22, 60)
    cells = [ball(shape, (12, 11, i), 8) for i in (10, 24, 38)]
    volume = add_volume(np.logical_or.reduce(cells).astype(np.float32))
    node = add_segmentation(volume, ("cell",))
    write = slicer.vtkSlicerSegmentationsModuleLogic.SetBinaryLabelmapToSegment
    write(label_image(np.logical_or.reduce(cells), volume), node, "cell")
    table, logic = node.GetSegmentation(), ACSegLogic()
    assert logic.split(node, volume, node, count=2) is node
    assert [table.GetSegment(s).GetName() for s in table.GetSegmentIDs()] == ["cell 1", "cell 2"]
    single = table.GetNthSegmentID(1)
    before = segment_array(node, single, volume)
    logic.split(node, volume, node)
    assert [table.GetSegment(s).GetName() for s in table.GetSegmentIDs()] == ["cell 1 1", "cell 2", "cell 1 2"]
    assert np.array_equal(segment_array(node, single, volume), before)
    found = [segment_array(node, s, volume) for s in table.GetSegmentIDs()]
    assert all(max((a & cell).sum() for a in found) > 0.95 * cell.sum() for cell in cells)


def test_callbacks_come_on_the_main_thread(scene, fake):
    import threading

    from ACSeg import ACSegLogic

    volume, node = drawn_cell()
    seen = {}
    task = ACSegLogic().fill(
        volume,
        node,
        onProgress=lambda fraction, message: seen.setdefault("progress", threading.current_thread()),
        onDone=lambda result: seen.update(done=result, thread=threading.current_thread()),
    )
    assert task.running
    pump(lambda: not task.running)
    assert seen["done"].GetClassName() == "vtkMRMLSegmentationNode"
    assert seen["thread"] is seen["progress"] is threading.main_thread()


def test_cancel_and_errors(scene, fake):
    from ACSeg import ACSegLogic

    volume, node = drawn_cell()
    fake.gate.clear()
    told = []
    task = ACSegLogic().fill(volume, node, onDone=told.append, onError=told.append)
    task.cancel()
    pump(lambda: not task.running)
    assert task.state == "cancelled"
    assert told == [""]
    fake.gate.set()
    fake.error = InputError("the fill has failed.")
    with pytest.raises(InputError, match="has failed"):
        ACSegLogic().fill(volume, node)


def test_keywords_are_the_options_of_the_commands(scene, fake):
    """Under the same names, held to the same ranges; what a command does not know is named."""
    from ACSeg import ACSegLogic

    volume, node = drawn_cell()
    ACSegLogic().fill(volume, node, memory=2.0, gamma=0.5, slices=[9, 15, 21], device="cpu")
    settings = fake.calls[-1][4]
    assert settings["memory_limit"] == 2.0 * 2**30
    assert (settings["settings"]["gamma"], settings["slices"]) == (0.5, {"k": [9, 15, 21]})
    for keywords, message in (
        ({"axis": "q"}, "axis 'q' is not one of"),
        ({"axes": "k"}, "fill has no option 'axes'; it has: axis, "),
        ({"smooth": 11.0}, "out of range"),
    ):
        with pytest.raises(InputError, match=message):
            ACSegLogic().fill(volume, node, **keywords)
    with pytest.raises(InputError, match="measure has no option 'minimum_volume'; it has: apart, bead_name"):
        ACSegLogic().measure(node, volume, minimum_volume=3.0)


def test_segments_that_are_ignored_or_left_out_do_not_come_back(scene):
    """With the library's own fill: what is asked for is done."""
    from ACSeg import ACSegLogic

    volume, node = drawn_cell()
    for choice in ({"leave_out": ["bead"]}, {"only": ["cytoplasm"]}, {"ignore": "bead"}):
        filled = ACSegLogic().fill(volume, node, device="cpu", gamma=0.3, **choice)
        segmentation = filled.GetSegmentation()
        names = [segmentation.GetSegment(s).GetName() for s in segmentation.GetSegmentIDs()]
        assert names == ["cytoplasm"]
        filled.GetScene().RemoveNode(filled)
    with pytest.raises(InputError, match="fill has no option 'level'"):
        ACSegLogic().fill(volume, node, level=0)


def test_measure_gives_a_table(scene):
    from ACSeg import ACSegLogic

    volume, node = drawn_cell()
    table = ACSegLogic().measure(node, volume, unit="nm", thin_parts=False)
    names = [table.GetTable().GetColumnName(c) for c in range(table.GetTable().GetNumberOfColumns())]
    assert {"segment", "volume", "surface_area"} <= set(names)
    count = segment_array(node, "cytoplasm", volume).sum()
    assert table.GetTable().GetColumnByName("volume").GetValue(0) == pytest.approx(count * 1e9, rel=1e-6)
    voxels = ACSegLogic().measure(node, volume, unit="px", min_volume=count + 1.0)
    assert voxels.GetTable().GetColumnByName("volume").GetValue(0) == pytest.approx(count)
    assert [voxels.GetTable().GetColumnByName("kind").GetValue(n) for n in range(voxels.GetNumberOfRows())] == [
        "segment",
        "segment",
    ]


def test_measure_notes_what_is_doubtful_and_leaves_out_what_is_no_structure(scene):
    import slicer
    from standin.effecthost import label_image

    from ACSeg import ACSegLogic

    volume = add_volume(ball().astype(np.float32) * 100, spacing=(30, 30, 30))  # nm, which Slicer takes for mm
    node = add_segmentation(volume)
    inside = ball()
    spoilt = inside.copy()
    spoilt[0, 0, 0] = True  # a speck
    logic = slicer.vtkSlicerSegmentationsModuleLogic
    logic.SetBinaryLabelmapToSegment(label_image(spoilt, volume), node, "cytoplasm", logic.MODE_REPLACE)
    node.GetSegmentation().AddEmptySegment("rest", "ignore")
    logic.SetBinaryLabelmapToSegment(label_image(~inside & ~spoilt, volume), node, "rest", logic.MODE_REPLACE)
    module = ACSegLogic()
    table = module.measure(node, volume, unit="mm", thin_parts=False).GetTable()
    segments = {table.GetColumnByName("segment").GetValue(row) for row in range(table.GetNumberOfRows())}
    assert segments == {"cytoplasm", "bead"}
    notes = " ".join(module.lastNotes)
    for words in (
        "'ignore' marks voxels to leave out",
        "1 of 2 connected cells of cytoplasm",
        "voxels of more than 5 mm",
        "state the right voxel size with spacing.",
        "min_volume",
    ):
        assert words in notes, notes
    assert "--" not in notes
    with pytest.raises(InputError, match=r"^bead_reference must be a number"):
        module.measure(node, volume, bead_reference="two")
    node.SetName("Drawing")
    with pytest.raises(InputError, match=r"^Drawing: no segment with voxels has 'X' in its name.*give bead_name"):
        module.measure(node, volume, bead_name="X", bead_reference=1.0)


def test_labels_that_the_volume_cuts_or_a_transform_scales_are_told(scene):
    import slicer

    from ACSeg import ACSegLogic

    volume, node = drawn_cell()
    labels = segment_array(node, "cytoplasm", volume)
    module = ACSegLogic()
    module.measure(node, volume)
    assert not any("left out" in note or "transform" in note for note in module.lastNotes)
    crop = add_volume(np.zeros((14, *labels.shape[1:]), np.float32), "crop")
    crop.SetAttribute("ACSeg.LengthUnit", "um")
    table = module.measure(node, crop).GetTable()
    left = labels[:14].sum() / labels.sum()
    assert table.GetColumnByName("voxels").GetValue(0) == labels[:14].sum()
    assert f"{100 * (1 - left):.2g} % of the labelled voxels of 'drawing' lie outside" in module.lastNotes[0]
    crop.SetOrigin(200, 0, 0)
    for step in (module.measure, lambda *nodes: module.fill(*nodes[::-1]), module.split):
        with pytest.raises(InputError, match="no labelled voxel of 'drawing' lies inside of the volume 'crop'"):
            step(node, crop)
    with pytest.raises(InputError, match="no segment; there is nothing to measure"):
        module.measure(add_segmentation(volume, ()), volume)
    twice = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    twice.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(np.diag([2.0, 2.0, 2.0, 1.0])))
    for moved in (volume, node):
        moved.SetAndObserveTransformNodeID(twice.GetID())
    module.measure(node, volume)
    assert "changes volumes by a factor of 8; sizes are measured without it" in module.lastNotes[0]


@pytest.mark.parametrize(("spacing", "unit", "told"), [(1.0, "um", True), (1.0, "px", False), (0.5, "um", False)])
def test_a_measurement_tells_of_the_spacing_that_slicer_assumes(scene, spacing, unit, told):
    from ACSeg import ACSegLogic

    volume, node = drawn_cell()
    volume.RemoveAttribute("ACSeg.LengthUnit")
    volume.SetSpacing(spacing, spacing, spacing)
    logic = ACSegLogic()
    logic.measure(node, volume, unit=unit, thin_parts=False)
    assert any("has a spacing of 1 mm" in note for note in logic.lastNotes) == told


def test_measure_scales_by_the_beads(scene):
    import slicer
    from standin.effecthost import label_image

    from ACSeg import ACSegLogic

    volume, node = drawn_cell()
    corner = np.zeros(ball().shape, bool)
    corner[:6, :6, :6] = True
    array = slicer.util.arrayFromVolume(volume)
    array[:6, :6, :6] = 50.0
    logic = slicer.vtkSlicerSegmentationsModuleLogic
    logic.SetBinaryLabelmapToSegment(label_image(corner, volume), node, "bead", logic.MODE_REPLACE)
    table = ACSegLogic().measure(node, volume, bead_reference=1.2, thin_parts=False, cells=False).GetTable()
    means = [table.GetColumnByName("lac_mean").GetValue(n) for n in range(2)]
    assert means == pytest.approx([2.4, 1.2])


@pytest.mark.parametrize("missing", ["volume", "segmentation"])
def test_missing_nodes_are_named(scene, missing):
    from ACSeg import ACSegLogic

    volume, node = drawn_cell()
    arguments = (None, node) if missing == "volume" else (volume, None)
    with pytest.raises(ValueError, match=f"no {missing} is chosen"):
        ACSegLogic().fill(*arguments)


def test_nodes_of_another_kind_are_named(scene):
    from ACSeg import ACSegLogic

    volume, node = drawn_cell()
    for call in (lambda: ACSegLogic().fill(node, volume), lambda: ACSegLogic().predict(node)):
        with pytest.raises(InputError, match="a volume node is needed, not vtkMRMLSegmentationNode"):
            call()
    with pytest.raises(InputError, match="a segmentation node is needed, not str"):
        ACSegLogic().measure("cell", volume)


@pytest.mark.parametrize("pair", ["one volume", "ab", ("image", "labels", "more")])
def test_what_is_no_pair_for_a_training_is_refused_in_a_sentence(scene, tmp_path, pair):
    from ACSegPanels.logic import ACSegLogic

    with pytest.raises(InputError, match="a pair for a training is a volume and its segmentation, not"):
        ACSegLogic().train([pair], tmp_path / "cells.acseg")


def test_the_training_of_the_documentation_runs_as_it_stands(scene, quick, tmp_path):
    """With a worker that is quick; the real one is at work in test_panels and test_cli_network."""
    import slicer

    from ACSegLib.files import save_segmentation, save_volume
    from ACSegLib.scene import segmentation_from_node, volume_from_node

    volume, node = drawn_cell()
    volume.SetName("cell 1")
    node.SetName("labels 1")
    other = add_volume(ball().astype(np.float32) * 100, "cell 3")
    save_volume(volume_from_node(volume), tmp_path / "cell2.mrc")
    save_segmentation(segmentation_from_node(node, volume), tmp_path / "cell2.seg.nrrd")
    names: dict = {"slicer": slicer}
    exec(BLOCKS["train_and_predict"].replace("/data/", f"{tmp_path}/"), names)
    table = Path(names["model"]).read_text().splitlines()
    assert names["model"] == str(tmp_path / "cells.acseg")
    assert table[0] == "image,labels,set"
    assert table[2] == f"{tmp_path}/cell2.mrc,{tmp_path}/cell2.seg.nrrd,train"
    predicted = names["predictedNode"]
    assert predicted.GetName() == "cell 3 predicted"
    (segment,) = predicted.GetSegmentation().GetSegmentIDs()
    assert np.array_equal(segment_array(predicted, segment, other), ball())


def test_the_callbacks_of_the_documentation_run_as_they_stand(scene, fake, capsys):
    import slicer

    volume, node = drawn_cell()
    volume.SetName("tomogram")
    node.SetName("sparse labels")
    names: dict = {"slicer": slicer}
    exec(BLOCKS["background"], names)
    assert names["task"].running
    pump(lambda: not names["task"].running)
    assert capsys.readouterr().out == "filled: sparse labels filled\n"
    fake.gate.clear()
    exec(BLOCKS["background"], names)
    names["task"].cancel()
    pump(lambda: not names["task"].running)
    assert capsys.readouterr().out == "cancelled\n"


def test_correct_carries_a_slice_into_the_volume(scene):
    import slicer
    from standin.effecthost import label_image

    from ACSeg import ACSegLogic

    truth = ball(radius=9)
    volume = add_volume((truth * 100 + np.random.default_rng(0).normal(0, 8, truth.shape)).astype(np.float32))
    logic = slicer.vtkSlicerSegmentationsModuleLogic
    nodes = []
    for mask in (ball(radius=7), ball(radius=7) | on_slices(truth, [15])):
        nodes.append(add_segmentation(volume, ("cytoplasm",)))
        image = label_image(mask, volume)
        logic.SetBinaryLabelmapToSegment(image, nodes[-1], "cytoplasm", logic.MODE_REPLACE)
    corrected = ACSegLogic().correct(volume, *nodes, slices="z:15")
    found = segment_array(corrected, "cytoplasm", volume)
    assert corrected not in nodes
    assert np.array_equal(found[15], truth[15])
    assert np.count_nonzero(found ^ truth) < 0.1 * np.count_nonzero(truth)
    with pytest.raises(InputError, match="no option 'islands'"):
        ACSegLogic().correct(volume, *nodes, islands=5)


def corrected_nodes(volume, before, after):
    """Two segmentation nodes, each of some segments: name -> mask."""
    import slicer
    from standin.effecthost import label_image

    logic = slicer.vtkSlicerSegmentationsModuleLogic
    nodes = []
    for masks in (before, after):
        nodes.append(add_segmentation(volume, tuple(masks)))
        for name, mask in masks.items():
            image = label_image(mask, volume)
            logic.SetBinaryLabelmapToSegment(image, nodes[-1], name, logic.MODE_REPLACE)
    return nodes


def test_a_segment_that_was_deleted_or_renamed_is_so_where_the_result_takes_the_place_of_the_segmentation(scene):
    from ACSeg import ACSegLogic

    truth, bead, dust = ball(radius=8), ball(centre=(5, 5, 5), radius=2), ball(centre=(25, 5, 5), radius=2)
    volume = add_volume(truth.astype(np.float32))
    wrong = {"cell": ball(radius=7), "bead": bead, "dust": dust}
    before, after = corrected_nodes(volume, wrong, {"cell": ball(radius=7) | on_slices(truth, [15]), "bead": bead})
    after.GetSegmentation().GetSegment("bead").SetName("sphere")
    logic = ACSegLogic()
    assert logic.correct(volume, before, after, before) is before
    assert "segment 'dust' was deleted; the result does not have it." in logic.lastNotes
    table = before.GetSegmentation()
    assert {s: table.GetSegment(s).GetName() for s in table.GetSegmentIDs()} == {"cell": "cell", "bead": "sphere"}
    assert np.array_equal(segment_array(before, "bead", volume), bead)
    assert np.array_equal(segment_array(before, "cell", volume)[15], truth[15])


def test_a_new_segment_is_named_among_those_that_take_part_in_a_correction(scene):
    from ACSeg import ACSegLogic

    cell, bead = ball(radius=7), ball(centre=(5, 5, 5), radius=3)
    volume = add_volume((cell + 2 * bead).astype(np.float32))
    before, after = corrected_nodes(volume, {"cell": cell, "other": cell}, {"cell": cell, "bead": bead})
    result = ACSegLogic().correct(volume, before, after, segmentIDs=["cell", "bead", "other"])
    assert list(result.GetSegmentation().GetSegmentIDs()) == ["cell", "bead"]
    assert np.array_equal(segment_array(result, "cell", volume), cell)
    assert not (bead & ~segment_array(result, "bead", volume)).any()
    with pytest.raises(InputError, match="no segment 'nucleus'"):
        ACSegLogic().correct(volume, before, after, segmentIDs=["cell", "nucleus"])
