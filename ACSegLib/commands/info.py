"""Show what an image or label file holds: format, size, voxel size, intensities, segments, labelled slices.

ACSeg recognises the format by the content of the file: NRRD and Slicer segmentations, NIfTI, MetaImage, MRC/REC,
TIFF, OME-TIFF, ImageJ TIFF, AmiraMesh, HDF5, OME-Zarr, DICOM, folders of numbered slices.

Examples:
  acseg info tomogram.rec
  acseg info labels.seg.nrrd --json
  acseg info project.h5                    (lists the data sets)
  acseg info project.h5 --dataset raw
  acseg info scan.tif --voxel-size 30,30,40 --unit nm
  acseg info tomograms/                    (a line for each file)
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from ACSegLib.commands.batch import failure_lines
from ACSegLib.commands.opening import VoxelSizeOptions, check_opening, reading, told_geometry
from ACSegLib.commands.options import option
from ACSegLib.commands.run_report import Results as BaseResults
from ACSegLib.files.label_values import look_like_labels
from ACSegLib.jobs import Progress
from ACSegLib.json_values import Json
from ACSegLib.noise import Moments
from ACSegLib.volume import UNITS_IN_MM
from ACSegLib.wording import listed

if TYPE_CHECKING:
    from ACSegLib.files.content import Content, Part
    from ACSegLib.volume import Segmentation

SUMMARY = "show what an image or label file holds"

_SAMPLE = 4_000_000
#: Files of more than this share of the free memory are read from the disk, part by part.
_IN_MEMORY_SHARE = 0.25
_PERCENTILES = (1, 5, 25, 50, 75, 95, 99)
_MAX_LABELS = 4096
#: Share of neighbours in labels that are equal, at least: of all, and, where there are more values than a few, of those
#: of which neither is 0.
_EQUAL, _EQUAL_INSIDE, _FEW_VALUES = 0.9, 0.5, 16
#: Characters that a column of segments may take; a longer name moves the rest of its own line only.
_MAX_WIDTH = 40
_BLOCK = 1 << 20
#: Group of weights in models that Keras wrote, such as those of Biomedisa.
_WEIGHTS = "model_weights/"
_AXES = ("i", "j", "k")


@dataclass
class Options(VoxelSizeOptions):
    """Options of ``acseg info``."""

    file: str = option(
        path="in",
        help="image or label file, a folder of slices, DICOM or OME-Zarr, or a folder of files",
        positional=True,
    )
    dataset: str | None = option(default=None, help="data set inside an HDF5, Zarr, Amira or DICOM container")
    level: int | None = option(default=None, help="resolution level of a multiscale image; 0 is the finest", minimum=0)
    kind: str = option(
        default="auto", help="read the file as an image or as labels", choices=("auto", "image", "labels"), flag="as"
    )


@dataclass(frozen=True)
class Grid:
    """The voxels of a file, and where they lie."""

    shape_ijk: list[int]
    dtype: str
    bytes: int
    spacing: list[float]
    unit: str
    origin: list[float]
    direction: list[float]
    meta: Json


@dataclass(frozen=True)
class Statistics:
    """Statistics of the finite voxels of an image; the percentiles are those of a sample of so many voxels."""

    minimum: float
    maximum: float
    mean: float
    standard_deviation: float
    percentiles: dict[str, float]
    percentiles_of_voxels: int


@dataclass(frozen=True)
class Intensity:
    """Intensities of an image; there are no statistics if no voxel is finite."""

    finite_voxels: int
    not_finite_voxels: int
    statistics: Statistics | None = None

    def to_dict(self) -> Json:
        """Give all in one object of plain values."""
        values = asdict(self)
        return {**(values.pop("statistics") or {}), **values}


@dataclass(frozen=True)
class SegmentSize:
    """A segment, and how large it is: in voxels, and in the unit of the file."""

    name: str
    value: int
    layer: int
    colour: list[float]
    id: str
    terminology: str
    voxels: int
    volume: float


@dataclass(frozen=True)
class Labels:
    """What labels hold: segments, and on which slices they are."""

    layers: int
    segments: list[SegmentSize]
    labelled_voxels: int
    labelled_slices: dict[str, list[int]]
    dense: bool
    oblique: bool
    notes: list[str]


@dataclass
class Results(BaseResults):
    """What a file holds.

    Attributes
    ----------
    file, format : str
    grid : Grid, optional
        None if the file holds several data sets and none was chosen.
    intensity : Intensity, optional
        Of an image.
    labels : Labels, optional
        Of labels.
    contents : list of Part
        What the file holds, if it is more than one thing.
    """

    optional: ClassVar[tuple[str, ...]] = ("intensity", "contents", "outputs", "exit_code")

    file: str
    format: str
    grid: Grid | None = None
    intensity: Intensity | None = None
    labels: Labels | None = None
    contents: list[Part] = field(default_factory=list)

    def to_dict(self) -> Json:
        """Give the results as plain JSON values, in one object."""
        values = super().to_dict()
        grid, labels = values.pop("grid") or {}, values.pop("labels")
        if self.contents:
            values["contents"] = [part.row() for part in self.contents]
        if self.intensity is not None:
            values["kind"] = "image"
        elif labels is not None:
            values |= {"kind": "labels", **labels}
        return {**values, **grid}


@dataclass
class FolderResults(BaseResults):
    """What the files of a folder hold, and what cannot be read and why."""

    optional: ClassVar[tuple[str, ...]] = ("failures", "outputs", "exit_code")

    files: dict[str, Results]
    failures: dict[str, str]


def run(options: Options, progress: Progress) -> Results | FolderResults:
    """Describe the file, or each file of a folder."""
    from ACSegLib.commands.folders import tried_each
    from ACSegLib.commands.inputs import find_files

    check_opening(options)
    if not _is_folder_of_files(options.file):
        return _run_file(options, progress)
    singles = {Path(file).name: replace(options, file=file) for file in find_files([options.file])}
    files, failures = tried_each(singles, _run_file, progress)
    return FolderResults(files, failures, exit_code=2 if failures else 0)


def _is_folder_of_files(path: str) -> bool:
    """Whether a path is a folder of several images, and not of DICOM files in folders below, which name themselves."""
    from ACSegLib.commands.inputs import is_folder_of_images
    from ACSegLib.files.names import is_image_name

    return is_folder_of_images(path) and any(is_image_name(file.name) for file in Path(path).iterdir())


def _run_file(options: Options, progress: Progress) -> Results:
    """Describe a file; a container with several data sets, none chosen, is listed."""
    from ACSegLib.compute import usable_memory
    from ACSegLib.files.content import SeveralError
    from ACSegLib.files.lazy import lazily
    from ACSegLib.files.registry import inventory, read_content, recognise, tell
    from ACSegLib.files.unknown import network_error
    from ACSegLib.placement import notes_on_lengths, voxel_edge

    path = Path(options.file)
    results = Results(str(path), recognise(path).NAME)
    stages = progress.stages(read=5, measure=5)
    stages.read(0.0, f"reading {path.name}")
    try:
        with lazily(int(_IN_MEMORY_SHARE * usable_memory())), reading(options):
            content = read_content(path, options.dataset, options.level)
    except SeveralError:
        results.contents = list(inventory(path))
        if any(part.dataset.startswith(_WEIGHTS) for part in results.contents):
            raise network_error(path) from None
        return results
    content.geometry = told_geometry(content.geometry, options)
    stages.measure(0.0, "measuring")
    results.grid = _grid(content)
    if content.geometry.unit != "px":  # the table says that it is unknown
        tell(notes_on_lengths({path.name: voxel_edge(content.geometry)}, options="--voxel-size and --unit"))
    contents = inventory(path)
    if len(contents) > 1:
        results.contents = list(contents)
    if options.kind == "labels" or (options.kind == "auto" and _are_labels(content)):
        from ACSegLib.files.registry import segmentation_of

        content.layers = tuple(np.asarray(layer) for layer in content.layers)
        results.labels = _label_figures(segmentation_of(content, path, image_too=True), stages.measure)
    else:
        results.intensity = _intensity(content.array, stages.measure)
    return results


def _grid(content: Content) -> Grid:
    geometry, array = content.geometry, content.array
    return Grid(
        shape_ijk=list(array.shape[::-1]),
        dtype=array.dtype.name,
        bytes=sum(layer.nbytes for layer in content.layers),
        spacing=list(geometry.spacing),
        unit=geometry.unit,
        origin=list(geometry.origin),
        direction=list(geometry.direction),
        meta=content.meta,
    )


def _are_labels(content: Content) -> bool:
    """Labels have a segment table, or are few whole numbers (more than one) in regions of one value.

    Zeros around an image are such a region, too: of many values, those beside one another must be equal as well.
    """
    if content.segments is not None or len(content.layers) > 1:
        return True
    array = content.array
    if array.dtype.kind == "b":
        return True
    if array.dtype.kind == "f":
        return look_like_labels(array)
    if array.dtype.kind not in "ui":
        return False
    sample = array[:: max(1, array.size // _SAMPLE)]
    values = np.unique(sample)
    if values[0] < 0 or len(values) > _MAX_LABELS:
        return False
    if len(values) == 1 and all(np.all(plane == values[0]) for plane in array):
        return False
    left, right = sample[..., :-1], sample[..., 1:]
    equal, labelled = left == right, (left != 0) & (right != 0)
    if not equal.size or np.mean(equal) <= _EQUAL:
        return False
    return len(values) <= _FEW_VALUES or bool(np.mean(equal[labelled]) > _EQUAL_INSIDE if labelled.any() else False)


def _intensity(array: np.ndarray, progress: Progress) -> Intensity:
    """Exact range, mean and deviation plane by plane; percentiles of at most a few million evenly spread voxels."""
    from ACSegLib.files.lazy import every_nth

    low, high, moments, finite = np.inf, -np.inf, Moments(), 0
    for k, plane in enumerate(array):
        progress(k / len(array), "measuring")
        values = plane if plane.dtype.kind != "f" else plane[np.isfinite(plane)]
        if values.size:
            low, high = min(low, float(values.min())), max(high, float(values.max()))
            wide = values.astype(np.float64)
            moments.add(values.size, float(wide.mean()), float(wide.var()) * values.size)
            finite += values.size
    sample = every_nth(array, _SAMPLE)
    sample = sample[np.isfinite(sample)].astype(np.float64)
    if not finite or not sample.size:
        return Intensity(finite, array.size - finite)
    percentiles = map(float, np.percentile(sample, _PERCENTILES))
    statistics = Statistics(
        minimum=low,
        maximum=high,
        mean=moments.mean,
        standard_deviation=moments.spread,
        percentiles=dict(zip(map(str, _PERCENTILES), percentiles, strict=True)),
        percentiles_of_voxels=int(sample.size),
    )
    return Intensity(finite, array.size - finite, statistics)


def _label_figures(segmentation: Segmentation, progress: Progress) -> Labels:
    from ACSegLib.labelled_slices import declared_slices, find_labelled_slices

    counts = [_counts(layer) for layer in segmentation.layers]
    voxel = segmentation.geometry.voxel_volume
    rows = []
    for segment in segmentation.with_distinct_names().segments:
        voxels = counts[segment.layer].get(segment.value, 0)
        rows.append(
            SegmentSize(
                name=segment.name,
                value=segment.value,
                layer=segment.layer,
                colour=list(segment.colour),
                id=segment.id,
                terminology=segment.terminology,
                voxels=voxels,
                volume=voxels * voxel,
            )
        )
    from ACSegLib.special_segments import ignored_voxels

    progress(0.0, "looking for labelled slices")
    occupied = segmentation.occupied()
    ignored = ignored_voxels(segmentation)
    if ignored is not None:
        occupied &= ~ignored
    labelled = find_labelled_slices(occupied, declared=declared_slices(segmentation), ignored=ignored)
    return Labels(
        layers=len(segmentation.layers),
        segments=rows,
        labelled_voxels=int(np.count_nonzero(occupied)),
        labelled_slices={axis: labelled.slices[axis] for axis in _AXES if axis in labelled.slices},
        dense=labelled.dense,
        oblique=labelled.oblique,
        notes=labelled.notes(),
    )


def _counts(layer: np.ndarray) -> dict[int, int]:
    """Voxels of each value, plane by plane."""
    totals: dict[int, int] = {}
    if int(layer.max()) < _MAX_LABELS:
        counts = np.zeros(_MAX_LABELS, np.int64)
        for plane in layer:
            flat = plane.ravel()
            for start in range(0, flat.size, _BLOCK):  # bincount widens to 64 bits
                counts += np.bincount(flat[start : start + _BLOCK], minlength=_MAX_LABELS)
        return {int(value): int(counts[value]) for value in np.flatnonzero(counts)}
    for plane in layer:
        for value, count in zip(*np.unique(plane, return_counts=True), strict=True):
            totals[int(value)] = totals.get(int(value), 0) + int(count)
    return totals


def describe(results: Results | FolderResults) -> str:
    """Write the description as a short table; of a folder, a line for each file."""
    if isinstance(results, Results):
        return _describe_file(results)
    rows = [(name, *_summary(file)) for name, file in results.files.items()]
    table = [("file", "size (x, y, z)", "type", "voxel size", "holds"), *rows]
    widths = [min(max(map(len, column)), _MAX_WIDTH) for column in zip(*table, strict=True)]
    lines = ["  ".join(f"{text:<{n}}" for text, n in zip(row, widths, strict=True)).rstrip() for row in table]
    return "\n".join([*(lines if rows else []), *failure_lines(results.failures, len(rows) + len(results.failures))])


def _summary(results: Results) -> tuple[str, str, str, str]:
    """Size, type, voxel size and content of a file, as they are shown in a line."""
    from ACSegLib.slice_tags import counted as counted_slices

    grid, labels = results.grid, results.labels
    if grid is None:
        return "", "", "", f"{len(results.contents)} data sets"
    size, spacing = " x ".join(map(str, grid.shape_ijk)), _voxel_size(grid)
    if labels is None:
        figures = results.intensity.statistics if results.intensity else None
        holds = "no finite value" if figures is None else f"image, {figures.minimum:.6g} to {figures.maximum:.6g}"
        return size, grid.dtype, spacing, holds
    names = listed([row.name for row in labels.segments])
    where = "dense" if labels.dense else "oblique" if labels.oblique else counted_slices(labels.labelled_slices)
    return size, grid.dtype, spacing, ", ".join(part for part in ("labels", where) if part) + f": {names or 'empty'}"


def _describe_file(results: Results) -> str:
    lines = [f"{results.file}: {results.format}"]
    if results.grid is not None:
        lines += _describe_grid(results.grid)
        if results.intensity is not None:
            lines += _describe_intensity(results.intensity)
        if results.labels is not None:
            lines += _describe_labels(results.labels, results.grid.unit)
    if results.contents:
        lines.append("  holds")
        for part in results.contents:
            level = f"level {part.level}" if part.level is not None else ""
            size = " x ".join(map(str, part.shape))
            words = (part.dataset, level, f"({size})" if size else "", part.dtype)
            lines.append("    " + "  ".join(word for word in words if word))
        if results.grid is None:
            lines.append("  choose one with --dataset (sizes in file order, slowest axis first)")
    return "\n".join(lines)


def _row(name: str, text: str) -> str:
    return f"  {name:<12} {text}"


def _voxel_size(grid: Grid) -> str:
    spacing = " x ".join(f"{v:g}" for v in grid.spacing)
    return f"{spacing} {grid.unit}" if grid.unit != "px" else f"unknown ({spacing} in the file)"


def _describe_grid(grid: Grid) -> list[str]:
    unit = grid.unit
    size = " x ".join(map(str, grid.shape_ijk))
    lines = [
        _row("size", f"{size} voxels (x, y, z), {grid.dtype}, {grid.bytes / 2**20:,.1f} MiB"),
        _row("voxel size", _voxel_size(grid)),
    ]
    if any(grid.origin):
        lines.append(_row("origin", ", ".join(f"{v:g}" for v in grid.origin) + f" {unit} (LPS)"))
    direction = np.reshape(grid.direction, (3, 3))
    if not np.allclose(direction, np.eye(3), atol=1e-6):
        columns = "; ".join(
            f"{axis} ({', '.join(f'{v:.4g}' for v in direction[:, n].round(12) + 0.0)})" for n, axis in enumerate(_AXES)
        )
        lines.append(_row("direction", columns))
    return lines


def _describe_intensity(intensity: Intensity) -> list[str]:
    figures = intensity.statistics
    if figures is None:
        return [_row("intensity", "no finite value")]
    percentiles = ", ".join(f"{p} %: {v:.5g}" for p, v in figures.percentiles.items())
    lines = [
        _row("intensity", f"{figures.minimum:.6g} to {figures.maximum:.6g}"),
        _row("mean", f"{figures.mean:.6g} +- {figures.standard_deviation:.4g}"),
        _row("percentiles", percentiles),
    ]
    if intensity.not_finite_voxels:
        lines.append(_row("not finite", f"{intensity.not_finite_voxels:,} voxels are NaN or infinite"))
    return lines


def _describe_labels(labels: Labels, unit_of_length: str) -> list[str]:
    unit, scale = _readable_volume(unit_of_length)
    rows = labels.segments
    layers = f", {labels.layers} layers (segments overlap)" if labels.layers > 1 else ""
    lines = [_row("segments", f"{len(rows)}{layers}; {labels.labelled_voxels:,} voxels labelled")]
    if rows:
        table = [
            ("name", "value", "voxels", f"volume ({unit})", "colour"),
            *(_segment_row(row, scale) for row in rows[:50]),
        ]
        widths = [min(max(map(len, column)), _MAX_WIDTH) for column in zip(*table, strict=True)]
        for name, *numbers, colour in table:
            columns = [f"{text:>{width}}" for text, width in zip(numbers, widths[1:-1], strict=True)]
            lines.append("  ".join([f"    {name:<{widths[0]}}", *columns, colour]))
    if len(rows) > 50:
        lines.append(f"    and {len(rows) - 50} more")
    from ACSegLib.axes import both_names

    for axis, slices in labels.labelled_slices.items():
        text = f"{len(slices)} slice{'s' * (len(slices) > 1)} along axis {both_names(axis)}: {_ranges(slices)}"
        lines.append(_row("labelled", text))
    if labels.dense:
        lines.append(_row("labelled", "densely: the labels are solid in three dimensions"))
    if labels.oblique:
        lines.append(_row("labelled", "obliquely: the labels cross the slices as strips or lines"))
    lines += [_row("note", note) for note in labels.notes]
    return lines


def _readable_volume(unit: str) -> tuple[str, float]:
    """Unit in which volumes are shown, and the factor to it: um3 where lengths are in nm. Reports keep the file's."""
    if unit == "px":
        return "no unit", 1.0
    shown = "um" if UNITS_IN_MM[unit] < UNITS_IN_MM["um"] else unit
    return f"{shown}3", (UNITS_IN_MM[unit] / UNITS_IN_MM[shown]) ** 3


def _segment_row(row: SegmentSize, scale: float) -> tuple[str, ...]:
    """Name on one line, value, voxels, volume and colour of a segment, as they are shown."""
    colour = "#" + "".join(f"{round(255 * min(max(v, 0), 1)):02x}" for v in row.colour)
    return " ".join(row.name.split()), str(row.value), f"{row.voxels:,}", f"{row.volume * scale:.6g}", colour


def _ranges(numbers: list[int]) -> str:
    """Write 1, 2, 3, 4, 9 as "1-4, 9"."""
    parts: list[list[int]] = []
    for number in numbers:
        if parts and number == parts[-1][-1] + 1:
            parts[-1] = [parts[-1][0], number]
        else:
            parts.append([number, number])
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in parts)
