"""Every option that a front end accepts reaches the fill, and a request does the same wherever it is carried out."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ACSegLib.commands import fill as command
from ACSegLib.commands import load
from ACSegLib.commands.cli_modules import CLI_MODULES, option_values, parameters
from ACSegLib.commands.options import OptionInfo, describe_options, from_mapping
from ACSegLib.errors import InputError
from ACSegLib.files import content
from ACSegLib.fill_report import FillReport
from ACSegLib.jobs import Progress
from ACSegLib.segment_estimates import TAG
from ACSegLib.volume import Geometry, Segment, Segmentation, Volume
from ACSegLib.workflows import FillOutcome, FillRequest, MeasureRequest, plan, run

OPTIONS = describe_options(command.Options)
NEEDED = {"image": "image.nrrd", "labels": "labels.nrrd", "output": "out.seg.nrrd"}
#: Values for options whose text has a meaning.
VALUES: dict[str, Any] = {
    "output": "other.seg.nrrd",
    "probabilities": "p.nrrd",
    "uncertainty": "u.nrrd",
    "background": "bead",
    "ignore": "bead",
    "only": ["ball"],
    "leave_out": ["bead"],
    "edge": 4.0,
    "box": [2, 18, 2, 18, 2, 18],
    "region": [285.0, 285.0, 285.0, 240.0, 240.0, 240.0],
    "voxel_size": "20,20,20",
}
#: Options that mean something only beside others.
BESIDE: dict[str, dict[str, Any]] = {"voxel_size": {"unit": "um"}}


def another_value(info: OptionInfo) -> Any:
    """A value that the option accepts and that is not its default."""
    if info.name in VALUES:
        return VALUES[info.name]
    if info.name == "slices":
        return ["4,8,12"] if info.repeated else "4,8,12"
    if info.metadata["choices"]:
        return next(c for c in info.metadata["choices"] if c != info.default)
    if info.type is bool:
        return not info.default
    if info.type in (int, float):
        return info.type(info.metadata["minimum"] or 0) + 2
    return ["other"] if info.repeated else "other"


def ball(size: int = 20) -> tuple[Volume, Segmentation]:
    """A noisy ball of which every fourth slice is labelled, and a bead beside it."""
    k, j, i = np.indices((size,) * 3) - size // 2
    inside = k**2 + j**2 + i**2 < 49
    image = (inside + np.random.default_rng(0).normal(0, 0.1, inside.shape)).astype(np.float32)
    labels = np.zeros(inside.shape, np.uint8)
    labels[4:17:4] = inside[4:17:4]
    labels[4:17:4, 1:4, 1:4] = 2
    geometry = Geometry((30.0, 30.0, 30.0), unit="nm")
    return Volume(image, geometry, "image"), Segmentation.from_labels(labels, geometry, {1: "ball", 2: "bead"})


def settings(request: FillRequest) -> dict[str, Any]:
    """What a request asks for, its arrays apart."""
    return request.pack()[0]["settings"]


@pytest.fixture
def trace(monkeypatch: pytest.MonkeyPatch):
    """Run the command, and give all that it opens, asks for and writes."""
    volume, labels = ball()
    volume.geometry = replace(volume.geometry, unit="px")

    def traced(options: Any) -> str:
        seen: list[Any] = []

        def noted(name: str, result: Any):
            def call(*a: Any, **k: Any) -> Any:
                seen.append([name, *map(str, a), sorted(map(str, k.items())), content._external_data.get()])
                return result

            return call

        def noted_run(request: FillRequest, **_: Any) -> FillOutcome:
            seen.append([settings(request), str(request.volume.geometry)])
            shape = volume.shape
            probabilities = {s.id: np.zeros(shape, np.float16) for s in labels.segments if request.probabilities}
            suggested = list(range(request.suggest))
            uncertainty = np.zeros(shape, np.uint8)
            report = FillReport("k", {}, [], [], {}, [], "cg", 1.0, 1.0, 1.0, 1e-3, [])
            return FillOutcome(labels, uncertainty, probabilities, report, {}, None, suggested, request)

        monkeypatch.setattr("ACSegLib.files.open_volume", noted("open_volume", volume))
        monkeypatch.setattr("ACSegLib.files.open_segmentation", noted("open_segmentation", labels))
        monkeypatch.setattr("ACSegLib.files.save_segmentation", noted("save_segmentation", []))
        monkeypatch.setattr("ACSegLib.files.save_volume", noted("save_volume", []))
        monkeypatch.setattr("ACSegLib.workflows.run", noted_run)
        seen.append(command.run(options, Progress()))
        return json.dumps(seen, default=str)

    return traced


@pytest.mark.parametrize("info", OPTIONS, ids=lambda info: info.name)
def test_every_option_of_the_shell_changes_what_is_done(info: OptionInfo, trace, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    given = {**NEEDED, **BESIDE.get(info.name, {})}
    changed = {**given, info.name: another_value(info)}
    if info.name == "skip_existing":
        Path(given["output"]).touch()
    assert trace(from_mapping(command.Options, changed)) != trace(from_mapping(command.Options, given))


@pytest.mark.parametrize("parameter", parameters(CLI_MODULES["ACSegFill"]), ids=lambda p: p.name)
def test_every_parameter_of_the_cli_module_changes_the_options(parameter) -> None:
    required = ["--output", "o.seg.nrrd", "image.nrrd", "labels.nrrd"]
    before = option_values("ACSegFill", required)
    value = another_value(parameter.info)
    text = ",".join(map(str, value)) if isinstance(value, list) else str(value)
    if parameter.index is not None:
        required[2 + parameter.index] = "other.nrrd"
        arguments = required
    elif parameter.element == "boolean":
        arguments = [parameter.flag, *required]
    else:
        arguments = [*required, parameter.flag, text]
    after = option_values("ACSegFill", arguments)
    assert after != before
    from_mapping(load("fill").Options, after[0])


def test_the_requests_defaults_are_the_options_defaults() -> None:
    volume, labels = ball()
    options = from_mapping(command.Options, NEEDED)
    assert settings(FillRequest.from_options(volume, labels, options)) == settings(
        FillRequest(volume=volume, labels=labels)
    )


def test_axes_have_two_names_and_slices_several_forms() -> None:
    volume, labels = ball()

    def slices(given: Any, axis: str = "auto") -> Any:
        return FillRequest(volume=volume, labels=labels, slices=given, axis=axis).slices

    assert slices("10,30") == slices([10, 30]) == slices(["10", "30"]) == slices({"z": [30, 10]}) == {"k": [10, 30]}
    assert slices("10:90:20") == {"k": [10, 30, 50, 70, 90]}
    assert slices("3:5", axis="y") == {"j": [3, 4, 5]}
    assert slices("z:10,30 x:0,57") == slices(["z:10,30", "x:0,57"]) == {"k": [10, 30], "i": [0, 57]}
    assert slices("10 k:20:40:10,60 j:1", axis="i") == {"i": [10], "k": [20, 30, 40, 60], "j": [1]}
    assert slices([]) is slices(None) is None
    for wrong in ("", "six", "z:", "q:3", "1:2:0", "3-5", "-1"):
        with pytest.raises(InputError, match="not a list of slice numbers"):
            slices(wrong)
    with pytest.raises(InputError, match="names no axis"):
        slices("3,5", axis="all")
    assert slices("z:3,5", axis="all") == {"k": [3, 5]}


@pytest.fixture(scope="module")
def filled() -> FillOutcome:
    volume, labels = ball()
    return run(FillRequest(volume=volume, labels=labels, device="cpu", probabilities=True, suggest=1))


def test_an_ignored_segment_stays_out_and_is_filled(filled: FillOutcome) -> None:
    volume, labels = ball()
    labels.labels[8, 9:12, 9:12] = 2
    outcome = run(FillRequest(volume=volume, labels=labels, device="cpu", ignore="bead"))
    assert [s.name for s in outcome.segmentation.segments] == ["ball"]
    assert outcome.segmentation.mask("ball")[8, 9:12, 9:12].all()
    assert np.array_equal(outcome.merged_with(labels).labels, outcome.segmentation.labels)


@pytest.mark.parametrize("choice", [{"leave_out": ["bead"]}, {"only": ["ball"]}])
def test_segments_left_out_stay_out(filled: FillOutcome, choice: dict[str, list[str]]) -> None:
    volume, labels = ball()
    outcome = run(FillRequest(volume=volume, labels=labels, device="cpu", **choice))
    expected = np.where(filled.segmentation.labels == 1, 1, 0)
    assert [s.name for s in outcome.segmentation.segments] == ["ball"]
    assert [e.segment for e in outcome.report.estimates] == ["ball"]
    assert np.array_equal(outcome.segmentation.labels, expected)
    assert np.array_equal(outcome.merged_with(labels).labels, expected)
    with pytest.raises(InputError, match="nobody"):
        run(FillRequest(volume=volume, labels=labels, only=["nobody"]))


def test_protected_voxels_keep_what_is_drawn_there(filled: FillOutcome) -> None:
    volume, labels = ball()
    protected = np.zeros(volume.shape, bool)
    protected[:, 10:] = True
    outcome = run(FillRequest(volume=volume, labels=labels, device="cpu"), filled, protected)
    assert np.array_equal(outcome.segmentation.labels[protected], labels.labels[protected])
    assert np.array_equal(outcome.segmentation.labels[~protected], filled.segmentation.labels[~protected])


def test_what_an_earlier_fill_leaves_to_do(filled: FillOutcome) -> None:
    volume, labels = ball()

    def wanted(**changed: Any) -> str:
        return plan(FillRequest(**{"volume": volume, "labels": labels, "device": "cpu", **changed}), filled)

    assert wanted() == wanted(smooth=1.0) == wanted(leave_out=["bead"]) == "finish"
    edited = Segmentation((labels.labels.copy(),), labels.segments, labels.geometry)
    edited.labels[10] = edited.labels[8]
    assert wanted(labels=edited) == "refill"
    other = Volume(volume.array + np.float32(1), volume.geometry)
    assert wanted(volume=other) == "fill"
    assert wanted(volume=Volume(volume.array.copy(), volume.geometry)) == "finish"
    assert wanted(labels=Segmentation(labels.layers, [*labels.segments, Segment("new", 3)])) == "fill"
    assert wanted(slices="0:16:4") == "refill"
    for name in ("axis", "mode", "background", "ignore", "device", "gamma", "edge", "memory"):
        info = next(info for info in OPTIONS if info.name == name)
        value = "auto" if name == "device" else another_value(info)
        assert wanted(**{name: value}) == "fill", name
    assert plan(FillRequest(volume=volume, labels=labels), None) == "fill"


def test_a_refill_and_a_new_clean_up_start_from_the_earlier_fill(filled: FillOutcome) -> None:
    volume, labels = ball()
    edited = Segmentation((labels.labels.copy(),), labels.segments, labels.geometry)
    edited.labels[10] = edited.labels[8]
    again = run(FillRequest(volume=volume, labels=edited, device="cpu"), previous=filled)
    assert again.refilled == [10]
    assert again.report.slabs == [[8, 10], [10, 12]]
    assert np.array_equal(again.segmentation.labels[10], edited.labels[10])
    cleaned = run(FillRequest(volume=volume, labels=labels, device="cpu", islands=100), previous=filled)
    assert cleaned.refilled == []
    assert cleaned.result is filled.result


def test_a_listed_slice_without_labels_is_refilled_and_becomes_background(filled: FillOutcome) -> None:
    volume, labels = ball()
    listed = sorted({*filled.slices["k"], 9})
    assert filled.segmentation.labels[9].any()
    emptied = run(FillRequest(volume=volume, labels=labels, device="cpu", slices=listed), previous=filled)
    assert emptied.refilled == [9]
    assert not emptied.segmentation.labels[9].any()
    assert emptied.slices == {"k": listed}
    back = run(FillRequest(volume=volume, labels=labels, device="cpu"), previous=emptied)
    assert back.refilled == [9]
    assert np.array_equal(back.segmentation.labels, filled.segmentation.labels)


def test_a_request_and_its_outcome_can_travel(filled: FillOutcome) -> None:
    """By JSON and arrays alone, to a process that keeps the state, and back."""
    volume, labels = ball()
    sent = FillRequest(volume=volume, labels=labels, device="cpu", holes=np.inf, slices="4:16:4", only=["ball"])
    message, arrays = sent.pack()
    assert set(arrays) == {"image", "labels 0"}
    there = FillRequest.unpack(json.loads(json.dumps(message)), arrays)
    assert settings(there) == settings(sent)
    kept = run(there)
    packed, results = kept.pack()
    assert all(isinstance(array, np.ndarray) for array in results.values())
    back = FillOutcome.unpack(json.loads(json.dumps(packed)), results, sent)
    assert back.result is None
    assert back.report == kept.report
    assert [vars(s) for s in back.segmentation.segments] == [vars(s) for s in kept.segmentation.segments]
    assert np.array_equal(back.segmentation.labels, kept.segmentation.labels)
    assert back.segmentation.geometry == kept.segmentation.geometry
    assert np.array_equal(back.merged_with(labels).labels, kept.segmentation.labels)
    del arrays["image"]
    again = FillRequest.unpack(message, arrays, previous=kept)
    assert plan(again, kept) == "finish"
    assert plan(again, back) == "fill", "without its state nothing can be kept"
    with pytest.raises(InputError, match="no image"):
        FillRequest.unpack(message, arrays)


def test_probabilities_travel_by_segment(filled: FillOutcome) -> None:
    message, arrays = filled.pack()
    back = FillOutcome.unpack(message, arrays, filled.request)
    assert {name: array.dtype for name, array in back.probabilities.items()} == {
        s.id: np.float16 for s in filled.segmentation.segments
    }
    assert len(back.suggested) == 1


def test_an_outcome_describes_itself_in_one_line():
    text = repr(run(FillRequest(volume=ball()[0], labels=ball()[1], gamma=1.0)))
    assert "labelled slices k = " in text
    assert len(text) < 300
    assert "\n" not in text


def test_the_volume_that_is_expected_goes_with_the_segmentation(filled: FillOutcome) -> None:
    volume, labels = ball()
    (interval,) = [e.voxels for e in filled.report.estimates if e.segment == "ball"]
    rows = run(MeasureRequest(labels=filled.segmentation, unit="px", cells=False, thin_parts=False))
    found = next(row for row in rows if row["segment"] == "ball")
    assert (found["volume_low"], found["volume_high"]) == pytest.approx((interval.low, interval.high), abs=0.5)
    merged = run(MeasureRequest(labels=filled.merged_with(labels), unit="px", cells=False, thin_parts=False))
    assert merged == rows
    sparse = Segmentation(labels.layers, filled.segmentation.segments, labels.geometry)  # with the interval's tag
    again = run(FillRequest(volume=volume, labels=sparse, gamma=1.0, device="cpu"))
    assert again.report.estimates == []
    assert not any(TAG in segment.tags for segment in again.segmentation.segments)


def test_a_segment_is_not_both_kept_and_left_out() -> None:
    volume, labels = ball()
    name = labels.segments[0].name
    with pytest.raises(InputError, match=f"'{name}' is named by --only and by --leave-out"):
        run(FillRequest(volume=volume, labels=labels, only=(name,), leave_out=(name,)))
