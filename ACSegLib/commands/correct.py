"""Correct a segmentation around the places where you changed it.

Save a copy of a filled, predicted or imported segmentation, and correct a few places in the copy: draw a slice right,
or add and remove with a few strokes. ACSeg compares the two files. What differs is what you decided. On a slice that
you name with --slices, or that you clearly redrew, all of it is. ACSeg learns from these places how the segmentation is
wrong, and corrects the voxels around them. Far from your changes nothing changes. Slices count from 0.

Examples:
  acseg correct tomogram.mrc predicted.seg.nrrd corrected.seg.nrrd -o better.seg.nrrd
  acseg correct tomogram.mrc predicted.seg.nrrd corrected.seg.nrrd -o better.seg.nrrd --slices z:40,60
  acseg correct tomogram.mrc predicted.seg.nrrd corrected.seg.nrrd -o better.seg.nrrd --probabilities p.nrrd
  acseg correct tomogram.mrc filled.seg.nrrd corrected.seg.nrrd -o better.seg.nrrd --sparse labels.seg.nrrd
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ACSegLib.axes import SLICE_WORD
from ACSegLib.commands.batch import LISTED, more_lines
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
from ACSegLib.errors import FileError, InputError
from ACSegLib.jobs import Progress
from ACSegLib.json_values import Json, to_json
from ACSegLib.workflows import CorrectRequest

if TYPE_CHECKING:
    import numpy as np

    from ACSegLib.correction_report import CorrectionReport
    from ACSegLib.volume import Segmentation, Volume

#: Share of a segmentation up to which labels can be those that it was filled from.
MAX_SPARSE = 0.9

SUMMARY = "correct a segmentation around the places where you changed it"


@dataclass
class Options(LabelsDatasetOption, ImageDatasetOption, VoxelSizeOptions):
    """Options of ``acseg correct``."""

    image: str = option(path="in", help="image file in any format that ACSeg reads", positional=True)
    segmentation: str = option(path="in", help="segmentation before your corrections", positional=True)
    corrected: str = option(path="in", help="the same segmentation with your corrections", positional=True)
    output: str = option(
        path="out",
        endings="image",
        help="segmentation to write: .seg.nrrd, .nrrd, .nii.gz, .mha, .tif, .mrc or .ome.zarr",
        short="o",
        default_name="corrected.seg.nrrd",
    )
    slices: str | None = option(
        default=None,
        help="slices that you checked or drew as a whole, counted from 0: 40,60 along z, or z:40,60 x:30; slices that "
        "you clearly redrew are found",
        words=SLICE_WORD,
    )
    sparse: str | None = option(
        path="in",
        default=None,
        help="sparse labels that the segmentation was filled from: the slices that they label stay as they are; if not "
        "given, those that the segmentation knows, as fill and correct write them",
    )
    probabilities: str | None = option(
        path="in",
        default=None,
        help="probabilities of the network that made the segmentation, as acseg predict --probabilities writes them; "
        "with several segments one file per segment, with its name added",
    )
    uncertainty: str | None = option(
        path="out", endings="image", default=None, help="also write the uncertainty, from 0 (certain) to 255"
    )
    reach: float | None = option(
        default=None,
        help="distance from a change within which anything may change; if not given, found from the size of the change",
        minimum=1,
        maximum=10000,
        unit="voxels",
        advanced=True,
    )
    device: str = option(default=CorrectRequest.device, help="where to compute", choices=DEVICES)
    resample: bool = option(
        default=CorrectRequest.resample,
        help="resample segmentations on another grid to the grid of the image (nearest neighbour)",
    )
    level: int | None = option(
        default=None, help="resolution level of a multiscale image; 0 is the finest", minimum=0, advanced=True
    )


@dataclass
class Results(BaseResults):
    """What a correction gave: its report, warnings, voxels of each segment."""

    report: CorrectionReport
    warnings: list[str]
    voxels: dict[str, int]

    def to_dict(self) -> Json:
        """Give the results as plain JSON values, with those of the report among them."""
        values = super().to_dict()
        del values["report"]
        return {**to_json(self.report.to_dict()), **values}


def run(options: Options, progress: Progress) -> Results:
    """Correct, and write the result."""
    from ACSegLib.axes import read_slices
    from ACSegLib.files import save_segmentation, save_volume
    from ACSegLib.files.atomic import all_or_none
    from ACSegLib.segment_estimates import voxels_of_segments
    from ACSegLib.volume import Volume
    from ACSegLib.workflows import run as run_request

    read_slices(options.slices)
    check_opening(options)
    progress(0.0, "reading the files")
    volume = open_image(options.image, options, level=options.level)
    segmentation, corrected = (open_labels(path, options) for path in (options.segmentation, options.corrected))
    probabilities = _read_probabilities(options, segmentation)
    segmentation, protected = _with_sparse(options, volume, segmentation)
    request = CorrectRequest.from_options(volume, segmentation, corrected, options, probabilities)
    outcome = run_request(request, protected=protected, progress=progress.part(0.1, 0.95))
    progress(0.95, "writing the result")
    outputs = {"segmentation": options.output}
    with all_or_none():
        notes = save_segmentation(outcome.segmentation, options.output)
        if options.uncertainty:
            uncertainty = Volume(outcome.uncertainty, outcome.segmentation.geometry, "uncertainty")
            notes += save_volume(uncertainty, options.uncertainty)
            outputs["uncertainty"] = options.uncertainty
    return Results(
        report=outcome.report,
        warnings=[*outcome.report.warnings, *notes],
        voxels=voxels_of_segments(outcome.segmentation),
        outputs=outputs,
    )


def describe(results: Results) -> str:
    """What was decided, what followed from it, and how far it reached."""
    from ACSegLib import slice_tags
    from ACSegLib.axes import both_names
    from ACSegLib.wording import counted

    report = results.report
    slices = "; ".join(f"{both_names(axis)} = {', '.join(map(str, n))}" for axis, n in report.slices.items())
    lines = [
        f"you changed {counted(report.changed_voxels, 'voxels')}"
        + (f", and decided the slices {slices}" if slices else ""),
        f"corrected {counted(report.corrected_voxels, 'voxels')} around them, at most {report.reach:g} voxels away, in "
        f"{report.seconds:.1f} s (solver: {report.solver})",
    ]
    if report.kept:
        lines.append(f"kept as they were labelled or decided before: {slice_tags.counted(report.kept)}")
    lines += [f"  {name}: {counted(count, 'voxels')}" for name, count in list(results.voxels.items())[:LISTED]]
    lines += more_lines(results.voxels, "the run report (--json FILE)")
    lines += [f"note: {note}" for note in results.warnings]
    lines += [f"written: {path}" for path in results.outputs.values()]
    return "\n".join(lines)


def _with_sparse(
    options: Options, volume: Volume, segmentation: Segmentation
) -> tuple[Segmentation, np.ndarray | None]:
    """The segmentation with the slices that the sparse labels label, and where these have labels at all."""
    import numpy as np

    from ACSegLib.labelled_slices import declared_slices, find_labelled_slices
    from ACSegLib.placement import place_labels
    from ACSegLib.slice_tags import with_labelled_slices
    from ACSegLib.special_segments import ignored_voxels, union

    if not options.sparse:
        return segmentation, None
    sparse, segmentation = (
        place_labels(labels, volume, resample=options.resample)
        for labels in (open_labels(options.sparse, options), segmentation)
    )
    ignored = ignored_voxels(sparse)
    labelled, filled = union(sparse, sparse.segments), union(segmentation, segmentation.segments)
    if ignored is not None:
        labelled &= ~ignored
    if not labelled.any():
        raise InputError(
            f"{options.sparse}: no voxel is labelled. Give the labels that the segmentation was filled from."
        )
    if np.count_nonzero(labelled & filled) > MAX_SPARSE * np.count_nonzero(filled):
        raise InputError(
            f"{options.sparse}: these labels cover nearly the whole segmentation. Give the sparse labels that it was "
            "filled from."
        )
    found = find_labelled_slices(labelled, declared=declared_slices(sparse), ignored=ignored)
    return with_labelled_slices(segmentation, found.slices), labelled


def _read_probabilities(options: Options, segmentation: Segmentation) -> dict[str, Volume]:
    """Name of each segment -> probabilities from the file that is named for it."""
    from ACSegLib.commands.outputs import Output, check_outputs, segment_paths

    if not options.probabilities:
        return {}
    names = [segment.name for segment in segmentation.with_distinct_names().segments]
    paths = segment_paths(options.probabilities, names)
    outputs = {"--output": options.output, "--uncertainty": options.uncertainty}
    check_outputs([Output(place, flag, "image") for flag, place in outputs.items() if place], paths)
    for name, path in zip(names, paths, strict=True):
        if not Path(path).exists():
            raise FileError(
                f"{path}: there is no such file of the probabilities of {name!r}; check the name. Cells that were "
                "split have none: correct them without --probabilities."
            )
    return {name: open_image(path, options) for name, path in zip(names, paths, strict=True)}
