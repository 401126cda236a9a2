"""Segment images with a trained network: your own model, a model of Biomedisa, or the pretrained model of ACSeg.

The result is on the grid of the image. With several images, or a folder of them, the results are written to an output
folder. Segmentations (.seg.nrrd) in an input folder are skipped. Without -m, the pretrained model labels cytoplasm (1)
and beads (2).

Examples:
  acseg predict tomogram.rec -o cell.seg.nrrd
  acseg predict tomograms/ -m cytoplasm.acseg -o results/ --largest cytoplasm
  acseg predict tomograms/ -o results/ --workers 4 --skip-existing       (continue after an interruption)
  acseg predict tomogram.mrc -m ACSeg.h5 -o cell.seg.nrrd                (the result of Biomedisa, voxel by voxel)
  acseg predict tomogram.mrc -m ACSeg.h5 --native -o cell.seg.nrrd       (the same weights at native resolution)
  acseg predict tomogram.mrc -o cell.seg.nrrd --refine walk --probabilities p.nrrd
"""

from __future__ import annotations

import functools
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from ACSegLib.commands.batch import LISTED, Item, Outcome, do_each, failure_lines, more_lines
from ACSegLib.commands.opening import ImageDatasetOption, VoxelSizeOptions, check_opening, open_image
from ACSegLib.commands.options import option
from ACSegLib.commands.run_report import Results as BaseResults
from ACSegLib.compute import DEVICES, share_freed_memory
from ACSegLib.errors import InputError
from ACSegLib.jobs import Progress
from ACSegLib.json_values import Json, Row
from ACSegLib.network.predict.report import PredictionReport
from ACSegLib.wording import counted
from ACSegLib.workflows import PredictRequest

if TYPE_CHECKING:
    from ACSegLib.network.model.model_file import Model
    from ACSegLib.network.predict.inference import Prediction
    from ACSegLib.volume import Segmentation, Volume

SUMMARY = "segment images with a trained network"
#: Images that need more than this part of the memory stay on the disk and are read tile by tile.
_IN_MEMORY_SHARE = 0.25


@dataclass
class Options(ImageDatasetOption, VoxelSizeOptions):
    """Options of ``acseg predict``."""

    images: list[str] = option(path="in", help="images, or a folder of them", positional=True)
    output: str = option(
        path="place",
        help="segmentation to write (.seg.nrrd, ...), or a folder for them",
        short="o",
        default_name="predicted.seg.nrrd",
    )
    skip_existing: bool = option(
        default=False, help="skip images whose result exists: continues a folder where it was interrupted"
    )
    workers: int = option(
        default=1,
        help="images predicted at a time, each in a process with its share of the threads; 0: one per core. Saves time "
        "where images are small",
        minimum=0,
    )
    model: str | None = option(path="in", default=None, help="model file (.acseg, or Biomedisa's .h5)", short="m")
    probabilities: str | None = option(
        path="place",
        default=None,
        help="also write the probabilities, to a file or a folder; with several segments one file per segment, with "
        "its name added",
    )
    tta: bool = option(default=PredictRequest.tta, help="average the predictions of the eight mirrored images (slower)")
    refine: str = option(
        default=PredictRequest.refine,
        help="refine the boundary with the refinement network of the model, or with a random walk from voxels of high "
        "probability; auto: for models that reduce images, with the network if they have one, and "
        "with the walk if the image is finer still; none: what the main network labels, even where it sees no cell",
        choices=("auto", "none", "network", "walk"),
    )
    thin: float | None = option(
        default=None,
        help="probability threshold for thin structures such as filopodia, up to 0.5; if not given, that of the "
        "model's calibration",
        minimum=0.01,
        maximum=0.5,
        advanced=True,
    )
    contrast: str = option(
        default=PredictRequest.contrast,
        help="intensities that absorb; auto: bright ones, unless the pretrained model is much more certain of the "
        "inverted image",
        choices=("auto", "bright", "dark"),
        advanced=True,
    )
    device: str = option(default=PredictRequest.device, help="where to compute", choices=DEVICES)
    roi: list[int] = option(
        default=[], help="region to predict: I0 I1 J0 J1 K0 K1, counted from 0, ends excluded", unit="voxels"
    )
    largest: list[str] = option(default=[], help="segments of which only the largest component is kept")
    islands: float | None = option(
        default=None, help="remove components smaller than this: voxels, or a fraction of the largest", minimum=0
    )
    holes: float | None = option(
        default=None,
        help="fill enclosed holes up to this: voxels, or a fraction of the segment; 0: none. If not given, all holes "
        "of segments that had no holes in the training are filled",
        minimum=0,
        maximum=math.inf,
    )
    cells: bool = option(
        default=PredictRequest.cells, help="make touching cells segments of their own, as acseg split does"
    )
    native: bool = option(default=PredictRequest.native, help="run a Biomedisa model tile by tile at native resolution")
    stride: int = option(
        default=PredictRequest.stride,
        help="distance of patches of a Biomedisa model without --native",
        minimum=1,
        advanced=True,
    )
    resample: bool = option(
        default=PredictRequest.resample, help="resample images to the voxel size of the training", advanced=True
    )
    backend: str = option(
        default=PredictRequest.backend,
        help="library that computes the network",
        choices=("auto", "openvino", "pytorch"),
        aliases=("engine",),
        advanced=True,
    )
    precision: str = option(
        default=PredictRequest.precision,
        help="number type of the computation",
        choices=("auto", "float32", "bfloat16", "float16"),
        advanced=True,
    )
    tile: list[int] = option(
        default=[],
        help="tile size I J K; if not given, the largest that fits into memory",
        unit="voxels",
        advanced=True,
    )
    overlap: float = option(
        default=PredictRequest.overlap,
        help="overlap of tiles as a fraction of the training patch",
        minimum=0,
        maximum=0.5,
        advanced=True,
    )
    memory: float | None = option(default=None, help="memory that may be used", minimum=0.1, unit="GiB", advanced=True)


