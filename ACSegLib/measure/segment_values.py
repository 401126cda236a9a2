"""The values of Slicer's Segment Statistics plugin: one segment, only what is asked for."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from ACSegLib.distances import as_mask, sampling
from ACSegLib.errors import InputError
from ACSegLib.masks import bounding_box
from ACSegLib.measure.intensity import intensity_measures
from ACSegLib.measure.morphology import shape_measures
from ACSegLib.measure.surface import line_weights, shifted
from ACSegLib.postprocess.thin_structures import thinner_than

SHAPE_VALUES = ("volume", "surface_area", "surface_to_volume", "sphericity")
THIN_VALUES = ("thin_volume_share", "thin_surface_share")
LAC_VALUES = ("lac_mean", "lac_sd", "lac_integral")
VALUES = SHAPE_VALUES + THIN_VALUES + LAC_VALUES


def shape_values(
    mask: np.ndarray,
    spacing: Sequence[float],
    wanted: Collection[str] = SHAPE_VALUES + THIN_VALUES,
    radius: float = 0.0,
) -> dict[str, float]:
    """Size, shape and filopodia of a mask.

    Parameters
    ----------
    mask : ndarray, shape (k, j, i)
        Non-zero inside.
    spacing : sequence of float
        Voxel size along (i, j, k).
    wanted : collection of str
        Which of `SHAPE_VALUES` and `THIN_VALUES`.
    radius : float
        A structure is thin where no ball of this radius fits, in the unit of `spacing`; needed for `THIN_VALUES`.

    Returns
    -------
    dict of float
        "volume", "surface_area", "surface_to_volume" (in the unit of `spacing`), "sphericity" (1 for a ball),
        "thin_volume_share" and "thin_surface_share" (0 to 1). Nothing for an empty mask.
    """
    mask = as_mask(mask)
    box = bounding_box(mask)
    if box is None:
        return {}
    crop = mask[box]
    values: dict[str, float] = {}
    if any(name in wanted for name in SHAPE_VALUES):
        measures = shape_measures(crop, spacing)
        values.update({name: float(measures[name]) for name in SHAPE_VALUES if name in wanted})
    if any(name in wanted for name in THIN_VALUES):
        thin = thinner_than(crop, spacing, radius)
        if "thin_volume_share" in wanted:
            values["thin_volume_share"] = float(np.count_nonzero(thin) / np.count_nonzero(crop))
        if "thin_surface_share" in wanted:
            values["thin_surface_share"] = surface_share(crop, thin, spacing)
    return values


def surface_share(mask: np.ndarray, part: np.ndarray, spacing: Sequence[float]) -> float:
    """Share of a mask's surface that bounds a part of it, 0 to 1.

    The surface is that of `surface_area`'s default estimator: each crossing of a line counts for the voxel inside.
    The cut between the part and the rest is no surface.

    Parameters
    ----------
    mask, part : ndarray, shape (k, j, i)
        Non-zero inside.
    spacing : sequence of float
        Voxel size along (i, j, k).

    Raises
    ------
    InputError
        If the part is not all within the mask.
    """
    mask, part = np.pad(as_mask(mask), 1), np.pad(as_mask(part), 1)
    if np.any(part & ~mask):
        raise InputError("surface_share: the part must lie inside the mask.")
    whole = of_part = 0.0
    for offset, area in line_weights(sampling(spacing)):
        (here, there), (part_here, part_there) = shifted(mask, offset), shifted(part, offset)
        whole += area * np.count_nonzero(here != there)
        of_part += area * (np.count_nonzero(part_here & ~there) + np.count_nonzero(part_there & ~here))
    return float(of_part / whole) if whole else 0.0


def lac_values(image: np.ndarray, mask: np.ndarray, voxel_volume: float) -> dict[str, float]:
    """Mean, SD and integral of an image inside a mask.

    Parameters
    ----------
    image : ndarray, shape (k, j, i)
    mask : ndarray, shape (k, j, i)
        Non-zero inside.
    voxel_volume : float
        In the cube of the unit of length wanted.

    Returns
    -------
    dict of float
        "lac_mean", "lac_sd", and "lac_integral" (sum times voxel volume; voxels without a finite value are left out).
        Nothing where no voxel counts.
    """
    mask = as_mask(mask)
    measures = intensity_measures(image, mask)
    counted = int(np.count_nonzero(mask)) - measures["lac_invalid_voxels"]
    if not counted:
        return {}
    mean = float(measures["lac_mean"])
    return {"lac_mean": mean, "lac_sd": float(measures["lac_sd"]), "lac_integral": mean * counted * float(voxel_volume)}
