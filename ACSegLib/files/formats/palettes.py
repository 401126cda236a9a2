"""Pictures with a palette: what the indices of their pixels mean."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ACSegLib.errors import FileError

#: Of indices that are more than these, greys may be those of an image.
_MASK = 2


class Palettes:
    """The colours of the indices in the planes of one volume, which must be the same in all of them."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[tuple[int, ...], str]] = {}

    def require_same(self, plane: np.ndarray, palette: Sequence[Sequence[int]], file: Path | str, name: str) -> None:
        """Raise FileError where an index has another colour than in the planes before: it means something else.

        Programs that keep only the colours of each picture number them anew.

        Parameters
        ----------
        plane : ndarray, shape (j, i)
            Indices.
        palette : sequence of (red, green, blue)
            From 0 to 255; empty where the picture has none.
        file : path or str
            What the error is about.
        name : str
            What the errors of later planes call this one.
        """
        for index in np.unique(plane).tolist() if len(palette) else ():
            colour = tuple(palette[index]) if index < len(palette) else ()
            before, where = self._known.setdefault(index, (colour, name))
            if before != colour:
                raise FileError(
                    f"{file}: its palette gives index {index} another colour than that of {where}, so that the indices "
                    "do not tell the labels; save the slices with one palette, or as greyscale."
                )

    def notes(self) -> list[str]:
        """A note where the colours are greys that are not the indices, as in images that a program made smaller."""
        greys = {index: colour[0] for index, (colour, _) in self._known.items() if len(set(colour)) == 1}
        if len(greys) <= _MASK or len(greys) < len(self._known) or all(i == grey for i, grey in greys.items()):
            return []
        index, grey = max(greys.items(), key=lambda pair: abs(pair[0] - pair[1]))
        return [
            f"has a palette of greys, of which the indices were read ({index} for grey {grey}), as is right for "
            "labels; save an image as greyscale without a palette."
        ]