@dataclass
class PredictedImage:
    """What became of one image: its segments and the report of the prediction, or why there is none."""

    image: str
    error: str = ""
    segments: list[Json] = field(default_factory=list)
    report: PredictionReport = field(default_factory=PredictionReport)

    def to_dict(self) -> Json:
        """Give it as plain JSON values."""
        if self.error:
            return {"image": self.image, "error": self.error}
        return {"image": self.image, "segments": self.segments, **self.report.to_dict()}


@dataclass
class Results(BaseResults):
    """What a prediction gave for each image, and by which model; what failed and why, and what was there already."""

    optional: ClassVar[tuple[str, ...]] = ("failures", "skipped")

    model: Json
    images: list[PredictedImage]
    failures: dict[str, str] = field(default_factory=dict)
    skipped: list[str] = field(default_factory=list)


def run(options: Options, progress: Progress) -> Results:
    """Predict one image, or each image of a folder."""
    from ACSegLib.commands.inputs import find_images, is_folder_of_images
    from ACSegLib.files.atomic import output_folders

    share_freed_memory()
    check_opening(options)
    files = find_images(options.images)
    several = len(files) > 1 or is_folder_of_images(options.images[0])
    _opened_model.cache_clear()  # the file may have changed since
    model = _opened_model(options.model)
    _check_segments(options, model)
    targets = _targets(files, options, several, [segment.name for segment in model.segments])
    todo = list(zip(files, targets, strict=True))
    skipped = [file for file, places in todo if options.skip_existing and places.exist()]
    todo = [(file, places) for file, places in todo if file not in skipped]
    with output_folders(*_folders(options, several)):
        if several:
            rows, outputs = _predict_files(todo, options, progress)
        else:
            done = [_predict_file(file, places, model, options, part) for (file, places), part in progress.each(todo)]
            rows = [row for row, _ in done]
            outputs = {key: path for _, written in done for key, path in written.items()}
    _opened_model.cache_clear()
    failed = [row for row in rows if row.error]
    if failed and len(failed) == len(files):
        raise InputError(f"none of the {len(rows)} images could be predicted; the first: {failed[0].error}")
    card = {
        "title": model.card.get("title"),
        "file": options.model or "pretrained",
        "kind": model.spec.to_json()["kind"],
    }
    failures = {row.image: row.error for row in failed}
    return Results(card, rows, failures, skipped, outputs=outputs, exit_code=2 if failed else 0)


