"""Simulated full-rotation soft X-ray tomograms of cells in a capillary, with exact and with sparse labels.

A specimen is drawn with partial-volume edges, projected over 180 degrees with photon noise, and reconstructed slice by
slice, so that noise texture, streaks and rings are those of a measurement. What is simulated, and how strongly, is a
`Recipe`; `vary` draws widely different ones.
"""

from __future__ import annotations

from ACSegLib.phantom.canvas import PARTS
from ACSegLib.phantom.labelling import label_slices
from ACSegLib.phantom.recipe import KINDS, NEIGHBOURS, Kind, Recipe
from ACSegLib.phantom.simulation import Phantom, simulate
from ACSegLib.phantom.variation import vary, vary_packed

__all__ = [
    "KINDS",
    "NEIGHBOURS",
    "PARTS",
    "Kind",
    "Phantom",
    "Recipe",
    "label_slices",
    "simulate",
    "vary",
    "vary_packed",
]
