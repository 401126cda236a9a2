"""Two files on one grid: which unit their lengths are in, and how one is resampled to the other."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TypeVar

import numpy as np

from ACSegLib.errors import InputError
from ACSegLib.geometry import MAX_SHIFT, ROUNDING, size_text
from ACSegLib.label_positions import lacks_position, place_by_crop, place_by_planes, place_of, reading_of
from ACSegLib.volume import UNITS_IN_MM, Geometry, Segmentation, Volume, require_same_grid
from ACSegLib.wording import counted, listed

Labels = TypeVar("Labels", Segmentation, Volume)

#: Units that a table may be in; see `in_unit`.
UNITS = ("um", "nm", "mm", "px", "file")

#: Larger voxels are taken for a unit that was lost: the numbers of a tomogram in nm, read as mm.
MAX_VOXEL_MM = 5.0

#: How far a unit in a file is to be believed: many programs write no unit, or millimetres, whatever the numbers mean.
_TRUST = {"px": 0, "mm": 1}


def same_grid(one: Volume | Segmentation, other: Volume | Segmentation) -> bool:
    """Whether two lie voxel on voxel."""
    return one.shape == other.shape and one.geometry.matches(other.geometry, other.shape)


def place_labels(
    segmentation: Segmentation, onto: Volume | Segmentation, *, resample: bool = False, completed: bool = False
) -> Segmentation:
    """Bring labels onto the grid of an image, or of other labels: the one check of place that all commands share.

    Labels that are on the same grid, up to a crop, as those that Slicer has cropped to the labelled voxels, are copied
    exactly.
    Labels of which no voxel is labelled are empty on any grid. A folder with labels of some slices is laid on the
    slices of the same names. Labels of a file without a position lie on an image of the same shape and voxel size.
    Where the lengths of two files put them apart but their plain numbers put them together, the numbers are taken:
    many programs keep the numbers of an image and state another unit, or none.

    Parameters
    ----------
    resample : bool
        Whether labels of another grid may be resampled (nearest), and voxels that lie outside be left out.
    completed : bool
        Whether the caller knows what lies where the labels do not reach (`unseen`), so that no note says it.

    Returns
    -------
    Segmentation
        The same one where it lies on the grid already, whatever unit it names. `meta["notes"]` tells what was assumed.

    Raises
    ------
    InputError
        If the labels are on another grid, or partly outside, and `resample` is False; or if nothing of them lies
        inside.
    """
    from ACSegLib.files.registry import tell
    from ACSegLib.resample import is_aligned, resample_segmentation

    segmentation = _on_their_slices(segmentation, onto)
    if same_grid(segmentation, onto):
        return _exactly_on(segmentation, onto)
    if not any(map(np.any, segmentation.layers)):  # Slicer saves a single voxel where nothing is drawn
        layers = tuple(np.zeros(onto.shape, layer.dtype) for layer in segmentation.layers)
        return replace(segmentation, layers=layers, geometry=onto.geometry)
    if lacks_position(segmentation, onto) and segmentation.shape != onto.shape and not resample:
        raise InputError(
            f"labels {segmentation.name!r} have {size_text(segmentation.shape)} voxels, {onto.name!r} has "
            f"{size_text(onto.shape)}, and the labels state no position; save them with the voxel size and the origin "
            "of the image, or use --resample if both begin at the same voxel."
        )
    geometry = place_of(segmentation, onto)
    aligned = is_aligned(geometry, onto.geometry, onto.shape)
    if not resample and not aligned:
        require_same_grid(onto, segmentation)
    placed = resample_segmentation(replace(segmentation, geometry=geometry), onto.geometry, onto.shape)
    before, after = (sum(map(np.count_nonzero, labels.layers)) for labels in (segmentation, placed))
    _require_some_inside(segmentation, onto, before, after)
    if aligned and after < before and not resample:
        advice = "use --resample to go on without these voxels"
        raise InputError(
            f"{before - after} of {before} labelled voxels of {segmentation.name!r} ({segmentation.geometry}) lie "
            f"outside {onto.name!r} ({onto.geometry}); check the origin of both files, or {advice}."
        )
    if onto.geometry.unit == "px" and aligned:  # of two files, the one that states a unit is believed
        placed = replace(placed, geometry=replace(placed.geometry, unit=geometry.unit))
    lost = (
        before - after if aligned else _labelled_outside(segmentation, _covered_by(onto, geometry, segmentation.shape))
    )
    notes = list(_assumptions(segmentation, geometry, onto, lost, completed))
    tell(notes)
    return replace(placed, meta={**placed.meta, "notes": [*placed.meta.get("notes", []), *notes]}) if notes else placed


def _exactly_on(segmentation: Segmentation, onto: Volume | Segmentation) -> Segmentation:
    """Labels on one grid with another; exactly there, with a note, where their place differs by a part of a voxel."""
    from ACSegLib.files.registry import tell

    mine, theirs = segmentation.geometry, onto.geometry
    if place_by_planes(segmentation, onto) is not None:
        tell([f"{segmentation.name}: was laid on {onto.name} voxel by voxel, though its planes state other positions."])
    if Geometry() in (mine, theirs) or (shift := mine.shift_of(theirs, onto.shape)) <= ROUNDING:
        return segmentation
    note = _note_on_shift(segmentation, onto, shift)
    if shift > MAX_SHIFT:  # one of them has no position
        silent = onto.name if mine.has_position else segmentation.name
        note = f"{silent}: states no position; {segmentation.name} was laid on {onto.name} voxel by voxel."
    tell([note])
    place = replace(theirs, unit=mine.unit)
    if not mine.matches(place, onto.shape):
        place = theirs.in_unit(mine.unit)
    if mine.has_position and not theirs.has_position:
        place = mine
    notes = [*segmentation.meta.get("notes", []), note]
    return replace(segmentation, geometry=place, meta={**segmentation.meta, "notes": notes})


def _note_on_shift(segmentation: Segmentation, onto: Volume | Segmentation, shift: float) -> str:
    return (
        f"{segmentation.name}: its position and voxel size put it up to {shift:.2g} voxels beside {onto.name}; it was "
        "taken to lie on the same voxels."
    )


def _on_their_slices(segmentation: Segmentation, onto: Volume | Segmentation) -> Segmentation:
    """Lay a folder with labels of some slices on the slices of an image whose names are the same, or their numbers.

    All of them count as labelled: who saved an empty one looked at it.
    """
    from ACSegLib.files.content import GAP, NAMES
    from ACSegLib.files.registry import tell

    names, theirs = segmentation.meta.get(NAMES), onto.meta.get(NAMES) or []
    gap = segmentation.meta.get(GAP)
    if not names or (segmentation.shape == onto.shape and not gap):
        return segmentation
    for read in (str, _last_number):
        wanted, places = [read(name) for name in names], {read(name): k for k, name in enumerate(theirs)}
        if len(places) == len(theirs) and set(wanted) <= set(places) and segmentation.shape[1:] == onto.shape[1:]:
            layers = []
            for layer in segmentation.layers:
                layers.append(np.zeros(onto.shape, layer.dtype))
                layers[-1][[places[key] for key in wanted]] = layer
            lie = f"its {counted(len(names), 'slices')} lie on those of {onto.name} with the same names"
            tell([f"{segmentation.name}: {lie}, and count as labelled, also where they are empty."])
            meta = {key: value for key, value in segmentation.meta.items() if key not in (NAMES, GAP)}
            meta["slices"] = {"k": sorted(places[key] for key in wanted)}
            return replace(segmentation, layers=tuple(layers), geometry=onto.geometry, meta=meta)
    if gap:
        raise InputError(
            f"{gap} To use labels of some slices, give the image as a folder of slices with the same names or numbers."
        )
    return segmentation


def _last_number(name: str) -> str:
    """The last number in a name, without leading zeros: that of a slice."""
    found = re.findall(r"\d+", name)
    return str(int(found[-1])) if found else name


def unseen(segmentation: Segmentation, onto: Volume | Segmentation) -> np.ndarray | None:
    """Which voxels of a grid (bool) the file of labels does not hold; None if it holds all.

    Of a segmentation of Slicer, which is cropped to its labels, the whole grid counts that it was cropped from.
    """
    if same_grid(segmentation, onto) or not any(map(np.any, segmentation.layers)):
        return None
    offset, extent = (segmentation.meta.get(f"reference_{what}") for what in ("offset", "extent"))
    if offset and not extent:
        return None
    geometry = place_of(segmentation, onto)
    shape = segmentation.shape
    if offset and extent:
        geometry = geometry.cropped([first - n for first, n in zip(extent[::2], offset, strict=True)])
        i, j, k = (last - first + 1 for first, last in zip(extent[::2], extent[1::2], strict=True))
        shape = (k, j, i)
    held = Volume(np.broadcast_to(np.uint8(1), shape), geometry)
    beyond = ~_covered_by(held, onto.geometry, onto.shape)
    return beyond if beyond.any() else None


def lies_on_voxels(labels: Segmentation, onto: Volume | Segmentation) -> bool:
    """Whether `place_labels` copies labels exactly; else it resamples them, which makes steps."""
    from ACSegLib.resample import is_aligned

    return same_grid(labels, onto) or is_aligned(place_of(labels, onto), onto.geometry, onto.shape)


def with_image(labels: Segmentation, image: Volume, *, resample: bool = False) -> tuple[Segmentation, Volume]:
    """Labels and image on one grid, to be measured there: the steps of resampled labels would have more surface.

    Labels that lie voxel on voxel come to the grid of the image; see `place_labels`. To labels of another grid the
    image is resampled (nearest, so that no values mix), if `resample` allows it.
    """
    from ACSegLib.files.registry import tell
    from ACSegLib.resample import resample_volume

    if not resample or lies_on_voxels(labels, image):
        return place_labels(labels, image, resample=resample), image
    geometry = place_of(labels, image)
    placed = with_margin(replace(labels, geometry=geometry))
    covered = _covered_by(image, placed.geometry, placed.shape)
    before, lost = sum(map(np.count_nonzero, labels.layers)), _labelled_outside(placed, covered)
    _require_some_inside(labels, image, before, before - lost)
    placed = replace(placed, layers=tuple(np.where(covered, layer, 0) for layer in placed.layers))
    note = f"{image.name}: was resampled to the grid of {labels.name}, so that its shapes stay as they are."
    tell([*_assumptions(labels, geometry, image, lost), note])
    return placed, resample_volume(image, placed.geometry, placed.shape)


def place_volume(volume: Volume, image: Volume) -> Volume | None:
    """Values that belong to the voxels of an image, such as probabilities, on its grid; None if they lie elsewhere.

    They are copied exactly, also from a file whose axes are flipped or exchanged, or that holds more than the image.
    """
    from ACSegLib.resample import is_aligned, resample_volume

    if same_grid(volume, image):
        return volume
    aligned = is_aligned(volume.geometry, image.geometry, image.shape)
    if not aligned or not _covered_by(volume, image.geometry, image.shape).all():
        return None
    return resample_volume(volume, image.geometry, image.shape)


def _covered_by(other: Volume | Segmentation, geometry: Geometry, shape: tuple[int, int, int]) -> np.ndarray:
    """Which voxels of a grid (bool) another one has a voxel for."""
    from ACSegLib.resample import resample_volume

    everywhere = Volume(np.broadcast_to(np.uint8(1), other.shape), other.geometry)
    return np.asarray(resample_volume(everywhere, geometry, shape).array) != 0


def _labelled_outside(labels: Segmentation, covered: np.ndarray) -> int:
    """How many voxels of all layers are labelled where nothing covers them."""
    return sum(int(np.count_nonzero(layer[~covered])) for layer in labels.layers)


def _require_some_inside(labels: Segmentation, onto: Volume | Segmentation, before: int, after: int) -> None:
    if before and not after:
        if labels.shape == onto.shape and not np.allclose(labels.geometry.direction, onto.geometry.direction):
            raise InputError(
                f"no label of {labels.name!r} ({labels.geometry}) lies inside {onto.name!r} ({onto.geometry}), since "
                "their axes run in other directions; check which of the two headers is right. If the labels were made "
                f"on {onto.name!r}, save them with its voxel size, origin and direction."
            )
        raise InputError(
            f"no label of {labels.name!r} ({labels.geometry}) lies inside {onto.name!r} ({onto.geometry}); "
            "check the unit, the voxel size and the origin of both files, and that they belong together."
        )


def with_room_for(reference: Segmentation, other: Segmentation) -> Segmentation:
    """A segmentation of Slicer on a grid that holds another one as well.

    Slicer saves the part of the grid that holds labels, so that what lies beyond is background, and what another
    segmentation has there is wrong. Segmentations of other programs, and those of other grids, stay as they are.
    """
    from ACSegLib.resample import index_map, is_aligned, resample_segmentation

    if "reference_offset" not in reference.meta or other.geometry == Geometry() or same_grid(other, reference):
        return reference
    geometry = reading_of(other, reference)
    if not is_aligned(geometry, reference.geometry, reference.shape):
        return reference
    matrix, offset = index_map(reference.geometry, geometry)
    corners = np.rint(np.array([[0, 0, 0], np.array(other.shape) - 1]) @ matrix.T + offset).astype(int)
    low, high = corners.min(axis=0), corners.max(axis=0)
    start, stop = np.minimum(low, 0), np.maximum(high + 1, reference.shape)
    if (low >= reference.shape).any() or (high < 0).any() or tuple(stop - start) == reference.shape:
        return reference
    shape = (int(stop[0] - start[0]), int(stop[1] - start[1]), int(stop[2] - start[2]))
    return resample_segmentation(reference, reference.geometry.cropped(start[::-1].tolist()), shape)


def with_margin(segmentation: Segmentation) -> Segmentation:
    """A segmentation of Slicer with a voxel of background where its image goes on beyond the part that was saved.

    The ends of such a file are no border of the volume, which would cut cells there.
    """
    before, after = _cropped_ends(segmentation)
    if not any(before + after):
        return segmentation
    pads = list(zip(before, after, strict=True))[::-1]
    return replace(
        segmentation,
        layers=tuple(np.pad(layer, pads) for layer in segmentation.layers),
        geometry=segmentation.geometry.cropped([-n for n in before]),
    )


def _cropped_ends(segmentation: Segmentation) -> tuple[list[int], list[int]]:
    """For the first and the last voxel along i, j, k: 1 where Slicer has cut off what lies beyond, else 0."""
    offset, extent = (segmentation.meta.get(f"reference_{what}") for what in ("offset", "extent"))
    if not offset:
        return [0, 0, 0], [0, 0, 0]
    first, last = (extent[::2], extent[1::2]) if extent else ((0, 0, 0), None)
    before = [int(o > f) for o, f in zip(offset, first, strict=True)]
    sizes = segmentation.shape[::-1]
    after = [int(o + n - 1 < e) for o, n, e in zip(offset, sizes, last, strict=True)] if last else [0, 0, 0]
    return before, after


def _assumptions(
    segmentation: Segmentation, geometry: Geometry, onto: Volume | Segmentation, lost: int, completed: bool = False
) -> Iterator[str]:
    """Sentences on what was assumed of labels that did not simply lie on the grid."""
    from ACSegLib.resample import index_map, is_aligned, shift_beside

    matrix, offset = index_map(geometry, onto.geometry)
    unturned = np.allclose(matrix, np.eye(3), atol=1e-3)  # not so where axes are flipped or exchanged
    by_planes = place_by_planes(segmentation, onto) is not None
    at_corner = unturned and not any(segmentation.geometry.origin) and not any(onto.geometry.origin)
    if by_planes:
        yield f"{segmentation.name}: was placed on {onto.name} by the positions of the planes that both files state."
    elif place_by_crop(segmentation, onto) is not None:
        yield (
            f"{segmentation.name}: states no voxel size, as where Slicer found none in the image; it was placed on "
            f"{onto.name} by the voxels that it covers."
        )
    elif lacks_position(segmentation, onto) or (segmentation.shape != onto.shape and at_corner):
        yield (
            f"{segmentation.name}: has another shape than {onto.name} and states no position; its first voxel was "
            "placed on the first one of the image."
        )
    elif geometry.unit != segmentation.geometry.unit:
        yield (
            f"{segmentation.name}: its place fits {onto.name} by its plain numbers, not in "
            f"{segmentation.geometry.unit}; {geometry.unit} is assumed."
        )
    shift = np.rint(offset).astype(int)
    if segmentation.shape == onto.shape and unturned and shift.any():
        steps = ", ".join(f"{-n:+d}" for n in shift[::-1])
        yield (
            f"{segmentation.name}: has the shape of {onto.name} but lies elsewhere; its labels were moved by {steps} "
            "voxels along i, j, k."
        )
    beside = shift_beside(geometry, onto.geometry, onto.shape)
    if beside > ROUNDING and is_aligned(geometry, onto.geometry, onto.shape):
        yield _note_on_shift(segmentation, onto, beside)
    ends = _cut_ends(segmentation, geometry, onto) if not (lost or completed) else []
    if ends:
        yield (
            f"{segmentation.name}: covers a part of {onto.name} only, and labels reach the end of this part along "
            f"{', '.join(ends)}; voxels beyond it count as not labelled, so that a cell that goes on there may be cut."
        )
    if lost:
        yield f"{segmentation.name}: {lost} labelled voxels lie outside {onto.name} and were left out."


def _cut_ends(segmentation: Segmentation, geometry: Geometry, onto: Volume | Segmentation) -> list[str]:
    """The axes at whose ends labels reach the last voxel of their grid, while the other grid goes on.

    A segmentation that Slicer has cropped to its labels always does so, and is whole.
    """
    from ACSegLib.resample import index_map, is_aligned

    if any(map(any, _cropped_ends(segmentation))) or not is_aligned(geometry, onto.geometry, onto.shape):
        return []
    matrix, offset = index_map(onto.geometry, geometry)
    ends = []
    for axis, name in enumerate("kji"):
        along = int(np.argmax(np.abs(matrix[:, axis])))
        for index, step in ((0, -1), (segmentation.shape[axis] - 1, 1)):
            beyond = matrix[along, axis] * (index + step) + offset[along]
            labelled = any(np.any(np.take(labels, index, axis=axis)) for labels in segmentation.layers)
            if labelled and -0.5 < beyond < onto.shape[along] - 0.5 and name not in ends:
                ends.append(name)
    return ends[::-1]


def in_one_unit(segmentation: Segmentation, other: Labels) -> tuple[Segmentation, Labels]:
    """Give two that lie on each other the unit of the one that is to be believed, where their numbers are equal.

    A file of unknown unit takes that of the other one. Of two units, one other than millimetres is believed; if both
    are, that of `other`. Files whose grids differ, or are equal as lengths, stay as they are.
    """
    mine, theirs = segmentation.geometry, other.geometry
    if not same_grid(segmentation, other) or mine.unit == theirs.unit:
        return segmentation, other
    if Geometry() in (mine, theirs):
        known = theirs if mine == Geometry() else mine
        return replace(segmentation, geometry=known), replace(other, geometry=known)
    if "px" not in (mine.unit, theirs.unit) and mine.in_unit(theirs.unit).matches(theirs, other.shape):
        return segmentation, other
    unit = max(theirs.unit, mine.unit, key=lambda name: _TRUST.get(name, 2))
    return (
        replace(segmentation, geometry=replace(mine, unit=unit)),
        replace(other, geometry=replace(theirs, unit=unit)),
    )


def with_geometry_of(labels: Segmentation, image: Volume) -> Volume:
    """An image with the voxel size or the unit of labels that lie on it, where they are to be believed; a note says so.

    So the result is not without a size because the image is. Voxels of 1 x 1 x 1 are what programs write that know no
    size; they say nothing. See `in_one_unit`.
    """
    from ACSegLib.files.registry import tell

    if labels.geometry.spacing == Geometry().spacing:
        return image
    known = in_one_unit(labels, image)[1]
    if known.geometry != image.geometry:
        size = " x ".join(f"{length:g}" for length in known.geometry.spacing)
        where = f"{labels.name}, which states {size} {known.geometry.unit}"
        tell([f"{image.name}: its voxel size was taken from {where}; if that is wrong, state it with --voxel-size."])
    return known


def with_default_unit(labels: Labels, unit: str | None) -> Labels:
    """Give lengths of unknown unit the one that the person says they are in (None: they stay unknown)."""
    if unit is None or labels.geometry.unit != "px":
        return labels
    return replace(labels, geometry=replace(labels.geometry, unit=unit))


def in_unit(segmentation: Segmentation, unit: str) -> Segmentation:
    """The segmentation with lengths in `unit`; one of unknown unit keeps its numbers ("px").

    "file" keeps the unit of the file, "px" forgets the voxel size.

    Raises
    ------
    InputError
        If there is no such unit.
    """
    geometry = segmentation.geometry
    if unit not in ("file", "px", *UNITS_IN_MM):
        raise InputError(f"lengths cannot be in {unit!r}; the unit is one of: file, px, {', '.join(UNITS_IN_MM)}.")
    if unit == "file" or geometry.unit == "px":
        return segmentation
    if unit == "px":
        geometry = replace(geometry, spacing=(1.0, 1.0, 1.0), origin=(0.0, 0.0, 0.0), unit="px")
    else:
        geometry = geometry.in_unit(unit)
    return replace(segmentation, geometry=geometry)


def note_of_assumed_spacing(unit: str) -> str:
    """Say that a volume of Slicer's has the spacing that Slicer gives where a file states none."""
    return (
        f"the volume has a spacing of 1 {unit}, as Slicer gives it where a file states none; unless it is right, set "
        "the right one in the module Volumes, and repeat this."
    )


