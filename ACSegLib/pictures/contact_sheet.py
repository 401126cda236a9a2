"""Contact sheets: slices of a volume with what was drawn, what came out, and how sure it is."""

from __future__ import annotations

import itertools
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ACSegLib.errors import InputError
from ACSegLib.pictures import style
from ACSegLib.volume import Segmentation, Volume, require_same_grid

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_PANEL = 2.6  # inches across a panel
_ROWS = 4  # slices of a fill that are shown, at most
_DPI = 110
_HEADER, _FOOTER = 0.75, 0.55  # inches
_LEFT = 0.45  # inches for the names of rows, of two lines
_ROW_FONT = 9  # points
_SUGGESTED, _DASHES = "#35e0c8", (0, (4, 2))
_COLUMN_TITLES = {"image": "image", "sparse": "sparse labels", "result": "filled", "uncertainty": "uncertainty"}


@dataclass
class _Sheet:
    """What every panel of a sheet needs."""

    volume: Volume
    window: tuple[float, float]
    axis: int
    slices: Sequence[int] = ()
    suggested: Sequence[int] = ()
    sparse: Segmentation | None = None
    result: Segmentation | None = None
    truth: Segmentation | None = None
    uncertainty: np.ndarray | None = None
    colours: Mapping[str, tuple[float, float, float]] = field(default_factory=dict)

    def panel(self, axes: Axes, kind: str, axis: int, index: int) -> None:
        """Draw one panel: "image", "sparse", "result" or "uncertainty"."""
        self.image(axes, axis, index, 0.55 if kind == "uncertainty" else 1.0)
        if kind == "image":
            style.add_scale_bar(axes, self.width(axis), self.volume.geometry.unit)
        elif kind == "sparse" and self.sparse is not None:
            self.filled(axes, self.sparse, axis, index)
        elif kind == "result" and self.result is not None:
            if self.truth is not None:  # under the result's outline, so that it shows only where the two differ
                self.outlines(axes, self.truth, axis, index, 1.2, "white")
            self.outlines(axes, self.result, axis, index)
        elif self.uncertainty is not None:
            self.heat(axes, self.uncertainty, axis, index)

    def width(self, axis: int) -> float:
        """Length across a slice's picture, in the geometry's unit."""
        return style.slice_extent(self.volume.geometry, axis, self.volume.shape)[1]

    def height(self, axis: int) -> float:
        """Height of a slice's picture over its width."""
        _, width, height, _ = style.slice_extent(self.volume.geometry, axis, self.volume.shape)
        return float(np.clip(height / width, 0.15, 3.0))

    def image(self, axes: Axes, axis: int, index: int, dim: float = 1.0) -> None:
        """Show the image's slice across `axis`, in the sheet's one contrast."""
        low, high = self.window
        plane = np.take(self.volume.array, index, axis).astype(np.float32)
        plane = np.clip((plane - low) / (high - low), 0, 1) * dim
        extent = style.slice_extent(self.volume.geometry, axis, self.volume.shape)
        axes.imshow(plane, cmap="gray", vmin=0, vmax=1, extent=extent, interpolation="antialiased")
        style.bare(axes)

    def outlines(
        self, axes: Axes, labels: Segmentation, axis: int, index: int, width: float = 1.5, colour: str = ""
    ) -> None:
        """Draw the outline of every segment, in its own colour unless one is given."""
        for segment in labels.segments:
            plane = np.take(labels.layers[segment.layer], index, axis) == segment.value
            if not plane.any():
                continue
            # A frame of background closes outlines at the border of the slice.
            padded = np.pad(plane, 1).astype(np.float32)
            across, down = (labels.geometry.spacing[2 - a] for a in style.in_plane(axis))
            x = (np.arange(padded.shape[1]) - 0.5) * across
            y = (np.arange(padded.shape[0]) - 0.5) * down
            limits = axes.get_xlim(), axes.get_ylim()
            axes.contour(x, y, padded, [0.5], colors=[colour or self.colours[segment.name]], linewidths=width)
            axes.set_xlim(limits[0])
            axes.set_ylim(limits[1])

    def filled(self, axes: Axes, labels: Segmentation, axis: int, index: int, opacity: float = 0.5) -> None:
        """Lay the segments' colours over the image."""
        overlay = np.zeros((*np.take(labels.layers[0], index, axis).shape, 4), np.float32)
        for segment in labels.segments:
            where = np.take(labels.layers[segment.layer], index, axis) == segment.value
            overlay[where] = (*self.colours[segment.name], opacity)
        extent = style.slice_extent(labels.geometry, axis, labels.shape)
        axes.imshow(overlay, extent=extent, interpolation="nearest")

    def heat(self, axes: Axes, uncertainty: np.ndarray, axis: int, index: int) -> None:
        """Lay the uncertainty over a dimmed image: from clear through red to bright yellow."""
        import matplotlib

        plane = np.take(uncertainty, index, axis).astype(np.float32) / 255.0
        overlay = matplotlib.colormaps["inferno"](0.25 + 0.75 * plane)
        overlay[..., 3] = np.clip(plane * 1.6, 0, 0.9)
        extent = style.slice_extent(self.volume.geometry, axis, self.volume.shape)
        axes.imshow(overlay, extent=extent, interpolation="nearest")


