"""Matching of cells (instances): panoptic quality, splits and merges, for touching cells above all.

References
----------
Kirillov et al., "Panoptic segmentation", CVPR 2019: panoptic, segmentation and recognition quality.
Maier-Hein et al., "Metrics reloaded", Nature Methods 21 (2024) 195-212: localisation by IoU, then assignment.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from ACSegLib.errors import InputError

#: Smallest IoU (intersection over union) of a match.
MIN_IOU = 0.5


@dataclass(frozen=True)
class InstanceMatching:
    """How the cells of a result match those of the truth.

    `matches` holds (result label, truth label, IoU). A truth cell is *split* if two or more result cells lie mostly
    in it; a result cell *merges* if two or more truth cells lie mostly in it. The sizes are the voxels of each label
    that count.
    """

    matches: list[tuple[int, int, float]] = field(default_factory=list)
    false_positives: list[int] = field(default_factory=list)
    false_negatives: list[int] = field(default_factory=list)
    split: list[int] = field(default_factory=list)
    merging: list[int] = field(default_factory=list)
    result_sizes: Mapping[int, int] = field(default_factory=dict)
    truth_sizes: Mapping[int, int] = field(default_factory=dict)

    @property
    def segmentation_quality(self) -> float:
        """Mean IoU of the matched cells; NaN if none is."""
        return float(np.mean([iou for _, _, iou in self.matches])) if self.matches else float("nan")

    @property
    def recognition_quality(self) -> float:
        """F1 score of detection; NaN if neither side has a cell."""
        total = len(self.matches) + (len(self.false_positives) + len(self.false_negatives)) / 2
        return len(self.matches) / total if total else float("nan")

    @property
    def panoptic_quality(self) -> float:
        """Recognition times segmentation quality; 0 if nothing matches, NaN if neither side has a cell."""
        return self.segmentation_quality * self.recognition_quality if self.matches else self.recognition_quality

    def as_row(self) -> dict[str, float | int]:
        """The values as plain numbers, for a table."""
        return {
            "panoptic_quality": self.panoptic_quality,
            "recognition_quality": self.recognition_quality,
            "segmentation_quality": self.segmentation_quality,
            "matched_cells": len(self.matches),
            "false_positive_cells": len(self.false_positives),
            "missed_cells": len(self.false_negatives),
            "split_cells": len(self.split),
            "merged_cells": len(self.merging),
        }


def match_instances(result: np.ndarray, truth: np.ndarray, *, ignore: np.ndarray | None = None) -> InstanceMatching:
    """Match the cells of two label arrays one to one.

    Parameters
    ----------
    result, truth : ndarray of unsigned int, shape (k, j, i)
        One value per cell, 0 is background.
    ignore : ndarray, shape (k, j, i), optional
        Non-zero voxels do not count; a result cell that lies mostly there is not a false positive.

    Returns
    -------
    InstanceMatching

    Raises
    ------
    InputError
        If the shapes differ.
    """
    if result.shape != truth.shape:
        raise InputError(f"result and reference must have the same shape, not {result.shape} and {truth.shape}.")
    values_r, values_t, table, sizes_r = _overlaps(result, truth, ignore)
    sizes_in, sizes_t = table.sum(axis=1), table[1:].sum(axis=0) + table[0]
    inner = table[1:, 1:].astype(float)
    union = sizes_in[1:, None] + sizes_t[None, 1:] - inner
    iou = np.divide(inner, union, out=np.zeros_like(inner), where=union > 0)
    pairs = _assign(iou)
    matched_r, matched_t = {r for r, _ in pairs}, {t for _, t in pairs}
    counted = sizes_in[1:] * 2 > sizes_r[1:]
    inside_t = inner > sizes_in[1:, None] / 2
    inside_r = inner > sizes_t[None, 1:] / 2
    return InstanceMatching(
        [(int(values_r[r + 1]), int(values_t[t + 1]), float(iou[r, t])) for r, t in pairs],
        [int(values_r[r + 1]) for r in range(len(iou)) if r not in matched_r and counted[r]],
        [int(values_t[t + 1]) for t in range(iou.shape[1]) if t not in matched_t and sizes_t[t + 1]],
        [int(v) for v in values_t[1:][inside_t.sum(axis=0) > 1]],
        [int(v) for v in values_r[1:][inside_r.sum(axis=1) > 1]],
        {int(v): int(n) for v, n in zip(values_r[1:], sizes_in[1:], strict=True)},
        {int(v): int(n) for v, n in zip(values_t[1:], sizes_t[1:], strict=True)},
    )


def _overlaps(
    result: np.ndarray, truth: np.ndarray, ignore: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Values of both sides (0 first), voxel counts of each pair outside `ignore`, and sizes with `ignore`."""
    values_r, values_t = (np.union1d([0], _values(a)) for a in (result, truth))
    table = np.zeros((len(values_r), len(values_t)), np.int64)
    sizes = np.zeros(len(values_r), np.int64)
    for n in range(len(result)):  # plane by plane: no index array of the volume's size
        rows = np.searchsorted(values_r, result[n])
        columns = np.searchsorted(values_t, truth[n])
        sizes += np.bincount(rows.ravel(), minlength=len(values_r))
        codes = rows * len(values_t) + columns
        codes = codes[ignore[n] == 0] if ignore is not None else codes.ravel()
        table += np.bincount(codes, minlength=table.size).reshape(table.shape)
    return values_r, values_t, table, sizes


def _values(labels: np.ndarray) -> np.ndarray:
    from ACSegLib.volume import unique_values

    return unique_values(labels)


def _assign(iou: np.ndarray) -> list[tuple[int, int]]:
    """Pairs of rows and columns; each is in one pair at most, also where two halves have an IoU of 0.5 with a whole."""
    from scipy.optimize import linear_sum_assignment

    if not iou.size:
        return []
    allowed = iou >= MIN_IOU
    rows, columns = linear_sum_assignment(np.where(allowed, iou, 0.0), maximize=True)
    return [(int(r), int(c)) for r, c in zip(rows, columns, strict=True) if allowed[r, c]]
