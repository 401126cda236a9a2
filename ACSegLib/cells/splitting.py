"""Split a mask into its cells: basins, and the merging of those that no seam separates."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from numbers import Integral
from typing import TYPE_CHECKING

import numpy as np

from ACSegLib.cells.basins import find_basins
from ACSegLib.cells.evidence import is_flat, is_tissue, kind_of_seams, within_usual
from ACSegLib.cells.grid import WorkGrid
from ACSegLib.cells.seam_places import settle_seams
from ACSegLib.cells.seams import Seams, find_seams
from ACSegLib.cells.seeds import divide_by_seeds, seed_of_basins, usable_seeds
from ACSegLib.cells.sizes import MIN_CELL_VOXELS, MIN_SIZE_GAP, largest_speck, smallest_cell
from ACSegLib.distances import as_mask, sampling
from ACSegLib.errors import InputError
from ACSegLib.jobs import Progress, Stages
from ACSegLib.threads import chunks_of, in_threads, look_up

if TYPE_CHECKING:
    from ACSegLib.cells.merging import Merging

#: What seams between cells look like; "none" leaves the shape alone.
SEAMS = ("auto", "dark", "bright", "none")
#: Where outlines come from: networks close the seams of cells that touch, and round their necks; others do not.
OUTLINES = ("auto", "drawn", "predicted")
#: Log odds from which on a boundary is a seam. The model of predicted outlines finds too many seams at even odds.
_SEAM, _SEAM_PREDICTED = 0.0, 1.0
#: Thickness, in voxels of the finest axis, below which a cap at the border of the volume is no cell. Networks predict
#: films of one voxel there.
_FILM = 1.5


@dataclass(frozen=True)
class SplitSettings:
    """How to split.

    Parameters
    ----------
    seams : {"auto", "dark", "bright", "none"}
    count : int, optional
        Number of cells; found if left out.
    smallest : float, optional
        Voxels from which on a part is a cell; learned from the sizes if left out.
    outlines : {"auto", "drawn", "predicted"}
        Where the mask comes from; each has a model of seams of its own. "auto" is "predicted" for a segment whose tags
        say so, and else "drawn".
    """

    seams: str = "auto"
    count: int | None = None
    smallest: float | None = None
    outlines: str = "auto"

    def __post_init__(self) -> None:
        if self.seams not in SEAMS:
            raise InputError(f"seams must be one of {', '.join(SEAMS)}, not {self.seams!r}.")
        if self.outlines not in OUTLINES:
            raise InputError(f"outlines must be one of {', '.join(OUTLINES)}, not {self.outlines!r}.")
        if self.count is not None and not (isinstance(self.count, Integral) and self.count >= 1):
            raise InputError(f"the number of cells must be a whole number from 1 on, not {self.count}.")
        if self.smallest is not None and not self.smallest >= 0:
            raise InputError(f"the smallest size of a cell must be 0 or more voxels, not {self.smallest}.")


@dataclass(frozen=True)
class Cells:
    """The cells of a mask.

    Attributes
    ----------
    labels : ndarray of int32, shape (k, j, i)
        Number of the cell, 1 being the largest; with seeds in the order of their values. 0 elsewhere.
    sizes : ndarray of int64
        Voxels of each cell.
    seams : str
        What the seams look like, as given or found; "none" if only the shape counted.
    smallest : float
        Voxels from which on a part that lies alone is a cell.
    specks : int
        Parts that were too small, and lie apart from every cell: they are in no cell.
    notes : list of str
    """

    labels: np.ndarray
    sizes: np.ndarray
    seams: str
    smallest: float
    specks: int = 0
    notes: list[str] = field(default_factory=list)


def split_mask(
    mask: np.ndarray,
    image: np.ndarray | None = None,
    spacing: Sequence[float] = (1.0, 1.0, 1.0),
    settings: SplitSettings | None = None,
    seeds: np.ndarray | None = None,
    progress: Progress | None = None,
) -> Cells:
    """Find the cells of a mask.

    Parameters
    ----------
    mask : ndarray, shape (k, j, i)
        Non-zero inside. What lies outside the array may be cell or not.
    image : ndarray, shape (k, j, i), optional
        For seams; without it, or where it shows none, only the shape counts.
    spacing : sequence of float
        Voxel size along (i, j, k).
    settings : SplitSettings, optional
    seeds : ndarray of int, shape (k, j, i), optional
        A value for each cell on some of its voxels. There are as many cells as values, and as many as components
        without a seed that are no specks.
    progress : Progress, optional

    Returns
    -------
    Cells

    Raises
    ------
    InputError
        If the shapes differ, or no seed lies in the mask.
    """
    from ACSegLib.cells.counting import MIN_ODDS, MIN_ODDS_IN_TISSUE

    mask, settings, progress = as_mask(mask), settings or SplitSettings(), progress or Progress()
    for what, array in (("image", image), ("seeds", seeds)):
        if array is not None and array.shape != mask.shape:
            raise InputError(f"mask and {what} must have the same shape, not {mask.shape} and {array.shape}.")
    if not mask.any():
        return Cells(np.zeros(mask.shape, np.int32), np.zeros(0, np.int64), settings.seams, 0.0)
    stages = progress.stages(prepare=1, seams=8, cells=5, number=0 if settings.count is None else 5)
    regions = _Regions.of(mask, image, spacing, settings, seeds, stages)
    if settings.count is None or seeds is not None:
        return regions.cells(settings, MIN_ODDS, stages.cells)
    found = regions.cells(replace(settings, count=None), MIN_ODDS, stages.cells)
    if len(found.sizes) == settings.count:  # nothing is better than what was found with the right number
        return found
    tissue = is_tissue(mask, len(found.sizes))
    if len(found.sizes) > settings.count:
        regions.notes.append(f"{len(found.sizes)} cells are found if no number is given.")
    return regions.cells(settings, MIN_ODDS_IN_TISSUE if tissue else MIN_ODDS, stages.number)


@dataclass(frozen=True)
class _Regions:
    """The regions of a mask from which cells are merged.

    Attributes
    ----------
    mask : ndarray of bool, shape (k, j, i)
    grid : WorkGrid
        Grid of the basins.
    basins : ndarray of int, shape of the grid
        Region of each block; 0 outside of the mask.
    seams : Seams
    fresh : callable
        Gives the regions before any merging.
    markers : ndarray of int, shape (k, j, i), or None
        The seeds within the mask, numbered from 1.
    shown : bool
        Whether the image can show seams.
    predicted : bool
        Whether a network drew the mask.
    notes : list of str
        On the seeds, and on an image that tells nothing.
    """

    mask: np.ndarray
    grid: WorkGrid
    basins: np.ndarray
    seams: Seams
    fresh: Callable[[], Merging]
    markers: np.ndarray | None
    shown: bool
    predicted: bool
    notes: list[str]

    @classmethod
    def of(
        cls,
        mask: np.ndarray,
        image: np.ndarray | None,
        spacing: Sequence[float],
        settings: SplitSettings,
        seeds: np.ndarray | None,
        stages: Stages,
    ) -> _Regions:
        """Find the regions; see `split_mask`."""
        from ACSegLib.cells.merging import Merging
        from ACSegLib.cells.regions import connect
        from ACSegLib.cells.trees import seam_model

        stages.prepare(0.0, "looking for the cells")
        grid = WorkGrid.around(mask, sampling(spacing))
        small = grid.reduce_mask(mask)
        check = stages.prepare.check
        check()
        picture = grid.reduce_image(image) if image is not None and settings.seams != "none" else None
        check()
        markers, notes = usable_seeds(seeds, mask) if seeds is not None else (None, [])
        if picture is not None and is_flat(picture, small):
            picture = None
            notes.append("the image is constant within the segment and shows nothing; the shape decided.")
        elif picture is not None:
            picture = within_usual(picture, small)
        check()
        if image is None and settings.seams in ("dark", "bright"):
            notes.append(f"no {settings.seams} seams can be seen without an image; the shape decided.")
        few = None if markers is None else grid.reduce_seeds(markers) * small
        predicted = settings.outlines == "predicted"
        seams = find_seams(picture, small, grid.step, seam_model("voxels", predicted), settings.seams, stages.seams)
        stages.cells(0.0, "judging the seams")
        basins = find_basins(seams.depth, small, stages.cells.check)
        stages.cells.check()
        if few is not None:
            basins = divide_by_seeds(basins, few)
        graph = connect(basins, seams, check=stages.cells.check)
        in_tissue = not predicted and is_tissue(small, int(basins.max()))
        model = seam_model("tissue" if in_tissue else "seams", predicted)
        seeded = seed_of_basins(basins, few)
        shown = picture is not None
        return cls(mask, grid, basins, seams, lambda: Merging(graph, model, seeded), markers, shown, predicted, notes)

    def cells(self, settings: SplitSettings, least_odds: float, progress: Progress) -> Cells:
        """Merge the regions into cells; seams from `least_odds` on may divide a cell to reach a number."""
        stages, notes = progress.stages(merge=2, place=3), list(self.notes)
        block, seeded = self.grid.voxels_of_block, self.markers is not None
        odds = (_SEAM_PREDICTED if self.predicted else _SEAM, least_odds)
        merging, joined, lone = _merged(self.fresh, settings, block, seeded, odds, stages.merge)
        cells = merging.roots().astype(np.int32)[self.basins]
        kind = kind_of_seams(cells, self.seams, settings.seams) if self.shown else "none"
        by_shape = kind == "none" and self.shown
        stages.place(0.0, "placing the cells")
        if self.predicted and kind != "none":
            fixed = None if self.markers is None else self.grid.reduce_seeds(self.markers) > 0
            cells = settle_seams(cells, self.seams, kind, fixed, stages.place.check)
        check = stages.place.check
        labels = self.grid.enlarge(cells, self.mask, self.markers, np.array(merging.seeds), check)
        check()
        cap, thinnest = (lone / MIN_SIZE_GAP**2, _FILM) if self.predicted else (0.0, 0.0)
        caps = (max(cap, MIN_CELL_VOXELS), thinnest)
        least = _least_voxels(labels, merging, joined, lone, caps, settings.smallest is None)
        check()
        found = _numbered(labels, settings, kind, least, lone, self.markers, notes, check)
        if by_shape and len(found.sizes) > 1:
            found.notes.insert(len(self.notes), "the image shows no seams between the cells; their shape decided.")
        return found


def _merged(
    fresh: Callable[[], Merging],
    settings: SplitSettings,
    block: int,
    seeded: bool,
    odds_of_seams: tuple[float, float],
    progress: Progress,
) -> tuple[Merging, float, float]:
    """Merge as far as the settings say.

    `odds_of_seams` are the log odds from which on a boundary is a seam, and may be one to reach a number.

    Gives the merging, and the smallest size of a cell in voxels of the mask: of one that touches another, and of one
    that lies alone.
    """
    from ACSegLib.cells.counting import cells_kept, merge_to_count

    merging, given, (sure, least_odds) = fresh(), settings.smallest, odds_of_seams
    progress(0.5, "judging the seams")
    if seeded:  # each seed is a cell, whatever its size; of what holds none, only what is as large as a cell
        merging.run(lambda odds, cells: False, check=progress.check)
        marked = [merging.voxels(n) * block for n in merging.cells() if merging.seeds[n]]
        learned = min([_learned_smallest(merging, block, smallest_cell), *marked])
        floor = learned if given is None else float(given)
        return merging, floor, floor
    merging.run(lambda odds, cells: odds >= sure, check=progress.check)
    if settings.count is None and given is None:  # the seam says that a part is a cell; where there is none, the size
        joined = _learned_smallest(merging, block, largest_speck)
        merging.absorb(joined / block)
        return merging, joined, _learned_smallest(merging, block, smallest_cell)
    floor = float(MIN_CELL_VOXELS if given is None else given)
    if given is None:
        learned = _learned_smallest(merging, block, smallest_cell)
        if settings.count is not None and cells_kept(merging, learned / block) < settings.count:
            # cells that are known to be there may differ in size more than those that are not
            learned = _learned_smallest(merging, block, largest_speck)
        floor = learned
    if settings.count is not None and cells_kept(merging, floor / block) != settings.count:
        least = float(MIN_CELL_VOXELS) if given is None else floor
        sizes_of_cells = (floor / block, least / block)
        merging, smallest = merge_to_count(merging, fresh, settings.count, *sizes_of_cells, least_odds, progress.check)
        floor = smallest * block
    merging.absorb(floor / block)
    return merging, floor, floor


def _least_voxels(
    labels: np.ndarray, merging: Merging, joined: float, lone: float, caps: tuple[float, float], learned: bool
) -> np.ndarray:
    """Voxels from which on each label is a cell; of `labels`, those of no region lie alone.

    `joined` is for those that touch another, `lone` for those that lie alone, and `caps` for flat ones at the border,
    which have a least thickness as well.
    """
    cap, thinnest = caps
    least = np.full(int(labels.max()) + 1, lone)
    for axis in range(3) if learned else ():  # what the border of the volume cuts may be the rest of a cell
        for end in (0, -1):
            least[np.take(labels, end, axis=axis)] = lone / MIN_SIZE_GAP
    for n in merging.cells():
        if n < len(least) and merging.neighbours[n]:
            least[n] = min(least[n], joined)
        elif n < len(least) and learned and merging.is_cap(n, thinnest):
            least[n] = min(least[n], cap)
    return least


def _learned_smallest(merging: Merging, block: int, how: Callable[[list[float]], float]) -> float:
    """Voxels from which on a region is a cell, as `how` learns it from the sizes of all of them."""
    sizes = [merging.voxels(n) * block for n in merging.cells()]
    return max(float(MIN_CELL_VOXELS), min(how(sizes), max(sizes, default=0.0) / MIN_SIZE_GAP))


def _numbered(
    labels: np.ndarray,
    settings: SplitSettings,
    kind: str,
    least: np.ndarray,
    smallest: float,
    markers: np.ndarray | None,
    notes: list[str],
    check: Callable[[], None],
) -> Cells:
    """Number the cells, remove specks, and say what is to be said."""
    counts = in_threads(lambda part: np.bincount(labels[part].ravel(), minlength=len(least)), chunks_of(labels), check)
    sizes = np.sum(counts, axis=0)
    sizes[0] = 0
    seeded = np.zeros(len(sizes), bool)
    if markers is not None:
        seeded[np.unique(labels[markers > 0])] = True
    present = np.flatnonzero(sizes)
    kept = [int(n) for n in present if sizes[n] >= least[n] or seeded[n]]
    if not kept and len(present):
        kept = [int(present[np.argmax(sizes[present])])]
        if settings.smallest is not None:
            notes.append(f"no part has {smallest:.0f} voxels; the largest, of {sizes[kept[0]]} voxels, was kept.")
    kept.sort(key=lambda n: (not seeded[n], n if seeded[n] else -sizes[n]))
    surplus = kept[settings.count :] if markers is None and settings.count is not None else []
    kept = kept[: len(kept) - len(surplus)]
    numbers = np.zeros(len(sizes), np.int32)
    numbers[kept] = np.arange(1, len(kept) + 1)
    if surplus:
        parts = "1 part" if len(surplus) == 1 else f"{len(surplus)} parts"
        largest = int(sizes[surplus[0]])
        notes.append(f"{parts} of up to {largest} voxels became background, as the number given is {settings.count}.")
    rest = np.setdiff1d(present, [*kept, *surplus])
    specks = len(rest)
    if specks:
        largest = int(sizes[rest].max())
        parts = "1 part" if specks == 1 else f"{specks} parts"
        fewer = any(sizes[n] < smallest and not seeded[n] for n in kept)
        notes.append(
            f"{parts} of up to {largest} voxels did not count as cells, which have at least {smallest:.0f} voxels, or "
            "fewer beside another cell and at the border of the volume."
            if fewer
            else f"{parts} of up to {largest} voxels did not count as cells, which have at least {smallest:.0f} voxels."
        )
    if markers is None and settings.count is not None and len(kept) != settings.count:
        notes.append(f"{settings.count} cells were asked for, but {len(kept)} can be told apart.")
    elif markers is None and settings.count is not None and settings.smallest is None:
        notes += _on_small_cells(sizes[kept])
    if markers is not None and len(kept) > int(markers.max()):
        bare = len(kept) - int(markers.max())
        notes.append(
            "1 component holds no seed; it is one cell."
            if bare == 1
            else f"{bare} components hold no seed; each is one cell."
        )
    return Cells(look_up(numbers, labels, check), sizes[kept], kind, smallest, specks, notes)


def _on_small_cells(sizes: np.ndarray) -> list[str]:
    """A note on cells that make up a given number, but would be too small without it."""
    small = [int(size) for size in sizes if size < largest_speck(sizes.tolist())]
    if not small:
        return []
    what = (
        f"1 cell has {small[0]} voxels" if len(small) == 1 else f"{len(small)} cells have {max(small)} voxels or less"
    )
    return [f"{what}, below a hundredth of a typical cell; look at the result, or give a smaller number of cells."]