def contact_sheet(
    volume: Volume,
    path: str | os.PathLike[str],
    *,
    sparse: Segmentation,
    result: Segmentation,
    uncertainty: np.ndarray | None = None,
    slices: Mapping[str, Sequence[int]],
    suggested: Sequence[int] = (),
    truth: Segmentation | None = None,
    title: str = "",
) -> None:
    """Write a contact sheet of a fill.

    Columns show the image, the sparse labels, the outline of the result (and of the truth, white, where it differs),
    and the uncertainty. Rows are slices, labelled and not. The last row is a cut across the slices: lines mark the
    labelled slices (solid) and those to label next (dashed).

    Parameters
    ----------
    volume : Volume
    path : path-like
        The PNG.
    sparse, result, truth : Segmentation
        On the volume's grid.
    uncertainty : ndarray (k, j, i), uint8, optional
        0 is certain, 255 the least certain.
    slices : mapping
        Axis ("k", "j", "i") to the labelled slices; the axis with the most of them is shown.
    suggested : sequence of int
        Slices to label next along that axis.

    Raises
    ------
    InputError
        If the grids differ or no labelled slice is named.
    """
    for labels in (sparse, result, *([truth] if truth is not None else [])):
        require_same_grid(volume, labels)
    axis_name = max(slices, key=lambda name: len(slices[name]), default="")
    if axis_name not in style.AXES or not slices[axis_name]:
        raise InputError(f"slices must name the labelled slices of axis k, j or i, not {dict(slices)!r}.")
    sheet = _Sheet(
        volume,
        style.contrast_window(volume),
        style.AXES.index(axis_name),
        sorted(slices[axis_name]),
        sorted(suggested),
        sparse,
        result,
        truth,
        uncertainty,
        style.segment_colours(result, sparse),
    )
    figure = _figure(sheet, result, title or f"{volume.name}: labelled slices and fill")
    style.save_figure(figure, path, _DPI)


def _figure(sheet: _Sheet, result: Segmentation, title: str) -> Figure:
    """The figure of a contact sheet: its rows of slices, the cut, and the legend."""
    axis, shown = sheet.axis, _rows_to_show(sheet, result)
    panels = ["image", "sparse", "result"] + (["uncertainty"] if sheet.uncertainty is not None else [])
    heights = [sheet.height(axis)] * len(shown) + [sheet.height(_cut_axis(axis))]
    figure, grid = _grid(heights, len(panels), title)
    for row, index in zip(grid, shown, strict=False):  # the last row is the cut
        for axes, panel in zip(row, panels, strict=True):
            sheet.panel(axes, panel, axis, index)
        mark = "labelled" if index in sheet.slices else "label next" if index in sheet.suggested else "between"
        _name_row(row[0], axis, index, mark)
    for axes, panel in zip(grid[0], panels, strict=True):
        axes.set_title(_COLUMN_TITLES[panel], fontsize=10, color=style.INK, pad=5)
    _cut(sheet, grid[-1], panels, result)
    _legend(figure, result, sheet)
    return figure


