"""The fingerprint of the training data: what each case is like, measured once, and what is wrong with it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ACSegLib.errors import Cancelled, InputError
from ACSegLib.files.label_values import look_like_labels
from ACSegLib.jobs import Progress
from ACSegLib.labelled_slices import mark_slices
from ACSegLib.network.model.preprocessing import IntensityStatistics, intensity_statistics
from ACSegLib.network.train.data import (
    IGNORE_NAME,
    Case,
    any_label,
    ignored_voxels,
    is_ignored,
    labelled_slices,
    really_overlap,
    rows_by_name,
)
from ACSegLib.special_segments import union
from ACSegLib.volume import Geometry, Segment, Segmentation, Volume, require_same_grid

#: Side of the thumbnails, in voxels.
_THUMBNAIL = 24


@dataclass
class Problem:
    """Something wrong with the data.

    Parameters
    ----------
    kind : str
        "unreadable", "geometry", "labels", "duplicate", "leakage", "intensity", "spacing", "table".
    message : str
        One sentence that names the case and says what to do.
    fatal : bool
        The training cannot start with it. Other problems stop it too, except warnings, unless `force` is set.
    warning : bool
        Told, and no more.
    """

    kind: str
    message: str
    fatal: bool = True
    warning: bool = False


@dataclass
class Fingerprint:
    """What one opened case is like."""

    name: str
    shape: tuple[int, int, int]
    geometry: Geometry
    statistics: IntensityStatistics | None
    segments: list[Segment]
    voxels: dict[str, int]  # by name key; "" is the background; known voxels only
    slices: dict[str, list[int]]
    overlapping: bool
    thumbnail: np.ndarray
    image_digest: str
    label_digest: str
    problems: list[Problem] = field(default_factory=list)


def examine(
    cases: Sequence[Case], progress: Progress, *, sparse: str = "auto", ignore: str = IGNORE_NAME
) -> tuple[list[Fingerprint], list[Problem]]:
    """Open each case once and measure it.

    Returns
    -------
    fingerprints : list of Fingerprint
        Of the cases that could be opened.
    problems : list of Problem
        Of single cases; see `compare` for those between cases.
    """
    fingerprints: list[Fingerprint] = []
    problems: list[Problem] = []
    for case, _ in progress.each(cases, lambda case: f"checking {case.name}"):
        try:
            volume, labels = case.open_image(), case.open_labels()
            require_same_grid(volume, labels)
            fingerprint = _measure(case.name, volume, labels, sparse, ignore)
        except Cancelled:
            raise
        except (InputError, OSError) as error:
            problems.append(Problem("unreadable", f"{case.name}: {error}"))
            continue
        fingerprints.append(fingerprint)
        problems += fingerprint.problems
    return fingerprints, problems


def _measure(name: str, volume: Volume, labels: Segmentation, sparse: str, ignore: str) -> Fingerprint:
    problems: list[Problem] = []
    labelled = labelled_slices(labels, sparse, ignore)
    notes = labelled.notes("label the whole slice if it does")  # a training has no list of slices
    problems += [Problem("labels", f"{name}: {note}", fatal=False, warning=True) for note in notes]
    known = mark_slices(labels.shape, labelled.slices) if labelled.slices else np.ones(labels.shape, bool)
    occupied = any_label(labels)
    known &= ~ignored_voxels(labels, ignore)
    segments = [s for s in labels.segments if not is_ignored(s, ignore)]
    voxels = {"": int(np.count_nonzero(known & ~occupied))}
    for key, rows in rows_by_name(segments).items():
        voxels[key] = int(np.count_nonzero(union(labels, rows) & known))
    if not any(count for key, count in voxels.items() if key):
        text = f"{name}: its labels are empty; draw something, or leave the volume out."
        problems.append(Problem("labels", text, fatal=False))
    problems += _intensity_problems(name, volume.array)
    finite_enough = not any(p.kind == "intensity" and p.fatal for p in problems)
    statistics = intensity_statistics(volume.array) if finite_enough else None
    if statistics is not None and statistics.padding is not None:
        problems.append(
            Problem("padding", f"{name}: {statistics.padding.note_on_replacement()}", fatal=False, warning=True)
        )
    return Fingerprint(
        name=name,
        shape=volume.shape,
        geometry=volume.geometry,
        statistics=statistics,
        segments=segments,
        voxels=voxels,
        slices=labelled.slices,
        overlapping=really_overlap(labels, ignore),
        thumbnail=_thumbnail(volume.array),
        image_digest=digest(volume.array),
        label_digest=digest(*labels.layers),
        problems=problems,
    )


def _intensity_problems(name: str, array: np.ndarray) -> list[Problem]:
    missing, low, high = 0, np.inf, -np.inf
    for plane in array:
        known = plane[np.isfinite(plane)] if array.dtype.kind == "f" else plane
        missing += plane.size - known.size
        if known.size:
            low, high = min(low, known.min()), max(high, known.max())
    if missing == array.size:
        return [Problem("intensity", f"{name}: the image holds no finite value; check how it was written.")]
    if low == high:
        return [Problem("intensity", f"{name}: the image has the one value {low:g}; check how it was written.")]
    problems = []
    if missing:
        text = (
            f"{name}: {missing} voxels of the image are not finite (NaN or infinity); they are replaced by the mean, "
            "as in a prediction."
        )
        problems.append(Problem("intensity", text, fatal=False, warning=True))
    if look_like_labels(array):
        text = (
            f"{name}: the image looks like labels, whole numbers that hardly change from voxel to voxel; give the "
            "tomogram in its place."
        )
        problems.append(Problem("intensity", text, fatal=False))
    return problems


def digest(*arrays: np.ndarray) -> str:
    """SHA-256 of the voxels of some arrays (number type, shape and values)."""
    checksum = hashlib.sha256()
    for array in arrays:
        checksum.update(f"{array.dtype.str}{array.shape}".encode())
        for plane in array:
            checksum.update(np.ascontiguousarray(plane).data)
    return checksum.hexdigest()


def _thumbnail(array: np.ndarray) -> np.ndarray:
    """Voxels on a coarse grid, centred and of length 1; zeros for an image of one value."""
    index = [np.linspace(0, n - 1, min(n, _THUMBNAIL)).round().astype(int) for n in array.shape]
    sample = np.nan_to_num(array[np.ix_(*index)].astype(np.float64).ravel(), posinf=0.0, neginf=0.0)
    sample -= sample.mean()
    length = float(np.linalg.norm(sample))
    return sample / length if length > 0 else np.zeros_like(sample)
