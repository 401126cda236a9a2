"""How an image becomes the network's input, the same in training and inference: from any number type to float32.

A model file holds `Preprocessing` as a JSON object:

================== ==============================================================================================
``normalisation``  see `Normalisation`
``patch_size``     (k, j, i) of the patches in training, in voxels
``longest_side``   images are reduced until no side exceeds this
``mean_side``      images are reduced until the geometric mean of their sides does not exceed this
``canonical_axes`` images are predicted in an orientation that depends on their content alone, and as the mean over
                   the mirror images
``thin_threshold`` probability from which voxels of thin structures belong to their segment
``without_thin``   names of segments without thin structures, which keep the usual threshold
``without_holes``  names of segments that should have no enclosed hole
others             of imported models, see `BiomedisaPreprocessing`
================== ==============================================================================================
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np

from ACSegLib.errors import InputError
from ACSegLib.files.lazy import every_nth
from ACSegLib.float32 import levels_of
from ACSegLib.json_values import Json
from ACSegLib.padding import Padding, paddings_for_networks
from ACSegLib.threads import chunks_of, in_threads
from ACSegLib.volume import Geometry, Volume

#: Percentiles that leave out dead and hot voxels yet keep small bright structures.
ROBUST_PERCENTILES = (0.5, 99.5)
#: Spacings closer than this (relative) count as equal.
SPACING_TOLERANCE = 0.02
#: Ratio of voxel sizes that no two images of one study have, but a wrong unit has (nm and angstrom: 10).
UNLIKELY_RATIO = 8.0
#: Values of float32 within the usual intensities of an image, at least, with which it is computed in float32.
MIN_LEVELS = 4096
#: Patch of a model whose file does not state its own.
DEFAULT_PATCH = (64, 64, 64)
#: Voxels of an image that its statistics are measured on.
SAMPLE_VOXELS = 4_000_000
#: Voxels along an axis that no image reaches; a model file that asks for more is damaged.
MAX_SIDE = 65536
_KINDS = ("volume", "fixed", "none", "matched")
#: Statistics that a model file holds.
_STATISTICS = ("low", "high", "mean", "deviation")


@dataclass(frozen=True)
class IntensityStatistics:
    """Values that normalise an image: clip to [low, high], subtract the mean, divide by the deviation.

    `padding`, which is replaced before, belongs to one image: no model file holds it. What counts as padding depends on
    the intensities that absorb; `where_dark_absorbs` are the values for dark ones, if they differ.
    """

    low: float
    high: float
    mean: float
    deviation: float
    padding: Padding | None = None
    where_dark_absorbs: IntensityStatistics | None = None

    def to_json(self) -> dict[str, float]:
        """Give the object that a model file holds."""
        return {name: getattr(self, name) for name in _STATISTICS}

    @classmethod
    def from_json(cls, described: Json) -> IntensityStatistics:
        """Read what `to_json` gave; KeyError, TypeError or ValueError for anything else."""
        low, high, mean, deviation = (float(described[name]) for name in _STATISTICS)
        return cls(low, high, mean, deviation)


@dataclass(frozen=True)
class Normalisation:
    """How intensities are normalised.

    Parameters
    ----------
    kind : str
        "volume": with each volume's own statistics, for images whose intensities have no fixed meaning; "fixed": with
        those of the training volumes, for calibrated ones; "none": the values as they are; "matched" (imported
        models): to the range 0 to 1, with the mean and deviation of `target` if given.
    percentiles : tuple of float
        Values are clipped to these two; mean and deviation are those of what lies between.
    statistics : IntensityStatistics, optional
        For "fixed".
    target : (mean, deviation), optional
        For "matched".

    Raises
    ------
    InputError
        If the kind is unknown, "fixed" has no statistics, or the percentiles are none.
    """

    kind: str = "volume"
    percentiles: tuple[float, float] = ROBUST_PERCENTILES
    statistics: IntensityStatistics | None = None
    target: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        if self.kind not in _KINDS:
            raise InputError(f"normalisation must be volume, fixed or none, not {self.kind!r}; or update ACSeg.")
        if self.kind == "fixed" and self.statistics is None:
            raise InputError("fixed normalisation needs the statistics of the training volumes.")
        low, high = self.percentiles
        if not 0 <= low < high <= 100:
            raise InputError(f"percentiles must be 0 to 100, the lower one first, not {low} and {high}.")

    def to_json(self) -> Json:
        """Give the object that a model file holds."""
        if self.kind == "matched":
            target = self.target
            return {"kind": "matched", "target": {"mean": target[0], "deviation": target[1]} if target else None}
        described: Json = {"kind": self.kind, "percentiles": list(self.percentiles)}
        if self.statistics is not None:
            described["statistics"] = self.statistics.to_json()
        return described

    @classmethod
    def from_json(cls, described: Json) -> Normalisation:
        """Read what a model file holds; an error of `_MALFORMED` kind for what is no normalisation."""
        low, high = described.get("percentiles") or ROBUST_PERCENTILES
        statistics, target = described.get("statistics"), described.get("target")
        return cls(
            kind=str(described.get("kind")),
            percentiles=(float(low), float(high)),
            statistics=None if statistics is None else IntensityStatistics.from_json(statistics),
            target=None if target is None else (float(target["mean"]), float(target["deviation"])),
        )


@dataclass(frozen=True)
class BiomedisaPreprocessing:
    """What Biomedisa's own prediction needs (`ACSegLib.network.biomedisa.prediction`).

    Parameters
    ----------
    scaling : bool
        Images are scaled to `scale` (k, j, i).
    patch : tuple of int
        (k, j, i).
    normalise : bool
        Match `mean` and `std` (one a channel) of the first training image.
    patch_normalise : bool
        Normalise each patch instead.
    separation : bool
        The model separates instances, which is not supported.
    labels : tuple of int
        Original values, 0 first.
    """

    scaling: bool
    scale: tuple[int, ...]
    patch: tuple[int, ...]
    normalise: bool
    mean: tuple[float, ...]
    std: tuple[float, ...]
    patch_normalise: bool
    separation: bool
    labels: tuple[int, ...]

    def to_json(self) -> Json:
        """Give the entries that a model file holds."""
        values = {row.name: getattr(self, row.name) for row in fields(self)}
        entries = {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}
        return {"pipeline": "biomedisa", **entries}

    @classmethod
    def from_json(cls, described: Json) -> BiomedisaPreprocessing:
        """Read the entries that a model file holds; KeyError or TypeError where they are not as they should be."""
        entries: dict[str, Any] = {row.name: described[row.name] for row in fields(cls)}
        for name, value in entries.items():
            entries[name] = tuple(value) if isinstance(value, list) else value
        return cls(**entries)


@dataclass(frozen=True)
class Preprocessing:
    """How an image becomes a model's input, and what its output needs; see the module's text."""

    normalisation: Normalisation = field(default_factory=Normalisation)
    patch_size: tuple[int, int, int] | None = None
    longest_side: int | None = None
    mean_side: float | None = None
    canonical_axes: bool = False
    thin_threshold: float | None = None
    without_thin: tuple[str, ...] | None = None
    without_holes: tuple[str, ...] | None = None
    biomedisa: BiomedisaPreprocessing | None = None

    def __post_init__(self) -> None:
        sides = {"patch_size": self.patch_size or DEFAULT_PATCH, "longest_side": (self.longest_side or 1,)}
        for name, values in {**sides, "mean_side": (self.mean_side or 1,)}.items():
            if not all(1 <= value <= MAX_SIDE for value in values):
                raise InputError(f"{name} must be 1 to {MAX_SIDE} voxels, not {getattr(self, name)}.")

    @property
    def patch(self) -> tuple[int, int, int]:
        """The patch size; a usual one where the file does not state it."""
        return self.patch_size or DEFAULT_PATCH

    def to_json(self) -> Json:
        """Give the object that a model file holds."""
        described: Json = {"normalisation": self.normalisation.to_json()}
        if self.patch_size is not None:
            described["patch_size"] = list(self.patch_size)
        if self.biomedisa is not None:
            described |= self.biomedisa.to_json()
        optional = {
            "longest_side": self.longest_side,
            "mean_side": self.mean_side,
            "canonical_axes": self.canonical_axes or None,
            "thin_threshold": self.thin_threshold,
            "without_thin": None if self.without_thin is None else list(self.without_thin),
            "without_holes": None if self.without_holes is None else list(self.without_holes),
        }
        return described | {key: value for key, value in optional.items() if value is not None}

    @classmethod
    def from_json(cls, described: Json) -> Preprocessing:
        """Read what a model file holds.

        What the calibration found is dropped where it makes no sense; all else must be as it should be.

        Raises
        ------
        InputError, LookupError, TypeError, ValueError, AttributeError
            If an entry is not as it should be.
        """
        patch = described.get("patch_size")
        k, j, i = (int(n) for n in patch or DEFAULT_PATCH)
        thin, bulky, whole = (described.get(key) for key in ("thin_threshold", "without_thin", "without_holes"))
        sensible = isinstance(thin, (int, float)) and not isinstance(thin, bool) and 0 < thin <= 0.5
        normalisation, longest, mean = (described.get(key) for key in ("normalisation", "longest_side", "mean_side"))
        return cls(
            normalisation=Normalisation() if normalisation is None else Normalisation.from_json(normalisation),
            patch_size=(k, j, i) if patch else None,
            longest_side=int(longest) if longest else None,
            mean_side=mean if mean else None,
            canonical_axes=bool(described.get("canonical_axes")),
            thin_threshold=thin if sensible else None,
            without_thin=tuple(str(name) for name in bulky) if isinstance(bulky, list) else None,
            without_holes=tuple(str(name) for name in whole) if isinstance(whole, list) else None,
            biomedisa=BiomedisaPreprocessing.from_json(described) if described.get("pipeline") == "biomedisa" else None,
        )


def intensity_statistics(
    array: np.ndarray, percentiles: tuple[float, float] = ROBUST_PERCENTILES, check: Callable[[], None] = lambda: None
) -> IntensityStatistics:
    """Measure low and high percentile, and mean and deviation of what lies between, of all but padding.

    Parameters
    ----------
    array : ndarray, shape (k, j, i), numeric
        At most about four million evenly spread voxels of it are read; not-finite ones are left out.
    check : callable, optional
        Called often; may raise `Cancelled`.

    Raises
    ------
    InputError
        If no voxel is finite.
    """
    sample = every_nth(array, SAMPLE_VOXELS, check)

    def measured(padding: Padding | None) -> IntensityStatistics:
        rest = sample if padding is None else sample[~padding.where(sample)]
        return replace(_measured(rest, percentiles), padding=padding)

    return _for_both(sample, measured)


def _for_both(sample: np.ndarray, measured: Callable[[Padding | None], IntensityStatistics]) -> IntensityStatistics:
    """Statistics for bright intensities that absorb, and with them, if they differ, those for dark ones."""
    bright, dark = paddings_for_networks(sample)
    found = measured(bright)
    return found if bright is dark else replace(found, where_dark_absorbs=measured(dark))


def _measured(sample: np.ndarray, percentiles: tuple[float, float]) -> IntensityStatistics:
    sample = sample[np.isfinite(sample)].astype(np.float64)
    if not sample.size:
        raise InputError("the image holds no finite value; check how it was written.")
    low, high = np.percentile(sample, percentiles)
    inside = sample[(sample >= low) & (sample <= high)]
    return IntensityStatistics(float(low), float(high), float(inside.mean()), float(inside.std()))


def statistics_for(
    array: np.ndarray, normalisation: Normalisation, check: Callable[[], None] = lambda: None
) -> IntensityStatistics | None:
    """Give the values that normalise one volume; None when the values are left as they are.

    Of an image too large for memory, pass a coarser level here, and the full one, part by part, to `apply_statistics`.
    `check` is called often, and may raise `Cancelled`.
    """
    if normalisation.kind == "none":
        return None
    if normalisation.kind == "fixed":
        fixed = normalisation.statistics
        assert fixed is not None
        return _for_both(every_nth(array, SAMPLE_VOXELS, check), lambda padding: replace(fixed, padding=padding))
    if normalisation.kind == "volume":
        return intensity_statistics(array, normalisation.percentiles, check)
    return _matched_statistics(every_nth(array, SAMPLE_VOXELS, check), normalisation.target)


def _matched_statistics(sample: np.ndarray, target: tuple[float, float] | None) -> IntensityStatistics:
    """Values by which `apply_statistics` clips to 0..1, after matching mean and deviation to `target` if given."""
    own = _measured(sample, (0.0, 100.0))  # with the padding, as Biomedisa does
    if target is None or not own.deviation > 0:
        zero, unit = own.low, own.high - own.low
    else:
        unit = own.deviation / target[1]
        zero = own.mean - target[0] * unit
    return IntensityStatistics(zero, zero + unit, zero, unit)


def apply_statistics(array: np.ndarray, statistics: IntensityStatistics | None) -> np.ndarray:
    """Replace padding, clip to [low, high], subtract the mean, divide by the deviation; float32 of the same shape.

    An image of one value becomes 0 everywhere; values that are not finite become the mean, 0, or 0 itself without it.
    Intensities that float32 can hardly tell apart, as 1e7 to 1e7 + 1, are computed in float64.
    """
    result = np.empty(array.shape, np.float32)
    number = np.float64 if _are_too_fine(array.dtype, statistics) else np.float32

    def apply(planes: slice) -> None:
        for place, values in zip(result[planes], array[planes], strict=True):  # in the cache of the processor
            part = place if number is np.float32 else np.empty(place.shape, number)
            part[...] = values
            known = np.isfinite(part)
            if not known.all():  # an infinite one would be clipped to the brightest or darkest intensity
                part[~known] = 0.0 if statistics is None else statistics.mean
            if statistics is not None:
                if statistics.padding is not None:
                    statistics.padding.replace(part)
                np.clip(part, statistics.low, statistics.high, out=part)
                part -= number(statistics.mean)
                if statistics.deviation > 0:
                    part /= number(statistics.deviation)
            if part is not place:
                place[...] = part

    in_threads(apply, chunks_of(result))
    return result


def _are_too_fine(dtype: np.dtype, statistics: IntensityStatistics | None) -> bool:
    """Whether float32 has few values for the usual intensities of an image in a wider type, or none."""
    if statistics is None or np.can_cast(dtype, np.float32):
        return False
    levels = levels_of(np.array([statistics.low, statistics.high]), (0.0, 100.0))
    return levels is not None and levels.steps < MIN_LEVELS


def normalise(array: np.ndarray, normalisation: Normalisation) -> np.ndarray:
    """Normalise one whole volume, shape (k, j, i), to float32."""
    return apply_statistics(array, statistics_for(array, normalisation))


def resampled_shape(volume: Volume, spacing: Sequence[float], unit: str) -> tuple[int, int, int]:
    """Shape (k, j, i) that a volume has at another spacing (i, j, k, in `unit`) over the same space.

    Spacings that differ by less than 2 % count as equal, so that rounding in a file's header costs no interpolation.
    """
    return shape_at(volume.shape, volume.geometry, spacing, unit)


def shape_at(shape: Sequence[int], geometry: Geometry, spacing: Sequence[float], unit: str) -> tuple[int, int, int]:
    """As `resampled_shape`, of a grid of `shape` (k, j, i)."""
    if geometry.unit != "px" and unit != "px":
        geometry = geometry.in_unit(unit)
    sizes = []
    for size, own, wanted in zip(shape, geometry.spacing[::-1], tuple(spacing)[::-1], strict=True):
        ratio = own / wanted
        sizes.append(size if abs(ratio - 1) < SPACING_TOLERANCE else max(1, round(size * ratio)))
    return sizes[0], sizes[1], sizes[2]


def resample_image(array: np.ndarray, shape: tuple[int, int, int]) -> np.ndarray:
    """Resample an image to another grid over the same space: mean of the voxels down, trilinear up.

    Parameters
    ----------
    array : ndarray, shape (k, j, i), float32

    Returns
    -------
    ndarray of `shape`, float32
    """
    if array.shape == tuple(shape):
        return array
    import torch
    from torch.nn.functional import interpolate

    tensor = torch.from_numpy(np.ascontiguousarray(array, np.float32))[None, None]
    smaller = tuple(min(a, b) for a, b in zip(array.shape, shape, strict=True))
    if smaller != array.shape:
        tensor = interpolate(tensor, size=smaller, mode="area")
    if smaller != tuple(shape):
        tensor = interpolate(tensor, size=tuple(shape), mode="trilinear", align_corners=False)
    return tensor[0, 0].numpy()
