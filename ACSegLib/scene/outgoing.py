"""The labels of one write: packed in layers on the volume's grid, merged with what masking keeps.

Segments that do not overlap share a label image: those that are not written are taken out of the images that change,
and written ones are put into images where there is room.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from ACSegLib.masks import bounding_box
from ACSegLib.scene import grid, read
from ACSegLib.scene.editing import EditRules
from ACSegLib.volume import Segment, Segmentation

#: A vtkOrientedImageData and the value that each of its segments has in it.
Image = tuple[Any, dict[str, int]]


class OutgoingLabels:
    """Labels on their way into a segmentation node.

    Parameters
    ----------
    segmentation : Segmentation
        Where the labels come from.
    rows : sequence of Segment
        Those of its rows that are written.
    targets : mapping
        Row id -> id of the segment in the node.
    node : vtkMRMLSegmentationNode
        Written into.
    volume_node : vtkMRMLScalarVolumeNode or None
        Whose frame the labels are in; None: the world.
    """

    def __init__(
        self,
        segmentation: Segmentation,
        rows: Sequence[Segment],
        targets: Mapping[str, str],
        node: Any,
        volume_node: Any,
    ) -> None:
        self._node, self._volume_node = node, volume_node
        self._matrix = (
            grid.volume_matrix(volume_node)
            if volume_node is not None
            else grid.matrix_from_geometry(segmentation.geometry, grid.length_unit(node))
        )
        self._start = np.zeros(3, int)
        self._inside = tuple(slice(0, n) for n in segmentation.shape)  # the grid within the box (k, j, i)
        self._values = {targets[row.id]: number for number, row in enumerate(rows, start=1)}
        self._covered: Any = None
        self._layer_of: dict[str, int] = {}
        self._layers: list[np.ndarray] = []
        for number, layer in enumerate(segmentation.layers):
            members = [row for row in rows if row.layer == number]
            if members:
                self._layer_of.update({targets[row.id]: len(self._layers) for row in members})
                values = {row.value: self._values[targets[row.id]] for row in members}
                self._layers.append(grid.relabelled(layer, values, copy=False))

    def merge_existing(self, rules: EditRules) -> None:
        """Take masked voxels out, and put in what the segments have there, and outside the grid, already."""
        known = set(self._node.GetSegmentation().GetSegmentIDs())
        ids = [s for s in self._values if s in known]
        old = read.label_layers(self._node, ids, self._volume_node) if ids else []
        self._grow(old)
        if rules.allowed is not None:
            self._layers = [layer.copy() for layer in self._layers]
            for layer in self._layers:
                layer[self._inside][~rules.allowed] = 0
        self._covered = self._newly_taken(old) if rules.erasable else None  # a whole tomogram, seldom asked for
        shape = self._layers[0].shape if self._layers else ()
        if rules.allowed is None and shape == tuple(s.stop - s.start for s in self._inside):
            return  # the layers may still be the segmentation's own: nothing is written into them
        kept = np.ones(shape, bool)
        kept[self._inside] = False if rules.allowed is None else ~rules.allowed
        for image, members in old:
            self._put(np.where(kept, self._placed(image, members), 0), members)

    def _box(self, shape: tuple[int, ...]) -> grid.Grid:
        return grid.Grid(self._matrix, shape, tuple(self._start))

    def _grow(self, old: Sequence[tuple[Any, list[str]]]) -> None:
        """Widen the box of the layers to hold what the written segments have outside the grid."""
        low = self._start.copy()
        high = low + np.array([s.stop for s in self._inside[::-1]])
        for image, members in old:
            whole = self._reach(image, [slice(0, n) for n in grid.image_array(image).shape])
            if whole is None or (np.all(whole[0] >= low) and np.all(whole[1] <= high)):
                continue  # no voxel of it can lie outside, so that its segments need not be looked for
            box = self._occupied(image, members)
            reach = self._reach(image, box) if box is not None else None
            if reach is not None:
                low, high = np.minimum(low, reach[0]), np.maximum(high, reach[1])
        before = -low[::-1]
        if not before.any() and np.array_equal(high[::-1], [s.stop for s in self._inside]):
            return
        after = high[::-1] - [s.stop for s in self._inside]
        self._layers = [np.pad(layer, list(zip(before, after, strict=True))) for layer in self._layers]
        self._inside = tuple(slice(b, b + s.stop) for b, s in zip(before, self._inside, strict=True))
        self._start = low

    def _occupied(self, image: Any, members: Sequence[str]) -> Sequence[slice] | None:
        """Smallest box (k, j, i) of a layer that holds every voxel of some of its segments; None without any."""
        source = self._node.GetSegmentation()
        values = {source.GetSegment(s).GetLabelValue(): 1 for s in members}
        return bounding_box(grid.relabelled(grid.image_array(image), values))

    def _reach(self, image: Any, box: Sequence[slice]) -> tuple[np.ndarray, np.ndarray] | None:
        """First and last + 1 index (i, j, k) on the volume's grid of a box (k, j, i) of a layer."""
        matrix, _ = grid.transform_between(self._node, self._volume_node)
        if matrix is None:  # a bent frame has no box to widen to
            return None
        ends = [(s.start, s.stop - 1) for s in box[::-1]]
        indices = np.array(np.meshgrid(*ends, indexing="ij")).reshape(3, -1)
        indices = indices + np.array(image.GetExtent()[::2])[:, None]
        between = np.linalg.inv(self._matrix) @ matrix @ grid.image_matrix(image)
        corners = between[:3, :3] @ indices + between[:3, 3:]
        low, high = np.floor(corners.min(axis=1) + 0.49), np.ceil(corners.max(axis=1) - 0.49)
        return low.astype(int), high.astype(int) + 1

    def _put(self, labels: np.ndarray, members: Sequence[str]) -> None:
        """Add kept voxels; a segment that would overlap another one in its layer moves to a layer of its own."""
        for number in sorted({self._layer_of[s] for s in members}):
            layer = self._layers[number]
            own = {self._values[s]: self._values[s] for s in members if self._layer_of[s] == number}
            kept = grid.relabelled(labels, own)
            clash = (layer != 0) & (kept != 0) & (layer != kept)
            for value in np.unique(kept[clash]).tolist():
                self._move_out(number, value, kept == value)
                kept[kept == value] = 0
            np.copyto(layer, kept, where=kept != 0)

    def _move_out(self, number: int, value: int, kept: np.ndarray) -> None:
        """Give a segment a layer of its own, with its voxels of layer `number` and those in `kept`."""
        layer = self._layers[number]
        own = np.where((layer == value) | kept, layer.dtype.type(value), layer.dtype.type(0))
        layer[layer == value] = 0
        identifier = next(s for s, known in self._values.items() if known == value)
        self._layer_of[identifier] = len(self._layers)
        self._layers.append(own)

    def _newly_taken(self, old: Sequence[tuple[Any, list[str]]]) -> Any:
        """Image of the voxels that the write takes and that none of its segments had: others may overlap the rest."""
        taken = np.logical_or.reduce([layer != 0 for layer in self._layers])
        for image, members in old:
            taken &= self._placed(image, members) == 0
        return grid.oriented_image(taken.view(np.uint8), self._matrix, tuple(self._start))

    def _placed(self, image: Any, members: Sequence[str]) -> np.ndarray:
        """Labels of some segments of one of the node's images in the box of the layers, as the write numbers them."""
        source = self._node.GetSegmentation()
        labels = read.place_labels(self._box(self._layers[0].shape), self._volume_node, image, self._node)
        return grid.relabelled(labels, {source.GetSegment(s).GetLabelValue(): self._values[s] for s in members})

    def covered_in(self, image: Any) -> np.ndarray:
        """Tell what the write newly takes: a boolean array on the voxels of one of the node's label images."""
        there = read.place_labels(grid.of_image(image), self._node, self._covered, self._volume_node)
        return there != 0

    def images(self) -> Iterator[Image]:
        """Give one vtkOrientedImageData a layer, in the node's frame, and the values of its segments."""
        import slicer

        matrix, transform = grid.transform_between(self._volume_node, self._node)
        for number, layer in enumerate(self._layers):
            values = {s: self._values[s] for s, place in self._layer_of.items() if place == number}
            box = bounding_box(layer)
            if box is None:
                yield slicer.vtkOrientedImageData(), values
                continue
            start = tuple(int(s.start + low) for s, low in zip(box[::-1], self._start, strict=True))
            place = self._matrix if matrix is None else matrix @ self._matrix
            image = grid.oriented_image(layer[box], place, start)
            if transform is not None:
                slicer.vtkOrientedImageDataResample.TransformOrientedImage(image, transform)
            yield image, values


