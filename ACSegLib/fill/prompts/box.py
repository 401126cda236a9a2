"""A box as a prompt: what it encloses may be the object, and around it is background.

A shell of background strokes around the box keeps every path from the object inside, so that one dab inside the box
and the box are as good as a dab inside and one on each side.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ACSegLib.errors import InputError
from ACSegLib.masks import outside_of
from ACSegLib.special_segments import with_marks
from ACSegLib.volume import Segmentation

#: Name of the segment that marks the shell.
SHELL = "outside the box"
#: Voxels that the shell is thick.
_THICKNESS = 2


def box_slices(box: Sequence[int], shape: Sequence[int]) -> tuple[slice, slice, slice]:
    """The box I0 I1 J0 J1 K0 K1, ends excluded, as slices along k, j, i.

    Raises
    ------
    InputError
        If it is not in the volume.
    """
    if len(box) != 6:
        raise InputError(f"--box must be six whole numbers (I0 I1 J0 J1 K0 K1), not {list(box)}.")
    sides = [(int(box[2 * n]), int(box[2 * n + 1])) for n in (2, 1, 0)]
    for axis, (low, high), size in zip("kji", sides, shape, strict=True):
        if not 0 <= low < high <= size:
            raise InputError(f"--box {low}..{high} along {axis} must lie within 0..{size} and not be empty.")
    k, j, i = (slice(low, high) for low, high in sides)
    return k, j, i


def outside(box: Sequence[int], shape: Sequence[int]) -> np.ndarray:
    """Voxels outside of a box; bool, shape (k, j, i)."""
    return outside_of(box_slices(box, shape), shape)


def with_shell(labels: Segmentation, box: Sequence[int], background: str | None) -> tuple[Segmentation, str]:
    """Draw the shell around a box as background.

    Parameters
    ----------
    labels : Segmentation
        Strokes, some of them inside the box.
    background : str, optional
        Segment that marks background already; the shell is drawn into it.

    Returns
    -------
    labels : Segmentation
        With the shell where nothing was drawn.
    background : str
        Id of the segment that marks background.

    Raises
    ------
    InputError
        If the box is not in the volume, or nothing is drawn inside it.
    """
    inner = box_slices(box, labels.shape)
    own = labels.segment(background).id if background else None
    if not any(labels.mask(s)[inner].any() for s in labels.segments if s.id != own):
        raise InputError("nothing is drawn inside the box (--box); draw a stroke on the object, or move the box.")
    wide = tuple(slice(max(side.start - _THICKNESS, 0), side.stop + _THICKNESS) for side in inner)
    shell = np.zeros(labels.shape, bool)
    shell[wide] = True
    shell[inner] = False
    return mark_background(labels, shell & ~labels.occupied(), background, SHELL)


def mark_background(
    labels: Segmentation, where: np.ndarray, background: str | None, name: str
) -> tuple[Segmentation, str]:
    """Draw voxels, bool (k, j, i), into the segment that marks background, or else into one with a name of its own.

    Returns
    -------
    labels : Segmentation
    background : str
        Id of the segment that marks background.
    """
    own = background or next((s.id for s in labels.segments if s.name == name), None)
    return with_marks(labels, where, name, labels.segment(own).id if own else None)