def notes_on_lengths(
    voxels: Mapping[str, tuple[str, float]], asked: str = "um", options: str = "--voxel-size and --file-unit"
) -> list[str]:
    """Say of which volumes lengths cannot be believed, and what to do.

    These are volumes that state no voxel size, those that state no unit, and those whose voxels are larger than any of
    a microscope: there the unit was lost, and nm were read as mm.

    Parameters
    ----------
    voxels : mapping
        Name -> unit, and edge of a voxel (geometric mean) in it.
    asked : str
        Unit of the results. Lengths in voxels ("px") are right whatever the voxel size.
    options : str
        Options of the command that state voxel size and unit.
    """
    if asked == "px":
        return []
    sizeless = sorted(name for name, (unit, edge) in voxels.items() if unit == "px" and edge == 1.0)
    unknown = sorted(name for name, (unit, edge) in voxels.items() if unit == "px" and edge != 1.0)
    huge = sorted(name for name, (unit, edge) in voxels.items() if edge * UNITS_IN_MM.get(unit, 0.0) > MAX_VOXEL_MM)
    notes = []
    if sizeless:
        notes.append(
            f"the data of {listed(sizeless)} state no voxel size, so that lengths are numbers of voxels, "
            f"marked px; state it with {options}."
        )
    if unknown:
        notes.append(
            f"the data of {listed(unknown)} state no unit of length, so that their values, marked px, are in "
            f"the numbers of the file; state their unit with {options.rpartition(' ')[2]}."
        )
    if huge:
        notes.append(
            f"the data of {listed(huge)} have voxels of more than {MAX_VOXEL_MM:g} mm, so their unit is "
            f"probably wrong; state the right voxel size with {options}."
        )
    return notes


def voxel_edge(geometry: Geometry) -> tuple[str, float]:
    """Unit, and edge of a voxel (geometric mean) in it; see `notes_on_lengths`."""
    return geometry.unit, 1.0 if geometry.spacing == (1.0, 1.0, 1.0) else geometry.voxel_volume ** (1 / 3)
