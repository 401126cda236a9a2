"""Simulated objects with a known truth, and segmentations of them that are wrong in a known way."""

import numpy as np

from ACSegLib.volume import Geometry, Segmentation, Volume

SHAPE = (36, 40, 44)
GEOMETRY = Geometry((30.0, 30.0, 30.0), unit="nm")


def ball(shape=SHAPE, centre=(18, 20, 22), radius=12.0):
    k, j, i = np.indices(shape)
    return (k - centre[0]) ** 2 + (j - centre[1]) ** 2 + (i - centre[2]) ** 2 <= radius**2


def image_of(mask, noise=0.08, seed=0):
    """A noisy image of a mask: 1 inside, 0 outside."""
    values = mask + np.random.default_rng(seed).normal(0, noise, mask.shape)
    return Volume(values.astype(np.float32), GEOMETRY, "image")


def segmentation(labels, names=None, name="segmentation"):
    labels = np.asarray(labels)
    dtype = np.uint16 if labels.max() > 255 else np.uint8
    return Segmentation.from_labels(labels.astype(dtype), GEOMETRY, names or {1: "cell"}, name=name)


def dice(a, b):
    return 2 * np.count_nonzero(a & b) / (np.count_nonzero(a) + np.count_nonzero(b))
