"""Two labelled slices already give a fill, and the suggestions include what no labelled slice met."""

from __future__ import annotations

import numpy as np
import pytest

from ACSegLib import InputError, Segmentation, Volume
from ACSegLib.fill import fill, suggest_slices
from ACSegLib.fill.suggest import new_appearance

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
    new = new_appearance(result.state.context.evidence.features, [22, 40])
    assert new[44:60].sum() > 0.8 * new.sum() > 0  # the coarse planes of the bead
    assert new[52] == new.max()
    assert 46 <= suggest_slices(result, 1)[0] <= 58


def test_one_slice_calls_nothing_new_and_a_number_below_one_is_refused(two_slices):
    _, result = two_slices
    assert not new_appearance(result.state.context.evidence.features, [22]).any()
    with pytest.raises(InputError, match="at least 1"):
        suggest_slices(result, 0)


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
