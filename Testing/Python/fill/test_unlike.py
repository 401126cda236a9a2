"""Objects between the labelled slices: the fill cannot know them, but can keep a training from learning them wrong."""

from __future__ import annotations

import numpy as np
import pytest

from ACSegLib.network.train.data import IGNORE, encode_labels
from ACSegLib.volume import Geometry, Segment, Segmentation, Volume
from ACSegLib.workflows import FillRequest, run

CENTRES = ((20, 14, 14), (25, 28, 28))  # on a labelled slice, and between two


def balls():
    """A cell with two dense balls, of which the labelled slices show the first alone."""
    grid = np.indices((40, 40, 40))

    def ball(centre, radius):
        return sum((g - c) ** 2 for g, c in zip(grid, centre, strict=True)) <= radius**2

    truth = np.where(ball((20, 20, 20), 17), 1, 0)
    for centre in CENTRES:
        truth[ball(centre, 3)] = 2
    image = np.array([0.0, 1.0, 2.5])[truth] + np.random.default_rng(0).normal(0, 0.1, truth.shape)
    drawn = np.zeros_like(truth, np.uint8)
    drawn[::10] = truth[::10]
    geometry = Geometry((1, 1, 1), unit="um")
    segments = [Segment("cell", 1), Segment("bead", 2)]
    return truth, ball(CENTRES[1], 3), Volume(image, geometry), Segmentation((drawn,), segments, geometry)


@pytest.fixture(scope="module")
def case():
    truth, hidden, volume, drawn = balls()
    # with a stronger prior, the fill finds the hidden ball
    request = FillRequest(volume=volume, labels=drawn, axis="k", ignore_unlike=True, device="cpu", gamma=0.01)
    return truth, hidden, drawn, run(request)


def test_an_unlabelled_object_between_slices_is_ignored(case):
    truth, hidden, _, outcome = case
    ignored = outcome.segmentation.mask("ignore")
    assert ignored[hidden].mean() > 0.95
    assert ignored[~hidden].mean() < 0.05  # some of the outline, too
    assert ignored[(truth == 2) & ~hidden].mean() < 0.1  # the labelled one is a bead
    assert any(note.startswith(f"{int(ignored.sum())} voxels") for note in outcome.report.warnings)


def test_labelled_slices_keep_their_labels(case):
    _, _, drawn, outcome = case
    assert np.array_equal(outcome.segmentation.labels[10::10], drawn.labels[10::10])


def test_a_training_does_not_learn_ignored_voxels(case):
    _, hidden, drawn, outcome = case
    target, _ = encode_labels(outcome.segmentation, drawn.segments)
    assert (target[0][hidden] == IGNORE).mean() > 0.95


def test_nothing_is_ignored_unless_asked(case):
    _, hidden, _, outcome = case
    request = FillRequest(**{**vars(outcome.request), "ignore_unlike": False})
    plain = run(request, previous=outcome).segmentation
    assert [s.name for s in plain.segments] == ["cell", "bead"]
    assert (plain.labels[hidden] == 1).mean() > 0.5  # the fill gives the hidden object to the cell
