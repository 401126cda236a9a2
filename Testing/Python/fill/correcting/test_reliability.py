"""How far a learned prior holds: as far as the hidden voxels show."""

from dataclasses import replace

import numpy as np
import pytest

from ACSegLib.fill.correcting.reliability import LENGTHS, find_reliability, outline_probabilities, trust_at
from ACSegLib.fill.prior.samples import Samples


def range_and_lead(samples, believed, distances, spacing):
    return find_reliability(samples, believed, distances[(slice(None), samples.plane, *samples.place)], spacing)


def learned_range(*arguments):
    return range_and_lead(*arguments).length


def slice_of_samples(contrast, bias):
    """Voxels of a corrected slice with a border at column 40, and the signed distances of a segmentation of it.

    The segmentation's border lies `bias` voxels beside it, a function of the row. The features are the intensity and
    that distance.
    """
    rows, columns = np.indices((80, 80))
    truth = columns >= 40
    distances = (columns - 39.5 + bias(rows)).astype(np.float32)
    noise = np.random.default_rng(0).normal(size=truth.shape)
    x = np.stack([contrast * truth + noise, distances], axis=-1).reshape(-1, 2).astype(np.float32)
    y, count = truth.ravel().astype(int), truth.size
    place = np.stack([rows.ravel(), columns.ravel()])
    return Samples(x, y, np.zeros(count, int), np.ones(count), place, 1), distances[None, None]


def test_what_the_image_shows_holds_at_all_distances():
    samples, distances = slice_of_samples(contrast=12, bias=lambda rows: 6 * np.sign(rows - 40))
    assert learned_range(samples, None, distances, (1, 1, 1)) == LENGTHS[-1]


def test_a_local_displacement_holds_close_by_only():
    samples, distances = slice_of_samples(contrast=0, bias=lambda rows: 3 * np.tanh((rows - 40) / 6))
    assert learned_range(samples, None, distances, (1, 1, 1)) == LENGTHS[0]


def test_a_missing_object_counts_however_far_it_lies_from_the_outlines():
    samples, distances = slice_of_samples(contrast=12, bias=lambda rows: 0 * rows)
    nowhere = np.full_like(distances, -16)
    assert learned_range(samples, None, nowhere, (1, 1, 1)) == LENGTHS[-1]


def test_a_slice_on_which_all_of_a_segment_is_erased_proves_nothing():
    """It shows background alone, so it does not tell what looks like the segment."""
    samples, distances = slice_of_samples(contrast=12, bias=lambda rows: 0 * rows)
    erased = replace(samples, y=np.zeros_like(samples.y))
    assert learned_range(erased, None, distances, (1, 1, 1)) == LENGTHS[0]
    rim = np.minimum(distances, 2)
    assert learned_range(erased, None, rim, (1, 1, 1)) == LENGTHS[-1], "all of an outline is too large"


@pytest.mark.parametrize(("count", "holds"), [(12, False), (60, True)])
def test_a_slice_that_shows_a_few_voxels_of_what_it_erased_proves_nothing(count, holds):
    """Of a segment that had the wrong voxels, a tip is left."""
    samples, distances = slice_of_samples(contrast=12, bias=lambda rows: 0 * rows)
    rows, columns = samples.place
    left = (columns >= 77) & (rows < count // 3)
    erased = replace(samples, y=left.astype(int))
    erased.x[:, 0] += 12 * (left - samples.y)  # the image shows it
    assert (learned_range(erased, None, distances, (1, 1, 1)) > LENGTHS[0]) == holds


@pytest.mark.parametrize(("count", "holds"), [(4, False), (40, True)])
def test_a_handful_of_wrong_voxels_proves_nothing(count, holds):
    """In the others, the segmentation is right, and the image shows all."""
    samples, distances = slice_of_samples(contrast=12, bias=lambda rows: 0 * rows)
    distances[0, 0, :count, 41:43] = -1
    samples.x[:, 1] = distances.ravel()
    assert (learned_range(samples, None, distances, (1, 1, 1)) > LENGTHS[0]) == holds


@pytest.mark.parametrize(("count", "holds"), [(12, False), (60, True)])
def test_a_class_that_few_decided_voxels_show_proves_nothing(count, holds):
    """It was missed; that much of the background was wrong does not tell what it looks like."""
    samples, distances = slice_of_samples(contrast=12, bias=lambda rows: 0 * rows)
    nowhere = np.full_like(distances, -1)
    nowhere[0, 0, 40:60, 10:13] = 1
    samples.x[:, 1] = nowhere.ravel()
    rows, columns = samples.place
    few = samples.part((columns < 40) | ((columns < 43) & (rows < count // 3)))
    assert (learned_range(few, None, nowhere, (1, 1, 1)) > LENGTHS[0]) == holds


def test_voxels_of_one_half_alone_prove_nothing():
    samples, distances = slice_of_samples(contrast=12, bias=lambda rows: 6 * np.sign(rows - 40))
    one = samples.part(np.arange(len(samples.y)) == 0)
    assert learned_range(one, None, distances, (1, 1, 1)) == LENGTHS[0]


def test_outlines_become_probabilities_of_the_groups():
    distances = np.array([[3.0, -1.0, -5.0], [-3.0, 1.0, -5.0]], np.float32)
    p = outline_probabilities(distances, width=1.0)
    assert p.sum(axis=0) == pytest.approx(1)
    assert p.argmax(axis=0).tolist() == [1, 2, 0]
    assert p[1, 0] == pytest.approx(1 / (1 + 2 * np.exp(-6)), rel=1e-5)


def test_the_segmentation_has_nothing_at_the_decided_voxels_and_all_far_away():
    assert trust_at(np.array([0.0, 8.0, 1e4], np.float32), 8.0) == pytest.approx([0, 1 - np.exp(-1), 1])


@pytest.mark.parametrize(("contrast", "leads"), [(3, True), (12, False)])
def test_the_segmentation_has_a_lead_where_what_was_learned_spoils_much_of_what_is_right(contrast, leads):
    """In a tenth of the rows it is wrong. With little contrast, single voxels elsewhere look wrong, too."""
    samples, distances = slice_of_samples(contrast, bias=lambda rows: 6 * (rows % 10 == 0))
    found = range_and_lead(samples, None, distances, (1, 1, 1))
    assert found.length == LENGTHS[-1]
    assert (found.lead > 0) == leads
