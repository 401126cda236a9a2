"""Overlap and surface distances: equal to MONAI, scikit-image, -learn and surface-distance; defined when empty."""

from __future__ import annotations

import math

import numpy as np
import pytest
from shapes import ball

from ACSegLib.errors import InputError
from ACSegLib.measure.overlap import compare_masks, compare_segmentations, note_on_names, pair_segments
from ACSegLib.measure.surface_distance import surface_distances
from ACSegLib.volume import Geometry, Segmentation

SHAPE = (22, 26, 30)
CASES = [(1.0, 1.0, 1.0), (0.7, 1.3, 2.9)]


def noisy_pair(seed):
    """Two rough blobs of which one touches the border."""
    rng = np.random.default_rng(seed)
    result = ball(SHAPE, 8, centre=(14, 12, 10)) ^ (rng.random(SHAPE) < 0.02)
    truth = ball(SHAPE, 9, centre=(12, 12, 8))
    return result, truth


@pytest.mark.parametrize("spacing", CASES)
@pytest.mark.parametrize("seed", [0, 1])
def test_overlap_equals_monai_and_scikit_learn(spacing, seed):
    torch = pytest.importorskip("torch", reason="MONAI needs torch")
    metrics = pytest.importorskip("monai.metrics", reason="MONAI is not installed")
    from sklearn.metrics import jaccard_score, precision_score, recall_score

    result, truth = noisy_pair(seed)
    row = compare_masks(result, truth, spacing, surface="voxels", tolerance=2.0)
    as_batch = [torch.as_tensor(m[None, None].astype(np.float32)) for m in (result, truth)]
    kwargs = dict(include_background=True, spacing=list(reversed(spacing)))
    assert row["dice"] == pytest.approx(metrics.compute_dice(*as_batch).item(), abs=1e-6)
    assert row["jaccard"] == pytest.approx(jaccard_score(truth.ravel(), result.ravel()), abs=1e-9)
    assert row["precision"] == pytest.approx(precision_score(truth.ravel(), result.ravel()), abs=1e-9)
    assert row["recall"] == pytest.approx(recall_score(truth.ravel(), result.ravel()), abs=1e-9)
    average = metrics.compute_average_surface_distance(*as_batch, symmetric=True, **kwargs).item()
    assert row["average_surface_distance"] == pytest.approx(average, rel=1e-6)
    robust = metrics.compute_hausdorff_distance(*as_batch, percentile=95, **kwargs).item()
    assert row["surface_distance_95"] == pytest.approx(robust, rel=1e-6)
    dice = metrics.compute_surface_dice(*as_batch, class_thresholds=[2.0], **kwargs).item()
    assert row["surface_dice"] == pytest.approx(dice, abs=1e-6)


@pytest.mark.parametrize("edge", [0.1, 0.035, 0.26])
def test_surface_dice_is_invariant_to_translation(edge):
    """A distance of one voxel edge is within a tolerance of one voxel edge, however its length is rounded."""
    truth = np.zeros((12, 14, 60), bool)
    truth[3:9, 3:10, 2:8] = True
    expected = compare_masks(np.roll(truth, 1, axis=2), truth, (1, 1, 1), tolerance=1.0)["surface_dice"]
    for shift in range(0, 50, 7):
        there = np.roll(truth, shift, axis=2)
        row = compare_masks(np.roll(there, 1, axis=2), there, (edge, edge, edge), tolerance=edge)
        assert row["surface_dice"] == pytest.approx(expected)


def test_rows_of_segmentations_equal_comparisons_of_masks():
    """Segments are compared each in its box; the figures are those of the whole volume."""
    rng = np.random.default_rng(5)
    truth = rng.integers(0, 4, SHAPE).astype(np.uint16)
    truth[:, :13] = 0
    truth[2:9, 3:9, 3:9] = 4
    truth[20:, 24:, 28:] = 5
    result = np.roll(truth, 1, axis=0)
    ignore = rng.random(SHAPE) < 0.1
    sides = [Segmentation.from_labels(labels, Geometry((2.0, 2.0, 3.0), unit="nm")) for labels in (result, truth)]
    rows = compare_segmentations(*sides, ignore=ignore, tolerance=2.0)
    assert len(rows) == 5
    for row in rows:
        value = sides[1].segment(row["segment"]).value
        whole = compare_masks(result == value, truth == value, (2.0, 2.0, 3.0), ignore=ignore, tolerance=2.0)
        assert {name: row[name] for name in whole} == pytest.approx(whole, rel=1e-12)


