"""Self test of the plugin: the same body in Slicer under CTest and in pytest."""

import numpy as np
import slicer


def addBall(radius=12.0, spacing=2.0, lac=0.5):
    """Add a volume and a segmentation of a ball to the scene; gives both nodes."""
    from ACSegLib.scene import write_segmentation_to_node, write_volume_to_node
    from ACSegLib.volume import Geometry, Segmentation, Volume

    size = 2 * int(radius) + 5
    k, j, i = np.indices((size, size, size)) - (size - 1) / 2
    ball = k**2 + j**2 + i**2 <= radius**2
    geometry = Geometry((spacing,) * 3, unit="mm")
    image = Volume(np.where(ball, lac, 0.1).astype(np.float32), geometry, "ball")
    volume = write_volume_to_node(image, scene=slicer.mrmlScene)
    labels = Segmentation.from_labels(ball.astype(np.uint8), geometry, {1: "ball"})
    return volume, write_segmentation_to_node(labels, volume_node=volume)


def checkBall():
    """Measure a ball through Segment Statistics, and assert what geometry says of it."""
    from SegmentStatistics import SegmentStatisticsLogic

    radius, spacing = 12.0, 2.0
    volume, segmentation = addBall(radius, spacing)
    logic = SegmentStatisticsLogic()
    parameters = logic.getParameterNode()
    parameters.SetParameter("Segmentation", segmentation.GetID())
    parameters.SetParameter("ScalarVolume", volume.GetID())
    for key in ("volume", "sphericity", "surface_to_volume", "lac_mean"):  # off by default
        parameters.SetParameter(f"ACSegSegmentStatisticsPlugin.{key}.enabled", "True")
    logic.computeStatistics()
    statistics = logic.getStatistics()
    segmentID = segmentation.GetSegmentation().GetNthSegmentID(0)
    found = {key: statistics[segmentID, f"ACSegSegmentStatisticsPlugin.{key}"] for key in ("volume", "sphericity")}
    size = radius * spacing
    assert abs(found["volume"] / (4 / 3 * np.pi * size**3) - 1) < 0.02, found
    assert abs(found["sphericity"] - 1) < 0.02, found
    ratio = statistics[segmentID, "ACSegSegmentStatisticsPlugin.surface_to_volume"]
    assert abs(ratio / (3 / size) - 1) < 0.03, ratio
    assert abs(statistics[segmentID, "ACSegSegmentStatisticsPlugin.lac_mean"] - 0.5) < 1e-6
    plugins = [plugin.__name__ for plugin in SegmentStatisticsLogic.registeredPlugins]
    assert plugins.count("ACSegSegmentStatisticsPlugin") == 1, plugins
    table = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTableNode")
    logic.exportToTable(table)
    assert table.GetNumberOfRows() == 1
