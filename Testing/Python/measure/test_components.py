"""Connected parts from runs, against scipy's labelling of the whole array."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from ACSegLib.components import find_components
from ACSegLib.errors import InputError

pytestmark = pytest.mark.usefixtures("_chunks_as_of_large_arrays")


@pytest.mark.parametrize(("connectivity", "rank"), [(6, 1), (18, 2), (26, 3)])
@pytest.mark.parametrize("density", [0.05, 0.2, 0.4, 0.7])
def test_components_equal_scipy(connectivity, rank, density):
    rng = np.random.default_rng(int(100 * density))
    for shape in ((37, 12, 9), (1, 20, 21), (6, 1, 30), (17, 8, 1)):
        mask = rng.random(shape) < density
        labels, count = ndimage.label(mask, ndimage.generate_binary_structure(3, rank))
        found = find_components(mask, connectivity)
        assert len(found) == count
        np.testing.assert_array_equal(found.labels(), labels)
        np.testing.assert_array_equal(found.sizes, np.bincount(labels.ravel(), minlength=count + 1)[1:])
        assert found.boxes == ndimage.find_objects(labels)
        for n in range(count):
            np.testing.assert_array_equal(found.mask(n), labels[found.boxes[n]] == n + 1)
        marks = rng.random(shape) < 0.1
        held = found.holding(marks)
        np.testing.assert_array_equal(1 + np.flatnonzero(held), np.setdiff1d(labels[marks], 0))
        numbers, voxels = found.voxels(held)
        np.testing.assert_array_equal(voxels, np.flatnonzero(np.isin(labels, 1 + np.flatnonzero(held))))
        np.testing.assert_array_equal(1 + numbers, labels.ravel()[voxels])


def test_a_spiral_is_one_component():
    """Arms that meet late need the labels given early to be united."""
    rows = (
        "#########",
        "........#",
        "#######.#",
        "#.....#.#",
        "#.###.#.#",
        "#.#...#.#",
        "#.#####.#",
        "#.......#",
        "#########",
    )
    plane = np.array([[voxel == "#" for voxel in row] for row in rows])
    for turned in (plane, plane[::-1], plane[:, ::-1]):
        assert len(find_components(turned[None], 6)) == 1
        assert len(find_components(np.stack([turned, 0 * turned, turned]))) == 2


def test_an_empty_mask_has_no_component_and_a_full_one_has_one():
    empty = find_components(np.zeros((4, 5, 6), bool))
    assert (len(empty), empty.boxes) == (0, [])
    assert not empty.labels().any()
    full = find_components(np.ones((4, 5, 6), np.uint8))
    assert full.sizes.tolist() == [120]
    assert full.mask(0).all()


def test_an_unknown_connectivity_raises_an_error():
    with pytest.raises(InputError, match="connectivity must be 6, 18 or 26, not 4"):
        find_components(np.zeros((2, 2, 2), bool), 4)
