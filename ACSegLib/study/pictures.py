"""Pictures of a study report: outlines on slices and difference surfaces of the best, median and worst cell."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ACSegLib.errors import InputError
from ACSegLib.jobs import Progress
from ACSegLib.study.page import Figure, Section
from ACSegLib.study.tables import Rows, Study

if TYPE_CHECKING:
    import numpy as np

    from ACSegLib.volume import Segmentation, Volume


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
        "Best, median and worst cell",
        [
            f"By the Dice coefficient of {study.segment}, method {method}. In the surface pictures grey is agreement, "
            "red is what was segmented beyond the truth, and blue is what was missed. Outlines are on the slices of "
            "best, median and worst Dice, of those that have the segment on either side."
        ],
    )
    failures: dict[str, str] = {}
    for (place, kind), part in progress.each(_picks(len(ranked)).items()):
        row = ranked[place]
        name, volume = str(row["volume_name"]), str(row.get("source_volume", row["volume_name"]))
        part(0.0, f"picture of {name}")
        caption = f"{kind.capitalize()}: {name}, Dice {row['dice']:.4f}"
        if volume not in cells:
            failures[name] = f"not pictured: {missing.get(volume, 'its files are missing.')}"
            continue
        try:
            section.figures += cell_figures(
                cells[volume], str(row.get("source_segment", study.segment)), method, caption
            )
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
    """Slices across the first axis of best, median and worst Dice, of those that have voxels on either side.

    Parameters
    ----------
    result, truth : ndarray of bool, shape (k, j, i)

    Returns
    -------
    dict of int to str
        Number of the slice, and what is said of it, "worst, Dice 0.8123"; the best comes first.
    """
    ours, true, both = ([int(plane.sum()) for plane in mask] for mask in (result, truth, result & truth))
    dice = {k: 2 * c / (a + b) for k, (a, b, c) in enumerate(zip(ours, true, both, strict=True)) if a + b}
    ranked = sorted(dice, key=lambda k: -dice[k])
    return {ranked[place]: f"{kind}, Dice {dice[ranked[place]]:.4f}" for place, kind in _picks(len(ranked)).items()}


def cell_figures(cell: PicturedCell, segment: str, method: str, caption: str) -> list[Figure]:
    """Contact sheet of outlines, and difference surface, of one cell."""
    import tempfile

    import numpy as np

    from ACSegLib.measure.overlap import ALL_CELLS, pair_segments
    from ACSegLib.pictures import comparison_sheet, surface_picture
    from ACSegLib.volume import Segment, Segmentation

    volume, result, truth = cell.open()
    if segment == ALL_CELLS:
        masks = [result.occupied(), truth.occupied()]
    else:
        pairs = {name: rows for name, *rows in pair_segments(result, truth)}
        rows = pairs.get(segment, [None, None])
        masks = [side.mask(row) for side, row in zip((result, truth), rows, strict=True) if row is not None]
    if len(masks) < 2:
        raise InputError(f"{segment} is absent from one side.")
    sides = [Segmentation((m.astype(np.uint8),), [Segment(segment, 1)], volume.geometry) for m in masks]
    ours, true = (side.labels for side in sides)
    difference = Segmentation.from_labels(
        ours + 2 * true,
        volume.geometry,
        {3: "agreement", 1: "segmented beyond the truth", 2: "missed"},
    )
    colours = {
        "agreement": (0.78, 0.79, 0.81),
        "segmented beyond the truth": (0.84, 0.15, 0.12),
        "missed": (0.12, 0.35, 0.80),
    }
    figures = []
    with tempfile.TemporaryDirectory() as folder:
        sheet, surface = Path(folder) / "sheet.png", Path(folder) / "surface.png"
        slices = telling_slices(ours > 0, true > 0) or None
        comparison_sheet(volume, sheet, {"truth": sides[1], method: sides[0]}, slices=slices, title=caption)
        figures.append(Figure(f"{caption}; outlines of {segment}.", png=sheet.read_bytes()))
        surface_picture(difference, surface, title=caption, colours=colours)
        figures.append(Figure(f"{caption}; difference surface.", png=surface.read_bytes()))
    return figures
