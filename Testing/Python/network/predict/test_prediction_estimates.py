"""What tells how right a prediction is, and how its intervals reach the labels and a measurement."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from known_networks import threshold_model

from ACSegLib.commands.predict import PredictedImage, _expected
from ACSegLib.network.model.model_file import Model
from ACSegLib.network.predict import estimates
from ACSegLib.network.predict.inference import PredictionSettings, predict
from ACSegLib.segment_estimates import TAG, Estimator
from ACSegLib.volume import Geometry, Segmentation, Volume
from ACSegLib.workflows import MeasureRequest, PredictRequest, run_measure, run_predict

NOTHING = (0,) * 8


def first(value: float) -> tuple[float, ...]:
    """Coefficients of a model that knows the result whatever its inputs are."""
    return (value, *NOTHING[1:])


#: A known error of one in a hundred, and a volume that is found two percent too small, each to a tenth.
KNOWN = Estimator(first(np.log(0.01)), NOTHING, (-0.1, 0.1), (0.02, 0), first(np.log(0.01)), 1.0)


def image() -> Volume:
    from scipy.ndimage import gaussian_filter

    grey = gaussian_filter(np.random.default_rng(1).normal(size=(15, 22, 18)), 2.0)
    return Volume((grey / grey.std()).astype(np.float32), Geometry((30, 30, 30), unit="nm"))


def predicted(model: Model, tta: bool = True, tile: tuple[int, int, int] | None = (8, 16, 16)) -> estimates.Tally:
    settings = PredictionSettings(
        backend="pytorch", device="cpu", precision="float32", tta=tta, tile=tile, keep_probabilities=True, thin=0.5
    )
    found = predict(image(), model, settings)
    tally, probabilities = found.tally, np.asarray(found.probabilities, float)
    assert tally is not None
    channels = range(0 if model.spec.overlapping else 1, 99)
    for channel, segment in zip(channels, model.segments, strict=False):
        mask = found.segmentation.mask(segment.name)
        assert tally.found[channel] == np.count_nonzero(mask)
        assert tally.certain[channel] == pytest.approx(probabilities[channel][mask].sum(), rel=2e-3)
    np.testing.assert_allclose(tally.expected, probabilities.sum(axis=(1, 2, 3)), rtol=2e-3)
    return tally


@pytest.mark.parametrize("output", ["softmax", "sigmoid"])
def test_sums_over_tiles_are_those_of_the_probabilities(output: str) -> None:
    tally = predicted(threshold_model(output=output))
    for mirrored in tally.mirrored:  # the network knows no direction, so that all mirror images agree
        np.testing.assert_allclose(mirrored, tally.expected, rtol=1e-4)


@pytest.mark.parametrize("side", [24, 12])
def test_changes_by_refinement_are_seen_on_a_coarser_working_grid_too(side: int) -> None:
    k, j, i = np.indices((24, 24, 24)) - 11.5
    ball = k * k + j * j + i * i < 81
    model = threshold_model(level=0.5)
    model.preprocessing = replace(model.preprocessing, longest_side=side)
    settings = PredictionSettings(backend="pytorch", device="cpu", precision="float32", tta=True)
    tally = predict(Volume(ball.astype(np.float32), Geometry()), model, settings).tally
    assert tally is not None
    assert tally.voxels == side**3
    halved = Segmentation.from_labels((ball & (k < 0)).astype(np.uint8), names={1: "cell"})
    signs = estimates.collect_signs(tally, halved, model)["cell"]
    assert signs.share == pytest.approx(ball.mean(), rel=0.15)
    assert np.exp(signs.change) == pytest.approx(0.5, rel=0.15)


def test_without_mirror_images_nothing_is_said() -> None:
    model = threshold_model()
    tally = predicted(model, tta=False)
    assert not tally.mirrored.any()
    found = predict(image(), model, PredictionSettings(backend="pytorch", device="cpu"))
    assert estimates.collect_signs(tally, found.segmentation, model) == {}


def test_a_network_is_known_by_its_weights() -> None:
    one, same, other = threshold_model(), threshold_model(), threshold_model(level=0.1)
    same.state_dict = {name: value.numpy() for name, value in reversed(same.state_dict.items())}
    assert estimates.identity(one) == estimates.identity(same) != estimates.identity(other)


def test_intervals_go_with_the_labels_of_a_known_network_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    model = threshold_model()

    def request() -> PredictRequest:
        return PredictRequest(volume=image(), model=model, tta=True, backend="pytorch", device="cpu", thin=0.5)

    silent = run_predict(request())
    assert silent.report.estimates == []
    assert not any(segment.tags for segment in silent.segmentation.segments)
    monkeypatch.setattr(estimates, "ESTIMATORS", {estimates.identity(model): {"cell": KNOWN}})
    told = run_predict(request())
    (expected,) = told.report.estimates
    count = np.count_nonzero(told.segmentation.labels == 1)
    assert expected.dice.value == pytest.approx(0.99)
    assert expected.voxels.value == pytest.approx(count * np.exp(0.02), abs=0.1)
    rows = run_measure(MeasureRequest(labels=told.segmentation, unit="px", cells=False, thin_parts=False))
    low, high = count, count * np.exp(0.03)  # widened to hold what was found
    assert [(r["volume_low"], r["volume_high"]) for r in rows] == [pytest.approx((low, high), abs=0.6), (None, None)]
    assert rows[0]["volume_interval"] == "prediction"
    image_row = PredictedImage("a", segments=[{"name": "cell", "voxels": count}], report=told.report)
    assert _expected(image_row)[0].startswith(f"  cell: {count} voxels ({low:.0f} to {high:.0f}), Dice 0.990")


def test_a_segment_that_is_probably_wrong_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    model = threshold_model()
    bad = Estimator(first(np.log(0.4)), NOTHING, (-0.1, 0.1), (0, 0), NOTHING, None)
    monkeypatch.setattr(estimates, "ESTIMATORS", {estimates.identity(model): {"cell": KNOWN, "bead": bad}})
    told = run_predict(PredictRequest(volume=image(), model=model, tta=True, backend="pytorch", device="cpu"))
    assert [note.split("'")[1] for note in told.report.notes if "do not trust" in note] == ["bead"]
    assert told.report.estimates[1].voxels is None  # and its volume is not told
    assert [TAG in segment.tags for segment in told.segmentation.segments] == [True, False]


def test_wider_intervals_are_wider_in_the_logarithms() -> None:
    """KNOWN: logarithms of error and volume, each to a tenth and a hundredth."""
    plain, wider = (KNOWN.estimate("cell", np.eye(8)[0], (0.0,), 1000.0, factor) for factor in (1.0, 2.5))
    assert (plain.dice.value, plain.voxels.value) == (wider.dice.value, wider.voxels.value)
    assert np.log((1 - wider.dice.low) / (1 - wider.dice.value)) == pytest.approx(0.25, abs=0.01)
    assert np.log(wider.voxels.high / wider.voxels.value) == pytest.approx(0.025, abs=1e-3)


def test_no_interval_says_that_a_segment_may_be_larger_than_the_image(monkeypatch: pytest.MonkeyPatch) -> None:
    model = threshold_model()
    vague = Estimator(first(np.log(0.1)), NOTHING, (-0.1, 0.1), (0, 0), first(np.log(9)), 1.0)
    monkeypatch.setattr(estimates, "ESTIMATORS", {estimates.identity(model): {"cell": vague}})
    told = run_predict(PredictRequest(volume=image(), model=model, tta=True, backend="pytorch", device="cpu"))
    voxels = told.report.estimates[0].voxels
    assert voxels.high == image().array.size
    assert 0 <= voxels.low < voxels.value < voxels.high
