"""A canonical orientation, found from the image: whatever the order and direction of its axes, a network sees the same.

The capillary lies along any axis, by beamline and software. A network that was trained over all orientations predicts
each of the 48 a little differently. So a small image is brought to one of them first: the axes are ordered, and each is
directed, by figures that turn with the image. Two orientations of one image are then predicted alike, but for rounding.
"""

from __future__ import annotations

import numpy as np

from ACSegLib.axis_order import AxisOrder
from ACSegLib.volume import Segmentation, Volume


def canonical_orientation(image: np.ndarray) -> AxisOrder:
    """Find the orientation in which an image is predicted.

    Axes are ordered by their length and then by the variance of the mean of the planes across them, the smallest
    first: along a capillary planes differ least. Each axis runs so that the second half is the darker one.

    Parameters
    ----------
    image : ndarray of float, shape (k, j, i)

    Returns
    -------
    AxisOrder
        For any order and direction of the image's axes, `enter` gives the same image, unless the image is symmetric.
    """
    profiles = [image.mean(axis=tuple(a for a in range(3) if a != axis), dtype=np.float64) for axis in range(3)]
    order = sorted(range(3), key=lambda axis: (-image.shape[axis], float(profiles[axis].var())))
    backwards = []
    for axis in order:
        profile = profiles[axis] - profiles[axis].mean()
        moment = float(profile @ (np.arange(len(profile)) - (len(profile) - 1) / 2))
        backwards.append(moment > 0)
    return AxisOrder((order[0], order[1], order[2]), (backwards[0], backwards[1], backwards[2]))


def in_canonical_orientation(volume: Volume, labels: Segmentation) -> tuple[Volume, Segmentation]:
    """Bring an image and its labels to the orientation in which a prediction sees the image.

    The result has no place or voxel size: it is for the training of models that reduce every image.
    """
    orientation = canonical_orientation(volume.array)
    image = Volume(np.ascontiguousarray(orientation.enter(volume.array)), name=volume.name)
    array = np.ascontiguousarray(orientation.enter(labels.labels))
    return image, Segmentation((array,), labels.segments, image.geometry, labels.name)