def describe(results: Results) -> str:
    """What was predicted, how, and what to know about it."""
    lines = []
    for image in results.images:
        if image.error:
            continue
        row = image.report
        counts = [f"{s['name']} {counted(s['voxels'], 'voxels')}" for s in image.segments[:LISTED]]
        lines.append(f"{image.image}: {', '.join(counts) or 'no segment'} ({row.seconds:.1f} s)")
        lines += more_lines(image.segments, "the run report (--json FILE)")
        reason = f" ({row.backend_reason})" if row.backend_reason else ""
        tiles = counted(row.tiles, "tiles")
        lines.append(f"  backend {row.backend}{reason}, device {row.device}, {row.precision}, {tiles}")
        lines += _expected(image)
        lines += [f"  note: {note}" for note in row.notes]
    lines += [f"written: {path}" for path in results.outputs.values()]
    if results.skipped:
        lines.append(f"skipped, because the results exist: {counted(len(results.skipped), 'images')}")
    return "\n".join([*lines, *failure_lines(results.failures, len(results.images))])


def _expected(image: PredictedImage) -> list[str]:
    """The intervals of the segments, one line each."""
    found = {row["name"]: row["voxels"] for row in image.segments}
    estimates = [e for e in image.report.estimates or [] if e.segment in found]
    lines = [f"  {e.segment}: {counted(found[e.segment], 'voxels')} {e.intervals(found[e.segment])}" for e in estimates]
    return [*lines, "  in brackets: 90 % intervals"] if lines else []


@dataclass(frozen=True)
class _Target:
    """Where the results of one image go: its segmentation, and the probabilities of each segment if wanted."""

    segmentation: Path
    probabilities: list[str]

    def exist(self) -> bool:
        """Whether all results are there; they are written whole, and all of them, or not at all."""
        return self.segmentation.exists() and all(Path(path).exists() for path in self.probabilities)


def _targets(files: list[str], options: Options, several: bool, segments: list[str]) -> list[_Target]:
    """Where each image's results go; whatever cannot be written there is refused now, not after the prediction."""
    from ACSegLib.commands.outputs import Output, check_outputs, names_folder, require_folder_name, segment_paths
    from ACSegLib.files.names import SEGMENTATION_ENDING, stem

    output = Path(options.output)
    if several and output.exists() and not output.is_dir():
        raise InputError(f"--output {output} is a file, but there are {len(files)} images; name a folder.")
    if several:
        require_folder_name(options.output)
    names = [stem(file) for file in files]
    double = sorted({name for name in names if names.count(name) > 1})
    if double:
        raise InputError(f"{names.count(double[0])} images are named {double[0]!r}; rename all but one.")
    into_folder = several or names_folder(options.output)
    targets = []
    for name in names:
        place = output / (name + SEGMENTATION_ENDING) if into_folder else output
        place_of_probabilities = _place_of_probabilities(options, name, place, several)
        targets.append(
            _Target(place, segment_paths(str(place_of_probabilities), segments) if place_of_probabilities else [])
        )
    outputs = [Output(str(target.segmentation), "--output", "image") for target in targets]
    outputs += [Output(path, "--probabilities", "image") for target in targets for path in target.probabilities]
    check_outputs(outputs, files, [os.path.realpath(folder) for folder in _folders(options, several)])
    return targets


def _folders(options: Options, several: bool) -> list[str]:
    """The folders that results are written into, one or none for segmentations and one or none for probabilities."""
    from ACSegLib.commands.outputs import names_folder

    folders = [options.output] if several or names_folder(options.output) else []
    return folders + ([str(options.probabilities)] if _names_folder_of_probabilities(options, several) else [])


def _names_folder_of_probabilities(options: Options, several: bool) -> bool:
    from ACSegLib.commands.outputs import names_folder

    path = options.probabilities or ""
    return bool(path) and (names_folder(path) or (several and not Path(path).suffix))


def _place_of_probabilities(options: Options, name: str, target: Path, several: bool) -> Path | None:
    if not options.probabilities:
        return None
    path = Path(options.probabilities)
    if _names_folder_of_probabilities(options, several):
        return path / f"{name}.nrrd"
    return target.with_name(f"{name}-{path.name}") if several else path


@functools.lru_cache(maxsize=1)
def _opened_model(path: str | None) -> Model:
    """The model; a worker process opens it once for all of its images."""
    from ACSegLib.network.model.pretrained import open_model

    return open_model(path, arrays=True)


