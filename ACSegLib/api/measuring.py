"""Measure and compare: tables of segments and cells."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ACSegLib.api.inputs import as_bool_mask, as_pair, as_segmentation, as_segmentations
from ACSegLib.api.table import Table
from ACSegLib.jobs import Progress
from ACSegLib.volume import Segmentation, Volume, as_names
from ACSegLib.workflows import CompareRequest, MeasureRequest

if TYPE_CHECKING:
    from ACSegLib.api.inputs import Image, Labels, Spacing


def measure(
    labels: Labels,
    image: Image | None = None,
    *,
    spacing: Spacing | None = None,
    unit: str | None = None,
    table_unit: str = "file",
    segments: str | Sequence[str] = (),
    cells: bool = MeasureRequest.cells,
    apart: bool = MeasureRequest.apart,
    min_volume: float = MeasureRequest.min_volume,
    exclude_border: bool = MeasureRequest.exclude_border,
    thin_structures: bool = MeasureRequest.thin_parts,
    thin_radius: float = MeasureRequest.thin_radius,
    contacts: bool = MeasureRequest.contacts,
    contact_gap: float = MeasureRequest.contact_gap,
    intensity_unit: str = MeasureRequest.intensity_unit,
    bead_reference: float = MeasureRequest.bead_reference,
    bead_name: str = MeasureRequest.bead_name,
    surface_method: str = MeasureRequest.surface_method,
    connectivity: int = MeasureRequest.connectivity,
    resample: bool = False,
    progress: Progress | None = None,
) -> Table:
    """Measure the segments and cells of a segmentation.

    Parameters
    ----------
    labels : Segmentation or array_like, shape (z, y, x)
        Whole numbers; 0 is background.
    image : Volume or array_like, shape (z, y, x), optional
        For intensities (LAC) inside the segments.
    spacing : float or sequence of 3 floats, optional
        Voxel size of arrays along (z, y, x).
    unit : str, optional
        Unit of `spacing`.
    table_unit : str
        Unit of the lengths in the table: "um", "nm", "mm", "px" (voxels), or "file" (that of the labels).
    segments : str or sequence of str
        Names of the segments to measure. By default all but those whose names, such as "ignore", say that they are no
        structure. The value v of an array is the segment "Segment_v".
    cells : bool
        Also add one row per connected cell.
    apart : bool
        Split touching cells first, as `split` does, and say which cells touch.
    min_volume : float
        Smaller cells get no row, in cubic units.
    exclude_border : bool
        Exclude cells that the border of the volume cuts.
    thin_structures : bool
        Measure thin structures (filopodia), which takes most of the time.
    thin_radius : float
        Radius below which a structure is thin; 0: 0.25 um, but at least 1.5 voxels.
    contacts : bool
        Measure the areas of contact with other segments.
    contact_gap : float
        Largest gap that counts as contact.
    intensity_unit : str
        Unit of the intensities, such as "1/um" for the LAC.
    bead_reference : float
        LAC in 1/um that the beads are scaled to; 0: intensities are not scaled.
    bead_name : str
        Text in the names of bead segments.
    surface_method : {"crofton", "crofton49", "marching_cubes", "smoothed_mesh", "faces"}
        Estimator of the surface area.
    connectivity : {6, 18, 26}
        Number of neighbours that are connected.
    resample : bool
        Accept an image on another grid, and resample it to that of the labels (nearest neighbour).
    progress : Progress, optional
        Reports progress, and cancels.

    Returns
    -------
    Table
        One row per segment and per cell. ``table["volume"]`` is an array, ``table[0]`` a row. ``table.contacts`` has
        a row for each pair that touches: "segment", "other", "contact_area". With up to 50 other segments, the rows
        have a column "contact: NAME" for each as well; with more, "contact: other segments" and "touches".

    Raises
    ------
    InputError
        If labels and image are not on one grid, or if a segment does not exist.

    Examples
    --------
    >>> import numpy as np
    >>> import ACSegLib as acseg
    >>> cube = np.pad(np.ones((4, 4, 4), np.uint8), 4)
    >>> acseg.measure(cube, spacing=0.5, unit="um", cells=False)["volume"]
    array([8.])
    """
    from ACSegLib.files.registry import tell
    from ACSegLib.measure.contact_table import split_contacts
    from ACSegLib.measure.table_checks import notes_on_lac, notes_on_missing_values
    from ACSegLib.placement import in_one_unit, with_image
    from ACSegLib.special_segments import structures
    from ACSegLib.unfilled_labels import unfilled_notes
    from ACSegLib.workflows import run

    segments = as_names(segments)
    volume: Volume | None
    if image is None:
        segmentation, volume = as_segmentation(labels, spacing, unit), None
    else:
        volume, segmentation = as_pair(image, labels, spacing, unit)
    segmentation, _, notes = structures(segmentation, keep=segments)
    tell([*notes, *unfilled_notes(segmentation)])
    if volume is not None:
        segmentation, volume = in_one_unit(*with_image(segmentation, volume, resample=resample))
    _tell_lengths(segmentation, table_unit, (labels, image))
    request = MeasureRequest(
        labels=segmentation,
        volume=volume,
        segments=segments,
        unit=table_unit,
        cells=cells,
        apart=apart,
        min_volume=min_volume,
        exclude_border=exclude_border,
        thin_parts=thin_structures,
        thin_radius=thin_radius,
        contacts=contacts,
        contact_gap=contact_gap,
        intensity_unit=intensity_unit,
        bead_reference=bead_reference,
        bead_name=bead_name,
        surface_method=surface_method,
        connectivity=connectivity,
    )
    rows = run(request, progress=progress)
    rows, pairs = split_contacts(rows)
    named = [{"volume_name": (volume or segmentation).name, **row} for row in rows]
    tell([*notes_on_lac(named), *notes_on_missing_values(named)])
    return Table(rows, pairs)


def compare(
    result: Labels,
    reference: Labels,
    *,
    spacing: Spacing | None = None,
    unit: str | None = None,
    table_unit: str = "file",
    segments: str | Sequence[str] = (),
    ignore: Any = None,
    tolerance: float = CompareRequest.tolerance,
    surface: str = CompareRequest.surface,
    distances: bool = CompareRequest.distances,
    morphology: bool = CompareRequest.morphology,
    instances: bool = CompareRequest.instances,
    cells: bool = CompareRequest.cells,
    slice: str = CompareRequest.slice,
    resample: bool = False,
    progress: Progress | None = None,
) -> Table:
    """Compare a segmentation with a reference: Dice, surface distances, volumes.

    Parameters
    ----------
    result, reference : Segmentation or array_like, shape (z, y, x)
        On one grid. Segments are paired by name, or by value if no name is common.
    spacing : float or sequence of 3 floats, optional
        Voxel size of arrays along (z, y, x).
    unit : str, optional
        Unit of `spacing`.
    table_unit : str
        Unit of the lengths in the table: "um", "nm", "mm", "px" (voxels), or "file" (that of the labels).
    segments : str or sequence of str
        Names of the segments to compare; all by default.
    ignore : array_like of bool, shape (z, y, x), optional
        Voxels that do not count.
    tolerance : float
        Tolerance of the surface Dice, as a length; 0: one voxel edge.
    surface : {"surfels", "voxels"}
        Elements between which surface distances are measured.
    distances : bool
        Measure surface distances, which takes most of the time.
    morphology : bool
        Measure surface area and surface-to-volume ratio of both sides.
    instances : bool
        Also match the connected cells of each segment (panoptic quality, splits, merges).
    cells : bool
        Every segment is one cell: match cells by overlap, not by name.
    slice : str
        Compare one slice: "z" for the central one along this axis, "z120" for slice 120, from 0.
    resample : bool
        Accept a result on another grid, and resample it to that of the reference (nearest neighbour).
    progress : Progress, optional
        Reports progress, and cancels.

    Returns
    -------
    Table
        One row per segment. ``table["dice"]`` is an array, ``table[0]`` a row.

    Raises
    ------
    InputError
        If the two are not on one grid, or if a segment does not exist.

    Examples
    --------
    >>> import numpy as np
    >>> import ACSegLib as acseg
    >>> reference = np.pad(np.ones((4, 4, 4), np.uint8), 4)
    >>> result = np.roll(reference, 1, axis=0)
    >>> float(acseg.compare(result, reference)["dice"][0])
    0.75
    """
    from ACSegLib.files.registry import tell
    from ACSegLib.measure.overlap import note_on_names
    from ACSegLib.placement import in_one_unit, place_labels, with_room_for
    from ACSegLib.special_segments import structures_of_both
    from ACSegLib.unfilled_labels import notes_on_one_unfilled
    from ACSegLib.workflows import run

    first, second = as_segmentations(result, reference, spacing, unit)
    second = with_room_for(second, first)
    first, second = in_one_unit(place_labels(first, second, resample=resample), second)
    _tell_lengths(second, table_unit, (result, reference))
    segments = as_names(segments)
    first, second, ignored, notes = structures_of_both(
        first, second, as_bool_mask(ignore, second.shape, "ignore"), segments
    )
    tell(notes)
    if ignored is None and not slice:
        tell(notes_on_one_unfilled(first, second))
    if not cells and (note := note_on_names(first, second)):
        tell([note])
    request = CompareRequest(
        result=first,
        reference=second,
        ignored=ignored,
        segments=segments,
        unit=table_unit,
        tolerance=tolerance,
        surface=surface,
        distances=distances,
        morphology=morphology,
        instances=instances,
        cells=cells,
        slice=slice,
    )
    return Table(run(request, progress=progress))


def _tell_lengths(labels: Segmentation, table_unit: str, given: Sequence[Any]) -> None:
    """Say that lengths cannot be believed: of what was read from files, and of arrays if a unit is asked for."""
    from ACSegLib.files.registry import tell
    from ACSegLib.option_names import with_keywords
    from ACSegLib.placement import notes_on_lengths, voxel_edge

    if table_unit != "file" or any(isinstance(data, (Volume, Segmentation)) for data in given):
        notes = notes_on_lengths(
            {labels.name or "labels": voxel_edge(labels.geometry)}, table_unit, "--voxel-size and --unit"
        )
        tell([with_keywords(note) for note in notes])
