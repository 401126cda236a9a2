"""One measurement, whoever asks for it: the request, and the rows of the table that it gives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ACSegLib.errors import InputError
from ACSegLib.jobs import Progress
from ACSegLib.json_values import Row
from ACSegLib.padding import padding_of
from ACSegLib.placement import in_unit, with_margin
from ACSegLib.volume import Segmentation, Volume
from ACSegLib.workflows.packing import from_options
from ACSegLib.workflows.split import SplitRequest, find_cells

if TYPE_CHECKING:
    from ACSegLib.measure.morphology import MorphologySettings

_DATA = ("labels", "volume")


@dataclass(frozen=True, kw_only=True, eq=False)
class MeasureRequest:
    """What to measure, and how. The fields after the first two are the options of ``acseg measure`` of the same names.

    Parameters
    ----------
    labels : Segmentation
    volume : Volume, optional
        The image on the grid of the labels, for figures of intensity.
    segments : sequence of str
        Segments to measure; all if empty.
    unit : str
        Unit of lengths in the table: "um", "nm", "mm", "px" (voxels) or "file" (that of the labels).
    cells : bool
        A row for each connected cell as well, of at least `min_volume`, unless (`exclude_border`) the border cuts it.
    apart : bool
        Touching cells are split first; see `ACSegLib.cells`. Their rows say which cells they touch.
    min_volume : float
    exclude_border : bool
    thin_parts : bool
        Measure thin structures: where no ball of `thin_radius` fits (0: 0.25 um, but at least 1.5 voxels).
    thin_radius : float
    contacts : bool
        Areas of contact with the other segments, over gaps of up to `contact_gap`.
    contact_gap : float
    intensity_unit : str
        Unit of the image's values.
    bead_reference : float
        Value, in 1/um, that the beads are scaled to; 0: values are not scaled.
    bead_name : str
        Text in the names of bead segments.
    surface_method : str
    connectivity : int
    """

    labels: Segmentation
    volume: Volume | None = None
    segments: Sequence[str] = ()
    unit: str = "um"
    cells: bool = True
    apart: bool = False
    min_volume: float = 0.0
    exclude_border: bool = False
    thin_parts: bool = True
    thin_radius: float = 0.0
    contacts: bool = True
    contact_gap: float = 0.0
    intensity_unit: str = ""
    bead_reference: float = 0.0
    bead_name: str = "bead"
    surface_method: str = "crofton"
    connectivity: int = 26

    def __post_init__(self) -> None:
        object.__setattr__(self, "segments", tuple(self.segments))

    @classmethod
    def from_options(cls, labels: Segmentation, volume: Volume | None, options: Any) -> MeasureRequest:
        """Make the request from options of ``acseg measure``, field by field."""
        return cls(labels=labels, volume=volume, **from_options(cls, options, _DATA))


def run_measure(request: MeasureRequest, progress: Progress | None = None) -> list[Row]:
    """Measure labels: the rows of the table, one for each segment and each cell.

    Raises
    ------
    InputError
        If image and labels are not on one grid, or a segment or the beads are missing.
    """
    from ACSegLib.measure.intensity import BeadReading, read_beads
    from ACSegLib.measure.morphology import measure_segmentation
    from ACSegLib.measure.volume_intervals import with_volume_columns

    volume, progress = request.volume, progress or Progress()
    if volume is None and request.bead_reference:
        raise InputError("--bead-reference needs the tomogram; give it with --image.")
    beads = BeadReading()
    if volume is not None:
        beads = read_beads(request.labels, volume, request.bead_name, request.bead_reference)
    notes: Row = dict(beads.columns)
    if volume is None:
        request = replace(request, labels=with_margin(request.labels))
    labels = in_unit(request.labels, request.unit)
    if volume is not None:
        volume = replace(volume, geometry=labels.geometry)
    rows = measure_segmentation(
        labels,
        volume,
        settings=_settings(request),
        factor=beads.factor,
        segments=list(request.segments) or None,
        cells=_cells_apart(request, progress.part(0.0, 0.3)) if request.apart else {},
        progress=progress.part(0.3, 1.0) if request.apart else progress,
    )
    if volume is not None:
        # Scaled by beads, values are LAC whatever they were before.
        stated = "1/um" if request.bead_reference else str(volume.meta.get("intensity_unit", ""))
        notes["intensity_unit"] = request.intensity_unit or stated
        padded = _padded_voxels(labels, volume)
        rows = [row | ({"lac_padding_voxels": padded[row["segment"]]} if padded else {}) for row in rows]
    return [{**row, **notes} for row in with_volume_columns(rows, labels)]


def _padded_voxels(labels: Segmentation, volume: Volume) -> dict[str, int]:
    """How many voxels of each segment have the value around the specimen; nothing where the image has none."""
    padding = padding_of(volume.array)
    if padding is None:
        return {}
    outside = padding.where(volume.array)
    counts = []
    for layer in labels.layers:
        values, numbers = np.unique(layer[outside], return_counts=True)
        counts.append(dict(zip(values.tolist(), numbers.tolist(), strict=True)))
    return {segment.name: counts[segment.layer].get(segment.value, 0) for segment in labels.segments}


def _cells_apart(request: MeasureRequest, progress: Progress) -> dict[str, np.ndarray]:
    """Number of the cell at each voxel, for each segment whose cells are split."""
    found = find_cells(SplitRequest(labels=request.labels, volume=request.volume, segments=request.segments), progress)
    return {item.segment.id: item.cells.labels for item in found}


def _settings(request: MeasureRequest) -> MorphologySettings:
    from ACSegLib.measure.morphology import MorphologySettings

    return MorphologySettings(
        cells=request.cells,
        minimum_volume=request.min_volume,
        connectivity=request.connectivity,
        surface_method=request.surface_method,
        thin_structures=request.thin_parts,
        thin_radius=request.thin_radius or None,
        contacts=request.contacts,
        contact_gap=request.contact_gap,
        exclude_border=request.exclude_border,
    )
