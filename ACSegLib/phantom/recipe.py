"""What a simulated specimen and its measurement are made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import numpy as np

from ACSegLib.errors import InputError

#: How a second cell that touches the first is labelled; see `Recipe.neighbour`.
NEIGHBOURS = ("none", "unlabelled", "cytoplasm", "segment")


@dataclass(frozen=True)
class Kind:
    """Shape of one cell type. Lengths are fractions of the slice's shorter side unless said otherwise.

    Parameters
    ----------
    axes : ((low, high), (low, high), (low, high))
        Ranges of the body's semi-axes.
    warp, roughness : float
        Displacement of the body's surface, long-waved (lobes) and short-waved (ruffles).
    nucleus : float
        Nuclear radius as a fraction of the body's mean semi-axis.
    filopodia, processes : int
        Number of thin protrusions and of thick, tapering arms.
    reach : (float, float)
        Range of the filopodia's lengths.
    arm : float
        Length of the processes.
    lipids, mitochondria, granules : int
        Number of organelles.
    """

    axes: tuple[tuple[float, float], tuple[float, float], tuple[float, float]]
    warp: float
    roughness: float
    nucleus: float
    filopodia: int
    reach: tuple[float, float]
    processes: int = 0
    arm: float = 0.0
    lipids: int = 10
    mitochondria: int = 12
    granules: int = 0


#: The cell types that `simulate` knows.
KINDS: Mapping[str, Kind] = {
    "t-cell": Kind(((0.27, 0.32), (0.27, 0.32), (0.28, 0.34)), 0.035, 0.010, 0.66, 14, (0.12, 0.30), lipids=6),
    "beta-cell": Kind(
        ((0.25, 0.29), (0.30, 0.35), (0.29, 0.36)), 0.050, 0.006, 0.45, 4, (0.05, 0.10), mitochondria=18, granules=90
    ),
    "fibroblast": Kind(
        ((0.10, 0.13), (0.22, 0.28), (0.33, 0.38)), 0.060, 0.005, 0.62, 10, (0.08, 0.18), 3, 0.20, 8, 24
    ),
    "huh-7": Kind(((0.31, 0.35), (0.34, 0.37), (0.36, 0.42)), 0.075, 0.007, 0.52, 8, (0.04, 0.09), 0, 0.0, 45, 22),
    "bv-2": Kind(((0.15, 0.19), (0.17, 0.21), (0.20, 0.26)), 0.040, 0.008, 0.62, 20, (0.08, 0.18), 5, 0.22, 14, 10),
}


@dataclass(frozen=True)
class Recipe:
    """All parameters of a simulated tomogram. LAC is the linear absorption coefficient, in 1/um.

    Parameters
    ----------
    kind : str
        A key of `KINDS`.
    field_of_view : float
        Shorter side of a slice, in um; with the number of voxels it gives the voxel size.
    medium, cytoplasm, nucleus, nucleolus, lipid, mitochondria, granule, bead, debris, glass : float
        LAC of each material.
    texture, grain : float
        Root mean square of the cell's texture (1/um), and its length in voxels.
    filopodia, beads, fragments : int or None
        How many; None takes the kind's number (filopodia).
    filopodia_radius : (float, float)
        Range in voxels at 128 voxels a side; grows with the square root of the side.
    bead_radius : (float, float)
        Range, as a fraction of the slice's shorter side.
    halo : float
        Depth of the dark ring around a bead, as a fraction of the bead's contrast.
    wall : bool
        Whether the glass capillary is in the field of view.
    capillary : float
        Inner radius of the capillary, as a fraction of the slice's shorter side; it holds every cell, and a narrow one
        squeezes them into a column.
    neighbour : str
        "none"; "unlabelled" (a second cell touches the first and is background in the truth: the everyday case of
        cells packed in a capillary, of which one is drawn); "cytoplasm" (it bears the first one's label, as network
        training wants it); "segment" (a segment of its own, value 3).
    company : int
        Number of neighbours, where there are any: beside the cell in a wide capillary, above and below in a narrow one.
    roughness : float
        Factor on the kind's surface roughness.
    projections : int
        Views over 180 degrees less the wedge.
    missing_wedge : float
        Degrees that no view covers (flat sample holders: 40 to 60).
    photons : float
        Counts a detector pixel receives without a specimen.
    blur : float
        Standard deviation of the optics' and detector's blur, in voxels.
    fringe : float
        Strength of the phase fringe (edge enhancement) in the projections, in square voxels.
    rings : float
        Root mean square of the gain error of single detector pixels, which makes ring artefacts.
    window : float
        Cut-off of the reconstruction's Hann window as a fraction of the Nyquist frequency; 1 is the sharpest.
    """

    kind: str = "t-cell"
    field_of_view: float = 14.2
    medium: float = 0.13
    cytoplasm: float = 0.30
    nucleus: float = 0.25
    nucleolus: float = 0.36
    lipid: float = 0.62
    mitochondria: float = 0.40
    granule: float = 0.48
    bead: float = 0.72
    debris: float = 0.34
    glass: float = 0.55
    texture: float = 0.022
    grain: float = 2.2
    filopodia: int | None = None
    filopodia_radius: tuple[float, float] = (1.2, 2.4)
    beads: int = 2
    bead_radius: tuple[float, float] = (0.035, 0.045)
    halo: float = 0.25
    fragments: int = 5
    wall: bool = True
    capillary: float = 0.462
    neighbour: str = "none"
    company: int = 1
    roughness: float = 1.0
    projections: int = 92
    missing_wedge: float = 0.0
    photons: float = 5000.0
    blur: float = 0.5
    fringe: float = 0.25
    rings: float = 0.0
    window: float = 1.0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise InputError(f"kind {self.kind!r} is unknown; it must be one of: {', '.join(KINDS)}.")
        if self.neighbour not in NEIGHBOURS:
            raise InputError(f"neighbour {self.neighbour!r} is unknown; it must be one of: {', '.join(NEIGHBOURS)}.")
        for name in ("field_of_view", "photons", "projections", "window", "grain"):
            if not getattr(self, name) > 0:
                raise InputError(f"{name} must be positive, not {getattr(self, name)!r}.")
        if not 0.1 <= self.capillary <= 0.7:
            raise InputError(f"capillary must be 0.1 to 0.7 of the slice's side, not {self.capillary!r}.")
        if self.company not in (1, 2):
            raise InputError(f"company must be 1 or 2 neighbours, not {self.company!r}.")
        if not 0 <= self.missing_wedge < 180:
            raise InputError(f"missing_wedge must be 0 to under 180 degrees, not {self.missing_wedge!r}.")
        for name in ("texture", "beads", "fragments", "filopodia", "roughness", "blur", "fringe", "rings", "halo"):
            if getattr(self, name) is not None and not getattr(self, name) >= 0:
                raise InputError(f"{name} must be 0 or more, not {getattr(self, name)!r}.")

    def changed(self, **changes: Any) -> Recipe:
        """Copy with some parameters changed; an unknown name is an InputError."""
        known = [field.name for field in fields(self)]
        for name in changes:
            if name not in known:
                raise InputError(f"a recipe has no parameter {name!r}; it has: {', '.join(known)}.")
        return replace(self, **changes)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for a report."""
        return asdict(self)


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
    drawn: dict[str, Any] = {
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
