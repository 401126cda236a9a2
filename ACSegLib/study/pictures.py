"""Pictures of a study report: outlines on slices and difference surfaces of the best, median and worst cell."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ACSegLib.errors import InputError
from ACSegLib.jobs import Progress
from ACSegLib.study.page import Figure, Section
from ACSegLib.study.tables import Rows, Study

if TYPE_CHECKING:
    import numpy as np

    from ACSegLib.volume import Segmentation, Volume


#: A slice is shown if it has this share of the voxels of the fullest slice.
_MIN_AREA_SHARE = 0.1
#: Pictures show a segment with this margin, as a share of its extent; or the whole slice, if that is not much larger.
_MARGIN, _MIN_MARGIN_VOXELS, _WHOLE_FROM = 0.3, 6, 0.6


@dataclass(frozen=True)
class PicturedCell:
    """Files of one cell: image, result and reference. The caller brings them onto one grid with `open`."""

    name: str
    open: Callable[[], tuple[Volume, Segmentation, Segmentation]]


def pictures(
    study: Study, cells: Mapping[str, PicturedCell], missing: Mapping[str, str], progress: Progress
) -> tuple[Section, dict[str, str]]:
    """Outlines on slices and difference surfaces of the best, median and worst cell of the first method.

    Parameters
    ----------
    cells : mapping of str to PicturedCell
        By the names of the table's rows.
    missing : mapping of str to str
        Why a row of the table has no files.

    Returns
    -------
    section : Section
    failures : dict of str to str
        Cells without pictures, and why.
    """
    method, rows = next(iter(study.scores.items()))
    ranked = ranked_cells(rows, study.segment)
    section = Section(
        "Pictures",
        [
            f"Results of best, median and worst Dice of {study.segment}, method {method}. Outlines are on the slices "
            "of best, median and worst Dice, of those with at least a tenth of the largest area. In the surface "
            "pictures grey is agreement, red is what was segmented beyond the reference, and blue is what was missed."
        ],
    )
    failures: dict[str, str] = {}
    for (place, kind), part in progress.each(_picks(len(ranked)).items()):
        row = ranked[place]
        name, volume = str(row["volume_name"]), str(row.get("source_volume", row["volume_name"]))
        part(0.0, f"picture of {name}")
        caption = f"{kind.capitalize()}: {name}, Dice {_percent(row['dice'])}"
        if volume not in cells:
            failures[name] = f"not pictured: {missing.get(volume, 'its files are missing.')}"
            continue
        try:
            segment, matched = str(row.get("source_segment", study.segment)), row.get("instance") is not None
            section.figures += cell_figures(cells[volume], segment, method, caption, matched)
        except (InputError, OSError) as error:
            failures[name] = f"not pictured: {error}"
    return section, failures


def ranked_cells(rows: Rows, segment: str) -> Rows:
    """The rows of a segment that have a Dice coefficient, the best first."""
    return sorted((r for r in rows if r["segment"] == segment and r.get("dice") is not None), key=lambda r: -r["dice"])


def _picks(count: int) -> dict[int, str]:
    """Places of best, median and worst in a ranking, the best first; of few, one has the better of its names."""
    places = {"worst": count - 1, "median": count // 2, "best": 0} if count else {}
    names = {place: kind for kind, place in places.items()} if count > 1 else dict.fromkeys(places.values(), "only")
    return {place: names[place] for place in sorted(names)}


def telling_slices(result: np.ndarray, truth: np.ndarray) -> dict[int, str]:
    """Slices across the first axis of best, median and worst Dice, of those that show a good part of the segment.

    Slices with less than a tenth of the largest area are left out: their Dice hangs on a few voxels.

    Parameters
    ----------
    result, truth : ndarray of bool, shape (k, j, i)

    Returns
    -------
    dict of int to str
        Number of the slice, and what is said of it, "worst, Dice 81.2 %"; the best comes first.
    """
    ours, true, both = ([int(plane.sum()) for plane in mask] for mask in (result, truth, result & truth))
    least = max(1, _MIN_AREA_SHARE * max((a + b for a, b in zip(ours, true, strict=True)), default=0))
    dice = {k: 2 * c / (a + b) for k, (a, b, c) in enumerate(zip(ours, true, both, strict=True)) if a + b >= least}
    ranked = sorted(dice, key=lambda k: -dice[k])
    return {
        ranked[place]: f"{kind}, Dice {_percent(dice[ranked[place]])}" for place, kind in _picks(len(ranked)).items()
    }


def surroundings(mask: np.ndarray) -> tuple[slice, slice]:
    """Rows and columns (j, i) that show a mask (k, j, i) with its surroundings; all of them if it is large."""
    import numpy as np

    inside = [np.flatnonzero(mask.any(axis=(0, 3 - axis))) for axis in (1, 2)]
    low, high = np.array([(n[0], n[-1] + 1) for n in inside]).T
    size, shape = high - low, np.array(mask.shape[1:])
    side = np.max(size + 2 * np.maximum(_MIN_MARGIN_VOXELS, np.rint(_MARGIN * size)))  # a square, if there is room
    extent = np.minimum(side, shape)
    if np.prod(extent) >= _WHOLE_FROM * np.prod(shape):
        return slice(0, mask.shape[1]), slice(0, mask.shape[2])
    start = np.clip((low + high - extent) // 2, 0, shape - extent).astype(int)
    rows, columns = (slice(int(first), int(first + n)) for first, n in zip(start, extent, strict=True))
    return rows, columns


def _percent(dice: float) -> str:
    return f"{100 * dice:.1f} %"


def _masks(result: Segmentation, truth: Segmentation, segment: str, matched: bool) -> tuple[np.ndarray, np.ndarray]:
    """Where a segment is in result and reference."""
    import numpy as np

    from ACSegLib.measure.overlap import ALL_CELLS, pair_segments

    if segment == ALL_CELLS:
        return result.occupied(), truth.occupied()
    if matched:
        true = truth.mask(next(row for row in truth.segments if row.name == segment))
        cells = result.flattened().labels
        overlap = np.bincount(cells[true].ravel())
        overlap[:1] = 0
        return (cells == np.argmax(overlap)) if overlap.any() else np.zeros_like(true), true
    ours, theirs = {name: both for name, *both in pair_segments(result, truth)}.get(segment, (None, None))
    if ours is None or theirs is None:
        raise InputError(f"{segment} is absent from one side.")
    return result.mask(ours), truth.mask(theirs)


def cell_figures(cell: PicturedCell, segment: str, method: str, caption: str, matched: bool = False) -> list[Figure]:
    """Contact sheet of outlines, and difference surface, of one cell.

    With `matched`, the segment of the reference is shown with what overlaps it most, whatever its name is.
    """
    import tempfile

    import numpy as np

    from ACSegLib.pictures import comparison_sheet, surface_picture
    from ACSegLib.volume import Segment, Segmentation, Volume

    volume, result, truth = cell.open()
    masks = _masks(result, truth, segment, matched)
    sides = [Segmentation((m.astype(np.uint8),), [Segment(segment, 1)], volume.geometry) for m in masks]
    ours, true = (side.labels for side in sides)
    difference = Segmentation.from_labels(
        ours + 2 * true,
        volume.geometry,
        {3: "agreement", 1: "segmented beyond the reference", 2: "missed"},
    )
    colours = {
        "agreement": (0.78, 0.79, 0.81),
        "segmented beyond the reference": (0.84, 0.15, 0.12),
        "missed": (0.12, 0.35, 0.80),
    }
    figures = []
    with tempfile.TemporaryDirectory() as folder:
        sheet, surface = Path(folder) / "sheet.png", Path(folder) / "surface.png"
        slices = telling_slices(ours > 0, true > 0) or None
        rows, columns = surroundings((ours > 0) | (true > 0))
        shown = [
            replace(side, layers=(np.ascontiguousarray(side.labels[:, rows, columns]),)) for side in reversed(sides)
        ]
        around = Volume(np.asarray(volume.array)[:, rows, columns], volume.geometry, volume.name)
        titled = dict(zip(("reference", method), shown, strict=True))
        comparison_sheet(around, sheet, titled, slices=slices)
        figures.append(Figure(f"{caption}; outlines of {segment}.", png=sheet.read_bytes()))
        surface_picture(difference, surface, colours=colours)
        figures.append(Figure(f"{caption}; difference surface.", png=surface.read_bytes()))
    return figures
