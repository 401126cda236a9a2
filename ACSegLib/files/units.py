"""Names that files give to units of length."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar

_ASSUMED: ContextVar[str | None] = ContextVar("assumed unit of length", default=None)

_NAMES = {
    "nm": ("nm", "nanometer", "nanometre", "nanometers", "nanometres", "nan"),
    "um": ("um", "micron", "microns", "micrometer", "micrometre", "micrometers", "micrometres", "\u00b5m", "\u03bcm",
           "\\u00b5m"),
    "mm": ("mm", "millimeter", "millimetre", "millimeters", "millimetres"),
    "cm": ("cm", "centimeter", "centimetre", "centimeters", "centimetres"),
    "m": ("m", "meter", "metre", "meters", "metres"),
    "angstrom": ("angstrom", "angstroms", "\u00e5ngstr\u00f6m", "\u00c5", "\u00e5", "\u212b", "a"),
    "px": ("px", "pixel", "pixels", "voxel", "voxels"),
}  # fmt: skip
_UNITS = {name: unit for unit, names in _NAMES.items() for name in names}


def unit_of(name: object) -> str | None:
    """Give ACSeg's unit for a name found in a file, in any spelling; None if it is unknown or not a length."""
    if isinstance(name, bytes):
        name = name.decode("utf-8", "replace")
    text = str(name or "").strip().strip('"').strip()
    return _UNITS.get(text) or _UNITS.get(text.lower())


def assumed_unit() -> str | None:
    """Give the unit that files which name none are taken to be in; None: each format's own rule."""
    return _ASSUMED.get()


@contextlib.contextmanager
def assume_unit(unit: str | None) -> Iterator[None]:
    """Within the block, take the lengths of files that name no unit to be in `unit` (None: as outside the block)."""
    token = _ASSUMED.set(unit or _ASSUMED.get())
    try:
        yield
    finally:
        _ASSUMED.reset(token)
