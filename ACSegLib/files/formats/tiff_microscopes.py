"""Voxel sizes that the programs of microscopes keep in tags of their own in a TIFF file.

Zeiss (.lsm), Micro-Manager, Olympus FluoView, MetaMorph (.stk), and the scanning electron microscopes of FEI and Zeiss,
whose pictures state no distance of slices. tifffile reads the tags. Amira, Avizo and MIB write the box around the
voxels into the text of a file.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from ACSegLib.files.axes import Axis
from ACSegLib.json_values import Json

_UM = 1e6
#: What the text of a file of Amira begins with: the centres of the outer voxels along x, y and z.
_BOX = re.compile(r"\s*BoundingBox\s+" + r"\s+".join([r"([-+]?[\d.]+(?:[eE][-+]?\d+)?)"] * 6) + r"\b")


def axes_of(file: Any) -> dict[str, Axis]:
    """Steps along x, y and z of an open TIFF as the tags state them, by letter; empty where no known tag does."""
    sources: tuple[tuple[str, Callable[[Any], dict[str, Axis]]], ...] = (
        ("is_lsm", _of_lsm),
        ("is_micromanager", _of_micromanager),
        ("is_fluoview", _of_fluoview),
        ("is_stk", _of_metamorph),
        ("is_fei", _of_fei),
        ("is_sem", _of_zeiss_sem),
    )
    for kind, source in sources:
        if getattr(file, kind):
            return {letter: axis for letter, axis in source(file).items() if axis.step}
    return _of_box(file)


def _of_lsm(file: Any) -> dict[str, Axis]:
    """Metres along all axes."""
    info = file.lsm_metadata or {}
    return {letter: Axis(letter, _number(info.get(f"VoxelSize{letter.upper()}")) * _UM, "um") for letter in "xyz"}


def _of_micromanager(file: Any) -> dict[str, Axis]:
    """Micrometres: the pixel size of a plane or of the whole, the distance of slices of the whole.

    The keys are those of versions 1.4 and 2 and of NDTiff.
    """
    summary = (file.micromanager_metadata or {}).get("Summary") or {}
    plane = file.pages[0].tags.valueof("MicroManagerMetadata")
    tables = [table for table in (plane, summary) if isinstance(table, dict)]
    pixel = _first(tables, "PixelSizeUm", "PixelSize_um")
    depth = _first(tables, "z-step_um", "ZStep_um", "ZStepUm")
    return {"x": Axis("x", pixel, "um"), "y": Axis("y", pixel, "um"), "z": Axis("z", depth, "um")}


def _of_fluoview(file: Any) -> dict[str, Axis]:
    """A table of axes: name, size, origin, step, unit."""
    rows = (file.fluoview_metadata or {}).get("Dimensions", ())
    return {row[0].lower(): Axis(row[0].lower(), abs(row[3]), row[4]) for row in rows if row[0] in ("X", "Y", "Z")}


def _of_metamorph(file: Any) -> dict[str, Axis]:
    """The size of a pixel, and the distance of each plane from the one before, in one unit; 0 where it is not known."""
    table = file.stk_metadata or {}
    steps = {letter: _number(table.get(f"{letter.upper()}Calibration")) for letter in "xy"}
    steps["z"] = next((step for step in map(_number, table.get("ZDistance", ())) if step), 0.0)
    return {letter: Axis(letter, step, table.get("CalibrationUnits")) for letter, step in steps.items()}


def _of_box(file: Any) -> dict[str, Axis]:
    """The box of Amira, in a unit that the file does not name, as in AmiraMesh."""
    first = file.pages[0]
    found = _BOX.match(first.description)
    if found is None or len(first.shape) != 2:
        return {}
    ends = [float(number) for number in found.groups()]
    sizes = (*first.shape[::-1], sum(page.shape == first.shape for page in file.pages))
    return {
        letter: Axis(letter, (ends[2 * n + 1] - ends[2 * n]) / (size - 1), start=ends[2 * n])
        for n, (letter, size) in enumerate(zip("xyz", sizes, strict=True))
        if size > 1 and ends[2 * n + 1] != ends[2 * n]
    }


def _of_fei(file: Any) -> dict[str, Axis]:
    """Metres along the axes of the picture."""
    scan = (file.fei_metadata or {}).get("Scan") or {}
    sizes = {"x": _number(scan.get("PixelWidth")), "y": _number(scan.get("PixelHeight"))}
    return {letter: Axis(letter, size * _UM, "um") for letter, size in sizes.items()}


def _of_zeiss_sem(file: Any) -> dict[str, Axis]:
    """A row of name, size and unit for square pixels."""
    row = (file.sem_metadata or {}).get("ap_image_pixel_size") or ("", 0.0, "")
    if len(row) < 3:
        return {}
    return {letter: Axis(letter, _number(row[1]), row[2]) for letter in "xy"}


def _first(tables: list[Json], *names: str) -> float:
    """The first number above 0 of these names; 0 where there is none, as is written where it is not known."""
    return next((size for table in tables for name in names if (size := _number(table.get(name))) > 0), 0.0)


def _number(value: object) -> float:
    """A size as a number; 0 where there is none."""
    try:
        return abs(float(value)) if isinstance(value, (str, int, float)) else 0.0
    except ValueError:
        return 0.0
