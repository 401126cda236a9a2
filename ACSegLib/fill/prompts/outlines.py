"""Outlines as prompts: the inside of a closed outline is its segment, and near it outside is background.

The line itself teaches nothing: a person draws it on the border, so that about half of it lies outside.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ACSegLib.fill.prompts.box import mark_background
from ACSegLib.labelled_slices import declared_slices
from ACSegLib.outlines import Outline, find_outlines
from ACSegLib.volume import Segmentation

#: Name of the segment that marks what is near the outlines.
AROUND = "outside the outlines"


def with_regions(
    labels: Segmentation, background: str | None, ignore: str | None
) -> tuple[Segmentation, str | None, list[str]]:
    """Draw the regions that closed outlines enclose.

    Parameters
    ----------
    labels : Segmentation
        Sparse labels.
    background, ignore : str, optional
        Segments that mark background and voxels to leave out; their lines are no outlines.

    Returns
    -------
    labels : Segmentation
        With the inside of each outline as its segment, what is near it outside as background, and the line itself
        without a label; as they were if they hold no outlines.
    background : str or None
        Id of the segment that marks background.
    notes : list of str
        What the lines were taken for.
    """
    if declared_slices(labels):
        return labels, background, []
    marks = {labels.segment(name).id for name in (background, ignore) if name}
    outlines = find_outlines(labels, [s for s in labels.segments if s.id not in marks])
    if not outlines:
        return labels, background, []
    occupied = labels.occupied()
    nested = _nested(labels, outlines)
    around = np.zeros(labels.shape, bool)
    for outline in outlines:
        if outline.segment.id not in nested:
            around[tuple(outline.around)] = True
    layers = [layer.copy() for layer in labels.layers]
    for outline in outlines:
        segment, inside = outline.segment, tuple(outline.inside)
        around[inside] = False
        before = labels.layers[segment.layer][inside]
        layers[segment.layer][inside] = np.where(before == 0, segment.value, before)
    for outline in outlines:
        layers[outline.segment.layer][tuple(outline.line)] = 0
    filled = replace(labels, layers=tuple(layers))
    filled, background = mark_background(filled, around & ~occupied, background, AROUND)
    return filled, background, [_note(outlines)]


def _nested(labels: Segmentation, outlines: list[Outline]) -> set[str]:
    """Ids of segments that lie inside of an outline of another one: around them is not background."""
    nested = set()
    for segment in {o.segment.id: o.segment for o in outlines}.values():
        mask = labels.mask(segment)
        if any(o.segment.id != segment.id and mask[tuple(o.inside)].any() for o in outlines):
            nested.add(segment.id)
    return nested


def _note(outlines: list[Outline]) -> str:
    places = list(dict.fromkeys(o.place for o in outlines))
    shown = ", ".join(places[:6]) + (f" and {len(places) - 6} more" if len(places) > 6 else "")
    return (
        f"closed lines were taken for outlines ({shown}; slices count from 0): what they enclose is their segment; if "
        "a line is the structure itself, choose mode slices or scribbles."
    )
