"""The Segment Statistics plugin: exact on analytic shapes, in the scene's unit, registered once, plain floats."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import numpy as np
import pytest

from ACSegLib.measure.segment_values import LAC_VALUES, SHAPE_VALUES, lac_values, shape_values, surface_share
from ACSegLib.scene import UNIT_ATTRIBUTE

FOLDER = Path(__file__).parents[3] / "ACSeg" / "ACSegStatistics"


# ---------------------------------------------------------------- the numbers


def points(half, spacing):
    """Coordinates (z, y, x) of the voxel centres of a box of `half` extents (x, y, z), shape (k, j, i)."""
    axes = [(np.arange(-int(h / s) - 2, int(h / s) + 3) + 0.3) * s for h, s in zip(half, spacing, strict=True)]
    return np.meshgrid(*axes[::-1], indexing="ij")


def ball(radius, spacing):
    z, y, x = points((radius,) * 3, spacing)
    volume, area = 4 / 3 * np.pi * radius**3, 4 * np.pi * radius**2
    return x**2 + y**2 + z**2 <= radius**2, volume, area


def box(radius, spacing):
    """A box whose faces lie between voxels, 2 : 1.5 : 1."""
    counts = [round(2 * radius * f / s) for f, s in zip((1.0, 0.75, 0.5), spacing, strict=True)]
    mask = np.pad(np.ones(counts[::-1], bool), 2)
    a, b, c = (n * s for n, s in zip(counts, spacing, strict=True))
    return mask, a * b * c, 2 * (a * b + b * c + a * c)


def ellipsoid(radius, spacing):
    """Half axes 1 : 0.8 : 0.5; area by Gauss quadrature over the sphere of directions."""
    a, b, c = radius, 0.8 * radius, 0.5 * radius
    z, y, x = points((a, b, c), spacing)
    heights, weights = np.polynomial.legendre.leggauss(200)
    angles = np.arange(400) * 2 * np.pi / 400
    u = np.sqrt(1 - heights[:, None] ** 2)
    normal = np.sqrt(
        (b * c * u * np.cos(angles)) ** 2 + (a * c * u * np.sin(angles)) ** 2 + (a * b * heights[:, None]) ** 2
    )
    area = float((normal * weights[:, None]).sum() * 2 * np.pi / 400)
    return (x / a) ** 2 + (y / b) ** 2 + (z / c) ** 2 <= 1, 4 / 3 * np.pi * a * b * c, area


def torus(radius, spacing):
    """Outer radius `radius`, tube 0.3 of it."""
    tube = 0.3 * radius
    ring = radius - tube
    z, y, x = points((radius, radius, tube), spacing)
    mask = (np.hypot(x, y) - ring) ** 2 + z**2 <= tube**2
    return mask, 2 * np.pi**2 * ring * tube**2, 4 * np.pi**2 * ring * tube


# Stated in Documentation/slicer-scripting.md: relative errors from 8 voxels along the largest radius on.
VOLUME_TOLERANCE = {8: 0.03, 16: 0.012, 32: 0.005}
AREA_TOLERANCE = {ball: 0.01, ellipsoid: 0.025, torus: 0.02, box: 0.15}  # flat faces along the axes are the worst case


@pytest.mark.parametrize("voxels", [8, 16, 32])
@pytest.mark.parametrize("shape", [ball, box, ellipsoid, torus])
@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (1.0, 1.0, 1.6)])
def test_analytic_shapes(shape, voxels, spacing):
    mask, volume, area = shape(float(voxels), spacing)
    found = shape_values(mask, spacing, ("volume", "surface_area", "surface_to_volume", "sphericity"))
    area_tolerance = AREA_TOLERANCE[shape]
    assert found["volume"] == pytest.approx(volume, rel=1e-9 if shape is box else VOLUME_TOLERANCE[voxels])
    assert found["surface_area"] == pytest.approx(area, rel=area_tolerance)
    ratio_tolerance = area_tolerance + VOLUME_TOLERANCE[voxels]
    assert found["surface_to_volume"] == pytest.approx(area / volume, rel=ratio_tolerance)
    sphericity = np.pi ** (1 / 3) * (6 * volume) ** (2 / 3) / area
    assert found["sphericity"] == pytest.approx(sphericity, rel=ratio_tolerance)


def hairy_ball():
    """A ball of radius 14 with a straight rod of radius 2 that sticks out by 20."""
    z, y, x = np.indices((37, 37, 60)) - np.array([18, 18, 18])[:, None, None, None]
    body = x**2 + y**2 + z**2 <= 14**2
    rod = (y**2 + z**2 <= 2.3**2) & (x > 0) & (x <= 34)
    return body | rod, rod & ~body


def test_filopodia_shares():
    """Share of volume and of surface on the rod, against the rod that was drawn."""
    mask, rod = hairy_ball()
    found = shape_values(mask, (1.0, 1.0, 1.0), ("thin_volume_share", "thin_surface_share"), radius=4.0)
    assert found["thin_volume_share"] == pytest.approx(rod.sum() / mask.sum(), rel=0.12)
    surface = 2 * np.pi * 2.3 * 20 + np.pi * 2.3**2
    whole = 4 * np.pi * 14**2 - np.pi * 2.3**2 + surface
    assert found["thin_surface_share"] == pytest.approx(surface / whole, rel=0.15)
    thick = shape_values(mask, (1.0, 1.0, 1.0), ("thin_volume_share",), radius=1.0)
    assert thick["thin_volume_share"] < 0.01


def test_surface_share_of_halves():
    mask, _, _ = ball(10.0, (1.0, 1.0, 1.0))
    left = mask.copy()
    left[:, :, mask.shape[2] // 2 :] = False
    share = surface_share(mask, left, (1.0, 1.0, 1.0))
    assert share + surface_share(mask, mask & ~left, (1.0, 1.0, 1.0)) == pytest.approx(1.0)
    assert 0.4 < share < 0.6
    assert surface_share(mask, mask, (1.0, 1.0, 1.0)) == 1.0


def test_lac_of_known_voxels():
    image = np.array([[[1.0, 2.0, 3.0, np.nan, 100.0]]])
    mask = np.array([[[1, 1, 1, 1, 0]]])
    found = lac_values(image, mask, 0.5)
    assert found == pytest.approx({"lac_mean": 2.0, "lac_sd": np.sqrt(2 / 3), "lac_integral": 3.0})
    assert lac_values(image, np.zeros_like(mask), 0.5) == {}


# ---------------------------------------------------------------- the plugin on a scene


@pytest.fixture
def statistics(mrml_application):
    """The plugin, registered through the hidden module's own function, on a fresh scene."""
    import statistics_standin

    statistics_standin.install()
    sys.path.insert(0, str(FOLDER))
    try:
        logic = importlib.import_module("SegmentStatistics").SegmentStatisticsLogic
        before = list(logic.registeredPlugins)
        module = importlib.import_module("ACSegStatistics")
        module.registerPlugin()
        yield module
        logic.registeredPlugins[:] = before
    finally:
        sys.path.remove(str(FOLDER))
        for name in [n for n in sys.modules if n.startswith("ACSegStatistics")]:
            del sys.modules[name]


