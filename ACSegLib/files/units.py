"""Units of length, as files name them.

Known are the names that NRRD, NIfTI, MetaImage, MRC, AmiraMesh, OME (its XML and OME-Zarr), ImageJ and ITK write:
symbols and full words, British and American, singular and plural, with escaped or doubly encoded characters.
"""

from __future__ import annotations

import contextlib
import html
import re
from collections.abc import Iterable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass

from ACSegLib.volume import UNITS_IN_MM


@dataclass
class AssumedUnit:
    """The unit in which lengths are taken that a file states without one; see `assume_unit`.

    Parameters
    ----------
    unit : str or None
        None where each format's own rule holds.
    of_ones : bool
        Whether a file has been read so whose voxel sizes are all 1, as they are where none is known.
    """

    unit: str | None = None
    of_ones: bool = False


_ASSUMED: ContextVar[AssumedUnit | None] = ContextVar("assumed unit of length", default=None)

#: SI prefixes: symbol, word, power of ten.
_PREFIXES = (
    ("Y", "yotta", 24), ("Z", "zetta", 21), ("E", "exa", 18), ("P", "peta", 15), ("T", "tera", 12), ("G", "giga", 9),
    ("M", "mega", 6), ("k", "kilo", 3), ("h", "hecto", 2), ("da", "deca", 1), ("", "", 0), ("d", "deci", -1),
    ("c", "centi", -2), ("m", "milli", -3), ("u", "micro", -6), ("n", "nano", -9), ("p", "pico", -12),
    ("f", "femto", -15), ("a", "atto", -18), ("z", "zepto", -21), ("y", "yocto", -24),
)  # fmt: skip
_INCH = 0.0254
#: Other units in metres, with the names that OME's schema, UDUNITS and ImageJ give them.
_OTHERS: dict[str, float] = {
    "angstrom": 1e-10, "angstroms": 1e-10, "angstroem": 1e-10, "\u00e5ngstr\u00f6m": 1e-10, "angstr\u00f6m": 1e-10,
    "\u00e5": 1e-10, "a": 1e-10, "ang": 1e-10, "micron": 1e-6, "microns": 1e-6, "\u00b5": 1e-6, "u": 1e-6,
    "decameter": 10.0, "dekameter": 10.0, "decametre": 10.0, "dekametre": 10.0,
    "in": _INCH, "inch": _INCH, "inches": _INCH, '"': _INCH, "thou": _INCH / 1000, "thousandth": _INCH / 1000,
    "mil": _INCH / 1000, "li": _INCH / 12, "line": _INCH / 12, "pt": _INCH / 72, "point": _INCH / 72,
    "ft": 12 * _INCH, "foot": 12 * _INCH, "feet": 12 * _INCH, "yd": 36 * _INCH, "yard": 36 * _INCH,
    "yards": 36 * _INCH, "mi": 63360 * _INCH, "mile": 63360 * _INCH, "miles": 63360 * _INCH,
    "ua": 149597870700.0, "au": 149597870700.0, "ly": 9460730472580800.0, "pc": 3.0856775814913673e16,
    "parsec": 3.0856775814913673e16,
}  # fmt: skip
_PIXELS = {"px", "pix", "pixel", "pixels", "voxel", "voxels", "reference frame", "referenceframe"}
_SILENT = {"", "unknown", "none", "null", "undefined", "unspecified", "n/a", "???", "nan", "arbitrary"}


@dataclass(frozen=True)
class Length:
    """A unit of length that a file names: one of it is `factor` times `unit`, which ACSeg knows ("px" among them)."""

    unit: str
    factor: float = 1.0

    def in_unit(self, unit: str) -> float:
        """Give one of this in another unit; neither may be "px"."""
        return self.factor * UNITS_IN_MM[self.unit] / UNITS_IN_MM[unit]


