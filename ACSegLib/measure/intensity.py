"""Statistics of the linear absorption coefficient (LAC) inside a mask, and its normalisation by beads.

Polystyrene beads next to the cells absorb alike in every tomogram, so the LAC of a tomogram can be scaled such that
its beads read the reference value (Larabell and Nugent, Current Opinion in Structural Biology 20 (2010) 623-631 on LAC
in soft X-ray tomography).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from ACSegLib.distances import as_mask
from ACSegLib.errors import InputError
from ACSegLib.json_values import Row
from ACSegLib.masks import bounding_box, eroded
from ACSegLib.special_segments import union
from ACSegLib.volume import Segmentation, Volume, require_same_grid

#: Percentiles that are reported, with the names of their columns.
PERCENTILES = (5, 25, 50, 75, 95)
#: Largest difference of the beads of a volume from the median of all volumes, as a part of it.
MAX_BEAD_DIFFERENCE = 0.2
#: Voxels of the interior of beads that are enough to read them.
_MIN_INTERIOR = 20
_QUANTILES = tuple(f"lac_p{p}" for p in PERCENTILES)


def intensity_measures(image: np.ndarray, mask: np.ndarray, factor: float = 1.0) -> Row:
    """Mean, SD, percentiles and extremes of an image inside a mask.

    Parameters
    ----------
    image : ndarray, shape (k, j, i)
        LAC or any intensity. NaN and infinite voxels are left out and counted.
    mask : ndarray, shape (k, j, i)
        Non-zero inside.
    factor : float
        Multiplied to every value (see `bead_normalisation`).

    Returns
    -------
    dict
        "lac_mean", "lac_sd", "lac_min", "lac_p5", ..., "lac_p95", "lac_max" as plain floats (NaN if no voxel counts)
        and "lac_invalid_voxels"; "lac_interior_mean" and "lac_interior_sd" of the voxels whose six neighbours are in
        the mask too: those at the surface are partly filled by what is around it.
    """
    mask = as_mask(mask)
    values, invalid = _finite(image[mask])
    inside, _ = _finite(image[eroded(mask)])
    row: Row = dict.fromkeys(["lac_mean", "lac_sd", "lac_min", *_QUANTILES, "lac_max"], float("nan"))
    row.update(lac_interior_mean=float("nan"), lac_interior_sd=float("nan"))
    if len(values):
        extremes = np.percentile(values, (0, *PERCENTILES, 100))
        row.update(zip(("lac_min", *_QUANTILES, "lac_max"), (float(v) * factor for v in extremes), strict=True))
        row["lac_mean"], row["lac_sd"] = _mean_and_sd(values, factor)
    if len(inside):
        row["lac_interior_mean"], row["lac_interior_sd"] = _mean_and_sd(inside, factor)
    row["lac_invalid_voxels"] = invalid
    return row


def _finite(values: np.ndarray) -> tuple[np.ndarray, int]:
    """The values that are finite, and how many are not."""
    if values.dtype.kind != "f":
        return values, 0
    finite = np.isfinite(values)
    invalid = int(len(values) - np.count_nonzero(finite))
    return (values[finite] if invalid else values), invalid


def _mean_and_sd(values: np.ndarray, factor: float) -> tuple[float, float]:
    mean, spread = np.mean(values, dtype=np.float64), np.std(values, dtype=np.float64)
    return float(mean) * factor, abs(float(spread) * factor)


@dataclass(frozen=True)
class BeadNormalisation:
    """Scale that makes the beads read the reference.

    Parameters
    ----------
    factor : float
        Multiply the image by it.
    bead_lac : float
        Median of the beads' interior before scaling.
    reference : float
        What the beads should read.
    voxels : int
        How many voxels the median is of.
    spread : float
        Standard deviation of these voxels as a part of the median: noise, if they are a bead's.
    """

    factor: float
    bead_lac: float
    reference: float
    voxels: int
    spread: float


def bead_absorption(volume: Volume, beads: np.ndarray) -> tuple[float, float, int]:
    """Absorption of the beads' interior, two voxels away from their surface where the beads are large enough.

    Voxels at the surface mix bead and ice.

    Parameters
    ----------
    volume : Volume
        LAC per voxel.
    beads : ndarray, shape (k, j, i)
        Non-zero in the beads.

    Returns
    -------
    median : float
        LAC; NaN if no voxel holds a finite value.
    spread : float
        Standard deviation as a part of the median; NaN unless that is positive.
    voxels : int
        How many they are of.

    Raises
    ------
    InputError
        If there is no bead.
    """
    beads = as_mask(beads, "bead mask")
    if beads.shape != volume.shape:
        raise InputError(f"the bead mask must have the image's shape {volume.shape}, not {beads.shape}.")
    box = bounding_box(beads)
    if box is None:
        raise InputError(f"{volume.name!r} has no bead voxels; label a bead, or do not normalise by beads.")
    inner = beads[box]
    for _ in range(2):
        smaller = eroded(inner)
        if np.count_nonzero(smaller) < _MIN_INTERIOR:
            break
        inner = smaller
    values, _ = _finite(volume.array[box][inner])
    lac = float(np.median(values)) if len(values) else float("nan")
    spread = float(np.std(values, dtype=np.float64)) / lac if lac > 0 else float("nan")
    return lac, spread, len(values)


def bead_normalisation(volume: Volume, beads: np.ndarray, reference: float) -> BeadNormalisation:
    """Find the factor that scales a tomogram so that its polystyrene beads read `reference`.

    Parameters
    ----------
    volume, beads
        See `bead_absorption`.
    reference : float
        LAC of polystyrene at the beam's energy, in the image's unit; or the mean bead LAC of the study.

    Raises
    ------
    InputError
        If there is no bead, or beads and reference do not have positive LAC.
    """
    lac, spread, voxels = bead_absorption(volume, beads)
    if not reference > 0:
        raise InputError(f"the beads' reference LAC must be positive, not {reference}.")
    if not lac > 0:
        raise InputError(f"the beads of {volume.name!r} have LAC {lac:g}; normalisation needs a positive value.")
    return BeadNormalisation(float(reference) / lac, lac, float(reference), voxels, spread)


@dataclass(frozen=True)
class BeadReading:
    """What the beads of a tomogram give: the factor of all values, and the columns of the table."""

    factor: float = 1.0
    columns: Mapping[str, float] = field(default_factory=dict)


def read_beads(segmentation: Segmentation, volume: Volume, name: str = "bead", reference: float = 0.0) -> BeadReading:
    """Read the absorption of the segments named as beads, and the factor that makes it the reference.

    Parameters
    ----------
    segmentation, volume
        On one grid.
    name : str
        Text in the names of bead segments.
    reference : float
        LAC that the beads should have; 0 leaves the values as they are.

    Raises
    ------
    InputError
        If there are no beads to normalise by, or the grids differ.
    """
    require_same_grid(volume, segmentation)
    beads = bead_mask(segmentation, name)
    if beads is None or not beads.any():
        if reference:
            raise InputError(
                f"{segmentation.name}: no segment with voxels has {name!r} in its name, so there are no beads to scale "
                "by; give --bead-name, or leave out --bead-reference."
            )
        return BeadReading()
    if reference:
        normalisation = bead_normalisation(volume, beads, reference)
        factor, lac, spread = normalisation.factor, normalisation.bead_lac, normalisation.spread
    else:
        factor, (lac, spread, _) = 1.0, bead_absorption(volume, beads)
    if not lac > 0:  # what absorbs nothing is no bead
        return BeadReading(factor)
    return BeadReading(factor, {"bead_lac": lac, "bead_lac_spread": spread, "lac_factor": factor})


def unlike_beads(bead_lac: Mapping[str, float]) -> dict[str, float]:
    """Volumes whose beads read otherwise than those of the others, and so cannot all be beads.

    Parameters
    ----------
    bead_lac : mapping of volume to float
        Median LAC of its beads.

    Returns
    -------
    dict of str to float
        The volumes in question, with their LAC as a part of the median; empty for fewer than 3 volumes.
    """
    if len(bead_lac) < 3:
        return {}
    middle = float(np.median(list(bead_lac.values())))
    return {name: lac / middle for name, lac in bead_lac.items() if abs(lac / middle - 1) > MAX_BEAD_DIFFERENCE}


def bead_mask(segmentation: Segmentation, name: str = "bead") -> np.ndarray | None:
    """Mask of all segments whose name holds `name` (any case); None if there is none."""
    rows = [s for s in segmentation.segments if name.lower() in s.name.lower()]
    return union(segmentation, rows) if rows else None
