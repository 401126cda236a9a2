"""From which size on a component is a cell: learnt from the sizes of all components, in one place for all of ACSeg."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

#: Components are specks and cells if one has so many times the voxels of the next smaller one. Cells of one kind rarely
#: differ by a factor of ten in volume; noise differs from a cell by a factor of a thousand.
MIN_SIZE_GAP = 10.0

#: Smaller components are specks whatever the others are: surface and shape of so few voxels mean nothing.
MIN_CELL_VOXELS = 10


def smallest_cell(volumes: Sequence[float]) -> float:
    """Volume from which components are cells, learnt from the volumes of all components; 0 where all may be.

    Volumes are sorted. The widest gap between neighbours, as a ratio, separates specks from cells if it is at least
    `MIN_SIZE_GAP`.
    """
    ordered = sorted(float(v) for v in volumes if v)
    gaps = [(above / below, above) for below, above in itertools.pairwise(ordered)]
    widest, volume = max(gaps, default=(1.0, 0.0))
    return volume if widest >= MIN_SIZE_GAP else 0.0
