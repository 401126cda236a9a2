"""Which slices were labelled: one answer for the fill, the training, info and the guide."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ACSegLib import InputError, Segmentation
from ACSegLib.labelled_slices import (
    LabelledSlices,
    declared_slices,
    find_labelled_slices,
    mark_slices,
    with_background_slices,
)


def ball(size: int = 40, radius: float = 14) -> np.ndarray:
    """A ball in the middle, (size, size, size) bool."""
    k, j, i = np.indices((size,) * 3) - size / 2 + 0.5
    return k * k + j * j + i * i < radius**2


def labelled_on(mask: np.ndarray, **slices: list[int]) -> np.ndarray:
    """What is labelled of a mask when only the named slices are labelled."""
    return mask & mark_slices(mask.shape, slices)


def found(labelled: np.ndarray, axis: str = "auto") -> dict[str, list[int]]:
    """The labelled slices, which must be neither dense nor oblique nor stray."""
    result = find_labelled_slices(labelled, axis)
    assert result == LabelledSlices(result.slices)
    return result.slices


@pytest.mark.parametrize("axis", ["k", "j", "i"])
def test_slices_of_one_axis_are_found(axis: str) -> None:
    assert found(labelled_on(ball(), **{axis: [10, 20, 29]})) == {axis: [10, 20, 29]}


def test_slices_of_three_axes_are_found_together() -> None:
    wanted = {"k": [12, 20, 28], "j": [15, 25], "i": [14, 24]}
    assert found(labelled_on(ball(), **wanted)) == wanted


@pytest.mark.parametrize("axis", ["k", "j", "i"])
@pytest.mark.parametrize("numbers", [[10, 11, 30], [19, 20], [18, 19, 20, 21, 22], [8, 9, 10, 11, 12, 30, 31]])
def test_adjacent_slices_of_a_cell_are_labelled_slices(axis: str, numbers: list[int]) -> None:
    """Fill and training gave two answers for five adjacent slices: labelled slices, and dense labels."""
    assert found(labelled_on(ball(), **{axis: numbers})) == {axis: numbers}


@pytest.mark.parametrize("axis", ["k", "j", "i"])
def test_adjacent_slices_of_a_box_are_labelled_slices_if_they_are_thin(axis: str) -> None:
    box = np.zeros((40, 40, 40), bool)
    box[8:32, 8:32, 8:32] = True
    assert found(labelled_on(box, **{axis: [15, 16, 17, 18, 19]})) == {axis: [15, 16, 17, 18, 19]}
    assert find_labelled_slices(box).dense


@pytest.mark.parametrize("axis", ["k", "j", "i"])
@pytest.mark.parametrize("numbers", [range(0, 41, 2), [n for n in range(41) if n % 3]])
def test_slices_close_together_that_fill_the_volume_are_found(axis: str, numbers: list[int]) -> None:
    labelled = labelled_on(np.ones((41, 41, 41), bool), **{axis: list(numbers)})
    assert found(labelled) == {axis: list(numbers)}


@pytest.mark.parametrize("axis", ["k", "j", "i"])
def test_two_of_three_slices_of_a_cell_are_found(axis: str) -> None:
    numbers = [n for n in range(8, 32) if n % 3]
    assert found(labelled_on(ball(), **{axis: numbers})) == {axis: numbers}


def specks(share: float = 0.2) -> np.ndarray:
    """A mask of single voxels, of which a slice shows others than the next one."""
    return np.random.default_rng(0).random((40, 60, 50)) < share


@pytest.mark.parametrize("axis", ["k", "j", "i"])
@pytest.mark.parametrize("numbers", [list(range(12, 22)), [12, 13, 14], [3, 9, 15, 21]])
def test_slices_of_a_mask_of_specks_are_found(axis: str, numbers: list[int]) -> None:
    """They looked like oblique strips, and were told as slices of another axis."""
    assert found(labelled_on(specks(), **{axis: numbers})) == {axis: numbers}


@pytest.mark.parametrize("axis", ["k", "j", "i"])
def test_slices_of_sparse_specks_are_those_of_the_axis_with_the_fewest(axis: str) -> None:
    """These may still look oblique; but they are on three slices, not on nearly all of another axis."""
    result = find_labelled_slices(labelled_on(specks(0.01), **{axis: [12, 13, 14]}))
    assert result.slices == {axis: [12, 13, 14]}


def test_specks_all_over_the_volume_are_no_labelled_slices() -> None:
    inner = np.zeros((60, 80, 70), bool)
    inner[10:50, 10:70, 10:60] = specks()
    assert find_labelled_slices(inner).slices == {}


@pytest.mark.parametrize("axis", ["k", "j", "i"])
def test_of_two_axes_along_which_labels_end_the_one_where_all_of_them_end_counts(axis: str) -> None:
    """Five slices through a flat thing that is ten slices thick."""
    flat = np.zeros((40, 40, 40), bool)
    flat[12:22, 4:36, 4:36] = np.random.default_rng(0).random((10, 32, 32)) < 0.95
    drawn = np.moveaxis(flat, 0, {"k": 1, "j": 2, "i": 0}[axis])
    assert found(labelled_on(drawn, **{axis: [15, 16, 17, 18, 19]})) == {axis: [15, 16, 17, 18, 19]}


def test_one_slice_alone_is_found_on_its_axis() -> None:
    assert found(labelled_on(ball(), j=[18])) == {"j": [18]}


@settings(max_examples=30, deadline=None)
@given(st.sets(st.integers(8, 31), min_size=2, max_size=7), st.sampled_from("kji"))
def test_any_spread_slices_are_found(numbers: set[int], axis: str) -> None:
    spread = [n for n in sorted(numbers) if n % 3 == 0]
    if len(spread) >= 2:
        assert found(labelled_on(ball(), **{axis: spread})) == {axis: spread}


@pytest.mark.parametrize("axis", ["auto", "all"])
@pytest.mark.parametrize("planes", [slice(None), slice(15, 19)])
def test_a_slice_across_the_others_is_found(axis: str, planes: slice) -> None:
    across = np.zeros((40, 40, 40), bool)
    across[planes] = labelled_on(ball(), j=[18])[planes]
    assert found(labelled_on(ball(), k=[10, 20, 30]) | across, axis) == {"k": [10, 20, 30], "j": [18]}


def shell(outer: float, inner: float) -> np.ndarray:
    return ball(radius=outer) & ~ball(radius=inner)


def nuclei() -> np.ndarray:
    """Balls of radius 3 to 5 at random places."""
    rng = np.random.default_rng(3)
    grid = np.indices((48, 48, 48))
    centres = rng.integers(6, 42, (12, 3))
    return np.any(
        [sum((g - c) ** 2 for g, c in zip(grid, centre, strict=True)) <= rng.integers(9, 26) for centre in centres],
        axis=0,
    )


def flat_cell() -> np.ndarray:
    k, j, i = np.indices((20, 60, 60))
    return ((k - 10) / 2.6) ** 2 + ((j - 30) / 25) ** 2 + ((i - 30) / 22) ** 2 <= 1


def cell_with_filopodia() -> np.ndarray:
    mask = ball(60, 12)
    mask[2:58, 29:31, 29:31] = True
    return mask


@pytest.mark.parametrize(
    "labels",
    [ball(), ball(120, 20), ball(20, 3.2), shell(14, 12), shell(14, 13), nuclei(), flat_cell(), cell_with_filopodia()],
    ids=["ball", "small in a large volume", "small", "wall", "thin wall", "nuclei", "flat cell", "filopodia"],
)
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_dense_labels_are_no_labelled_slices(labels: np.ndarray, axis: int) -> None:
    result = find_labelled_slices(np.moveaxis(labels, 0, axis))
    assert result == LabelledSlices(dense=True)
    assert "dense" in str(result.problem("cell"))


def test_dense_labels_are_slices_of_an_axis_that_is_named() -> None:
    assert found(ball(), "y") == {"j": list(range(6, 34))}


def test_an_axis_along_which_the_labels_leave_no_gap_is_refused_if_they_do_along_another() -> None:
    drawn = np.zeros_like(ball())
    drawn[[10, 20, 30]] = ball()[[10, 20, 30]]
    problem = str(find_labelled_slices(drawn, "x").problem("cell"))
    assert problem.startswith("the labels 'cell' are slices along z (k), but axis x (i) was named")
    assert find_labelled_slices(drawn, "z").problem("cell") is None
    one = np.where(np.arange(len(drawn))[:, None, None] == 20, drawn, False)
    assert "slices along z (k)" in str(find_labelled_slices(one, "y").problem("cell"))
    assert find_labelled_slices(one, "z").problem("cell") is None
    stack = np.zeros_like(drawn)
    stack[18:23] = ball()[18:23]
    assert find_labelled_slices(stack, "z").problem("cell") is None


def test_no_labels_have_no_slices_and_no_problem() -> None:
    result = find_labelled_slices(np.zeros((5, 6, 7), bool))
    assert result == LabelledSlices()
    assert result.problem("empty") is None


def with_stray(labelled: np.ndarray, *voxels: tuple[int, int, int]) -> np.ndarray:
    labelled = labelled.copy()
    for voxel in voxels:
        labelled[voxel] = True
    return labelled


@pytest.mark.parametrize("axis", ["auto", "k"])
@pytest.mark.parametrize(
    ("voxels", "stray"),
    [
        ([(15, 20, 20)], [15]),
        ([(15, 20, 20), (25, 12, 20), (25, 13, 20)], [15, 25]),
        ([(14, 20, 20), (15, 20, 20), (16, 20, 21)], [14, 15, 16]),  # the tip of a sphere brush
        ([(11, 20, 20)], [11]),  # beside a labelled slice
        ([(11, 20, 30 + n) for n in range(4)], [11]),  # touching what the labelled slice shows, but outside of it
        ([(2, 3, 3)], [2]),
        ([(37, 20, 20)], [37]),
    ],
)
def test_stray_voxels_make_no_labelled_slice_and_are_named(axis: str, voxels: list, stray: list[int]) -> None:
    result = find_labelled_slices(with_stray(labelled_on(ball(), k=[10, 20, 30]), *voxels), axis)
    assert result.slices == {"k": [10, 20, 30]}
    assert result.stray == {"k": stray}
    assert [f"slice {n} on axis z (k)" in note for n, note in zip(stray, result.notes(), strict=True)] == [True] * len(
        stray
    )


def test_a_brush_mark_near_the_end_of_a_cell_is_stray() -> None:
    """The cell is small there, so the mark is not tiny compared with the slice nearest to it."""
    labelled = labelled_on(ball(60, 22), k=[9, 16, 23, 30, 37, 44, 51])
    assert np.count_nonzero(labelled[9]) < 250
    labelled[11, 29:32, 29:32] = True
    result = find_labelled_slices(labelled)
    assert result.slices == {"k": [9, 16, 23, 30, 37, 44, 51]}
    assert result.stray == {"k": [11]}


def test_stray_voxels_beside_slices_of_two_axes_are_named() -> None:
    labelled = labelled_on(ball(), k=[10, 20, 30], j=[18])
    result = find_labelled_slices(with_stray(labelled, (15, 24, 24)))
    assert result.slices == {"k": [10, 20, 30], "j": [18]}
    assert result.stray == {"k": [15]}


def test_small_structures_are_no_stray_voxels() -> None:
    """Beads that only slices without the cell show, and the last slice of a cell."""
    beads = np.zeros((80, 40, 40), bool)
    beads[:40] = labelled_on(ball(), k=[10, 20, 30])
    for n, k in enumerate((45, 55, 65, 75)):
        beads[k, 4 : 7 + n, 10:13] = True
    assert found(beads) == {"k": [10, 20, 30, 45, 55, 65, 75]}
    assert found(labelled_on(ball(), k=[7, 13, 19, 25, 31, 33])) == {"k": [7, 13, 19, 25, 31, 33]}
    tips = labelled_on(ball(), k=[10, 20, 30])
    tips = np.pad(tips, ((0, 10), (0, 0), (0, 0)))
    tips[40, 20, 20] = True  # at the usual distance of slices: a tip
    assert found(tips) == {"k": [10, 20, 30, 40]}


def test_blocks_that_reach_from_border_to_border_are_dense() -> None:
    blocks = np.zeros((16, 16, 16), bool)
    blocks[:7, 2:9] = blocks[12:, 2:9] = True
    assert find_labelled_slices(blocks) == LabelledSlices(dense=True)


def test_declared_slices_are_believed_and_later_ones_added() -> None:
    labelled = labelled_on(ball(), k=[10, 20])
    declared = {"z": [2, 10, 20]}
    labels = Segmentation.from_labels(labelled.astype(np.uint8))
    labels.meta["slices"] = declared
    assert find_labelled_slices(labelled, declared=declared_slices(labels)).slices == {"k": [2, 10, 20]}
    more = labelled | labelled_on(ball(), k=[30])
    assert find_labelled_slices(more, declared=declared_slices(labels)).slices == {"k": [2, 10, 20, 30]}
    labels.meta["slices"] = 40  # the number of files of a folder
    assert declared_slices(labels) == {}


@pytest.mark.parametrize("name", ["k", "z", "Z"])
def test_both_names_of_an_axis_are_understood(name: str) -> None:
    assert found(labelled_on(ball(), k=[10]), name) == {"k": [10]}


def test_an_unknown_axis_is_refused() -> None:
    with pytest.raises(InputError, match=r"axis 'q' is not one of: x \(i\), y \(j\), z \(k\)"):
        find_labelled_slices(ball(), "q")


def ignored_but(slices, shape=(30, 24, 24)):
    """Ignored everywhere but on the labelled slices, as in labels from Amira."""
    ignored = np.ones(shape, bool)
    ignored[list(slices)] = False
    return ignored


def test_slices_without_ignored_voxels_are_labelled_where_all_others_are_ignored():
    labelled = np.zeros((30, 24, 24), bool)
    labelled[[10, 18], 6:18, 6:18] = True
    found = find_labelled_slices(labelled)
    assert found.slices == {"k": [10, 18]}
    assert with_background_slices(found, ignored_but([2, 10, 18, 29])).slices == {"k": [2, 10, 18, 29]}
    assert with_background_slices(found, None) is found


def test_an_ignored_region_on_a_labelled_slice_makes_no_other_slice_labelled():
    labelled = np.zeros((30, 24, 24), bool)
    labelled[[10, 18], 6:18, 6:18] = True
    region = np.zeros_like(labelled)
    region[10, :5, :5] = True
    region[:, 20:, 20:] = True
    found = find_labelled_slices(labelled)
    assert with_background_slices(found, region) is found
