"""The benchmark of corrections: predictions as weak as asked for, and a person who draws the worst slice."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.append(str(Path(__file__).resolve().parents[2] / "Benchmarks"))

import correct as benchmark
import correct_tasks as tasks
from weak_predictions import mean_dice, weak_prediction

from ACSegLib.volume import Volume

Z, Y, X = np.indices((40, 44, 48))
TRUTH = ((Z - 20) ** 2 + (Y - 22) ** 2 + (X - 24) ** 2 < 15**2).astype(np.uint16)
TRUTH[(Z - 8) ** 2 + (Y - 8) ** 2 + (X - 8) ** 2 < 16] = 2


@pytest.mark.parametrize("target", [0.85, 0.95])
def test_a_prediction_is_as_weak_as_asked_for(target):
    made = weak_prediction(TRUTH, target, seed=1)
    assert mean_dice(made, TRUTH) == pytest.approx(target, abs=0.02)
    assert np.array_equal(made, weak_prediction(TRUTH, target, seed=1))
    assert set(np.unique(made)) == {0, 1, 2}


def test_the_mean_dice_is_that_of_the_definition():
    made = TRUTH.copy()
    made[:20] = 0
    by_hand = [2 * np.sum((made == v) & (v == TRUTH)) / (np.sum(made == v) + np.sum(v == TRUTH)) for v in (1, 2)]
    assert mean_dice(made, TRUTH) == pytest.approx(np.mean(by_hand))


def test_the_person_draws_the_worst_slice_and_repainting_ends_at_the_truth():
    prediction = TRUTH.copy()
    prediction[12, 10:20] = 0
    prediction[30, :, :20] = 0
    case = benchmark.Case("ball", Volume(np.zeros(TRUTH.shape, np.float32)), TRUTH, prediction)
    wrong = [np.count_nonzero(prediction[k] != TRUTH[k]) for k in range(len(TRUTH))]  # of the large segment alone
    assert case.worst_slice(prediction, []) == int(np.argmax(wrong))
    values, _ = benchmark.course(benchmark.repainted, case, 1.0, 10)
    assert values[-1] == 1.0
    assert benchmark.slices_to(values, 1.0) == np.count_nonzero(wrong)


def test_corrections_need_fewer_slices_than_repainting():
    image = TRUTH + np.random.default_rng(0).normal(0, 0.1, TRUTH.shape)
    case = benchmark.Case("ball", Volume(image.astype(np.float32)), TRUTH, weak_prediction(TRUTH, 0.88, 0))
    ours = benchmark.slices_to(benchmark.course(benchmark.corrected, case, 0.97, 8)[0], 0.97)
    painted = benchmark.slices_to(benchmark.course(benchmark.repainted, case, 0.97, 40)[0], 0.97)
    assert ours <= painted / 3


def test_a_simulated_dab_lies_in_the_middle_of_the_worst_error_and_is_right():
    result = TRUTH.copy()
    blob = (Z - 20) ** 2 + (Y - 36) ** 2 + (X - 40) ** 2 < 6**2
    result[blob & (TRUTH == 0)] = 1
    drawn = tasks.dab(TRUTH, result)
    places = np.argwhere(drawn != result)
    assert np.abs(places.mean(axis=0) - (20, 36, 40)).max() < 2
    assert len(np.unique(places[:, 0])) == 1
    assert np.all(TRUTH[drawn != result] == drawn[drawn != result])
    assert tasks.dab(TRUTH, TRUTH.copy()) is None


@pytest.mark.parametrize("error", ["missing part", "false part", "holes", "false blob", "missing object"])
def test_a_typical_error_is_one_of_the_labels_and_follows_from_the_seed(error):
    made, again = (tasks.ERRORS[error](TRUTH, np.random.default_rng(3)) for _ in range(2))
    assert np.array_equal(made, again)
    assert 0 < np.count_nonzero(made != TRUTH) < 0.5 * np.count_nonzero(TRUTH)
    assert set(np.unique(made)) <= {0, 1, 2}
