"""The rules after a walk: thin structures return, uncertain components go, and nothing else changes."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from ACSegLib.fill import fill
from ACSegLib.fill.slab import Settings, SlabResult
from ACSegLib.phantom import label_slices, simulate
from ACSegLib.postprocess.rules import (
    WALK,
    FillHoles,
    Labelling,
    RemoveSmallComponents,
    RemoveUncertainComponents,
    RestoreThinStructures,
    SmoothBoundaries,
    apply_rules,
)


def body_with_filament():
    """A ball with a filament two voxels thick; the filament's middle and the ball's outermost shell lost by little."""
    k, j, i = np.indices((30, 30, 60))
    ball = (k - 15) ** 2 + (j - 15) ** 2 + (i - 15) ** 2 <= 10**2
    filament = (abs(k - 14.5) < 1) & (abs(j - 14.5) < 1) & (i > 20) & (i < 55)
    shell = ball & ~ndimage.binary_erosion(ball) & ~filament
    value = np.where(ball | filament, np.float32(0.9), np.float32(0.0))
    cut = filament & (i > 30) & (i < 40)
    value[cut | shell] = 0.4
    best = np.where(value > 0.5, 1, 0).astype(np.int16)
    return best, value, cut, shell


def restored(threshold, known=None):
    """Labels of `body_with_filament` before and after the rule, and the voxels that the rule marks as changed."""
    before, probability, _, _ = body_with_filament()
    candidates = (probability > 0).astype(np.int16)
    labelling = Labelling(before.copy(), candidates, probability, known, np.zeros(before.shape, bool))
    count = apply_rules([RestoreThinStructures(threshold)], labelling)
    assert count == np.count_nonzero(labelling.changed)
    return before, labelling.labels, labelling.changed


def test_a_cut_filament_is_joined_and_the_body_keeps_its_outline():
    _, _, cut, shell = body_with_filament()
    before, labels, changed = restored(0.3)
    assert (labels[cut] == 1).all()
    assert not changed[shell].any()
    np.testing.assert_array_equal(changed, labels != before)


def test_thin_structures_below_the_threshold_and_known_voxels_stay_background():
    _, _, cut, _ = body_with_filament()
    assert not restored(0.45)[2].any()
    assert not restored(0.3, known=cut)[2].any()


def test_only_components_that_are_neither_labelled_nor_certain_are_removed():
    labels = np.zeros((8, 20, 40), np.int16)
    probability = np.zeros(labels.shape, np.float32)
    known = np.zeros(labels.shape, bool)
    places = {"labelled": (2, 0.6), "uncertain": (12, 0.6), "certain": (22, 0.95)}
    for start, p in places.values():
        labels[2:6, 5:10, start : start + 5], probability[2:6, 5:10, start : start + 5] = 2, p
    known[2, 5:10, 2:7] = True
    labelling = Labelling(labels, None, probability, known, np.zeros(labels.shape, bool))
    assert apply_rules([RemoveUncertainComponents(0.8)], labelling) == 4 * 5 * 5 == labelling.changed.sum()
    assert (labels[2:6, 5:10, 2:7] == 2).all()
    assert (labels[2:6, 5:10, 22:27] == 2).all()
    assert not labels[:, :, 12:17].any()


RULES = (
    RestoreThinStructures(0.3),
    RemoveUncertainComponents(0.8),
    RemoveSmallComponents({1: 9, 2: 0.5}),
    FillHoles({1: np.inf, 2: 5}),
    SmoothBoundaries((1.0, 1.0, 1.5)),
)


@pytest.mark.parametrize("rule", [*RULES, RULES], ids=[*(type(r).__name__ for r in RULES), "all"])
def test_every_rule_counts_and_marks_what_it_changes_and_leaves_known_voxels(rule):
    rng = np.random.default_rng(7)
    cells = ndimage.gaussian_filter(rng.random((20, 22, 24)), 1.5)
    before = (np.digitize(cells, np.quantile(cells, [0.3, 0.6]))).astype(np.int16)
    before[rng.random(before.shape) < 0.02] = 0
    probability = rng.uniform(0.2, 1.0, before.shape).astype(np.float32)
    candidates = rng.integers(1, 3, before.shape).astype(np.int16)
    known = rng.random(before.shape) < 0.1
    labelling = Labelling(before.copy(), candidates, probability, known, np.zeros(before.shape, bool))
    count = apply_rules(rule if isinstance(rule, tuple) else [rule], labelling)
    different = labelling.labels != before
    assert different.any()
    assert not different[known].any()
    assert not (different & ~labelling.changed).any()
    if not isinstance(rule, tuple):  # of several rules, a later one may change a voxel back
        assert count == np.count_nonzero(different) == np.count_nonzero(labelling.changed)


def test_thin_structures_need_less_probability_the_more_the_prior_is_trusted():
    assert WALK.thin_threshold(1.0) == pytest.approx(0.3) == WALK.thin_threshold(5.0)
    assert WALK.thin_threshold(0.01) == pytest.approx(0.5, abs=0.01)


def test_filopodia_of_a_simulated_cell_are_restored_and_marked_as_uncertain():
    phantom = simulate(64, seed=5)
    drawn, slices = label_slices(phantom.truth, every=8)
    strong = Settings(1.0, 3.0)  # the prior that finds thin structures
    result = fill(phantom.volume, drawn, axis="k", slices=slices, settings=strong, probabilities=True)
    cell = next(s for s in result.segmentation.segments if s.value == 1)
    probability = result.probabilities[cell.id].astype(np.float32)
    found = result.segmentation.labels == 1
    promoted = found & (probability < 0.45) & ~result.known
    assert promoted.any()
    assert (result.uncertainty[promoted] == 255).all()
    thin = phantom.mask("filopodia") & ~result.known
    alone = probability > 0.5
    assert found[thin].mean() > alone[thin].mean() + 0.05


def test_probabilities_move_towards_the_prior_except_where_labelled():
    rng = np.random.default_rng(5)
    x, prior = (rng.random((2, 5, 6, 7)).astype(np.float32) for _ in range(2))
    seeds = rng.integers(-1, 3, (5, 6, 7)).astype(np.int16)
    expected = np.where(seeds < 0, 0.7 * x + 0.3 * prior, x)
    result = SlabResult(0, seeds, (), 3, True)
    result.add([1, 2], x, prior, 0.3)
    np.testing.assert_allclose(x, expected, atol=1e-6)
    np.testing.assert_allclose(result.probabilities[1:], expected, atol=1e-3)
    np.testing.assert_array_equal(result.best[seeds < 0], (1 + expected.argmax(0))[seeds < 0])


def test_the_share_of_the_prior_follows_its_strength():
    assert WALK.share(0.1) > 0
    assert WALK.share(5.0) == WALK.share(1.0) == pytest.approx(10 * WALK.share(0.1))
