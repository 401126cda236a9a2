"""The appearance prior: a small network that learns from the drawn slices what each segment looks like.

Random walks that only feel boundaries lose thin structures that no drawn slice crosses (Grady 2006,
doi:10.1109/TPAMI.2006.233); a prior on appearance brings them back (Grady 2005, doi:10.1109/CVPR.2005.239). Here the
prior is a perceptron with two hidden layers on image features and on the interpolated shape. For training, the
interpolated shape of a drawn slice is computed as if that slice had not been drawn, so the network learns how far
shape and appearance can be trusted in this very volume: where neighbours look alike, shape wins.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from ACSegLib.fill.features import ImageFeatures
from ACSegLib.fill.labelled_slices import Seeds
from ACSegLib.fill.shape import ShapeGuess
from ACSegLib.jobs import Progress

#: Units of the hidden layers.
HIDDEN = (24, 16)

#: Least share of a segment among the training voxels.
LEAST_SHARE = 0.02

#: Segments beyond this number share one group ("foreground") in the network; shape tells them apart.
MOST_GROUPS = 8


@dataclass
class PriorNetwork:
    """Weights (outputs, inputs) and biases of the three layers, float32, input standardisation folded in."""

    layers: tuple[np.ndarray, ...]

    def probabilities(self, x: np.ndarray) -> np.ndarray:
        """Class-group probabilities (N, G) of features (N, F)."""
        w1, b1, w2, b2, w3, b3 = self.layers
        h = np.maximum(x @ w1.T + b1, 0)
        h = np.maximum(h @ w2.T + b2, 0)
        z = h @ w3.T + b3
        e = np.exp(z - z.max(1, keepdims=True))
        return e / e.sum(1, keepdims=True)


@dataclass
class Samples:
    """Training voxels: features (N, F), groups (N,), the plane each lies in (N,), and its weight (N,)."""

    x: np.ndarray
    y: np.ndarray
    plane: np.ndarray
    weight: np.ndarray


def group_classes(seeds: Seeds) -> list[list[int]]:
    """Groups of classes that the network tells apart, background first."""
    count = len(seeds.table)
    if count - 1 <= MOST_GROUPS:
        return [[c] for c in range(count)]
    return [[0], list(range(1, count))]


def choose_voxels(classes: np.ndarray, groups: list[list[int]], count: int, seed: int = 0) -> np.ndarray:
    """Choose known voxels to learn from, half of them within two voxels of an outline.

    A rare group (beads) gets a share of at least `LEAST_SHARE`, or it would be forgotten; the voxels around it count to
    that share too, so that its outline is learnt without a bias to either side.

    Parameters
    ----------
    classes : ndarray of int16, (K, J, I)
        Negative where unknown.

    Returns
    -------
    ndarray, (5, N)
        plane, row, column, group and stratum, sorted by plane, row and column.
    """
    rng = np.random.default_rng(seed)
    group_of = np.full(max(max(g) for g in groups) + 1, -1, np.int64)
    for number, members in enumerate(groups):
        group_of[members] = number
    planes = np.flatnonzero((classes >= 0).any(axis=(1, 2)))
    grouped = [np.where(classes[k] >= 0, group_of[np.maximum(classes[k], 0)], -1) for k in planes]
    total = np.sum([np.bincount(plane[plane >= 0], minlength=len(groups)) for plane in grouped], axis=0)
    strata = [_strata(plane, np.argsort(-total, kind="stable")) for plane in grouped]
    borders = [_near_border(plane) for plane in grouped]
    sizes = np.array([np.bincount(s[s >= 0], minlength=len(groups)) for s in strata])
    wanted = np.maximum(sizes.sum(0) / sizes.sum(), LEAST_SHARE) * count
    chosen = []
    for k, plane, stratum, border, size in zip(planes, grouped, strata, borders, sizes, strict=True):
        for g in range(len(groups)):
            number = int(np.ceil(wanted[g] * size[g] / max(sizes[:, g].sum(), 1)))
            here = stratum == g
            for pool in (np.flatnonzero(here & border), np.flatnonzero(here)):
                if len(pool):
                    picked = rng.choice(pool, min(-(-number // 2), len(pool)), replace=False)
                    place = np.unravel_index(picked, plane.shape)
                    chosen.append(np.stack([np.full(len(picked), k), *place, plane[place], stratum[place]]))
    points = np.concatenate(chosen, axis=1)
    return points[:, np.lexsort(points[2::-1])]


def _strata(plane: np.ndarray, by_size: np.ndarray) -> np.ndarray:
    """The rarest group within three voxels of each known voxel; -1 where unknown."""
    stratum = plane.copy()
    for g in by_size[1:]:
        if (plane == g).any():
            stratum[ndimage.binary_dilation(plane == g, iterations=3)] = g
    stratum[plane < 0] = -1
    return stratum


def _near_border(plane: np.ndarray) -> np.ndarray:
    """Known voxels within two voxels of another known group."""
    border = np.zeros(plane.shape, bool)
    for axis in (0, 1):
        for distance in (1, 2):
            a = np.take(plane, range(distance, plane.shape[axis]), axis)
            b = np.take(plane, range(plane.shape[axis] - distance), axis)
            differ = (a != b) & (a >= 0) & (b >= 0)
            front = [slice(None)] * 2
            back = [slice(None)] * 2
            front[axis], back[axis] = slice(distance, None), slice(None, -distance)
            border[tuple(front)] |= differ
            border[tuple(back)] |= differ
    return border


def collect_samples(
    features: ImageFeatures, classes: np.ndarray, groups: list[list[int]], shape: ShapeGuess, count: int = 40000
) -> Samples:
    """Gather features of chosen voxels; shape features leave out the drawn slice that a voxel lies in."""
    from ACSegLib.fill import image_kernels as kernels

    points = choose_voxels(classes, groups, count)
    x = np.empty((points.shape[1], features.count(len(shape.groups))), np.float32)
    planes, starts = np.unique(points[0], return_index=True)
    ends = [*starts[1:], points.shape[1]]
    for k, start, end in zip(planes.tolist(), starts, ends, strict=True):
        low, high = max(k - 1, 0), min(k + 2, len(features.image))
        edges, fine = features.slab(low, high)
        guess = shape.planes([k], without=k)[0]
        kernels.gather_features(
            k - low, points[1, start:end], points[2, start:end], low, edges, fine, features.inverse_spacing,
            tuple(features.levels), features.placement, guess, shape.reach, x[start:end],
        )  # fmt: skip
    y = points[3]
    found = np.bincount(points[4], minlength=len(groups)).astype(float)
    share = found / found.sum()
    weight = np.where(found > 0, np.maximum(share, LEAST_SHARE) / np.maximum(share, 1e-9), 0.0)
    # a group of a handful of voxels is not worth a thousand times its number
    weight = np.minimum(weight, 20.0)[points[4]]
    return Samples(x, y, points[0], weight / weight.mean())


def train_network(
    samples: Samples,
    groups: int,
    *,
    steps: int = 600,
    batch: int = 512,
    seed: int = 0,
    progress: Progress | None = None,
) -> PriorNetwork:
    """Train the prior network by Adam on weighted cross entropy.

    The same samples and seed give the same network. Numbers of voxels are small (some ten thousand), so numpy's matrix
    products are faster here than starting a deep-learning library.
    """
    rng = np.random.default_rng(seed)
    mean, std = samples.x.mean(0), samples.x.std(0) + 1e-6
    x = ((samples.x - mean) / std).astype(np.float32)
    sizes = (x.shape[1], *HIDDEN, groups)
    layers = []
    for a, b in itertools.pairwise(sizes):
        layers += [rng.normal(0, np.sqrt(2 / a), (a, b)).astype(np.float32), np.zeros(b, np.float32)]
    first = [np.zeros_like(v) for v in layers]
    second = [np.zeros_like(v) for v in layers]
    target = np.eye(groups, dtype=np.float32)[samples.y]
    weight = samples.weight.astype(np.float32)[:, None]
    order = rng.permutation(len(x))
    position = 0
    for step in range(1, steps + 1):
        if progress is not None and step % 50 == 0:
            progress.check()
        if position + batch > len(order):
            order, position = rng.permutation(len(x)), 0
        pick = order[position : position + batch]
        position += batch
        rate = 0.01 * 0.5 * (1 + np.cos(np.pi * step / steps)) * min(1.0, step / 20)
        gradients = _gradients(layers, x[pick], target[pick], weight[pick])
        for n, (value, gradient) in enumerate(zip(layers, gradients, strict=True)):
            first[n] += 0.1 * (gradient - first[n])
            second[n] += 0.01 * (gradient * gradient - second[n])
            scale = np.sqrt(1 - 0.99**step) / (1 - 0.9**step)
            value -= np.float32(rate * scale) * first[n] / (np.sqrt(second[n]) + 1e-8)
            if value.ndim == 2:
                value -= np.float32(rate * 1e-3) * value
    w1, b1 = layers[0] / std[:, None], layers[1] - (mean / std) @ layers[0]
    folded = (w1.T, b1, layers[2].T, layers[3], layers[4].T, layers[5])
    return PriorNetwork(tuple(np.ascontiguousarray(v, np.float32) for v in folded))


def _gradients(layers: list[np.ndarray], x: np.ndarray, target: np.ndarray, weight: np.ndarray) -> list[np.ndarray]:
    """Gradients of the mean weighted cross entropy, in the order of `layers`."""
    w1, b1, w2, b2, w3, b3 = layers
    a = np.maximum(x @ w1 + b1, 0)
    b = np.maximum(a @ w2 + b2, 0)
    z = b @ w3 + b3
    e = np.exp(z - z.max(1, keepdims=True))
    dz = (e / e.sum(1, keepdims=True) - target) * weight / np.float32(len(x))
    db = (dz @ w3.T) * (b > 0)
    da = (db @ w2.T) * (a > 0)
    return [x.T @ da, da.sum(0), a.T @ db, db.sum(0), b.T @ dz, dz.sum(0)]
