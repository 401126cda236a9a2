"""Two labelled slices already give a fill, and the suggestions include what no labelled slice met."""

from __future__ import annotations

import numpy as np
import pytest

from ACSegLib import InputError, Segmentation, Volume
from ACSegLib.fill import fill, suggest_slices
from ACSegLib.fill.suggest import (
    Losses,
    best_first,
    choose_together,
    distances,
    expected_losses,
    missing_segments,
    new_appearance,
)

SIZE = 64


@pytest.fixture(scope="module")
def two_slices():
    """A ball, and a bead twice as bright in planes 48 to 56; planes 22 and 40 are labelled and meet the ball alone."""
    k, j, i = np.indices((SIZE,) * 3)
    ball = (k - 31) ** 2 + (j - 32) ** 2 + (i - 30) ** 2 < 22**2
    bead = (k - 52) ** 2 + (j - 10) ** 2 + (i - 10) ** 2 <= 4**2
    image = np.where(bead, 2.0, np.where(ball, 1.0, 0.0))
    image = image + np.random.default_rng(1).normal(0, 0.15, image.shape)
    labels = np.zeros(ball.shape, np.uint8)
    labels[[22, 40]] = ball[[22, 40]]
    sparse = Segmentation.from_labels(labels, names={1: "cytoplasm"})
    return ball, fill(Volume(image.astype(np.float32)), sparse, axis="k", slices=[22, 40])


def test_two_slices_are_enough_for_a_ball(two_slices):
    ball, result = two_slices
    found = result.segmentation.labels == 1
    between = slice(22, 41)
    common = 2 * np.count_nonzero(found[between] & ball[between])
    assert common / (np.count_nonzero(found[between]) + np.count_nonzero(ball[between])) > 0.97


def test_a_bead_that_no_slice_met_is_suggested(two_slices):
    _, result = two_slices
    evidence = result.state.context.evidence
    new = evidence.orientation.along(new_appearance(evidence.features, evidence.orientation.slices([22, 40])))
    assert new[44:60].sum() > 0.8 * new.sum() > 0  # the coarse planes of the bead
    assert new[52] == new.max()
    assert 46 <= suggest_slices(result, 1)[0] <= 58


def test_slices_in_which_the_image_has_no_value_are_not_suggested():
    k, j, i = np.indices((24, 32, 32)) - 16
    ball = (k + 4) ** 2 + j**2 + i**2 < 64
    image = (np.where(ball, 300, 100) + np.random.default_rng(0).normal(0, 20, ball.shape)).astype(np.float32)
    image[:3] = np.nan
    labels = np.zeros(ball.shape, np.uint8)
    labels[4::4] = ball[4::4]
    for volume, sparse, blank in ((image, labels, {0, 1, 2}), (image[::-1], labels[::-1], {21, 22, 23})):
        result = fill(Volume(volume.copy()), Segmentation.from_labels(sparse.copy()), axis="k", device="cpu")
        assert not blank & set(suggest_slices(result, 24))


def test_one_slice_calls_nothing_new_and_a_number_below_one_is_refused(two_slices):
    _, result = two_slices
    assert not new_appearance(result.state.context.evidence.features, [22]).any()
    with pytest.raises(InputError, match="at least 1"):
        suggest_slices(result, 0)


def test_slices_too_close_to_differ_call_nothing_new(two_slices):
    features = two_slices[1].state.context.evidence.features  # planes 22 and 23 are averaged to one
    assert not new_appearance(features, [22, 23]).any()


def test_a_bead_of_five_voxels_is_found_before_what_is_merely_uncertain():
    """Four voxels are averaged to one of the coarsest features, which hides a bead of this size."""
    k, j, i = np.indices((SIZE,) * 3)
    ball = (k - 26) ** 2 + (j - 32) ** 2 + (i - 30) ** 2 < 22**2
    bead = (k - 57) ** 2 + (j - 11) ** 2 + (i - 50) ** 2 <= 2.5**2
    noise = np.random.default_rng(1).normal(0, 0.45, ball.shape)
    image = np.where(bead, 2.5, np.where(ball, 1.0, 0.0)) + noise
    labels = np.zeros(ball.shape, np.uint8)
    labels[[16, 36]] = ball[[16, 36]]
    result = fill(Volume(image.astype(np.float32)), Segmentation.from_labels(labels), axis="k", slices=[16, 36])
    assert 54 <= suggest_slices(result, 1)[0] <= 60


def test_the_distance_is_the_variance_of_a_bridge_between_labelled_slices():
    found = distances([2, 6], 9)
    assert found == pytest.approx([2 / 3, 2 / 3, 0, 3 / 4, 1, 3 / 4, 0, 2 / 3, 2 / 3])


def test_borders_that_cut_segments_are_as_far_from_labelled_slices_as_the_middle_between_them():
    found = distances([4, 14, 24], 29, cut=(1, 1))  # even spacing: half a distance from each border
    assert found[0] == pytest.approx(found[9], rel=0.15)
    assert found == pytest.approx(found[::-1])
    assert distances([4, 14, 24], 29)[0] < found[0] / 2


@pytest.fixture
def flat():
    """Losses of one kind on each of 63 planes but the middle one, which is labelled."""

    def losses(*names: str) -> Losses:
        ones = np.ones(63)
        ones[31] = 0
        return Losses([31], **{name: ones * (name in names) for name in ("outlines", "hidden", "new")})

    return losses