def _metric() -> tuple[dict[str, float], dict[str, float]]:
    """Symbols, in which upper case means something else than lower case, and words."""
    symbols = {f"{symbol}m": 10.0**power for symbol, _, power in _PREFIXES}
    words = {
        f"{word}{ending}": 10.0**power
        for _, word, power in _PREFIXES
        for ending in ("meter", "metre", "meters", "metres")
    }
    return symbols, words


_SYMBOLS, _WORDS = _metric()
_WORDS |= _OTHERS


def text_of(name: object) -> str:
    """Give a unit's name as plain text: decoded, unescaped, in one spelling of micro and angstrom."""
    plain = str(name or "")
    if isinstance(name, bytes):
        try:
            plain = name.decode("utf-8")
        except UnicodeDecodeError:
            plain = name.decode("latin-1")
    text = html.unescape(plain).strip().strip("\0")
    text = text.strip("\"'").strip() or text  # a quotation mark alone is an inch
    text = re.sub(r"\\+u([0-9a-fA-F]{4})", lambda match: chr(int(match[1], 16)), text)
    text = re.sub(r"\\+x([0-9a-fA-F]{2})", lambda match: chr(int(match[1], 16)), text)
    text = text.replace("\u00c2\u00b5", "\u00b5").replace("\u00c3\u2026", "\u00e5")  # UTF-8 that was read as Latin-1
    text = text.replace("\u03bc", "\u00b5").replace("\u212b", "\u00e5").replace("\u00c5", "\u00e5")
    return re.sub("^(\ufffd|\\?)m$", "\u00b5m", text)  # what Bio-Formats makes of a micro sign that it cannot write


def is_stated(name: object) -> bool:
    """Whether a file names a unit at all; "unknown" and the like name none."""
    return text_of(name).lower() not in _SILENT


def length_of(name: object) -> Length | None:
    """Find the unit that a file names; None if it names none, or one that is no length or not known.

    Case tells "Mm" (megametre) from "mm"; words, and symbols that mean nothing as they stand, are read in any case.
    """
    text = text_of(name)
    lower = text.lower()
    if lower in _PIXELS:
        return Length("px")
    word = text.replace("\u00b5", "u")
    for candidate in (word, word.lower()):
        metres = _SYMBOLS.get(candidate) or _WORDS.get(candidate)
        if metres:
            return _length(metres)
    return None


def unit_name(name: str) -> str:
    """Give the unit of `UNITS_IN_MM` that a person names, such as "um" for "\u00b5m"; other words stay as they are."""
    found = length_of(name)
    return found.unit if found is not None and found.factor == 1 else name


def _length(metres: float) -> Length:
    """Express a length in the unit of ACSeg that it is, or else in the largest one that is not longer."""
    millimetres = metres * 1000
    for unit, size in UNITS_IN_MM.items():
        if abs(millimetres / size - 1) < 1e-9:
            return Length(unit)
    smaller = [unit for unit in ("m", "cm", "mm", "um", "nm") if UNITS_IN_MM[unit] <= millimetres]
    unit = smaller[0] if smaller else "nm"
    return Length(unit, millimetres / UNITS_IN_MM[unit])


def unstated_unit(sizes: Iterable[float], silent: str) -> str:
    """Give the unit of voxel sizes that a file states without one.

    It is the one of `assume_unit`; else "px" where all sizes are 1, which is what a file without sizes has, and
    `silent`, the format's own, where they are not.
    """
    assumed, ones = _ASSUMED.get(), all(size == 1 for size in sizes)
    if assumed is None or assumed.unit is None:
        return "px" if ones else silent
    assumed.of_ones |= ones
    return assumed.unit


@contextlib.contextmanager
def assume_unit(unit: str | None) -> Iterator[AssumedUnit]:
    """Within the block, take the lengths of files that name no unit to be in `unit` (None: as outside the block)."""
    assumed = (_ASSUMED.get() if unit is None else None) or AssumedUnit(unit)
    token = _ASSUMED.set(assumed)
    try:
        yield assumed
    finally:
        _ASSUMED.reset(token)
