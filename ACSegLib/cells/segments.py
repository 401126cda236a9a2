"""Split the segments of a segmentation: a segment for each cell, and which cells touch."""

from __future__ import annotations

import colorsys
import itertools
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ACSegLib.cells.seeds import seed_array
from ACSegLib.cells.splitting import Cells, SplitSettings, split_mask
from ACSegLib.errors import InputError
from ACSegLib.jobs import Progress
from ACSegLib.segment_estimates import TAG, VolumeInterval
from ACSegLib.special_segments import role_of
from ACSegLib.threads import chunks_of, in_threads
from ACSegLib.volume import HUE_STEP, Segment, Segmentation, Volume, label_dtype, require_same_grid, unique_values

#: Names of segments that are no cells: they are split only if they are named.
_NOT_CELLS = re.compile(r"bead|glass|wall|capillar|holder|medium|debris|marker", re.IGNORECASE)


@dataclass(frozen=True)
class SegmentCells:
    """The cells of one segment, and the rows of the new table that they are."""

    segment: Segment
    cells: Cells
    rows: list[Segment]


def segments_of_cells(segmentation: Segmentation, names: Sequence[str] = ()) -> list[Segment]:
    """The segments to split: those named, or all but beads, glass and background."""
    if names:
        return [segmentation.segment(name) for name in names]
    return [s for s in segmentation.segments if role_of(s.name) is None and not _NOT_CELLS.search(s.name)]


def split_segments(
    segmentation: Segmentation,
    volume: Volume | None = None,
    *,
    segments: Sequence[str] = (),
    seeds: Segmentation | None = None,
    settings: SplitSettings | None = None,
    progress: Progress | None = None,
) -> list[SegmentCells]:
    """Find the cells of segments.

    Parameters
    ----------
    segmentation : Segmentation
    volume : Volume, optional
        Image on the same grid.
    segments : sequence of str
        Names or ids; see `segments_of_cells`.
    seeds : Segmentation, optional
        On the same grid. Each of its segments marks one cell; the components of a single one mark one cell each.
    settings : SplitSettings, optional
        A number of cells needs a single segment.
    progress : Progress, optional

    Returns
    -------
    list of SegmentCells
        One for each segment that is not empty and, with seeds, holds one. The rows have the values that the cells will
        have in the layer of their segment.

    Raises
    ------
    InputError
        If there is no segment to split, or image or seeds lie on another grid, or no seed lies in a segment.
    """
    progress, settings = progress or Progress(), settings or SplitSettings()
    for other in (volume, seeds):
        if other is not None:
            require_same_grid(other, segmentation)
    chosen = segments_of_cells(segmentation, segments)
    if not chosen:
        known = ", ".join(s.name for s in segmentation.segments) or "none"
        raise InputError(f"there is no segment of cells to split; name one of: {known}.")
    chosen = [s for s in chosen if segmentation.mask(s).any()]
    marks, notes = (None, []) if seeds is None else seed_array(seeds)
    if marks is not None:
        chosen, outside = _marked(segmentation, chosen, marks)
        notes += outside
    elif settings.count is not None and len(chosen) > 1:
        raise InputError(f"{settings.count} cells of which segment? Name one of: {', '.join(s.name for s in chosen)}.")
    used = [{s.value for s in segmentation.segments if s.layer == n} for n in range(len(segmentation.layers))]
    taken = {s.name for s in segmentation.segments} - {s.name for s in chosen}
    ids = {s.id for s in segmentation.segments}
    found: list[SegmentCells] = []
    for segment, part in progress.each(chosen, lambda s: f"splitting {s.name}"):
        mask = segmentation.mask(segment)
        cells = split_mask(
            mask,
            None if volume is None else volume.array,
            segmentation.geometry.spacing,
            _with_outlines(settings, segment),
            None if marks is None else np.where(mask, marks, 0),
            part,
        )
        if not found:
            cells.notes.extend(notes)
        rows = _rows(segment, len(cells.sizes), used[segment.layer], taken, ids)
        found.append(SegmentCells(segment, cells, rows))
    return found