def _rows_to_show(sheet: _Sheet, result: Segmentation) -> list[int]:
    """Slices for the rows: labelled ones, the middles between them, and the first suggestion, where segments are."""
    area = _area(result, sheet.axis)
    inside = np.flatnonzero(area)
    low, high = (int(inside[0]), int(inside[-1])) if len(inside) else (0, len(area) - 1)
    labelled = [n for n in sheet.slices if low <= n <= high] or list(sheet.slices)
    middles = [(a + b) // 2 for a, b in itertools.pairwise(labelled) if b - a > 1]
    middles = middles or [n for n in range(low, high + 1) if n not in labelled][:1]
    chosen = {_at(labelled, 0.35)} | {_at(middles, (n + 0.5) / (_ROWS - 1)) for n in range(_ROWS - 1) if middles}
    if sheet.suggested:
        chosen.discard(max(chosen - set(labelled), default=-1))
        chosen.add(sheet.suggested[0])
    return sorted(chosen)


def _at(items: Sequence[int], fraction: float) -> int:
    return items[min(int(fraction * len(items)), len(items) - 1)]


def _grid(heights: Sequence[float], columns: int, title: str) -> tuple[Figure, list[list[Axes]]]:
    """A figure, and its axes row by row, sized so that voxels keep their shape.

    `heights` are those of the rows, in panel widths.
    """
    width = columns * _PANEL + _LEFT + 0.07
    height = sum(heights) * _PANEL + _HEADER + _FOOTER + 0.06 * len(heights)
    figure = style.new_figure(width, height)
    figure.text(0.02, 1 - 0.28 / height, title, fontsize=13, color=style.INK, weight="bold", va="center")
    spec = figure.add_gridspec(
        len(heights),
        columns,
        height_ratios=heights,
        left=_LEFT / width,
        right=1 - 0.05 / width,
        bottom=_FOOTER / height,
        top=1 - _HEADER / height,
        wspace=0.03,
        hspace=0.04,
    )
    return figure, [[figure.add_subplot(spec[row, n]) for n in range(columns)] for row in range(len(heights))]


def _cut_axis(axis: int) -> int:
    """Axis of the bottom row's cut, in which the slices across `axis` are seen edge-on."""
    return {0: 1, 1: 2, 2: 1}[axis]


def _cut(sheet: _Sheet, row: Sequence[Axes], panels: Sequence[str], result: Segmentation) -> None:
    """Fill the bottom row: a cut where the result is largest, with the labelled and suggested slices as lines."""
    axis = _cut_axis(sheet.axis)
    index = int(np.argmax(_area(result, axis)))
    step = sheet.volume.geometry.spacing[2 - sheet.axis]
    _, down = style.in_plane(axis)
    for axes, panel in zip(row, panels, strict=True):
        sheet.panel(axes, panel, axis, index)
        line = axes.axhline if down == sheet.axis else axes.axvline
        for n in sheet.slices if panel == "sparse" else ():
            line((n + 0.5) * step, color="white", lw=0.8, alpha=0.7)
        for n in sheet.suggested if panel in ("result", "uncertainty") else ():
            line((n + 0.5) * step, color=_SUGGESTED, lw=1.3, ls=_DASHES)
    _name_row(row[0], axis, index, "across")


def _name_row(axes: Axes, axis: int, index: int, note: str) -> None:
    """Write the slice of a row beside it: "z = 12  (labelled)"; on two lines, or without the note, if it is low."""
    name = f"{'zyx'[axis]} = {index}"
    texts = [f"{name}  ({note})", f"{name}\n({note})", name] if note else [name]
    points = 72 * axes.bbox.height / axes.figure.dpi
    fitting = [text for text in texts if max(map(_text_width, text.splitlines())) < points]
    axes.set_ylabel((fitting or [name])[0], fontsize=_ROW_FONT, color=style.INK)


def _text_width(text: str) -> float:
    """Width of a row's name, in points."""
    from matplotlib.textpath import TextPath

    return float(TextPath((0, 0), text, size=_ROW_FONT).get_extents().width)


def _area(labels: Segmentation, axis: int) -> np.ndarray:
    """Labelled voxels in each slice across an axis."""
    others = tuple(a for a in range(3) if a != axis)
    return np.sum([(layer > 0).sum(axis=others) for layer in labels.layers], axis=0)


def _legend(figure: Figure, result: Segmentation, sheet: _Sheet) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch
    from matplotlib.patheffects import withStroke

    edge = [withStroke(linewidth=3.4, foreground=style.MUTED)]
    rows = result.segments[:7]
    handles: list[Any] = [Patch(color=sheet.colours[row.name], label=row.name) for row in rows]
    if len(result.segments) > len(rows):
        handles.append(Patch(color="white", label=f"and {len(result.segments) - len(rows)} more"))
    if sheet.truth is not None:
        handles.append(Line2D([], [], color="white", lw=2.2, label="truth, where it differs", path_effects=edge))
    if sheet.slices:
        handles.append(Line2D([], [], color="white", lw=1, label="labelled slice", path_effects=edge))
    if sheet.suggested:
        handles.append(Line2D([], [], color=_SUGGESTED, lw=1.5, ls=_DASHES, label="label next"))
    columns = min(len(handles), 6)
    figure.legend(handles=handles, loc="lower center", ncols=columns, frameon=False, fontsize=8.5, handlelength=1.6)


def comparison_sheet(
    volume: Volume,
    path: str | os.PathLike[str],
    segmentations: Mapping[str, Segmentation],
    *,
    slices: Sequence[int] | Mapping[int, str] | None = None,
    title: str = "",
) -> None:
    """Write a sheet that shows the outlines of several segmentations of one volume side by side, on slices along k.

    Parameters
    ----------
    segmentations : mapping
        Column title to segmentation, on the volume's grid ("truth", "predicted", ...).
    slices : sequence of int, or mapping of int to str, optional
        Rows, and what is said of each; three slices through the segments when left out.
    """
    for labels in segmentations.values():
        require_same_grid(volume, labels)
    number = style.AXES.index("k")
    if slices is None:
        first = next(iter(segmentations.values()))
        area = _area(first, number)
        inside = np.flatnonzero(area) if np.any(area) else np.arange(volume.shape[number])
        slices = sorted({int(inside[int(f * (len(inside) - 1))]) for f in (0.25, 0.5, 0.75)})
    colours = style.segment_colours(*segmentations.values())
    sheet = _Sheet(volume, style.contrast_window(volume), number, colours=colours)
    notes = slices if isinstance(slices, Mapping) else dict.fromkeys(slices, "")
    heights = [sheet.height(number)] * len(notes)
    figure, grid = _grid(heights, 1 + len(segmentations), title or volume.name)
    for row, (index, note) in zip(grid, notes.items(), strict=True):
        sheet.panel(row[0], "image", number, index)
        _name_row(row[0], number, index, note)
        for axes, labels in zip(row[1:], segmentations.values(), strict=True):
            sheet.image(axes, number, index)
            sheet.outlines(axes, labels, number, index)
    for axes, text in zip(grid[0], ["image", *segmentations], strict=True):
        axes.set_title(text, fontsize=10, color=style.INK, pad=5)
    _legend(figure, next(iter(segmentations.values())), sheet)
    style.save_figure(figure, path, _DPI)
