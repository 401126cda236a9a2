"""The appearance classifier: a small network that learns from the labelled slices what each segment looks like.

Random walks that only feel boundaries lose thin structures that no labelled slice crosses (Grady 2006,
doi:10.1109/TPAMI.2006.233); a prior on appearance brings them back (Grady 2005, doi:10.1109/CVPR.2005.239). Here the
prior is a perceptron with two hidden layers on image features and on the interpolated shape. For training, the
interpolated shape of a labelled slice is computed as if that slice was not labelled, so the classifier learns how far
shape and appearance can be trusted in this very volume: where neighbours look alike, shape wins.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ACSegLib.fill.constants import CONFUSED


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
