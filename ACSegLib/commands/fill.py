"""Fill the volume between labelled slices with a random walk that learns the appearance of the segments.

Label the segments on a few slices, for example on every 20th one. Label each of these slices completely: voxels without
a label are background there. ACSeg finds the labelled slices itself. A slice that is background everywhere must be
listed with --slices. Slices count from 0. A closed thin line, on any plane, is an outline: it stands for what it
encloses.

Examples:
  acseg fill tomogram.rec sparse.seg.nrrd -o cell.seg.nrrd
  acseg fill tomogram.mrc sparse.tif -o cell.seg.nrrd --axis z --slices 10:70:20
  acseg fill tomograms/ sparse/ -o filled/ --skip-existing        (folders, paired by name)
  acseg fill tomogram.nrrd sparse.seg.nrrd -o cell.seg.nrrd --uncertainty uncertainty.nrrd --picture cell.png
  acseg fill tomogram.nrrd scribbles.seg.nrrd -o cell.seg.nrrd --background background
  acseg fill tomogram.nrrd dab.seg.nrrd -o cell.seg.nrrd --box 40 90 35 88 20 71
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ACSegLib.axes import SLICE_WORD
from ACSegLib.commands.batch import LISTED, more_lines
from ACSegLib.commands.folders import FolderResults, describe_each
from ACSegLib.commands.opening import (
    ImageDatasetOption,
    LabelsDatasetOption,
    VoxelSizeOptions,
    check_opening,
    open_image,
    open_labels,
)
from ACSegLib.commands.options import option
from ACSegLib.commands.run_report import Results as BaseResults
from ACSegLib.compute import DEVICES
from ACSegLib.errors import InputError
from ACSegLib.jobs import Progress
from ACSegLib.json_values import Json, to_json
from ACSegLib.volume import distinct_names
from ACSegLib.workflows import FillRequest

if TYPE_CHECKING:
    from ACSegLib.fill_report import FillReport
    from ACSegLib.volume import Segmentation, Volume
    from ACSegLib.workflows import FillOutcome

SUMMARY = "fill the volume between a few labelled slices"


@dataclass
class Options(LabelsDatasetOption, ImageDatasetOption, VoxelSizeOptions):
    """Options of ``acseg fill``."""

    image: str = option(
        path="in", help="image file in any format that ACSeg reads, or a folder of images", positional=True
    )
    labels: str = option(
        path="in",
        help="label file with sparse labels, or a folder of them, paired by name",
        positional=True,
    )
    output: str = option(
        path="place",
        help="segmentation to write: .seg.nrrd, .nrrd, .nii.gz, .mha, .tif, .mrc or .ome.zarr; or a folder, if images "
        "are in one",
        short="o",
        default_name="filled.seg.nrrd",
    )
    skip_existing: bool = option(
        default=False, help="skip images whose result exists: continues a folder where it was interrupted"
    )
    axis: str = option(
        default=FillRequest.axis, help="axis of the labelled slices", choices=("auto", "i", "j", "k", "all")
    )
    slices: str | None = option(
        default=None,
        help="all labelled slices, counted from 0. Numbers and ranges along the axis (z by default): 10,30,50 or "
        "10:90:20, which includes 90. Several axes: z:10,30 x:0,57. A listed slice without labels is background",
        words=SLICE_WORD,
    )
    mode: str = option(
        default=FillRequest.mode,
        help="slices: labelled slices are complete; scribbles: only voxels with a label are known; auto tells strokes "
        "from slices if a segment marks background, and takes closed thin lines for outlines",
        choices=("auto", "slices", "scribbles"),
    )
    box: list[int] = option(
        default=[],
        help="box around the object that strokes mark, I0 I1 J0 J1 K0 K1 (ends excluded); outside it is background",
    )
    region: list[float] = option(
        default=[],
        help="the same box in space: in Slicer an ROI, in the shell its centre X Y Z in LPS and half of its sides, in "
        "the unit of the image; 9 more numbers turn it (the rows of the matrix whose columns are its axes)",
    )
    background: str | None = option(
        default=None,
        help="segment that marks background; strokes need none if what they mark differs from its surroundings",
    )
    ignore: str | None = option(default=None, help="segment that marks voxels of labelled slices as unknown")
    probabilities: str | None = option(
        path="out",
        endings="image",
        default=None,
        help="also write the probabilities; with several segments one file per segment, with its name added",
    )
    uncertainty: str | None = option(
        path="out", endings="image", default=None, help="also write the uncertainty, from 0 (certain) to 255"
    )
    picture: str | None = option(
        path="out",
        endings=(".png",),
        default=None,
        help="also write a picture of some slices, labelled and filled ones, with the uncertainty (.png)",
    )
    suggest: int = option(
        default=FillRequest.suggest, help="how many slices to suggest for labelling next", minimum=0, maximum=100
    )
    islands: float | None = option(
        default=None, help="remove components smaller than this: voxels, or a fraction of the largest", minimum=0
    )
    holes: float | None = option(
        default=None,
        help="fill enclosed holes up to this: voxels, or a fraction of the segment; 0: none. Unless it is 0, segments "
        "that have no holes on the labelled slices get none",
        minimum=0,
        maximum=math.inf,
    )
    smooth: float | None = option(
        default=None, help="smooth boundaries over this length", minimum=0, maximum=10, unit="voxels"
    )
    only: list[str] = option(default=[], help="segments of the result; all if not given", metavar="SEGMENT")
    leave_out: list[str] = option(
        default=[],
        help="segments that take part in the fill but are not in the result, such as a neighbouring cell",
        metavar="SEGMENT",
    )
    cells: bool = option(
        default=FillRequest.cells, help="make touching cells segments of their own, as acseg split does"
    )
    ignore_unlike: bool = option(
        default=FillRequest.ignore_unlike,
        help="make voxels that look unlike their segment on the labelled slices a segment 'ignore', which trainings "
        "leave out: objects may lie unlabelled between two slices",
    )
    device: str = option(default=FillRequest.device, help="where to compute", choices=DEVICES)
    resample: bool = option(
        default=FillRequest.resample,
        help="resample labels on another grid to the grid of the image (nearest neighbour)",
    )
    gamma: float | None = option(
        default=None,
        help="strength of the class prior; if not given, cross-validation chooses it and the edge scale",
        minimum=1e-3,
        maximum=100,
        advanced=True,
    )
    edge: float = option(
        default=FillRequest.edge,
        help="intensity difference between neighbours that counts as an edge; used with --gamma",
        minimum=0.1,
        maximum=100,
        unit="noise levels",
        advanced=True,
    )
    level: int | None = option(
        default=None, help="resolution level of a multiscale image; 0 is the finest", minimum=0, advanced=True
    )
    memory: float | None = option(default=None, help="memory that may be used", minimum=0.1, unit="GiB", advanced=True)


@dataclass
class Results(BaseResults):
    """What a fill gave: the report of the walk, warnings, voxels of each segment, slices to label next."""

    report: FillReport
    warnings: list[str]
    voxels: dict[str, int]
    suggested_slices: list[int]

    def to_dict(self) -> Json:
        """Give the results as plain JSON values, with those of the walk's report among them."""
        values = super().to_dict()
        del values["report"]
        return {**to_json(self.report.to_dict()), **values}


