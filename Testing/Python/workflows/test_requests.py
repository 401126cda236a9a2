"""Requests: every option of their commands is in them, with the same defaults."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ACSegLib.commands import load
from ACSegLib.commands.options import OptionInfo, describe_options, from_mapping
from ACSegLib.volume import Geometry, Segmentation, Volume
from ACSegLib.workflows import CompareRequest, MeasureRequest, PredictRequest, TrainRequest, run
from ACSegLib.workflows.packing import settings_of

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
#: Fields of requests that are no options.
DATA = ("volume", "model", "labels", "result", "reference", "ignored")
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
        return settings_of(PredictRequest.from_options(volume, None, options), DATA)  # type: ignore[arg-type]
    return settings_of(MeasureRequest.from_options(labels, volume, options), DATA)


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
    assert request_of(command, {}) == settings_of(plain, DATA)


def test_a_measurement_counts_in_the_unit_asked_for() -> None:
    volume, labels = ball()
    rows = run(MeasureRequest(labels=labels, volume=volume, unit="nm", cells=False, segments=["cell"]))
    assert [row["segment"] for row in rows] == ["cell"]
    assert rows[0]["volume"] == pytest.approx(int(labels.labels.sum()) * 30.0 * 30.0 * 40.0)


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


def test_a_comparison_leaves_ignored_voxels_out() -> None:
    _, labels = ball()
    half = labels.with_labels(labels.labels.copy())
    half.labels[6:] = 0
    ignored = np.zeros(labels.shape, bool)
    ignored[6:] = True
    rows = run(CompareRequest(result=half, reference=labels, ignored=ignored, unit="nm", segments=["cell"]))
    assert [(row["segment"], row["dice"], row["unit"]) for row in rows] == [("cell", 1.0, "nm")]
    counted = run(CompareRequest(result=half, reference=labels))
    whole, lower = int(labels.labels.sum()), int(half.labels.sum())
    assert counted[0]["dice"] == pytest.approx(2 * lower / (whole + lower))


@pytest.mark.parametrize("info", describe_options(load("compare").Options), ids=lambda i: i.name)
def test_every_option_of_a_comparison_is_in_the_request_or_is_about_files(info: OptionInfo) -> None:
    def settings(**values: Any) -> dict[str, Any]:
        options = from_mapping(load("compare").Options, {"result": "a", "truth": "b", **values})
        return settings_of(CompareRequest.from_options(labels, labels, None, options), DATA)

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
    asked = CompareRequest.from_options(labels, labels, None, options)
    assert settings_of(asked, DATA) == settings_of(plain, DATA)
