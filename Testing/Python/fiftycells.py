"""Fifty cells of one look, of which three are labelled: the others are at once cell and background."""

from __future__ import annotations

import numpy as np

from ACSegLib import Geometry, Segmentation, Volume


def three_of_fifty_cells() -> tuple[np.ndarray, Volume, Segmentation]:
    """Truth, image and sparse labels: the three lie on a few slices; above and below, only other cells are in sight."""
    rng = np.random.default_rng(0)
    k, j, i = np.indices((30, 60, 100))
    truth = np.zeros(k.shape, np.uint8)
    for n in range(50):
        centre = (13 + n % 5, 6 + 12 * (n // 10), 5 + 10 * (n % 10))
        truth[((k - centre[0]) ** 2 + (j - centre[1]) ** 2 + (i - centre[2]) ** 2 < 5.2**2) & (truth == 0)] = n + 1
    image = np.where(truth > 0, 0.6, 0.1) + 0.05 * rng.standard_normal(truth.shape)
    labels = np.where((truth <= 3) & (k % 4 == 3), truth, 0).astype(np.uint8)
    sparse_labels = Segmentation.from_labels(labels, Geometry(), {1: "a", 2: "b", 3: "c"})
    return truth, Volume(image.astype(np.float32), Geometry()), sparse_labels
