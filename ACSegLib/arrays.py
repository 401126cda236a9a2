"""Arrays of other libraries: each is made a NumPy array, or is refused in one sentence.

============================ ==================================================================
what is given                what becomes of it
============================ ==================================================================
numpy.ndarray, numpy.memmap  used as it is, without a copy
numpy.ma.MaskedArray         image: masked voxels become NaN; labels: refused if a voxel is masked
torch.Tensor                 detached and copied to the memory of the processor
dask.array.Array             computed; refused if it does not fit in memory
zarr.Array                   read; refused if it does not fit in memory
xarray.DataArray             read; dimensions named x, y and z are sorted to (z, y, x)
others                       read by the array protocol (``__array__``)
lists, paths, numbers        refused
============================ ==================================================================
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ACSegLib.compute import available_memory
from ACSegLib.errors import InputError, MemoryLimitError


def to_numpy(array: Any, name: str, *, masked: str = "nan") -> np.ndarray:
    """Make a NumPy array of an array of any common library.

    Parameters
    ----------
    array : array_like
        See the table of the module.
    name : str
        What the array is, for messages: "image", "labels".
    masked : {"nan", "refuse"}
        What is done with masked voxels of a masked array.

    Returns
    -------
    ndarray
        Of any number of dimensions; without a copy where that is possible.

    Raises
    ------
    InputError
        If it is no array, or has masked voxels that must not be there.
    MemoryLimitError
        If a dask or zarr array does not fit in memory.
    """
    if isinstance(array, np.ma.MaskedArray):
        array = _unmasked(array, name, masked)
    elif not isinstance(array, np.ndarray):
        array = _from_library(array, name)
    return _for_compiled_loops(array)


def _for_compiled_loops(array: np.ndarray) -> np.ndarray:
    """The array in a type that compiled loops read: the byte order of this computer, floats of at most 64 bits."""
    kind = array.dtype.newbyteorder("=")
    if kind.kind == "f" and kind.itemsize > np.dtype(np.float64).itemsize:
        kind = np.dtype(np.float64)
    return np.asarray(array, kind)


def _from_library(array: Any, name: str) -> np.ndarray:
    library = type(array).__module__.partition(".")[0]
    if library == "torch":
        return _from_torch(array, name)
    if hasattr(array, "GetClassName"):
        raise InputError(
            f"{name} must be a 3D array (z, y, x) or an ACSeg volume, not the Slicer node {array.GetClassName()}; use "
            "ACSegLogic, which takes nodes, or read it with ACSegLib.scene."
        )
    if not hasattr(array, "__array__") or np.isscalar(array):
        raise InputError(
            f"{name} must be a 3D array (z, y, x) or an ACSeg volume, not {_type_name(array)}; "
            "open a file with acseg.open(path), or convert with numpy.asarray."
        )
    if library in ("dask", "zarr"):
        _require_memory(array, name, library)
    if sorted(map(str, getattr(array, "dims", ()))) == ["x", "y", "z"]:
        array = array.transpose("z", "y", "x")
    try:
        return np.asarray(array)
    except (TypeError, ValueError) as error:  # arrays on a GPU refuse to be copied without being asked
        raise InputError(f"{name} ({_type_name(array)}) cannot be read as a NumPy array: {error}") from error


def is_in_parts(array: Any) -> bool:
    """Whether an array is one of ACSeg's own that lie on the disk (`ACSegLib.files.lazy.ChunkedArray`)."""
    return hasattr(array, "chunks") and type(array).__module__.startswith("ACSegLib.")


def _unmasked(array: np.ma.MaskedArray, name: str, masked: str) -> np.ndarray:
    mask = np.ma.getmaskarray(array)
    if not mask.any():
        return np.asarray(array.data)
    if masked != "nan":
        raise InputError(
            f"{name} has {int(mask.sum())} masked voxels, and labels cannot be masked; "
            "give these voxels a value of their own and name it with ignore=, or fill the mask: labels.filled(0)."
        )
    has_nan = array.dtype.kind == "f"
    values = np.array(array.data, array.dtype if has_nan else np.float32 if array.dtype.itemsize <= 2 else np.float64)
    values[mask] = np.nan
    return values


def _from_torch(tensor: Any, name: str) -> np.ndarray:
    tensor = tensor.detach().cpu()
    if tensor.is_sparse:
        tensor = tensor.to_dense()
    if str(tensor.dtype) == "torch.bfloat16":  # NumPy has no such type
        tensor = tensor.float()
    try:
        return np.asarray(tensor.resolve_conj().resolve_neg().numpy())
    except (TypeError, RuntimeError) as error:
        raise InputError(f"{name} (torch tensor of {tensor.dtype}) cannot be read as a NumPy array: {error}") from error


def _require_memory(array: Any, name: str, library: str) -> None:
    needed = math.prod(array.shape) * np.dtype(array.dtype).itemsize
    free = available_memory()
    if needed > free:
        raise MemoryLimitError(
            f"{name} is a {library} array of {needed / 2**30:.1f} GiB, but {free / 2**30:.1f} GiB of memory are free; "
            "choose a part of it. A prediction reads images part by part from a file: acseg.open(path, lazy=True)."
        )


def _type_name(value: Any) -> str:
    kind = type(value)
    return (
        kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__.partition('.')[0]}.{kind.__name__}"
    )


def is_mapped(array: np.ndarray) -> bool:
    """Whether an array, or what it is a view of, is mapped from a file."""
    part: Any = array
    while isinstance(part, np.ndarray):
        if isinstance(part, np.memmap):
            return True
        part = part.base
    return False