def measured(segmentation, volume, **parameters):
    """Run Segment Statistics; the plugin's values of the first segment and their descriptions."""
    from SegmentStatistics import SegmentStatisticsLogic

    logic = SegmentStatisticsLogic()
    node = logic.getParameterNode()
    node.SetParameter("Segmentation", segmentation.GetID())
    if volume is not None:
        node.SetParameter("ScalarVolume", volume.GetID())
    for key in (*SHAPE_VALUES, *LAC_VALUES):
        node.SetParameter(f"ACSegSegmentStatisticsPlugin.{key}.enabled", "True")
    for key, value in parameters.items():
        node.SetParameter(f"ACSegSegmentStatisticsPlugin.{key}", value)
    logic.computeStatistics()
    found = logic.getStatistics()
    prefix = "ACSegSegmentStatisticsPlugin."
    segment = found["SegmentIDs"][0]
    values = {k[1].removeprefix(prefix): v for k, v in found.items() if k[0] == segment and k[1].startswith(prefix)}
    table = __import__("slicer").mrmlScene.AddNewNodeByClass("vtkMRMLTableNode")
    logic.exportToTable(table)
    return values, {k.removeprefix(prefix): v for k, v in found["MeasurementInfo"].items()}


def test_self_test_of_the_module(statistics):
    """The body that CTest runs in a real Slicer."""
    from ACSegStatisticsLib.selftest import checkBall

    statistics.registerPlugin()
    checkBall()


