"""A canonical orientation, found from the image: whatever the order and direction of its axes, a network sees the same.

The capillary lies along any axis, by beamline and software. A network that was trained over all orientations predicts
each of the 48 a little differently. So a small image is brought to one of them first: the axes are ordered, and each is
directed, by figures that turn with the image. Two orientations of one image are then predicted alike, but for rounding.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ACSegLib.volume import Segmentation, Volume


@dataclass(frozen=True)
class Orientation:
    """An order and direction of the last three axes of an array.

    Parameters
    ----------
    order : (int, int, int)
        Which axis (0, 1, 2 for k, j, i) of the image comes first, second, third.
    reversed : (bool, bool, bool)
        Which axes of the result run backwards.
    """

    order: tuple[int, int, int] = (0, 1, 2)
    reversed: tuple[bool, bool, bool] = (False, False, False)

    def apply(self, array: np.ndarray) -> np.ndarray:
        """The array in this orientation; a view."""
        first = array.ndim - 3
        return array.transpose(*range(first), *(first + axis for axis in self.order))[self._directions()]

    def undo(self, array: np.ndarray) -> np.ndarray:
        """An array in this orientation as it was before; a view."""
        first = array.ndim - 3
        back = np.argsort(self.order)
        return array[self._directions()].transpose(*range(first), *(first + int(axis) for axis in back))

    def _directions(self) -> Any:
        return (..., *(slice(None, None, -1 if backwards else 1) for backwards in self.reversed))


def canonical_orientation(image: np.ndarray) -> Orientation:
    """Find the orientation in which an image is predicted.

    Axes are ordered by their length and then by the variance of the mean of the planes across them, the smallest
    first: along a capillary planes differ least. Each axis runs so that the second half is the darker one.

    Parameters
    ----------
    image : ndarray of float, shape (k, j, i)

    Returns
    -------
    Orientation
        For any order and direction of the image's axes, `apply` gives the same image, unless the image is symmetric.
    """
    profiles = [image.mean(axis=tuple(a for a in range(3) if a != axis), dtype=np.float64) for axis in range(3)]
    order = sorted(range(3), key=lambda axis: (-image.shape[axis], float(profiles[axis].var())))
    backwards = []
    for axis in order:
        profile = profiles[axis] - profiles[axis].mean()
        moment = float(profile @ (np.arange(len(profile)) - (len(profile) - 1) / 2))
        backwards.append(moment > 0)
    return Orientation((order[0], order[1], order[2]), (backwards[0], backwards[1], backwards[2]))


def in_canonical_orientation(volume: Volume, labels: Segmentation) -> tuple[Volume, Segmentation]:
    """Bring an image and its labels to the orientation in which a prediction sees the image.

    The result has no place or voxel size: it is for the training of models that reduce every image.
    """
    orientation = canonical_orientation(volume.array)
    image = Volume(np.ascontiguousarray(orientation.apply(volume.array)), name=volume.name)
    array = np.ascontiguousarray(orientation.apply(labels.labels))
    return image, Segmentation((array,), labels.segments, image.geometry, labels.name)
