"""What must not be before a training starts: everything wrong with the data is named in one message."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence

import numpy as np

from ACSegLib.errors import InputError
from ACSegLib.network.model.preprocessing import UNLIKELY_RATIO
from ACSegLib.network.train.data import is_ignored, name_key
from ACSegLib.network.train.fingerprint import Fingerprint, Problem
from ACSegLib.special_segments import role_of

#: Thumbnails that correlate better than this show one image, whatever its number type and grey scale.
_SAME_IMAGE = 0.9999
#: Ratio of voxel sizes beyond which nothing is left of a volume that is resampled.
_FATAL_RATIO = 100.0
#: Segments that a note lists.
_LISTED = 5
#: Numbered segments of one name and one volume that are cells, not kinds: at least so many, of sizes (10th and 90th
#: percentile) within so much.
_MIN_CELLS, _MAX_CELL_RATIO = 10, 8.0
_NUMBERED = re.compile(r"(.*?)[ _-]*\d+")


def compare(
    training: Sequence[Fingerprint],
    validation: Sequence[Fingerprint],
    *,
    resampled: bool = True,
    missing: str = "background",
) -> list[Problem]:
    """Find problems between cases: duplicates, leakage, segments without a partner of their name, mixed units.

    Voxel sizes count only where the volumes are `resampled` to one. `missing` is that of the training.
    """
    problems = []
    for n, one in enumerate(training):
        for other in training[:n]:
            if _same_image(one, other):
                text = f"{one.name} and {other.name} are the same image; remove one of them."
                problems.append(Problem("duplicate", text, fatal=False))
        for other in validation:
            if _same_image(one, other):
                text = (
                    f"{one.name} is among the training and (as {other.name}) among the validation images, which would "
                    "make the validation Dice meaningless; remove it from one."
                )
                problems.append(Problem("leakage", text, fatal=False))
    trained = {name_key(s.name) for fingerprints in training for s in fingerprints.segments}
    for fingerprints in validation:
        for segment in fingerprints.segments:
            if trained and name_key(segment.name) not in trained:
                text = (
                    f"{fingerprints.name} (validation) has the segment {segment.name!r}, which no training volume has "
                    f"(those have: {', '.join(sorted(trained))}); rename or remove it."
                )
                problems.append(Problem("table", text))
    if training and not any(_labelled(f) for f in training):
        text = "no training volume has a labelled voxel, so there is nothing to learn; label at least one of them."
        return [*problems, Problem("labels", text)]
    problems += _single_cells(training)
    lonely = _without_shared_segment(training) if missing == "background" else []
    problems += lonely or _partial_segments(training, missing)
    return problems + (_spacing_problems([*training, *validation]) if resampled else [])


def _single_cells(fingerprints: Sequence[Fingerprint]) -> list[Problem]:
    """A volume whose cells have a label value each: to a network they would be as many kinds, which look the same.

    Kinds differ more in size than cells of one kind.
    """
    for f in fingerprints:
        groups: dict[str, dict[str, str]] = {}
        for key, name in _labelled(f).items():
            if match := _NUMBERED.fullmatch(key):
                groups.setdefault(match[1], {})[key] = name
        for group in groups.values():
            low, high = np.percentile([f.voxels[key] for key in group], (10, 90))
            if len(group) >= _MIN_CELLS and high < _MAX_CELL_RATIO * low:
                text = (
                    f"{f.name} has {len(group)} numbered segments of about one size ({_some(group)}), but a network "
                    "learns kinds, and not single cells. Give all cells of a kind one value and name; acseg predict "
                    "--cells splits the cells of a prediction."
                )
                return [Problem("table", text, fatal=False)]
    return []


def _without_shared_segment(fingerprints: Sequence[Fingerprint]) -> list[Problem]:
    """A volume whose segments no other has: its file lost their names, or has them by other values.

    What one volume teaches as a segment, the others would teach as background.
    """
    named = [(f.name, _labelled(f)) for f in fingerprints]
    for volume, segments in named:
        others = {key: name for _, found in named if found is not segments for key, name in found.items()}
        if segments and others and not segments.keys() & others.keys():
            text = (
                f"{volume} has the segments {_some(segments)}, and the other volumes {_some(others)}: what is a "
                "segment in one would be background in the others. Give the same structure the same name in all files. "
                "If they are different structures, add --missing unknown."
            )
            return [Problem("table", text, fatal=False)]
    return []


def _labelled(fingerprint: Fingerprint) -> dict[str, str]:
    """Name key and name of the segments that a volume has a voxel of."""
    rows = [s for s in fingerprint.segments if not is_ignored(s) and role_of(s.name) != "background"]
    return {name_key(s.name): s.name for s in rows if fingerprint.voxels.get(name_key(s.name))}


def _some(names: Mapping[str, str]) -> str:
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(list(names.values())[:_LISTED]) + more


def _partial_segments(fingerprints: Sequence[Fingerprint], missing: str) -> list[Problem]:
    """Segments that only some of the volumes have: the others show them as background, or spell them differently."""
    names: dict[str, list[str]] = {}
    for fingerprint in fingerprints:
        for key, name in {name_key(s.name): s.name for s in fingerprint.segments if not is_ignored(s)}.items():
            names.setdefault(key, []).append(name)
    partial = [(found[0], len(found)) for found in names.values() if len(found) < len(fingerprints)]
    if not partial:
        return []
    listed = _some({name: f"{name} (in {count} of {len(fingerprints)})" for name, count in partial})
    meaning = "as background" if missing == "background" else "as not labelled"
    text = (
        f"not all volumes have the segments {listed}; where one is missing, it counts {meaning}. Rename it if it is "
        "spelt differently there."
    )
    return [Problem("table", text, fatal=False, warning=True)]


def _spacing_problems(fingerprints: Sequence[Fingerprint]) -> list[Problem]:
    without = [f.name for f in fingerprints if f.geometry.unit == "px"]
    if without and len(without) < len(fingerprints):
        text = (
            f"{len(without)} of {len(fingerprints)} volumes tell no voxel size ({', '.join(without[:_LISTED])}); all "
            "volumes are taken voxel by voxel, without resampling. Write the voxel size into the files, or give "
            "--spacing none to choose this."
        )
        return [Problem("spacing", text, fatal=False, warning=True)]
    if without:
        text = "the volumes tell no voxel size: the model will work on voxels, and expects images of the same scale."
        return [Problem("spacing", text, fatal=False, warning=True)]
    return _sizes_far_apart(fingerprints)


def _sizes_far_apart(fingerprints: Sequence[Fingerprint]) -> list[Problem]:
    """Voxel sizes so different that a unit is wrong in one of the files; resampled, the smaller volumes vanish."""
    edges = [math.prod(f.geometry.in_unit("mm").spacing) ** (1 / 3) for f in fingerprints]
    if not edges or max(edges) < UNLIKELY_RATIO * min(edges):
        return []
    fine, coarse = (fingerprints[edges.index(pick(edges))] for pick in (min, max))
    sizes = " and ".join(f"{f.name} ({f.geometry})" for f in (fine, coarse))
    ratio = max(edges) / min(edges)
    text = f"the voxels of {sizes} differ {ratio:.0f} times in size; correct the unit or the voxel size of one of them."
    return [Problem("spacing", text, fatal=ratio > _FATAL_RATIO)]


def refuse(problems: Sequence[Problem], force: bool = False) -> None:
    """Raise one InputError that lists every problem, unless there are only warnings.

    Parameters
    ----------
    force : bool
        Start in spite of problems that are not fatal (duplicates, leakage, empty labels, labels as images).
    """
    stopping = [p for p in problems if p.fatal or not (p.warning or force)]
    if not stopping:
        return
    if len(stopping) == 1:
        text = stopping[0].message
    else:
        text = f"{len(stopping)} problems with the training data:\n" + "\n".join(f"  - {p.message}" for p in stopping)
    if not any(p.fatal for p in stopping):
        text += " To train all the same, add --force."
    raise InputError(text)


def _same_image(one: Fingerprint, other: Fingerprint) -> bool:
    if one.shape != other.shape:
        return False
    return one.image_digest == other.image_digest or float(one.thumbnail @ other.thumbnail) > _SAME_IMAGE