def test_units_follow_the_scene(statistics, mrml_application):
    import slicer
    from ACSegStatisticsLib.selftest import addBall

    volume, segmentation = addBall()
    values, info = measured(segmentation, volume)
    assert all(type(v) is float for v in values.values())
    assert info["surface_to_volume"]["units"] == "1/mm"
    assert info["volume"]["units"] == "mm3"
    unit = mrml_application.units.GetMRMLScene().GetNodeByID(
        slicer.mrmlScene.GetNodeByID("vtkMRMLSelectionNodeSingleton").GetUnitNodeID("length")
    )
    unit.SetSuffix("\u00b5m")
    unit.SetDisplayCoefficient(1000.0)
    micro, info = measured(segmentation, volume)
    assert info["surface_to_volume"]["units"] == "1/um"
    assert micro["surface_to_volume"] == pytest.approx(values["surface_to_volume"] / 1000)
    assert micro["volume"] == pytest.approx(values["volume"] * 1e9)
    assert micro["lac_integral"] == pytest.approx(values["lac_integral"] * 1e9)
    volume.SetAttribute(UNIT_ATTRIBUTE, "nm")
    nano, info = measured(segmentation, volume)
    assert info["volume"]["units"] == "nm3"
    assert nano["volume"] == pytest.approx(values["volume"])


def test_thin_parts_are_measured_on_request(statistics, mrml_application):
    mask, rod = hairy_ball()
    from ACSegLib.scene import write_segmentation_to_node
    from ACSegLib.volume import Geometry, Segmentation

    labels = Segmentation.from_labels(mask.astype(np.uint8), Geometry((2.0, 2.0, 2.0), unit="mm"), {1: "cell"})
    node = write_segmentation_to_node(labels, scene=mrml_application.scene)
    assert "thin_volume_share" not in measured(node, None)[0]
    wanted = {"thin_volume_share.enabled": "True", "thin_surface_share.enabled": "True"}
    values, _ = measured(node, None, **wanted, thin_radius="8")
    assert values["thin_volume_share"] == pytest.approx(rod.sum() / mask.sum(), rel=0.12)
    assert "lac_mean" not in values  # no volume, no absorption


def two_segments(mrml_application, shift=(0, 0, 0)):
    """A volume of distinct voxels, and two segments of which the second overlaps its border after a shift."""
    import slicer

    from ACSegLib.scene import grid, write_volume_to_node
    from ACSegLib.volume import Geometry, Volume

    image = np.random.default_rng(4).random((9, 10, 11)).astype(np.float32)
    volume = write_volume_to_node(Volume(image, Geometry((2.0, 2.0, 2.0), unit="mm")), scene=mrml_application.scene)
    labels = np.zeros((6, 6, 6), np.uint8)
    labels[1:3, 2:5, 1:4], labels[4:, 1:, 2:] = 1, 2
    node = mrml_application.scene.AddNewNodeByClass("vtkMRMLSegmentationNode")
    node.CreateDefaultDisplayNodes()
    for name, value in (("a", 1), ("b", 2)):
        node.GetSegmentation().AddEmptySegment(name, name)
        part = grid.oriented_image((labels == value).astype(np.uint8), grid.volume_matrix(volume), shift)
        slicer.vtkSlicerSegmentationsModuleLogic.SetBinaryLabelmapToSegment(part, node, name)
    return image, volume, node


