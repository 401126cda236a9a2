"""Widely varied recipes: tomograms of any instrument, and packed cells as real tomograms show them."""

from __future__ import annotations

from typing import Any

import numpy as np

from ACSegLib.phantom.recipe import KINDS, Recipe

#: Names of parameters of a recipe with their values.
RecipeValues = dict[str, Any]


def vary(seed: int, **fixed: Any) -> Recipe:
    """Draw a widely varied recipe: cell type, contrast, texture, dose, voxel size, artefacts and company.

    Made for training a network that must cope with tomograms of any instrument.

    Parameters
    ----------
    seed : int
        The same seed gives the same recipe.
    **fixed
        Parameters of `Recipe` that shall not vary.

    Returns
    -------
    Recipe
    """
    rng = np.random.default_rng([seed, 7])
    medium = rng.uniform(0.05, 0.17)
    cytoplasm = medium + rng.uniform(0.09, 0.26)
    contrast = cytoplasm - medium
    radius = rng.uniform(0.02, 0.07)
    drawn: RecipeValues = {
        "kind": str(rng.choice(list(KINDS))),
        "field_of_view": rng.uniform(8.0, 18.0),
        "medium": medium,
        "cytoplasm": cytoplasm,
        "nucleus": cytoplasm + contrast * rng.uniform(-0.45, 0.15),
        "nucleolus": cytoplasm + contrast * rng.uniform(0.0, 0.5),
        "lipid": cytoplasm + rng.uniform(0.2, 0.5),
        "mitochondria": cytoplasm + rng.uniform(0.04, 0.16),
        "granule": cytoplasm + rng.uniform(0.1, 0.25),
        "bead": cytoplasm + rng.uniform(0.15, 0.7),
        "debris": medium + contrast * rng.uniform(0.4, 1.4),
        "glass": medium + rng.uniform(0.1, 0.6),
        "texture": contrast * rng.uniform(0.04, 0.2),
        "grain": rng.uniform(1.5, 4.0),
        "filopodia": int(rng.integers(0, 24)),
        "filopodia_radius": (1.0, rng.uniform(1.6, 2.8)),
        "beads": int(rng.integers(0, 6)),
        "bead_radius": (0.8 * radius, 1.2 * radius),
        "halo": rng.uniform(0.0, 0.6),
        "fragments": int(rng.integers(0, 14)),
        "wall": bool(rng.random() < 0.7),
        "capillary": rng.uniform(0.28, 0.47),
        "neighbour": "cytoplasm" if rng.random() < 0.5 else "none",
        "company": int(rng.integers(1, 3)),
        "roughness": rng.uniform(0.4, 2.0),
        "projections": int(rng.choice([60, 92, 92, 120, 180])),
        "missing_wedge": rng.uniform(20, 60) if rng.random() < 0.15 else 0.0,
        "photons": 10 ** rng.uniform(3.0, 4.7),
        "blur": rng.uniform(0.3, 1.0),
        "fringe": rng.uniform(0.0, 0.8),
        "rings": rng.uniform(0.002, 0.02) if rng.random() < 0.25 else 0.0,
        "window": rng.uniform(0.6, 1.0),
    }
    drawn.update(fixed)
    return Recipe().changed(**drawn)


def vary_packed(seed: int, **fixed: Any) -> Recipe:
    """Draw a widely varied recipe of packed cells, with the ranges that real tomograms show.

    Ranges: wall 1.2 to 5 times as absorbing as cells (a thin one looks fainter) and from 1.5 % of the bore thick, 2 to
    95 % of the bore filled, one to eight cells, beads of 2 to 70 % of the bore, noise of 0 to 5 % of the contrast; 12 %
    are flat holders.

    Parameters
    ----------
    seed : int
        The same seed gives the same recipe.
    **fixed
        Parameters of `Recipe` that shall not vary.
    """
    rng = np.random.default_rng([seed, 13])
    medium = rng.uniform(0.05, 0.17)
    cytoplasm = medium / rng.uniform(0.22, 0.6)
    length = rng.uniform(0.8, 2.2)  # of a cell in single file, in bores
    capillary = rng.uniform(0.2, 0.48) if rng.random() < 0.85 else rng.uniform(0.48, 0.7)
    flat = rng.random() < 0.12
    column = bool(rng.random() < 0.35 and not flat)
    large = bool(rng.random() < 0.25)
    radius = rng.uniform(0.1, 0.34) * 2 * capillary if large else rng.uniform(0.01, 0.1)
    values = {
        **_varied_specimen(rng, medium, cytoplasm),
        **_varied_beads(rng, radius, large),
        **_varied_capillary(rng, capillary),
        **_varied_packing(rng, capillary, length if column else None),
        **_varied_imaging(rng),
    }
    if flat:
        values |= _varied_flat_holder(rng)
    return Recipe().changed(**{**values, **fixed})


# The order of the draws, in these functions and of their calls, decides what a seed gives.


