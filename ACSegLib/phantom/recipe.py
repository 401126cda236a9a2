"""What a simulated specimen and its measurement are made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from ACSegLib.errors import InputError
from ACSegLib.json_values import Json

#: How a second cell that touches the first is labelled; see `Recipe.neighbour`.
NEIGHBOURS = ("none", "unlabelled", "cytoplasm", "segment")
#: What holds the specimen; see `Recipe.holder`.
HOLDERS = ("capillary", "flat")
AXES = ("k", "j", "i")


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


#: Parameters that must not be negative, where they are given.
_NOT_NEGATIVE = (
    "texture", "beads", "fragments", "filopodia", "roughness", "blur", "fringe", "rings", "halo", "cell_size", "spread",
    "film", "gap", "microvilli", "network", "granules", "lipids", "vacuoles", "rim_width", "bead_hollow",
    "wall_thickness", "glow", "dark_line", "eccentricity", "slab", "markers", "noise",
)  # fmt: skip

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
        Range in voxels at 128 voxels per side; grows with the square root of the side.
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
    packing : int
        Number of cells that are packed together (`ACSegLib.phantom.packed`), some of them beyond the field of view;
        0 makes one cell and its neighbours as the parameters above say. The parameters below need `packing`.
    filling : float
        Share of the bore, or of the slab of a flat holder, that is cell.
    column : bool
        Cells in single file, end to end; else spread.
    cell_size, spread : float
        Factor on the kind's axes; root mean square difference of the cells' LAC, as a fraction of the contrast.
    film : float
        Medium between glass and cell, in voxels; 0 presses the cells flat against the glass.
    gap, seam : float
        Width in voxels of the seam between touching cells, and its LAC beside the cytoplasm's as a fraction of the
        contrast: -1 is medium, above 0 membranes.
    microvilli : float
        Density of the ragged fringe of free surfaces, 0 to 1.
    network : float
        Thickness of the mitochondrial network, 0 (none) to about 0.6.
    granules, lipids, vacuoles : int
        Number of granules and lipid droplets in a tenth of the volume; vacuoles a cell.
    rim_width, bead_hollow : float
        Width of a bead's bright rim as a fraction of its radius; how much darker its middle is, 0 to 1.
    wall_thickness : float or None
        Thickness of the glass as a fraction of the bore; None takes 2.6 % of the slice's side.
    glow, dark_line : float
        Brightening of the medium at the glass as a fraction of the contrast; depth of the dark line outside the glass
        as a fraction of its LAC.
    eccentricity : float
        Largest displacement of the capillary from the middle, as a fraction of the slice's side; it tapers with it.
    holder : str
        "capillary" or "flat": a slab without wall.
    slab : float
        Thickness of the flat holder's ice, as a fraction of the slice's side.
    markers : int
        Gold markers on a flat holder.
    noise : float
        Root mean square of white noise that is added to the reconstruction, as a fraction of the contrast.
    axis : str
        Array axis along the capillary, which is the axis of rotation: "k", "j" or "i". Needs no `packing`.
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
    packing: int = 0
    filling: float = 0.5
    column: bool = False
    cell_size: float = 1.0
    spread: float = 0.0
    film: float = 0.0
    gap: float = 0.0
    seam: float = -1.0
    microvilli: float = 0.0
    network: float = 0.0
    granules: int = 0
    lipids: int = 0
    vacuoles: int = 0
    rim_width: float = 0.0
    bead_hollow: float = 0.0
    wall_thickness: float | None = None
    glow: float = 0.0
    dark_line: float = 0.0
    eccentricity: float = 0.0
    holder: str = "capillary"
    slab: float = 0.4
    markers: int = 0
    noise: float = 0.0
    axis: str = "k"

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
        if self.holder not in HOLDERS:
            raise InputError(f"holder must be one of {', '.join(HOLDERS)}, not {self.holder!r}.")
        if self.axis not in AXES:
            raise InputError(f"axis must be one of {', '.join(AXES)}, not {self.axis!r}.")
        if not 0 <= self.packing <= 200:
            raise InputError(f"packing must be 0 to 200 cells, not {self.packing!r}.")
        if not 0 < self.filling < 1:
            raise InputError(f"filling must be between 0 and 1, not {self.filling!r}.")
        if self.holder == "flat" and not self.packing:
            raise InputError("holder 'flat' needs packing: the number of cells on it.")
        for name in _NOT_NEGATIVE:
            if getattr(self, name) is not None and not getattr(self, name) >= 0:
                raise InputError(f"{name} must be 0 or more, not {getattr(self, name)!r}.")

    def changed(self, **changes: Any) -> Recipe:
        """Copy with some parameters changed; an unknown name is an InputError."""
        known = [field.name for field in fields(self)]
        for name in changes:
            if name not in known:
                raise InputError(f"a recipe has no parameter {name!r}; it has: {', '.join(known)}.")
        return replace(self, **changes)

    def as_dict(self) -> Json:
        """Plain values, for a report."""
        return asdict(self)
