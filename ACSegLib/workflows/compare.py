"""One comparison, whoever asks for it: the request, and the rows of scores that it gives."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ACSegLib.axes import AXES, axis_name
from ACSegLib.errors import InputError
from ACSegLib.jobs import Progress
from ACSegLib.json_values import Row
from ACSegLib.placement import in_unit
from ACSegLib.volume import Segmentation
from ACSegLib.workflows.packing import from_options

if TYPE_CHECKING:
    import numpy as np

_DATA = ("result", "reference", "ignored")


@dataclass(frozen=True, kw_only=True, eq=False)
class CompareRequest:
    """What to compare, and how. The fields after the first three are options of ``acseg compare`` of the same names.

    Parameters
    ----------
    result, reference : Segmentation
        On one grid, in one unit. Segments are paired by name, or by value if no name is common.
    ignored : ndarray of bool, shape (k, j, i), optional
        Voxels that do not count.
    segments : sequence of str
        Segments to compare; all if empty.
    unit : str
        Unit of lengths in the table: "um", "nm", "mm", "px" (voxels) or "file" (that of the reference).
    tolerance : float
        Of the surface Dice, in `unit`; 0: one voxel edge.
    instances : bool
        Also match the connected cells of each segment.
    cells : bool
        Every segment is one cell: match cells by overlap, not by name.
    slice : str
        Compare one slice: "z" for the central one along this axis, "z120" for slice 120, from 0; all if empty.
    distances : bool
        Measure surface distances.
    morphology : bool
        Measure surface area and surface-to-volume ratio of both sides.
    surface : {"surfels", "voxels"}
        Elements between which surface distances are measured.
    """

    result: Segmentation
    reference: Segmentation
    ignored: np.ndarray | None = None
    segments: Sequence[str] = ()
    unit: str = "um"
    tolerance: float = 0.0
    instances: bool = False
    cells: bool = False
    slice: str = ""
    distances: bool = True
    morphology: bool = True
    surface: str = "surfels"

    def __post_init__(self) -> None:
        object.__setattr__(self, "segments", tuple(self.segments))
        self.check(self)

    @staticmethod
    def check(options: Any) -> None:
        """Raise InputError for options (or a request) that exclude each other, or a slice that is none."""
        if options.cells and (options.segments or options.instances):
            raise InputError("--cells counts every segment as a cell; omit --segments and --instances.")
        if options.slice:
            parse_slice(options.slice)

    @classmethod
    def from_options(
        cls, result: Segmentation, reference: Segmentation, ignored: np.ndarray | None, options: Any
    ) -> CompareRequest:
        """Make the request from options of ``acseg compare``, field by field."""
        return cls(result=result, reference=reference, ignored=ignored, **from_options(cls, options, _DATA))


def run_compare(request: CompareRequest, progress: Progress | None = None) -> list[Row]:
    """Compare two segmentations: the rows of the table, one for each segment, or each cell.

    Raises
    ------
    InputError
        If the two are not on one grid, or a segment or slice does not exist.
    """
    from ACSegLib.measure.overlap import compare_cells, compare_segmentations, require_same_place
    from ACSegLib.measure.scores import add_shape_values

    stages = (progress or Progress()).stages(overlap=8, shape=2)
    result, reference = (in_unit(side, request.unit) for side in (request.result, request.reference))
    ignored = request.ignored
    if request.slice:
        require_same_place(result, reference)
        box = _slice_box(request.slice, reference.shape)
        result, reference = _cut(result, box), _cut(reference, box)
        ignored = ignored[box] if ignored is not None else None
    distances = request.distances and not request.slice  # the surface of a single slice would be the slice itself
    tolerance = request.tolerance or None
    if request.cells:
        return compare_cells(
            result.flattened(),
            reference.flattened(),
            ignore=ignored,
            tolerance=tolerance,
            surface=request.surface,
            distances=distances,
        )
    rows = compare_segmentations(
        result,
        reference,
        segments=list(request.segments) or None,
        ignore=ignored,
        tolerance=tolerance,
        surface=request.surface,
        distances=distances,
        instances=request.instances,
        progress=stages.overlap,
    )
    if not request.slice:
        stages.shape.check()
        add_shape_values(rows, result, reference, ignored, request.morphology)
    return rows


def parse_slice(text: str) -> tuple[int, int | None]:
    """Array axis and number of a slice: "z" (or "k") is the central one (None) along z, "z120" that number."""
    match = re.fullmatch(r"([kjixyz])(\d*)", text.strip().lower())
    if match is None:
        raise InputError(
            f"--slice must be x, y or z (or i, j, k), with a number for a slice that is not central, not {text!r}."
        )
    return AXES.index(axis_name(match[1])), int(match[2]) if match[2] else None


def _slice_box(text: str, shape: tuple[int, int, int]) -> tuple[slice, slice, slice]:
    axis, number = parse_slice(text)
    number = shape[axis] // 2 if number is None else number
    if number >= shape[axis]:
        raise InputError(
            f"--slice {text} is outside the volume, which has {shape[axis]} slices along {'zyx'[axis]}, counted from 0."
        )
    k, j, i = (slice(number, number + 1) if n == axis else slice(0, size) for n, size in enumerate(shape))
    return k, j, i


def _cut(segmentation: Segmentation, box: tuple[slice, slice, slice]) -> Segmentation:
    return replace(segmentation, layers=tuple(layer[box] for layer in segmentation.layers))
