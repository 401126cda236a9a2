"""Open and save: volumes, segmentations, results, models and tables."""

from __future__ import annotations

import os
from typing import Any, Literal, overload

from ACSegLib.api.table import Table
from ACSegLib.errors import InputError
from ACSegLib.volume import Segmentation, Volume

Path = str | os.PathLike[str]


@overload
def open(
    path: Path, *, labels: Literal[True], dataset: str | None = None, level: int | None = None, lazy: bool = False
) -> Segmentation: ...
@overload
def open(
    path: Path, *, labels: Literal[False], dataset: str | None = None, level: int | None = None, lazy: bool = False
) -> Volume: ...
@overload
def open(
    path: Path, *, labels: None = None, dataset: str | None = None, level: int | None = None, lazy: bool = False
) -> Any: ...
def open(
    path: Path, *, labels: bool | None = None, dataset: str | None = None, level: int | None = None, lazy: bool = False
) -> Volume | Segmentation:
    """Open an image or a segmentation of any format that ACSeg reads.

    Parameters
    ----------
    path : path
        A file, or a folder of slices, DICOM files or OME-Zarr. The format is recognised by the content.
    labels : bool, optional
        True returns a `Segmentation`, False a `Volume`. By default, files with a segment table (such as ``.seg.nrrd``)
        are segmentations, and all others are volumes.
    dataset : str, optional
        Path of the data set in an HDF5 or Zarr file that contains several.
    level : int, optional
        Resolution level of a multiscale image; 0 is the finest and the default.
    lazy : bool
        Leave an image on the disk and read parts of it when they are needed. `predict` supports this.

    Returns
    -------
    Volume or Segmentation

    Raises
    ------
    FileError
        If the file cannot be read.
    MemoryLimitError
        If it does not fit in memory.
    """
    from ACSegLib.files import open_any, open_segmentation, open_volume

    if labels:
        return open_segmentation(path, dataset=dataset, level=level)
    lazy_from = 0 if lazy else None
    if labels is None:
        return open_any(path, dataset=dataset, level=level, lazy_from=lazy_from)
    return open_volume(path, dataset=dataset, level=level, lazy_from=lazy_from, labels_too=True)


def save(path: Path, data: Any) -> list[str]:
    """Save a volume, a segmentation, a result, a model or a table.

    Parameters
    ----------
    path : path
        The ending chooses the format: ``.seg.nrrd``, ``.nrrd``, ``.nii.gz``, ``.mrc``, ``.tif``, ``.ome.zarr``, ...
        for volumes and segmentations, ``.acseg`` for models, ``.csv``, ``.xlsx``, ``.json`` for tables.
    data : Volume, Segmentation, Model, Table, or a result of `fill`, `predict` or `train`
        Of results the segmentation is saved, or the model.

    Returns
    -------
    list of str
        One sentence for each thing that the format cannot store; empty if nothing was lost.

    Raises
    ------
    InputError
        If it is an array: its geometry is not known. Save ``Volume(array, Geometry(...))``.
    FileError
        If the file cannot be written. An existing file is then unchanged.
    """
    from ACSegLib.files import save_segmentation, save_volume

    data = getattr(data, "segmentation", getattr(data, "model", data))
    if isinstance(data, Segmentation):
        return save_segmentation(data, path)
    if isinstance(data, Volume):
        return save_volume(data, path)
    if isinstance(data, Table):
        data.save(path)
        return []
    if hasattr(data, "state_dict") and hasattr(data, "segments"):
        from ACSegLib.network.model.model_file import save_model

        save_model(data, path)
        return []
    raise InputError(
        f"save() cannot save {type(data).__name__}: it takes a Volume, a Segmentation, a result, a model or a table. "
        "For an array use Volume(array, Geometry(spacing=(x, y, z), unit=...))."
    )
