"""The data set of a training: pairs of nodes or files, and what is wrong with them before the start."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slicer.i18n import tr as _


@dataclass(frozen=True)
class Pair:
    """An image and its labels: two nodes, or the paths of two files; to train on, or to choose the best weights by."""

    image: Any
    labels: Any
    validation: bool = False

    @property
    def hasNodes(self) -> bool:
        """Whether the pair lives in the scene."""
        return hasattr(self.image, "GetName")

    @property
    def imageName(self) -> str:
        """Name of the image, for the table."""
        return _name(self.image)

    @property
    def labelsName(self) -> str:
        """Name of the labels, for the table."""
        return _name(self.labels)


def _name(item: Any) -> str:
    return item.GetName() if hasattr(item, "GetName") else Path(item).name


def fromFolders(images: str, labels: str) -> list[Pair]:
    """Pair the files of two folders by name; an InputError names what has no partner."""
    from ACSegLib.commands.pairs import find_pairs

    return [Pair(str(pair.image), str(pair.labels)) for pair in find_pairs([images], [labels])]


def problemsOf(pairs: Sequence[Pair]) -> dict[int, str]:
    """Say, for each row with a problem, what it is."""
    problems: dict[int, str] = {}
    seen: dict[Any, int] = {}
    for row, pair in enumerate(pairs):
        key = pair.image.GetID() if pair.hasNodes else str(pair.image)
        if key in seen:
            problems[row] = _("The tomogram is there twice (row {row}).").format(row=seen[key] + 1)
        elif text := _problem(pair):
            problems[row] = text
        seen.setdefault(key, row)
    return problems


def _problem(pair: Pair) -> str:
    if not pair.hasNodes:
        missing = [p for p in (pair.image, pair.labels) if not Path(p).exists()]
        return _("The file {path} does not exist.").format(path=missing[0]) if missing else ""
    if pair.image.GetScene() is None or pair.labels.GetScene() is None:
        return _("It was deleted from the scene.")
    if pair.image.GetImageData() is None:
        return _("The tomogram has no voxels.")
    segmentation = pair.labels.GetSegmentation()
    if not segmentation.GetNumberOfSegments():
        return _("The segmentation has no segment.")
    bounds = [0.0] * 6
    segmentation.GetBounds(bounds)
    if bounds[0] > bounds[1]:
        return _("Nothing is drawn.")
    return ""
