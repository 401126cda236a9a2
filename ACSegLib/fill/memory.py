"""How much memory a fill needs, estimated before it starts."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np

from ACSegLib.axes import AXES
from ACSegLib.compute import available_memory
from ACSegLib.errors import MemoryLimitError
from ACSegLib.fill.constants import MAX_CLASSES_TOGETHER, MAX_GROUPS
from ACSegLib.fill.prior.evidence import known_slices
from ACSegLib.fill.seeds import Seeds
from ACSegLib.volume import Volume


def estimate_memory(
    shape: Sequence[int],
    itemsize: int,
    slab_planes: int,
    classes: int,
    probabilities: bool = False,
    labelled_slices: int = 0,
) -> int:
    """Bytes that a fill uses at its peak, the input volume and labels not counted.

    Parameters
    ----------
    shape : (K, J, I)
    itemsize : int
        Bytes of a voxel of the input.
    slab_planes : int
        Planes of the thickest slab.
    classes : int
        Classes, background among them.
    labelled_slices : int
        Of many classes, each slice keeps an outline.
    """
    voxels = math.prod(shape)
    plane = math.prod(shape[1:])
    slab = min(slab_planes, shape[0]) * plane
    if classes - 1 > MAX_GROUPS:
        outlines = (classes - 1) * plane * (2 * labelled_slices + 4 * min(slab_planes, shape[0]))
    else:
        outlines = 0
    whole = voxels * (4 + 2 * 2 + 2 + 2 + 1 + 5 * 4 / 8 * 1.15) + (voxels * 2 * classes if probabilities else 0)
    per_slab = slab * (2 + 4 * (6 + 3 + 3 + 2 + min(classes, 9) + 5 * min(classes - 1, MAX_CLASSES_TOGETHER) + 2 * 5))
    reordered = voxels * itemsize
    return int(max(whole + per_slab + outlines, whole + reordered))


def require_memory(volume: Volume, seeds: Seeds, probabilities: bool, limit: float | None) -> None:
    """Raise MemoryLimitError if a fill would need more than `limit` bytes (what is available when None)."""
    axis = seeds.primary
    classes = np.moveaxis(seeds.classes, axis, 0)
    cuts = known_slices(classes, seeds.labelled)
    ends = sorted({0, len(classes) - 1, *cuts})
    planes = max((b - a + 1 for a, b in itertools.pairwise(ends)), default=1)
    needed = estimate_memory(classes.shape, volume.array.itemsize, planes, len(seeds.table), probabilities, len(cuts))
    available = available_memory() if limit is None else limit
    if needed > available:
        raise MemoryLimitError(
            f"this fill needs about {needed / 2**30:.1f} GiB, but {available / 2**30:.1f} GiB may be used "
            f"({planes} slices in the thickest slab along axis {AXES[axis]}); label more slices so that slabs get "
            "thinner, crop the volume, or close other programs."
        )