def _varied_specimen(rng: np.random.Generator, medium: float, cytoplasm: float) -> RecipeValues:
    """Kind, size and absorption of the cells and of what lies in them."""
    contrast = cytoplasm - medium
    return {
        "kind": str(rng.choice(list(KINDS))),
        "field_of_view": 10 ** rng.uniform(0.7, 1.5),
        "medium": medium,
        "cytoplasm": cytoplasm,
        "nucleus": cytoplasm + contrast * rng.uniform(-0.5, 0.35),
        "nucleolus": cytoplasm + contrast * rng.uniform(0.0, 0.5),
        "lipid": cytoplasm + contrast * rng.uniform(0.5, 2.5),
        "mitochondria": cytoplasm + contrast * rng.uniform(0.15, 0.8),
        "granule": cytoplasm + contrast * rng.uniform(0.3, 1.5),
        "bead": cytoplasm + contrast * rng.uniform(0.4, 3.0),
        "debris": medium + contrast * rng.uniform(0.3, 1.5),
        "glass": cytoplasm * rng.uniform(1.2, 5.0),
        "texture": contrast * rng.uniform(0.04, 0.3),
        "grain": rng.uniform(1.5, 3.5),
        "filopodia": int(rng.integers(0, 20)),
        "filopodia_radius": (0.8, rng.uniform(1.2, 2.4)),
    }


def _varied_beads(rng: np.random.Generator, radius: float, large: bool) -> RecipeValues:
    """Beads, few where they are large, and debris."""
    return {
        "beads": int(rng.integers(1, 3)) if large else int(rng.integers(0, 6)) * int(rng.random() < 0.6),
        "bead_radius": (0.8 * radius, 1.1 * radius),
        "halo": rng.uniform(0.0, 0.6),
        "rim_width": rng.uniform(0.05, 0.4) if rng.random() < 0.6 else 0.0,
        "bead_hollow": rng.uniform(0.1, 0.7),
        "fragments": int(rng.integers(0, 25)),
    }


def _varied_capillary(rng: np.random.Generator, capillary: float) -> RecipeValues:
    """The glass capillary around the cells."""
    return {
        "wall": bool(rng.random() < 0.87),
        "wall_thickness": rng.uniform(0.015, 0.06),
        "capillary": capillary,
        "eccentricity": rng.uniform(0.0, 0.08),
        "glow": rng.uniform(0.0, 0.35) * int(rng.random() < 0.6),
        "dark_line": rng.uniform(0.0, 0.12),
    }


def _varied_packing(rng: np.random.Generator, capillary: float, length: float | None) -> RecipeValues:
    """How many cells there are, how they lie, and their surface; `length` of a cell in single file, in bores."""
    column = length is not None
    return {
        "packing": int(rng.integers(1, 9)) if length is None else max(1, round(1.5 / (2 * capillary * length))),
        "filling": rng.uniform(0.35, 0.95) if column else rng.uniform(0.02, 0.9),
        "column": column,
        "cell_size": rng.uniform(0.6, 1.3) * 2 * capillary,
        "spread": rng.uniform(0.0, 0.12),
        "film": rng.uniform(0.0, 1.5) * int(rng.random() < 0.6),
        "gap": rng.uniform(0.4, 1.8) * int(rng.random() < 0.75),
        "seam": rng.uniform(-1.0, -0.3) if rng.random() < 0.75 else rng.uniform(0.1, 0.4),
        "microvilli": rng.uniform(0.0, 1.0) * int(rng.random() < 0.6),
        "network": rng.uniform(0.1, 0.5) * int(rng.random() < 0.7),
        "granules": int(rng.integers(0, 40)),
        "lipids": int(rng.integers(0, 15)),
        "vacuoles": int(rng.integers(1, 3)) * int(rng.random() < 0.3),
        "roughness": 10 ** rng.uniform(-1.0, 0.2),
    }


def _varied_imaging(rng: np.random.Generator) -> RecipeValues:
    """What the microscope and the reconstruction do."""
    return {
        "projections": int(rng.choice([60, 92, 92, 120])),
        "missing_wedge": 0.0,
        "photons": 10 ** rng.uniform(3.1, 4.7),
        "blur": rng.uniform(1.0, 2.5) if rng.random() < 0.1 else rng.uniform(0.0, 0.8),
        "fringe": rng.uniform(0.0, 0.8),
        "rings": rng.uniform(0.002, 0.01) if rng.random() < 0.15 else 0.0,
        "window": rng.uniform(0.8, 1.0),
        "noise": rng.uniform(0.0, 0.05),
    }


def _varied_flat_holder(rng: np.random.Generator) -> RecipeValues:
    """A flat holder in the place of the capillary."""
    return {
        "holder": "flat", "wall": False, "slab": rng.uniform(0.3, 1.4), "missing_wedge": rng.uniform(30, 60),
        "markers": int(rng.integers(0, 20)), "filling": rng.uniform(0.3, 0.97), "glow": 0.0,
    }  # fmt: skip
