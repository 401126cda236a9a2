"""HDF5 (.h5, .hdf5, ilastik and PlantSeg projects, Imaris) through h5py."""

from __future__ import annotations

import errno
import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from ACSegLib.errors import FileError
from ACSegLib.files import record
from ACSegLib.files.attributes import axes_in, numbers_of, unread_sizes, words_of
from ACSegLib.files.axes import Axis, axes_of, place
from ACSegLib.files.content import CHOOSE, Content, Part, Request, SeveralError, native
from ACSegLib.files.formats import hdf5_bdv, hdf5_dream3d, hdf5_imaris, hdf5_itk, hdf5_scales
from ACSegLib.files.formats.hdf5_sources import check_links, external_links, note_of_holes, open_checked, opened
from ACSegLib.files.units import Length, length_of
from ACSegLib.json_values import Json

NAME = "HDF5"
ENDINGS = (".h5", ".hdf5")
LAYERS = False

_LISTED = 8
_HEAP, _HEAP_BYTES = b"GCOL\1\0\0\0", 1 << 25
_PART_BYTES = 1 << 26
#: Bytes that HDF5 may need for its own tables when it closes a file.
_ROOM = 1 << 24
#: Attribute of arrays that MATLAB (7.3) wrote, and their axes: rows (y) run fastest there, and are HDF5's last axis.
_MATLAB, _OF_MATLAB = "MATLAB_class", "zxy"
#: Attribute with the voxel size along z, y, x.
_SIZE = "element_size_um"
#: Group of MINC 2, whose arrays have an order of axes and a scale of their own.
_MINC = "minc-2.0"
#: What a project of ilastik holds, and no file that ilastik exports: its labels lie in blocks around the strokes.
_PROJECT = "ilastikVersion"
_MAGIC = b"\x89HDF\r\n\x1a\n"


def recognises(path: Path, head: bytes) -> bool:
    """Whether the HDF5 signature stands at the start (or after a user block)."""
    return head.startswith(_MAGIC) or any(head[at : at + 8] == _MAGIC for at in (512, 1024, 2048))


def read(path: Path, request: Request) -> Content:
    """Read the data set asked for, or the only 3D one; spacing from `element_size_um` (z, y, x)."""
    return read_view(path, request.dataset)


def read_view(path: Path, dataset: str | None, xml: Path | None = None) -> Content:
    """Read as `read` does; `xml` is the file of BigDataViewer that the user opened, if any."""
    _check_heaps(path)
    with opened(path) as file:
        if _MINC in file:
            raise FileError(f"{path}: is a file of MINC, which ACSeg cannot read; convert it to .nii with mnc2nii.")
        if _PROJECT in file and not dataset:
            raise FileError(
                f"{path}: is a project of ilastik, whose labels lie in blocks; export them (Prediction Export, source "
                "Labels), and open what was exported."
            )
        name = _chosen(file, dataset, path)
        _check_type(file[name], path)
        data = open_checked(file, name, path)
        imaris = hdf5_imaris.image_of(data)
        cells = hdf5_bdv.is_cells(name) and data.ndim == 3
        axes, notes = hdf5_bdv.axes_of(data, path, xml) if cells else (imaris[1], []) if imaris else _axes(data)
        array = native(_read(data, imaris[0] if imaris else (), path))
        placed = place(hdf5_bdv.unsigned(array) if cells else array, axes, path)
        geometry = hdf5_itk.geometry_of(data, path) or placed.geometry
        if geometry.unit == "px":
            notes = [*notes, *unread_sizes(data.attrs)]
        notes = [*notes, *([] if imaris else note_of_holes(data))]
        values, missing = hdf5_scales.unpacked(placed.array, data.attrs)
        notes = [*notes, *placed.notes, *missing, *hdf5_scales.note_of_projections(data)]
        content = Content((values,), geometry, meta={"dataset": data.name}, notes=notes)
        return record.restore(content, _attribute(data, record.KEY))


def _read(data: Any, part: Any, path: Path) -> np.ndarray:
    """Read a part of a data set; where the filter that packed it is not installed, the error says which it is."""
    import h5py

    try:
        return np.asarray(data[part])
    except OSError as error:
        pipeline = data.id.get_create_plist()
        filters = [pipeline.get_filter(n) for n in range(pipeline.get_nfilters())]
        missing = next((row for row in filters if not h5py.h5z.filter_avail(row[0])), None)
        if missing is None:
            raise
        raise FileError(
            f"{path}: its data set {data.name} is packed by the filter {missing[0]} "
            f"({missing[3].decode('ascii', 'replace')}), which is not installed; save it again with gzip."
        ) from error


def inventory(path: Path) -> list[Part]:
    """List the data sets of numbers: path, shape, type."""
    _check_heaps(path)
    with opened(path) as file:
        return [Part(name, tuple(data.shape), str(data.dtype)) for name, data in _numbers(file, path)]


