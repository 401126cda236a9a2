"""Blurred edges: how wide they are, told by the image alone, and a filter that narrows them.

A network that has seen sharp tomograms takes the blurred flank of a wall for a cell, and is sure of it. Let D(l) be the
sum of the squared differences of voxels at a distance l. Noise adds the same to each D(l), so that
(D(3) - D(1)) / (D(2) - D(1)) does not depend on it. It is 2 for sharp edges, less for texture, 8/3 for what is smooth,
and follows in between from the Gaussian that blurs an edge.

A Wiener filter takes the Gaussian back (Wiener 1949, doi:10.7551/mitpress/2946.001.0001). It works on cosines, which
mirror the image at its borders.

The limits were chosen on five simulated tomograms, a cell in a capillary and an HL-60 cell, blurred by 1 to 3 voxels.
Four other simulated tomograms and a fibroblast tested them. Edges of an image that is sharp have 0.9 working voxels at
most, but 2.2 in the HL-60 cell, of which the network is less sure when it is sharpened.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ACSegLib.network.predict.estimates import WIDER

#: Standard deviation, in working voxels, of edges from which on an image is sharpened, and that is left in them.
BLURRED, SHARP = 1.2, 0.8
#: That of edges from which on sharpening does not suffice.
VERY_BLURRED = 2.5
#: The widest Gaussian that is taken back: wider ones cannot be told apart.
WIDEST = 3.0
#: Power of noise over that of the image. What is lost is amplified by 2.3 at most.
NOISE = 0.05
#: Deviations of edges that are told apart; fewest voxels a side; least D(2) / D(1) of an image that is not noise alone.
_DEVIATIONS = np.geomspace(0.1, 10, 100)
_FEWEST, _MIN_RISE = 8, 1.2


@dataclass(frozen=True)
class Blur:
    """A Gaussian that blurs an image.

    Parameters
    ----------
    edges : float
        Standard deviation of the edges, in voxels of the grid on which they were measured.
    widths : (float, float, float)
        Standard deviation of what is taken back, as a share of the sides of the image, (k, j, i).
    """

    edges: float
    widths: tuple[float, float, float]

    def taken_back(self, image: np.ndarray, check: Callable[[], None] = lambda: None) -> np.ndarray:
        """Sharpen the image, float32 of shape (k, j, i), on any grid; its mean and deviation stay."""
        from scipy.fft import dctn, idctn

        mean, deviation = (float(part(dtype=np.float64)) for part in (image.mean, image.std))
        k, j, i = (
            np.exp(-0.5 * (np.pi * width * np.arange(n, dtype=np.float32)) ** 2)
            for width, n in zip(self.widths, image.shape, strict=True)
        )
        check()
        spectrum = dctn(image, norm="ortho")
        for plane, passed in zip(spectrum, k, strict=True):
            check()
            kept = passed * j[:, None] * i
            plane *= kept / (kept**2 + NOISE)
        spectrum[0, 0, 0] = 0
        sharp: np.ndarray = idctn(spectrum, norm="ortho", overwrite_x=True)
        check()
        sharp *= np.float32(deviation / max(float(sharp.std(dtype=np.float64)), 1e-9))
        sharp += np.float32(mean)
        return sharp

    def note(self, coarseness: float) -> str:
        """Give the sentence that tells a user; `coarseness` is the side of a working voxel, in voxels of the image."""
        return (
            f"the edges in the image are blurred (standard deviation {self.edges * coarseness:.1f} voxels), so it was "
            "sharpened for the network, which is surer of it then"
        )

    def note_on_intervals(self, coarseness: float) -> str:
        """Give the sentence that tells a user of blur that leaves the network surer than it is right."""
        return (
            f"edges with a standard deviation of {self.edges * coarseness:.1f} voxels show a cell and what touches it "
            f"as one; intervals of Dice and volume are {WIDER:g} times as wide as otherwise"
        )


def find_blur(image: np.ndarray, check: Callable[[], None] = lambda: None) -> Blur | None:
    """Find the blur of an image whose edges are too wide for the pretrained network.

    Parameters
    ----------
    image : ndarray of float32, shape (k, j, i)
        On the working grid.
    check : callable, optional
        Called often; may raise `Cancelled`.

    Returns
    -------
    Blur or None
        None if its edges are sharp enough.
    """
    edges = width_of_edges(image, check)
    if edges < BLURRED:
        return None
    taken = min(math.sqrt(edges**2 - SHARP**2), WIDEST)
    k, j, i = (taken / n for n in image.shape)
    return Blur(edges, (k, j, i))


def width_of_edges(image: np.ndarray, check: Callable[[], None] = lambda: None) -> float:
    """Give the standard deviation, in voxels, of the Gaussian that blurs the edges of an image (k, j, i).

    It is 0 where there are no edges, as in noise, and where edges are sharp; 10 voxels are told apart from no more.
    """
    if min(image.shape) < _FEWEST:
        return 0.0
    squares = np.zeros(3)
    for axis in range(3):
        planes = np.moveaxis(image, axis, 0)
        for n, lag in enumerate((1, 2, 3)):
            check()
            squares[n] += np.sum(np.square(planes[lag:] - planes[:-lag]), dtype=np.float64)
    if not squares[1] > _MIN_RISE * squares[0]:
        return 0.0
    ratio = (squares[2] - squares[0]) / (squares[1] - squares[0])
    return float(np.interp(ratio, [_ratio(s) for s in _DEVIATIONS], _DEVIATIONS, left=0.0))


def _ratio(deviation: float) -> float:
    """Ratio of differences that a blurred edge gives; see the module."""
    one, two, three = (
        2 * deviation / math.sqrt(math.pi) * math.expm1(-((lag / (2 * deviation)) ** 2))
        + lag * math.erf(lag / (2 * deviation))
        for lag in (1, 2, 3)
    )
    return (three - one) / (two - one)
