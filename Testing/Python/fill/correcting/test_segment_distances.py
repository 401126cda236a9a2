import numpy as np
import pytest
from scipy import ndimage

from ACSegLib.fill.correcting.segment_distances import SegmentDistances, places_of

FAR = 5.0


def expected(inside, spacing):
    """Signed distance by SciPy; the surface lies half a voxel from the centres on both sides."""
    if not inside.any():
        return np.full(inside.shape, 0.5 - FAR)
    within, beyond = (ndimage.distance_transform_edt(mask, sampling=spacing) for mask in (inside, ~inside))
    return np.where(inside, np.minimum(within, FAR) - 0.5, 0.5 - np.minimum(beyond, FAR))


@pytest.mark.parametrize("spacing", [(1, 1, 1), (2.5, 1, 1.2)])
def test_distances_are_those_of_the_whole_volume_though_each_group_has_a_box_of_its_own(spacing):
    """One group of two cells, one at a corner, and one that is nowhere."""
    classes = np.zeros((14, 30, 40), np.int16)
    classes[4:7, 8:14, 9:12], classes[9:12, 8:18, 20:27], classes[:2, -3:, -2:] = 1, 2, 3
    groups = [[1, 2], [3], [4]]
    found = SegmentDistances.of(groups, classes, spacing, FAR)
    truth = np.stack([expected(np.isin(classes, members), spacing) for members in groups])
    assert found.planes(range(14)) == pytest.approx(truth.swapaxes(0, 1), abs=1e-5)
    places = np.random.default_rng(0).permutation(classes.size)
    assert found.at(places) == pytest.approx(truth.reshape(3, -1)[:, places], abs=1e-5)
    assert found.values.size < 1.5 * classes.size, "each group has its own surroundings alone"


def test_distances_can_be_limited_group_by_group():
    classes = np.zeros((6, 9, 9), np.int16)
    classes[2:4, 2:6, 2:6], classes[:, 7:] = 1, 2
    found = SegmentDistances.of([[1], [2]], classes, (1, 1, 1), FAR)
    limited = found.limited(np.array([-2.0, np.inf]))
    everywhere = found.planes(range(6))
    everywhere[:, 0] = np.minimum(everywhere[:, 0], -2)
    assert np.array_equal(limited.planes(range(6)), everywhere)
    points = (np.array([3, 0]), np.array([4, 8]), np.array([4, 0]))
    assert np.array_equal(
        limited.at(places_of(classes.shape, points)), everywhere[(points[0], slice(None), *points[1:])].T
    )
