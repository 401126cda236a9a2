"""Opens images and labels for the page: large images stay on the disk, labels come onto the grid of the image."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ACSegLib.app.contract import AXES
from ACSegLib.app.images import intensity_range, read_pages_alone
from ACSegLib.app.labels import Labels
from ACSegLib.axes import AXIS_ALIASES
from ACSegLib.errors import InputError
from ACSegLib.volume import Volume

#: Images of more bytes than this, or than a quarter of the free memory, are read slice by slice.
MAX_IN_MEMORY = 4 << 30


@dataclass(frozen=True)
class Opened:
    """An open image, and how to show it; see `contract.VolumeInfo`."""

    volume: Volume
    range: tuple[float, float]
    window: tuple[float, float]
    lazy: bool
    notes: list[str]


def opened(volume: Volume, notes: list[str] | None = None, lazy: bool = False) -> Opened:
    """Say how a volume is to be shown; a `lazy` one is read from the disk slice by slice."""
    full, window = intensity_range(volume.array)
    sentences = list(notes or [])
    if lazy:
        size = volume.array.nbytes / 2**30
        sentences.append(
            f"The volume has {size:.1f} GiB and is read slice by slice; to fill and measure all of it needs several "
            "times as much memory. Slices along x are shown coarsely, and cannot be labelled where the labels are over "
            "2 GiB."
        )
        read_pages_alone(volume.array)
    return Opened(volume, full, window, lazy, sentences)


def open_image(path: Path, dataset: str = "") -> Opened:
    """Open an image; see `ACSegLib.files.open_volume` for the errors."""
    from ACSegLib.files import open_volume
    from ACSegLib.files.registry import collect_notes

    with collect_notes() as notes:
        volume = open_volume(path, dataset=dataset or None, lazy_from=lazy_limit())
    return opened(volume, notes, _on_disk(volume.array))


def open_labels(path: Path, image: Opened) -> tuple[Labels, list[str]]:
    """Open labels on the grid of an image, and find the slices that were labelled; gives notes on them as well."""
    from ACSegLib.files import open_segmentation
    from ACSegLib.files.registry import collect_notes
    from ACSegLib.labelled_slices import find_labelled_slices
    from ACSegLib.placement import place_labels
    from ACSegLib.special_segments import ignored_voxels

    with collect_notes() as notes:
        segmentation = open_segmentation(path)
        placed = place_labels(segmentation, image.volume, resample=True)
    if segmentation.overlapping:
        notes.append(f"Segments of {path.name} overlap; where they do, the later one is shown.")
    if placed.shape != image.volume.shape:
        raise InputError(f"the labels {path.name} are not on the grid of the image {image.volume.name}.")
    labels = Labels.of(placed)
    if labels.segments and labels.array.any():
        ignored = ignored_voxels(placed)
        known = labels.array != 0 if ignored is None else (labels.array != 0) & ~ignored
        found = find_labelled_slices(known, ignored=ignored)
        notes += found.notes()
        names = {AXIS_ALIASES[axis]: axis for axis in AXES}
        labels.labelled = {(names[axis], n) for axis, numbers in found.slices.items() for n in numbers}
        labels.complete = not labels.labelled
    return labels, notes


def lazy_limit() -> int:
    """Bytes from which an image stays on the disk."""
    from ACSegLib.compute import available_memory

    return min(MAX_IN_MEMORY, available_memory() // 4)


def _on_disk(array: Any) -> bool:
    import numpy as np

    from ACSegLib.arrays import is_mapped

    return not isinstance(array, np.ndarray) or is_mapped(array)
