"""The runs of a learning curve: what each trains and tests on, its training, and its scores.

A run is done again when one of its files changes: training images and labels, test images and their truth. A network is
trained again only when what it is trained on changes, or how; other test volumes are predicted with the one there is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ACSegLib.commands.batch import Item
from ACSegLib.commands.opening import (
    ImageDatasetOption,
    LabelsDatasetOption,
    VoxelSizeOptions,
    open_image,
    open_labels,
)
from ACSegLib.errors import InputError
from ACSegLib.files.names import path_from
from ACSegLib.jobs import Progress
from ACSegLib.json_values import Row
from ACSegLib.placement import in_one_unit, place_labels

if TYPE_CHECKING:
    from ACSegLib.commands.pairs import PairOfFiles
    from ACSegLib.volume import Segmentation, Volume

Rows = list[Row]

#: Beginnings of the roles of a run's test files, before the name of the test volume.
_TEST_IMAGE, _TEST_LABELS = "test image ", "test labels "
#: Settings that a trained network depends on.
_TRAINED_BY = (
    *("preset", "minutes", "epochs", "seed", "resample"),
    *("voxel_size", "unit", "image_dataset", "labels_dataset", "external_data"),
)


@dataclass(kw_only=True)
class RunSettings(LabelsDatasetOption, ImageDatasetOption, VoxelSizeOptions):
    """Options of ``acseg learning-curve`` that every run shares; the journal holds for runs with the same ones."""

    output: str
    preset: str
    minutes: float | None
    epochs: int | None
    device: str
    seed: int
    resample: bool


def design_run(
    kind: str,
    pairs: Sequence[PairOfFiles],
    tests: Sequence[PairOfFiles],
    count: int,
    repeat: int,
    seed: int,
    folder: Path,
) -> Item:
    """One run: `count` of the pairs, drawn at random; their table is written to `folder`.

    Subsets of one seed are nested (the 10 hold the 5) and the same for each kind of labels, so runs compare in pairs.
    """
    import numpy as np

    order = np.random.default_rng(seed + repeat).permutation(len(pairs))
    by_name = sorted(pairs, key=lambda p: p.name)
    chosen = sorted((by_name[n] for n in order[:count]), key=lambda p: p.name)
    table = folder / f"{kind}-{count:03d}-{repeat}.csv"
    _write_table(chosen, table)
    files = {"table": str(table)}
    for pair in chosen:
        files |= {f"image {pair.name}": pair.image, f"labels {pair.name}": pair.labels}
    for pair in tests:
        files |= {_TEST_IMAGE + pair.name: pair.image, _TEST_LABELS + pair.name: pair.labels}
    return Item(table.stem, files, {"labels": kind, "count": str(count), "repeat": str(repeat)})


def _write_table(pairs: Sequence[PairOfFiles], table: Path) -> None:
    """Write the training table of a run; an equal one is left alone, so that the run still counts as finished."""
    lines = ["image,labels,set"]
    for pair in pairs:
        image, labels = (path_from(p, table.parent) for p in (pair.image, pair.labels))
        lines.append(f'"{image}","{labels}",train')
    text = "\n".join(lines) + "\n"
    if not table.exists() or table.read_text(encoding="utf-8") != text:
        table.write_text(text, encoding="utf-8")


def check_tests(tests: Sequence[PairOfFiles], segment: str, settings: RunSettings) -> None:
    """Find out before hours of training whether their networks can be scored.

    Raises
    ------
    InputError
        If a truth does not lie on its image, or none has the segment to be scored.
    """
    known: dict[str, None] = {}
    for pair in tests:
        truth = _truth_of(pair.labels, open_image(pair.image, settings, lazy_from=0), settings)
        known |= dict.fromkeys(s.name for s in truth.segments)
    if not known:
        raise InputError("the labels of the test volumes hold no segment; there is nothing to score.")
    if segment and segment not in known:
        raise InputError(f"no test volume has a segment named {segment!r} to score; there are: {', '.join(known)}.")


def _truth_of(path: str, volume: Volume, settings: RunSettings) -> Segmentation:
    """The labels of a test volume, on its grid."""
    from ACSegLib.special_segments import structures
    from ACSegLib.volume import require_same_grid

    truth, _, _ = structures(open_labels(path, settings))
    truth, placed = in_one_unit(place_labels(truth, volume, resample=settings.resample), volume)
    require_same_grid(placed, truth)
    return truth


def one_run(item: Item, settings: RunSettings, progress: Progress) -> Rows:
    """Train on one subset and test; gives a row for each segment of each test volume."""
    from ACSegLib.measure.overlap import compare_segmentations
    from ACSegLib.network.model.model_file import load_model
    from ACSegLib.workflows import PredictRequest
    from ACSegLib.workflows import run as run_request

    stages = progress.stages(train=8, test=2)
    path = _trained_model(item, settings, stages.train)
    model = load_model(path)
    run = {"labels": item.values["labels"], "volumes": int(item.values["count"]), "repeat": int(item.values["repeat"])}
    names = [role.removeprefix(_TEST_IMAGE) for role in item.files if role.startswith(_TEST_IMAGE)]
    rows = []
    for name, part in stages.test.each(names):
        volume = open_image(item.files[_TEST_IMAGE + name], settings)
        request = PredictRequest(volume=volume, model=model, device=settings.device)
        found = run_request(request, progress=part).segmentation
        truth = _truth_of(item.files[_TEST_LABELS + name], volume, settings)
        for scores in compare_segmentations(found, truth, distances=False):
            row = {**run, "volume_name": name, "dice": scores["dice"], "segment": scores["segment"]}
            rows.append({**row, "model": str(path)})
    return rows


def _trained_model(item: Item, settings: RunSettings, progress: Progress) -> Path:
    """The network of a run: trained, unless it is there and was trained on the same files in the same way."""
    from ACSegLib.commands import train
    from ACSegLib.network.train.checkpoint import discard
    from ACSegLib.workflows.train import beside

    path = Path(settings.output) / "models" / f"{item.name}.acseg"
    checkpoint, note = beside(path, ".checkpoint"), beside(path, ".trained-on")
    course = _course(item, settings)
    if not note.exists() or note.read_text(encoding="utf-8") != course:
        path.unlink(missing_ok=True)
        discard(checkpoint)
        note.write_text(course, encoding="utf-8")
    if path.exists():
        return path
    count, repeat = int(item.values["count"]), int(item.values["repeat"])
    options = train.Options(
        output=str(path),
        table=item.files["table"],
        preset=settings.preset,
        minutes=settings.minutes,
        epochs=settings.epochs,
        device=settings.device,
        seed=settings.seed + repeat,
        validation_part=0.2 if count >= 5 else 0.0,
        resample=settings.resample,
        voxel_size=settings.voxel_size,
        unit=settings.unit,
        image_dataset=settings.image_dataset,
        labels_dataset=settings.labels_dataset,
        external_data=settings.external_data,
        resume=checkpoint.exists(),
    )
    train.run(options, progress)
    return path


def _course(item: Item, settings: RunSettings) -> str:
    """What a network is trained on, and how, as a fingerprint; where it is trained does not matter."""
    files = {role: path for role, path in item.files.items() if not role.startswith((_TEST_IMAGE, _TEST_LABELS))}
    how = {key: str(getattr(settings, key)) for key in _TRAINED_BY}
    return Item(item.name, files, {**item.values, **how}).fingerprint()


def scores_of(rows: Rows, segment: str) -> Rows:
    """The rows of one segment, or for each run and test volume the mean of all segments."""
    if segment:
        return [row for row in rows if row["segment"] == segment]
    volumes: dict[tuple[Any, ...], Rows] = {}
    for row in rows:
        volumes.setdefault((row["model"], row["volume_name"]), []).append(row)
    return [
        {**group[0], "dice": sum(row["dice"] for row in group) / len(group), "segment": "mean"}
        for group in volumes.values()
    ]
