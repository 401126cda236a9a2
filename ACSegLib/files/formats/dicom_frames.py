"""What a DICOM file states of its frames: where they lie, how large voxels are, and what the stored values mean.

ITK places the frames of a file in their order, takes the slope of the first one for all, and 1 mm for what it does not
look up. Here, the file itself is asked.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ACSegLib.errors import FileError
from ACSegLib.files.axes import Axis, geometry_of
from ACSegLib.files.content import MAX_INFLATION, Content, note_of_scale, truncated
from ACSegLib.files.formats import dicom_seg
from ACSegLib.files.formats.dicom_elements import require_fitting_elements
from ACSegLib.volume import Geometry

_SIZES = ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing")
_DISTANCES = ("SpacingBetweenSlices", "SliceThickness")
_TAGS = (
    *dicom_seg.PLACE_TAGS, *_SIZES, *_DISTANCES, "BitsAllocated", "SamplesPerPixel", "ImagePositionPatient",
    "Modality", "GridFrameOffsetVector", "DoseGridScaling", "RescaleSlope", "RescaleIntercept", "ModalityLUTSequence",
    "RealWorldValueMappingSequence",
)  # fmt: skip
#: How far a slice may lie from its place, as a fraction of the slice distance.
_TOLERANCE = 0.02
#: Kinds of DICOM files of outlines.
_OUTLINES = ("RTSTRUCT",)


def read_header(path: Path) -> Any:
    """Read what a file states of its frames; its voxels are not read.

    Raises
    ------
    FileError
        If it holds no image, or promises more voxels than it holds.
    """
    import pydicom

    require_fitting_elements(path)
    dataset = pydicom.dcmread(path, force=True, stop_before_pixels=True, specific_tags=list(_TAGS))
    _require_bytes(dataset, path)
    return dataset


def _require_bytes(dataset: Any, path: Path) -> None:
    """Raise FileError where the header promises more voxels than the file holds, before ITK reserves memory."""
    names = ("Rows", "Columns", "NumberOfFrames", "BitsAllocated", "SamplesPerPixel")
    kind = dataset.get("Modality")
    if kind in _OUTLINES:
        raise FileError(
            f"{path}: this DICOM file ({kind}) holds outlines, not voxels; export it as a labelmap in Slicer."
        )
    if not dataset.get("Rows") or not dataset.get("Columns"):
        raise FileError(f"{path}: this DICOM file holds no image, or is damaged; copy it again from its source.")
    promised = math.prod(int(dataset.get(name) or 1) for name in names) // 8
    packed = getattr(dataset.file_meta.get("TransferSyntaxUID"), "is_compressed", False)
    most = path.stat().st_size * (MAX_INFLATION if packed else 1)
    if promised > most:
        raise truncated(path, most, promised)


def order_of_frames(dataset: Any, path: Path) -> tuple[np.ndarray, Geometry] | None:
    """Find the order in which frames lie one behind the other, and their grid; None where they state no places.

    Frames that lie in their order, or in the reverse of it, keep it.

    Raises
    ------
    FileError
        If they do not lie evenly.
    """
    frames = dicom_seg.frame_places(dataset) if int(dataset.get("NumberOfFrames", 1) or 1) > 1 else None
    if frames is None:
        return None
    along = frames.positions @ np.cross(frames.orientations[0, :3], frames.orientations[0, 3:])
    steps = np.diff(along)
    order = np.arange(len(along)) if np.all(steps > 0) or np.all(steps < 0) else np.argsort(along, kind="stable")
    require_even_slices(frames.positions[order], frames.orientations[order], path)
    return order, _geometry(frames, order)


def with_frames(content: Content, dataset: Any, found: tuple[np.ndarray, Geometry] | None, path: Path) -> Content:
    """Give frames that ITK has read their order and grid, and the values that each of them states."""
    slopes = _slopes(dataset)
    if len(set(slopes)) > 1 or dataset.get("DoseGridScaling"):
        content.layers = (_scaled(path, slopes),)
    if found is None:
        return with_stated_sizes(content, dataset, _distance_of_dose(dataset, path))
    order, content.geometry = found
    if np.any(np.diff(order) < 0):
        content.layers = (content.array[order],)
        content.notes.append("its frames are not in the order of their places; they were sorted.")
    return content


def _geometry(frames: dicom_seg.Frames, order: np.ndarray) -> Geometry:
    """The grid of frames in an order in which they lie evenly one behind the other."""
    first, last = frames.positions[order[0]], frames.positions[order[-1]]
    turn = frames.orientations[order[0]]
    normal = np.cross(turn[:3], turn[3:])
    step = float((last - first) @ normal) / (len(order) - 1)
    direction = np.column_stack([turn[:3], turn[3:], np.sign(step) * normal])
    return Geometry((*frames.spacing, abs(step)), tuple(first), tuple(direction.ravel() + 0.0), "mm")


def _distance_of_dose(dataset: Any, path: Path) -> float | None:
    """The distance of the frames of a dose, which has a field of its own for their offsets; None for others."""
    offsets = dataset.get("GridFrameOffsetVector")
    if offsets is None or np.size(offsets) < 2:
        return None
    return require_even_steps(np.array(offsets, float), path)


def with_order_along(content: Content, along: np.ndarray, dataset: Any, path: Path) -> Content:
    """Give slices the order and the distance of places along a line, where their directions are not known."""
    order = np.argsort(along, kind="stable")
    if np.any(np.diff(order) < 0):
        content.layers = (content.array[order],)
    return with_stated_sizes(content, dataset, require_even_steps(along[order], path))


def with_stated_sizes(content: Content, dataset: Any, distance: float | None = None) -> Content:
    """Give slices without places the voxel size of the file; ITK takes 1 mm for what it does not find.

    `distance` is that of the slices, where it is known.
    """
    shared = dataset.get("SharedFunctionalGroupsSequence") or [{}]
    sources = [dataset, *(shared[0].get("PixelMeasuresSequence") or [])]

    def stated(names: tuple[str, ...]) -> Any:
        return next((source.get(name) for name in names for source in sources if source.get(name)), None)

    pixel, distance = stated(_SIZES), distance or stated(_DISTANCES)
    y, x = (float(v) for v in pixel) if pixel is not None else (None, None)
    geometry, notes = geometry_of(
        Axis("x", x, "mm"), Axis("y", y, "mm"), Axis("z", abs(float(distance)) if distance else None, "mm")
    )
    place = content.geometry
    content.geometry = Geometry(geometry.spacing, place.origin, place.direction, geometry.unit)
    content.notes += notes
    return content


def notes_on_values(dataset: Any) -> list[str]:
    """Notes on a table or a scale of the values that the file states, but ITK does not apply."""
    if dataset.get("ModalityLUTSequence"):
        return [
            "states a table from its values to others (ModalityLUTSequence), which was not applied, as in ITK and "
            "Slicer."
        ]
    shared = dataset.get("SharedFunctionalGroupsSequence") or [{}]
    mappings = dataset.get("RealWorldValueMappingSequence") or shared[0].get("RealWorldValueMappingSequence")
    if not mappings:
        return []
    stated = _line(mappings[0], "RealWorldValueSlope", "RealWorldValueIntercept")
    if np.allclose(stated, _line(dataset, "RescaleSlope", "RescaleIntercept")):
        return []
    return note_of_scale("RealWorldValueMappingSequence", *stated)


def _line(source: Any, slope: str, intercept: str) -> tuple[float, float]:
    """A slope and an intercept by their names; those of values that stay as they are where the source states none."""
    return float(source.get(slope, 1)), float(source.get(intercept, 0))


def _slopes(dataset: Any) -> list[tuple[float, float]]:
    """Slope and intercept of each frame that states them for itself."""
    found = []
    if dataset.get("DoseGridScaling"):
        return [(float(dataset.DoseGridScaling), 0.0)] * int(dataset.get("NumberOfFrames", 1) or 1)
    for frame in dataset.get("PerFrameFunctionalGroupsSequence") or []:
        items = frame.get("PixelValueTransformationSequence")
        if items:
            found.append(_line(items[0], "RescaleSlope", "RescaleIntercept"))
    return found


def _scaled(path: Path, slopes: list[tuple[float, float]]) -> np.ndarray:
    """The stored values of each frame times its own slope, plus its own intercept."""
    import pydicom

    dataset = pydicom.dcmread(path, force=True)
    stored = dataset.pixel_array
    if len(stored) != len(slopes):
        raise FileError(
            f"{path}: states {len(slopes)} slopes of its values for {len(stored)} frames; correct its header."
        )
    values = np.empty(stored.shape, np.float32)
    for frame, (slope, intercept), target in zip(stored, slopes, values, strict=True):
        np.add(frame * np.float32(slope), np.float32(intercept), out=target)
    return values


def require_even_slices(positions: np.ndarray, orientations: np.ndarray, path: Path) -> None:
    """Raise FileError unless slices lie one behind the other, all at one distance.

    Parameters
    ----------
    positions : ndarray, shape (n, 3)
        ImagePositionPatient of each slice, in the order in which they were read.
    orientations : ndarray, shape (n, 6)
        ImageOrientationPatient of each slice.
    """
    if np.abs(orientations - orientations[0]).max() > 1e-3:
        raise FileError(
            f"{path}: its slices lie in different directions; keep only those of one direction in the folder."
        )
    normal = np.cross(orientations[0, :3], orientations[0, 3:])
    along = positions @ normal
    step = require_even_steps(along, path)
    sideways = positions - positions[0] - np.outer(along - along[0], normal)
    if np.abs(sideways).max() > _TOLERANCE * step * (len(along) - 1):
        raise FileError(
            f"{path}: its slices are displaced sideways (a tilted gantry), so its axes are not at right angles; "
            "resample them to a straight grid first."
        )


def require_one_size(files: Sequence[Path], path: Path) -> None:
    """Raise FileError where slices have several numbers of pixels, as where an overview lies among them."""
    import pydicom

    names = ("Columns", "Rows")
    headers = [pydicom.dcmread(f, force=True, stop_before_pixels=True, specific_tags=list(names)) for f in files]
    sizes = [tuple(int(header.get(name) or 0) for name in names) for header in headers]
    (columns, rows), count = Counter(sizes).most_common(1)[0]
    odd = next((n for n, size in enumerate(sizes) if size != (columns, rows)), None)
    if odd is not None:
        raise FileError(
            f"{path}: its slice {files[odd].name} has {sizes[odd][0]} x {sizes[odd][1]} pixels, but {count} of "
            f"{len(sizes)} have {columns} x {rows}; move what does not belong to the volume elsewhere."
        )


def require_one_pixel_size(sizes: Sequence[Sequence[float]], path: Path) -> None:
    """Raise FileError where slices have pixels of several sizes; ITK takes those of the first for all."""
    odd = next(
        (size for size in sizes if len(size) != len(sizes[0]) or not np.allclose(size, sizes[0], rtol=1e-3)), None
    )
    if odd is not None:
        first, second = (" x ".join(f"{v:g}" for v in size) or "no size" for size in (sizes[0], odd))
        raise FileError(
            f"{path}: its slices have pixels of different sizes ({first} and {second} mm); resample them to one size."
        )


def require_even_steps(along: np.ndarray, path: Path) -> float:
    """Give the distance of slices that lie at these places of a line, in mm; FileError unless it is one for all."""
    steps = np.diff(along)
    if np.mean(steps) < 0:
        steps = -steps
    step = float(np.median(steps))
    if np.any(steps < _TOLERANCE * abs(step)) or step <= 0:
        place = along[int(np.argmin(steps))]
        raise FileError(f"{path}: several slices have the same position ({place:g} mm); keep one of them.")
    gaps = np.flatnonzero(steps > 1.5 * step)
    if len(gaps):
        n = int(gaps[0])
        raise FileError(
            f"{path}: slices are missing: those at {along[n]:g} and {along[n + 1]:g} mm are {steps[n]:g} mm apart, the "
            f"others {step:g} mm. Add the missing ones, or keep one of the parts."
        )
    if np.abs(steps - step).max() > _TOLERANCE * step:
        raise FileError(
            f"{path}: its slices are {steps.min():g} to {steps.max():g} mm apart; resample them to one distance."
        )
    return step
