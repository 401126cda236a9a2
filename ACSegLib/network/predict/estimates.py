"""How right a prediction is, segment by segment: Dice and volume to expect, each with a 90 % interval.

Five things tell: how certain the probabilities are, how far the volumes of the eight mirror images differ, how far
refinement changed the volume, and how large the segment is, in working voxels and as a part of the image. Linear models
join them. They belong to one network: their coefficients come
from simulated tomograms that it was not trained on, by conformal prediction (Vovk, Gammerman and Shafer 2005,
doi:10.1007/b106715; ``Testing/Benchmarks/predict_estimates.py``). Of other networks nothing is said.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ACSegLib.network.predict.plane_sink import Array, strongest
from ACSegLib.segment_estimates import MIN_ERROR, Estimator, SegmentEstimate, log_odds
from ACSegLib.threads import chunks_of, in_threads
from ACSegLib.volume import Segmentation

if TYPE_CHECKING:
    from ACSegLib.network.model.model_file import Model

#: Relative differences of the mirror images' volumes below this are not told apart.
_MIN_DISAGREEMENT = 1e-3
#: Other estimates of the volume, and changes by refinement, that differ by less (logarithm) are not told apart.
_MIN_RATIO, _MIN_CHANGE = 0.005, 0.01
#: Segments of fewer working voxels are not judged.
_MIN_VOXELS = 8
#: How much wider intervals are where the image is known to mislead the network: a missing wedge, strong blur. Chosen on
#: five simulated tomograms and a cell in a capillary, without 60 degrees about each axis, and blurred by 3 voxels.
WIDER = 2.5

#: Identity of a network (`identity`) -> estimators of its segments, by name. Of beads the volume cannot be told: too
#: many are found where there are none. ``predict_estimates.py --fit`` prints the numbers.
ESTIMATORS: Mapping[str, Mapping[str, Estimator]] = {
    "af57399a": {  # the main network of the pretrained model, and the walk
        "cytoplasm": Estimator(
            error_coefficients=(0.2817, 0.0, 0.0, 0.0, 1.0459, 0.0, 0.0, -1.5264),
            error_spread=(-0.5995, 0.0, 0.1019, 0.0, 0.0, 0.0, 0.0, 0.0),
            error_interval=(-4.4064, 2.3916),
            ratio_coefficients=(0.0398, -0.6084),
            ratio_spread=(-1.8877, 0.0, 0.4327, 0.0, -0.1431, 0.0, 0.0, 1.7548),
            ratio_interval=5.01,
            odds=True,
        ),
        "bead": Estimator(
            error_coefficients=(0.1247, 0.78, 0.0032, -0.1071, 0.0, 0.0, 0.0, 0.0),
            error_spread=(-1.3726, 0.3117, 0.1803, 1.0216, 0.0, 0.0, 0.0, 0.0),
            error_interval=(-5.9064, 4.1981),
            ratio_coefficients=(0.0214, 0.1025),
            ratio_spread=(-1.2479, 0.0685, 0.2982, 0.3656, 0.0, 0.0, 0.0, 0.0),
            ratio_interval=None,
        ),
    },
    "9f6a44f2": {  # the pretrained model with its refinement network
        "cytoplasm": Estimator(
            error_coefficients=(0.0453, 0.0, 0.0, 0.0, 1.105, -0.0284, 0.0, 0.0),
            error_spread=(-0.3426, 0.0, 0.0, 0.0, 0.254, 0.0, 0.0, 0.0),
            error_interval=(-5.4976, 2.1972),
            ratio_coefficients=(0.0087, -0.576),
            ratio_spread=(0.5836, 0.0, 0.0, 0.0, 0.7199, 0.5425, 0.0978, 0.0),
            ratio_interval=3.76,
            odds=True,
        ),
        "bead": Estimator(
            error_coefficients=(0.4707, 0.9612, -0.0038, -0.0852, 0.0, 0.0, 0.0, 0.0),
            error_spread=(-0.7685, 1.0892, -0.1143, 1.1936, 0.0, 0.0, 0.0, 0.0),
            error_interval=(-4.2416, 4.1075),
            ratio_coefficients=(-0.0229, 0.0127),
            ratio_spread=(0.219, 0.5286, 0.205, -0.0904, 0.0, 0.0, 0.0, 0.0),
            ratio_interval=None,
        ),
    },
}


class Tally:
    """What a network says of a volume, summed over its working voxels.

    Attributes
    ----------
    found, certain, expected : ndarray of float, (channels,)
        Voxels that a channel wins, the sum of its probabilities there, and everywhere.
    mirrored : ndarray of float, (8, channels)
        Sum of the probabilities of each mirror image; zeros if none were predicted.
    voxels : int
        Working voxels.
    coarseness : float
        Voxels of the image in a working voxel.
    wider : float
        How much wider the intervals are than for images like those of the fit.
    """

    def __init__(self, channels: int, overlapping: bool) -> None:
        self.found, self.certain, self.expected = np.zeros((3, channels))
        self.mirrored = np.zeros((8, channels))
        self.voxels, self.coarseness, self.wider = 0, 1.0, 1.0
        self._overlapping = overlapping

    def add(self, planes: Array) -> None:
        """Take finished planes of probabilities (channels, n, j, i): an array, or a tensor on a GPU."""
        self.voxels += math.prod(planes.shape[1:])
        if not isinstance(planes, np.ndarray):
            self._add(self._sums_of(planes))
            return

        def of_planes(part: slice) -> list[np.ndarray]:
            return [self._sums_of(planes[:, k : k + 1]) for k in range(part.start, part.stop)]  # in the cache

        for sums in in_threads(of_planes, chunks_of(planes[0])):
            for plane in sums:
                self._add(plane)

    def _add(self, sums: np.ndarray) -> None:
        self.found += sums[0]
        self.certain += sums[1]
        self.expected += sums[2]

    def _sums_of(self, planes: Array) -> np.ndarray:
        """What some planes add to `found`, `certain` and `expected`; shape (3, channels)."""
        winner = None if self._overlapping else strongest(planes)
        sums = np.zeros((3, len(planes)))
        for channel, probability in enumerate(planes):
            wins = probability > 0.5 if winner is None else winner == channel
            sums[:, channel] = float(wins.sum()), float((probability * wins).sum()), float(probability.sum())
        return sums

    def add_mirrored(self, number: int, tile: Array, windows: tuple[Array, Array, Array]) -> None:
        """Take a mirror image of a tile (channels, k, j, i), turned back, with the weights along its axes."""
        wk, wj, wi = windows
        inside = tile[:, : len(wk), : len(wj), : len(wi)]
        sums: Any = ((inside @ wi) @ wj) @ wk
        self.mirrored[number] += [float(total) for total in sums]


@dataclass(frozen=True)
class Signs:
    """What tells how right a segment of a prediction is.

    Attributes
    ----------
    expected_error : float
        One minus the Dice that the segment has if the probabilities are right.
    disagreement : float
        Standard deviation of the logarithms of the mirror images' volumes.
    size : float
        Cube root of its working voxels.
    share : float
        Part of the image that it fills.
    change : float
        Logarithm of its volume after refinement over that before.
    expected_ratio : float
        Logarithm of true over found volume if the probabilities are right.
    filled : float
        Voxels of the segment, of the image.
    """

    expected_error: float
    disagreement: float
    size: float
    share: float
    change: float
    expected_ratio: float
    filled: float

    @property
    def vector(self) -> np.ndarray:
        """Inputs of the linear models, (8,)."""
        changes = np.log([abs(self.change) + _MIN_CHANGE, abs(self.expected_ratio) + _MIN_RATIO])
        plain = np.log([self.expected_error, self.disagreement, self.size])
        return np.array([1.0, *plain, log_odds(self.expected_error), *changes, self.share])

    @property
    def ratios(self) -> tuple[float]:
        """Estimates of the logarithm of true over found volume."""
        return (self.expected_ratio,)


def collect_signs(tally: Tally, segmentation: Segmentation, model: Model) -> dict[str, Signs]:
    """Signs of the segments that were found, by name; of none if mirror images were not predicted.

    Parameters
    ----------
    segmentation : Segmentation
        The prediction, before it is cleaned.
    """
    if not tally.mirrored.any():
        return {}
    signs = {}
    first = 0 if model.spec.overlapping else 1
    rows = {row.value: row for row in segmentation.segments}
    for channel, segment in enumerate(model.segments, start=first):
        found, certain, expected = tally.found[channel], tally.certain[channel], tally.expected[channel]
        if found < _MIN_VOXELS or segment.value not in rows:
            continue
        mirrored = np.log(tally.mirrored[:, channel] + 1)
        filled = float(sum(np.count_nonzero(plane) for plane in segmentation.mask(rows[segment.value])))
        signs[segment.name] = Signs(
            expected_error=max(float(1 - 2 * certain / (found + expected)), MIN_ERROR),
            disagreement=max(float(mirrored.std()), _MIN_DISAGREEMENT),
            size=float(np.cbrt(found)),
            share=float(found / tally.voxels),
            change=float(np.log((filled + 1) / (found * tally.coarseness + 1))),
            expected_ratio=float(np.log((expected + 1) / (found + 1))),
            filled=filled,
        )
    return {name: found for name, found in signs.items() if found.filled}


def identity(model: Model) -> str:
    """Short checksum of a network's weights; it needs no PyTorch."""
    checksum = 0
    for name, array in sorted(model.arrays().items()):
        checksum = zlib.crc32(np.ascontiguousarray(array, np.float32).tobytes(), zlib.crc32(name.encode(), checksum))
    return f"{checksum:08x}"


def is_pretrained(model: Model) -> bool:
    """Whether a model has the pretrained networks, for which the estimates and the recognition of cells were fitted."""
    return identity(model) in ESTIMATORS


def estimate(tally: Tally | None, segmentation: Segmentation, model: Model) -> list[SegmentEstimate]:
    """Dice and volume of each segment, with 90 % intervals; empty where nothing is known of this network.

    No interval says that a segment may be larger than the image.

    Parameters
    ----------
    tally : Tally or None
    segmentation : Segmentation
        The prediction, before it is cleaned.
    model : Model
        The networks that made it: without its refinement network if that did not run.
    """
    known = {} if tally is None else ESTIMATORS.get(identity(model), {})
    if tally is None or not known:
        return []
    signs = collect_signs(tally, segmentation, model)
    most = math.prod(segmentation.shape)
    return [
        known[name].estimate(name, found.vector, found.ratios, found.filled, tally.wider).within(0, most)
        for name, found in signs.items()
        if name in known
    ]
