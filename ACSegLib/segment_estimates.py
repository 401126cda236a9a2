"""How right a segment is expected to be, and how its volume interval travels with a segmentation.

The interval is kept as a tag of the segment, which Slicer and every format with ACSeg's record keep. It belongs to the
labels that it was made for. The tag therefore has a checksum of them, and whoever reads it is told if they changed.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ACSegLib.json_values import Json
from ACSegLib.slice_tags import SLICES_TAG
from ACSegLib.volume import Segment, Segmentation, distinct_names, label_boxes

#: Tag of a segment with the interval of its volume.
TAG = "ACSegVolume"

#: Tag of a segment that cannot be trusted: the Dice that is expected of it.
DOUBTFUL_TAG = "ACSegDoubtful"

#: Tags of a segment that belong to the labels they were made for.
LABEL_TAGS = (TAG, DOUBTFUL_TAG, SLICES_TAG)

_TAGGED_DICE = re.compile(r"dice=(?P<dice>[01](\.\d+)?) from=\w+ labels=(?P<labels>\w+)$")

#: Errors (one minus Dice) below and above these are not told apart.
MIN_ERROR, MAX_ERROR = 0.002, 0.95

#: Logarithm of true over found volume beyond which estimates of it are not told apart.
MAX_RATIO = 1.0

#: A person is told not to trust a segment whose Dice may well be below this.
TRUSTED_DICE = 0.8

#: Up to so many segments that cannot be trusted are told of one by one; of more, so many are named.
_TOLD, _NAMED = 5, 3

#: Where an interval comes from -> part of the test segments whose true volume lay in such an interval, and their
#: number (``Testing/Benchmarks/fill_estimates.py`` and ``predict_estimates.py``).
COVERAGE: Mapping[str, tuple[float, int]] = {"fill": (0.96, 2736), "prediction": (0.95, 58)}


@dataclass(frozen=True)
class Interval:
    """A value, and the 90 % interval around it: the true value lies in it in nine of ten cases."""

    value: float
    low: float
    high: float

    def holding(self, count: int) -> tuple[float, float] | None:
        """Low and high of an interval of voxels, widened to hold the volume of the labels.

        None if they miss it by more than half its width, or are none: they were cleaned of much that it counts.
        """
        margin = (self.high - self.low) / 2
        if not count or not self.low - margin <= count <= self.high + margin:
            return None
        return min(self.low, count), max(self.high, count)


@dataclass(frozen=True)
class SegmentEstimate:
    """How right a segment of a fill or a prediction is expected to be.

    Attributes
    ----------
    segment : str
        Its name.
    dice : Interval
        Against complete labels by hand; of a fill on the voxels that were not labelled.
    voxels : Interval or None
        Volume of the segment; None where nothing can be said of it.
    trusted : bool
        False where the segment should not be used as it is.
    """

    segment: str
    dice: Interval
    voxels: Interval | None
    trusted: bool

    def intervals(self, count: int) -> str:
        """The intervals as text, to follow the `count` of voxels that the labels have."""
        dice = self.dice
        held = self.voxels.holding(count) if self.voxels else None
        ends = f"({held[0]:.0f} to {held[1]:.0f})" if held else "(no interval)"
        return f"{ends}, Dice {dice.value:.3f} ({dice.low:.3f} to {dice.high:.3f})"

    def within(self, least: float, most: float) -> SegmentEstimate:
        """The estimate, with no volume below or above what is possible, in voxels."""
        if self.voxels is None:
            return self
        ends = (self.voxels.value, self.voxels.low, self.voxels.high)
        return replace(self, voxels=Interval(*(min(max(v, least), most) for v in ends)))

    def warning(self, advice: str) -> str:
        """Tell a person that the segment cannot be trusted, and what to do."""
        dice = self.dice
        return (
            f"do not trust segment {self.segment!r}: its Dice may be below {TRUSTED_DICE:g} (expected "
            f"{dice.value:.2f}, 90 % interval {dice.low:.2f} to {dice.high:.2f}); {advice}."
        )

    @classmethod
    def from_values(cls, values: Json) -> SegmentEstimate:
        """Give back what ``dataclasses.asdict`` made."""
        intervals = {name: Interval(**values[name]) for name in ("dice", "voxels") if values[name] is not None}
        return cls(**{**values, **intervals})


def trust_warnings(estimates: Sequence[SegmentEstimate], advice: str, advice_for_many: str) -> list[str]:
    """Tell a person which segments cannot be trusted; of many, in one sentence that names the worst."""
    doubtful = [e for e in estimates if not e.trusted]
    if len(doubtful) <= _TOLD:
        return [e.warning(advice) for e in doubtful]
    worst = ", ".join(repr(e.segment) for e in sorted(doubtful, key=lambda e: e.dice.value)[:_NAMED])
    return [
        f"do not trust {len(doubtful)} of {len(estimates)} segments: their Dice may be below "
        f"{TRUSTED_DICE:g}, lowest that of {worst}; {advice_for_many}."
    ]


@dataclass(frozen=True)
class Estimator:
    """Linear models of the error (one minus Dice) and of the volume, with conformal intervals.

    Attributes
    ----------
    error_coefficients, error_spread : sequence of float
        Logarithm of the error or of its odds, and of the usual deviation of this logarithm, of the inputs.
    error_interval : (float, float)
        Deviations to the lower and the upper end of the 90 % interval of the error.
    ratio_coefficients : sequence of float
        Logarithm of true over found volume, of 1 and other estimates of this logarithm.
    ratio_spread : sequence of float
        Logarithm of its usual deviation, of the inputs.
    ratio_interval : float or None
        Deviations to either end of the 90 % interval; None where the volume cannot be told.
    odds : bool
        Whether the coefficients give the logarithm of the odds of the error (`log_odds`), and not of the error.
    trusted_from : float
        Expected Dice from which on a segment is trusted: the true one is rarely below `TRUSTED_DICE` then.
    """

    error_coefficients: Sequence[float]
    error_spread: Sequence[float]
    error_interval: tuple[float, float]
    ratio_coefficients: Sequence[float]
    ratio_spread: Sequence[float]
    ratio_interval: float | None
    odds: bool = False
    trusted_from: float = TRUSTED_DICE

    def estimate(
        self, name: str, inputs: np.ndarray, ratios: Sequence[float], voxels: float, wider: float = 1.0
    ) -> SegmentEstimate:
        """Dice and volume to expect of a segment of so many voxels; `ratios` are the estimates of true over found.

        The interval of the volume holds the estimate and the voxels that were found. Both intervals are `wider` times
        as wide as in the fit, in the logarithms.
        """
        width = wider * float(np.exp(np.asarray(self.error_spread) @ inputs))
        logarithm = np.asarray(self.error_coefficients) @ inputs + width * np.array([0.0, *self.error_interval])
        error = 1 / (1 + np.exp(-logarithm)) if self.odds else np.exp(logarithm)
        middle, high, low = np.clip(1 - error, 0, 1)
        if 1 - high <= MIN_ERROR:
            high = 1.0
        if self.odds and 1 - low >= MAX_ERROR:
            low = 0.0
        return SegmentEstimate(
            name,
            dice=Interval(*(round(float(v), 4) for v in (middle, low, high))),
            voxels=self._volume(inputs, ratios, voxels, wider),
            trusted=bool(middle >= self.trusted_from),
        )

    def _volume(self, inputs: np.ndarray, ratios: Sequence[float], voxels: float, wider: float) -> Interval | None:
        if self.ratio_interval is None:
            return None
        ratio = float(np.asarray(self.ratio_coefficients) @ [1.0, *np.clip(ratios, -MAX_RATIO, MAX_RATIO)])
        spread = wider * self.ratio_interval * float(np.exp(np.asarray(self.ratio_spread) @ inputs))
        ends = min(ratio - spread, 0.0), max(ratio + spread, 0.0)
        return Interval(*(round(float(voxels * np.exp(logarithm)), 1) for logarithm in (ratio, *ends)))


def log_odds(error: float | np.ndarray) -> Any:
    """Logarithm of an error over one minus it, which is negative for errors below one half.

    Small errors differ as in their logarithm, and no error is above one.
    """
    bounded = np.clip(error, MIN_ERROR, MAX_ERROR)
    return np.log(bounded / (1 - bounded))


@dataclass(frozen=True)
class VolumeInterval:
    """The 90 % interval of a segment's volume, as its tag has it.

    Attributes
    ----------
    count : int
        Voxels of the labels that it was made for.
    low, high : float
        Voxels.
    source : str
        What made it: "fill" or "prediction".
    checksum : str
        Of these labels.
    """

    count: int
    low: float
    high: float
    source: str
    checksum: str

    def __str__(self) -> str:
        ends = f"{self.low:.0f}..{self.high:.0f}"
        return f"voxels={self.count} interval90={ends} from={self.source} labels={self.checksum}"

    @classmethod
    def parse(cls, text: str) -> VolumeInterval | None:
        """Read the text of a tag; None for one that another program has written."""
        parts = dict(part.split("=", 1) for part in text.split() if "=" in part)
        try:
            low, high = (float(end) for end in parts["interval90"].split(".."))
            return cls(int(parts["voxels"]), low, high, parts["from"], parts["labels"])
        except (KeyError, ValueError):
            return None


def voxels_of_segments(segmentation: Segmentation) -> dict[str, int]:
    """Number of voxels of each segment, by `distinct_names`."""
    counts = [int(segmentation.mask(segment).sum()) for segment in segmentation.segments]
    return dict(zip(distinct_names(segmentation.segments), counts, strict=True))


def with_volume_intervals(
    segmentation: Segmentation, estimates: Sequence[SegmentEstimate], source: str
) -> Segmentation:
    """The segmentation with intervals in the tags of its segments, and without what earlier steps said of labels.

    Segments that cannot be trusted have the Dice that is expected of them in a tag, too; see `doubtful_segments`.

    Parameters
    ----------
    segmentation : Segmentation
    estimates : sequence of SegmentEstimate
        Of the segments of these `distinct_names`. Intervals are those that `Interval.holding` gives for the labels.
    source : str
        "fill" or "prediction".
    """
    rows = with_label_tags_of(segmentation.segments, {})
    told = {e.segment: e for e in estimates if e.voxels is not None or not e.trusted}
    known = {name: row for name, row in zip(distinct_names(rows), rows, strict=True) if name in told}
    for (name, row), areas in zip(known.items(), _areas(segmentation, list(known.values())), strict=True):
        expected, count, checksum = told[name], int(areas[0].sum()), _checksum(areas)
        if expected.voxels is not None and (held := expected.voxels.holding(count)):
            row.tags[TAG] = str(VolumeInterval(count, *held, source, checksum))
        if count and not expected.trusted:
            row.tags[DOUBTFUL_TAG] = f"dice={expected.dice.value:g} from={source} labels={checksum}"
    return replace(segmentation, segments=rows)


def _areas(segmentation: Segmentation, segments: Sequence[Segment]) -> list[list[np.ndarray]]:
    """Of each segment: the areas of its slices along k, j and i, within its box."""
    of_layer = {n: label_boxes(segmentation.layers[n]) for n in {s.layer for s in segments}}
    found = []
    for segment in segments:
        box = of_layer[segment.layer].get(segment.value, (slice(0, 0),) * 3)
        labels = segmentation.layers[segment.layer][box]
        areas = [np.zeros(n, np.int64) for n in labels.shape]
        for k, plane in enumerate(labels):  # plane by plane: the labels may be mapped from a file
            mask = plane == segment.value
            areas[0][k] = np.count_nonzero(mask)
            areas[1] += mask.sum(axis=1)
            areas[2] += mask.sum(axis=0)
        found.append(areas)
    return found


def _checksum(areas: Sequence[np.ndarray]) -> str:
    """Checksum of labels by the areas of their slices.

    A crop, a margin, mirrored or exchanged axes and another label value leave it as it is, since formats differ in
    these. Edits change it.
    """
    profiles = sorted(min(along.tolist(), along[::-1].tolist()) for along in areas)
    return f"{zlib.crc32(repr(profiles).encode()):08x}"


def volume_intervals(segmentation: Segmentation) -> tuple[dict[str, VolumeInterval], list[str]]:
    """Read the intervals of the segments' volumes.

    Returns
    -------
    known : dict of str to VolumeInterval
        Segment id -> its interval.
    changed : list of str
        Ids of segments with an interval for other labels: they were edited, cleaned, split or resampled since.
    """
    read = {row.id: VolumeInterval.parse(row.tags[TAG]) for row in segmentation.segments if TAG in row.tags}
    rows = [row for row in segmentation.segments if read.get(row.id) is not None]
    known, changed = {}, []
    for row, areas in zip(rows, _areas(segmentation, rows), strict=True):
        interval = read[row.id]
        if interval is not None and _checksum(areas) == interval.checksum:
            known[row.id] = interval
        else:
            changed.append(row.id)
    return known, changed


def doubtful_segments(segmentation: Segmentation) -> dict[str, float]:
    """Ids of the segments that could not be trusted when they were made, and have not been edited since; their Dice."""
    read = {
        row.id: _TAGGED_DICE.match(row.tags[DOUBTFUL_TAG]) for row in segmentation.segments if DOUBTFUL_TAG in row.tags
    }
    rows = [row for row in segmentation.segments if read.get(row.id) is not None]
    found = {}
    for row, areas in zip(rows, _areas(segmentation, rows), strict=True):
        tag = read[row.id]
        if tag is not None and tag["labels"] == _checksum(areas):
            found[row.id] = float(tag["dice"])
    return found


def with_label_tags_of(rows: Sequence[Segment], others: Mapping[str, Segment]) -> list[Segment]:
    """Rows with what the tags of the others of the same ids say of labels; their own ones are for other labels."""
    carried = []
    for row in rows:
        told = others[row.id].tags if row.id in others else {}
        tags = {key: text for key, text in row.tags.items() if key not in LABEL_TAGS}
        carried.append(replace(row, tags=tags | {key: told[key] for key in LABEL_TAGS if key in told}))
    return carried


def coverage_text(source: str) -> str:
    """How far such an interval can be believed, in one sentence; "" for an unknown source."""
    if source not in COVERAGE:
        return ""
    part, count = COVERAGE[source]
    return f"90 % intervals of a {source} held the true volume of {100 * part:.0f} % of {count} segments in tests."
