"""The appearance classifier: a small network that learns from the labelled slices what each segment looks like.

Random walks that only feel boundaries lose thin structures that no labelled slice crosses (Grady 2006,
doi:10.1109/TPAMI.2006.233); a prior on appearance brings them back (Grady 2005, doi:10.1109/CVPR.2005.239). Here the
prior is a perceptron with two hidden layers on image features and on the interpolated shape. For training, the
shape on a labelled slice is as wrong as between slices (`samples.as_between_slices`), so the classifier learns how far
shape and appearance can be trusted in this very volume: where neighbours look alike, shape wins.

It is trained by Adam on weighted cross entropy, in NumPy: there are some ten thousand samples, so that NumPy's matrix
products take less time than starting a deep-learning library.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ACSegLib.fill.constants import (
    BATCH,
    CONFUSED,
    HIDDEN_SHAPE_SHARE,
    HIDDEN_UNITS,
    LEARNING_RATE,
    MIN_FEATURE_SPREAD,
    STEPS,
    WEIGHT_DECAY,
)
from ACSegLib.fill.prior.samples import Samples
from ACSegLib.jobs import Progress


@dataclass(frozen=True)
class AppearanceClassifier:
    """The network, and what it cannot tell apart.

    Attributes
    ----------
    layers : tuple of ndarray
        Weights (outputs, inputs) and biases of the three layers, float32, input standardisation folded in.
    confusion : ndarray, (G, G)
        Mean probability of each appearance group (columns) where each one (rows) was labelled, by the image alone.
    """

    layers: tuple[np.ndarray, ...]
    confusion: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))

    def probabilities(self, x: np.ndarray) -> np.ndarray:
        """Probabilities of the groups, (N, G), from features (N, F)."""
        w1, b1, w2, b2, w3, b3 = self.layers
        h = np.maximum(x @ w1.T + b1, 0)
        h = np.maximum(h @ w2.T + b2, 0)
        z = h @ w3.T + b3
        e = np.exp(z - z.max(1, keepdims=True))
        return e / e.sum(1, keepdims=True)

    def confused_with(self, group: int) -> list[int]:
        """Groups but background that look like one, so that only the labelled shape can tell them from it."""
        return [g for g in range(1, len(self.confusion)) if g != group and self.confusion[g, group] >= CONFUSED]


def train_classifier(
    samples: Samples,
    groups: int,
    *,
    steps: int | None = None,
    progress: Progress | None = None,
) -> AppearanceClassifier:
    """Train the classifier.

    The same samples give the same classifier. For some samples the shape features are hidden, so that it also
    learns to go by the image alone: between slices there are things that no labelled outline hints at.
    """
    steps = STEPS if steps is None else steps
    rng = np.random.default_rng(0)
    mean, std = samples.x.mean(0), samples.x.std(0)
    # nothing can be learned from a feature that was the same everywhere; it must not count where it differs
    std[std < MIN_FEATURE_SPREAD] = np.inf
    count = samples.x.shape[1]
    x = np.ones((len(samples.x), count + 1), np.float32)
    x[:, :count] = (samples.x - mean) / std
    first_shape = count - samples.shapes
    without_shape = (-mean / std)[first_shape:]
    target = np.ascontiguousarray(np.eye(groups, dtype=np.float32)[:, samples.y])
    weight = (samples.weight / BATCH).astype(np.float32)
    training = _Training((count, *HIDDEN_UNITS, groups), rng)
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
            batch[rng.random(size) < HIDDEN_SHAPE_SHARE, first_shape:count] = without_shape
        rate = LEARNING_RATE * 0.5 * (1 + np.cos(np.pi * step / steps)) * min(1.0, step / 20)
        training.step(batch, target[:, pick], weight[pick], rate)
    w1, b1, *rest = training.layers()
    w1 = w1 / std
    layers = tuple(np.ascontiguousarray(v, np.float32) for v in (w1, b1 - w1 @ mean, *rest))
    return AppearanceClassifier(layers, mean_probabilities([(AppearanceClassifier(layers), samples)], groups))


def mean_probabilities(judged: Sequence[tuple[AppearanceClassifier, Samples]], groups: int) -> np.ndarray:
    """Mean probability of each group (columns) where each one (rows) was labelled, with the shape hidden; (G, G).

    Parameters
    ----------
    judged : sequence of (AppearanceClassifier, Samples)
        Classifiers, and the samples that each of them judges.
    groups : int
        Number of groups.
    """
    total = np.zeros((groups, groups))
    for classifier, samples in judged:
        x = samples.x.copy()
        x[:, x.shape[1] - samples.shapes :] = 0
        np.add.at(total, samples.y, classifier.probabilities(x) * samples.weight[:, None])
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
            decay[:-1] = WEIGHT_DECAY
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
