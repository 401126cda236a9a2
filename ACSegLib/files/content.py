"""What every reader gives and every writer takes, and the checks they share."""

from __future__ import annotations

import contextlib
import gzip
import io
import math
import os
import re
import zlib
from collections.abc import Iterator, Sequence
from contextvars import ContextVar
from dataclasses import asdict, dataclass, field
from pathlib import Path, PureWindowsPath
from typing import IO, Any

import numpy as np

from ACSegLib.errors import FileError
from ACSegLib.files import lazy
from ACSegLib.json_values import Json
from ACSegLib.volume import Geometry, Segment

#: What to do about several data sets, in the words of the commands' options.
CHOOSE = "choose one with --dataset (labels beside an image: --labels-dataset)"
#: Entries of `meta` of a folder of slices: the names of its slices, and the sentence on those that are missing.
NAMES, GAP = "names", "gap"
#: Entry of `meta` of an OME-TIFF: where its first plane lies along x, y and z, in micrometres. Other programs do not
#: place the image by it, so that it only tells where one part of a volume lies in another one.
POSITION = "position"
_BLOCK, _PACKED_BLOCK = 1 << 24, 1 << 20
_GZIP = b"\x1f\x8b"
#: Bytes behind the voxels that are told, at least; programs may fill files up by a few.
_MIN_REST = 16
#: Bytes of the names of data files in a header, at most.
_LIST_LIMIT = 1 << 24
#: Deflate packs no more than this many bytes into one (zlib's documentation: 1032 to 1).
MAX_INFLATION = 1032
#: Places for values in a pattern of names, and one for a number of at most 99 digits.
_PLACES, _PLACE_OF_NUMBER = re.compile("%"), re.compile(r"%0?\d{0,2}[diu]")
_external_data: ContextVar[bool] = ContextVar("data files outside of the header's folder", default=False)


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
    notes : list of str
        Sentences on what a user should know about how the file was read.
    """

    layers: tuple[np.ndarray, ...]
    geometry: Geometry
    segments: list[Segment] | None = None
    meta: Json = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def array(self) -> np.ndarray:
        """The first layer."""
        return self.layers[0]

    def lost_rotation(self, format_name: str) -> list[str]:
        """Return the sentence for a format that cannot hold this direction; nothing where the axes are unrotated."""
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
    """Which part of a file is wanted, where it holds several.

    With `gaps`, slices may be missing in a folder: labels of some slices, which find their places by their names.
    """

    dataset: str | None = None
    level: int | None = None
    gaps: bool = False


@dataclass(frozen=True)
class Part:
    """One of the things that a file holds: a data set, an image of several, or a resolution level.

    Parameters
    ----------
    dataset : str
        Its name for `Request.dataset`.
    shape : tuple of int
        In the order of the file, slowest axis first; empty where it is not known.
    dtype : str
        Type of the numbers, as the file calls it.
    level : int, optional
        Resolution level; None where the file has none.
    name : str
        What people call it, where that is not its `dataset`.
    """

    dataset: str = ""
    shape: tuple[int, ...] = ()
    dtype: str = ""
    level: int | None = None
    name: str = ""

    def row(self) -> Json:
        """Give what is known as plain values."""
        return {key: list(v) if key == "shape" else v for key, v in asdict(self).items() if v not in (None, "", ())}


def native(array: np.ndarray) -> np.ndarray:
    """Give the array in the machine's byte order; swaps in place where it owns its memory."""
    if array.dtype.isnative:
        return array
    if not array.flags.writeable:
        return array.astype(array.dtype.newbyteorder("="))
    return array.byteswap(inplace=True).view(array.dtype.newbyteorder("="))


def read_exactly(stream: Any, shape: Sequence[int], dtype: np.dtype, path: Path) -> np.ndarray:
    """Read an array from an open (perhaps decompressing) stream straight into its memory, without a second copy.

    Where it shall stay on the disk (see `lazy`), plain voxels are mapped, so that writing changes the array alone, and
    packed or swapped ones are brought into a mapped file of their own.

    Raises
    ------
    FileError
        If the stream ends before the array is full.
    """
    count = math.prod(int(size) for size in shape)
    available, most = _bytes_left(stream), _bytes_packed(stream)
    if available is not None and available < count * dtype.itemsize:
        raise truncated(path, available, count * dtype.itemsize)
    if most is not None and most < count * dtype.itemsize:
        raise truncated(path, most, count * dtype.itemsize)
    on_disk = lazy.wanted(shape, dtype)
    if on_disk and available is not None and dtype.isnative:
        return lazy.mapped(stream, dtype, stream.tell(), shape)
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
        self.packed = stream
        self._unpacker = zlib.decompressobj(zlib.MAX_WBITS | 32)
        self._rest = b""

    def readinto(self, view: memoryview) -> int:
        """Fill the start of `view`; gives the number of bytes, 0 at the end."""
        data = self.read(len(view))
        view[: len(data)] = data
        return len(data)

    def read(self, size: int) -> bytes:
        """Give up to `size` bytes, none at the end; packed members that follow each other are one."""
        data = b""
        while size and not data and not (self._unpacker.eof and not self._next_member()):
            packed = self._rest or self._unpacker.unconsumed_tail or self.packed.read(_PACKED_BLOCK)
            self._rest = b""
            if not packed:
                raise EOFError("the compressed data end too early")
            data = self._unpacker.decompress(packed, size)
        return data

    def _next_member(self) -> bool:
        """Whether another member of gzip follows, as bgzip writes many; begins with it."""
        rest = self._unpacker.unused_data
        rest += self.packed.read(_PACKED_BLOCK) if len(rest) < len(_GZIP) else b""
        if not rest.startswith(_GZIP):
            return False
        self._unpacker, self._rest = zlib.decompressobj(zlib.MAX_WBITS | 32), rest
        return True


