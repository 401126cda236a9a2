"""Size and shape per segment and per connected cell: volume, surface, ratio, axes, filopodia, contacts, LAC.

Lengths are in the geometry's unit, areas and volumes in its square and cube; "unit" in each row names it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ACSegLib.components import Components, NumberedCells, find_components
from ACSegLib.distances import as_mask, sampling
from ACSegLib.errors import InputError
from ACSegLib.jobs import Progress
from ACSegLib.json_values import Row
from ACSegLib.masks import bounding_box
from ACSegLib.measure.contact_table import contact_columns
from ACSegLib.measure.contacts import contact_areas, neighbour_areas
from ACSegLib.measure.intensity import intensity_measures
from ACSegLib.measure.regions import Box, SegmentBoxes, touches_border, within
from ACSegLib.measure.surface import DEFAULT_METHOD, surface_area
from ACSegLib.measure.thin_structures import combine_thin_structures, measure_thin_structures
from ACSegLib.postprocess.thin_structures import default_radius
from ACSegLib.volume import Segment, Segmentation, Volume, require_same_grid


def shape_measures(
    mask: np.ndarray,
    spacing: Sequence[float],
    *,
    direction: Sequence[float] | None = None,
    surface_method: str = DEFAULT_METHOD,
) -> dict[str, float]:
    """Size and shape of a mask.

    Parameters
    ----------
    mask : ndarray, shape (k, j, i)
        Non-zero inside.
    spacing : sequence of float
        Voxel size along (i, j, k), as `Geometry.spacing`.
    direction : sequence of 9 float, optional
        Direction cosines as `Geometry.direction`; the identity when left out. Turns the principal axis into LPS.
    surface_method : str
        See `ACSegLib.measure.surface.surface_area`.

    Returns
    -------
    dict of float
        voxels, volume, surface_area, surface_to_volume, sphericity (1 for a ball: area of the ball of equal volume
        over the area; may exceed 1 by the estimator's error), axis_1 >= axis_2 >= axis_3 (full principal axes of the
        ellipsoid of equal second moments), elongation (axis_2 / axis_1), flatness (axis_3 / axis_2), axis_1_l,
        axis_1_p, axis_1_s (its direction). NaN where an empty mask leaves them undefined.
    """
    mask = as_mask(mask)
    box = bounding_box(mask)
    names = ("surface_to_volume", "sphericity", "axis_1", "axis_2", "axis_3", "elongation", "flatness")
    if box is None:
        empty = {"voxels": 0, "volume": 0.0, "surface_area": 0.0}
        return {**empty, **dict.fromkeys((*names, "axis_1_l", "axis_1_p", "axis_1_s"), float("nan"))}
    crop = mask[box]
    voxels = int(np.count_nonzero(crop))
    volume = voxels * float(np.prod(spacing))
    area = surface_area(crop, spacing, surface_method)
    axes, first = _principal_axes(crop, voxels, spacing, direction)
    ball = np.pi ** (1 / 3) * (6 * volume) ** (2 / 3)
    measured = (
        area / volume,
        float(ball / area),
        *axes,
        axes[1] / axes[0],
        axes[2] / axes[1],
    )
    row: dict[str, float] = {"voxels": voxels, "volume": volume, "surface_area": area}
    row.update(zip(names, measured, strict=True))
    row.update(zip(("axis_1_l", "axis_1_p", "axis_1_s"), first, strict=True))
    return row


def _principal_axes(
    mask: np.ndarray, voxels: int, spacing: Sequence[float], direction: Sequence[float] | None
) -> tuple[tuple[float, float, float], tuple[float, ...]]:
    """Full axes (largest first) of the ellipsoid of equal moments, and the direction of the first."""
    # Sums plane by plane from its row and column counts: no coordinate arrays of the mask's size.
    k, j, i = (np.arange(n, dtype=float) - (n - 1) / 2 for n in mask.shape)
    first, second = np.zeros(3), np.zeros((3, 3))
    for height, plane in zip(k, mask, strict=True):
        along_i, along_j = plane.sum(axis=0).astype(float), plane.sum(axis=1).astype(float)
        count, sum_i, sum_j = along_i.sum(), along_i @ i, along_j @ j
        first += (sum_i, sum_j, count * height)
        second[0, 0] += along_i @ (i * i)
        second[1, 1] += along_j @ (j * j)
        second[2, 2] += count * height * height
        second[0, 1] += j @ (plane @ i)
        second[0, 2] += sum_i * height
        second[1, 2] += sum_j * height
    mean = first / voxels
    second += np.triu(second, 1).T
    # A voxel is a box, not a point: its own second moment keeps the axes of a one-voxel cell positive.
    covariance = second / voxels - np.outer(mean, mean) + np.eye(3) / 12
    to_space = np.reshape(direction, (3, 3)) if direction is not None else np.eye(3)
    to_space = to_space * np.asarray(spacing, float)
    values, vectors = np.linalg.eigh(to_space @ covariance @ to_space.T)
    lengths = 2 * np.sqrt(5 * np.maximum(values[::-1], 0))
    axis = vectors[:, -1]
    axis = axis * np.sign(axis[np.argmax(np.abs(axis))])
    return (float(lengths[0]), float(lengths[1]), float(lengths[2])), tuple(float(v) for v in axis)


@dataclass(frozen=True)
class MorphologySettings:
    """What `measure_segmentation` measures.

    Parameters
    ----------
    cells : bool
        One row per connected cell, in addition to the row per segment.
    minimum_volume : float
        Cells below it, in cubic `Geometry.unit`, get no row of their own.
    connectivity : {6, 18, 26}
        Neighbours that connect.
    surface_method : str
        See `ACSegLib.measure.surface.surface_area`.
    thin_structures : bool
        Measure filopodia, the slowest part.
    thin_radius : float, optional
        Radius below which a structure is thin, in `Geometry.unit`; when left out, that of
        `ACSegLib.postprocess.thin_structures.default_radius`.
    contacts : bool
        Areas shared with other segments.
    contact_gap : float
        Largest gap that still counts as contact, in `Geometry.unit`.
    exclude_border : bool
        Leave out cells that the volume's border cuts.
    """

    cells: bool = True
    minimum_volume: float = 0.0
    connectivity: int = 26
    surface_method: str = DEFAULT_METHOD
    thin_structures: bool = True
    thin_radius: float | None = None
    contacts: bool = True
    contact_gap: float = 0.0
    exclude_border: bool = False


def measure_segmentation(
    segmentation: Segmentation,
    volume: Volume | None = None,
    *,
    settings: MorphologySettings | None = None,
    factor: float = 1.0,
    segments: Sequence[str] | None = None,
    cells: Mapping[str, np.ndarray] | None = None,
    progress: Progress | None = None,
) -> list[Row]:
    """Measure every segment and every connected cell.

    Parameters
    ----------
    segmentation : Segmentation
    volume : Volume, optional
        Image on the same grid, for LAC statistics.
    settings : MorphologySettings, optional
    factor : float
        Multiplied to the image (bead normalisation).
    segments : sequence of str, optional
        Names to measure; default: all.
    cells : mapping of str to ndarray of int, shape (k, j, i), optional
        Segment id -> number of the cell at each voxel, where cells are not the connected components.
    progress : Progress, optional

    Returns
    -------
    list of dict
        "segment", "kind" ("segment" or "cell"), "cell" (0 for the segment, 1.. by falling size), "unit",
        "touches_border", "pieces" and "largest_piece" (of a segment: its connected cells, and the part of its volume
        that the largest has), the values of `shape_measures`, "thin_radius", those of `ThinStructures` and of
        `intensity_measures`, and the contacts as `ACSegLib.measure.contact_table.contact_columns` lays them out: a
        column for each other segment, if these are few. Of segments with numbered `cells`, cells have
        "contact: other cells" and "touches", the names of what they touch. Plain Python values.
    """
    progress = progress or Progress()
    settings = settings or MorphologySettings()
    _check_sizes(settings)
    if volume is not None:
        require_same_grid(volume, segmentation)
    chosen = segmentation.chosen(segments or ())
    segmentation = segmentation.with_distinct_names()
    boxes = SegmentBoxes(segmentation)
    neighbours = _Neighbours.of(segmentation, settings, progress.check)
    rows: list[Row] = []
    for segment, part in progress.each(chosen, lambda segment: f"measuring {segment.name}"):
        numbers = (cells or {}).get(segment.id)
        context = _Context(segmentation, segment, volume, settings, factor, part.check, neighbours, numbers)
        rows += _segment_rows(context, boxes, part)
    progress(1.0, "measured")
    names = list(neighbours.names.values()) if neighbours is not None else []
    return [contact_columns(row, names) for row in rows]


@dataclass(frozen=True)
class _Neighbours:
    """What all segments need to know of one another.

    Attributes
    ----------
    names : dict
        Layer and value of each segment -> its name.
    areas : sequence of dict
        Of each layer: `neighbour_areas`, or None where contacts may bridge a gap.
    """

    names: dict[tuple[int, int], str]
    areas: Sequence[Mapping[int, Mapping[int, float]] | None]

    @classmethod
    def of(cls, labels: Segmentation, settings: MorphologySettings, check: Callable[[], None]) -> _Neighbours | None:
        """None where contacts are not measured."""
        if not settings.contacts:
            return None
        spacing = labels.geometry.spacing
        areas = [None if settings.contact_gap else neighbour_areas(layer, spacing, check) for layer in labels.layers]
        return cls({(segment.layer, segment.value): segment.name for segment in labels.segments}, areas)


def _check_sizes(settings: MorphologySettings) -> None:
    sizes = {"minimum volume of a cell": settings.minimum_volume, "contact gap": settings.contact_gap}
    for name, size in sizes.items():
        if not 0 <= size < np.inf:
            raise InputError(f"the {name} must be a number of 0 or more, not {size}.")


def _segment_rows(context: _Context, boxes: SegmentBoxes, progress: Progress) -> list[Row]:
    """The row of the segment, then those of its cells, the largest first."""
    segment, settings, shape = context.segment, context.settings, context.segmentation.shape
    box = boxes.box(segment)
    if box is None:
        return [context.row(np.zeros((1, 1, 1), bool), None, 0)]
    mask = boxes.mask(segment, box)
    context = replace(context, voxels=int(np.count_nonzero(mask)))
    if not settings.cells and not settings.exclude_border:
        return [context.row(mask, box, 0)]
    cells: Components | NumberedCells
    if context.numbers is None:
        cells = find_components(mask, settings.connectivity)
    else:
        cells = NumberedCells(context.numbers[box])
    context.check()
    places = [within(inner, box) for inner in cells.boxes]
    kept = np.argsort(-cells.sizes, kind="stable").tolist()
    if settings.exclude_border:
        cut = {n for n in kept if touches_border(places[n], shape)}
        for n in cut:
            mask[cells.boxes[n]] &= ~cells.mask(n)
        kept = [n for n in kept if n not in cut]
    rows: list[Row] = []
    large = settings.minimum_volume / context.segmentation.geometry.voxel_volume
    for place, n in enumerate(kept, start=1):
        if settings.cells and cells.sizes[n] >= large:
            progress(place / (len(kept) + 1), f"measuring {segment.name}, cell {place} of {len(kept)}")
            row = context.row(cells.mask(n), places[n], place)
            rows.append(row)
            if isinstance(cells, NumberedCells) and settings.contacts:
                others = {cells.values[other]: rank for rank, other in enumerate(kept, start=1) if other != n}
                row["cell_contacts"] = context.touched_cells(cells.mask(n), places[n], others)
    components = {"pieces": len(kept), "largest_piece": _share(cells.sizes[kept])}
    if len(kept) == 1 and rows:  # the segment is its one cell
        return [{**rows[0], "kind": "segment", "cell": 0, **components}, *rows]
    inner = bounding_box(mask)
    whole = within(inner, box) if inner is not None else None
    every = rows if len(rows) == len(kept) else None
    return [{**context.row(mask[inner] if inner is not None else mask, whole, 0, every), **components}, *rows]


def _share(sizes: np.ndarray) -> float:
    """What the first has of all; NaN of nothing."""
    return float(sizes[0] / sizes.sum()) if len(sizes) else float("nan")


@dataclass(frozen=True)
class _Context:
    """What the rows of one segment share."""

    segmentation: Segmentation
    segment: Segment
    volume: Volume | None
    settings: MorphologySettings
    factor: float
    check: Callable[[], None]
    neighbours: _Neighbours | None
    numbers: np.ndarray | None = None
    voxels: int = 0

    def row(self, mask: np.ndarray, box: Box | None, cell: int, parts: Sequence[Row] | None = None) -> Row:
        """Measure a mask of the shape of `box` (None: it is empty); `parts` are its cells' rows, if all have one."""
        geometry, settings = self.segmentation.geometry, self.settings
        self.check()
        row: Row = {"segment": self.segment.name, "kind": "cell" if cell else "segment", "cell": cell}
        row["unit"] = geometry.unit
        row["touches_border"] = box is not None and touches_border(box, self.segmentation.shape)
        row.update(
            shape_measures(mask, geometry.spacing, direction=geometry.direction, surface_method=settings.surface_method)
        )
        row.update(self._position(mask, box))
        if settings.thin_structures:
            row.update(self._thin_structures(mask, parts, int(row["voxels"])))
        if self.neighbours is not None:
            row["contacts"] = self._contacts(mask, box, int(row["voxels"]), self.neighbours)
        if self.volume is not None:
            image = self.volume.array[box] if box is not None else np.empty(mask.shape, self.volume.array.dtype)
            row.update(intensity_measures(image, mask, self.factor))
        return row

    def _thin_structures(self, mask: np.ndarray, parts: Sequence[Row] | None, voxels: int) -> Row:
        """The radius, and the values of the mask, or those of its cells as one."""
        geometry = self.segmentation.geometry
        radius = self.settings.thin_radius or default_radius(geometry.spacing, geometry.unit)
        if parts is not None:
            return {"thin_radius": radius, **combine_thin_structures(parts, voxels).as_row()}
        measured = measure_thin_structures(mask, geometry.spacing, radius, check=self.check)
        return {"thin_radius": radius, **measured.as_row()}

    def _position(self, mask: np.ndarray, box: Box | None) -> Row:
        """Centre of mass in LPS."""
        names = ("centre_l", "centre_p", "centre_s")
        if box is None:
            return dict.fromkeys(names, float("nan"))
        sums = [mask.sum(axis=tuple(a for a in range(3) if a != axis)).astype(float) for axis in (2, 1, 0)]
        index = [float(s @ np.arange(len(s)) / s.sum()) + box[2 - n].start for n, s in enumerate(sums)]
        centre = self.segmentation.geometry.ijk_to_lps @ np.array([*index, 1.0])
        return {name: float(v) for name, v in zip(names, centre, strict=False)}

    def _contacts(self, mask: np.ndarray, box: Box | None, voxels: int, neighbours: _Neighbours) -> dict[str, float]:
        """Areas of contact with the other segments that the mask touches, by their names."""
        found: dict[str, float] = {}
        if box is None or len(neighbours.names) < 2:
            return found
        padded: np.ndarray | None = None
        for n, layer in enumerate(self.segmentation.layers):
            self.check()
            known = neighbours.areas[n]
            areas: Mapping[int, float]
            if known is not None and n == self.segment.layer and voxels == self.voxels:
                areas = known.get(self.segment.value, {})
            else:
                if padded is None:
                    padded, wide = self._with_surroundings(mask, box)
                spacing, gap = self.segmentation.geometry.spacing, self.settings.contact_gap
                areas = contact_areas(padded, layer[wide], spacing, gap=gap, check=self.check)
            named = {value: neighbours.names.get((n, value)) for value in sorted(areas)}
            found |= {name: areas[value] for value, name in named.items() if name not in (None, self.segment.name)}
        return found

    def touched_cells(self, mask: np.ndarray, box: Box, others: Mapping[int, int]) -> dict[str, float]:
        """Areas of contact with other cells of the segment, by their names.

        `others` maps the number of each other cell to its number in the table.
        """
        assert self.numbers is not None
        self.check()
        padded, wide = self._with_surroundings(mask, box)
        around = self.numbers[wide].view(np.uint32)
        areas = contact_areas(padded, around, self.segmentation.geometry.spacing, gap=self.settings.contact_gap)
        touching = sorted((others[value], area) for value, area in areas.items() if value in others)
        return {f"{self.segment.name} {number}": area for number, area in touching}

    def _with_surroundings(self, mask: np.ndarray, box: Box) -> tuple[np.ndarray, Box]:
        """The mask in a box that is wider by the contact gap, and that box."""
        geometry, gap = self.segmentation.geometry, self.settings.contact_gap
        margins = [int(np.ceil(gap / step)) + 1 for step in sampling(geometry.spacing)]
        shape = self.segmentation.shape
        k, j, i = (slice(max(b.start - m, 0), min(b.stop + m, n)) for b, m, n in zip(box, margins, shape, strict=True))
        before = [(b.start - w.start, w.stop - b.stop) for b, w in zip(box, (k, j, i), strict=True)]
        return np.pad(mask, before), (k, j, i)
