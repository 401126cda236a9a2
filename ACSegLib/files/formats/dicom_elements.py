"""Checks the lengths of DICOM elements before GDCM believes them: for a damaged one it would reserve gigabytes.

File meta information is in explicit little endian (DICOM PS3.10, 7.1), the data set as that says (PS3.5, 7.1 and 7.5).
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from ACSegLib.errors import FileError

_MAGIC, _MAGIC_END, _UNDEFINED = b"DICM", 132, 0xFFFFFFFF
#: Groups of elements with which files begin that lack the magic: of the file, and of its identification.
_FIRST_GROUPS = (b"\x02\0", b"\x08\0")
#: First bytes of a file that tell if it is DICOM.
HEAD_BYTES = 1024
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


def start_of_elements(head: bytes) -> int | None:
    """Where the elements of a DICOM file begin, from its first bytes; None for other files.

    Files of old scanners and of planning programs have no preamble and magic, but begin with their elements.
    """
    if head[_MAGIC_END - len(_MAGIC) : _MAGIC_END] == _MAGIC:
        return _MAGIC_END
    return 0 if any(_begin_with_elements(head, explicit) for explicit in (True, False)) else None


def _begin_with_elements(head: bytes, explicit: bool) -> bool:
    """Whether two elements of the first groups follow each other, in the order of their tags."""
    stream, tags = io.BytesIO(head), []
    for _ in range(2):
        try:
            element = _next(stream, explicit)
        except _DamagedError:
            return False
        if element is None or element.tag[:2] not in _FIRST_GROUPS or not 0 < element.length < len(head):
            return False
        tags.append(int.from_bytes(element.tag[:2], "little") << 16 | int.from_bytes(element.tag[2:], "little"))
        stream.seek(element.start + element.length)
    return tags[0] < tags[1]


def require_fitting_elements(path: Path) -> None:
    """Raise FileError where an element before the voxels is longer than the file."""
    size = path.stat().st_size
    try:
        with open(path, "rb") as stream:
            head = stream.read(HEAD_BYTES)
            stream.seek(start_of_elements(head) or 0)
            syntax = _read_meta(stream, size)
            if stream.tell() == 0:  # nothing states the syntax
                _walk(stream, size, _begin_with_elements(head, explicit=True))
            elif syntax not in _NOT_WALKED:
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
