"""What OME-XML, ImageJ and tifffile write into TIFF about axes, voxel sizes and the meaning of the values."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from ACSegLib.errors import FileError
from ACSegLib.files import lazy
from ACSegLib.files.axes import Axis
from ACSegLib.files.content import note_of_scale
from ACSegLib.files.formats import tiff_microscopes
from ACSegLib.files.units import length_of
from ACSegLib.geometry import MAX_SHIFT
from ACSegLib.json_values import Json

#: ImageJ's codes of calibration functions: a straight line, and none.
_STRAIGHT_LINE, _NO_FUNCTIONS = 0, (20, 21)
#: TIFF's units of resolution, by number.
_RESOLUTION_UNITS = {1: "", 2: "inch", 3: "cm"}
_SCREEN_INCH = 1 / 72
#: Characters in which the first element of OME-XML begins.
_XML = 2000
#: Pixels in um that are smaller than those of any print or screen: 10,000 dots per inch.
_FINEST_PRINT = 2.54
_SCALE_WORDS = ("slope", "offset")
#: Distances of planes that differ by a smaller part are the same.
_SAME_DISTANCE = 0.01
_NUMBER = r"[-+]?\d+\.?\d*(?:[eE][-+]?\d+)?"


@dataclass(frozen=True)
class Sizes:
    """Steps and units along x, y and z as the metadata state them, and notes on them.

    `position` is where the first plane of an OME-TIFF lies along x, y and z, in micrometres; None where the positions
    of its planes do not fit the voxel size.
    """

    axes: dict[str, Axis] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    position: list[float] | None = None


@dataclass(frozen=True)
class OmeImage:
    """One image of an OME-TIFF.

    Parameters
    ----------
    name : str
    shape : dict of str to int
        Number of voxels along "x", "y", "z", "c" and "t".
    sizes : Sizes
        Physical size of the voxels; micrometres where no unit is named, as the schema has it.
    """

    name: str
    shape: dict[str, int]
    sizes: Sizes

    @property
    def planes(self) -> int:
        """The number of planes that the image has."""
        return self.shape["z"] * self.shape["c"] * self.shape["t"]


def ome_images(text: str) -> list[OmeImage]:
    """The images that OME-XML describes, in its order."""
    from xml.etree import ElementTree

    images = []
    for image in ElementTree.fromstring(text).iter():
        if image.tag.rsplit("}", 1)[-1] != "Image":
            continue
        pixels = next((child for child in image if child.tag.rsplit("}", 1)[-1] == "Pixels"), None)
        if pixels is None:
            continue
        axes = {}
        for letter in "xyz":
            size, unit = pixels.get(f"PhysicalSize{letter.upper()}"), pixels.get(f"PhysicalSize{letter.upper()}Unit")
            axes[letter] = Axis(letter, _size(size), unit or "um")
        shape = {letter: int(pixels.get(f"Size{letter.upper()}", 1)) for letter in "xyzct"}
        sizes = _with_positions(Sizes(axes), _positions(pixels, shape["z"]))
        images.append(OmeImage(str(image.get("Name") or ""), shape, sizes))
    return images


def _size(text: str | None) -> float | None:
    """A physical size, which some programs write with a decimal comma; None where there is no number."""
    number = _number(text)
    return None if number is None else abs(number)


def _number(text: str | None) -> float | None:
    try:
        return float((text or "").replace(",", "."))
    except ValueError:
        return None


def _positions(pixels: Any, planes: int) -> np.ndarray:
    """Positions of the planes of the first channel and time point, in micrometres; NaN where none is stated.

    Without a unit, they are in a frame of reference of the microscope (OME schema), which is no length.

    Returns
    -------
    ndarray, shape (planes, 3)
        Along x, y and z.
    """
    found = np.full((planes, 3), np.nan)
    for plane in pixels:
        k, *others = (int(_number(plane.get(f"The{letter}")) or 0) for letter in "ZCT")
        if plane.tag.rsplit("}", 1)[-1] != "Plane" or any(others) or not 0 <= k < planes:
            continue
        for n, letter in enumerate("XYZ"):
            number, unit = _number(plane.get(f"Position{letter}")), length_of(plane.get(f"Position{letter}Unit"))
            if number is not None and unit is not None and unit.unit != "px":
                found[k, n] = number * unit.in_unit("um")
    return found


def _with_positions(sizes: Sizes, positions: np.ndarray) -> Sizes:
    """Complete voxel sizes by the positions of planes (see `_positions`), or tell that they state another distance."""
    along = positions[:, 2]
    step = (along[-1] - along[0]) / (len(along) - 1) if len(along) > 1 else 0.0
    even = np.abs(along - along[0] - step * np.arange(len(along))) <= MAX_SHIFT * abs(step)
    if not step or not np.all(even):
        return sizes
    steps = {letter: _in_um(axis) for letter, axis in sizes.axes.items()}
    if steps["z"] is None and None not in (steps["x"], steps["y"]):
        note = f"states no PhysicalSizeZ; the distance of its planes by their positions, {abs(step):g} um, is used."
        sizes = Sizes({**sizes.axes, "z": Axis("z", abs(step), "um")}, (*sizes.notes, note))
        steps["z"] = abs(step)
    if steps["z"] and abs(abs(step) / steps["z"] - 1) > _SAME_DISTANCE:
        note = (
            f"states planes that are {abs(step):g} um apart by their positions, and {steps['z']:g} um by "
            "PhysicalSizeZ, which is used; if it is wrong, state the right one with --voxel-size."
        )
        return replace(sizes, notes=(*sizes.notes, note))
    sideways = np.ptp(positions[:, :2], axis=0)
    beside = any(not drift <= MAX_SHIFT * (steps[letter] or 0) for letter, drift in zip("xy", sideways, strict=True))
    return sizes if step < 0 or beside else replace(sizes, position=positions[0].tolist())


def _in_um(axis: Axis) -> float | None:
    """The step of an axis in micrometres; None where it has none, or no unit of length."""
    unit = length_of(axis.unit)
    return axis.step * unit.in_unit("um") if axis.step and unit is not None and unit.unit != "px" else None


def ome_image_of(images: list[OmeImage], number: int, count: int, shape: dict[str, int]) -> OmeImage | None:
    """Find the description of series `number` of `count`: by its place, if its size fits, else by its size alone."""

    def fits(image: OmeImage) -> bool:
        return all(image.shape[letter] == size for letter, size in shape.items() if letter in "xyzt")

    if count == len(images) and fits(images[number]):
        return images[number]
    fitting = [image for image in images if fits(image)]
    alike = {tuple(image.sizes.axes.values()) for image in fitting}
    return fitting[0] if len(alike) == 1 else None


def sizes_of(file: Any, number: int = 0) -> Sizes:
    """Voxel size of a series of an open TIFF that is no OME-TIFF; empty where nothing tells it.

    The resolution of a TIFF that no program of microscopy wrote is that of a print or a screen, and means nothing here.
    """
    if file.is_imagej:
        return with_tags(_imagej_sizes(file), file)
    kinds, shaped = [series.kind == "shaped" for series in file.series], file.shaped_metadata
    if not shaped or not kinds[number]:
        return with_tags(Sizes(), file)
    return with_tags(_shaped_sizes(shaped[sum(kinds[:number])], file.series[number].keyframe), file)


def with_tags(sizes: Sizes, file: Any) -> Sizes:
    """Voxel sizes as given; where they state none, those of the tags of microscopes.

    A note tells of OME-XML that is cut, so that tifffile passes over it, and of a resolution that no print has.
    """
    if any(axis.step for axis in sizes.axes.values()):
        return sizes
    if found := tiff_microscopes.axes_of(file):
        return replace(sizes, axes=found)
    if not file.is_ome and "<OME" in file.pages[0].description[:_XML]:
        return replace(sizes, notes=(*sizes.notes, "has OME metadata that are cut short; the voxel size is unknown."))
    tags = file.pages[0].tags
    unit = length_of(_RESOLUTION_UNITS.get(int(tags["ResolutionUnit"].value)) if "ResolutionUnit" in tags else None)
    size = 0.0 if unit is None or unit.unit == "px" else _pixel_size(tags, "XResolution") * unit.in_unit("um")
    if not 0 < size < _FINEST_PRINT:
        return sizes
    note = (
        f"states pixels of {size:.6g} um by its resolution, which is not used, because most programs mean a print by "
        "it; if it is right, give the voxel size with --voxel-size."
    )
    return replace(sizes, notes=(*sizes.notes, note))


def _shaped_sizes(values: Json, page: Any) -> Sizes:
    """Voxel size in the text that tifffile writes: all three steps as ACSeg lists them, or `spacing` as for ImageJ.

    Then, it is the distance of slices, and the pixel size is the resolution: in centimetres if the file says so, else
    in `unit`. tifffile writes 1 and no unit where a resolution is not known; another number is one in `unit`.
    """
    spacing, unit = values.get("spacing"), values.get("unit")
    if spacing is None:
        return Sizes()
    if isinstance(spacing, list) and len(spacing) == 3 and all(isinstance(step, (int, float)) for step in spacing):
        return Sizes({letter: Axis(letter, float(step), unit) for letter, step in zip("xyz", spacing, strict=True)})
    if not isinstance(spacing, (int, float)):
        return Sizes(notes=(f"states the spacing {spacing}, which is not one number or three; it was not used.",))
    axes = {"z": Axis("z", float(spacing), unit)}
    tags = page.tags
    resolution = _RESOLUTION_UNITS.get(int(tags["ResolutionUnit"].value), "") if "ResolutionUnit" in tags else ""
    sizes = {letter: _pixel_size(tags, f"{letter.upper()}Resolution") for letter in "xy"}
    if resolution or any(size not in (None, 1.0) for size in sizes.values()):
        axes |= {letter: Axis(letter, size, "cm" if resolution == "cm" else unit) for letter, size in sizes.items()}
    return Sizes(axes)


def _imagej_sizes(file: Any) -> Sizes:
    """Voxel size as ImageJ itself reads it (ij.io.FileOpener and TiffDecoder).

    Width and height come from the resolution, the distance of slices from `spacing`, which ImageJ leaves out where it
    is 1. `unit` names the unit of all three unless `yunit` or `zunit` do. 72 dots an inch are those of a screen.
    """
    values, tags = file.imagej_metadata or {}, file.pages[0].tags
    width, height = (_pixel_size(tags, name) for name in ("XResolution", "YResolution"))
    number = int(tags["ResolutionUnit"].value) if "ResolutionUnit" in tags else 2
    tagged = _RESOLUTION_UNITS.get(number, "") if "XResolution" in tags else ""
    unit = str(values.get("unit") or "").strip() or tagged
    length = length_of(unit)
    if tagged == "cm" and length == length_of("um"):
        width, height = width * 1e4, height * 1e4
    inches = length is not None and length == length_of("inch")
    if inches and math.isclose(width, _SCREEN_INCH, rel_tol=1e-4):
        return Sizes()
    stated = values.get("spacing", 1.0)
    depth = abs(float(stated)) if isinstance(stated, (int, float)) else 0.0
    notes = [] if depth else [f"states the slice distance {stated}, which is none; 1 is used, as in ImageJ."]
    if (width, height, depth) == (1, 1, 1) and not unit:
        return Sizes()
    units = {letter: str(values.get(f"{letter}unit") or "").strip() or unit for letter in "xyz"}
    steps = zip("xyz", (width, height, depth or 1.0), strict=True)
    axes = {letter: Axis(letter, step, units[letter]) for letter, step in steps}
    if inches:
        notes.append("states its voxel size in inches, which most often is the resolution of a print or a screen.")
    return Sizes(axes, tuple(notes))


def _pixel_size(tags: Any, name: str) -> float:
    """The size of a pixel from a resolution; 1 where there is none, as ImageJ takes it."""
    tag = tags.get(name)
    if tag is None or not tag.value[0] or not tag.value[1]:
        return 1.0
    return tag.value[1] / tag.value[0]


def imagej_planes(file: Any) -> int:
    """The number of planes that ImageJ's metadata promise; 1 where they do not say."""
    return int((file.imagej_metadata or {}).get("images", 1) or 1)


