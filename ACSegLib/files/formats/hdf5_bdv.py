"""Images of BigDataViewer, BigStitcher and Mastodon: an HDF5 file of views and levels, and an XML file on their places.

The HDF5 file states no voxel size, which is in the XML. Its 16-bit numbers are unsigned, though HDF5 calls them signed
(imagej.net/plugins/bdv).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from ACSegLib.errors import FileError
from ACSegLib.files.axes import Axis

_CELLS = re.compile(r"t(\d+)/s(\d+)/(\d+)/cells$")
_MAX_XML_BYTES = 1 << 24
#: XML files beside an HDF5 file that are looked at.
_LOOKED_AT = 20


@dataclass(frozen=True)
class View:
    """What the XML states of the voxels of a view: the sizes along x, y, z, their unit, and if it is only scaled."""

    sizes: tuple[float, float, float]
    unit: str
    only_scaled: bool


def finest(names: list[str]) -> list[str]:
    """Leave out the coarser levels of each view; other names stay as they are."""
    found = {name: match for name in names if (match := _CELLS.match(name))}
    return [name for name, match in found.items() if match[3] == "0"] or names


def is_cells(name: str) -> bool:
    """Whether a data set has the name of a view's voxels."""
    return _CELLS.match(name.lstrip("/")) is not None


def unsigned(array: np.ndarray) -> np.ndarray:
    """Take 16-bit numbers as unsigned, as BigDataViewer does."""
    return array.view(np.uint16) if array.dtype == np.int16 else array


def axes_of(data: Any, path: Path, xml: Path | None) -> tuple[list[Axis], list[str]]:
    """Give the axes (z, y, x) of the cells of a view, and notes; `xml` is the file that the user opened, if any."""
    match = _CELLS.match(data.name.lstrip("/"))
    assert match is not None
    xml = xml or next(_xml_beside(path), None)
    if xml is None:
        return [Axis(letter) for letter in "zyx"], [
            "has no XML file of BigDataViewer beside it; the voxel size is unknown."
        ]
    view = views(xml).get(int(match[2]))
    if view is None:
        note = f"{xml.name} states no voxel size of setup {int(match[2])}; the voxel size is unknown."
        return [Axis(letter) for letter in "zyx"], [note]
    factors = _factors(data, int(match[3]))
    steps = dict(zip("xyz", np.multiply(view.sizes, factors).tolist(), strict=True))
    notes = [f"its voxel size is that of {xml.name}."]
    if not view.only_scaled:
        notes.append(f"{xml.name} also turns or shifts the view, which is not done here.")
    return [Axis(letter, steps[letter], view.unit) for letter in "zyx"], notes


def _factors(data: Any, level: int) -> np.ndarray:
    """How much coarser than the finest level another one is along x, y, z."""
    table = data.file.get("/".join(data.name.split("/")[2:3]) + "/resolutions")
    if table is None or table.ndim != 2 or table.shape[1] != 3 or level >= table.shape[0]:
        return np.ones(3)
    return np.asarray(table[level], float)


def _xml_beside(path: Path) -> Iterator[Path]:
    """The XML files that name an HDF5 file, that of the same name first."""
    same = path.with_suffix(".xml")
    others = sorted(file for file in path.parent.glob("*.xml") if file != same)[:_LOOKED_AT]
    for file in (same, *others):
        if file.is_file() and (root := _root(file)) is not None and data_file(root) == path.name:
            yield file


def _root(xml: Path) -> Any:
    """The root of an XML file of BigDataViewer; None for another file."""
    if xml.stat().st_size > _MAX_XML_BYTES:
        return None
    text = xml.read_bytes()
    if b"<!DOCTYPE" in text or b"<SpimData" not in text:
        return None
    try:
        return ElementTree.fromstring(text)
    except ElementTree.ParseError:
        return None


def root_of(xml: Path) -> Any:
    """Parse an XML file of BigDataViewer; FileError where it is damaged."""
    root = _root(xml)
    if root is None:
        raise FileError(f"{xml}: this XML file of BigDataViewer is damaged; copy it again from its source.")
    return root


def data_file(root: Any) -> str:
    """Give the name of the HDF5 file that an XML file names; empty where its images lie elsewhere."""
    return (root.findtext("./SequenceDescription/ImageLoader/hdf5") or "").strip()


def views(xml: Path) -> dict[int, View]:
    """Give what is stated of each setup, by its number."""
    root = root_of(xml)
    turned = {
        int(entry.get("setup", -1))
        for entry in root.iterfind("./ViewRegistrations/ViewRegistration")
        if not _only_scales(entry)
    }
    found = {}
    for setup in root.iterfind("./SequenceDescription/ViewSetups/ViewSetup"):
        words = (setup.findtext("./voxelSize/size") or "").split()
        if len(words) == 3:
            number = int(setup.findtext("id") or 0)
            sizes = (float(words[0]), float(words[1]), float(words[2]))
            found[number] = View(sizes, setup.findtext("./voxelSize/unit") or "", number not in turned)
    return found


def _only_scales(registration: Any) -> bool:
    """Whether the transforms of a view are scales alone."""
    for entry in registration.iterfind("./ViewTransform/affine"):
        values = np.array((entry.text or "").split(), float)
        if values.size != 12 or np.any(values.reshape(3, 4) * (1 - np.eye(3, 4))):
            return False
    return True