def run(options: Options, progress: Progress) -> Results | FolderResults[Results]:
    """Fill, clean up as asked, and write the result; of a folder, for each image."""
    from ACSegLib.axes import read_slices
    from ACSegLib.commands.inputs import is_folder_of_images
    from ACSegLib.commands.outputs import Output, check_outputs
    from ACSegLib.files.names import stem

    read_slices(options.slices, options.axis)
    check_opening(options)
    if is_folder_of_images(options.image):
        return _fill_folder(options, progress)
    check_outputs([Output(options.output, "--output", "image")], [options.image, options.labels])
    if options.skip_existing and Path(options.output).exists():
        return FolderResults({}, {}, [stem(options.image)])
    return _fill_file(options, progress)


def _fill_folder(options: Options, progress: Progress) -> FolderResults[Results]:
    """Fill image by image; whatever is wrong with one of them does not stop the others."""
    from ACSegLib.commands.folders import places_in_folder, run_each
    from ACSegLib.commands.pairs import pair_folders
    from ACSegLib.files.names import SEGMENTATION_ENDING

    if options.probabilities or options.uncertainty or options.picture:
        raise InputError("--probabilities, --uncertainty and --picture need a single image; give one, not a folder.")
    pairs, failures = pair_folders(options.image, options.labels)
    labels = [pair.labels for pair in pairs]
    places = places_in_folder(options.output, [pair.image for pair in pairs], SEGMENTATION_ENDING, others=labels)
    singles = {
        pair.name: replace(options, image=pair.image, labels=pair.labels, output=places[pair.image]) for pair in pairs
    }
    return run_each(
        singles, _fill_file, options.output, progress, failures=failures, skip_existing=options.skip_existing
    )


def _fill_file(options: Options, progress: Progress) -> Results:
    from ACSegLib.files import save_segmentation
    from ACSegLib.files.atomic import all_or_none
    from ACSegLib.segment_estimates import voxels_of_segments
    from ACSegLib.workflows import FillRequest
    from ACSegLib.workflows import run as run_request

    stages = progress.stages(read=1, fill=18, write=1)
    stages.read(0.0, "reading the files")
    volume = open_image(options.image, options, level=options.level)
    labels = open_labels(options.labels, options, gaps=True)
    options, told = _with_box_of_region(options, volume)
    request = FillRequest.from_options(volume, labels, options)
    places = _places_of_probabilities(labels, options)
    outcome = run_request(request, progress=stages.fill)
    stages.write(0.0, "writing the result")
    with all_or_none():
        notes = save_segmentation(outcome.segmentation, options.output)
        extras, more = _write_extras(outcome, options, places)
    return Results(
        report=outcome.report,
        warnings=[*outcome.report.warnings, *told, *notes, *more],
        voxels=voxels_of_segments(outcome.segmentation),
        suggested_slices=outcome.suggested,
        outputs={"segmentation": options.output, **extras},
    )


