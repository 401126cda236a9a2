"""Label values of any number type as unsigned integers."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ACSegLib.errors import FileError
from ACSegLib.volume import label_dtype

_MAX_VALUE = 2**63 - 1
_LOWEST_BYTE = -128
#: So far from whole numbers may values lie that a program wrote by a slope; 8-bit labels of an atlas have 2.0235 for 2.
_MAX_ROUNDING = 0.05
#: Planes of a volume in which it is looked for labels first.
_PLANES = 24
#: Fewest neighbours of the same value among those that are not both 0, as a share: of labels, also of small structures,
#: and where there are more values than `_FEW`. Counts of single photons have few values, but change all the time.
_FEW, _EQUAL_OF_FEW, _EQUAL_OF_MANY = 16, 0.5, 0.8
#: Share of equal ones below which the first planes tell that these are no labels, and the fewest different ones that
#: tell it: an image on the disk is not read on then.
_HARDLY_EQUAL, _SURE = 0.25, 1000
#: Share of neighbours with different values from which on a slice shows intensities, and the fewest neighbours.
_MIN_CHANGING, _MIN_PAIRS = 0.5, 1000


def label_values(array: np.ndarray, path: Path) -> tuple[np.ndarray, str | None]:
    """Give the values of a file as labels, without a copy where they are integers already.

    Returns
    -------
    labels : ndarray of unsigned integers
    note : str or None
        On values that were rounded (a file with a slope has 2.00007 for 2), and on signed bytes from -128 on, as IMOD
        stores masks (mrcfile 69).

    Raises
    ------
    FileError
        If values are no whole numbers of 0 or more, or too large.
    """
    if array.dtype.kind == "f":
        return _rounded(array, path)
    if array.dtype == np.uint64 and int(array.max()) > _MAX_VALUE:
        raise FileError(f"{path}: holds the value {int(array.max())}; labels must be below 2^63.")
    if array.dtype.kind == "i":
        low = int(array.min())
        if array.dtype == np.int8 and low == _LOWEST_BYTE:
            note = f"{path.name}: its values begin at -128, as those of masks in signed bytes do; 128 was added."
            return (array ^ np.int8(_LOWEST_BYTE)).view(np.uint8), note
        if low < 0:
            raise FileError(f"{path}: holds the negative value {low}; labels must be 0 or more.")
        return array.view(array.dtype.str.replace("i", "u")), None
    return (array.view(np.uint8) if array.dtype.kind == "b" else array), None


def _rounded(array: np.ndarray, path: Path) -> tuple[np.ndarray, str | None]:
    low, high = float(array.min()), float(array.max())
    if not np.isfinite([low, high]).all():
        odd = array.size - int(np.count_nonzero(np.isfinite(array)))
        where = f"{odd} voxels are" if odd > 1 else "1 voxel is"
        raise FileError(f"{path}: {where} NaN or infinite, so these are not labels; replace such values by 0.")
    faint = 0 < high < 1 - _MAX_ROUNDING  # no voxel would have a label
    usable = low >= -_MAX_ROUNDING and high < 2**32 and not faint
    apart = max(float(np.max(np.abs(plane - np.rint(plane)))) for plane in array) if usable else np.inf
    if apart > _MAX_ROUNDING:
        raise FileError(
            f"{path}: the values ({low:g} to {high:g}) are not whole numbers of 0 or more, so these are not labels; "
            "choose the file with the labels."
        )
    dtype = label_dtype([round(high)])
    if not apart:
        return array.astype(dtype), None
    note = f"{path.name}: its label values lie up to {apart:.2g} beside whole numbers; they were rounded."
    return np.rint(array).astype(dtype), note


def look_like_labels(array: np.ndarray) -> bool:
    """Whether an image holds labels: whole numbers of 0 or more that hardly change from voxel to voxel.

    Voxels of the value 0 do not count: images may be masked.
    """
    some = np.unique(np.linspace(0, len(array) - 1, _PLANES).round().astype(int))
    for planes in (some, range(len(array))):
        alike, different, values = 0, 0, set[float]()
        for k in planes:
            plane = np.asarray(array[k])
            if (plane.dtype.kind == "f" and not np.array_equal(plane, np.rint(plane))) or plane.min() < 0:
                return False
            left, right = plane[:, :-1], plane[:, 1:]
            equal = left == right
            alike += int(np.count_nonzero(equal & (left != 0)))
            different += int(equal.size - np.count_nonzero(equal))
            if different >= _SURE and alike < _HARDLY_EQUAL * (alike + different):
                return False
            if len(values) <= _FEW + 1:
                values.update(np.unique(plane).tolist())
        if different:
            least = _EQUAL_OF_MANY if len(values) > _FEW + 1 else _EQUAL_OF_FEW
            return alike >= least * (alike + different)
    return False


def look_like_intensities(array: np.ndarray) -> bool:
    """Whether labels are rather an image: many values that change from voxel to voxel nearly everywhere.

    Voxels of the value 0 do not count, as in `look_like_labels`: thin outlines are labels.
    """
    plane = np.asarray(array[len(array) // 2])
    left, right = plane[:, :-1], plane[:, 1:]
    inside = (left != 0) & (right != 0)
    pairs, changing = int(np.count_nonzero(inside)), int(np.count_nonzero(inside & (left != right)))
    return pairs >= _MIN_PAIRS and changing > _MIN_CHANGING * pairs and len(np.unique(plane)) > _FEW
