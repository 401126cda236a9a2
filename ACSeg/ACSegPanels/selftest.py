"""Self tests of the guided module: the same bodies in Slicer under CTest and in pytest.

Those above the line need no package beyond what Slicer has, so that they test something on every build machine.
"""

import time

import numpy as np
import slicer

#: Seconds that a step of a test may take; the first ones import and compile.
PATIENCE = 300.0


def waitFor(condition, what):
    """Run the event loop until a condition holds."""
    end = time.monotonic() + PATIENCE
    while not condition():
        slicer.app.processEvents()
        time.sleep(0.02)
        assert time.monotonic() < end, what


def addSparseLabels():
    """Add a noisy ball and its labels on a few slices; gives both nodes and the labels."""
    from ACSegLib.scene import write_segmentation_to_node, write_volume_to_node
    from ACSegLib.volume import Geometry, Segmentation, Volume

    k, j, i = np.indices((24,) * 3) - 11.5
    ball = k**2 + j**2 + i**2 <= 8**2
    geometry = Geometry((0.03, 0.03, 0.04), unit="mm")
    image = Volume((ball + np.random.default_rng(1).normal(0, 0.05, ball.shape)).astype(np.float32), geometry, "ball")
    labels = np.zeros(ball.shape, np.uint8)
    labels[6:19:6] = ball[6:19:6]
    volume = write_volume_to_node(image, scene=slicer.mrmlScene)
    drawn = Segmentation.from_labels(labels, geometry, {1: "cytoplasm"}, name="sparse labels")
    return volume, write_segmentation_to_node(drawn, volume_node=volume), labels


def checkSceneRoundTrip():
    """What was written into nodes is read back as it was."""
    from ACSegLib.scene import segmentation_from_node, volume_from_node

    volume, sparse, labels = addSparseLabels()
    read = segmentation_from_node(sparse, volume)
    assert np.array_equal(read.labels, labels)
    assert [segment.name for segment in read.segments] == ["cytoplasm"]
    assert np.allclose(volume_from_node(volume).geometry.spacing, (0.03, 0.03, 0.04))


def checkGuide():
    """The labelled slices are counted, in the worker process."""
    from ACSegPanels.counting import SliceCounter

    volume, sparse, labels = addSparseLabels()
    told = []
    counter = SliceCounter(lambda: (sparse, volume, "auto"), lambda *found: told.append(found))
    counter.count()
    waitFor(lambda: not counter.busy, "the labelled slices were not counted")
    counter.cleanup()
    found, _volume, problem = told[-1]
    assert not problem, problem
    assert found.on("k") == [6, 12, 18]
    assert found.counts["k", 12] == [int(labels[12].sum())]


def checkParameters():
    """Choices are kept in the scene, and have the defaults of the commands."""
    from ACSegPanels.logic import ACSegLogic

    volume, sparse, _labels = addSparseLabels()
    parameters = ACSegLogic().getParameterNode()
    assert (parameters.interval, parameters.fillAxis) == (20, "auto")
    parameters.sourceVolume, parameters.segmentation, parameters.interval = volume, sparse, 7
    again = ACSegLogic().getParameterNode()
    assert again.sourceVolume is volume
    assert again.segmentation is sparse
    assert again.interval == 7


# ---------------------------------------------------------------------------------------------------------------------


def checkFillAndMeasure():
    """A simulated cell is filled and measured."""
    from ACSegPanels.logic import ACSegLogic
    from ACSegPanels.sampledata import simulatedCell

    volume, sparse = simulatedCell(size=32, every=8)
    filled = ACSegLogic().fill(volume, sparse)
    assert filled.GetSegmentation().GetNumberOfSegments() == sparse.GetSegmentation().GetNumberOfSegments()
    table = ACSegLogic().measure(filled, volume)
    assert table.GetNumberOfRows() > 0


def whySkipped(*steps):
    """Say what is not installed of some steps; empty where all is there."""
    from ACSegPanels.install import missingRequirements

    missing = dict.fromkeys(name for step in steps for name in missingRequirements(step))
    return f"SKIPPED, not tested: {', '.join(missing)} is not installed." if missing else ""