def _with_box_of_region(options: Options, volume: Volume) -> tuple[Options, list[str]]:
    """Give the region as a box of voxels, and what a person should know of it."""
    from ACSegLib.voxel_boxes import box_of_region

    if not options.region:
        return options, []
    if options.box:
        raise InputError("--box and --region are both given; give one of them.")
    found = box_of_region(options.region, volume.geometry, volume.shape)
    note = "the region is turned against the voxels; the box of voxels around it was used."
    return replace(options, box=list(found.box), region=[]), [note] if found.turned else []


def describe(results: Results | FolderResults[Results]) -> str:
    """What was filled, from which slices, the cross-validation, and which slices to label next."""
    return describe_each(results, _describe_file)


def _describe_file(results: Results) -> str:
    from ACSegLib import slice_tags
    from ACSegLib.axes import both_names
    from ACSegLib.wording import counted

    report = results.report
    source = slice_tags.counted(report.slices) or "scribbles"
    lines = [f"filled from {source} in {report.seconds:.1f} s (solver: {report.solver})"]
    estimates = {e.segment: e for e in report.estimates if e.segment in results.voxels}  # cells have none
    for name, count in list(results.voxels.items())[:LISTED]:
        line = f"  {name}: {counted(count, 'voxels')}"
        lines.append(f"{line} {estimates[name].intervals(count)}" if name in estimates else line)
    lines += more_lines(results.voxels, "the run report (--json FILE)")
    if estimates:
        lines.append("in brackets: 90 % intervals; Dice is the one expected on voxels that were not labelled")
    if report.mean_dice is not None:
        source = "expected" if report.whole_slices_hidden else "cross-validation on labelled slices"
        lines.append(f"{source}: mean Dice {report.mean_dice:.3f}")
    if results.suggested_slices:
        numbers = ", ".join(map(str, results.suggested_slices))
        lines.append(f"label next along {both_names(report.axis)}, most useful first (slices count from 0): {numbers}")
    lines += [f"note: {note}" for note in results.warnings]
    lines += [f"written: {path}" for path in results.outputs.values()]
    return "\n".join(lines)


def _places_of_probabilities(labels: Segmentation, options: Options) -> dict[str, str]:
    """Segment id -> file for its probabilities, checked before the work."""
    from ACSegLib.commands.outputs import Output, check_outputs, segment_paths

    if not options.probabilities:
        return {}
    marks = {labels.segment(name).id for name in (options.background, options.ignore) if name}
    rows = [segment for segment in labels.segments if segment.id not in marks]
    paths = segment_paths(options.probabilities, distinct_names(rows))
    others = [Output(path) for path in (options.output, options.uncertainty) if path]
    check_outputs([*others, *(Output(p, "--probabilities", "image") for p in paths)], [options.image, options.labels])
    return {segment.id: path for segment, path in zip(rows, paths, strict=True)}


def _draw(outcome: FillOutcome, path: str) -> None:
    """Write a picture of labelled slices and of slices between them; of strokes, of slices through the result."""
    from ACSegLib.pictures.contact_sheet import comparison_sheet, contact_sheet

    volume, result = outcome.request.volume, outcome.segmentation
    if not outcome.slices:
        comparison_sheet(volume, path, {"filled": result})
        return
    found = {segment.id for segment in result.segments}
    sparse = outcome.request.labels  # less what marks background or ignored voxels
    sparse = replace(sparse, segments=[segment for segment in sparse.segments if segment.id in found])
    contact_sheet(
        volume,
        path,
        sparse=sparse,
        result=result,
        uncertainty=outcome.uncertainty,
        slices=outcome.slices,
        suggested=outcome.suggested,
    )


def _write_extras(outcome: FillOutcome, options: Options, places: dict[str, str]) -> tuple[dict[str, str], list[str]]:
    """Write uncertainty and probabilities as asked; what was written, and notes."""
    from ACSegLib.files import save_volume
    from ACSegLib.volume import Volume

    written: dict[str, str] = {}
    notes: list[str] = []
    geometry = outcome.segmentation.geometry
    if options.uncertainty:
        notes += save_volume(Volume(outcome.uncertainty, geometry, "uncertainty"), options.uncertainty)
        written["uncertainty"] = options.uncertainty
    if options.picture:
        _draw(outcome, options.picture)
        written["picture"] = options.picture
    rows = outcome.request.labels.with_distinct_names().segments
    names = {segment.id: segment.name for segment in rows}
    for key, array in outcome.probabilities.items():
        notes += save_volume(Volume(array.astype("float32"), geometry, names[key]), places[key])
        written[f"probabilities of {names[key]}"] = places[key]
    return written, notes