def test_what_is_wrong_everywhere_is_looked_for_in_the_middle_of_the_widest_gap(flat):
    losses = flat("outlines")
    assert int(np.argmax(losses.gains())) in (15, 47)
    assert int(np.argmax(losses.after(15).gains())) == 47
    assert losses.gains()[31] == 0


def test_slices_chosen_together_are_evenly_spaced_and_ordered_by_what_they_gain():
    """Wrong by the squared distance, everywhere alike; even spacing of five has the labelled slice in its middle."""
    nothing = np.zeros(63)
    losses = Losses([31], distances([31], 63, cut=(1, 1)) ** 2, nothing, nothing, cut=(1, 1))
    chosen = best_first(losses, choose_together(losses, 4))
    assert sorted([31, *chosen]) == pytest.approx([63 / 10 * n for n in (1, 3, 5, 7, 9)], abs=1.5)
    assert {chosen[0] < 31, chosen[1] < 31} == {True, False}  # one on either side first
    one_by_one = []
    for _ in range(4):
        one_by_one.append(int(np.argmax(losses.after(*one_by_one).gains())))
    assert losses.after(*chosen).total < 0.8 * losses.after(*one_by_one).total


def test_segments_that_no_slice_shows_are_looked_for_near_even_spacing():
    nothing = np.zeros(63)
    losses = Losses([31], nothing, distances([31], 63, cut=(1, 1)), nothing)
    first = int(np.argmax(losses.gains()))
    second = int(np.argmax(losses.after(first).gains()))
    assert sorted([first, second]) == pytest.approx([63 / 6, 63 * 5 / 6], abs=3)


def test_the_gain_of_a_plane_is_what_it_takes_from_the_losses():
    losses = Losses([12, 40], *np.random.default_rng(7).random((3, 63)), cut=(0.3, 1))
    gains = losses.gains()
    for k in (0, 11, 13, 30, 41, 62):
        assert gains[k] == pytest.approx(losses.total - losses.after(k).total)


def test_labelling_all_planes_leaves_nothing(flat):
    losses = flat("outlines", "hidden", "new")
    for k in set(range(63)) - {31}:
        losses = losses.after(k)
    assert losses.total == 0
    assert not losses.gains().any()


def test_segments_that_few_slices_show_tell_of_others():
    assert missing_segments(np.array([2, 2, 3])) == 0
    assert missing_segments(np.array([1])) == 0  # one may be the only one
    assert missing_segments(np.array([1, 1, 1, 2])) == 3 * 2 / (2 * 2)


def test_an_uncertain_voxel_counts_for_more_in_a_small_segment():
    """Two balls, equally blurred; the small one has fewer uncertain voxels, but they are more of it."""
    k, j, i = np.indices((48, 40, 40))
    large = (k - 12) ** 2 + (j - 20) ** 2 + (i - 20) ** 2 < 11**2
    small = (k - 36) ** 2 + (j - 20) ** 2 + (i - 20) ** 2 < 5**2
    truth = (large + 2 * small).astype(np.uint8)
    image = (truth > 0) + np.random.default_rng(2).normal(0, 0.3, truth.shape)
    slices = [12, 36]
    labels = np.zeros_like(truth)
    labels[slices] = truth[slices]
    result = fill(Volume(image.astype(np.float32)), Segmentation.from_labels(labels), axis="k", slices=slices)
    squares = (result.uncertainty / 255.0) ** 2
    outlines = expected_losses(result).outlines
    by_voxels = squares[24:].sum() / squares[:24].sum()
    by_share = outlines[24:].sum() / outlines[:24].sum()
    assert by_voxels < 0.5
    assert by_share > 3 * by_voxels  # as large a sphere has 10 times the voxels, and 5 times the surface


def test_what_looks_new_counts_for_no_more_than_one_more_segment(two_slices):
    _, result = two_slices
    new = expected_losses(result).new
    # two slices, each of which shows the one segment: (0 + 1) / (2 + 2) that the next one shows another, of two then
    assert 0.9 / 8 < new.sum() <= 1 / 8


def test_glass_at_the_ends_does_not_hide_what_is_missed_in_the_middle():
    """Two faint shells around a core that neither slice meets; the glass at the ends looks new, and holds nothing."""
    rng = np.random.default_rng(3)
    k, j, i = np.indices((48,) * 3) - 23.5
    radius = np.sqrt(k**2 + j**2 + i**2)
    truth = (radius < 18).astype(np.uint8) + (radius < 12) + (radius < 6)
    glass = (np.abs(k) > 17) & (j > 12)
    image = 0.45 * truth + 1.5 * glass + rng.normal(0, 0.5, truth.shape)
    slices = [12, 35]
    labels = np.zeros_like(truth)
    labels[slices] = truth[slices]
    result = fill(Volume(image.astype(np.float32)), Segmentation.from_labels(labels), axis="k", slices=slices)
    assert 18 <= suggest_slices(result, 1)[0] <= 29


def test_after_one_slice_both_sides_of_it_are_suggested():
    k, j, i = np.indices((48,) * 3) - 23.5
    ball = k**2 + j**2 + i**2 < 16**2
    image = ball + np.random.default_rng(4).normal(0, 0.3, ball.shape)
    labels = np.zeros(ball.shape, np.uint8)
    labels[24] = ball[24]
    result = fill(Volume(image.astype(np.float32)), Segmentation.from_labels(labels), axis="k", slices=[24])
    first, second = sorted(suggest_slices(result, 2))
    assert 6 <= first <= 20
    assert 28 <= second <= 42
