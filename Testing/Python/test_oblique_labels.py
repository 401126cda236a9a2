"""Labels oblique to the volume are told from whole slices, lines and bodies, and refused."""

from __future__ import annotations

import numpy as np
import pytest

from ACSegLib import InputError, Segmentation
from ACSegLib.fill.seeds import SeedOptions, collect_seeds
from ACSegLib.labelled_slices import find_labelled_slices
from ACSegLib.oblique_labels import lie_obliquely

Z, Y, X = np.indices((40, 44, 48))
CELL = (Z - 20) ** 2 + (Y - 20) ** 2 + (X - 24) ** 2 < 15**2


def oblique(planes: int, slope: float) -> np.ndarray:
    """The cell on planes that rise by `slope` along j."""
    seen = np.zeros(CELL.shape, bool)
    for offset in (-1, 9, -11)[:planes]:
        seen |= np.abs(Z - 20 + slope * (Y - 20) - offset) < 0.5 * np.hypot(1, slope)
    return seen & CELL


def refused_with_the_way_out(labelled: np.ndarray) -> None:
    labels = Segmentation.from_labels(labelled.astype(np.uint8))
    with pytest.raises(InputError, match=r"lie obliquely.*label whole slices"):
        collect_seeds(labels)
    assert collect_seeds(labels, SeedOptions(axis="k")).slices["k"], "an axis that was named is believed"
    numbers = np.flatnonzero(labelled.any(axis=(1, 2))).tolist()
    assert collect_seeds(labels, SeedOptions(slices=numbers)).slices == {"k": numbers}


@pytest.mark.parametrize(("planes", "slope"), [(1, 0.5), (3, 0.5), (2, 0.15), (2, 1.0)])
def test_oblique_planes_are_refused_with_the_way_out(planes: int, slope: float) -> None:
    labelled = oblique(planes, slope)
    assert lie_obliquely(labelled)
    refused_with_the_way_out(labelled)


def views_turned_by(degrees: float, about: str, distance: int, thickness: float = 1.0) -> np.ndarray:
    """The cell on parallel planes in views that are turned by some degrees about an axis (or about both)."""
    slope = np.tan(np.radians(degrees))
    height = Z + {"x": slope * (Y - 22), "y": slope * (X - 24), "both": slope * (Y - 22 + X - 24) / np.sqrt(2)}[about]
    return CELL & (np.abs((height - 3.3 + distance / 2) % distance - distance / 2) < thickness / 2)


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("about", ["x", "y", "both"])
@pytest.mark.parametrize("degrees", [3, 4, 5, 6, 7, 10, 20])
@pytest.mark.parametrize("distance", [5, 8])
def test_views_turned_by_a_few_degrees_are_refused(axis: int, about: str, degrees: float, distance: int) -> None:
    labelled = np.moveaxis(views_turned_by(degrees, about, distance), 0, axis)
    assert find_labelled_slices(labelled).oblique


def test_thick_brushes_in_turned_views_are_refused_or_called_dense() -> None:
    result = find_labelled_slices(views_turned_by(5, "x", 8, thickness=2.0))
    assert result.problem("cell") is not None


@pytest.mark.parametrize("degrees", [0, 0.5])
def test_views_that_cross_one_slice_each_are_whole_slices(degrees: float) -> None:
    result = find_labelled_slices(views_turned_by(degrees, "x", 8))
    assert result.problem("cell") is None
    assert list(result.slices) == ["k"]


@pytest.mark.parametrize("how", ["slices", "two axes", "ball", "thin", "adjacent", "dense", "nothing"])
def test_other_labels_are_not_called_oblique(how: str) -> None:
    labelled = {
        "slices": CELL & (Z % 8 == 4),
        "two axes": CELL & ((Z % 8 == 4) | (Y % 10 == 5)),
        "ball": (Z - 20) ** 2 + (Y - 20) ** 2 + (X - 20) ** 2 < 6**2,
        "thin": (Y == 12) & (Z % 6 == 2),
        "adjacent": CELL & (Z % 8 < 3),
        "dense": CELL,
        "nothing": np.zeros(CELL.shape, bool),
    }[how]
    assert not find_labelled_slices(labelled).oblique