@contextlib.contextmanager
def external_data(allowed: bool) -> Iterator[None]:
    """Within the block, headers may name data files outside of their own folder, if `allowed`."""
    token = _external_data.set(allowed or _external_data.get())
    try:
        yield
    finally:
        _external_data.reset(token)


def beside(path: Path, name: str) -> Path:
    """Give the file that a header names for its voxels; it must lie in the header's folder, or below.

    A header from elsewhere could otherwise bring any file of this computer into an image. `external_data` allows it.

    Raises
    ------
    FileError
        If it lies elsewhere or is missing.
    """
    folder = Path(os.path.abspath(path.parent))
    if "\\" in name and not (folder / name).exists():  # a path of Windows
        parts = PureWindowsPath(name)
        name = parts.name if parts.is_absolute() else parts.as_posix()
    file = Path(os.path.normpath(folder / name))
    if not file.exists() and file.is_relative_to(folder) and file.parent.is_dir():  # Windows takes A.RAW for a.raw
        alike = [other for other in file.parent.iterdir() if other.name.casefold() == file.name.casefold()]
        file = alike[0] if len(alike) == 1 else file
    inside = file.is_relative_to(folder) and file.resolve().is_relative_to(folder.resolve())
    if not inside and not _external_data.get():
        raise FileError(
            f"{path}: its data file {name!r} lies outside the header's folder; put both in one folder, or allow it "
            "(--external-data) if you trust the header."
        )
    if not file.is_file():
        raise FileError(f"{path}: its data file {file.name} is missing; put both in one folder.")
    return file


def listed_names(stream: IO[bytes]) -> list[str]:
    """Give the names of data files that follow in a header, one on each line."""
    text = stream.read(_LIST_LIMIT).decode("utf-8", "replace")
    return [line.strip() for line in text.splitlines() if line.strip()]


def numbered(pattern: str, number: int, path: Path) -> str:
    """Give the name of a numbered data file from a header's pattern, such as slice%03d.raw.

    Raises
    ------
    FileError
        If the pattern has no place for one number.
    """
    if len(_PLACES.findall(pattern)) != 1 or not _PLACE_OF_NUMBER.search(pattern):
        raise FileError(f"{path}: names its data files {pattern!r}, which has no place for a number as %03d is one.")
    return pattern % number


def _bytes_left(stream: Any) -> int | None:
    """Bytes from here to the end of a plain file; None for a decompressing stream."""
    if not isinstance(stream, (io.BufferedReader, io.FileIO)):
        return None
    return os.fstat(stream.fileno()).st_size - stream.tell()


def _bytes_packed(stream: Any) -> int | None:
    """The most that zlib or gzip can have packed into the rest of a file; None for other streams."""
    packed: Any = getattr(stream, "packed", None)
    if isinstance(stream, gzip.GzipFile):
        packed = stream.fileobj
    if not isinstance(packed, (io.BufferedReader, io.FileIO)):
        return None
    return os.fstat(packed.fileno()).st_size * MAX_INFLATION + _PACKED_BLOCK


def skip_bytes(stream: Any, count: int, path: Path) -> None:
    """Read over bytes of a stream that may be decompressing; FileError if it ends before."""
    while count > 0:
        data = stream.read(min(count, _BLOCK))
        if not data:
            raise FileError(f"{path}: its header skips more bytes than the file holds; the header is damaged.")
        count -= len(data)


def note_of_scale(where: str, slope: float, offset: float) -> list[str]:
    """Give the note on a scale of the values that a file states, but that the format's own programs do not apply."""
    if (slope, offset) in ((1, 0), (0, 0)):
        return []
    return [
        f"states in {where} that its values are to be multiplied by {slope:g} and {offset:g} to be added, which was "
        "not done, as in ITK and Slicer."
    ]


def note_of_rest(held: int, stated: int) -> list[str]:
    """Give the note on plain voxels of which a file holds more bytes than its header states: type or size is wrong."""
    if held - stated < _MIN_REST:
        return []
    return [
        f"holds {held:,} bytes of image data, but its header states {stated:,}; the rest was left out. Check the type "
        "and the size of the voxels in the header."
    ]


def truncated(path: Path, found: int, expected: int) -> FileError:
    """Give the error for a file that ends too early."""
    return FileError(
        f"{path}: the file is cut short: it holds {found:,} bytes of image data, but its header states "
        f"{expected:,}; copy it again from its source."
    )
