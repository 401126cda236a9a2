"""Tilt series: stacks of projections that a reconstruction is still to be made of, and how MRC files show that.

Nothing in the main header tells them from volumes. The angles stand in the extended header, of FEI's microscopes or of
SerialEM (https://bio3d.colorado.edu/imod/doc/mrc_format.txt), or in a text file of IMOD beside the stack.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

#: Bytes that SerialEM writes for each section, by the bits of its flags; the first is the tilt angle times 100.
_SERIAL_BYTES = (2, 6, 4, 2, 2, 4, 2, 4, 2, 4, 2)
_TILT_FLAG, _PER_DEGREE = 1, 100
#: Endings of IMOD's files of angles, one a line.
_BESIDE = (".rawtlt", ".tlt")
#: Ending of IMOD's reconstructions.
_RECONSTRUCTED = ".rec"
#: Degrees that the angles of a tilt series span, at least.
_MIN_SPAN = 1.0


def note_of_tilts(file: Any, path: Path) -> list[str]:
    """Give the note that a stack is a tilt series; none where no angle of each section is known.

    Parameters
    ----------
    file : mrcfile.MrcFile
        With its headers.
    path : path
    """
    sections = int(file.header.nz)
    angles = _of_header(file, sections)
    where = "its extended header"
    if angles is None:
        angles, where = _beside(path, sections)
    return [] if angles is None else note_of_angles(angles, where)


def note_of_angles(angles: np.ndarray, where: str) -> list[str]:
    """Give the note on a stack whose sections have these angles, in degrees; none where they are no tilts."""
    if len(angles) < 2 or not np.all(np.isfinite(angles)) or np.ptp(angles) < _MIN_SPAN:
        return []
    return [
        f"is a tilt series, with the angles {angles.min():g} to {angles.max():g} degrees in {where}: its sections are "
        "projections and no slices of a volume; reconstruct it first."
    ]


def _of_header(file: Any, sections: int) -> np.ndarray | None:
    kind = bytes(file.header.exttyp)
    if kind in (b"FEI1", b"FEI2"):
        rows = file.indexed_extended_header
        known = rows is not None and len(rows) >= sections and "Alpha tilt" in (rows.dtype.names or ())
        return np.array(rows["Alpha tilt"][:sections], float) if known else None
    if kind not in (b"SERI", b"\0\0\0\0", b"    "):
        return None
    short = np.dtype(np.int16).newbyteorder(file.header.mode.dtype.byteorder)
    size, flags = (int(n) for n in np.frombuffer(file.header.tobytes()[128:132], short))
    told = sum(size_of for bit, size_of in enumerate(_SERIAL_BYTES) if flags >> bit & 1)
    data = file.extended_header.tobytes() if file.extended_header is not None else b""
    if not flags & _TILT_FLAG or size != told or len(data) < size * sections:
        return None
    rows = np.frombuffer(data[: size * sections], np.uint8).reshape(sections, size)
    return rows[:, :2].copy().view(short)[:, 0] / _PER_DEGREE


def _beside(path: Path, sections: int) -> tuple[np.ndarray | None, str]:
    if path.name.lower().endswith(_RECONSTRUCTED):  # of the stack of the same name
        return None, ""
    for ending in _BESIDE:
        file = path.with_suffix(ending)
        try:
            angles = np.array([float(word) for word in file.read_text("ascii").split()])
        except (OSError, ValueError):
            continue
        if len(angles) == sections:
            return angles, file.name
    return None, ""