def test_largest_distance_equals_scikit_image():
    from scipy.ndimage import binary_erosion
    from skimage.metrics import hausdorff_distance

    result, truth = noisy_pair(2)
    edges = [mask & ~binary_erosion(mask) for mask in (result, truth)]
    found = surface_distances(result, truth, (1, 1, 1), surface="voxels")
    assert found.percentile(100) == pytest.approx(hausdorff_distance(*edges), rel=1e-12)


@pytest.mark.parametrize("spacing", CASES)
def test_surface_figures_equal_surface_distance_package(spacing, monkeypatch):
    metrics = pytest.importorskip("surface_distance.metrics", reason="surface-distance is not installed")
    # The released package predates NumPy 2 and SciPy 1.15: give it the names it looks up.
    from scipy import ndimage

    monkeypatch.setattr(np, "Inf", np.inf, raising=False)
    monkeypatch.setattr(ndimage, "filters", ndimage, raising=False)
    monkeypatch.setattr(ndimage, "morphology", ndimage, raising=False)
    result, truth = noisy_pair(3)
    theirs = metrics.compute_surface_distances(truth, result, tuple(reversed(spacing)))
    ours = surface_distances(result, truth, spacing)
    for tolerance in (0.5, 1.5, 4.0):
        expected = metrics.compute_surface_dice_at_tolerance(theirs, tolerance)
        assert ours.dice(tolerance) == pytest.approx(expected, abs=1e-6)
    assert ours.percentile(95) == pytest.approx(metrics.compute_robust_hausdorff(theirs, 95), rel=1e-6)
    to_result, to_truth = metrics.compute_average_surface_distance(theirs)
    areas = theirs["surfel_areas_gt"].sum(), theirs["surfel_areas_pred"].sum()
    assert ours.average() == pytest.approx((to_result * areas[0] + to_truth * areas[1]) / sum(areas), rel=1e-6)


def test_distance_between_shifted_cubes_is_the_shift_in_the_unit():
    truth = np.zeros((20, 20, 40), bool)
    truth[5:15, 5:15, 5:15] = True
    result = np.roll(truth, 20, axis=2)
    found = surface_distances(result, truth, (2.0, 1.0, 1.0))
    # The near faces lie 10 voxels of 2 apart (15 to 25), the far ones 20 voxels.
    assert found.result_to_truth.min() == pytest.approx(20.0)
    assert found.result_to_truth.max() == pytest.approx(40.0)


def test_empty_and_absent_follow_metrics_reloaded():
    empty, full = np.zeros((5, 5, 5), bool), np.zeros((5, 5, 5), bool)
    full[2, 2, 2] = True
    both = compare_masks(empty, empty, (1, 1, 1))
    assert (both["dice"], both["jaccard"], both["surface_dice"]) == (1, 1, 1)
    assert both["average_surface_distance"] == 0
    assert both["surface_distance_95"] == 0
    assert both["relative_volume_error"] == 0
    assert math.isnan(both["precision"])
    assert math.isnan(both["recall"])
    no_result = compare_masks(empty, full, (1, 1, 1))
    assert [no_result[n] for n in ("dice", "jaccard", "precision", "recall", "surface_dice")] == [0] * 5
    assert no_result["relative_volume_error"] == -1
    assert math.isnan(no_result["average_surface_distance"])
    no_truth = compare_masks(full, empty, (1, 1, 1))
    assert [no_truth[n] for n in ("dice", "jaccard", "precision", "surface_dice")] == [0] * 4
    assert math.isnan(no_truth["recall"])
    assert math.isnan(no_truth["surface_distance_95"])


def test_one_voxel_cell_equals_itself():
    mask = np.zeros((3, 3, 3), bool)
    mask[0, 0, 0] = True  # at the corner of the array
    row = compare_masks(mask, mask, (30, 30, 30))
    assert row["dice"] == 1
    assert row["surface_dice"] == 1
    assert row["average_surface_distance"] == 0
    assert row["result_volume"] == 27000


def test_ignored_voxels_change_nothing():
    truth = ball((30, 30, 30), 9)
    spoilt = truth.copy()
    spoilt[:, :, 20:] = ~spoilt[:, :, 20:]
    ignore = np.zeros(truth.shape, np.uint8)
    ignore[:, :, 20:] = 1
    row = compare_masks(spoilt, truth, (1, 1, 1), ignore=ignore)
    assert row["dice"] == 1
    assert row["surface_dice"] == 1
    assert row["surface_distance_95"] == 0
    assert row["truth_volume"] == truth[:, :, :20].sum()
    assert compare_masks(spoilt, truth, (1, 1, 1))["dice"] < 0.5


