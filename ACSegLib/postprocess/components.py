"""Connected components of label arrays, and the two rules that remove some: those that are small, or uncertain."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from ACSegLib.components import find_components
from ACSegLib.jobs import Progress
from ACSegLib.masks import Box, bounding_box
from ACSegLib.volume import label_boxes

#: A size in voxels (1 or more), or a fraction (below 1) of something that the user of the size names.
Amount = float


def class_boxes(
    labels: np.ndarray, sizes: Mapping[int, Amount], progress: Progress
) -> Iterator[tuple[int, Amount, Box]]:
    """Each class that is present, with its size and its box: no class costs a pass over the whole volume."""
    if not sizes:
        return
    boxes = label_boxes(labels)
    for n, (value, size) in enumerate(sizes.items()):
        progress(n / len(sizes))
        if value in boxes:
            yield value, size, boxes[value]


def remove_small_components(
    labels: np.ndarray,
    sizes: Mapping[int, Amount],
    known: np.ndarray | None = None,
    changed: np.ndarray | None = None,
    progress: Progress | None = None,
) -> int:
    """Turn components below a size into background, in place; see `ACSegLib.postprocess.rules.RemoveSmallComponents`.

    Returns
    -------
    int
        Voxels changed.
    """
    progress, count = progress or Progress(), 0
    progress(0.0, "removing islands")
    for value, amount, box in class_boxes(labels, sizes, progress):
        part = labels[box]
        components = find_components(part == value, 6)
        progress.check()
        small = components.sizes < (amount if amount >= 1 else amount * components.sizes.max())
        if known is not None:
            small &= ~components.holding(known[box])
        if small.any():
            removed = np.unravel_index(components.voxels(small)[1], part.shape)
            part[removed] = 0
            count += len(removed[0])
            if changed is not None:
                changed[box][removed] = True
    return count


def remove_uncertain_components(
    labels: np.ndarray,
    probability: np.ndarray,
    known: np.ndarray | None,
    threshold: float,
    changed: np.ndarray | None = None,
    progress: Progress | None = None,
) -> int:
    """Turn components that hold no known voxel into background where they are uncertain, in place.

    Components are 26-connected.

    Parameters
    ----------
    labels : ndarray of int, shape (k, j, i)
        Class of each voxel; changed in place.
    probability : ndarray of float, shape (k, j, i)
        Probability of the likeliest class but background.
    known : ndarray of bool, shape (k, j, i), optional
    threshold : float
        Least mean probability of what stays.
    changed : ndarray of bool, optional
        Marked where labels change.

    Returns
    -------
    int
        Voxels changed.
    """
    from scipy import ndimage

    progress, count = progress or Progress(), 0
    whole = bounding_box(labels > 0, margin=1)
    if whole is None:
        return count
    labels, probability = labels[whole], probability[whole]
    known = None if known is None else known[whole]
    changed = None if changed is None else changed[whole]
    neighbours = np.ones((3, 3, 3), bool)
    removed = np.zeros(labels.shape, bool)
    for value, box in enumerate(ndimage.find_objects(labels), 1):
        if box is None:
            continue
        progress.check()
        numbers, number = ndimage.label(labels[box] == value, neighbours)
        certain = np.zeros(number + 1, bool)
        if known is not None:
            certain[numbers[known[box]]] = True
        certain[0] = True
        if certain.all():
            continue
        size = np.bincount(numbers.ravel(), minlength=number + 1)
        total = np.bincount(numbers.ravel(), weights=probability[box].ravel(), minlength=number + 1)
        uncertain = ~certain & (total < threshold * size)
        if uncertain.any():
            removed[box] |= uncertain[numbers]
    labels[removed] = 0
    if changed is not None:
        changed |= removed
    return int(np.count_nonzero(removed))
