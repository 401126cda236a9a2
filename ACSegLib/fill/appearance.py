"""The appearance prior: a small network that learns from the drawn slices what each segment looks like.

Random walks that only feel boundaries lose thin structures that no drawn slice crosses (Grady 2006,
doi:10.1109/TPAMI.2006.233); a prior on appearance brings them back (Grady 2005, doi:10.1109/CVPR.2005.239). Here the
prior is a perceptron with two hidden layers on image features and on the interpolated shape. For training, the
interpolated shape of a drawn slice is computed as if that slice had not been drawn, so the network learns how far
shape and appearance can be trusted in this very volume: where neighbours look alike, shape wins.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy import ndimage

from ACSegLib.fill.features import SHAPE_FEATURES, ImageFeatures
from ACSegLib.fill.seeds import Seeds
from ACSegLib.fill.shape import ShapeGuess
from ACSegLib.jobs import Progress

#: Units of the hidden layers.
HIDDEN = (32, 24)

#: Updates in training, voxels of each, and learning rate at the start.
STEPS, BATCH, RATE = 1000, 512, 0.02

#: Decay of the weights, in units of the rate.
DECAY = 1e-3

#: Standard deviation below which a feature counts as constant.
LEAST_SPREAD = 1e-4

#: How often the shape guess is hidden in training.
HIDE_SHAPE = 0.1

#: Least share of a segment among the training voxels.
LEAST_SHARE = 0.02

#: How often the image alone has one group taken for another at least, for the two to look alike.
ALIKE = 0.1

#: Segments beyond this number share one group ("foreground") in the network; shape tells them apart.
MOST_GROUPS = 8


@dataclass
class PriorNetwork:
    """The network, and what it cannot tell apart.

    Attributes
    ----------
    layers : tuple of ndarray
        Weights (outputs, inputs) and biases of the three layers, float32, input standardisation folded in.
    taken_for : ndarray, (G, G)
        Mean probability of each group (columns) where another (rows) was drawn, by the image alone.
    """

    layers: tuple[np.ndarray, ...]
    taken_for: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))

    def probabilities(self, x: np.ndarray) -> np.ndarray:
        """Class-group probabilities (N, G) of features (N, F)."""
        w1, b1, w2, b2, w3, b3 = self.layers
        h = np.maximum(x @ w1.T + b1, 0)
        h = np.maximum(h @ w2.T + b2, 0)
        z = h @ w3.T + b3
        e = np.exp(z - z.max(1, keepdims=True))
        return e / e.sum(1, keepdims=True)

    def look_alikes(self, group: int) -> list[int]:
        """Groups but background that look like one, so that only the drawn shape can tell them from it."""
        return [g for g in range(1, len(self.taken_for)) if g != group and self.taken_for[g, group] >= ALIKE]


@dataclass
class Samples:
    """Training voxels: features (N, F), groups (N,), the plane each lies in (N,), and its weight (N,).

    The last `shapes` features are shape guesses.
    """

    x: np.ndarray
    y: np.ndarray
    plane: np.ndarray
    weight: np.ndarray
    shapes: int = 0

    def part(self, keep: np.ndarray) -> Samples:
        """The samples where `keep` (bool, (N,)) is True."""
        return Samples(self.x[keep], self.y[keep], self.plane[keep], self.weight[keep], self.shapes)


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
    plane = np.empty((x.shape[1], *classes.shape[1:]), np.float32)
    planes, starts = np.unique(points[0], return_index=True)
    ends = [*starts[1:], points.shape[1]]
    for k, start, end in zip(planes.tolist(), starts, ends, strict=True):
        low, high = max(k - 1, 0), min(k + 2, len(features.image))
        edges, fine = features.slab(low, high)
        guess = shape.planes([k], without=k)[0]
        kernels.plane_features(
            k - low, low, edges, fine, features.inverse_spacing, tuple(features.levels), features.placement, guess,
            shape.reach, plane,
        )  # fmt: skip
        x[start:end] = plane[:, points[1, start:end], points[2, start:end]].T
    y = points[3]
    found = np.bincount(points[4], minlength=len(groups)).astype(float)
    share = found / found.sum()
    weight = np.where(found > 0, np.maximum(share, LEAST_SHARE) / np.maximum(share, 1e-9), 0.0)
    # a group of a handful of voxels is not worth a thousand times its number
    weight = np.minimum(weight, 20.0)[points[4]]
    return Samples(x, y, points[0], weight / weight.mean(), SHAPE_FEATURES * len(shape.groups))


def train_network(
    samples: Samples,
    groups: int,
    *,
    steps: int = STEPS,
    seed: int = 0,
    progress: Progress | None = None,
) -> PriorNetwork:
    """Train the prior network by Adam on weighted cross entropy.

    The same samples and seed give the same network. Now and then the shape guess is hidden, so that the network also
    learns to go by the image alone: between slices there are things that no drawn outline hints at.

    Numbers of voxels are small (some ten thousand), so numpy's matrix products are faster here than starting a
    deep-learning library.
    """
    rng = np.random.default_rng(seed)
    mean, std = samples.x.mean(0), samples.x.std(0)
    # nothing can be learnt from a feature that was the same everywhere; it must not speak up where it is another
    std[std < LEAST_SPREAD] = np.inf
    count = samples.x.shape[1]
    x = np.ones((len(samples.x), count + 1), np.float32)
    x[:, :count] = (samples.x - mean) / std
    first_shape = count - samples.shapes
    without_shape = (-mean / std)[first_shape:]
    target = np.ascontiguousarray(np.eye(groups, dtype=np.float32)[:, samples.y])
    weight = (samples.weight / BATCH).astype(np.float32)
    training = _Training((count, *HIDDEN, groups), rng)
    order = rng.permutation(len(x))
    position = 0
    size = min(BATCH, len(x))
    for step in range(1, steps + 1):
        if progress is not None and step % 50 == 0:
            progress.check()
        if position + size > len(order):
            order, position = rng.permutation(len(x)), 0
        pick = order[position : position + size]
        position += size
        batch = x.take(pick, axis=0)
        if samples.shapes:
            batch[rng.random(size) < HIDE_SHAPE, first_shape:count] = without_shape
        rate = RATE * 0.5 * (1 + np.cos(np.pi * step / steps)) * min(1.0, step / 20)
        training.step(batch, target[:, pick], weight[pick], rate)
    w1, b1, *rest = training.layers()
    w1 = w1 / std
    network = PriorNetwork(tuple(np.ascontiguousarray(v, np.float32) for v in (w1, b1 - w1 @ mean, *rest)))
    network.taken_for = _taken_for(network, samples, groups)
    return network


def _taken_for(network: PriorNetwork, samples: Samples, groups: int) -> np.ndarray:
    """Mean probability of each group where each one was drawn, with the shape guess hidden; (G, G)."""
    x = samples.x.copy()
    x[:, x.shape[1] - samples.shapes :] = 0
    total = np.zeros((groups, groups))
    np.add.at(total, samples.y, network.probabilities(x) * samples.weight[:, None])
    return total / np.maximum(total.sum(axis=1, keepdims=True), 1e-12)


class _Training:
    """Parameters of the network in one vector, their gradients, and Adam's moments.

    The bias of a layer is the weight of an input that is always 1; the hidden layers hand that 1 on by a unit of their
    own, whose weights stay as they are. So a step is a handful of matrix products without temporaries to speak of.
    """

    def __init__(self, sizes: tuple[int, int, int, int], rng: np.random.Generator) -> None:
        inputs, first, second, groups = sizes
        shapes = [(inputs + 1, first + 1), (first + 1, second + 1), (second + 1, groups)]
        total = sum(a * b for a, b in shapes)
        self._values, self._gradients, self._first, self._second = np.zeros((4, total), np.float32)
        self._decay = np.zeros(total, np.float32)
        self._w, self._g = self._views(self._values, shapes), self._views(self._gradients, shapes)
        for w, decay in zip(self._w, self._views(self._decay, shapes), strict=True):
            w[:-1] = rng.normal(0, np.sqrt(2 / (w.shape[0] - 1)), (w.shape[0] - 1, w.shape[1]))
            decay[:-1] = DECAY
        for w, decay in zip(self._w[:2], self._views(self._decay, shapes)[:2], strict=True):
            w[:-1, -1], w[-1, -1], decay[:, -1] = 0, 1, 0
        self._done = 0

    @staticmethod
    def _views(vector: np.ndarray, shapes: list[tuple[int, int]]) -> list[np.ndarray]:
        ends = np.cumsum([a * b for a, b in shapes])[:-1]
        return [part.reshape(shape) for part, shape in zip(np.split(vector, ends), shapes, strict=True)]

    def layers(self) -> tuple[np.ndarray, ...]:
        """Weights (outputs, inputs) and biases, in turn."""
        w1, w2, w3 = self._w
        parts = [(w1[:-1, :-1], w1[-1, :-1]), (w2[:-1, :-1], w2[-1, :-1]), (w3[:-1], w3[-1])]
        return tuple(v for w, b in parts for v in (w.T, b))

    def step(self, x: np.ndarray, target: np.ndarray, weight: np.ndarray, rate: float) -> None:
        """Update by the gradient of the mean weighted cross entropy of a batch; x is (N, F + 1), target (G, N)."""
        (w1, w2, w3), (g1, g2, g3) = self._w, self._g
        a = x @ w1
        np.maximum(a, 0, out=a)
        b = a @ w2
        np.maximum(b, 0, out=b)
        z = w3.T @ b.T
        z -= z.max(0)
        np.exp(z, out=z)
        z /= z.sum(0)
        z -= target
        z *= weight
        np.matmul(b.T, z.T, out=g3)
        db = z.T @ w3.T
        db *= b > 0
        np.matmul(a.T, db, out=g2)
        da = db @ w2.T
        da *= a > 0
        np.matmul(x.T, da, out=g1)
        g1[:, -1] = 0
        g2[:, -1] = 0
        self._adam(np.float32(rate))

    def _adam(self, rate: np.float32) -> None:
        self._done += 1
        gradients = self._gradients
        self._first += np.float32(0.1) * (gradients - self._first)
        self._second += np.float32(0.01) * (gradients * gradients - self._second)
        scale = np.float32(np.sqrt(1 - 0.99**self._done) / (1 - 0.9**self._done))
        self._values -= rate * scale * self._first / (np.sqrt(self._second) + np.float32(1e-8))
        self._values -= rate * self._decay * self._values
