"""How clearly a region stands out from what surrounds it: by this, regions that grew from the same dabs are compared.

``Testing/Benchmarks/dab_choice.py`` lists the regions that grow from the dabs of simulated persons, compares what might
tell the good ones, and finds the weight of the border. Its fit would give the size no weight: it only decides between
regions that stand out alike. Among the regions of nuclei and phantoms, fewer dabs made
the fill worse with it.
"""

from __future__ import annotations

import math

import numpy as np

from ACSegLib.distances import within_distance
from ACSegLib.fill.constants import (
    BOTH_RIMS,
    INNER_SPREAD,
    MIN_INNER,
    MIN_STEP,
    OPEN_WEIGHT,
    SIZE_WEIGHT,
    SKIN_DEPTH,
)

_UNIT = (1.0, 1.0, 1.0)


def distinctness(image: np.ndarray, classes: np.ndarray) -> float:
    """How clearly the classes but background stand out, on average.

    A region that has leaked ends where nothing changes, and one that ends too early as well. What it has of the border
    of the image counts against it: there it ends at no edge.

    Parameters
    ----------
    image : ndarray of float32, (K, J, I)
        Smoothed, from 0 to 1.
    classes : ndarray of int16, (K, J, I)
        Background is 0.
    """
    regions = [classes == c for c in np.unique(classes[classes > 0])]
    values = [step(image, region) - OPEN_WEIGHT * border_share(region) for region in regions]
    return float(np.mean(values)) if values else -math.inf


def evidence(image: np.ndarray, classes: np.ndarray) -> float:
    """How much speaks for classes: their `distinctness`, and the size of what stands out so.

    A small part of a structure can stand out a little more than all of it. But the same step is more certain around a
    larger region, as in a t-test. The weight is less than there (a third, for rims that grow as the surface does):
    neighbouring voxels are no independent samples, and a leak is larger than what is meant.
    """
    sizes = np.unique(classes[classes > 0], return_counts=True)[1]
    return distinctness(image, classes) + (SIZE_WEIGHT * float(np.log(sizes).mean()) if len(sizes) else 0.0)


def step(image: np.ndarray, region: np.ndarray) -> float:
    """Logarithm of the step of the intensity across the border of a region, in units of the spread inside.

    Both rims of the border are compared, as two classes by Fisher's criterion (Fisher, Annals of Eugenics 7 (1936) 179,
    doi:10.1111/j.1469-1809.1936.tb02137.x).

    Voxels at the surface are partly of what lies around, so the spread is that of the others. With them, the core of a
    blurred cell would stand out more than the cell.
    """
    inside = within_distance(~region, _UNIT, BOTH_RIMS) & region
    outside = within_distance(region, _UNIT, BOTH_RIMS) & ~region
    if not (inside.any() and outside.any()):
        return math.log(MIN_STEP)
    height = abs(float(image[inside].mean()) - float(image[outside].mean()))
    inner = region & ~within_distance(~region, _UNIT, SKIN_DEPTH)
    if np.count_nonzero(inner) < MIN_INNER * np.count_nonzero(region):
        inner = region
    return math.log(height / (float(image[inner].std()) + INNER_SPREAD) + MIN_STEP)


def border_share(region: np.ndarray) -> float:
    """Faces of a region at the border of the image, in units of the face of a cube of its volume."""
    faces = sum(int(np.count_nonzero(region.take(side, axis))) for axis in range(3) for side in (0, -1))
    return faces / max(float(np.count_nonzero(region)), 1.0) ** (2 / 3)
