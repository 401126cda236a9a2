"""Boxes of segments: where each lies, boxes around several, and whether the border cuts them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ACSegLib.masks import Box
from ACSegLib.volume import Segment, Segmentation, label_boxes


class SegmentBoxes:
    """The masks of a segmentation, each in its own box, so that many segments cost no more than one pass over it.

    Parameters
    ----------
    segmentation : Segmentation
    """

    def __init__(self, segmentation: Segmentation) -> None:
        self._layers = segmentation.layers
        self._boxes = [label_boxes(layer) for layer in segmentation.layers]

    def box(self, segment: Segment | None) -> Box | None:
        """Smallest box (k, j, i) that holds a segment; None if it has no voxel, or there is none."""
        return None if segment is None else self._boxes[segment.layer].get(segment.value)

    def mask(self, segment: Segment | None, box: Box) -> np.ndarray:
        """Boolean array of a box's shape: where the segment is in it."""
        part = self._layers[segment.layer if segment is not None else 0][box]
        return np.zeros(part.shape, bool) if segment is None else part == segment.value


def union_box(boxes: Sequence[Box | None], shape: Sequence[int], margin: int = 0) -> Box | None:
    """Smallest box that holds others, grown by `margin` inside `shape`; None if there is none."""
    known = [box for box in boxes if box is not None]
    if not known:
        return None
    k, j, i = (
        slice(max(min(s.start for s in sides) - margin, 0), min(max(s.stop for s in sides) + margin, n))
        for sides, n in zip(zip(*known, strict=True), shape, strict=True)
    )
    return k, j, i


def within(inner: Box, outer: Box) -> Box:
    """Box in the array of a box that was cut out of it, as a box in the array."""
    k, j, i = (slice(o.start + s.start, o.start + s.stop) for s, o in zip(inner, outer, strict=True))
    return k, j, i


def touches_border(box: Box, shape: Sequence[int]) -> bool:
    """Whether a box reaches the first or last voxel of the array, so that what it holds may be cut."""
    return any(part.start == 0 or part.stop == size for part, size in zip(box, shape, strict=True))
