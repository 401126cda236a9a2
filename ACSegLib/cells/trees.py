"""Boosted trees as tables: learned once on simulated cells, evaluated without the library that learned them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

#: Files of the models: for masks as a person or a fill gives them, and as networks do.
DRAWN, PREDICTED = "seams.npz", "predicted_seams.npz"


@dataclass(frozen=True)
class Trees:
    """Trees whose leaves add up to log odds.

    Attributes
    ----------
    roots : ndarray of int32
        Node that each tree begins with.
    feature : ndarray of int16
        Feature that a node asks for; -1 at leaves.
    threshold : ndarray of float32
        Up to it the way leads to `left`, else to `right`.
    left, right : ndarray of int32
    value : ndarray of float32
        Log odds of a leaf.
    """

    roots: np.ndarray
    feature: np.ndarray
    threshold: np.ndarray
    left: np.ndarray
    right: np.ndarray
    value: np.ndarray

    @property
    def arrays(self) -> tuple[np.ndarray, ...]:
        """The tables, in the order in which compiled loops take them."""
        return self.roots, self.feature, self.threshold, self.left, self.right, self.value


@cache
def seam_model(name: str, predicted: bool = False) -> Trees:
    """The trees of one judgement; those for masks that a network predicted are others.

    "voxels" judges voxels, "seams" boundaries, and "tissue" those in a drawn tissue, whose cells have hardly a surface.
    """
    with np.load(Path(__file__).with_name(PREDICTED if predicted else DRAWN), allow_pickle=False) as file:
        return Trees(*(file[f"{name}_{part}"] for part in Trees.__dataclass_fields__))