def _predict_files(
    todo: Sequence[tuple[str, _Target]], options: Options, progress: Progress
) -> tuple[list[PredictedImage], dict[str, str]]:
    """Predict several images, ``options.workers`` at a time; whatever is wrong with one must not lose the others."""
    from ACSegLib.compute import threads, usable_memory
    from ACSegLib.files.registry import tell

    items = [Item(file, {"image": file}) for file, _ in todo]
    workers = min(options.workers or threads(), len(items))
    if workers > 1 and options.memory is None:
        options = replace(options, memory=usable_memory() / workers / 2**30)
    done: dict[str, Outcome] = {}
    for item, outcome in do_each(items, _predict_item, (options, dict(todo)), workers, progress):
        done[item.name] = outcome
        if workers > 1:
            progress(len(done) / len(items), f"{len(done)} of {len(items)}: {Path(item.name).name}")
    rows: list[PredictedImage] = []
    outputs: dict[str, str] = {}
    for item in items:  # in their order, whichever was ready first
        outcome = done[item.name]
        tell(outcome.notes)
        rows += [PredictedImage(item.name, outcome.error)] if outcome.error else [row["row"] for row in outcome.rows]
        for row in outcome.rows:
            outputs |= {f"{Path(item.name).name}: {key}": path for key, path in row["written"].items()}
    return rows, outputs


def _predict_item(item: Item, settings: tuple[Options, dict[str, _Target]], progress: Progress) -> list[Row]:
    """Predict one of several images, maybe in a process of its own."""
    options, targets = settings
    row, written = _predict_file(item.name, targets[item.name], _opened_model(options.model), options, progress)
    return [{"row": row, "written": written}]


def _check_segments(options: Options, model: Model) -> None:
    known = [segment.name for segment in model.segments]
    for name in options.largest:
        if name not in known:
            raise InputError(f"--largest {name}: the model has no such segment; it has: {', '.join(known)}.")


def _predict_file(
    file: str, target: _Target, model: Model, options: Options, progress: Progress
) -> tuple[PredictedImage, dict[str, str]]:
    from ACSegLib.compute import usable_memory
    from ACSegLib.files import save_segmentation
    from ACSegLib.files.atomic import all_or_none
    from ACSegLib.workflows import PredictRequest
    from ACSegLib.workflows import run as run_request
    from ACSegLib.workflows.predict import import_for_prediction

    import_for_prediction()
    stages = progress.stages(read=5, predict=87, write=8)
    stages.read(0.0, f"reading {Path(file).name}")
    volume = open_image(
        file, options, lazy_from=int(_IN_MEMORY_SHARE * ((options.memory or 0) * 2**30 or usable_memory()))
    )
    request = PredictRequest.from_options(volume, model, options)
    prediction = run_request(request, progress=stages.predict)
    segmentation = prediction.segmentation
    stages.write(0.0, f"writing {target.segmentation.name}")
    outputs = {"segmentation": str(target.segmentation)}
    with all_or_none():
        if target.probabilities:
            written, lost = _write_probabilities(prediction, model, volume, target.probabilities)
            outputs |= written
            prediction.report.notes += lost
        prediction.report.notes += save_segmentation(segmentation, target.segmentation)
    counts = [{"name": s.name, "value": s.value, "voxels": _count(segmentation, s)} for s in segmentation.segments]
    return PredictedImage(file, segments=counts, report=prediction.report), outputs


def _count(segmentation: Segmentation, segment: Any) -> int:
    from ACSegLib.masks import count_value

    return count_value(segmentation.layers[segment.layer], segment.value)


def _write_probabilities(
    prediction: Prediction, model: Model, volume: Volume, paths: list[str]
) -> tuple[dict[str, str], list[str]]:
    """Write a volume for each segment; gives the files, and a sentence for each thing that their format cannot hold."""
    import numpy as np

    from ACSegLib.files import save_volume
    from ACSegLib.volume import Volume

    assert prediction.probabilities is not None
    first = 1 if not model.spec.overlapping else 0
    outputs, lost = {}, list[str]()
    for segment, array, place in zip(model.segments, prediction.probabilities[first:], paths, strict=True):
        lost += save_volume(Volume(np.asarray(array, np.float32), volume.geometry, segment.name), place)
        outputs[f"probabilities of {segment.name}"] = place
    return outputs, lost
