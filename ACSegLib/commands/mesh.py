"""Write the surfaces of segments as triangle meshes, for 3D printing, Blender, ParaView or a web page.

Every mesh is closed (watertight), also where the border of the volume cuts a cell. Its volume is that of the voxels.
Positions are in LPS, as Slicer writes them. .obj and .glb hold all segments with their names. With several segments,
.stl and .ply become one file for each segment, with its name added.

Examples:
  acseg mesh cell.seg.nrrd -o cell.stl --unit um
  acseg mesh cell.seg.nrrd -o cell.glb --smooth 2
  acseg mesh cells.seg.nrrd -o nucleus.ply --segments nucleus
  acseg mesh results/ -o meshes/ --ending .stl                    (all segmentations of a folder)
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ACSegLib.commands.folders import FolderResults, describe_each
from ACSegLib.commands.opening import LabelsDatasetOption, VoxelSizeOption, check_opening, open_labels
from ACSegLib.commands.options import option
from ACSegLib.commands.run_report import Results as BaseResults
from ACSegLib.errors import InputError
from ACSegLib.jobs import Progress
from ACSegLib.placement import UNITS
from ACSegLib.volume import UNITS_IN_MM, Segmentation
from ACSegLib.workflows import MeshRequest

if TYPE_CHECKING:
    from ACSegLib.triangle_mesh import Mesh

SUMMARY = "write the surfaces of segments as closed meshes"

_ENDINGS = (".stl", ".ply", ".obj", ".glb")


@dataclass
class Options(LabelsDatasetOption, VoxelSizeOption):
    """Options of ``acseg mesh``."""

    labels: str = option(path="in", help="label file, or a folder of them", positional=True)
    output: str = option(
        path="place",
        help="mesh to write: .stl, .ply, .obj or .glb; or a folder, if labels are in one",
        short="o",
        default_name="mesh.glb",
    )
    ending: str = option(default=".glb", help="of a folder of labels: what is written", choices=_ENDINGS)
    segments: list[str] = option(default=[], help="names of the segments; default: all", metavar="SEGMENT")
    smooth: float = option(
        default=MeshRequest.smooth,
        help="smooth the surface over this length; the volume is kept, thin structures become thinner",
        minimum=0,
        maximum=10,
        unit="voxels",
    )
    unit: str = option(
        default=MeshRequest.unit, help="unit of the positions; 'file' keeps that of the file", choices=UNITS
    )
    file_unit: str | None = option(
        default=None,
        help="unit of the numbers in files that do not state one, such as those of Slicer",
        choices=tuple(UNITS_IN_MM),
    )


@dataclass(frozen=True)
class MeshSize:
    """What a mesh is like, and which volume its voxels have.

    The volumes are in `unit`, and the points of the file in `unit_of_positions`.
    """

    segment: str
    vertices: int
    triangles: int
    volume: float
    voxel_volume: float
    unit: str
    unit_of_positions: str


@dataclass
class Results(BaseResults):
    """What was written for each segment."""

    meshes: list[MeshSize]


def run(options: Options, progress: Progress) -> Results | FolderResults[Results]:
    """Make the meshes and write them; of a folder, for each file."""
    from ACSegLib.commands.inputs import is_folder_of_images
    from ACSegLib.commands.outputs import Output, check_outputs

    check_opening(options)
    if is_folder_of_images(options.labels):
        return _mesh_folder(options, progress)
    check_outputs([Output(options.output, "--output", _ENDINGS)], [options.labels])
    return _mesh_file(options, progress)


def _mesh_folder(options: Options, progress: Progress) -> FolderResults[Results]:
    from ACSegLib.commands.folders import places_in_folder, run_each
    from ACSegLib.commands.inputs import find_labels
    from ACSegLib.files.names import stem

    if options.output.lower().endswith(_ENDINGS):
        raise InputError(f"--output {options.output} is the name of a file, but {options.labels} a folder; name one.")
    places = places_in_folder(options.output, find_labels([options.labels]), options.ending, _ENDINGS)
    singles = {stem(file): replace(options, labels=file, output=place) for file, place in places.items()}
    return run_each(singles, _mesh_file, options.output, progress)


def _mesh_file(options: Options, progress: Progress) -> Results:
    from ACSegLib.files.atomic import all_or_none
    from ACSegLib.files.meshes import save_meshes
    from ACSegLib.files.registry import tell
    from ACSegLib.placement import notes_on_lengths, voxel_edge, with_default_unit
    from ACSegLib.special_segments import structures
    from ACSegLib.unfilled_labels import unfilled_notes
    from ACSegLib.workflows import run as run_request

    progress(0.0, "reading the file")
    labels, _, notes = structures(open_labels(options.labels, options), keep=options.segments)
    tell([*notes, *unfilled_notes(labels)])
    labels = with_default_unit(labels, options.file_unit)
    tell(notes_on_lengths({labels.name: voxel_edge(labels.geometry)}, options.unit))
    places = _places(labels, options)
    meshes = run_request(MeshRequest.from_options(labels, options), progress=progress.part(0.1, 0.9))
    progress(0.9, "writing the meshes")
    outputs = {}
    if len(places) == 1:
        save_meshes(meshes, options.output)
        outputs["mesh"] = options.output
    else:
        with all_or_none():
            for mesh in meshes:
                save_meshes([mesh], places[mesh.name])
                outputs[f"mesh of {mesh.name}"] = places[mesh.name]
    return Results(meshes=[_size(mesh, options) for mesh in meshes], outputs=outputs)


def _places(labels: Segmentation, options: Options) -> dict[str, str]:
    """Segment -> file, checked before the work; one file where the format holds all, or there is one segment."""
    from ACSegLib.commands.outputs import Output, check_outputs, segment_paths
    from ACSegLib.files.meshes import SEVERAL

    names = [segment.name for segment in labels.chosen(options.segments) if labels.mask(segment).any()]
    if not names:
        raise InputError(f"{options.labels}: no voxel is labelled; there is nothing to make a mesh of.")
    if len(names) == 1 or Path(options.output).suffix.lower() in SEVERAL:
        return {options.output: options.output}
    paths = segment_paths(options.output, names)
    check_outputs([Output(path, "--output", _ENDINGS) for path in paths], [options.labels])
    return dict(zip(names, paths, strict=True))


def _size(mesh: Mesh, options: Options) -> MeshSize:
    """Volumes are in the unit that was asked for, and else in that of ``acseg measure``."""
    from ACSegLib.workflows import MeasureRequest

    known = mesh.unit in UNITS_IN_MM and options.unit == "file"
    unit = MeasureRequest.unit if known else mesh.unit
    scale = (UNITS_IN_MM[mesh.unit] / UNITS_IN_MM[unit]) ** 3 if known else 1.0
    return MeshSize(
        mesh.name,
        len(mesh.points),
        len(mesh.triangles),
        mesh.volume * scale,
        mesh.voxel_volume * scale,
        unit,
        mesh.unit,
    )


def describe(results: Results | FolderResults[Results]) -> str:
    """What was written, and the volume of each mesh."""
    return describe_each(results, _describe_file)


def _describe_file(results: Results) -> str:
    lines = [
        f"{mesh.segment}: {mesh.triangles} triangles, volume {mesh.volume:.6g} {mesh.unit}3 "
        f"(voxels: {mesh.voxel_volume:.6g})"
        for mesh in results.meshes
    ]
    if results.meshes:
        lines.append(f"positions in {results.meshes[0].unit_of_positions}")
    return "\n".join([*lines, *(f"written: {path}" for path in results.outputs.values())])
