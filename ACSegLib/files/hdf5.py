"""HDF5 (.h5, .hdf5, ilastik and PlantSeg projects) through h5py."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from ACSegLib.errors import FileError
from ACSegLib.files import record
from ACSegLib.files.content import Content, Request, SeveralError, as_3d, native
from ACSegLib.volume import Geometry

NAME = "HDF5"
ENDINGS = (".h5", ".hdf5")
LAYERS = False

_LISTED = 8
_MAGIC = b"\x89HDF\r\n\x1a\n"


def recognises(path: Path, head: bytes) -> bool:
    """Tell whether the HDF5 signature stands at the start (or after a user block)."""
    return head.startswith(_MAGIC) or any(head[at : at + 8] == _MAGIC for at in (512, 1024, 2048))


def read(path: Path, request: Request) -> Content:
    """Read the data set asked for, or the only 3D one; spacing from `element_size_um` (z, y, x)."""
    import h5py

    with h5py.File(path, "r") as file:
        data = file[_chosen(file, request.dataset, path)]
        axes = _axes(data)
        _check_type(data, path)
        array = as_3d(native(data[()]), path, axes)
        content = Content((array,), _geometry(data), meta={"dataset": data.name})
        return record.restore(content, _attribute(data, record.KEY))


def inventory(path: Path) -> list[dict[str, Any]]:
    """List the data sets of numbers: path, shape, type."""
    import h5py

    with h5py.File(path, "r") as file:
        return [{"dataset": name, "shape": list(data.shape), "dtype": str(data.dtype)} for name, data in _numbers(file)]


def _numbers(file: Any) -> list[tuple[str, Any]]:
    import h5py

    found: list[tuple[str, Any]] = []

    def visit(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset) and item.dtype.kind in "buif" and item.shape:
            found.append((name, item))

    file.visititems(visit)
    return found


def _chosen(file: Any, name: str | None, path: Path) -> str:
    import h5py

    found = _numbers(file)
    if name is not None:
        if name not in file or not isinstance(file[name], h5py.Dataset):
            raise FileError(f"{path}: has no data set {name!r}; it has: {_listed(found)}.")
        return name
    volumes = [(n, d) for n, d in found if d.ndim >= 3 and sum(size > 1 for size in d.shape) == 3]
    volumes = volumes or [(n, d) for n, d in found if d.ndim >= 3]
    if len(volumes) == 1:
        return volumes[0][0]
    if not volumes:
        raise FileError(f"{path}: holds no 3D data set; it has: {_listed(found)}.")
    raise SeveralError(f"{path}: holds several 3D data sets; choose one with --dataset: {_listed(volumes)}.")


def _listed(found: list[tuple[str, Any]]) -> str:
    rows = [f"{name} ({' x '.join(map(str, data.shape))}, {data.dtype})" for name, data in found]
    more = f" and {len(rows) - _LISTED} more" if len(rows) > _LISTED else ""
    return "; ".join(rows[:_LISTED]) + more if rows else "none"


def _check_type(data: Any, path: Path) -> None:
    if data.dtype.kind not in "buif":
        raise FileError(f"{path}: data set {data.name} holds {data.dtype}, not numbers of one channel.")


def _attribute(data: Any, name: str) -> Any:
    value = data.attrs.get(name)
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def _axes(data: Any) -> str | None:
    """Letters of the axes, as ilastik (axistags) or dimension labels tell."""
    tags = _attribute(data, "axistags")
    if isinstance(tags, str):
        try:
            return "".join(axis["key"].upper() for axis in json.loads(tags)["axes"])
        except (ValueError, KeyError, TypeError):
            return None
    labels = "".join(str(d.label).upper() for d in data.dims)
    return labels if len(labels) == data.ndim else None


def _geometry(data: Any) -> Geometry:
    size = data.attrs.get("element_size_um")
    if size is None or np.size(size) != 3 or not np.all(np.asarray(size, float) > 0):
        return Geometry()
    return Geometry(tuple(np.asarray(size, float)[::-1]), unit="um")


def write(content: Content, path: Path) -> list[str]:
    """Write one data set, "raw" or "label" as ilastik and PlantSeg name them, compressed for labels."""
    import h5py

    place, labels = content.geometry, content.segments is not None
    with h5py.File(path, "w") as file:
        options = {"compression": "gzip", "compression_opts": 3} if labels else {}
        data = file.create_dataset("label" if labels else "raw", data=content.array, **options)
        for axis, letter in enumerate("zyx"):
            data.dims[axis].label = letter
        if place.unit != "px":
            data.attrs["element_size_um"] = place.in_unit("um").spacing[::-1]
        data.attrs[record.KEY] = record.dumps(content)
    return content.lost_rotation(NAME)
