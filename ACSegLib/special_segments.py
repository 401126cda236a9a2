"""Segments that are no structures: names such as "ignore", "unlabelled", "background", "Exterior", "Clear Label".

Programs and people give regions to leave out, and the background, a segment of its own. Its name says so, and every
command takes it at its word: regions to leave out are neither labels nor background, and background is no structure.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace

import numpy as np

from ACSegLib.volume import DEFAULT_COLOURS, Segment, Segmentation, label_dtype

#: Names of regions of which nothing is known, or that shall be left out.
IGNORE_NAMES = frozenset(
    f"{word}{end}"
    for word in (
        "ignore", "ignored", "unlabelled", "unlabeled", "not labelled", "not labeled", "unannotated", "unassigned",
        "not annotated", "unsegmented", "do not use", "dont care", "do not care",
    )
    for end in ("", " region", " area", " voxels", " label")
)  # fmt: skip
#: Names of the background: Amira's and Avizo's, ITK-SNAP's, Slicer's, ilastik's and those that people write.
BACKGROUND_NAMES = frozenset({"background", "bg", "back ground", "exterior", "clear label", "clear", "clearlabel"})


def plain_name(name: str) -> str:
    """A segment's name without case, punctuation and doubled spaces."""
    return " ".join(re.sub(r"[\W_]+", " ", name.replace("'", "")).casefold().split())


def role_of(name: str) -> str | None:
    """Give "ignore" or "background" if a segment's name says that it is no structure, else None."""
    plain = plain_name(name)
    return "ignore" if plain in IGNORE_NAMES else "background" if plain in BACKGROUND_NAMES else None


@dataclass(frozen=True)
class Roles:
    """A segmentation with at most one segment of each role.

    Parameters
    ----------
    segmentation : Segmentation
        Several segments of one role are one in it.
    ignore, background : str or None
        Ids of the segments with these roles.
    notes : list of str
        A sentence for each segment that was taken at its word.
    """

    segmentation: Segmentation
    ignore: str | None
    background: str | None
    notes: list[str]


def roles_of(segmentation: Segmentation, *, ignore: str | None = None, background: str | None = None) -> Roles:
    """Find the segments of a role; a role that the caller gives to a segment is that segment's alone."""
    given = {
        key: segmentation.segment(name).id for key, name in (("ignore", ignore), ("background", background)) if name
    }
    chosen: dict[str, str | None] = {"ignore": given.get("ignore"), "background": given.get("background")}
    notes: list[str] = []
    for role in ("ignore", "background"):
        rows = [s for s in segmentation.segments if role_of(s.name) == role and s.id not in given.values()]
        if role in given or not rows or len(rows) == len(segmentation.segments):
            continue
        segmentation = _joined(segmentation, rows)
        chosen[role] = rows[0].id
        notes.append(_note(segmentation.name, rows, role))
    return Roles(segmentation, chosen["ignore"], chosen["background"], notes)


def role_notes(segmentation: Segmentation) -> list[str]:
    """A sentence for each role that segments have by their names."""
    found = {role: [s for s in segmentation.segments if role_of(s.name) == role] for role in ("ignore", "background")}
    return [_note(segmentation.name, rows, role) for role, rows in found.items() if rows]


def structures_of_both(
    result: Segmentation, reference: Segmentation, ignored: np.ndarray | None, keep: Collection[str]
) -> tuple[Segmentation, Segmentation, np.ndarray | None, list[str]]:
    """Two segmentations to compare as `structures` has them, the voxels (bool) that do not count, and notes.

    These are the voxels that were ignored before, and those that the reference marks.
    """
    reference, marked, notes = structures(reference, keep=keep)
    result, _, more = structures(result, keep=keep)
    ignored = marked if ignored is None else ignored if marked is None else ignored | marked
    return result, reference, ignored, [*notes, *more]


