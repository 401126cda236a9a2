"""Connected components of label arrays, and the two rules that remove some: those that are small, or uncertain."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from ACSegLib.components import find_components
from ACSegLib.jobs import Progress
from ACSegLib.masks import Box
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
    progress, count = progress or Progress(), 0
    for value, box in label_boxes(labels).items():
        part = labels[box]
        components = find_components(part == value, 26)
        progress.check()
        uncertain = np.ones(len(components), bool) if known is None else ~components.holding(known[box])
        if not uncertain.any():
            continue
        numbers, voxels = components.voxels(uncertain)
        places = np.unravel_index(voxels, part.shape)
        total = np.bincount(numbers, probability[box][places], minlength=len(components))
        removed = (total < threshold * components.sizes)[numbers]
        places = tuple(place[removed] for place in places)
        part[places] = 0
        count += len(places[0])
        if changed is not None:
            changed[box][places] = True
    return count
