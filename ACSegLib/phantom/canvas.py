"""What every simulated specimen is painted on: a map of LAC, a map of parts, and streams of random numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from ACSegLib.jobs import Progress
from ACSegLib.phantom.recipe import KINDS, Recipe
from ACSegLib.phantom.shapes import Box, coverage, slabs

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


class Canvas:
    """Base of the specimens.

    Parameters
    ----------
    shape : (int, int, int)
        Voxels along k, j, i; k is the capillary's axis.
    recipe : Recipe
        What the specimen is made of.
    entropy : sequence of int
        The same numbers give the same specimen.

    Attributes
    ----------
    lac : ndarray (k, j, i), float32
        Linear absorption coefficient in 1/um.
    parts : ndarray (k, j, i), uint8
        Index into `PARTS`.
    """

    def __init__(self, shape: tuple[int, int, int], recipe: Recipe, entropy: Sequence[int]) -> None:
        self.shape, self.recipe, self.kind = shape, recipe, KINDS[recipe.kind]
        self.side = float(min(shape[1:]))
        self.inner = recipe.capillary * self.side  # radius of the capillary, in voxels
        self.centre = np.array(shape) / 2.0 - 0.5
        self._entropy = list(entropy)
        self._check: Callable[[], None] = lambda: None
        self.lac = np.full(shape, recipe.medium, np.float32)
        self.parts = np.zeros(shape, np.uint8)

    def run(self, steps: Sequence[tuple[str, Callable[[], None]]], progress: Progress) -> None:
        """Do named steps in turn."""
        self._check = progress.check
        for number, (message, step) in enumerate(steps):
            progress(number / len(steps), message)
            step()

    def slabs(self, box: Box) -> Iterator[Box]:
        """Slabs of a box, with a look at the cancel button before each."""
        for slab in slabs(box):
            self._check()
            yield slab

    def rng(self, thing: str) -> np.random.Generator:
        """The stream of random numbers of one thing, so that more beads, say, do not change the cell."""
        key = [ord(c) for c in thing]
        return np.random.default_rng(np.random.SeedSequence(self._entropy, spawn_key=key))

    def blend(self, box: Box, share: np.ndarray, lac: float | np.ndarray) -> None:
        """Move the LAC of a box towards a value by a share (0 to 1) of each voxel."""
        self.lac[box] += share * (np.float32(lac) - self.lac[box])

    def paint(self, box: Box, distance: np.ndarray, lac: float | np.ndarray, part: str) -> None:
        """Lay a shape, given by its distance in a box, over what is there."""
        self.blend(box, coverage(distance), lac)
        self.parts[box][distance < 0] = CODE[part]
