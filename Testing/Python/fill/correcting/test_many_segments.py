"""Corrections among many segments: each is solved where it can come out, and what comes out is the same."""

import numpy as np
import pytest
from correctioncases import GEOMETRY, dice

from ACSegLib.fill import correct
from ACSegLib.fill.correcting import open_walk
from ACSegLib.fill.seeds import UNKNOWN
from ACSegLib.fill.walk.solvers import CpuSolver
from ACSegLib.jobs import Progress
from ACSegLib.postprocess.rules import WALK
from ACSegLib.volume import Segmentation, Volume

#: Cells along each axis, and voxels of a side of the place that each has.
NUMBERS, PITCH = (2, 4, 5), 14


def cells(radius):
    """Balls that nearly touch, each a segment of its own."""
    labels = np.zeros([n * PITCH for n in NUMBERS], np.uint8)
    k, j, i = np.indices((PITCH,) * 3) - (PITCH - 1) / 2
    inside = k * k + j * j + i * i <= radius**2
    for value, (a, b, c) in enumerate(np.ndindex(*NUMBERS), start=1):
        labels[a * PITCH :, b * PITCH :, c * PITCH :][:PITCH, :PITCH, :PITCH][inside] = value
    return labels


TRUTH, SMALL = cells(6.6), cells(5.2)


def corrected():
    noise = np.random.default_rng(0).normal(0, 0.15, TRUTH.shape)
    volume = Volume(((TRUTH > 0) + noise).astype(np.float32), GEOMETRY)
    labels = SMALL.copy()
    labels[PITCH // 2] = TRUTH[PITCH // 2]
    before, after = (Segmentation.from_labels(a, GEOMETRY) for a in (SMALL, labels))
    return correct(volume, before, after, slices={"k": [PITCH // 2]})


@pytest.fixture
def solved(monkeypatch):
    """Voxels of each system that is solved, times its classes."""
    found = []
    solve = CpuSolver.solve_sparse

    def note(self, problem, classes, *arguments):
        found.append(len(problem.weights) * len(classes))
        return solve(self, problem, classes, *arguments)

    monkeypatch.setattr(CpuSolver, "solve_sparse", note)
    return found


def test_forty_cells_are_corrected_as_if_each_was_solved_in_the_whole_volume(solved, monkeypatch):
    result = corrected()
    labels, in_boxes = result.segmentation.labels, sum(solved)
    solved.clear()
    monkeypatch.setattr(open_walk, "MARGIN", max(TRUTH.shape))
    as_a_whole = corrected()
    assert np.mean(labels != as_a_whole.segmentation.labels) < 1e-5
    assert in_boxes < 0.5 * sum(solved)
    monkeypatch.setattr(open_walk, "MARGIN", 1)  # boxes are too small at first
    assert np.abs(corrected().uncertainty - as_a_whole.uncertainty.astype(float)).max() <= 1
    shown = np.unique(TRUTH[PITCH // 2])[1:]
    assert len(shown) == 20
    assert min(dice(labels == c, c == TRUTH) for c in shown) > 0.95


def changed_by(before, labels, image, plane):
    """Voxels beside a drawn slice that become others."""
    volume = Volume(image.astype(np.float32), GEOMETRY)
    sides = (Segmentation.from_labels(a, GEOMETRY) for a in (before, labels))
    return correct(volume, *sides, slices={"k": [plane]}).segmentation.labels != labels


def test_right_borders_between_cells_stay_where_the_image_does_not_show_them():
    """Sixteen cells fill the volume; borders were a voxel off on the drawn slice alone."""
    k, j, i = np.indices((24, 40, 40))
    truth = (1 + 4 * ((j + k // 4) // 12) + (i + k // 4) // 12).astype(np.uint8)  # borders that lean
    before = truth.copy()
    off = (truth[12] > 1) & (
        np.roll(truth[12], 1, axis=1) == truth[12] - 1
    )  # the first column of each cell but the first
    before[12][off] -= 1
    labels = before.copy()
    labels[12] = truth[12]
    changed = changed_by(before, labels, np.random.default_rng(0).normal(size=truth.shape), 12)
    assert np.count_nonzero(changed) < 2.5 * np.count_nonzero(off), "a voxel or so on either side of each"


@pytest.mark.parametrize("named", [False, True])
def test_a_cell_without_a_seed_stays_if_it_was_one_before(named):
    """A new component needs a mean probability of 0.8; this one has 0.7."""
    seeds = np.full((3, 5, 5), UNKNOWN, np.int16)
    before = seeds.copy()
    before[1, 2, 2:4] = 1
    x = np.zeros(seeds.shape, np.float32)
    x[1, 1:4, 1:4] = 0.7
    voxels, leading = open_walk.OpenVoxels.of(seeds == UNKNOWN), open_walk.Leading(seeds.size)
    leading.add(1, x.ravel(), x.ravel(), 0.0)
    best, _ = open_walk.labelled(WALK.rules(1.0), seeds, before if named else seeds, voxels, leading, Progress())
    assert np.array_equal(best == 1, x > 0.5) == named
