"""A fill of many segments: each is solved where it can come out, and what comes out is the same."""

import numpy as np

from ACSegLib.fill import Settings, fill
from ACSegLib.fill.walk.solvers import CpuSolver
from ACSegLib.volume import Segmentation, Volume

#: Rows and columns of cells, and voxels of a side of the place that each has.
NUMBERS, PITCH = (4, 6), 16


def columns():
    """Image and labels of touching columns of one look, each a segment of its own."""
    k, j, i = np.indices((17, NUMBERS[0] * PITCH, NUMBERS[1] * PITCH))
    truth = (1 + NUMBERS[1] * (j // PITCH) + i // PITCH).astype(np.uint8)
    away = np.maximum(abs(j % PITCH - 7.5), abs(i % PITCH - 7.5))
    truth[away > 7 - abs(k - 8) / 4] = 0
    noise = np.random.default_rng(0).normal(0, 0.2, truth.shape)
    return Volume(((truth > 0) + noise).astype(np.float32)), truth


def test_instances_are_filled_as_if_each_was_solved_in_the_whole_slab(monkeypatch):
    volume, truth = columns()
    labels = np.zeros_like(truth)
    labels[::8] = truth[::8]
    solved = []
    solve = CpuSolver.solve

    def note(self, problem, classes, *arguments):
        solved.append(problem.seeds.size * len(classes))
        return solve(self, problem, classes, *arguments)

    def filled(everywhere):  # probabilities that are kept are those of the whole slab
        solved.clear()
        sparse, settings = Segmentation.from_labels(labels), Settings(0.3, 3.0)
        return fill(volume, sparse, settings=settings, probabilities=everywhere), sum(solved)

    monkeypatch.setattr(CpuSolver, "solve", note)
    (part, in_boxes), (whole, in_slabs) = filled(False), filled(True)
    assert in_boxes < 0.5 * in_slabs
    assert np.mean(part.segmentation.labels != whole.segmentation.labels) < 1e-4
    assert np.abs(part.uncertainty.astype(int) - whole.uncertainty).max() <= 1
    assert np.mean(part.segmentation.labels == truth) > 0.97
