"""DICOM segmentations (SEG, and the newer label map) through pydicom, with segments, names, colours and places.

Each frame of a SEG is a plane of one segment, and planes without the segment may be left out (DICOM PS3.3, C.8.20 and
C.7.6.16).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ACSegLib.errors import FileError
from ACSegLib.files.content import Content
from ACSegLib.volume import Geometry, Segment, Vector, default_colour, label_dtype

_SEG, _LABEL_MAP = "1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7"
_FILE_META_BYTES = 1024
#: How far a frame may lie from the grid of the others, in voxels.
_TOLERANCE = 0.02
#: What must be read to know where frames lie.
PLACE_TAGS = (
    "NumberOfFrames", "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence", "Rows", "Columns",
)  # fmt: skip


@dataclass(frozen=True)
class Frames:
    """Where the frames of a multi-frame object lie.

    Parameters
    ----------
    positions : ndarray, shape (n, 3)
        LPS, in mm.
    orientations : ndarray, shape (n, 6)
        Directions of the rows (i) and the columns (j).
    spacing : tuple of float
        Along i and j, in mm.
    distance : float or None
        Of neighbouring slices, where the file states it.
    """

    positions: np.ndarray
    orientations: np.ndarray
    spacing: tuple[float, float]
    distance: float | None


def is_segmentation(path: Path) -> bool:
    """Whether a DICOM file is a SEG or a label map, by the class that its first bytes state."""
    with open(path, "rb") as stream:
        head = stream.read(_FILE_META_BYTES)
    return any(name.encode() in head for name in (_SEG, _LABEL_MAP))


def read(path: Path) -> Content:
    """Read all segments; those that overlap come in layers of their own.

    Raises
    ------
    FileError
        If the frames do not lie on one grid.
    """
    import pydicom

    dataset = pydicom.dcmread(path, force=True)
    frames = frame_places(dataset)
    if frames is None:
        raise FileError(f"{path}: this DICOM SEG does not state where its frames lie; convert it in Slicer.")
    planes, geometry = _grid(frames, path)
    pixels = _pixels(dataset, path)
    if len(pixels) != len(planes):
        raise FileError(f"{path}: this DICOM SEG holds {len(pixels)} frames, but {len(planes)} places.")
    shape = (int(planes.max()) + 1, *pixels.shape[1:])
    rows = list(dataset.SegmentSequence)
    kind = str(dataset.get("SegmentationType", "BINARY")).upper()
    notes = []
    if kind == "LABELMAP":
        layers = [np.zeros(shape, pixels.dtype)]
        layers[0][planes] = pixels
        places = dict.fromkeys((int(row.SegmentNumber) for row in rows), 0)
    else:
        if kind == "FRACTIONAL":
            pixels = pixels >= max(1, (int(dataset.get("MaximumFractionalValue", 255)) + 1) // 2)
            notes.append("is a fractional segmentation; voxels of at least 0.5 are labelled.")
        numbers = _numbers_of_frames(dataset, len(planes), path)
        layers, places = _layers(pixels != 0, planes, numbers, shape)
    made = (_segment(row, n, places.get(int(row.SegmentNumber), 0)) for n, row in enumerate(rows))
    segments = [segment for segment in made if segment is not None]
    return Content(tuple(layers), geometry, segments, {"dataset": str(dataset.get("SeriesInstanceUID", ""))}, notes)


def frame_places(dataset: Any) -> Frames | None:
    """Find where the frames lie, from what they share and what each states; None where something is not stated."""
    shared = dataset.get("SharedFunctionalGroupsSequence") or [None]
    each = dataset.get("PerFrameFunctionalGroupsSequence")
    if not each:
        return None

    def value(frame: Any, group: str, name: str) -> Any:
        for source in (frame, shared[0]):
            items = source.get(group) if source is not None else None
            if items and items[0].get(name) is not None:
                return items[0].get(name)
        return None

    positions = [value(frame, "PlanePositionSequence", "ImagePositionPatient") for frame in each]
    turns = [value(frame, "PlaneOrientationSequence", "ImageOrientationPatient") for frame in each]
    spacing = value(each[0], "PixelMeasuresSequence", "PixelSpacing")
    if spacing is None or any(place is None or len(place) != 3 for place in positions):
        return None
    if any(turn is None or len(turn) != 6 for turn in turns):
        return None
    distance = value(each[0], "PixelMeasuresSequence", "SpacingBetweenSlices")
    distance = distance or value(each[0], "PixelMeasuresSequence", "SliceThickness")
    return Frames(
        np.array(positions, float),
        np.array(turns, float),
        (float(spacing[1]), float(spacing[0])),
        float(distance) if distance else None,
    )


def _grid(frames: Frames, path: Path) -> tuple[np.ndarray, Geometry]:
    """Give the slice number of each frame, and the grid; frames may be missing, but not lie between its slices."""
    turn = frames.orientations[0]
    if np.abs(frames.orientations - turn).max() > 1e-3:
        raise FileError(f"{path}: the frames of this DICOM SEG lie in different directions.")
    normal = np.cross(turn[:3], turn[3:])
    along = frames.positions @ normal
    first = int(np.argmin(along))
    steps = np.diff(np.unique(np.round(along - along[first], 4)))
    steps = steps[steps > 1e-3]
    distance = float(steps.min()) if len(steps) else frames.distance or 1.0
    if frames.distance and len(steps) and abs(distance / frames.distance - 1) > _TOLERANCE:
        ratio = distance / frames.distance  # slices without any segment are left out between all others
        distance = frames.distance if abs(ratio - round(ratio)) < _TOLERANCE * ratio else distance
    numbers = (along - along[first]) / distance
    planes = np.rint(numbers).astype(int)
    sideways = frames.positions - frames.positions[first] - np.outer(along - along[first], normal)
    if np.abs(numbers - planes).max() > _TOLERANCE or np.abs(sideways).max() > _TOLERANCE * min(frames.spacing):
        raise FileError(f"{path}: the frames of this DICOM SEG do not lie on one grid; resample it, in Slicer, say.")
    direction = np.column_stack([turn[:3], turn[3:], normal])
    spacing = (*frames.spacing, distance)
    return planes, Geometry(spacing, tuple(frames.positions[first]), tuple(direction.ravel()), "mm")


def _pixels(dataset: Any, path: Path) -> np.ndarray:
    """The frames as an array of shape (n, rows, columns)."""
    rows, columns = int(dataset.Rows), int(dataset.Columns)
    count = int(dataset.get("NumberOfFrames", 1) or 1)
    if int(dataset.BitsAllocated) == 1 and not dataset.file_meta.TransferSyntaxUID.is_compressed:
        size = count * rows * columns
        packed = np.frombuffer(dataset.PixelData, np.uint8)
        if len(packed) * 8 < size:
            raise FileError(f"{path}: the file is cut short: it holds {len(packed) * 8:,} of {size:,} voxels.")
        return np.unpackbits(packed, count=size, bitorder="little").reshape(count, rows, columns)
    return np.asarray(dataset.pixel_array).reshape(count, rows, columns)


def _numbers_of_frames(dataset: Any, count: int, path: Path) -> list[int]:
    """The segment that each frame shows."""
    shared = dataset.get("SharedFunctionalGroupsSequence") or [{}]
    numbers = []
    for frame in dataset.PerFrameFunctionalGroupsSequence:
        items = frame.get("SegmentIdentificationSequence") or shared[0].get("SegmentIdentificationSequence")
        if not items:
            raise FileError(f"{path}: this DICOM SEG does not state the segment of each frame.")
        numbers.append(int(items[0].ReferencedSegmentNumber))
    return numbers[:count]


def _layers(
    masks: np.ndarray, planes: np.ndarray, numbers: list[int], shape: tuple[int, ...]
) -> tuple[list[np.ndarray], dict[int, int]]:
    """Pack the segments into as few layers as their overlaps allow; gives them, and the layer of each segment."""
    dtype = label_dtype(numbers)
    layers = [np.zeros(shape, dtype)]
    places: dict[int, int] = {}
    for number in dict.fromkeys(numbers):
        frames = [n for n, found in enumerate(numbers) if found == number]
        place = next((n for n, layer in enumerate(layers) if _is_free(layer, planes, masks, frames)), len(layers))
        if place == len(layers):
            layers.append(np.zeros(shape, dtype))
        for frame in frames:
            layers[place][planes[frame]][masks[frame]] = number
        places[number] = place
    return layers, places


def _is_free(layer: np.ndarray, planes: np.ndarray, masks: np.ndarray, frames: list[int]) -> bool:
    """Whether a layer holds nothing yet where the frames show their segment."""
    return not any(np.any(layer[planes[frame]][masks[frame]]) for frame in frames)


def _segment(row: Any, n: int, layer: int) -> Segment | None:
    """Make a row of the segment table; None for a number that is background in a label map."""
    number = int(row.SegmentNumber)
    if number <= 0:
        return None
    colour = row.get("RecommendedDisplayCIELabValue")
    default = default_colour(n)
    codes = [row.get(name) for name in ("SegmentedPropertyCategoryCodeSequence", "SegmentedPropertyTypeCodeSequence")]
    words = [
        f"{code[0].get('CodingSchemeDesignator', '')}^{code[0].get('CodeValue', '')}^{code[0].get('CodeMeaning', '')}"
        for code in codes
        if code
    ]
    terminology = ""
    if len(words) == 2:
        terminology = f"Segmentation category and type - DICOM SEG~{words[0]}~{words[1]}~^^~~^^~^^"
    return Segment(
        str(row.get("SegmentLabel") or f"Segment_{number}"),
        number,
        _srgb([int(v) for v in colour]) if colour is not None and len(colour) == 3 else default,
        layer,
        terminology=terminology,
    )


def _srgb(stored: list[int]) -> Vector:
    """Turn CIELab under D50, stored in 16 bits (PS3.3 C.10.7.1.1), into sRGB (IEC 61966-2-1), 0 to 1."""
    lightness, a, b = stored[0] * 100 / 65535, stored[1] * 255 / 65535 - 128, stored[2] * 255 / 65535 - 128
    y = (lightness + 16) / 116
    lab = np.array([y + a / 500, y, y - b / 200])
    xyz = np.where(lab > 6 / 29, lab**3, 3 * (6 / 29) ** 2 * (lab - 4 / 29)) * _D50
    linear = np.clip(_SRGB_OF_XYZ_D50 @ xyz, 0, 1)
    srgb = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return tuple(float(round(v, 4)) for v in srgb)


_D50 = np.array([0.9642, 1.0, 0.8249])
#: XYZ under D50 to linear sRGB, Bradford-adapted (the ICC profile of sRGB).
_SRGB_OF_XYZ_D50 = np.array(
    [[3.1338561, -1.6168667, -0.4906146], [-0.9787684, 1.9161415, 0.0334540], [0.0719453, -0.2289914, 1.4052427]]
)
