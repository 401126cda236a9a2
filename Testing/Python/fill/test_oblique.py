"""Drawings oblique to the volume are told from whole slices, lines and bodies, and refused."""

from __future__ import annotations

import numpy as np
import pytest

from ACSegLib import InputError, Segmentation
from ACSegLib.fill.labelled_slices import collect_seeds
from ACSegLib.fill.oblique import lies_obliquely

Z, Y, X = np.indices((40, 44, 48))
CELL = (Z - 20) ** 2 + (Y - 20) ** 2 + (X - 24) ** 2 < 15**2


def oblique(planes: int, slope: float) -> np.ndarray:
    """The cell on planes that rise by `slope` along j."""
    seen = np.zeros(CELL.shape, bool)
    for offset in (-1, 9, -11)[:planes]:
        seen |= np.abs(Z - 20 + slope * (Y - 20) - offset) < 0.5 * np.hypot(1, slope)
    return seen & CELL


@pytest.mark.parametrize(("planes", "slope"), [(1, 0.5), (3, 0.5), (2, 0.15), (2, 1.0)])
def test_oblique_planes_are_refused_with_the_way_out(planes: int, slope: float) -> None:
    drawn = oblique(planes, slope)
    assert lies_obliquely(drawn)
    labels = Segmentation.from_labels(drawn.astype(np.uint8))
    with pytest.raises(InputError, match=r"lies obliquely.*draw whole slices"):
        collect_seeds(labels)
    assert collect_seeds(labels, axis="k").slices["k"], "an axis that was named is believed"
    assert collect_seeds(labels, slices=np.flatnonzero(drawn.any(axis=(1, 2))).tolist()).slices


@pytest.mark.parametrize("how", ["slices", "two axes", "ball", "thin", "dense", "nothing"])
def test_other_drawings_are_not_taken_for_oblique_ones(how: str) -> None:
    drawn = {
        "slices": CELL & (Z % 8 == 4),
        "two axes": CELL & ((Z % 8 == 4) | (Y % 10 == 5)),
        "ball": (Z - 20) ** 2 + (Y - 20) ** 2 + (X - 20) ** 2 < 6**2,
        "thin": (Y == 12) & (Z % 6 == 2),
        "dense": CELL,
        "nothing": np.zeros(CELL.shape, bool),
    }[how]
    assert not lies_obliquely(drawn)