def calibration_of(file: Any) -> tuple[tuple[float, float] | None, list[str]]:
    """c0 and c1 of ImageJ's calibration of the values, None where it shows them as they are; and a note on others."""
    values = (file.imagej_metadata or {}) if file.is_imagej else {}
    function = values.get("cf", _NO_FUNCTIONS[0])
    if function in _NO_FUNCTIONS:
        return None, []
    first, slope = (values.get(name) for name in ("c0", "c1"))
    if function != _STRAIGHT_LINE or not isinstance(first, (int, float)) or not isinstance(slope, (int, float)):
        return None, ["has a calibration of its values that ACSeg does not know; the values are those of the file."]
    return None if (first, slope) == (0, 1) else (float(first), float(slope)), []


def scale_notes(page: Any) -> list[str]:
    """The note on a slope and an offset in a text of a page, with which Octopus keeps reconstructions in 16 bits."""
    for text in (tag.value for tag in page.tags if isinstance(tag.value, str)):
        found = [re.search(rf"{word}\s*=\s*({_NUMBER})", text) for word in _SCALE_WORDS]
        if all(found):
            slope, offset = (float(match[1]) for match in found if match)
            return note_of_scale("its text ('slope' and 'offset')", slope, offset)
    return []


def calibrated(array: np.ndarray, file: Any) -> np.ndarray:
    """Give the values that ImageJ shows: c0 + c1 v, by which it also keeps signed 16-bit numbers.

    Whole numbers stay whole where c0 is whole and c1 is 1.
    """
    line, _ = calibration_of(file)
    if line is None:
        return array
    first, slope = line
    dtype = _calibrated_type(array.dtype, first, slope)
    result = lazy.empty(array.shape, dtype)
    for plane, target in zip(array, result, strict=True):
        if dtype.kind == "f":
            np.add(plane * dtype.type(slope), first, out=target, casting="unsafe")
        else:
            np.add(plane, int(first), out=target, casting="unsafe", dtype=np.int64)
    return result


