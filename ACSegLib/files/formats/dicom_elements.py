"""Checks the lengths of DICOM elements before GDCM believes them: for a damaged one it would reserve gigabytes.

File meta information is in explicit little endian (DICOM PS3.10, 7.1), the data set as that says (PS3.5, 7.1 and 7.5).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import IO

from ACSegLib.errors import FileError

_MAGIC_END, _UNDEFINED = 132, 0xFFFFFFFF
_META_LENGTH, _SYNTAX, _PIXEL_DATA = b"\x02\0\0\0", b"\x02\0\x10\0", b"\xe0\x7f\x10\0"
_ITEM, _DELIMITERS = b"\xfe\xff\0\xe0", b"\xfe\xff"
_IMPLICIT = "1.2.840.10008.1.2"
#: Transfer syntaxes whose elements are packed or big endian.
_NOT_WALKED = ("1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.2")
#: Kinds of elements whose length has four bytes.
_LONG_KINDS = (b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"UC", b"UN", b"UR", b"UT")


class _DamagedError(Exception):
    """The elements do not fit; the caller names the file."""


@dataclass(frozen=True)
class _Element:
    tag: bytes
    length: int
    start: int


def require_fitting_elements(path: Path) -> None:
    """Raise FileError where an element before the voxels is longer than the file."""
    size = path.stat().st_size
    try:
        with open(path, "rb") as stream:
            stream.seek(_MAGIC_END)
            syntax = _read_meta(stream, size)
            if syntax not in _NOT_WALKED:
                _walk(stream, size, explicit=syntax != _IMPLICIT)
    except _DamagedError as error:
        raise FileError(
            f"{path}: this DICOM file is damaged (an element does not fit); copy it again from its source."
        ) from error


def _read_meta(stream: IO[bytes], size: int) -> str:
    """Read the file meta information and stop behind it; gives the transfer syntax."""
    syntax, stated, start = _IMPLICIT, None, stream.tell()
    while True:
        place = stream.tell()
        if stream.read(2) != b"\x02\0":
            stream.seek(place)
            break
        stream.seek(place)
        element = _next(stream, explicit=True)
        if element is None or element.start + element.length > size:
            raise _DamagedError
        value = stream.read(element.length)
        if element.tag == _META_LENGTH:
            stated, start = int.from_bytes(value, "little"), stream.tell()
        elif element.tag == _SYNTAX:
            syntax = value.rstrip(b"\0 ").decode("ascii", "replace")
    if stated is not None and place - start != stated:
        raise _DamagedError
    return syntax


def _walk(stream: IO[bytes], size: int, explicit: bool) -> None:
    """Go from element to element, into sequences, up to the voxels."""
    while (element := _next(stream, explicit)) is not None and element.tag != _PIXEL_DATA:
        if element.length == _UNDEFINED:
            continue  # a sequence or an item, whose end has a mark
        if element.start + element.length > size:
            raise _DamagedError
        enters = element.tag == _ITEM or stream.read(4) == _ITEM
        stream.seek(element.start if enters else element.start + element.length)


def _next(stream: IO[bytes], explicit: bool) -> _Element | None:
    """Read the head of an element; None at the end of the file."""
    head = stream.read(8)
    if len(head) < 8:
        return None
    tag, kind, length = head[:4], head[4:6], int.from_bytes(head[4:8], "little")
    if explicit and tag[:2] != _DELIMITERS:
        if not (kind.isalpha() and kind.isupper()):
            raise _DamagedError
        length = int.from_bytes(head[6:8], "little")
        if kind in _LONG_KINDS:
            if length:
                raise _DamagedError
            length = int.from_bytes(stream.read(4), "little")
    return _Element(tag, length, stream.tell())
