"""Label images that several segments share: taken apart and put together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ACSegLib.scene import grid, read

if TYPE_CHECKING:
    from ACSegLib.scene.outgoing import OutgoingLabels

#: A vtkOrientedImageData and the value that each of its segments has in it.
Image = tuple[Any, dict[str, int]]


def other_images(
    node: Any, written: Sequence[str], erasable: Sequence[str], labels: OutgoingLabels
) -> tuple[list[Image], list[Image]]:
    """Give the images of those segments that are not written: new ones where they change, and those that do not.

    A new one lacks the written segments, and of the erasable ones what the write takes. Values are unchanged.
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
    place, added_place = grid.image_lattice(image), grid.image_lattice(added_image)
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
