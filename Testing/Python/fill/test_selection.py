"""The choice of the settings: what is hidden, how settings are searched, and that the choice is a good one."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import ndimage

from ACSegLib import Geometry, Progress, Segmentation, Volume
from ACSegLib.fill import Settings, constants, fill
from ACSegLib.fill.evidence import Evidence, collect_evidence
from ACSegLib.fill.holdout import BlockPattern, hold_out, mean_dice, runs_of_slices, without_blocks
from ACSegLib.fill.samples import collect_samples
from ACSegLib.fill.seeds import UNKNOWN, SeedOptions, collect_seeds
from ACSegLib.fill.selection import search
from ACSegLib.fill.trials import overlap

SLICES = [4, 12, 20, 28, 36]
SHAPE = (40, 48, 44)


def nested(contrast: float) -> tuple[np.ndarray, np.ndarray]:
    """Two nested classes with a border of some contrast (in noise levels), and bright sheets that mean nothing."""
    rng = np.random.default_rng(2)
    k, j, i = np.indices(SHAPE) - np.array(SHAPE)[:, None, None, None] / 2 + 0.5
    radius = np.sqrt(k * k + j * j + i * i) + 1.5 * np.sin(3 * np.arctan2(j, i))
    truth = (radius < 17).astype(np.uint8) + (radius < 9)
    sheets = np.abs(ndimage.gaussian_filter(rng.normal(size=SHAPE), 5)) < 0.002
    image = contrast * truth + 3 * sheets
    return (image + rng.normal(0, 1, SHAPE)).astype(np.float32), truth


def thinned(truth: np.ndarray) -> np.ndarray:
    """The labels of the labelled slices alone."""
    labels = np.zeros_like(truth)
    labels[SLICES] = truth[SLICES]
    return labels


@pytest.fixture(scope="module")
def evidence() -> Evidence:
    image, truth = nested(3.0)
    volume = Volume(image, Geometry(spacing=(1.0, 2.0, 1.0)))
    seeds = collect_seeds(Segmentation.from_labels(thinned(truth), volume.geometry), SeedOptions("k", SLICES))
    return collect_evidence(volume, seeds, None, True, Progress())


def hidden_in(pattern: BlockPattern, k: int) -> np.ndarray:
    """The blocks of a slice, bool (J, I)."""
    return pattern.contains(k, np.arange(SHAPE[1])[:, None], np.arange(SHAPE[2])[None, :])


def test_blocks_are_as_wide_as_the_slices_are_apart_and_hide_about_a_quarter(evidence: Evidence) -> None:
    pattern = BlockPattern.of(evidence)
    assert pattern.block == (4, 8)  # the rows are 2 apart
    for k in SLICES:
        assert 0.15 < hidden_in(pattern, k).mean() < 0.35


def test_blocks_never_lie_above_each_other_and_differ_between_folds(evidence: Evidence) -> None:
    patterns = [BlockPattern.of(evidence, fold) for fold in range(constants.FOLDS)]
    assert not (hidden_in(patterns[0], 12) & hidden_in(patterns[1], 12)).any()
    for pattern in patterns:
        for below, above in itertools.pairwise(SLICES):
            assert not (hidden_in(pattern, below) & hidden_in(pattern, above)).any()


def test_hidden_blocks_are_unknown_and_their_outlines_come_from_the_slices_around(evidence: Evidence) -> None:
    before = evidence.classes.copy()
    pattern = BlockPattern.of(evidence)
    (window,) = hold_out(evidence, pattern, [SLICES])
    np.testing.assert_array_equal(evidence.classes, before)
    assert sorted(window.truth) == [8, 16, 24]  # the window begins at slice 4; its ends stay known
    hidden, part = hidden_in(pattern, 12), window.evidence
    assert (part.classes[8][hidden] == UNKNOWN).all()
    np.testing.assert_array_equal(part.classes[8][~hidden], before[12][~hidden])
    np.testing.assert_array_equal(window.truth[8][hidden], before[12][hidden])
    shapes = part.shape.planes([6, 8])
    np.testing.assert_array_equal(shapes[:, :, ~hidden], evidence.shape.planes([10, 12])[:, :, ~hidden])
    expected = evidence.shape.planes([10, 12], without=12)
    np.testing.assert_allclose(shapes[:, :, hidden], expected[:, :, hidden], atol=0.05)


def test_nothing_is_learned_from_hidden_blocks(evidence: Evidence) -> None:
    pattern, samples = BlockPattern.of(evidence), collect_samples(evidence, 2000)
    part = without_blocks(samples, pattern, [12, 20])
    for k in SLICES:
        here = part.plane == k
        hidden = hidden_in(pattern, k)[tuple(part.place[:, here])]
        assert hidden.any() == (k not in (12, 20))


def test_many_slices_are_judged_in_a_few_runs() -> None:
    runs = runs_of_slices(list(range(0, 400, 10)))
    assert [len(run) for run in runs] == [constants.MAX_RUN + 2] * constants.MAX_RUNS
    assert runs[0][0] == 0
    assert runs[-1][-1] == 390
    assert runs_of_slices(SLICES) == [SLICES]


@pytest.mark.parametrize("best", [(g, e) for g in constants.GAMMAS for e in constants.EDGES])
def test_the_search_finds_any_single_peak_with_few_trials(best: tuple[float, float]) -> None:
    tried = []

    def judge(settings: Settings) -> float:
        tried.append(settings)
        distance = abs(np.log10(settings.gamma / best[0])) + 0.5 * abs(np.log10(settings.edge / best[1]))
        return 0.9 - 0.1 * float(distance)

    assert search(judge) == Settings(*best)
    assert len(set(tried)) <= len(constants.GAMMAS) * len(constants.EDGES)


def test_settings_that_are_hardly_better_do_not_weaken_the_prior() -> None:
    def judge(settings: Settings) -> float:
        return 0.9 + 0.9 * constants.MIN_GAIN * (settings.gamma < 1)

    assert search(judge) == Settings(1.0, constants.DEFAULT_EDGE)


def test_the_dice_is_pooled_over_slices_and_can_weigh_by_size() -> None:
    truth = np.array([[1, 1, 1, 1], [0, 2, -1, 0]], np.int16)
    found = np.array([[1, 1, 1, 0], [0, 0, 2, 0]], np.int16)
    counts = overlap(truth, found, 3)
    np.testing.assert_array_equal(counts, [[2, 2, 4], [3, 4, 3], [0, 1, 0]])
    assert mean_dice(counts) == pytest.approx(3 / 7)
    assert mean_dice(counts, by_size=True) == pytest.approx((2 * 6 / 7 + 1 * 0) / 3)


@pytest.mark.parametrize("contrast", [0.8, 4.0])
def test_the_choice_is_nearly_as_good_as_the_best_of_other_settings(contrast: float) -> None:
    """Strong borders that mean nothing mislead a weak prior, and clear ones are better than a strong prior."""
    image, truth = nested(contrast)
    sparse = Segmentation.from_labels(thinned(truth))
    hidden = np.setdiff1d(np.arange(SHAPE[0]), SLICES)

    def reached(settings: Settings | None) -> float:
        result = fill(Volume(image), sparse, axis="k", slices=SLICES, device="cpu", settings=settings)
        return mean_dice(overlap(truth[hidden], result.segmentation.labels[hidden], 3))

    others = [reached(Settings(gamma, edge)) for gamma, edge in ((1.0, 3.0), (0.1, 1.0), (0.01, 1.0), (0.01, 30.0))]
    assert max(others) - min(others) > 0.05
    assert reached(None) >= max(others) - 0.015
