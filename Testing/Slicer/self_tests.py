"""Self tests that need a scene and no window: run in Slicer by CTest, and in pytest on the package slicer-core.

Each function ``check*`` makes its own nodes in ``slicer.mrmlScene`` and asserts.
"""

import numpy as np
import slicer


def simulated(size=40):
    """A volume node with a bright ball, and what of the ball a person draws on every 8th slice."""
    from ACSegLib.scene import write_volume_to_node
    from ACSegLib.volume import Geometry, Volume

    k, j, i = np.indices((size, size, size)) - (size - 1) / 2
    truth = (k**2 + j**2 + i**2 <= (size / 3) ** 2).astype(np.uint8)
    noise = np.random.default_rng(1).normal(0, 0.05, truth.shape)
    image = Volume((truth * 0.5 + 0.1 + noise).astype(np.float32), Geometry((2.0,) * 3, unit="mm"), "ball")
    drawn = np.zeros_like(truth)
    drawn[2:size:8] = truth[2:size:8]
    return write_volume_to_node(image, scene=slicer.mrmlScene), truth, drawn


def checkSegmentationRoundTrip():
    """Labels written to a new node come back voxel for voxel, with names and colours."""
    from ACSegLib.scene import segmentation_from_node, volume_from_node, write_segmentation_to_node
    from ACSegLib.volume import Segmentation

    volume, truth, _ = simulated()
    geometry = volume_from_node(volume).geometry
    labels = Segmentation.from_labels(truth, geometry, {1: "ball"}, {1: (0.2, 0.4, 0.6)})
    node = write_segmentation_to_node(labels, volume_node=volume)
    back = segmentation_from_node(node, volume)
    assert np.array_equal(back.labels, truth)
    assert [s.name for s in back.segments] == ["ball"]
    assert np.allclose(back.segments[0].colour, (0.2, 0.4, 0.6))


def checkSurvivalOfAnExistingNode():
    """A write into an existing node keeps its display, its other segments and its transform."""
    from ACSegLib.scene import segmentation_from_node, volume_from_node, write_segmentation_to_node
    from ACSegLib.volume import Segmentation

    volume, truth, drawn = simulated()
    transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    matrix = slicer.util.vtkMatrixFromArray(np.diag([-1.0, -1.0, 1.0, 1.0]))
    transform.SetMatrixTransformToParent(matrix)
    volume.SetAndObserveTransformNodeID(transform.GetID())
    geometry = volume_from_node(volume).geometry
    node = write_segmentation_to_node(
        Segmentation.from_labels(np.where(truth, 1, 0).astype(np.uint8) + (drawn > 0), geometry, {1: "a", 2: "b"}),
        volume_node=volume,
    )
    display = node.GetDisplayNode()
    display.SetOpacity(0.3)
    before = segmentation_from_node(node, volume)
    other = before.with_labels(np.where(before.labels == 1, 1, 0).astype(np.uint8))
    write_segmentation_to_node(other, node, volume_node=volume, segment_ids=[before.segments[0].id])
    after = segmentation_from_node(node, volume)
    assert np.array_equal(after.labels, before.labels)
    assert node.GetDisplayNode() is display
    assert display.GetOpacity() == 0.3
    assert node.GetParentTransformNode() is transform


def checkStatistics():
    """The Segment Statistics plugin measures a ball."""
    import ACSegStatistics
    from ACSegStatisticsLib.selftest import checkBall

    ACSegStatistics.registerPlugin()
    checkBall()


def runAll():
    """Run every check on an empty scene; the names of those that failed, with their tracebacks printed."""
    import traceback

    failed = []
    for name, check in sorted(globals().items()):
        if name.startswith("check"):
            slicer.mrmlScene.Clear(0)
            try:
                check()
            except Exception:
                traceback.print_exc()
                failed.append(name)
            print(f"{name}: {'FAILED' if name in failed else 'passed'}")
    return failed
