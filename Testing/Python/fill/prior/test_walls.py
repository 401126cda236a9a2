"""Walls along which outlines run are told from steps of the intensity, and end the segments."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from ACSegLib import Segmentation, Volume
from ACSegLib.fill import FillResult, fill

SLICES = [6, 16, 26, 36, 46]


def cells(count: int = 12, drawn: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Cells that fill the volume, of which some are segments; and the walls between all of them, 0 to 1."""
    centres = np.random.default_rng(3).uniform(0, 52, (count, 3))
    centres = centres[np.argsort(((centres - 26) ** 2).sum(axis=1))]
    grid = np.indices((52, 52, 52))
    distances = np.stack([np.sqrt(((grid - c[:, None, None, None]) ** 2).sum(axis=0)) for c in centres])
    nearest = np.sort(distances, axis=0)
    truth = distances.argmin(axis=0) + 1
    return np.where(truth > drawn, 0, truth).astype(np.uint8), np.exp(-(((nearest[1] - nearest[0]) / 2) ** 2))


def filled(image: np.ndarray, truth: np.ndarray) -> FillResult:
    noisy = image + np.random.default_rng(0).normal(0, 0.8, truth.shape)
    labels = np.zeros_like(truth)
    labels[SLICES] = truth[SLICES]
    volume = Volume(noisy.astype(np.float32))
    return fill(volume, Segmentation.from_labels(labels), axis="k", slices=SLICES, device="cpu")


@pytest.mark.parametrize(("height", "walls"), [(3.0, "bright"), (-3.0, "dark")])
def test_cells_of_one_look_end_at_the_walls_between_them(height: float, walls: str) -> None:
    truth, shape = cells()
    result = filled(height * shape, truth)
    assert result.report.walls == walls
    found = result.segmentation.labels
    dice = [2 * ((found == c) & (truth == c)).sum() / ((found == c).sum() + (truth == c).sum()) for c in (1, 2, 3)]
    assert min(dice) > 0.97  # without walls as edges, the mean is 0.9


def test_steps_of_the_intensity_are_no_walls() -> None:
    truth, _walls = cells()
    result = filled(ndimage.gaussian_filter(3.0 * (truth > 0), 0.7), truth)
    assert result.report.walls is None
