"""The choice of the settings: what is hidden, how settings are searched, and that the choice is a good one."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from ACSegLib import Geometry, Progress, Segmentation, Volume
from ACSegLib.fill import Settings, constants, fill
from ACSegLib.fill.orientation import Orientation
from ACSegLib.fill.prior.evidence import Evidence, collect_evidence
from ACSegLib.fill.prior.samples import collect_samples
from ACSegLib.fill.seeds import UNKNOWN, SeedOptions, collect_seeds
from ACSegLib.fill.tuning.holdout import BandPattern, Run, hold_out, mean_dice, runs_of_slices, without_hidden
from ACSegLib.fill.tuning.selection import (
    DEFAULT,
    are_distant,
    learned_of_apart,
    or_learned,
    or_learned_of_many,
    search,
    search_at_ends,
    usual_distance,
)
from ACSegLib.fill.tuning.trials import overlap

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


def thinned(truth: np.ndarray, slices: list[int] = SLICES) -> np.ndarray:
    """The labels of the labelled slices alone."""
    labels = np.zeros_like(truth)
    labels[slices] = truth[slices]
    return labels


def evidence_of(slices: list[int]) -> Evidence:
    """Of two nested classes that are labelled on some slices along k."""
    image, truth = nested(3.0)
    volume = Volume(image, Geometry(spacing=(1.0, 2.0, 1.0)))
    seeds = collect_seeds(Segmentation.from_labels(thinned(truth, slices), volume.geometry), SeedOptions("k", slices))
    return collect_evidence(volume, seeds, None, True, Progress(), Orientation())


@pytest.fixture(scope="module")
def evidence() -> Evidence:
    return evidence_of(SLICES)


def inner(cuts: list[int]) -> Run:
    """Slices of which all but the ends are judged."""
    return Run(cuts[0], cuts[-1], cuts, cuts[1:-1])


def hidden_in(pattern: BandPattern, k: int) -> np.ndarray:
    """The bands of a slice, bool (J, I)."""
    return pattern.contains(k, np.arange(SHAPE[1])[:, None], np.arange(SHAPE[2])[None, :])


def test_bands_hide_half_of_each_slice_and_never_lie_above_each_other(evidence: Evidence) -> None:
    pattern = BandPattern.of(evidence)
    for k in SLICES:
        assert 0.4 < hidden_in(pattern, k).mean() < 0.6
    for below, above in itertools.pairwise(SLICES):
        assert not (hidden_in(pattern, below) & hidden_in(pattern, above)).any()


def test_a_hidden_voxel_is_at_most_as_far_from_labels_as_the_middle_of_a_slab(evidence: Evidence) -> None:
    hidden = hidden_in(BandPattern.of(evidence), 12)
    depth = ndimage.distance_transform_edt(np.pad(hidden, 1, mode="edge"), (2.0, 1.0))[1:-1, 1:-1]
    inner = depth[8:-8, 16:-16]  # at the sides of the slice a band has labels on one side alone
    assert 3.0 < inner.max() <= 8 / 2 + 1  # slices are 8 apart


def test_hidden_bands_are_unknown_and_their_outlines_come_from_the_slices_around(
    evidence: Evidence,
) -> None:
    before = evidence.classes.copy()
    pattern = BandPattern.of(evidence)
    (window,) = hold_out(evidence, pattern, [inner(SLICES)])
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


def test_parts_with_hidden_bands_are_small_and_hold_the_outlines(
    evidence: Evidence, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "MIN_HELD_OUT_VOXELS", 0)
    (window,) = hold_out(evidence, BandPattern.of(evidence), [inner(SLICES)])
    part = window.evidence.classes
    assert part.size <= constants.HELD_OUT_SHARE * evidence.classes.size
    assert {0, 1, 2} <= set(np.unique(list(window.truth.values())))


def test_slices_beyond_all_segments_are_judged_in_a_small_part_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "MIN_HELD_OUT_VOXELS", 0)
    image, truth = nested(3.0)
    truth[14:] = 0
    seeds = collect_seeds(Segmentation.from_labels(thinned(truth)), SeedOptions("k", SLICES))
    evidence = collect_evidence(Volume(image), seeds, None, True, Progress(), Orientation())
    windows = hold_out(evidence, BandPattern.of(evidence), [inner(SLICES[:3]), inner(SLICES[2:])])
    assert [set(np.unique(list(window.truth.values()))) for window in windows] == [{-1, 0, 1, 2}, {-1, 0}]
    assert sum(window.evidence.classes.size for window in windows) <= constants.HELD_OUT_SHARE * truth.size


@pytest.mark.parametrize("few", [True, False])
def test_nothing_is_learned_from_hidden_bands_and_of_few_slices_from_the_second_one(
    evidence: Evidence, few: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "MAX_FEW_SLICES", len(SLICES) if few else len(SLICES) - 1)
    pattern, samples = BandPattern.of(evidence), collect_samples(evidence, 2000)
    part = without_hidden(samples, pattern, [12, 20])
    for k in SLICES:
        here = part.plane == k
        hidden = hidden_in(pattern, k)[tuple(part.place[:, here])]
        assert hidden.any() == (k not in (12, 20))
        assert here.any() == (not few or k != 12)


def test_a_group_that_one_slice_alone_shows_is_learned_there(evidence: Evidence) -> None:
    pattern, samples = BandPattern.of(evidence), collect_samples(evidence, 2000)
    alone = samples.part((samples.y < 2) | (samples.plane == 12))
    part = without_hidden(alone, pattern, [12, 20])
    assert set(part.y[part.plane == 12]) == {0, 1, 2}
    assert not hidden_in(pattern, 12)[tuple(part.place[:, part.plane == 12])].any()


def test_a_prior_that_is_right_on_slices_that_it_knows_alone_is_found_out() -> None:
    """On each plane another grey value, and the segment brighter or darker at random: nothing tells of other planes."""
    rng = np.random.default_rng(1)
    _, j, i = np.indices((25, 36, 36)) - 18
    truth = (j * j + i * i < 81).astype(np.uint8)
    slices = [4, 12, 20]
    level, sign = rng.uniform(-3, 3, 25), rng.choice([-1, 1], 25)
    sign[slices] = 1, -1, 1
    image = level[:, None, None] + sign[:, None, None] * truth + rng.normal(0, 0.2, truth.shape)
    labels = Segmentation.from_labels(thinned(truth, slices))
    choice = fill(Volume(image.astype(np.float32)), labels, axis="k", slices=slices, device="cpu").state.choice
    assert choice.prior_dice < 0.5


def test_many_slices_are_judged_in_a_few_runs() -> None:
    runs = runs_of_slices(list(range(0, 400, 10)), 391)
    assert [len(run.cuts) for run in runs] == [constants.MAX_RUN + 2] * constants.MAX_RUNS
    assert runs[0].first == 0
    assert runs[-1].last == 390
    assert not any(run.at_end for run in runs)


def test_long_ends_of_the_volume_are_judged_beside_one_known_slice() -> None:
    cuts = SLICES[1:4]
    runs = runs_of_slices(cuts, SHAPE[0])
    assert runs == [inner(cuts), Run(0, 20, [12, 20], [12]), Run(20, 39, [20, 28], [28])]
    assert [run.at_end for run in runs] == [False, True, True]
    assert runs_of_slices(SLICES, SHAPE[0]) == [inner(SLICES)]  # 7 of 40 planes lie beyond these
    assert runs_of_slices(SLICES[:2], SHAPE[0]) == [Run(0, 12, [4, 12], [4]), Run(4, 39, [4, 12], [12])]
    evidence = evidence_of(cuts)
    between, *ends = hold_out(evidence, BandPattern.of(evidence), runs)
    assert [sorted(window.truth) for window in ends] == [[12], [8]]
    for window, k in zip(ends, (12, 28), strict=True):
        (plane,) = window.truth
        part = window.evidence
        assert (part.classes[plane][window.truth[plane] >= 0] == UNKNOWN).all()
        assert len(part.cuts) == 1
        beyond = slice(None, plane) if k == 12 else slice(plane + 1, None)
        assert (part.classes[beyond] == UNKNOWN).all()
        assert part.classes.size < between.evidence.classes.size


@pytest.mark.parametrize("strong", [True, False])
@pytest.mark.parametrize("best", constants.CANDIDATES)
def test_the_search_finds_any_single_peak(best: tuple[float, float], strong: bool) -> None:
    def judge(settings: Settings) -> float:
        distance = abs(np.log10(settings.gamma / best[0])) + 0.5 * abs(np.log10(settings.edge / best[1]))
        return 0.9 - 0.1 * float(distance)

    assert search(judge, strong) == Settings(*best)


@pytest.mark.parametrize("gain", [0.5, 2.0])
@pytest.mark.parametrize("best", constants.LEARNED_GAMMAS)
def test_learned_edges_are_chosen_where_they_are_clearly_better(best: float, gain: float) -> None:
    def judge(settings: Settings) -> float:
        share = 1.0 if settings.gamma == best else -0.4
        return 0.9 + gain * constants.MIN_LEARNED_GAIN * share * settings.learned

    found = Settings(*constants.CANDIDATES[1])
    assert or_learned(judge, found) == (Settings(best, 1.0, learned=True) if gain > 1 else found)


@pytest.mark.parametrize("pair", [constants.LEARNED_GAMMAS_OF_TISSUE, constants.LEARNED_GAMMAS_AT_WALLS])
@pytest.mark.parametrize("good", [0, 1])
@pytest.mark.parametrize("loss", [0.5, 1.5])
def test_edges_of_tissue_are_learned_unless_hidden_slices_say_no(
    pair: tuple[float, float], good: int, loss: float
) -> None:
    found, learned = Settings(*constants.CANDIDATES[0]), Settings(pair[good], 1.0, learned=True)
    scores = {found: 0.9, learned: 0.9 - loss * constants.MIN_LEARNED_GAIN}
    chosen = or_learned_of_many(lambda settings: scores.get(settings, 0.0), found, pair)
    assert chosen == (Settings(pair[0], 1.0, learned=True) if loss < 1 else found)


@pytest.mark.parametrize("best", [*constants.CANDIDATES, constants.SMOOTH_WALK])
def test_a_poor_prior_hides_no_peak_behind_worse_settings(best: tuple[float, float]) -> None:
    def judge(settings: Settings) -> float:
        return 0.5 + 0.4 * ((settings.gamma, settings.edge) == best)

    assert search(judge, strong=False) == Settings(*best)


@pytest.mark.parametrize("strong", [True, False])
def test_settings_that_are_hardly_better_do_not_change_the_prior(strong: bool) -> None:
    start = constants.CANDIDATES[0 if strong else 1]

    def judge(settings: Settings) -> float:
        return 0.9 + 0.9 * constants.MIN_GAIN * ((settings.gamma, settings.edge) != start)

    assert search(judge, strong) == Settings(*start)


@pytest.mark.parametrize(("gain", "wins"), [(0.5, False), (1.5, True)])
def test_a_strong_prior_that_is_less_good_must_be_clearly_better(gain: float, wins: bool) -> None:
    def judge(settings: Settings) -> float:
        return 0.8 + gain * constants.MIN_STRONG_GAIN * (settings.gamma == 1)

    assert search(judge, strong=False) == Settings(*constants.CANDIDATES[0 if wins else 1])


def test_a_good_prior_costs_two_trials_where_a_weaker_one_is_worse() -> None:
    tried = set()

    def judge(settings: Settings) -> float:
        tried.add((settings.gamma, settings.edge))
        return settings.gamma

    assert search(judge, strong=True) == Settings(*constants.CANDIDATES[0])
    assert tried == set(constants.CANDIDATES[:2])


@pytest.mark.parametrize("loss", [0.5, 1.5])
@pytest.mark.parametrize("distant", [True, False])
def test_nearly_no_prior_is_tried_between_distant_slices_unless_the_weak_one_is_clearly_worse(
    distant: bool, loss: float
) -> None:
    plain, weak = Settings(*constants.PLAIN_WALK), Settings(*constants.CANDIDATES[2])
    scores = {plain: 0.9, weak: 0.8 - loss * constants.MAX_WEAK_LOSS}
    found = search(lambda settings: scores.get(settings, 0.8), False, distant)
    assert (found == plain) == (distant and loss < 1)


def test_walls_have_a_weaker_candidate_than_differences() -> None:
    best = Settings(*constants.WALL_WALK)
    assert search(lambda settings: 0.9 if settings == best else 0.8, strong=False, walls=True) == best


@pytest.mark.parametrize("walls", [True, False])
@pytest.mark.parametrize("gain", [0.5, 1.5])
def test_a_walk_that_small_differences_do_not_lead_must_be_clearly_better_and_needs_no_walls(
    gain: float, walls: bool
) -> None:
    smooth = Settings(*constants.SMOOTH_WALK)
    found = search(lambda s: 0.8 + gain * constants.MIN_SMOOTH_GAIN * (s == smooth), strong=False, walls=walls)
    assert (found == smooth) == (gain > 1 and not walls)


def test_slices_are_distant_by_the_gaps_that_most_voxels_lie_in(evidence: Evidence) -> None:
    spacing = (1.0, 1.0, 1.0)
    features = replace(evidence.features, spacing=spacing)
    assert not are_distant(replace(evidence, features=features))  # every 8th slice
    assert are_distant(replace(evidence, features=features, cuts=[2, 5, 8, 11, 30]))
    assert are_distant(replace(evidence, features=replace(features, spacing=(2.0, 1.0, 1.0))))


@pytest.mark.parametrize("gain", [0.5, 1.5])
@pytest.mark.parametrize("best", [*constants.CANDIDATES, constants.PLAIN_WALK])
def test_outermost_slices_alone_must_speak_clearly_for_other_settings(best: tuple[float, float], gain: float) -> None:
    def judge(settings: Settings) -> float:
        return 0.8 + gain * constants.MIN_GAIN_AT_ENDS * (settings == Settings(*best))

    assert search_at_ends(judge, distant=True) == (Settings(*best) if gain > 1 else DEFAULT)
    assert search_at_ends(judge, distant=False) != Settings(*constants.PLAIN_WALK)


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


def test_the_outermost_slices_choose_and_do_not_change_the_cross_validation(monkeypatch: pytest.MonkeyPatch) -> None:
    image, truth = nested(3.0)
    slices = SLICES[1:4]
    given = Volume(image), Segmentation.from_labels(thinned(truth, slices))
    choice = fill(*given, axis="k", slices=slices, device="cpu").state.choice
    assert choice.left_out == slices
    assert choice.overlap is not None
    assert choice.overlap[:, 1].sum() < 0.6 * truth[0].size  # the voxels of half a slice
    monkeypatch.setattr(constants, "MIN_END_SHARE", 1.0)
    assert fill(*given, axis="k", slices=slices, device="cpu").state.choice.left_out == slices[1:2]


@pytest.mark.parametrize("slices", [[10, 30], [8, 24, 40]])
def test_walls_between_segments_of_one_look_are_found_from_two_or_three_slices(slices: list[int]) -> None:
    """Only walls tell the segments apart, so that any prior misleads."""
    k, j, i = np.indices((48, 48, 48))
    across, along = 0.6 * k + 10 + 3 * np.sin(j / 9), 0.6 * k + 10 + 3 * np.sin(i / 7)
    truth = ((1 + (i > across) + 2 * (j > along)) % 4).astype(np.uint8)
    walls = np.exp(-np.minimum((i - across) ** 2, (j - along) ** 2) / 2)
    volume = Volume((8 * walls + np.random.default_rng(1).normal(0, 1, truth.shape)).astype(np.float32))
    sparse = Segmentation.from_labels(thinned(truth, slices))
    hidden = np.setdiff1d(np.arange(len(truth)), slices)

    def reached(settings: Settings | None) -> float:
        result = fill(volume, sparse, axis="k", slices=slices, device="cpu", settings=settings)
        return mean_dice(overlap(truth[hidden], result.segmentation.labels[hidden], 4))

    assert reached(None) > max(0.9, reached(DEFAULT) + 0.02)


def many_balls(seed: int, radius: int = 7) -> np.ndarray:
    """Balls on a grid of 3 x 3 x 3 places, each moved a little, uint8 (48, 48, 48)."""
    rng = np.random.default_rng(seed)
    grid, truth = np.indices((48, 48, 48)), np.zeros((48, 48, 48), np.uint8)
    for value, place in enumerate(itertools.product((8, 24, 40), repeat=3), 1):
        offset = grid - (np.array(place) + rng.uniform(-2, 2, 3))[:, None, None, None]
        truth[(offset**2).sum(axis=0) < radius**2] = value
    return truth


def test_slices_that_are_hidden_do_not_strengthen_the_prior_of_segments_that_lie_apart() -> None:
    """The image shows nothing, and slices around a hidden one are as far apart as the balls are long."""
    truth, slices = many_balls(1), list(range(3, 48, 7))
    image = np.random.default_rng(2).normal(0, 1, truth.shape)
    volume, sparse = Volume(image.astype(np.float32)), Segmentation.from_labels(thinned(truth, slices))
    hidden = np.setdiff1d(np.arange(48), slices)

    def reached(settings: Settings | None) -> float:
        result = fill(volume, sparse, axis="k", slices=slices, device="cpu", settings=settings)
        return mean_dice(overlap(truth[hidden], result.segmentation.labels[hidden], 28))

    assert reached(None) > reached(Settings(*constants.CANDIDATES[0])) + 0.05


def test_the_prior_of_segments_that_lie_apart_weighs_as_much_between_distant_slices(evidence: Evidence) -> None:
    near = constants.NEAR_APART
    assert usual_distance(replace(evidence, features=replace(evidence.features, spacing=(3.0, 1.5, 2.0)))) == 16
    assert [learned_of_apart(d).gamma for d in (near / 2, near)] == [constants.LEARNED_GAMMA_APART] * 2
    farther = [learned_of_apart(f * near).gamma * (f * near) ** 2 for f in (1.2, 1.5)]
    np.testing.assert_allclose(farther, constants.LEARNED_GAMMA_APART * near**2, rtol=0.02)  # shown with three digits
    assert learned_of_apart(10 * near).gamma == constants.MIN_GAMMA_APART


def test_borders_between_segments_are_counted_against_those_to_background(evidence: Evidence) -> None:
    classes = np.full((5, 6, 8), UNKNOWN, np.int16)
    classes[2] = 0
    classes[2, 1:5, 1:4], classes[2, 1:5, 4:7] = 1, 2
    classes[2, 2, 2] = UNKNOWN  # tells nothing of its neighbours
    found = replace(evidence, classes=classes, cuts=[2])
    assert found.touching == pytest.approx(4 / (4 + 4 + 4 + 6 + 6))
    assert replace(evidence, classes=np.zeros_like(classes), cuts=[2]).touching == 0