@pytest.mark.parametrize("shift", [(0, 0, 0), (3, 2, 1), (7, 7, 6), (-3, -2, -1)], ids=str)
@pytest.mark.parametrize("turned", [False, True])
def test_absorption_is_that_of_the_voxels_under_each_segment(statistics, mrml_application, shift, turned):
    """Also where a segment sticks out of the volume, or lies on another grid."""
    from SegmentStatistics import SegmentStatisticsLogic

    from ACSegLib.scene import segmentation_from_node

    image, volume, node = two_segments(mrml_application, shift)
    if turned:
        volume.SetSpacing(2.1, 1.9, 2.0)
    logic = SegmentStatisticsLogic()
    parameters = logic.getParameterNode()
    parameters.SetParameter("Segmentation", node.GetID())
    parameters.SetParameter("ScalarVolume", volume.GetID())
    parameters.SetParameter("ACSegSegmentStatisticsPlugin.lac_mean.enabled", "True")
    logic.computeStatistics()
    read = segmentation_from_node(node, volume)
    for name in ("a", "b"):
        mask = read.mask(name)
        found = logic.getStatistics().get((name, "ACSegSegmentStatisticsPlugin.lac_mean"))
        assert found == (pytest.approx(image[mask].mean(), rel=1e-5) if mask.any() else None)


def test_voxels_are_read_once_for_all_segments_and_anew_after_an_edit(statistics, mrml_application, monkeypatch):
    from scipy import ndimage

    from ACSegLib.scene import grid, segment_boxes

    _image, _volume, node = two_segments(mrml_application)
    passes, find = [], ndimage.find_objects
    monkeypatch.setattr(ndimage, "find_objects", lambda labels: passes.append(labels.shape) or find(labels))
    boxes = segment_boxes.SegmentBoxes()
    first = [boxes.crop(node, name).mask.sum() for name in ("a", "b", "a", "b")]
    assert first == [18, 40, 18, 40]
    layers = len(passes)
    assert layers <= 2
    image = node.GetSegmentation().GetSegment("a").GetRepresentation(grid.BINARY_LABELMAP)
    array = grid.image_array(image)
    array[array == node.GetSegmentation().GetSegment("a").GetLabelValue()] = 0
    image.Modified()
    assert boxes.crop(node, "a") is None
    assert len(passes) == layers + 1


@pytest.fixture
def transformed(mrml_application):
    """A block of 2 x 3 x 4 voxels of 50 nm, with values of 1, drawn on a volume that declares its unit, and the
    function that puts both under a transform."""
    import slicer

    from ACSegLib.scene import UNIT_ATTRIBUTE

    labels = np.zeros((8, 9, 10), np.uint8)
    labels[2:4, 3:6, 4:8] = 1
    volume = mrml_application.volume(np.ones(labels.shape, np.float32), (50.0, 50.0, 50.0))
    volume.SetAttribute(UNIT_ATTRIBUTE, "nm")
    node = mrml_application.segmentation(labels, volume, ["cell"])

    def put_under(linear):
        matrix = np.eye(4)
        matrix[:3, :3], matrix[:3, 3] = linear, (7, -5, 3)
        transform = mrml_application.scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
        transform.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(matrix))
        for moved in (volume, node):
            moved.SetAndObserveTransformNodeID(transform.GetID())
        return volume, node

    return put_under


@pytest.mark.parametrize("with_volume", [False, True])
@pytest.mark.parametrize("scale", [1.0, 2.0])
def test_under_a_transform_unit_and_numbers_are_those_of_the_world(statistics, transformed, scale, with_volume):
    """Segment Statistics measures a hardened copy without references; the unit must be known of it all the same."""
    volume, node = transformed(np.eye(3) * scale)
    found, infos = measured(node, volume if with_volume else None)
    assert infos["volume"]["units"] == "nm3"
    assert infos["surface_to_volume"]["units"] == "1/nm"
    assert found["volume"] == pytest.approx(24 * (50 * scale) ** 3)
    if with_volume:
        assert found["lac_mean"] == pytest.approx(1)
        assert found["lac_integral"] == pytest.approx(found["volume"]), "values of 1 are as much as the volume"


