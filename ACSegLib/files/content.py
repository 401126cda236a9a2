"""What every reader gives and every writer takes, and the checks they share."""

from __future__ import annotations

import io
import os
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ACSegLib.errors import FileError
from ACSegLib.files import lazy
from ACSegLib.volume import Geometry, Segment

_BLOCK, _PACKED_BLOCK = 1 << 24, 1 << 20


@dataclass
class Content:
    """The content of a file: one label array per layer or one image, and where it lies.

    Parameters
    ----------
    layers : tuple of ndarray, each of shape (k, j, i)
        More than one only for segmentations with overlapping segments.
    geometry : Geometry
        Where the voxels lie.
    segments : list of Segment, optional
        The segment table; None for an image, or where the file has no table.
    meta : dict
        What else the file said; informative.
    """

    layers: tuple[np.ndarray, ...]
    geometry: Geometry
    segments: list[Segment] | None = None
    meta: dict[str, Any] = field(default_factory=dict)

    @property
    def array(self) -> np.ndarray:
        """The first layer."""
        return self.layers[0]

    def lost_rotation(self, format_name: str) -> list[str]:
        """Give the sentence for a format that cannot hold this direction; nothing where the axes are unrotated."""
        if np.allclose(self.geometry.direction, np.eye(3).ravel(), atol=1e-6):
            return []
        return [
            f"{format_name} cannot hold a rotated direction; ACSeg keeps it, other programs will show the axes "
            "unrotated."
        ]


class SeveralError(FileError):
    """A file holds several data sets and none was chosen; the message lists them."""


class NotHeldError(Exception):
    """A format cannot hold the content; the message is the sentence that says what, without the file's name."""


@dataclass(frozen=True)
class Request:
    """Which part of a file is wanted, where it holds several."""

    dataset: str | None = None
    level: int | None = None


def native(array: np.ndarray) -> np.ndarray:
    """Give the array in the machine's byte order; swaps in place where it owns its memory."""
    if array.dtype.isnative:
        return array
    if not array.flags.writeable:
        return array.astype(array.dtype.newbyteorder("="))
    return array.byteswap(inplace=True).view(array.dtype.newbyteorder("="))


def as_3d(array: np.ndarray, path: Path, axes: str | None = None) -> np.ndarray:
    """Drop axes of length one until three are left, and refuse what is not one 3D image.

    Parameters
    ----------
    axes : str, optional
        A letter per axis where the format tells (T time, C or S channel, Z, Y, X), for the message.

    Raises
    ------
    FileError
        For 2D images, several channels, time series, and what is not numbers.
    """
    if array.dtype.kind not in "buif":
        raise FileError(
            f"{path}: holds {_type_name(array.dtype)}, not numbers of one channel; save it as a greyscale volume."
        )
    if array.size == 0:
        raise FileError(f"{path}: the image is empty (shape {array.shape}).")
    letters = list(axes) if axes and len(axes) == array.ndim else ["?"] * array.ndim
    while array.ndim > 3 and 1 in array.shape:
        spare = [n for n, size in enumerate(array.shape) if size == 1]
        spare.sort(key=lambda n: letters[n] in "ZYX")
        array = array.squeeze(axis=spare[0])
        del letters[spare[0]]
    sizes = " x ".join(str(size) for size in array.shape)
    if array.ndim < 3:
        raise FileError(
            f"{path}: is a {array.ndim}D image ({sizes}); ACSeg needs a 3D volume. "
            "If each file is one slice, give the folder that holds them."
        )
    channels = [n for n, letter in enumerate(letters) if letter in "CS"]
    if channels:
        count = array.shape[channels[0]]
        raise FileError(f"{path}: has {count} colour channels ({sizes}); save one channel as a greyscale volume.")
    if array.ndim > 3:
        raise FileError(f"{path}: has {array.ndim} dimensions ({sizes}); save one time point or channel as a volume.")
    return array


def _type_name(dtype: np.dtype) -> str:
    if dtype.names:
        return f"values of {len(dtype.names)} components ({', '.join(dtype.names)})"
    return "complex numbers" if dtype.kind == "c" else str(dtype)


def read_exactly(stream: Any, shape: Sequence[int], dtype: np.dtype, path: Path) -> np.ndarray:
    """Read an array from an open (perhaps decompressing) stream straight into its memory, without a second copy.

    Where it shall stay on the disk (see `lazy`), plain voxels are mapped, so that writing changes the array alone, and
    packed or swapped ones are brought into a mapped file of their own.

    Raises
    ------
    FileError
        If the stream ends before the array is full.
    """
    count = int(np.prod(shape, dtype=np.int64))
    available = _bytes_left(stream)
    if available is not None and available < count * dtype.itemsize:
        raise truncated(path, available, count * dtype.itemsize)
    on_disk = lazy.wanted(shape, dtype)
    if on_disk and available is not None and dtype.isnative:
        return np.memmap(stream, dtype, "c", stream.tell(), tuple(shape))
    array = lazy.scratch((count,), dtype) if on_disk else np.empty(count, dtype)
    view, filled = array.view(np.uint8).data, 0
    while filled < len(view):
        got = stream.readinto(view[filled : filled + _BLOCK])
        if not got:
            raise truncated(path, filled, len(view))
        filled += got
    if available is None:
        stream.read(1)  # at its end, a decompressing stream compares the checksum
    return array.reshape(tuple(shape))


class Inflated:
    """Reads what zlib or gzip has packed; the checksum is compared where the packed data end."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._unpacker = zlib.decompressobj(zlib.MAX_WBITS | 32)

    def readinto(self, view: memoryview) -> int:
        """Fill the start of `view`; gives the number of bytes, 0 at the end."""
        data = self.read(len(view))
        view[: len(data)] = data
        return len(data)

    def read(self, size: int) -> bytes:
        """Give up to `size` bytes, none at the end."""
        data = b""
        while size and not data and not self._unpacker.eof:
            packed = self._unpacker.unconsumed_tail or self._stream.read(_PACKED_BLOCK)
            if not packed:
                raise EOFError("the compressed data end too early")
            data = self._unpacker.decompress(packed, size)
        return data


def _bytes_left(stream: Any) -> int | None:
    """Bytes from here to the end of a plain file; None for a decompressing stream."""
    if not isinstance(stream, (io.BufferedReader, io.FileIO)):
        return None
    return os.fstat(stream.fileno()).st_size - stream.tell()


def truncated(path: Path, found: int, expected: int) -> FileError:
    """Give the error for a file that ends too early."""
    return FileError(
        f"{path}: the file is cut short: it holds {found:,} bytes of image data where its header promises "
        f"{expected:,}; copy it again from its source."
    )
