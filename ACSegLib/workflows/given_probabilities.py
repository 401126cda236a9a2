"""Probabilities that a person gives with a correction: on the voxels of the image, and by segment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ACSegLib.errors import InputError
from ACSegLib.fill.correcting.decisions import match_segments
from ACSegLib.geometry import size_text
from ACSegLib.placement import place_volume
from ACSegLib.volume import Segment, Segmentation, Volume
from ACSegLib.wording import listed

#: What probabilities may lie beyond 0 and 1: float16 and interpolation round them.
PROBABILITY_TOLERANCE = 0.01

#: Dice of a segment and of the voxels where its probability is above half of the mean in the segment; below, they do
#: not belong together.
MIN_AGREEMENT = 0.5


def on_image(given: Mapping[str, Any], image: Volume) -> dict[str, np.ndarray]:
    """Probabilities by the names that they were given under, on the voxels of the image.

    Parameters
    ----------
    given : mapping
        Name -> `Volume`, or array_like of the shape (k, j, i) of the image.
    image : Volume

    Raises
    ------
    InputError
        If they have another shape, or lie elsewhere, or are not numbers from 0 to 1.
    """
    placed = {}
    for name, values in given.items():
        volume = values if isinstance(values, Volume) else Volume(values, image.geometry, f"probabilities of {name}")
        own = place_volume(volume, image)
        if own is None and not isinstance(values, Volume):
            raise InputError(
                f"the probabilities of {name!r} have {size_text(volume.shape)} voxels and the image has "
                f"{size_text(image.shape)}; give those that were predicted from this image."
            )
        if own is None:
            raise InputError(
                f"{volume.name!r}, given as the probabilities of {name!r} ({size_text(volume.shape)} voxels, "
                f"{volume.geometry}), does not lie on the voxels of {image.name!r} ({size_text(image.shape)} voxels, "
                f"{image.geometry}); give those that were predicted from this image."
            )
        placed[name] = own.array
        low, high = (float(value) for value in (np.min(own.array), np.max(own.array)))
        if not (low >= -PROBABILITY_TOLERANCE and high <= 1 + PROBABILITY_TOLERANCE):  # false of values that are NaN
            raise InputError(
                f"the probabilities of {name!r} go from {low:g} to {high:g}, but must lie between 0 and 1; "
                "give those that 'acseg predict' wrote."
            )
    return placed


def by_corrected_id(
    given: Mapping[str, np.ndarray], segmentation: Segmentation, corrected: Segmentation
) -> tuple[dict[str, np.ndarray], list[str]]:
    """Probabilities by the ids of the corrected segments, and what a user should know of them.

    Parameters
    ----------
    given : mapping
        Id or name of a segment, before or after the corrections -> probabilities, shape (k, j, i).
    segmentation, corrected : Segmentation
        Before and after the corrections, on the grid of the probabilities.

    Raises
    ------
    InputError
        If there is no such segment.
    """
    if not given:
        return {}, []
    partners = match_segments(segmentation, corrected)[0]
    by_id: dict[str, np.ndarray] = {}
    strange = []
    for name, array in given.items():
        row = _row(segmentation, name)
        if row is None:
            by_id[corrected.segment(name).id] = array
            continue
        if row in partners:
            by_id[corrected.segments[partners[row]].id] = array
        if _agreement(array, segmentation, segmentation.segments[row]) < MIN_AGREEMENT:
            strange.append(segmentation.segments[row].name)
    missing = [segmentation.segments[a].name for a, b in partners.items() if corrected.segments[b].id not in by_id]
    notes = []
    if strange:
        notes.append(
            f"the probabilities of {listed(strange)} are high in other places than the segmentation; check that they "
            "are those of the network that made it, from this image with its axes in this order."
        )
    if missing:
        notes.append(f"there are no probabilities of {listed(missing)}, so those of the other segments count alone.")
    return by_id, notes


def _row(segmentation: Segmentation, name: str) -> int | None:
    """Which row of the table a name or an id means; None if no one has it."""
    if not any(name in (s.id, s.name) for s in segmentation.with_distinct_names().segments + segmentation.segments):
        return None
    return segmentation.segments.index(segmentation.segment(name))


def _agreement(probabilities: np.ndarray, segmentation: Segmentation, segment: Segment) -> float:
    """Dice of a segment and of the voxels where it is likely, for the mean in it; 1 of a segment without a voxel."""
    inside = segmentation.mask(segment)
    size = np.count_nonzero(inside)
    if not size:
        return 1.0
    likely = probabilities > 0.5 * probabilities[inside].mean(dtype=float)
    return 2 * np.count_nonzero(inside & likely) / (size + np.count_nonzero(likely))
