"""Where the error of a surface-to-volume ratio comes from: loose pieces, filopodia, or the body's surface.

The area's error is taken apart by what each piece of surface belongs to. The result's largest piece is the cell, as
the simulated truth is one piece; every voxel of it belongs to the body or to the filopodia, whichever part of the truth
is nearer. The three areas and their errors add up, since each is counted from the same crossings.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ACSegLib.components import find_components
from ACSegLib.distances import squared_distance
from ACSegLib.masks import bounding_box
from ACSegLib.measure.overlap import overlap_counts, overlap_scores
from ACSegLib.measure.segment_values import surface_share
from ACSegLib.measure.surface import surface_area
from ACSegLib.measure.thin_structures import measure_thin_structures
from ACSegLib.postprocess.thin_structures import default_radius
from ACSegLib.volume import Geometry

Row = dict[str, Any]


def ratio_errors(result: np.ndarray, truth: np.ndarray, filopodia: np.ndarray, geometry: Geometry) -> Row:
    """Compare one cell with its truth.

    Parameters
    ----------
    result, truth : ndarray of bool, shape (k, j, i)
        The cell, filopodia included.
    filopodia : ndarray of bool, shape (k, j, i)
        The part of the truth that is filopodia.
    geometry : Geometry

    Returns
    -------
    dict
        "dice"; "result_..." and "truth_..." of volume, surface_to_volume and thin_parts, and "piece_volume",
        "piece_surface_to_volume" of the result's largest piece, in the geometry's unit; "loose_area",
        "filopodia_area", "body_area": what each adds to the area's error, "filopodia_share" what the filopodia have of
        the true area, and "filopodia_recall" how much of their volume was found; all parts of 1.
    """
    box = bounding_box(result | truth)
    if box is None or not truth.any():
        raise ValueError("the truth holds no cell")
    result, truth, filopodia = result[box], truth[box], filopodia[box]
    spacing, voxel = geometry.spacing, geometry.voxel_volume
    row: Row = overlap_scores(*overlap_counts(result, truth))
    piece = largest_piece(result)
    areas = {}
    for name, mask in (("result", result), ("truth", truth), ("piece", piece)):
        volume = float(np.count_nonzero(mask)) * voxel
        areas[name] = surface_area(mask, spacing)
        row[f"{name}_volume"] = volume
        row[f"{name}_surface_to_volume"] = areas[name] / volume if volume else float("nan")
    step = spacing[::-1]
    near = np.zeros_like(filopodia)
    if filopodia.any():
        near = squared_distance(filopodia, step) < squared_distance(truth & ~filopodia, step)
    thin_truth = areas["truth"] * surface_share(truth, filopodia, spacing)
    thin_piece = areas["piece"] * surface_share(piece, piece & near, spacing)
    row["loose_area"] = (areas["result"] - areas["piece"]) / areas["truth"]
    row["filopodia_area"] = (thin_piece - thin_truth) / areas["truth"]
    row["body_area"] = ((areas["piece"] - thin_piece) - (areas["truth"] - thin_truth)) / areas["truth"]
    row["filopodia_share"] = thin_truth / areas["truth"]
    row["filopodia_recall"] = float((result & filopodia).sum() / filopodia.sum()) if filopodia.any() else float("nan")
    radius = default_radius(spacing, geometry.unit)
    for name, mask in (("result", piece), ("truth", truth)):
        row[f"{name}_thin_parts"] = measure_thin_structures(mask, spacing, radius).count
    return row


def largest_piece(mask: np.ndarray) -> np.ndarray:
    """The largest connected part of a mask (26 neighbours)."""
    pieces = find_components(mask)
    if len(pieces) < 2:
        return mask
    found = np.zeros_like(mask)
    largest = int(pieces.sizes.argmax())
    found[pieces.boxes[largest]] = pieces.mask(largest)
    return found
