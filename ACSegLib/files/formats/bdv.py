"""The XML file of BigDataViewer, which names an HDF5 file and places its views."""

from __future__ import annotations

from pathlib import Path

from ACSegLib.errors import FileError
from ACSegLib.files.content import Content, Part, Request, beside
from ACSegLib.files.formats import hdf5, hdf5_bdv

NAME = "BigDataViewer"
ENDINGS: tuple[str, ...] = ()
LAYERS = False


def recognises(path: Path, head: bytes) -> bool:
    """Whether the file is XML of BigDataViewer."""
    return b"<SpimData" in head


def read(path: Path, request: Request) -> Content:
    """Read a view from the HDF5 file that the XML names; where there are several, `dataset` chooses one."""
    return hdf5.read_view(_data_file(path), request.dataset, path)


def inventory(path: Path) -> list[Part]:
    """List the data sets of the HDF5 file."""
    return hdf5.inventory(_data_file(path))


def _data_file(path: Path) -> Path:
    name = hdf5_bdv.data_file(hdf5_bdv.root_of(path))
    if not name:
        raise FileError(f"{path}: keeps its images in no HDF5 file; in BigStitcher, save it again as HDF5.")
    return beside(path, name)
