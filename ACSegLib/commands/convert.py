"""Convert an image or a label file to another format, and crop it.

The ending of OUTPUT determines the format. Geometry, names and colours are kept if the format can store them. A note
says what it cannot store. Labels are recognised by their table of segments. With --as labels, any file of whole numbers
is read as labels.

Examples:
  acseg convert tomogram.rec tomogram.nrrd
  acseg convert scan.tif scan.nii.gz --voxel-size 30,30,30 --unit nm
  acseg convert project.h5 raw.nrrd --dataset exported/raw --crop 0 200 0 200 50 150
  acseg convert fiji.tif labels.seg.nrrd --names 1=cytoplasm 2=bead
  acseg convert results/ for-fiji/ --ending .tif                  (all files of a folder)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ACSegLib.commands.folders import FolderResults, describe_each
from ACSegLib.commands.opening import (
    ImageDatasetOption,
    VoxelSizeOptions,
    check_opening,
    open_image,
    open_labels,
    reading,
)
from ACSegLib.commands.options import option
from ACSegLib.commands.run_report import Results as BaseResults
from ACSegLib.errors import InputError
from ACSegLib.jobs import Progress
from ACSegLib.volume import Segmentation, Volume

SUMMARY = "convert an image or labels to another format, or crop them"


@dataclass
class Options(ImageDatasetOption, VoxelSizeOptions):
    """Options of ``acseg convert``."""

    file: str = option(
        path="in",
        help="image or label file, a folder that is one image, or a folder of files that are converted one by one",
        positional=True,
    )
    output: str = option(
        path="place",
        help="file to write, by place or as -o FILE; or a folder, if FILE is a folder of files",
        positional=True,
        short="o",
    )
    ending: str | None = option(
        default=None,
        help="of a folder of files: ending of what is written, which determines the format, such as .nii.gz or .tif; "
        "if not given, .nrrd, or .seg.nrrd with --as labels",
        metavar="ENDING",
    )
    crop: list[int] = option(
        default=[], help="region to keep: I0 I1 J0 J1 K0 K1, counted from 0, ends excluded", unit="voxels"
    )
    level: int | None = option(default=None, help="resolution level of a multiscale image; 0 is the finest", minimum=0)
    kind: str = option(
        default="auto", help="read the file as an image or as labels", choices=("auto", "image", "labels"), flag="as"
    )

    names: list[str] = option(
        default=[],
        help="names of segments by their values, such as 1=cytoplasm 2=bead; the file is then read as labels",
        metavar="VALUE=NAME",
    )

    @property
    def labels_dataset(self) -> str | None:
        """Data set where the file holds labels: the same option."""
        return self.image_dataset


@dataclass
class Results(BaseResults):
    """What was written: voxels and voxel size along x, y, z, and what the format cannot hold."""

    size: list[int]
    spacing: list[float]
    unit: str
    warnings: list[str]


def run(options: Options, progress: Progress) -> Results | FolderResults[Results]:
    """Read, crop and write; of a folder, each file."""
    from ACSegLib.commands.inputs import is_folder_of_images
    from ACSegLib.commands.outputs import Output, check_outputs

    check_opening(options)
    if options.crop and len(options.crop) != 6:
        raise InputError(f"--crop must be six whole numbers (I0 I1 J0 J1 K0 K1), not {options.crop}.")
    if options.names:
        _names_by_value(options.names)
        options = replace(options, kind="labels")
    if is_folder_of_images(options.file):
        return _convert_folder(options, progress)
    if options.ending:
        raise InputError(f"--ending is for a folder of files; the name of the output ({options.output}) has one.")
    check_outputs([Output(options.output, "OUTPUT", "image")], [options.file])
    return _convert_file(options, progress)


def _convert_folder(options: Options, progress: Progress) -> FolderResults[Results]:
    from ACSegLib.commands.folders import places_in_folder, run_each
    from ACSegLib.commands.inputs import find_files
    from ACSegLib.files.names import SEGMENTATION_ENDING, stem

    ending = options.ending or (SEGMENTATION_ENDING if options.kind == "labels" else ".nrrd")
    places = places_in_folder(options.output, find_files([options.file]), ending)
    singles = {stem(file): replace(options, file=file, output=place, ending=None) for file, place in places.items()}
    return run_each(singles, _convert_file, options.output, progress)


def _convert_file(options: Options, progress: Progress) -> Results:
    from ACSegLib.files import save_segmentation, save_volume

    stages = progress.stages(read=1, write=1)
    stages.read(0.0, "reading the file")
    labels = options.kind == "labels" or (options.kind == "auto" and _holds_labels(options))
    content: Volume | Segmentation
    if labels:
        content = _named(open_labels(options.file, options), _names_by_value(options.names))
    else:
        content = open_image(options.file, options, level=options.level, lazy_from=0)
    if options.crop:
        content = cropped(content, options.crop)
    stages.write(0.0, "writing the file")
    if isinstance(content, Segmentation):
        notes = save_segmentation(content, options.output)
    else:
        notes = save_volume(content, options.output)
    return Results(
        size=list(content.shape[::-1]),
        spacing=list(content.geometry.spacing),
        unit=content.geometry.unit,
        warnings=notes,
        outputs={"labels" if labels else "image": options.output},
    )


def describe(results: Results | FolderResults[Results]) -> str:
    """What was written."""
    return describe_each(results, _describe_file)


def _describe_file(results: Results) -> str:
    ((kind, path),) = results.outputs.items()
    size = " x ".join(map(str, results.size))
    spacing = " x ".join(f"{v:.6g}" for v in results.spacing)
    unit = "unknown unit" if results.unit == "px" else results.unit
    lines = [f"{path}: {kind}, {size} voxels (x, y, z), voxel size {spacing} {unit}"]
    return "\n".join(lines + [f"note: {note}" for note in results.warnings])


def _names_by_value(texts: Sequence[str]) -> dict[int, str]:
    """Read names such as ``1=cytoplasm``.

    Raises
    ------
    InputError
        If a text is not such a name, or two of them have one value or name.
    """
    names: dict[int, str] = {}
    for text in texts:
        value, _, name = text.partition("=")
        if not (value.strip().isdecimal() and int(value) and name.strip()):
            raise InputError(f"--names {text!r} is not VALUE=NAME, such as 1=cytoplasm.")
        if int(value) in names or name.strip() in names.values():
            raise InputError(f"--names {text!r}: its value or its name is given twice.")
        names[int(value)] = name.strip()
    return names


def _named(labels: Segmentation, names: Mapping[int, str]) -> Segmentation:
    """Give segments names by their values; a file need not hold all of them.

    A name for a value that is not there, beside a value without a name, may be a slip, and is told.
    """
    from ACSegLib.files.registry import tell

    if names and labels.overlapping:
        raise InputError(f"--names: the segments of {labels.name!r} overlap, so that values do not tell them apart.")
    values = {row.value for row in labels.segments}
    absent, unnamed = sorted(names.keys() - values), sorted(values - names.keys())
    if absent and unnamed:
        held, named = (" and ".join(map(str, numbers)) for numbers in (unnamed, absent))
        tell([f"{labels.name}: --names names the value {named}, which no voxel has, but not {held}."])
    rows = [replace(row, name=names.get(row.value, row.name)) for row in labels.segments]
    return replace(labels, segments=rows)


def cropped(content: Volume | Segmentation, region: list[int]) -> Any:
    """The part of an image or labels in a region (i0, i1, j0, j1, k0, k1; ends excluded), where it lies."""
    starts, stops = region[0::2], region[1::2]
    for axis, start, stop, size in zip("ijk", starts, stops, content.shape[::-1], strict=True):
        if not 0 <= start < stop <= size:
            raise InputError(
                f"--crop {start} {stop} on axis {axis} does not lie in the image; the numbers must be between 0 and "
                f"{size}, and the first one smaller."
            )
    box = tuple(slice(a, b) for a, b in zip(starts[::-1], stops[::-1], strict=True))
    geometry = content.geometry.cropped(starts)
    if isinstance(content, Volume):
        return replace(content, array=content.array[box], geometry=geometry)
    return replace(content, layers=tuple(layer[box] for layer in content.layers), geometry=geometry)


def _holds_labels(options: Options) -> bool:
    """Whether the file says what its values mean: a table of segments."""
    from ACSegLib.files.lazy import lazily
    from ACSegLib.files.registry import read_content

    with lazily(0), reading(options):
        return read_content(options.file, options.image_dataset, options.level).segments is not None