def other_images(
    node: Any, written: Sequence[str], erasable: Sequence[str], labels: OutgoingLabels
) -> tuple[list[Image], list[Image]]:
    """Give the images of those segments that are not written: new ones where they change, and those that do not.

    A new one lacks the written segments, and of the erasable ones what the write newly takes. Values are unchanged.
    """
    table = node.GetSegmentation()
    changed: list[Image] = []
    untouched: list[Image] = []
    for image, members in read.label_layers(node, table.GetSegmentIDs(), None):
        stay = {s: table.GetSegment(s).GetLabelValue() for s in members if s not in set(written)}
        if not stay:
            continue
        before = grid.image_array(image)
        after = grid.relabelled(before, {value: value for value in stay.values()})
        spared = {value: value for s, value in stay.items() if s not in set(erasable)}
        if len(spared) < len(stay):
            covered = labels.covered_in(image)
            after[covered] = grid.relabelled(after[covered], spared)
        if len(stay) < len(members) or np.any(after != before):
            changed.append((grid.oriented_image(after, grid.image_matrix(image), image.GetExtent()[::2]), stay))
        else:
            untouched.append((image, stay))
    return changed, untouched


def joined(changed: Sequence[Image], untouched: Sequence[Image], own: Iterable[Image]) -> list[Image]:
    """Let written labels share an image with others where they do not overlap, so that images do not heap up.

    Returns
    -------
    list
        The images to set: the changed ones and those of the written segments, joined where possible.
    """
    pool = [*changed, *untouched]
    to_set = set(range(len(changed)))
    for entry in own:
        for number, candidate in enumerate(pool):
            both = _both(candidate, entry)
            if both is not None:
                pool[number] = both
                to_set.add(number)
                break
        else:
            pool.append(entry)
            to_set.add(len(pool) - 1)
    return [pool[number] for number in sorted(to_set)]