def _marked(
    segmentation: Segmentation, segments: Sequence[Segment], marks: np.ndarray
) -> tuple[list[Segment], list[str]]:
    """The segments that hold a seed, and notes on the seeds that lie in none."""
    drawn = {int(v) for v in unique_values(marks) if v}
    inside = {s.id: drawn.intersection(np.unique(marks[segmentation.mask(s)]).tolist()) for s in segments}
    lost = len(drawn) - len(set[int]().union(*inside.values()))
    if lost == len(drawn):
        raise InputError("no seed lies in a segment that is to be split; draw a dab in each cell.")
    notes = [f"{lost} of {len(drawn)} seeds lie outside the segments and do not count."] if lost else []
    return [s for s in segments if inside[s.id]], notes


def _with_outlines(settings: SplitSettings, segment: Segment) -> SplitSettings:
    """The settings for one segment: its volume interval says whether a network predicted it."""
    interval = VolumeInterval.parse(segment.tags.get(TAG, ""))
    if settings.outlines != "auto" or interval is None or interval.source != "prediction":
        return settings
    return replace(settings, outlines="predicted")


def with_cells(
    segmentation: Segmentation, found: Sequence[SegmentCells], check: Callable[[], None] = lambda: None
) -> Segmentation:
    """The segmentation with a segment for each cell; specks are background, other segments are as they were.

    `check` is called often, and may raise `Cancelled`.
    """
    layers = list(segmentation.layers)
    table: dict[str, list[Segment]] = {}
    for item in found:
        n = item.segment.layer
        top = max([row.value for row in item.rows], default=1)
        dtype = np.promote_types(layers[n].dtype if layers[n].dtype.kind == "u" else np.uint8, label_dtype([top]))
        values = np.array([0, *(row.value for row in item.rows)], dtype)
        if layers[n] is segmentation.layers[n] or layers[n].dtype != dtype:
            check()
            layers[n] = layers[n].astype(dtype)
        own, layer, cells = segmentation.layers[n], layers[n], item.cells.labels
        places = [(own[part], layer[part], cells[part], item.segment.value, values) for part in chunks_of(layer)]
        in_threads(_place_cells, places, check)
        table[item.segment.id] = item.rows
    rows = [row for segment in segmentation.segments for row in table.get(segment.id, [segment])]
    return replace(segmentation, layers=tuple(layers), segments=rows)


def _place_cells(part: tuple[np.ndarray, np.ndarray, np.ndarray, int, np.ndarray]) -> None:
    """Write the values of a segment's cells into planes of a layer, where the segment was."""
    before, after, cells, value, values = part
    inside = before == value
    after[inside] = values[cells[inside]]


def notes_on(found: Sequence[SegmentCells], asked: bool = False) -> list[str]:
    """What is to be said of each segment: number of cells, specks, and what was not possible.

    `asked` says whether the number of cells was given.
    """
    texts = []
    for item in found:
        count = len(item.cells.sizes)
        word = "1 cell" if count == 1 else f"{count} cells"
        kind = "" if item.cells.seams == "none" else f" ({item.cells.seams} seams)"
        alone = "" if asked else "; no seam was found"
        texts.append(f"{item.segment.name}: {word}{alone if count == 1 else kind}.")
        texts += [f"{item.segment.name}: {note}" for note in item.cells.notes]
    return texts


def _rows(segment: Segment, count: int, used: set[int], taken: set[str], ids: set[str]) -> list[Segment]:
    """A row for each cell: the first keeps value and id; the others take free ones, which `used` and `ids` get."""
    if count <= 1:
        return [segment] * count
    rows: list[Segment] = []
    free = (v for v in itertools.count(1) if v not in used)
    hue, saturation, brightness = colorsys.rgb_to_hsv(*segment.colour)
    for number in range(1, count + 1):
        if number == 1:
            value, identifier, colour = segment.value, segment.id, segment.colour
        else:
            value = next(free)
            identifier = next(i for n in itertools.count(number) if (i := f"{segment.id}_cell_{n}") not in ids)
            ids.add(identifier)
            turned = (hue + HUE_STEP * (number - 1)) % 1.0
            colour = colorsys.hsv_to_rgb(turned, max(saturation, 0.5), max(brightness, 0.6))
        name = f"{segment.name} {number}"
        while name in taken:
            name += "'"
        used.add(value)
        rows.append(replace(segment, name=name, value=value, id=identifier, colour=colour))
    return rows
