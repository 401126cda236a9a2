"""Requests for a prediction and for a measurement: every option of their commands is in them, and they travel."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ACSegLib.commands import load
from ACSegLib.commands.options import OptionInfo, describe_options, from_mapping
from ACSegLib.volume import Geometry, Segmentation, Volume
from ACSegLib.workflows import CompareRequest, MeasureRequest, PredictRequest, TrainRequest, run

NEEDED: dict[str, dict[str, Any]] = {
    "predict": {"images": ["a.nrrd"], "output": "b.seg.nrrd"},
    "measure": {"inputs": ["a.seg.nrrd"], "output": "t.csv"},
}
#: Options that say how files are opened, placed and shared out; the request is made from what was opened.
OPENING = {
    "voxel_size",
    "unit",
    "image_dataset",
    "labels_dataset",
    "file_unit",
    "resample",
    "workers",
    "external_data",
    "skip_existing",
}
#: Paths that the request takes as a wish.
WISHES = {"probabilities"}


def ball() -> tuple[Volume, Segmentation]:
    k, j, i = np.indices((12, 14, 16)) - np.array([6, 7, 8])[:, None, None, None]
    geometry = Geometry((30.0, 30.0, 40.0), unit="nm")
    labels = (k * k + j * j + i * i < 25).astype(np.uint8)
    return Volume(labels.astype(np.float32), geometry, "image"), Segmentation.from_labels(labels, geometry, {1: "cell"})


def request_of(command: str, values: dict[str, Any]) -> dict[str, Any]:
    """Settings of the request that a command makes of its options."""
    options = from_mapping(load(command).Options, {**NEEDED[command], **values})
    volume, labels = ball()
    if command == "predict":
        return PredictRequest.from_options(volume, None, options).pack()[0]["settings"]  # type: ignore[arg-type]
    return MeasureRequest.from_options(labels, volume, options).pack()[0]["settings"]


def another_value(info: OptionInfo) -> Any:
    if info.metadata["choices"]:
        value: Any = next(c for c in info.metadata["choices"] if c != info.default)
    elif info.type is bool:
        value = not info.default
    elif info.type in (int, float):
        high = info.metadata["maximum"]
        value = info.type(high if high is not None else (info.metadata["minimum"] or 0) + 2)
    else:
        value = "other"
    return [value] if info.repeated else value


@pytest.mark.parametrize(
    ("command", "info"),
    [(c, i) for c in NEEDED for i in describe_options(load(c).Options)],
    ids=lambda v: v if isinstance(v, str) else v.name,
)
def test_every_option_is_in_the_request_or_is_about_files(command: str, info: OptionInfo) -> None:
    before, after = request_of(command, {}), request_of(command, {info.name: another_value(info)})
    if (info.metadata["path"] and info.name not in WISHES) or (info.name in OPENING and info.name not in before):
        assert after == before
    else:
        assert after != before


@pytest.mark.parametrize("command", NEEDED)
def test_the_requests_defaults_are_the_options_defaults(command: str) -> None:
    volume, labels = ball()
    plain: Any = PredictRequest(volume=volume, model=None)  # type: ignore[arg-type]
    if command == "measure":
        plain = MeasureRequest(labels=labels, volume=volume)
    assert request_of(command, {}) == plain.pack()[0]["settings"]


def test_a_measurement_travels_and_counts_in_the_unit_asked_for() -> None:
    volume, labels = ball()
    sent = MeasureRequest(labels=labels, volume=volume, unit="nm", cells=False, segments=["cell"])
    message, arrays = sent.pack()
    rows = run(MeasureRequest.unpack(json.loads(json.dumps(message)), arrays))
    assert [row["segment"] for row in rows] == ["cell"]
    assert rows[0]["volume"] == pytest.approx(int(labels.labels.sum()) * 30.0 * 30.0 * 40.0)
    assert rows[0] == run(sent)[0]
    without = MeasureRequest(labels=labels)
    assert MeasureRequest.unpack(*without.pack()).volume is None


def test_a_prediction_travels_without_its_model() -> None:
    volume, _ = ball()
    sent = PredictRequest(volume=volume, model=None, roi=[0, 8, 0, 8, 0, 8], refine="none")  # type: ignore[arg-type]
    message, arrays = sent.pack()
    there = PredictRequest.unpack(json.loads(json.dumps(message)), arrays, model=None)  # type: ignore[arg-type]
    assert there.pack()[0] == message
    assert np.array_equal(there.volume.array, volume.array)


#: Options of ``acseg train`` that say where files are, or what happens after the main network.
BESIDE_TRAINING = {"output", "images", "labels", "val_images", "val_labels", "table", "init", "licence", "note"}


@pytest.mark.parametrize("info", describe_options(load("train").Options), ids=lambda i: i.name)
def test_every_option_of_a_training_changes_its_settings_or_is_about_files(info: OptionInfo) -> None:
    from ACSegLib.commands import train

    special = {"spacing": "30,30,40", "patch": [32, 32, 32]}

    def settings(**values: Any) -> str:
        options = from_mapping(train.Options, {"output": "m.acseg", **values})
        return repr(TrainRequest.from_options([], [], options, model_file=Path("m.acseg")).settings())

    value = special.get(info.name, another_value(info))
    if info.name in OPENING | BESIDE_TRAINING | {"surface_refinement"}:
        assert settings(**{info.name: value}) == settings()
    else:
        assert settings(**{info.name: value}) != settings()


def test_a_trainings_defaults_are_the_options_defaults() -> None:
    request = TrainRequest(cases=[])
    options = {info.name: info.default for info in describe_options(load("train").Options)}
    for name in set(vars(request)) - {"cases", "held_out", "model_file", "init"}:
        assert options[name] == (list(request.patch) if name == "patch" else getattr(request, name)), name


def test_a_trainings_defaults_are_those_of_its_settings() -> None:
    from ACSegLib.network.train.settings import TrainingSettings

    request = TrainRequest(cases=[])
    for field in dataclasses.fields(TrainingSettings):
        if hasattr(request, field.name) and field.name not in ("tensorboard", "scratch"):
            asked = getattr(request, field.name)
            assert asked == field.default, (
                f"change the default of {field.name} in ACSegLib/network/train/settings.py, too"
            )


def test_a_training_that_names_no_file_writes_none() -> None:
    settings = TrainRequest(cases=[]).settings()
    assert (settings.checkpoint, settings.table, settings.plot, settings.keep_checkpoint) == (None, None, None, False)


def test_a_training_travels_with_its_cases() -> None:
    from ACSegLib.network.train.data import Case

    volume, labels = ball()
    sent = TrainRequest(cases=[Case.of(volume, labels, "ball")], patch=[16, 16, 16], seed=3, model_file=Path("m.acseg"))
    message, arrays = sent.pack()
    there = TrainRequest.unpack(json.loads(json.dumps(message)), arrays)
    assert repr(there.settings()) == repr(sent.settings())
    assert there.cases[0].name == "ball"
    assert np.array_equal(there.cases[0].open_image().array, volume.array)
    assert np.array_equal(there.cases[0].open_labels().labels, labels.labels)
    assert there.cases[0].open_labels().geometry == labels.geometry


def test_a_comparison_travels_and_leaves_ignored_voxels_out() -> None:
    _, labels = ball()
    half = labels.with_labels(labels.labels.copy())
    half.labels[6:] = 0
    ignored = np.zeros(labels.shape, bool)
    ignored[6:] = True
    sent = CompareRequest(result=half, reference=labels, ignored=ignored, unit="nm", segments=["cell"])
    message, arrays = sent.pack()
    rows = run(CompareRequest.unpack(json.loads(json.dumps(message)), arrays))
    assert [(row["segment"], row["dice"], row["unit"]) for row in rows] == [("cell", 1.0, "nm")]
    counted = run(CompareRequest(result=half, reference=labels))
    whole, lower = int(labels.labels.sum()), int(half.labels.sum())
    assert counted[0]["dice"] == pytest.approx(2 * lower / (whole + lower))


@pytest.mark.parametrize("info", describe_options(load("compare").Options), ids=lambda i: i.name)
def test_every_option_of_a_comparison_is_in_the_request_or_is_about_files(info: OptionInfo) -> None:
    def settings(**values: Any) -> dict[str, Any]:
        options = from_mapping(load("compare").Options, {"result": "a", "truth": "b", **values})
        return CompareRequest.from_options(labels, labels, None, options).pack()[0]["settings"]

    _, labels = ball()
    beside = {
        "result",
        "truth",
        "output",
        "ignore_value",
        "exclude_border",
    }  # opened, written, or left out of the table
    value = "z3" if info.name == "slice" else another_value(info)
    if info.name in (OPENING - {"unit"}) | beside:
        assert settings(**{info.name: value} if info.name not in ("result", "truth") else {}) == settings()
    else:
        assert settings(**{info.name: value}) != settings()


def test_a_comparisons_defaults_are_the_options_defaults() -> None:
    _, labels = ball()
    options = from_mapping(load("compare").Options, {"result": "a", "truth": "b"})
    plain = CompareRequest(result=labels, reference=labels)
    assert CompareRequest.from_options(labels, labels, None, options).pack()[0] == plain.pack()[0]