def test_under_a_transform_that_shears_volumes_alone_are_measured(statistics, transformed, caplog):
    volume, node = transformed(np.array([[1, 0.5, 0], [0, 1, 0], [0, 0, 1]]))
    found, _infos = measured(node, volume)
    assert found["volume"] == pytest.approx(24 * 50**3)
    assert not {"surface_area", "surface_to_volume", "sphericity"} & found.keys()
    assert "sheared" in caplog.text


def test_a_volume_with_channels_costs_the_absorption_alone(statistics, transformed, mrml_application, caplog):
    import slicer

    _volume, node = transformed(np.eye(3))
    colours = mrml_application.scene.AddNewNodeByClass("vtkMRMLVectorVolumeNode", "colours")
    slicer.util.updateVolumeFromArray(colours, np.zeros((8, 9, 10, 3), np.uint8))
    found, infos = measured(node, colours)
    assert found.keys() >= {"volume", "surface_area"}
    assert infos["volume"]["units"] == "nm3", "the volume that was drawn on declares it"
    assert "3 channels" in caplog.text


def test_nothing_is_measured_that_was_not_asked_for(statistics, mrml_application):
    """A person who knows nothing of ACSeg keeps the table and the time of Segment Statistics."""
    from SegmentStatistics import SegmentStatisticsLogic

    _image, volume, node = two_segments(mrml_application)
    logic = SegmentStatisticsLogic()
    logic.getParameterNode().SetParameter("Segmentation", node.GetID())
    logic.getParameterNode().SetParameter("ScalarVolume", volume.GetID())
    logic.computeStatistics()
    assert not [key for key in logic.getStatistics() if "ACSeg" in str(key)]


def test_segment_without_voxels_gives_nothing(statistics, mrml_application):
    node = mrml_application.scene.AddNewNodeByClass("vtkMRMLSegmentationNode")
    node.CreateDefaultDisplayNodes()
    node.GetSegmentation().AddEmptySegment("E", "empty")
    assert measured(node, None)[0] == {}


def test_every_key_is_described(statistics):
    from ACSegStatisticsLib.ACSegSegmentStatisticsPlugin import ACSegSegmentStatisticsPlugin

    plugin = ACSegSegmentStatisticsPlugin()
    plugin.setParameterNode(__import__("slicer").mrmlScene.AddNewNodeByClass("vtkMRMLScriptedModuleNode"))
    infos = [plugin.getMeasurementInfo(key) for key in plugin.keys]
    assert all(info["name"] and info["description"] for info in infos)
    assert len({info["name"] for info in infos}) == len(infos)
    assert plugin.defaultKeys == []
    assert plugin.getMeasurementInfo("nonsense") is None


def test_thin_radius_is_kept_in_the_scene(statistics):
    from ACSegStatisticsLib.ACSegSegmentStatisticsPlugin import ACSegSegmentStatisticsPlugin

    node = __import__("slicer").mrmlScene.AddNewNodeByClass("vtkMRMLScriptedModuleNode")
    plugin = ACSegSegmentStatisticsPlugin()
    plugin.setParameterNode(node)
    plugin.thinRadiusSpinBox.setValue(3.5)
    assert float(node.GetParameter("ACSegSegmentStatisticsPlugin.thin_radius")) == 3.5
    other = ACSegSegmentStatisticsPlugin()
    other.setParameterNode(node)
    assert other.thinRadiusSpinBox.value == 3.5


@pytest.mark.parametrize("check", ["checkSegmentationRoundTrip", "checkSurvivalOfAnExistingNode", "checkStatistics"])
def test_self_tests_for_slicer(statistics, monkeypatch, check):
    """The bodies that CTest runs inside Slicer."""
    monkeypatch.syspath_prepend(str(FOLDER.parents[1] / "Testing" / "Slicer"))
    getattr(importlib.import_module("self_tests"), check)()
