"""A digital twin of a real tomogram: its holder, cells, contrasts, noise and blur, estimated, and recipes like it.

The estimate needs no labels of a person: cells and beads as a network predicts them suffice, since only medians and
shares of large regions are taken from them.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ACSegLib.errors import InputError
from ACSegLib.json_values import Json
from ACSegLib.missing_wedge import estimate_missing_wedge
from ACSegLib.noise import robust_deviation
from ACSegLib.padding import padding_of
from ACSegLib.phantom.recipe import AXES, Recipe
from ACSegLib.phantom.sharpness import estimate_blur
from ACSegLib.phantom.variation import vary_packed

#: A voxel may be glass from this part of the way from vacuum to cell.
_GLASS_FROM = 1.4
#: Share of the glass's projection along the capillary, relative to its peak, that counts as wall.
_WALL_FROM = 0.5
#: A wall is seen where the projection of the glass covers this share of the volume's depth somewhere.
_UPRIGHT = 0.5
#: LAC in 1/um that the cells of a twin have; only ratios of intensities can be estimated.
_CYTOPLASM = 0.30
#: Relative standard deviation by which the recipes of several twins differ from the estimate.
_SPREAD = 0.06
_MIN_VOXELS = 200
#: The most cells that a recipe packs.
_MAX_CELLS = 8


@dataclass(frozen=True)
class Estimate:
    """What was estimated of a tomogram; ratios are of intensities above vacuum.

    Parameters
    ----------
    axis : str
        "k", "j" or "i": along the capillary. Where no wall is seen, the axis of the rotation if there is a missing
        wedge, else "k".
    capillary : float or None
        Inner radius as a fraction of the shorter side across the capillary; None where no wall is seen.
    wall_thickness : float or None
        As a fraction of the bore.
    glass, medium : float or None
        Over the cells' intensity; None where there is too little of it.
    filling : float or None
        Share of the bore that is cell.
    texture, noise : float
        Root mean square inside the cells, and of the finest detail where there is least of it, as fractions of the
        contrast between cell and medium.
    beads : bool
        Whether there is any.
    blur : float or None
        Standard deviation in voxels of the estimated image; None where no wall is seen.
    missing_wedge : float
        Angle in degrees that no projection covers.
    cell_diameter : float
        Diameter of the largest ball inside a cell, as a fraction of the shorter side across the axis.
    cells : float
        Number of cells: their volume over that of the ball. Packed cells count as fewer than they are.
    """

    axis: str
    capillary: float | None
    wall_thickness: float | None
    glass: float | None
    medium: float | None
    filling: float | None
    texture: float
    noise: float
    beads: bool
    blur: float | None = None
    missing_wedge: float = 0.0
    cell_diameter: float | None = None
    cells: float | None = None

    def as_dict(self) -> Json:
        """Plain values, for a report."""
        return asdict(self)


def estimate_twin(image: np.ndarray, cells: np.ndarray, beads: np.ndarray | None = None) -> Estimate:
    """Estimate what a tomogram is like.

    Parameters
    ----------
    image : ndarray, shape (k, j, i)
        Bright is absorbing.
    cells, beads : ndarray of bool, shape (k, j, i)
        As a network predicts them.

    Raises
    ------
    InputError
        If there are no cells to estimate contrasts from.
    """
    from scipy.ndimage import binary_erosion, distance_transform_edt, gaussian_filter

    no_cells = InputError("no cells were found in the tomogram, so it cannot be simulated; choose another one.")
    if np.count_nonzero(cells) < _MIN_VOXELS:
        raise no_cells
    image = np.array(image, np.float32)
    seen = np.ones(image.shape, bool)
    if (padding := padding_of(image)) is not None:
        seen = ~padding.where(image)
        padding.replace(image)
    vacuum = float(np.percentile(image[seen], 5))
    cell = float(np.median(image[cells])) - vacuum
    bead_mask = np.zeros(image.shape, bool) if beads is None else beads
    bright = (image - vacuum > _GLASS_FROM * cell) & ~cells & ~bead_mask
    number, bore = _find_bore(bright)
    wedge, rotation = estimate_missing_wedge(image, range(3) if bore is None else (number,))
    if bore is None and wedge > 0:
        number = rotation
    inside = seen if bore is None else seen & _inside(image.shape, number, bore)
    outside = None if bore is None else seen & ~_inside(image.shape, number, bore.outside())
    if outside is not None and outside.any():  # a percentile alone may be the dark line at the glass
        cell, vacuum = cell + vacuum - float(np.median(image[outside])), float(np.median(image[outside]))
    free = binary_erosion(inside & ~cells & ~bead_mask & ~bright, iterations=2)
    medium = float(np.median(image[free])) - vacuum if np.count_nonzero(free) > _MIN_VOXELS else None
    contrast = cell - (medium or 0.0)
    if cell <= 0 or contrast <= 0:  # what was found is no brighter than what surrounds it
        raise no_cells
    inner = binary_erosion(cells, iterations=2)
    fine = image - gaussian_filter(image, 1.0)
    quiet = [region for region in (outside, free, inner) if region is not None and np.count_nonzero(region) > 50]
    side = min(n for axis, n in enumerate(image.shape) if axis != number)
    diameter = 2 * float(distance_transform_edt(cells).max())
    volume = np.pi / 6 * diameter**3
    return Estimate(
        AXES[number],
        None if bore is None else bore.inner / side,
        None if bore is None else bore.thickness / (2 * bore.inner),
        None if bore is None else (float(np.percentile(image[bright], 75)) - vacuum) / cell,
        None if medium is None else medium / cell,
        None if bore is None else float(np.count_nonzero(cells & inside) / np.count_nonzero(inside)),
        float(image[inner].std()) / contrast if inner.any() else 0.1,
        # structures and streaks raise it, so the quietest region counts
        min((robust_deviation(fine[region]) for region in quiet), default=0.0) / contrast,
        bool(bead_mask.any()),
        None if bore is None else estimate_blur(image, number, bore.centre, bore.inner + bore.thickness),
        wedge,
        diameter / side,
        float(np.count_nonzero(cells)) / volume,
    )


@dataclass(frozen=True)
class _Bore:
    """A circle across the capillary, in voxels."""

    centre: tuple[float, float]
    inner: float
    thickness: float

    def outside(self) -> _Bore:
        """A circle that holds the glass and the dark line around it, so that beyond it there is nothing."""
        return _Bore(self.centre, self.inner + 2 * self.thickness + 4, self.thickness)


def _find_bore(bright: np.ndarray) -> tuple[int, _Bore | None]:
    """The axis along which bright voxels stand upright in a ring, and the ring; axis 0 and None where there is none."""
    candidates: list[tuple[float, int, np.ndarray]] = []
    for axis in range(3):
        projection = bright.mean(axis=axis)
        candidates.append((float(np.percentile(projection, 99.5)), axis, projection))
    share, axis, projection = max(candidates)
    if share < _UPRIGHT:
        return 0, None
    ring = projection > _WALL_FROM * share
    points = np.argwhere(ring).astype(float)
    # Kasa's circle: linear least squares for x^2 + y^2 = 2 a x + 2 b y + c.
    design = np.column_stack([2 * points, np.ones(len(points))])
    (a, b, c), *_ = np.linalg.lstsq(design, (points**2).sum(1), rcond=None)
    middle = float(np.sqrt(max(c + a * a + b * b, 1.0)))
    thickness = len(points) / (2 * np.pi * middle)
    return axis, _Bore((float(a), float(b)), max(middle - thickness / 2, 1.0), thickness)


def _inside(shape: tuple[int, ...], axis: int, bore: _Bore) -> np.ndarray:
    grid = np.ogrid[tuple(slice(0, n) for n in shape)]
    across = [g for n, g in enumerate(grid) if n != axis]
    radius = np.sqrt((across[0] - bore.centre[0]) ** 2 + (across[1] - bore.centre[1]) ** 2)
    return np.broadcast_to(radius < bore.inner, shape)


def twin_recipe(estimate: Estimate, seed: int, **fixed: Any) -> Recipe:
    """Draw a recipe like an estimate: what was estimated varies by some percent, the cells as in `vary_packed`.

    Parameters
    ----------
    seed : int
        The same seed and estimate give the same recipe.
    **fixed
        Parameters of `Recipe` that shall not vary.
    """
    rng = np.random.default_rng([seed, 17])

    def near(value: float, low: float, high: float) -> float:
        return float(np.clip(value * np.exp(_SPREAD * rng.standard_normal()), low, high))

    medium = _CYTOPLASM * near(estimate.medium or 0.4, 0.05, 0.9)
    contrast = _CYTOPLASM - medium
    drawn: dict[str, Any] = {
        "axis": estimate.axis,
        "holder": "flat" if estimate.capillary is None and estimate.missing_wedge > 0 else "capillary",
        "missing_wedge": near(estimate.missing_wedge, 0.0, 120.0),
        "cytoplasm": _CYTOPLASM,
        "medium": medium,
        "nucleus": _CYTOPLASM + contrast * rng.uniform(-0.4, 0.2),
        "texture": contrast * near(0.6 * estimate.texture, 0.02, 0.4),
        "noise": near(max(estimate.noise, 0.002), 0.0, 0.3),
        "wall": estimate.capillary is not None,
    }
    for name, factor in (("nucleolus", 0.3), ("mitochondria", 0.4), ("granule", 0.8), ("lipid", 1.4), ("debris", 0.9)):
        drawn[name] = medium + contrast * near(1 + factor if name != "debris" else factor, 0.3, 4.0)
    if estimate.capillary is not None:
        drawn["capillary"] = near(estimate.capillary, 0.1, 0.7)
        drawn["wall_thickness"] = near(estimate.wall_thickness or 0.03, 0.01, 0.2)
        drawn["glass"] = _CYTOPLASM * near(estimate.glass or 2.0, 1.05, 6.0)
    if estimate.filling is not None:
        drawn["filling"] = near(estimate.filling, 0.03, 0.95)
    if not estimate.beads:
        drawn["beads"] = 0
    if estimate.blur is not None:
        drawn["blur"] = near(estimate.blur, 0.0, 3.0)
    if estimate.cells is not None:
        drawn["packing"] = int(np.clip(round(estimate.cells * rng.uniform(0.7, 1.4)), 1, _MAX_CELLS))
    drawn.update(fixed)
    return vary_packed(seed, **drawn)
