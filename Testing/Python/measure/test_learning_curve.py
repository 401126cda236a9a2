"""The learning curve of the paper from its own table, and the choice of the next volume."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ACSegLib.errors import InputError
from ACSegLib.measure.learning_curve import (
    describe_volume,
    disagreement,
    fit_learning_curve,
    suggest_volumes,
)
from ACSegLib.volume import Geometry, Volume

# Erozan et al., iScience 27 (2024) 109856, Table 1: training volumes, Dice % and its SD.
VOLUMES = [5, 10, 20, 30, 43]
HAND = [86.81, 87.69, 90.93, 92.61, 93.87], [30.90, 17.48, 12.72, 10.37, 7.37]
FILLED = [90.03, 94.22, 95.43, 96.17, 97.78], [15.61, 15.33, 11.94, 11.00, 2.13]


def as_fractions(table):
    return [[v / 100 for v in values] for values in table]


def test_the_published_curve_reaches_98_percent_at_95_volumes():
    curve = fit_learning_curve(VOLUMES, *as_fractions(HAND))
    needed, low, high = curve.volumes_for(0.98)
    assert needed == pytest.approx(95, abs=1.5)
    assert low < 95 < high
    assert curve.predict(needed) == pytest.approx(0.98)
    filled = fit_learning_curve(VOLUMES, *as_fractions(FILLED))
    assert filled.volumes_for(0.98)[0] < 50


def test_fitting_recovers_the_parameters_of_an_exact_curve():
    x = np.array([2, 4, 8, 16, 32])
    curve = fit_learning_curve(x, 1 - 0.3 * np.exp(-0.05 * x))
    assert (curve.a, curve.b) == pytest.approx((0.05, 0.3), rel=1e-6)
    assert curve.volumes_for(0.98)[0] == pytest.approx(math.log(0.3 / 0.02) / 0.05, rel=1e-6)
    assert curve.volumes_for(0.5) == (0.0, 0.0, 0.0)


def test_the_confidence_band_has_its_nominal_coverage():
    rng = np.random.default_rng(0)
    x = np.array([5.0, 10, 15, 20, 30, 40])
    truth = 1 - 0.2 * np.exp(-0.04 * x)
    inside = []
    for _ in range(300):
        curve = fit_learning_curve(x, np.clip(truth + rng.normal(0, 0.01, len(x)), 0, 1))
        low, high = curve.band(25.0)
        inside.append(low <= 1 - 0.2 * np.exp(-0.04 * 25) <= high)
    assert np.mean(inside) == pytest.approx(0.95, abs=0.03)


def test_a_curve_through_two_points_has_no_finite_band():
    curve = fit_learning_curve([5, 20], [0.8, 0.9])
    assert curve.predict(20) == pytest.approx(0.9)
    _, low, high = curve.volumes_for(0.95)
    assert (low, high) == (0.0, math.inf)


@pytest.mark.parametrize(
    ("volumes", "scores", "message"),
    [
        ([5, 5], [0.8, 0.9], "two different numbers"),
        ([5, 10], [80.0, 90.0], "divide percentages"),
        ([5, 10, 20], [0.8, 0.9], "do not pair up"),
        ([5, 10], [1.0, 1.0], "no curve to fit"),
    ],
)
def test_points_that_determine_no_curve_raise_an_error(volumes, scores, message):
    with pytest.raises(InputError, match=message):
        fit_learning_curve(volumes, scores)


def test_a_curve_that_falls_never_reaches_the_target():
    curve = fit_learning_curve([5, 10, 20, 40], [0.9, 0.85, 0.8, 0.7])
    assert curve.volumes_for(0.98)[0] == math.inf
    assert curve.answer(0.98, 40).endswith("the curve does not rise, so it never reaches 98 %")
    assert "--" not in curve.answer(0.98, 40)


def test_an_answer_from_two_points_has_no_upper_bound():
    curve = fit_learning_curve([5, 10], [0.8, 0.9])  # halves the error in five volumes: 0.1 to 0.02 in 11.6 more
    assert curve.answer(0.98, 10).endswith("98 % at 22 volumes (95 % interval 0 to any number), 12 more")
    # 14.3 volumes: 14 are not enough.
    assert curve.answer(0.945, 10).endswith("94.5 % at 15 volumes (95 % interval 0 to any number), 5 more")


def test_disagreement_is_one_minus_the_mean_pairwise_dice():
    a = np.zeros((4, 4, 4), np.uint8)
    a[0] = 1
    b = np.zeros_like(a)
    b[1] = 1
    assert disagreement([a, a, a]) == 0.0
    assert disagreement([a, b]) == 1.0
    assert disagreement([a, a, b]) == pytest.approx(2 / 3)
    with pytest.raises(InputError, match="two predictions"):
        disagreement([a])


def texture(seed, contrast=1.0, offset=0.0, blur=1.0):
    from scipy import ndimage

    rng = np.random.default_rng(seed)
    array = ndimage.gaussian_filter(rng.normal(size=(24, 24, 24)), blur) * contrast + offset
    return Volume(array.astype(np.float32), Geometry((30, 30, 30), unit="nm"), f"v{seed}")


def test_the_volume_least_like_the_training_set_is_suggested_first():
    training = [describe_volume(texture(s)) for s in range(4)]
    candidates = {f"alike{s}": describe_volume(texture(s)) for s in (10, 11)}
    candidates["noisy"] = describe_volume(texture(12, blur=0.4))
    assert suggest_volumes(candidates, training)[0].name == "noisy"


def test_two_copies_are_not_both_suggested_first():
    training = [describe_volume(texture(s)) for s in range(4)]
    odd = describe_volume(texture(12, blur=0.3))
    other = describe_volume(texture(13, blur=2.5))
    order = [s.name for s in suggest_volumes({"odd": odd, "odd copy": odd, "other": other}, training)]
    assert order[2] in ("odd", "odd copy")


def test_disagreement_decides_between_equals_and_types_take_turns():
    same = describe_volume(texture(5))
    training = [describe_volume(texture(1))]
    found = suggest_volumes({"sure": same, "unsure": same}, training, disagreements={"sure": 0.01, "unsure": 0.4})
    assert [s.name for s in found] == ["unsure", "sure"]
    vectors = {n: describe_volume(texture(20 + k)) for k, n in enumerate(["t1", "t2", "t3", "b1"])}
    groups = {"t1": "T", "t2": "T", "t3": "T", "b1": "B"}
    assert {s.group for s in suggest_volumes(vectors, training, groups=groups)[:2]} == {"T", "B"}
    assert suggest_volumes({}, training) == []