def structures(
    segmentation: Segmentation, keep: Collection[str] = ()
) -> tuple[Segmentation, np.ndarray | None, list[str]]:
    """Leave out the segments that are no structures.

    Parameters
    ----------
    keep : collection of str
        Names of segments that are wanted all the same.

    Returns
    -------
    segmentation : Segmentation
    ignored : ndarray of bool, shape (k, j, i), or None
        Voxels of the regions to leave out.
    notes : list of str
        A sentence for each role that was found.
    """
    roles = {
        role: [s for s in segmentation.segments if role_of(s.name) == role and s.name not in keep]
        for role in ("ignore", "background")
    }
    rows = [segment for segments_of_role in roles.values() for segment in segments_of_role]
    if not rows or len(rows) == len(segmentation.segments):
        return segmentation, None, []
    ignored = union(segmentation, roles["ignore"]) if roles["ignore"] else None
    layers = []
    for number, layer in enumerate(segmentation.layers):
        values = [segment.value for segment in rows if segment.layer == number]
        layers.append(np.where(np.isin(layer, values), 0, layer).astype(layer.dtype) if values else layer)
    notes = [
        _note(segmentation.name, segments_of_role, role) for role, segments_of_role in roles.items() if segments_of_role
    ]
    left = [segment for segment in segmentation.segments if segment not in rows]
    return replace(segmentation, layers=tuple(layers), segments=left), ignored, notes


def ignored_voxels(segmentation: Segmentation) -> np.ndarray | None:
    """Voxels of the regions to leave out, by the names of their segments, bool (k, j, i); None if there are none."""
    regions = [s for s in segmentation.segments if role_of(s.name) == "ignore"]
    ignored = union(segmentation, regions) if regions else None
    return ignored if ignored is not None and ignored.any() else None


def union(segmentation: Segmentation, segments: Iterable[Segment]) -> np.ndarray:
    """Boolean array (k, j, i): in any of these segments."""
    mask = np.zeros(segmentation.shape, bool)
    for segment in segments:
        mask |= segmentation.mask(segment)
    return mask


def _joined(segmentation: Segmentation, rows: list[Segment]) -> Segmentation:
    """Give the voxels of several segments to the first one."""
    first, *others = rows
    if not others:
        return segmentation
    layers = list(segmentation.layers)
    for segment in others:
        mask = segmentation.mask(segment)
        layers[segment.layer] = np.where(mask, 0, layers[segment.layer]).astype(layers[segment.layer].dtype)
        layers[first.layer] = np.where(mask, first.value, layers[first.layer]).astype(layers[first.layer].dtype)
    kept = [segment for segment in segmentation.segments if segment not in others]
    return replace(segmentation, layers=tuple(layers), segments=kept)


def _note(name: str, rows: list[Segment], role: str) -> str:
    listed = " and ".join(repr(segment.name) for segment in rows)
    what = "marks voxels to leave out" if role == "ignore" else "is background"
    return f"{name or 'labels'}: {listed} {what}, as the name says; rename it if it is a structure."


def with_marks(
    segmentation: Segmentation,
    where: np.ndarray,
    name: str,
    own: str | None = None,
    colour: tuple[float, ...] = DEFAULT_COLOURS[0],
) -> tuple[Segmentation, str]:
    """Give voxels to a segment that marks something; they leave all others.

    Parameters
    ----------
    segmentation : Segmentation
    where : ndarray of bool, shape (k, j, i)
    name : str
        Of the segment.
    own : str, optional
        Id of a segment that marks it already; otherwise a new one has a free value and id.
    colour : tuple of float
        Of a new segment.

    Returns
    -------
    segmentation : Segmentation
    own : str
        Id of the segment.
    """
    if own is None:
        value = max((s.value for s in segmentation.segments), default=0) + 1
        taken = {s.id for s in segmentation.segments}
        own = next(label for n in range(len(taken) + 1) if (label := f"{name}{n or ''}") not in taken)
        segmentation = replace(segmentation, segments=[*segmentation.segments, Segment(name, value, colour, id=own)])
    row = segmentation.segment(own)
    layers = [np.where(where, 0, layer).astype(layer.dtype) for layer in segmentation.layers]
    dtype = label_dtype([row.value], layers[row.layer].dtype)
    layers[row.layer] = np.where(where, dtype.type(row.value), layers[row.layer])
    return replace(segmentation, layers=tuple(layers)), own