@pytest.mark.parametrize("surface", ["surfels", "voxels"])
@pytest.mark.parametrize("side", [slice(None, 13), slice(17, None)])
def test_the_edge_of_the_ignored_region_is_no_surface(surface, side):
    """A truth that is drawn no further than the region says nothing of where the cell ends there."""
    whole = ball((30, 30, 30), 9)
    ignore = np.zeros(whole.shape, bool)
    ignore[:, side] = True
    row = compare_masks(whole, whole & ~ignore, (1, 1, 2), ignore=ignore, surface=surface)
    assert row["dice"] == 1
    assert row["surface_dice"] == 1
    assert row["average_surface_distance"] == row["surface_distance_95"] == 0


def segmentation(labels, names=None, geometry=None):
    return Segmentation.from_labels(np.asarray(labels, np.uint8), geometry, names)


def test_segments_pair_by_name_before_value():
    labels = np.zeros((4, 4, 4), int)
    labels[0], labels[1] = 1, 2
    swapped = np.where(labels, 3 - labels, 0)
    result = segmentation(swapped, {1: "bead", 2: "cell"})
    truth = segmentation(labels, {1: "cell", 2: "bead"})
    rows = compare_segmentations(result, truth)
    assert [(r["segment"], r["dice"]) for r in rows] == [("cell", 1.0), ("bead", 1.0)]


def test_tables_without_a_common_name_pair_by_value():
    labels = np.zeros((4, 4, 4), int)
    labels[0] = 1
    pairs = pair_segments(segmentation(labels), segmentation(labels, {1: "cell"}))
    assert [(name, a.value, b.value) for name, a, b in pairs] == [("cell", 1, 1)]


def test_a_segment_absent_from_one_side_scores_zero_with_its_status():
    labels = np.zeros((4, 4, 4), int)
    labels[0], labels[1] = 1, 2
    only_cell = np.where(labels == 1, 1, 0)
    names = {1: "cell", 2: "bead"}
    rows = compare_segmentations(segmentation(only_cell, {1: "cell"}), segmentation(labels, names))
    assert [(r["segment"], r["status"], r["dice"]) for r in rows] == [
        ("cell", "both", 1.0),
        ("bead", "absent from result", 0.0),
    ]
    rows = compare_segmentations(segmentation(labels, names), segmentation(only_cell, {1: "cell"}))
    assert rows[1]["status"] == "absent from truth"


def test_segments_of_one_name_pair_in_their_order_and_where_their_number_differs_not_at_all():
    labels = np.zeros((4, 4, 4), int)
    labels[0], labels[1] = 1, 2
    twins = segmentation(labels, {1: "cell", 2: "cell"})
    assert [(r["segment"], r["dice"]) for r in compare_segmentations(twins, twins)] == [
        ("cell (1)", 1),
        ("cell (2)", 1),
    ]
    assert "in the order of their tables" in note_on_names(twins, twins)
    with pytest.raises(InputError, match=r"2 of the segments named 'cell', and the reference .* has 1"):
        compare_segmentations(twins, segmentation(labels, {1: "cell", 2: "bead"}))


def test_another_grid_is_refused_in_a_sentence():
    labels = np.zeros((4, 4, 4), int)
    labels[0], labels[1] = 1, 2
    a = segmentation(labels, geometry=Geometry((30, 30, 30), unit="nm"))
    moved = segmentation(labels, geometry=Geometry((30, 30, 30), (300, 0, 0), unit="nm"))
    with pytest.raises(InputError, match=r"different positions.*--resample"):
        compare_segmentations(a, moved)
    with pytest.raises(InputError, match=r"has 4 x 4 x 4 voxels but reference .* has 4 x 4 x 3; use --resample"):
        compare_segmentations(a, segmentation(labels[:3]))
    with pytest.raises(InputError, match="no segment is named 'nucleus'"):
        compare_segmentations(a, a, segments=["nucleus"])


def test_figures_are_plain_python_numbers_in_physical_units():
    labels = np.zeros((8, 8, 8), int)
    labels[2:5, 2:5, 2:5] = 1
    a = segmentation(labels, geometry=Geometry((10, 20, 30), unit="nm"))
    (row,) = compare_segmentations(a, a, instances=True)
    assert row["truth_volume"] == 27 * 6000
    assert row["unit"] == "nm"
    assert {type(v) for v in row.values()} <= {str, float, int}
