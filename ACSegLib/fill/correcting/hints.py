"""What a person should know where little or nothing followed from their changes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ACSegLib.fill.correcting.decisions import Decisions, redrawn_obliquely
from ACSegLib.fill.correcting.opened import Opened

#: Voxels of a stroke from which a segment can be learned that the segmentation does not have nearby. Of a ball with
#: 257 voxels between two others in look, 3 voxels found a tenth, 9 a third and 25 nine tenths.
ENOUGH = 20


def hints(decisions: Decisions, opened: Opened, moved: int, slips: Sequence[tuple[int, int]] = ()) -> list[str]:
    """Sentences on strokes from which nothing could follow, or did not, and on slices that count as strokes.

    Parameters
    ----------
    decisions : Decisions
    opened : Opened
        Voxels that could change.
    moved : int
        Number of those that did.
    slips : sequence of (int, int), optional
        See `joined.grown_slips`.
    """
    notes = _on_slips(slips)
    if decisions.whole_slices or decisions.known.all() or not decisions.changed.any():
        return notes
    if redrawn_obliquely(decisions):
        notes.append(
            "you redrew a slice that lies obliquely in the volume, so your changes count as strokes; rotate the views "
            "to the volume ('Align views' in the module ACSeg, 'Rotate to volume plane' in a slice view of Slicer), "
            "and draw a slice right there."
        )
    if not opened.open.any():
        return ["no voxel around your changes may change: they are decided already, protected, or beyond the reach."]
    notes += [
        f"{name!r} was learned from the {count} voxels that you drew, since there are no others nearby; look whether "
        "it was found, or draw a dab of 5 x 5 voxels or more in its middle."
        for name, count in _hardly_drawn(decisions, opened)
    ]
    if not moved and not notes:
        notes.append(
            "nothing followed from your strokes; if the error is larger than they are, draw a larger dab in its "
            "middle, or a whole slice right."
        )
    return notes


def _hardly_drawn(decisions: Decisions, opened: Opened) -> list[tuple[str, int]]:
    """Segments of which the voxels of a small stroke are all that there is around the changes, and their number."""
    classes, changed = decisions.classes(opened.box), decisions.changed[opened.box]
    found = []
    for c in np.unique(classes.after[changed]):
        count = int(np.count_nonzero(classes.after[changed] == c))
        if c and count < ENOUGH and not (classes.before == c).any():
            names = [decisions.corrected.segments[row].name for row in classes.table[c]]
            found.append((" and ".join(names), count))
    return found


def _on_slips(slips: Sequence[tuple[int, int]]) -> list[str]:
    if not slips:
        return []
    drawn, more = (sum(numbers) for numbers in zip(*slips, strict=True))
    what = "1 voxel that you changed lies" if drawn == 1 else f"{drawn} voxels that you changed lie"
    return [f"{what} apart from the rest of the segment, and {more} more followed; undo the change if it was a slip."]
