"""Stacks whose pages tifffile takes for several images: written one by one, or packed in different ways."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ACSegLib.errors import FileError
from ACSegLib.files import lazy
from ACSegLib.files.content import native
from ACSegLib.files.formats.palettes import Palettes

#: Kinds of series that tifffile makes of pages by their likeness, or of what it wrote at once.
_KINDS = ("generic", "uniform", "shaped")
_REDUCED = 1
_PALETTE = 3
_BITS_OF_COLOURS = 16


def stack_of(file: Any, number: int, path: Path) -> list[Any] | None:
    """Find the pages that belong to one stack with series `number`, where these are more than the series has.

    Returns
    -------
    list of TiffPage or None
        Pages of one size and type, in the order of the file; None where tifffile's series are right.

    Raises
    ------
    FileError
        If a page of another size or type lies between them: a slice would be missing.
    """
    series = file.series[number]
    if len(file.series) < 2 or any(one.kind not in _KINDS for one in file.series):
        return None
    if any(one.kind == "shaped" and one.ndim > 2 for one in file.series):
        return None  # volumes that were written one after the other
    pages = [page for page in map(whole, file.pages) if not page.subfiletype & _REDUCED]
    first = whole(series.pages[0])
    alike = [page for page in pages if _kind(page) == _kind(first)]
    for page in pages:
        if _kind(page) != _kind(first) and alike[0].index < page.index < alike[-1].index:
            raise FileError(
                f"{path}: its page {page.index + 1} ({_size(page)}) is not as the others ({_size(first)}), between "
                "which it lies; save all slices in one size and type."
            )
    if len(alike) == 1 and len(pages) > 1:
        raise FileError(
            f"{path}: its {len(pages)} pages are of different sizes or types ({_size(pages[0])}, {_size(pages[1])}, "
            "...); save all slices in one size and type."
        )
    return alike if len(alike) > len(series.pages) and first.ndim == 2 else None


def whole(page: Any) -> Any:
    """The page with all its tags; tifffile keeps less of pages that look like the first.

    Planes that lie behind one page have its tags.
    """
    if getattr(page, "is_virtual", False):
        return page.keyframe
    return page if hasattr(page, "subfiletype") else page.aspage()


def _kind(page: Any) -> tuple[Any, ...]:
    return page.shape, page.dtype, page.photometric


def _size(page: Any) -> str:
    return f"{' x '.join(str(n) for n in reversed(page.shape))} {page.dtype} {page.photometric.name.lower()}"


def palette_of(page: Any) -> list[tuple[int, ...]]:
    """The colours (red, green, blue; 0 to 255) of the indices of a page; none where its values are no indices."""
    if page.photometric != _PALETTE or page.colormap is None:
        return []
    return [tuple(colour) for colour in (page.colormap.T >> (_BITS_OF_COLOURS - 8)).tolist()]


def palette_notes(pages: Sequence[Any], array: np.ndarray, path: Path) -> list[str]:
    """The notes on the palettes of the planes of an array, one to a page; FileError where they are contradictory."""
    if whole(pages[0]).photometric != _PALETTE:
        return []
    palettes = Palettes()
    for n, (page, plane) in enumerate(zip(pages, array, strict=False)):
        if page is not None:  # where all planes lie behind one page
            palettes.require_same(plane, palette_of(whole(page)), f"{path}, page {n + 1}", f"page {n + 1}")
    return palettes.notes()


def read_stack(pages: list[Any]) -> np.ndarray:
    """Read pages of one size and type as planes along k."""
    shape, dtype = (len(pages), *pages[0].shape), np.dtype(pages[0].dtype)
    array = lazy.empty(shape, dtype.newbyteorder("="))
    for plane, page in zip(array, pages, strict=True):
        plane[...] = native(page.asarray())
    return array
