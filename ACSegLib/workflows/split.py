"""One split, whoever asks for it: touching cells of a segmentation apart."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ACSegLib.errors import InputError
from ACSegLib.jobs import Progress
from ACSegLib.json_values import Json
from ACSegLib.placement import place_labels, with_geometry_of
from ACSegLib.slice_tags import stored_slices, with_labelled_slices
from ACSegLib.volume import Segmentation, Volume, distinct_names
from ACSegLib.workflows.packing import (
    Arrays,
    Message,
    from_options,
    pack_segmentation,
    pack_volume,
    settings_of,
    unpack_segmentation,
    unpack_volume,
)

if TYPE_CHECKING:
    from ACSegLib.cells.segments import SegmentCells

_DATA = ("labels", "volume", "seeds")
#: Bytes per voxel of a segment's box: of the grid on which its regions are found and merged, and to place its cells.
_BYTES_OF_REGIONS, _BYTES_TO_PLACE = 86, 33


@dataclass(frozen=True, kw_only=True, eq=False)
class SplitRequest:
    """What to split, and how. The fields after the first three are the options of ``acseg split`` of the same names.

    Parameters
    ----------
    labels : Segmentation
    volume : Volume, optional
        The image, for seams; without it only the shape counts.
    seeds : Segmentation, optional
        Each segment marks one cell; the components of a single segment mark one cell each.
    segments : sequence of str
        Segments to split; all but beads, glass and background if empty.
    count : int, optional
        Number of cells of the one segment that is split; found if None.
    smallest : float, optional
        Voxels from which on a part is a cell; learned from the sizes if None.
    seams : str
        What seams look like: "dark", "bright", "none" (the shape alone), or "auto".
    outlines : str
        Where the outlines come from: "drawn", "predicted" by a network, or "auto", as the segments say.
    resample : bool
        Whether labels and seeds on another grid are resampled to that of the image.
    """

    labels: Segmentation
    volume: Volume | None = None
    seeds: Segmentation | None = None
    segments: Sequence[str] = ()
    count: int | None = None
    smallest: float | None = None
    seams: str = "auto"
    outlines: str = "auto"
    resample: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "segments", tuple(self.segments))

    @classmethod
    def from_options(
        cls, labels: Segmentation, volume: Volume | None, seeds: Segmentation | None, options: Any
    ) -> SplitRequest:
        """Make the request from options of ``acseg split``, field by field."""
        return cls(labels=labels, volume=volume, seeds=seeds, **from_options(cls, options, _DATA))

    def pack(self) -> tuple[Message, Arrays]:
        """Give the request as JSON values, and its arrays: "labels 0", ..., "image" and "seeds 0", ..., if there."""
        arrays: Arrays = {}
        return {
            "settings": settings_of(self, _DATA),
            "labels": pack_segmentation(self.labels, "labels", arrays),
            "volume": None if self.volume is None else pack_volume(self.volume, "image", arrays),
            "seeds": None if self.seeds is None else pack_segmentation(self.seeds, "seeds", arrays),
        }, arrays

    @classmethod
    def unpack(cls, message: Json, arrays: Mapping[str, np.ndarray]) -> SplitRequest:
        """Give back what `pack` took."""
        return cls(
            labels=unpack_segmentation(message["labels"], arrays),
            volume=unpack_volume(message["volume"], arrays) if message["volume"] else None,
            seeds=unpack_segmentation(message["seeds"], arrays) if message["seeds"] else None,
            **message["settings"],
        )


@dataclass(frozen=True, eq=False)
class SplitOutcome:
    """What a split gave.

    Attributes
    ----------
    segmentation : Segmentation
        A segment for each cell; the other segments as they were.
    counts : dict of str to int
        Name of each segment that was split -> number of its cells.
    sizes : dict of str to list of int
        The same -> voxels of each cell.
    notes : list of str
        What was found, and what to know about it.
    """

    segmentation: Segmentation
    counts: dict[str, int] = field(default_factory=dict)
    sizes: dict[str, list[int]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def labels(self) -> np.ndarray:
        """The label array of the result, shape (k, j, i); an InputError if segments overlap."""
        return self.segmentation.labels

    def __repr__(self) -> str:
        counts = ", ".join(f"{name}: {count}" for name, count in self.counts.items())
        return f"<SplitOutcome {self.segmentation.name!r}: {counts}>"

    def pack(self) -> tuple[Message, Arrays]:
        """Give the outcome as JSON values, and its arrays "labels 0", ..."""
        arrays: Arrays = {}
        message = pack_segmentation(self.segmentation, "labels", arrays)
        return {"segmentation": message, "counts": self.counts, "sizes": self.sizes, "notes": self.notes}, arrays

    @classmethod
    def unpack(cls, message: Json, arrays: Mapping[str, np.ndarray]) -> SplitOutcome:
        """Give back what `pack` took."""
        segmentation = unpack_segmentation(message["segmentation"], arrays)
        return cls(segmentation, message["counts"], message["sizes"], message["notes"])


def run_split(request: SplitRequest, progress: Progress | None = None) -> SplitOutcome:
    """Split the touching cells of segments; see `ACSegLib.cells`.

    Raises
    ------
    InputError
        If labels, image and seeds are not on one grid, if there is nothing to split, also in the segments that are
        named, or if no seed lies in a segment.
    """
    from ACSegLib.cells.segments import notes_on, segments_of_cells, with_cells
    from ACSegLib.unfilled_labels import unfilled_notes

    labels = request.labels
    if not any(layer.any() for layer in labels.layers):
        raise InputError(f"{labels.name!r} has no labelled voxel; there is nothing to split.")
    if request.volume is not None:
        labels = place_labels(labels, request.volume, resample=request.resample)
        labels = replace(labels, geometry=with_geometry_of(labels, request.volume).geometry)
    progress = progress or Progress()
    found = find_cells(replace(request, labels=labels), progress)
    split = {item.segment.id for item in found}
    left = [segment for segment in segments_of_cells(labels, request.segments) if segment.id not in split]
    if request.segments and not found:
        names = ", ".join(segment.name for segment in left)
        raise InputError(f"the segments to split, {names}, have no labelled voxel; name others.")
    notes = [*unfilled_notes(labels), *notes_on(found, asked=request.count is not None or request.seeds is not None)]
    for segment in left:
        why = "it holds no seed and stays one cell" if labels.mask(segment).any() else "it has no labelled voxel"
        notes.append(f"{segment.name} was not split: {why}.")
    if request.seeds is not None and request.count is not None:
        notes.append(f"the number of cells ({request.count}) was not used, since the seeds give it.")
    cells = with_labelled_slices(with_cells(labels, found, progress.check), stored_slices(labels)[0])
    sizes = dict(zip(distinct_names([i.segment for i in found]), (i.cells.sizes.tolist() for i in found), strict=True))
    return SplitOutcome(cells, {name: len(voxels) for name, voxels in sizes.items()}, sizes, notes)


def bytes_to_split(request: SplitRequest) -> int:
    """Bytes that `run_split` takes beside labels and image, estimated from the box of the largest segment."""
    from ACSegLib.cells.grid import MAX_VOXELS
    from ACSegLib.cells.segments import segments_of_cells
    from ACSegLib.masks import value_box

    labels = request.labels
    boxes = [value_box(labels.layers[s.layer], s.value) for s in segments_of_cells(labels, request.segments)]
    largest = max((math.prod(side.stop - side.start for side in box) for box in boxes if box), default=0)
    return max(_BYTES_OF_REGIONS * min(largest, MAX_VOXELS), _BYTES_TO_PLACE * largest)


def find_cells(request: SplitRequest, progress: Progress | None = None) -> list[SegmentCells]:
    """The cells of each segment that a request names; labels and image are on one grid."""
    from ACSegLib.cells.segments import split_segments
    from ACSegLib.cells.splitting import SplitSettings

    labels, seeds = request.labels, request.seeds
    if seeds is not None:
        seeds = replace(place_labels(seeds, labels, resample=request.resample), geometry=labels.geometry)
    volume = request.volume
    if volume is not None:
        volume = replace(volume, geometry=labels.geometry)
    return split_segments(
        labels,
        volume,
        segments=request.segments,
        seeds=seeds,
        settings=SplitSettings(request.seams, request.count, request.smallest, request.outlines),
        progress=progress,
    )