def _both(first: Image, second: Image) -> Image | None:
    """Join two label images; None if their voxels do not coincide, or their labels overlap."""
    (image, values), (added_image, added_values) = first, second
    free = max(values.values(), default=0)
    new_values = {s: free + number for number, s in enumerate(added_values, start=1)}
    if added_image.GetNumberOfPoints() == 0:
        return image, values | new_values
    if image.GetNumberOfPoints() == 0:
        return None
    place, added_place = grid.of_image(image), grid.of_image(added_image)
    shift = grid.whole_voxel_shift(added_place, place)
    if shift is None:
        return None
    low = np.minimum(0, shift)
    high = np.maximum(place.shape[::-1], shift + added_place.shape[::-1])
    labels = np.zeros((high - low)[::-1], grid.label_type(free + len(new_values)))
    _region(labels, -low, place.shape)[...] = grid.relabelled(
        grid.image_array(image), {value: value for value in values.values()}
    )
    added = grid.relabelled(grid.image_array(added_image), {v: new_values[s] for s, v in added_values.items()})
    there = _region(labels, shift - low, added_place.shape)
    if np.any((there != 0) & (added != 0)):
        return None
    there += added.astype(labels.dtype)
    return grid.oriented_image(labels, place.matrix, tuple(low + place.start)), values | new_values


def _region(array: np.ndarray, start: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """View the part of an array that begins at index `start` (i, j, k) and has a shape (k, j, i)."""
    return array[tuple(slice(int(low), int(low) + n) for low, n in zip(start[::-1], shape, strict=True))]