def _calibrated_type(dtype: np.dtype, first: float, slope: float) -> np.dtype:
    """The smallest type that holds every value of a calibrated type."""
    if dtype.kind not in "ui" or slope != 1 or first != int(first):
        return np.dtype(np.float32 if dtype.itemsize <= 2 or dtype == np.float32 else np.float64)
    limits = np.iinfo(dtype)
    low, high = int(limits.min) + int(first), int(limits.max) + int(first)
    kinds = (np.uint8, np.int8, np.uint16, np.int16, np.uint32, np.int32, np.int64)
    return np.dtype(next(k for k in kinds if np.iinfo(k).min <= low and high <= np.iinfo(k).max))


def letters_of(axes: str, shape: tuple[int, ...], is_ome: bool) -> tuple[str, list[str]]:
    """Letters of a series' axes, pages of unknown meaning read as slices.

    Many stacks are saved with their slices as time points or channels. ImageJ's are read as slices, and told; OME-XML
    says what it means.
    """
    axes = axes.lower()
    if "z" in axes:
        return axes, []
    for letter in "iq":
        if letter in axes:
            several = [n for n, other in enumerate(axes) if other == letter and shape[n] > 1]
            place = several[0] if several else axes.index(letter)
            return axes[:place] + "z" + axes[place + 1 :], []
    if is_ome:
        return axes, []
    if "t" in axes:
        note = f"holds {shape[axes.index('t')]} time points and no slices; the time points were read as slices."
        return axes.replace("t", "z", 1), [note]
    if axes.startswith("c") and len(shape) == 3 and shape[0] > 4:
        return axes.replace("c", "z", 1), [f"holds {shape[0]} channels and no slices; they were read as slices."]
    return axes, []


def placed_axes(letters: str, sizes: Sizes) -> list[Axis]:
    """The axes of an array with what is known of each."""
    return [sizes.axes.get(letter, Axis(letter)) for letter in letters]


def coarser(sizes: Sizes, letters: str, full: tuple[int, ...], shape: tuple[int, ...]) -> Sizes:
    """The voxel size of a level of a pyramid, from the numbers of voxels of the finest one and of this one."""
    factors = {letter: a / b for letter, a, b in zip(letters, full, shape, strict=True)}
    axes = {
        letter: replace(axis, step=None if axis.step is None else axis.step * factors.get(letter, 1.0))
        for letter, axis in sizes.axes.items()
    }
    return replace(sizes, axes=axes)


def require_planes(found: int, promised: int, path: Path) -> None:
    """Raise FileError where a file holds fewer planes than its metadata promise."""
    if found < promised:
        raise FileError(
            f"{path}: holds {found} of the {promised} planes that its metadata state; it is cut short, or other "
            "files belong to it; copy it again, with all its parts, from its source."
        )
