"""What a voxel of a simulated specimen can be."""

from __future__ import annotations

#: What a voxel can be; the innermost part counts (a voxel of the nucleolus is not one of the nucleus).
PARTS: tuple[str, ...] = (
    "medium",
    "cytoplasm",
    "filopodia",
    "nucleus",
    "nucleolus",
    "lipid droplets",
    "mitochondria",
    "granules",
    "bead",
    "neighbour",
    "wall",
    "debris",
)
CODE = {name: code for code, name in enumerate(PARTS)}
#: Parts that make up the cell.
CELL_PARTS: tuple[str, ...] = (
    "cytoplasm",
    "filopodia",
    "nucleus",
    "nucleolus",
    "lipid droplets",
    "mitochondria",
    "granules",
)
