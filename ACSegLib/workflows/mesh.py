"""Meshes of segments, whoever asks for them: the request, and the meshes that it gives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ACSegLib.errors import InputError
from ACSegLib.jobs import Progress
from ACSegLib.placement import in_unit
from ACSegLib.volume import Segmentation
from ACSegLib.workflows.packing import from_options

if TYPE_CHECKING:
    from ACSegLib.triangle_mesh import Mesh


@dataclass(frozen=True, kw_only=True, eq=False)
class MeshRequest:
    """What to make meshes of. The fields after the first one are the options of ``acseg mesh`` of the same names.

    Parameters
    ----------
    labels : Segmentation
    segments : sequence of str
        Segments to make meshes of; all if empty.
    smooth : float
        Length in voxels over which surfaces are smoothed; 0: not at all.
    unit : str
        Unit of the positions: "um", "nm", "mm", "px" (voxels) or "file" (that of the labels).
    """

    labels: Segmentation
    segments: Sequence[str] = ()
    smooth: float = 0.0
    unit: str = "file"

    @classmethod
    def from_options(cls, labels: Segmentation, options: Any) -> MeshRequest:
        """Make the request from the options of ``acseg mesh``."""
        return cls(labels=labels, **from_options(cls, options, ("labels",)))


def run_mesh(request: MeshRequest, progress: Progress | None = None) -> list[Mesh]:
    """Make a closed mesh of each segment that has voxels; see `ACSegLib.measure.mesh.mesh_of`.

    Raises
    ------
    InputError
        If a segment is not there, or none of them has voxels.
    """
    from ACSegLib.measure.mesh import mesh_of
    from ACSegLib.measure.regions import SegmentBoxes

    progress = progress or Progress()
    labels = in_unit(request.labels, request.unit)
    rows = labels.chosen(request.segments)
    boxes = SegmentBoxes(labels)
    meshes = []
    for n, segment in enumerate(rows):
        progress(n / len(rows), f"mesh of {segment.name}")
        box = boxes.box(segment)
        if box is None:
            continue
        start = [int(part.start) for part in reversed(box)]
        mesh = mesh_of(np.asarray(boxes.mask(segment, box)), labels.geometry.cropped(start), request.smooth)
        meshes.append(replace(mesh, name=segment.name, colour=segment.colour))
    if not meshes:
        raise InputError(f"segmentation {labels.name!r} has no voxels to make a mesh of.")
    return meshes
