"""The seeds of the walk after a network: where it is certain, away from any boundary."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from ACSegLib.components import find_components
from ACSegLib.distances import within_distance
from ACSegLib.masks import at_borders, count_value, grow_or_shrink, value_box
from ACSegLib.network.predict.working_probabilities import values_at
from ACSegLib.threads import in_threads

#: Probability from which on a voxel is certain and may become a seed.
CERTAIN = 0.9
#: A component without a certain voxel has those as seeds whose probability is this share of its largest one.
CERTAIN_IN_COMPONENT = 0.95
#: A part of a lesser segment stays as the network drew it if its inscribed radius is below this multiple of the band.
SMALL_PART = 1.5
#: Voxels this near to such a part, its background, are kept too.
RIM = 1.5
#: Voxels that are looked at in one go.
SLAB_VOXELS = 1 << 23


def confident_seeds(
    labels: np.ndarray,
    probabilities: Sequence[np.ndarray],
    values: Sequence[int],
    band: int,
    check: Callable[[], None] = lambda: None,
) -> np.ndarray:
    """Output channel where the network is certain and no other class lies within `band` voxels; -1 elsewhere.

    A component too thin to survive keeps its most certain voxels: a seed on its axis is better than none.

    Parameters
    ----------
    labels : ndarray of int, shape (k, j, i)
    probabilities : sequence of ndarray, shape (k, j, i)
        Of each channel.
    values : sequence of int
        Value in `labels` of each channel, 0 (background) first.
    band : int
        In steps from voxel to voxel.
    check : callable, optional
        Raises if the user has asked to stop.

    Returns
    -------
    ndarray of int, shape (k, j, i)
        Of the smallest type that holds the channels.
    """
    seeds = np.empty(labels.shape, np.min_scalar_type(-len(values)))

    def decide(slab: tuple[int, int]) -> None:
        low, high = slab
        first = max(low - band, 0)
        seeds[low:high] = -1
        far = ~_near_other_class(labels[first : high + band], band)[low - first : high - first]
        for channel, value in enumerate(values):
            mask = far & (labels[low:high] == value)
            if mask.any():
                mask &= np.asarray(probabilities[channel][low:high], np.float32) > CERTAIN
                np.copyto(seeds[low:high], channel, where=mask)

    check()
    in_threads(decide, slabs(labels.shape), check)
    for channel, value in enumerate(values):
        check()
        if value:
            _seed_thin_components(seeds, labels, probabilities[channel], value, channel)
    return seeds


def slabs(shape: Sequence[int]) -> list[tuple[int, int]]:
    """First plane, and the one after the last, of the parts that a volume is looked at in."""
    planes = max(1, SLAB_VOXELS // max(1, math.prod(shape[1:])))
    return [(k, min(k + planes, shape[0])) for k in range(0, shape[0], planes)]


def lesser_channels(labels: np.ndarray, values: Sequence[int]) -> list[int]:
    """Channels of the segments that are labelled, without the largest one; channel 0 is the background."""
    sizes = {channel: count_value(labels, value) for channel, value in enumerate(values) if channel}
    largest = max(sizes, key=lambda channel: sizes[channel], default=0)
    return [channel for channel, size in sizes.items() if size and channel != largest]


def keep_small_parts(seeds: np.ndarray, labels: np.ndarray, values: Sequence[int], channel: int, band: int) -> None:
    """Make seeds of a segment's small parts and of the rim around them, each as it is labelled, in place.

    A small part has too few certain voxels to tell how the segment looks, and the walk would wear it off.

    Parameters
    ----------
    seeds : ndarray of int, shape (k, j, i)
        Output channel of each seed, -1 elsewhere.
    labels : ndarray of int, shape (k, j, i)
    values : sequence of int
        Value in `labels` of each channel.
    channel : int
        The segment's.
    band : int
        Half width of the band, in voxels.
    """
    from scipy.ndimage import label

    box = value_box(labels, values[channel], margin=math.ceil(RIM) + 1)
    if box is None:
        return
    mask = labels[box] == values[channel]
    parts, count = label(mask)
    deep = mask & ~within_distance(~mask, (1, 1, 1), SMALL_PART * band, inclusive=False)
    large = np.zeros(count + 1, bool)
    large[parts[deep]] = True
    small = mask & ~large[parts]
    kept = within_distance(small, (1, 1, 1), RIM) if small.any() else small
    order = np.argsort(values)
    seeds[box][kept] = order[np.searchsorted(values, labels[box][kept], sorter=order)]


def _near_other_class(labels: np.ndarray, band: int) -> np.ndarray:
    """Voxels from which up to `band` steps along the axes lead to another class."""
    near = at_borders(labels)
    return grow_or_shrink(near, True, band - 1) if near.any() else near


def _seed_thin_components(
    seeds: np.ndarray, labels: np.ndarray, probability: np.ndarray, value: int, channel: int
) -> None:
    """Give components of a segment that have no seed their most certain voxels as seeds, in place."""
    box = value_box(labels, value)
    if box is None:
        return
    mask = labels[box] == value
    components = find_components(mask, 6)
    np.equal(seeds[box], channel, out=mask)  # in the same memory: that of a large image takes long to come by
    number, voxels = components.voxels(~components.holding(mask))
    if not len(voxels):
        return
    places = np.unravel_index(voxels, components.shape)
    sure = values_at(probability, tuple(p + side.start for p, side in zip(places, box, strict=True)))
    peaks = np.zeros(len(components), np.float32)
    np.maximum.at(peaks, number, sure)
    chosen = sure > np.minimum(CERTAIN, CERTAIN_IN_COMPONENT * peaks)[number]
    seeds[box][tuple(p[chosen] for p in places)] = channel
