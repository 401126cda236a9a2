"""The voxels of single segments, each in the box that it occupies; the boxes of all are found in one pass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ACSegLib.scene import grid
from ACSegLib.scene.read import voxel_shift

Box = tuple[slice, slice, slice]

#: Label images whose boxes are remembered: as many as the segmentations of a scene have layers.
MAX_KNOWN = 16


@dataclass(frozen=True)
class SegmentCrop:
    """One segment in its box.

    Attributes
    ----------
    mask : ndarray of bool, shape (k, j, i)
    image : vtkOrientedImageData
        That holds it.
    start : tuple of int
        Index (i, j, k) of the box's first voxel in the image.
    """

    mask: np.ndarray
    image: Any
    start: tuple[int, int, int]

    def geometry(self, unit: str) -> Any:
        """Where the box lies in the node's frame; `unit` is that of the node's numbers."""
        first = [int(a + b) for a, b in zip(self.image.GetExtent()[::2], self.start, strict=True)]
        return grid.geometry_from_matrix(grid.image_matrix(self.image), unit).cropped(first)

    def within(self, node: Any, volume_node: Any) -> tuple[np.ndarray, np.ndarray] | None:
        """The mask and the voxels of a volume under it, as far as they overlap; None where their grids differ."""
        target = grid.of_volume(volume_node)
        shift = voxel_shift(self.image, node, target, volume_node)
        if shift is None:
            return None
        mask_box, volume_box = [], []
        for offset, size, room in zip((shift + self.start)[::-1], self.mask.shape, target.shape, strict=True):
            low, high = max(offset, 0), max(min(offset + size, room), max(offset, 0))
            mask_box.append(slice(int(low - offset), int(high - offset)))
            volume_box.append(slice(int(low), int(high)))
        voxels = grid.image_array(volume_node.GetImageData())
        return self.mask[tuple(mask_box)], voxels[tuple(volume_box)]


class SegmentBoxes:
    """Finds the box of each segment once, and anew when the labels have changed."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[int, list[Box | None]]] = {}

    def crop(self, node: Any, segment_id: str) -> SegmentCrop | None:
        """Give a segment of a segmentation node in its box; None where it is empty, or is not stored as voxels."""
        segment = node.GetSegmentation().GetSegment(segment_id)
        image = segment.GetRepresentation(grid.BINARY_LABELMAP)
        if image is None or image.GetNumberOfPoints() == 0:
            return None
        boxes, value = self._boxes(image), segment.GetLabelValue()
        box = boxes[value - 1] if value <= len(boxes) else None
        if box is None:
            return None
        start = tuple(s.start for s in box[::-1])
        return SegmentCrop(grid.image_array(image)[box] == value, image, start)

    def _boxes(self, image: Any) -> list[Box | None]:
        from scipy import ndimage

        name, time = image.GetAddressAsString(""), max(image.GetMTime(), image.GetPointData().GetMTime())
        if self._known.get(name, (-1, []))[0] != time:
            if len(self._known) >= MAX_KNOWN:
                self._known.clear()
            self._known[name] = (time, ndimage.find_objects(grid.image_array(image)))
        return self._known[name][1]
