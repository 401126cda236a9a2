"""Where the voxels of a NRRD file lie (attached, in one file, or spread over several), and how they are encoded."""

from __future__ import annotations

import bz2
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np

from ACSegLib.errors import FileError
from ACSegLib.files import lazy
from ACSegLib.files.content import Inflated, beside, listed_names, native, numbered, read_exactly, skip_bytes, truncated

#: Fields of the header, as pynrrd gives them.
Header = Mapping[str, Any]

_PACKED = {"gzip": Inflated, "gz": Inflated, "bzip2": bz2.BZ2File, "bz2": bz2.BZ2File}
_TEXT, _HEX = ("ascii", "text", "txt"), "hex"
_LIST = re.compile(r"LIST(?:\s+(\d+))?$")
_PATTERN = re.compile(r"(.*%.*?)\s+([-+]?\d+)\s+([-+]?\d+)\s+([-+]?\d+)(?:\s+(\d+))?$")
#: Bytes that a number takes as text, at most.
_MAX_TEXT = 32


def voxels(stream: IO[bytes], header: Header, path: Path) -> np.ndarray:
    """Read the voxels in (k, j, i) order.

    Parameters
    ----------
    stream : open file
        The header's file, at the first byte behind the header.
    """
    import nrrd

    for name in ("dimension", "type", "encoding", "sizes"):
        if name not in header:
            raise FileError(f"{path}: its header has no {name!r}; the file is damaged.")
    shape = tuple(int(n) for n in header["sizes"][::-1])
    if len(shape) != header["dimension"] or min(shape, default=0) < 1:
        raise FileError(
            f"{path}: states {header['dimension']} dimensions and sizes of {list(shape[::-1])}; correct its header."
        )
    if header["type"] not in nrrd.reader._TYPEMAP_NRRD2NUMPY or header["type"] == "block":
        raise FileError(f"{path}: holds voxels of type {header['type']!r}, which are not numbers of one channel.")
    dtype = nrrd.reader._determine_datatype(header)
    name = str(header.get("data file", ""))
    if not name:
        return _section(stream, shape, dtype, header, path)
    files, subdimension = _data_files(stream, name, shape, path)
    if len(files) == 1:
        with open(files[0], "rb") as source:
            return _section(source, shape, dtype, header, path)
    part = _shape_of_part(shape, len(files), subdimension, path)
    whole = lazy.empty(shape, dtype.newbyteorder("="))
    for target, file in zip(whole.reshape(len(files), *part), files, strict=True):
        with open(file, "rb") as source:
            target[...] = _section(source, part, dtype, header, path)
    return whole


def single_file(header: Header, path: Path) -> Path | None:
    """The file that holds all voxels, the header's own if it names none; None where several files hold them."""
    name = str(header.get("data file", ""))
    if _LIST.match(name) or _PATTERN.match(name):
        return None
    return beside(path, name) if name else path


def _data_files(stream: IO[bytes], name: str, shape: tuple[int, ...], path: Path) -> tuple[list[Path], int | None]:
    """The files of voxels: one, those listed behind the header, or numbered ones; and how many axes each holds."""
    listed, pattern = _LIST.match(name), _PATTERN.match(name)
    if listed:
        return [beside(path, word) for word in listed_names(stream)], int(listed[1]) if listed[1] else None
    if pattern is None:
        return [beside(path, name)], None
    first, last, step = (int(pattern[n]) for n in (2, 3, 4))
    numbers = range(first, last + (1 if step > 0 else -1), step) if step else range(0)
    if not 0 < len(numbers) <= math.prod(shape):
        raise FileError(f"{path}: names the data files {name!r}, which are {len(numbers)}; correct its header.")
    names = [numbered(pattern[1], number, path) for number in numbers]
    return [beside(path, word) for word in names], int(pattern[5]) if pattern[5] else None


def _shape_of_part(shape: tuple[int, ...], files: int, subdimension: int | None, path: Path) -> tuple[int, ...]:
    """The shape of what one of several files holds: slices of the slowest axes, or slabs of the slowest one."""
    axes = len(shape) - 1 if subdimension is None else subdimension
    if 0 < axes < len(shape) and math.prod(shape[: len(shape) - axes]) == files:
        return shape[len(shape) - axes :]
    if axes == len(shape) and files and shape[0] % files == 0:
        return (shape[0] // files, *shape[1:])
    raise FileError(
        f"{path}: names {files} data files of {axes} axes each, which do not make up {' x '.join(map(str, shape))} "
        "voxels; correct its header."
    )


def _section(stream: IO[bytes], shape: tuple[int, ...], dtype: np.dtype, header: Header, path: Path) -> np.ndarray:
    """Read voxels from where the stream stands: skip lines, unpack, skip bytes."""
    encoding = str(header["encoding"])
    size = dtype.itemsize * math.prod(shape)
    for _ in range(int(header.get("line skip", 0))):
        if not stream.readline():
            raise FileError(f"{path}: its header skips more lines than the file holds; correct 'line skip'.")
    skip = int(header.get("byte skip", 0))
    if skip < -1 or int(header.get("line skip", 0)) < 0:
        raise FileError(f"{path}: its header has an invalid 'byte skip' or 'line skip'; correct it.")
    data: Any = stream
    if encoding in _PACKED:
        start = stream.tell()
        if skip < 0:  # the voxels are the last bytes of the unpacked data
            skip = _length(_PACKED[encoding](stream)) - size
            stream.seek(start)
        data = _PACKED[encoding](stream)
        skip_bytes(data, skip, path)
    elif skip < 0 and encoding == "raw":
        stream.seek(max(0, stream.seek(0, 2) - size))
    else:
        stream.seek(max(skip, 0), 1)
    if encoding in _TEXT:
        return _from_text(stream, shape, dtype, path)
    if encoding == _HEX:
        return _from_hex(stream, shape, dtype, path)
    if encoding != "raw" and encoding not in _PACKED:
        raise FileError(f"{path}: has the encoding {encoding!r}, which NRRD does not know; save it again as raw.")
    return native(read_exactly(data, shape, dtype, path))


def _length(stream: Any) -> int:
    """Bytes that a decompressing stream gives."""
    total = 0
    while data := stream.read(1 << 20):
        total += len(data)
    return total


def _from_text(stream: IO[bytes], shape: tuple[int, ...], dtype: np.dtype, path: Path) -> np.ndarray:
    """Numbers separated by white space or commas."""
    count = math.prod(shape)
    words = stream.read(_MAX_TEXT * count).replace(b",", b" ").split()
    if len(words) < count:
        raise FileError(f"{path}: the file is cut short: it holds {len(words):,} of {count:,} values.")
    if dtype.kind == "f":
        return np.array(words[:count], np.float64).astype(dtype.newbyteorder("=")).reshape(shape)
    return np.array([int(word) for word in words[:count]], dtype.newbyteorder("=")).reshape(shape)


def _from_hex(stream: IO[bytes], shape: tuple[int, ...], dtype: np.dtype, path: Path) -> np.ndarray:
    """Two digits for each byte, in lines of any length."""
    size = dtype.itemsize * math.prod(shape)
    digits = b"".join(stream.read(_MAX_TEXT * size).split())[: 2 * size]
    if len(digits) < 2 * size:
        raise truncated(path, len(digits) // 2, size)
    return native(np.frombuffer(bytearray.fromhex(digits.decode("ascii")), dtype)).reshape(shape)