def _check_heaps(path: Path) -> None:
    """Refuse damaged heaps of text, on which the HDF5 library runs for ever (file format specification, III.E).

    A heap is a block of objects: index, count, size, and the data, filled up to 8 bytes. Of a large file, the first and
    the last part are looked at.
    """
    size = path.stat().st_size
    with open(path, "rb") as stream:
        parts = [(0, stream.read(_HEAP_BYTES))]
        if size > 2 * _HEAP_BYTES:
            stream.seek(size - _HEAP_BYTES)
        parts.append((stream.tell(), stream.read(_HEAP_BYTES)))
    for _, data in parts:
        at = data.find(_HEAP)
        while at >= 0:
            end = at + int.from_bytes(data[at + 8 : at + 16], "little")
            place = at + 16
            while end <= len(data) and place + 16 <= end:
                index, length = (int.from_bytes(data[place + a : place + b], "little") for a, b in ((0, 2), (8, 16)))
                if index == 0 and length == 0:
                    raise FileError(
                        f"{path}: this HDF5 file is damaged (a heap of text); copy it again from its source."
                    )
                place += 16 + -(-length // 8) * 8 if index else length
            at = data.find(_HEAP, at + 4)


def _numbers(file: Any, path: Path) -> list[tuple[str, Any]]:
    import h5py

    arrays: list[tuple[str, Any]] = []

    def visit(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset) and item.dtype.kind in "buif" and item.shape:
            arrays.append((name, item))

    file.visititems(visit)
    linked, problems = external_links(file, path)
    for name, item in linked:
        visit(name, item)
    if problems and not arrays:
        raise problems[0]
    return arrays


def _chosen(file: Any, name: str | None, path: Path) -> str:
    import h5py

    if name is not None:
        check_links(file, name, path)
        if name in file and isinstance(file[name], h5py.Dataset):
            return name
        raise FileError(f"{path}: has no data set {name!r}; it has: {_listed(_numbers(file, path))}.")
    arrays = _numbers(file, path)
    volumes = [(n, d) for n, d in arrays if d.ndim >= 3 and sum(size > 1 for size in d.shape) == 3]
    volumes = volumes or [(n, d) for n, d in arrays if d.ndim >= 3]
    wanted = hdf5_bdv.finest(hdf5_imaris.finest([n for n, _ in volumes]))
    volumes = [(n, d) for n, d in volumes if n in wanted]
    if len(volumes) == 1:
        return volumes[0][0]
    if not volumes:
        raise FileError(f"{path}: holds no 3D data set; it has: {_listed(arrays)}.")
    raise SeveralError(f"{path}: holds several 3D data sets; {CHOOSE}: {_listed(volumes)}.")


def _listed(arrays: list[tuple[str, Any]]) -> str:
    rows = [f"{name} ({' x '.join(map(str, data.shape))}, {data.dtype})" for name, data in arrays]
    more = f" and {len(rows) - _LISTED} more" if len(rows) > _LISTED else ""
    return "; ".join(rows[:_LISTED]) + more if rows else "none"


def _check_type(data: Any, path: Path) -> None:
    if data.dtype.kind not in "buif":
        raise FileError(f"{path}: data set {data.name} holds {data.dtype}, not numbers of one channel.")


def _attribute(data: Any, name: str) -> Any:
    value = data.attrs.get(name)
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def _axes(data: Any) -> tuple[list[Axis], list[str]]:
    """The axes of a data set, and what its attributes contradict each other in.

    Letters: ilastik's axistags, else dimension labels, else the names of coordinates. Order of trust for the voxel
    size: `element_size_um` (z, y, x, as PlantSeg, Luxendo and Fiji write it), then the resolutions of the axistags, in
    the unit that `axis_units` names, or the steps of coordinates.
    """
    tags = _tags(data)
    labels = _dimension_labels(data)
    letters = "".join(str(tag["key"])[:1] for tag in tags) or labels or (_OF_MATLAB if _MATLAB in data.attrs else "")
    axes = axes_of(letters, data.ndim)
    known, scales = [axis.letter for axis in axes], hdf5_scales.axes_of(data)
    if scales and [axis.letter for axis in scales] == known:
        axes = scales
    elif not any(known):
        axes = scales or hdf5_dream3d.axes_of(data) or axes_in(data.attrs, data.ndim) or axes
    units = _json(_attribute(data, "axis_units"))
    steps = {str(tag["key"])[:1]: _number(tag.get("resolution")) for tag in tags}
    tagged = {
        letter: Axis(letter, step, units.get(letter) if isinstance(units, dict) else None)
        for letter, step in steps.items()
        if step > 0 and letter in "xyz"
    }
    size, told = _element_size(data)
    if size is None:
        return [tagged.get(axis.letter, axis) for axis in axes], told
    if not any(axis.letter for axis in axes):
        array_axes = [n for n, length in enumerate(data.shape) if length > 1 or data.ndim == 3]
        if len(array_axes) == 3:
            axes = [Axis("zyx"[array_axes.index(n)] if n in array_axes else "c") for n in range(data.ndim)]
    sizes = dict(zip("zyx", size, strict=True))
    told += _conflict(sizes, {axis.letter: axis for axis in axes if axis.step} | tagged)
    return [_of_size(axis, sizes[axis.letter]) if axis.letter in sizes else axis for axis in axes], told


def _of_size(axis: Axis, size: float) -> Axis:
    """An axis with the step `size` in micrometres; it begins where it did, if the unit of that is known."""
    length = length_of(axis.unit)
    known = axis.start is not None and length is not None and length.unit != "px"
    start = axis.start * length.in_unit("um") if known else None  # type: ignore[operator, union-attr]
    return Axis(axis.letter, size, "um", start)


def _element_size(data: Any) -> tuple[list[float] | None, list[str]]:
    """`element_size_um` (z, y, x) of a data set, else of a group that holds it or of the file; and notes on it.

    A group may hold an image at several resolutions, of which no attribute says which one it means.
    """
    if _SIZE in data.attrs:
        holder = data
    else:
        holder, root = data.parent, data.file["/"]
        while _SIZE not in holder.attrs and holder != root:
            holder = holder.parent
    stated = holder.attrs.get(_SIZE)
    if stated is None:
        return None, []
    size = numbers_of(stated)
    if size.size != 3 or not np.all(np.isfinite(size) & (size > 0)):
        return None, [f"its {_SIZE} ({' '.join(words_of(stated))}) is not three sizes above 0; it was not used."]
    if holder == data:
        return size.tolist(), []
    other = next((other for other in _volumes_in(holder) if other.shape != data.shape), None)
    if other is None:
        return size.tolist(), []
    return size.tolist(), [
        f"the voxel size {' x '.join(f'{v:g}' for v in size[::-1])} um is that of the group {holder.name}, which also "
        f"holds {other.name} of another shape; check that it is the one of {data.name}."
    ]


def _volumes_in(group: Any) -> list[Any]:
    """The 3D data sets of numbers in a group, and in those below it."""
    import h5py

    found: list[Any] = []
    group.visititems(lambda _, item: found.append(item) if isinstance(item, h5py.Dataset) and item.ndim >= 3 else None)
    return [data for data in found if data.dtype.kind in "buif"]


def _dimension_labels(data: Any) -> str:
    """The labels of HDF5's dimension scales, from the attribute: its own function crashes on damaged files."""
    words = data.attrs.get("axes")  # as Neuroglancer and ilastik have it, fastest first
    words = data.attrs.get("DIMENSION_LABELS") if words is None else np.ravel(words)[::-1]
    if words is None:
        return ""
    texts = [word.decode("utf-8", "replace") if isinstance(word, bytes) else str(word) for word in np.ravel(words)]
    return "".join(texts).lower()


def _conflict(sizes: dict[str, float], tagged: dict[str, Axis]) -> list[str]:
    """The note for axistags or coordinates that state another voxel size than `element_size_um`."""
    for letter, axis in tagged.items():
        length = length_of(axis.unit) if axis.unit else Length("um")
        size = (axis.step or 0) * length.in_unit("um") if length and length.unit != "px" else sizes[letter]
        if abs(size / sizes[letter] - 1) > 1e-3:
            return [
                f"{_SIZE} and the axistags or coordinates state different voxel sizes ({sizes[letter]:g} and {size:g} "
                f"um along {letter}); {_SIZE} is used."
            ]
    return []


def _tags(data: Any) -> list[Json]:
    """The axes that ilastik's axistags list, slowest first; none where the attribute is missing or damaged."""
    tags = _json(_attribute(data, "axistags"))
    axes = tags.get("axes") if isinstance(tags, dict) else None
    if not isinstance(axes, list) or len(axes) != data.ndim:
        return []
    return axes if all(isinstance(axis, dict) and str(axis.get("key", "")) for axis in axes) else []


def _json(text: Any) -> Any:
    try:
        return json.loads(text) if isinstance(text, str) else None
    except ValueError:
        return None


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return 0.0


def write(content: Content, path: Path) -> list[str]:
    """Write one data set, "raw" or "label" as ilastik and PlantSeg name them, compressed for labels.

    A disk that fills while HDF5 closes a file ends the program, so the room is looked for before each part.
    """
    import h5py

    place, labels, array = content.geometry, content.segments is not None, content.array
    with h5py.File(path, "w") as file:
        options: dict[str, Any] = {"compression": "gzip", "compression_opts": 3, "chunks": True} if labels else {}
        data = file.create_dataset("label" if labels else "raw", array.shape, array.dtype, **options)
        depth = max(1, _PART_BYTES // max(1, array[0].nbytes))
        _require_room(path, 0 if labels else array.nbytes)
        for start in range(0, len(array), depth):
            part = np.asarray(array[start : start + depth])
            _require_room(path, part.nbytes)
            data[start : start + depth] = part
        for axis, letter in enumerate("zyx"):
            data.dims[axis].label = letter
        if place.unit != "px":
            data.attrs[_SIZE] = place.in_unit("um").spacing[::-1]
        data.attrs[record.KEY] = record.dumps(content)
    return content.lost_rotation(NAME)


def _require_room(path: Path, size: int) -> None:
    """Raise the error of a full disk before it is full."""
    if shutil.disk_usage(path.parent).free < size + _ROOM:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
