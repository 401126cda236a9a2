"""From which size on a component is a cell: learned from the sizes of all components, in one place for all of ACSeg."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

#: Components are specks and cells if one has so many times the voxels of the next smaller one. Cells of one kind rarely
#: differ by a factor of ten in volume; noise differs from a cell by a factor of a thousand.
MIN_SIZE_GAP = 10.0

#: Smaller components are specks whatever the others are: surface and shape of so few voxels mean nothing.
MIN_CELL_VOXELS = 10


def smallest_cell(volumes: Sequence[float]) -> float:
    """Volume from which components are cells, learned from the volumes of all components; 0 where all may be.

    Volumes are sorted. The widest gap between neighbours, as a ratio, separates specks from cells if it is at least
    `MIN_SIZE_GAP`. Where sizes fall without a gap, a hundredth of a typical cell is a speck: half of all that is
    segmented lies in components of that cell's size and above.
    """
    ordered = sorted(float(v) for v in volumes if v)
    gaps = [(above / below, above) for below, above in itertools.pairwise(ordered)]
    widest, volume = max(gaps, default=(1.0, 0.0))
    smallest = volume if widest >= MIN_SIZE_GAP else 0.0
    speck = largest_speck(ordered)
    if ordered and ordered[0] < speck:
        smallest = max(smallest, next(v for v in ordered if v >= speck))
    return smallest


def largest_speck(volumes: Sequence[float]) -> float:
    """A hundredth of the volume of a typical cell: what is smaller is none, whatever gaps the volumes have."""
    return _typical(sorted(float(v) for v in volumes if v)) / MIN_SIZE_GAP**2


def _typical(ordered: Sequence[float]) -> float:
    """Median of sorted volumes, each weighted by itself; 0 of none."""
    sums = list(itertools.accumulate(ordered))
    return next((v for v, total in zip(ordered, sums, strict=True) if 2 * total >= sums[-1]), 0.0)
