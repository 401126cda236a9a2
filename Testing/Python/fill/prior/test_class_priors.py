"""Class priors of a slab: each group's probability goes to the classes that the slab can hold."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from ACSegLib import Segmentation, Volume
from ACSegLib.errors import Cancelled
from ACSegLib.fill import fill, slab
from ACSegLib.fill.prior.appearance import AppearanceClassifier, train_classifier
from ACSegLib.fill.prior.class_priors import (
    ClassPriors,
    classes_of_nearest_seeds,
    shares_of_absent_groups,
    shares_of_instances,
)
from ACSegLib.fill.prior.samples import Samples
from ACSegLib.fill.prior.shape import ShapePrior
from ACSegLib.jobs import Progress

GROUPS = [[0], [1], [2], [3]]
SHAPE = (2, 3, 4)


def samples(count=3000):
    """Background, a cell, a bead, and a second cell like the first, from which its shape tells it."""
    rng = np.random.default_rng(4)
    y = rng.choice(4, count, p=[0.5, 0.25, 0.05, 0.2])
    brightness = np.array([0.0, 2.0, 5.0, 2.0])[y] + rng.normal(0, 0.3, count)
    shapes = 10.0 * (y[:, None] == [1, 2, 3]) - 5 + rng.normal(0, 1, (count, 3))
    x = np.column_stack([brightness, shapes]).astype(np.float32)
    return Samples(x, y, np.zeros(count, int), np.ones(count), np.zeros((2, count), int), 3)


def uniform(values):
    """Group probabilities that are the same everywhere, (G, *SHAPE)."""
    return np.tile(np.array(values, np.float32)[:, None, None, None], (1, *SHAPE))


def test_the_classifier_knows_what_the_image_cannot_tell_apart():
    classifier = train_classifier(samples(), 4, steps=300)
    assert classifier.confused_with(1) == [3]
    assert classifier.confused_with(3) == [1]
    assert classifier.confused_with(2) == []
    np.testing.assert_allclose(classifier.confusion.sum(axis=1), 1)


@pytest.mark.parametrize(
    ("present", "expected"),
    [
        ({2, 3}, [0.1, 0.0, 0.2, 0.7]),  # no slice here shows the first cell: its part goes to the second
        ({1, 3}, [0.1, 0.4, 0.2, 0.3]),  # a bead may lie between the slices
        ({2}, [0.1, 0.4, 0.2, 0.3]),  # nothing is here that looks like a cell
        (set(), [0.1, 0.4, 0.2, 0.3]),
    ],
)
def test_an_absent_group_goes_to_the_group_that_looks_like_it(present, expected):
    alike = np.array([[0, 0, 0, 0], [0, 0, 0, 0.5], [0, 0, 0, 0], [0, 0.5, 0, 0]])
    classifier = AppearanceClassifier((), np.eye(4) * 0.5 + alike)
    inherited = shares_of_absent_groups(classifier, GROUPS, present)
    probabilities = uniform([0.1, 0.4, 0.2, 0.3])
    priors = ClassPriors(probabilities, GROUPS, present, inherited, {})
    for c, value in enumerate(expected):
        np.testing.assert_allclose(priors.of(c), np.full(SHAPE, value), atol=1e-7)
    np.testing.assert_array_equal(probabilities, uniform([0.1, 0.4, 0.2, 0.3]), "the input stays as it is")


def test_a_group_that_is_rarely_confused_inherits_little():
    classifier = AppearanceClassifier((), np.array([[1, 0, 0], [0, 0.8, 0.2], [0, 0.2, 0.8]]))
    groups = [[0], [1], [2]]
    inherited = shares_of_absent_groups(classifier, groups, {2})
    priors = ClassPriors(uniform([0.2, 0.8, 0.0]), groups, {2}, inherited, {})
    np.testing.assert_allclose([priors.of(c).max() for c in range(3)], [0.2, 0.6, 0.2], atol=1e-6)


def outlines():
    """Two instances side by side, outlined on both slices."""
    classes = np.full((2, 3, 8), -1, np.int16)
    classes[:, :, :4], classes[:, :, 4:] = 1, 2
    return ShapePrior.of_slices([[1], [2]], classes, (1, 1, 1), [0, 1])


def test_instances_share_their_group_by_the_distance_to_their_outlines():
    shares = shares_of_instances(outlines(), range(2), {1, 2})
    np.testing.assert_allclose(shares[1] + shares[2], 1, atol=1e-6)
    assert (np.diff(shares[1], axis=2) <= 1e-6).all()
    np.testing.assert_allclose(shares[1][:, :, 3], shares[2][:, :, 4], atol=1e-3)


def test_an_instance_that_the_slab_does_not_show_has_no_prior():
    groups = [[0], [1, 2]]
    shares = shares_of_instances(outlines(), range(2), {2})
    probabilities = np.full((2, 2, 3, 8), 0.5, np.float32)
    priors = ClassPriors(probabilities, groups, {2}, {}, shares)
    assert not priors.of(1).any()
    np.testing.assert_allclose(priors.of(2), 0.5, atol=1e-6)
    assert priors.worth_solving(1e-3, Progress()) == [2]
    assert shares_of_instances(outlines(), range(2), set()) == {}


def test_without_outlines_the_nearest_seed_takes_the_group():
    seeds = np.full((1, 1, 9), -1, np.int16)
    seeds[0, 0, [1, 7]] = 1, 2
    groups = [[0], [1, 2, 3]]
    nearest = classes_of_nearest_seeds(seeds, groups, (1.0, 1.0, 1.0))
    np.testing.assert_array_equal(nearest[0, 0, [0, 3, 5, 8]], [1, 1, 2, 2])
    priors = ClassPriors(np.full((2, 1, 1, 9), 0.4, np.float32), groups, {1, 2}, {}, {}, nearest)
    np.testing.assert_allclose(priors.of(1)[0, 0, [0, 3, 5, 8]], [0.4, 0.4, 0, 0])
    np.testing.assert_array_equal(priors.of(1) > 0, priors.of(2) == 0)
    assert not priors.of(3).any()
    np.testing.assert_array_equal(priors.of(2, np.s_[:, :, 3:7]), priors.of(2)[:, :, 3:7])
    assert classes_of_nearest_seeds(seeds, [[0], [1], [2], [3]], (1.0, 1.0, 1.0)) is None


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (2.5, 1.0, 1.3)])
def test_the_nearest_seed_is_that_of_a_distance_transform(spacing):
    rng = np.random.default_rng(2)
    seeds = np.where(rng.random((9, 20, 31)) < 0.01, rng.integers(1, 12, (9, 20, 31)), -1).astype(np.int16)
    seeds[4], seeds[:, 0] = -1, -2
    nearest = classes_of_nearest_seeds(seeds, [[0], list(range(1, 12))], spacing)
    least = ndimage.distance_transform_edt(seeds < 1, spacing)
    to_class = np.stack(
        [ndimage.distance_transform_edt(seeds != c, spacing) for c in range(1, 12) if (seeds == c).any()]
    )
    names = np.array([c for c in range(1, 12) if (seeds == c).any()])
    reached = np.take_along_axis(to_class, np.searchsorted(names, nearest)[None], axis=0)[0]
    np.testing.assert_allclose(reached, least, atol=1e-4)

    def cancel():
        raise Cancelled

    with pytest.raises(Cancelled):
        classes_of_nearest_seeds(seeds, [[0], list(range(1, 12))], spacing, cancel)


def test_the_box_of_a_class_holds_its_prior_and_the_seeds_beside_free_voxels():
    """A row: five seeds of 1, seven free voxels, five seeds of 2, and one of 3 among them."""
    seeds = np.array([1] * 5 + [-1] * 7 + [2] * 3 + [3, 2], np.int16)[None, None]
    groups = [[0], [1, 2, 3]]
    probabilities = np.zeros((2, *seeds.shape), np.float32)
    probabilities[1, 0, 0, :8] = 0.5
    probabilities[1, 0, 0, 8:] = 0.01
    nearest = classes_of_nearest_seeds(seeds, groups, (1.0, 1.0, 1.0))
    priors = ClassPriors(probabilities, groups, {1, 2, 3}, {}, {}, nearest)
    everything = slice(0, 1), slice(0, 1)
    assert priors.boxes(seeds, 0.1) == {1: (*everything, slice(4, 8)), 2: (*everything, slice(12, 13)), 3: None}
    assert priors.boxes(seeds, 0.001)[2] == (*everything, slice(9, 13))
    assert ClassPriors(probabilities[[0, 1, 1, 1]], GROUPS, {1, 2, 3}, {}, {}).boxes(seeds, 0.1) == {}


def test_the_box_of_an_instance_holds_its_prior_and_the_seeds_beside_free_voxels():
    """Seeds in the first plane of three; the prior of 2 is high in a corner, far from its seeds."""
    seeds = np.full((3, 5, 9), -1, np.int16)
    seeds[0] = 0
    seeds[0, 1:3, 1:3], seeds[0, 3, 6] = 1, 2
    shares = {1: np.zeros(seeds.shape, np.float32), 2: np.zeros(seeds.shape, np.float32)}
    shares[1][:, 1:4, 1:5], shares[2][2, 0, 8], shares[2][0, 4, 0] = 0.9, 0.4, 1.0  # the last one lies at a seed
    groups = [[0], [1, 2, 3]]
    priors = ClassPriors(np.full((2, *seeds.shape), 0.5, np.float32), groups, {1, 2}, {}, shares)
    first, second = (slice(0, 3), slice(1, 4), slice(1, 5)), (slice(0, 3), slice(0, 4), slice(6, 9))
    assert priors.boxes(seeds, 0.1) == {1: first, 2: second, 3: None}
    assert priors.boxes(seeds, 0.3)[2] == (slice(0, 1), slice(3, 4), slice(6, 7)), "its seed alone"
    with pytest.raises(Cancelled):
        priors.boxes(seeds, 0.1, Progress(cancelled=lambda: True).check)


def test_classes_with_a_negligible_prior_are_not_solved_unless_the_slab_shows_them():
    priors = ClassPriors(uniform([1.0, 1e-5, 1e-5, 0.2]), GROUPS, {2}, {}, {})
    assert priors.worth_solving(1e-3, Progress()) == [2, 3]


def test_each_slab_of_a_fill_is_asked_for_the_classes_that_it_shows(monkeypatch):
    k, j, i = np.indices((24, 24, 40))
    truth = np.where((j - 12) ** 2 + (i - 28) ** 2 <= 49, 2, 0)
    truth[((j - 12) ** 2 + (i - 12) ** 2 <= 64) & (k >= 12)] = 1
    rng = np.random.default_rng(0)
    image = ((truth > 0) + rng.normal(0, 0.2, truth.shape)).astype(np.float32)
    labels = np.zeros(truth.shape, np.uint8)
    slices = [2, 9, 16, 23]
    labels[slices] = truth[slices]
    asked = []

    def record(classifier, groups, present):
        asked.append(present)
        return shares_of_absent_groups(classifier, groups, present)

    monkeypatch.setattr(slab, "shares_of_absent_groups", record)
    result = fill(Volume(image), Segmentation.from_labels(labels), axis="k", slices=slices)
    slabs = asked[-4:] if 1 in asked[-1] else asked[:-5:-1]  # the fill may begin at either end
    assert slabs == [{2}, {2}, {1, 2}, {1, 2}]
    assert not (result.segmentation.labels[:9] == 1).any()


def test_the_shares_of_many_instances_can_be_cancelled():
    left = iter(range(4))
    with pytest.raises(Cancelled):
        shares_of_instances(outlines(), range(2), {1, 2}, progress=Progress(cancelled=lambda: next(left, None) is None))
    priors = ClassPriors(uniform([1.0, 1e-5, 1e-5, 0.2]), GROUPS, {2}, {}, {})
    with pytest.raises(Cancelled):
        priors.worth_solving(1e-3, Progress(cancelled=lambda: True))
