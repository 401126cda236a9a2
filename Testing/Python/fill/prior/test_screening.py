"""Which segments look alike is measured on slices that a classifier did not learn from."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from scipy import ndimage

from ACSegLib import Geometry, Progress, Segmentation, Volume
from ACSegLib.fill import FillResult, Settings, constants, fill
from ACSegLib.fill.prior.appearance import AppearanceClassifier, mean_probabilities, train_classifier
from ACSegLib.fill.prior.samples import Samples, collect_samples
from ACSegLib.fill.prior.screening import Fold, Screening, families_of, outline_errors, rivalries, train_for_screening

PLANES = 4


def samples(difference: float) -> Samples:
    """Few voxels of two groups and background, whose many features are noise but for the first two."""
    rng = np.random.default_rng(7)
    y = np.tile(np.repeat([0, 1, 2], 40), PLANES)
    x = rng.normal(size=(len(y), 20)).astype(np.float32)
    x[:, 0] += np.array([-8.0, 8.0, 8.0])[y]
    x[:, 1] += np.array([0.0, -difference, difference])[y] / 2
    plane = np.repeat(np.arange(PLANES), len(y) // PLANES)
    return Samples(x, y, plane, np.ones(len(y)), np.zeros((2, len(y)), int))


def screening(of: Samples) -> Screening:
    folds = []
    for own in ([0, 2], [1, 3]):
        others = of.part(~np.isin(of.plane, own))
        folds.append(Fold(own, train_for_screening(others, 3, Progress()), others))
    return Screening(of, folds, 3)


def taken_for(confusion: np.ndarray, a: int, b: int) -> float:
    """Share of one group that is taken for another one, of what is taken for either."""
    return float(confusion[a, b] / (confusion[a, a] + confusion[a, b]))


def test_of_groups_that_no_feature_tells_apart_half_is_taken_for_the_other() -> None:
    alike = samples(0.0)
    confusion = screening(alike).confusion()
    assert taken_for(confusion, 1, 2) == pytest.approx(0.5, abs=0.06)
    assert taken_for(confusion, 2, 1) == pytest.approx(0.5, abs=0.06)
    assert families_of(rivalries(confusion) >= constants.RIVALS) == [[1, 2]]
    # on what it learned from, a classifier tells even noise apart
    assert taken_for(train_classifier(alike, 3).confusion, 1, 2) < 0.2


def test_groups_that_a_feature_tells_apart_are_no_rivals() -> None:
    apart = screening(samples(16.0))
    assert taken_for(apart.confusion(), 1, 2) < 0.1
    assert families_of(rivalries(apart.confusion()) >= constants.RIVALS) == []


def test_each_slice_is_judged_by_the_classifier_of_its_own_fold() -> None:
    """One classifier says always 1, the other one always 2: what a slice is said to be tells who judged it."""
    biases = [np.array([0, 40, 0], np.float32), np.array([0, 0, 40], np.float32)]
    zero = [np.zeros(shape, np.float32) for shape in ((4, 20), (4,), (4, 4), (4,), (3, 4))]
    of = samples(0.0)
    folds = [
        Fold(own, AppearanceClassifier((*zero, bias)), of) for own, bias in zip(([0], [1, 2, 3]), biases, strict=True)
    ]
    np.testing.assert_allclose(Screening(of, folds, 3).confusion(), [[0, 0.25, 0.75]] * 3, atol=1e-6)


def test_without_samples_nothing_is_said() -> None:
    assert (mean_probabilities([], 3) == 0).all()


SHAPE = (32, 32, 48)


def filled(cells: np.ndarray, slices: list[int], brightness: Sequence[float]) -> FillResult:
    """A fill of two cells with some brightness each, in noise."""
    labels = np.zeros(SHAPE, np.uint8)
    labels[slices] = cells[slices]
    sparse = Segmentation.from_labels(labels, Geometry(), {1: "one", 2: "two"})
    image = ndimage.gaussian_filter(np.choose(cells, brightness).astype(float), 0.7)
    image += np.random.default_rng(1).normal(0, 0.4, SHAPE)
    volume = Volume(image.astype(np.float32), Geometry())
    return fill(volume, sparse, axis="k", slices=slices, settings=Settings(1.0, 3.0))


def two_balls() -> np.ndarray:
    k, j, i = np.indices(SHAPE)
    return np.select([(k - 16) ** 2 + (j - 16) ** 2 + (i - c) ** 2 < 121 for c in (13, 34)], [1, 2], 0)


@pytest.mark.parametrize("slices", [[12], [12, 24], [8, 16, 24]])
def test_cells_of_one_look_are_rivals_and_cells_of_two_looks_are_not(slices: list[int]) -> None:
    assert filled(two_balls(), slices, (0, 2, 2)).state.context.evidence.rivals == [[1, 2]]
    assert filled(two_balls(), slices, (0, 2, 5)).state.context.evidence.rivals == []


def test_outlines_decide_in_doubt_only_where_they_are_better_than_the_image(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of cells beside each other they are; of a core that few slices show they are not."""
    monkeypatch.setattr(constants, "RIVALS", np.inf)
    slices = [6, 11, 16, 21, 26]
    k, j, i = np.indices(SHAPE)
    beside = np.where((j - 16) ** 2 < 81, np.where(i < 24, 1, 2), 0)
    core = np.where((j - 16) ** 2 < 81, np.where((k - 16) ** 2 + (j - 16) ** 2 + (i - 24) ** 2 < 25, 2, 1), 0)
    assert filled(beside, slices, (0, 2, 2)).state.context.evidence.rivals == [[1, 2]]
    assert filled(core, slices, (0, 2, 2)).state.context.evidence.rivals == []


def test_outlines_are_right_where_nothing_changes_and_tell_nothing_beyond_the_outermost_slices() -> None:
    slices = [8, 16, 24]
    i = np.indices(SHAPE)[2]
    same = np.where(i < 24, 1, 2)
    once = np.ones(SHAPE, int)
    once[16, 10:20, 10:20] = 2
    # of what one slice alone shows, the one that is nowhere else always is wrong, the other one never
    for cells, plane, expected in ((same, 16, 0.0), (same, 8, 0.5), (same, 24, 0.5), (once, 16, 0.5)):
        evidence = filled(cells, slices, (0, 1, 2)).state.context.evidence
        samples = collect_samples(evidence)
        here = evidence.orientation.slices([plane])
        errors = outline_errors(evidence, samples.part(samples.plane == here), Progress())
        assert errors[1, 2] == errors[2, 1] == pytest.approx(expected, abs=0.02)
