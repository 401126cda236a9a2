"""Dabs one by one: how deep each lies in what is wrong, and how little another one changes."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from ACSegLib.fill import fill
from ACSegLib.fill.constants import REACH
from ACSegLib.fill.prior.features import intensity_range, prepare
from ACSegLib.fill.prompts.dabs import Dab, correct_around_dabs, find_dabs
from ACSegLib.fill.prompts.path_costs import PathCosts
from ACSegLib.fill.prompts.strokes import classes_around_strokes
from ACSegLib.fill.seeds import UNKNOWN
from ACSegLib.jobs import Progress
from ACSegLib.phantom import simulate
from ACSegLib.phantom.strokes import INSIDE, OUTSIDE, ball_at, next_dab
from ACSegLib.volume import Segmentation, Volume


def half_and_half() -> np.ndarray:
    """Class 1 on the planes below 10, class 0 from there on."""
    classes = np.zeros((20, 24, 28), np.int16)
    classes[:10] = 1
    return classes


def dab_at(k: int, number: int) -> Dab:
    strokes = np.full((20, 24, 28), UNKNOWN, np.int16)
    strokes[ball_at(np.array([k, 12, 14]), 1.5, strokes.shape)] = number
    return find_dabs(strokes)[0]


def test_connected_strokes_of_one_class_are_one_dab_each() -> None:
    strokes = np.full((8, 8, 8), UNKNOWN, np.int16)
    strokes[1, 1, 1:4], strokes[2, 2, 4] = 1, 1  # they touch at a corner
    strokes[6, 6, 6], strokes[1, 6, 6] = 1, 0
    found = {
        (dab.number, *sorted(zip(*(axis.tolist() for axis in dab.places), strict=True))) for dab in find_dabs(strokes)
    }
    assert found == {(0, (1, 6, 6)), (1, (1, 1, 1), (1, 1, 2), (1, 1, 3), (2, 2, 4)), (1, (6, 6, 6))}


@pytest.mark.parametrize(("k", "number", "depth"), [(4, 1, 0), (4, 0, 6), (17, 1, 8), (15, 0, 0)])
def test_the_depth_of_a_dab_is_its_distance_from_its_class(k: int, number: int, depth: float) -> None:
    assert dab_at(k, number).depth(half_and_half()) == depth


def test_a_dab_of_a_class_that_is_nowhere_is_as_deep_as_the_volume() -> None:
    assert dab_at(10, 3).depth(half_and_half()) >= 28


def test_a_correction_reaches_no_farther_than_its_error() -> None:
    classes = half_and_half()
    nothing = np.zeros(classes.shape, np.int16)
    dabs = [dab_at(2, 1), dab_at(7, 0)]
    corrected = correct_around_dabs(classes, dabs, PathCosts(nothing, 1.0), np.ones((3, 3, 3), np.int32))
    changed = corrected != classes
    assert (corrected[dabs[1].places] == 0).all()
    assert (corrected[dabs[0].places] == 1).all()
    away = np.sqrt(((np.argwhere(changed) - dabs[1].centre) ** 2).sum(axis=1))
    assert away.max() <= REACH * dabs[1].depth(classes) + 1 + 1.5  # from the dab's own surface
    assert np.array_equal(correct_around_dabs(classes, dabs[:1], PathCosts(nothing, 1.0), nothing), classes)


def test_dabs_that_mend_the_border_never_wreck_a_cell() -> None:
    phantom = simulate(48, seed=3)
    truth = phantom.truth.labels == 1
    strokes, result, scores = np.zeros(truth.shape, np.uint8), np.zeros(truth.shape, bool), []
    for _ in range(5):
        dab = next_dab(truth, result, 2.0)
        strokes = np.where(dab > 0, dab, strokes)
        background = "background" if (strokes == 2).any() else None
        names = {INSIDE: "cell", **({2: "background"} if background else {})}
        labels = Segmentation.from_labels(strokes, names=names)
        filled = fill(Volume(phantom.volume.array), labels, mode="scribbles", background=background)
        result = filled.segmentation.labels == INSIDE
        scores.append(2 * np.count_nonzero(result & truth) / (result.sum() + truth.sum()))
    assert scores[0] > 0.93
    assert np.diff(scores).min() > -0.01


@pytest.mark.parametrize(("kind", "seed"), [("beta-cell", 1), ("fibroblast", 3)])
def test_a_dab_that_agrees_inside_never_wrecks_a_cell(kind: str, seed: int) -> None:
    phantom = simulate(48, seed=seed, kind=kind)
    truth = phantom.truth.labels == 1

    def score(strokes: np.ndarray) -> tuple[float, np.ndarray]:
        seeds = np.where(strokes == INSIDE, 1, UNKNOWN).astype(np.int16)
        limits = intensity_range(phantom.volume.array, seeds)
        features = prepare(phantom.volume.array, [1.0, 1.0, 1.0], limits, Progress())
        result = classes_around_strokes(features, seeds).classes == 1
        return 2 * np.count_nonzero(result & truth) / (result.sum() + truth.sum()), result

    first = next_dab(truth, np.zeros(truth.shape, bool), 2.0)
    before, result = score(first)
    deep = np.argwhere(ndimage.distance_transform_edt(truth & result) > 3.5)
    random = np.random.default_rng(0)
    after = [
        score(np.where(ball_at(place, 2.0, truth.shape), INSIDE, first))[0]
        for place in deep[random.integers(len(deep), size=6)]
    ]
    assert before > 0.93
    assert min(after) > before - 0.02


def test_a_dab_cut_off_by_a_border_never_wrecks_a_cell() -> None:
    phantom = simulate(48, seed=21)
    truth = phantom.truth.labels == 1
    strokes, result, scores = np.zeros(truth.shape, np.uint8), np.zeros(truth.shape, bool), []
    for _ in range(3):  # the second and the third one mend thin parts, far from the first one
        strokes = np.maximum(strokes, next_dab(truth, result, 2.0))
        seeds = np.select([strokes == INSIDE, strokes == OUTSIDE], [1, 0], UNKNOWN).astype(np.int16)
        features = prepare(phantom.volume.array, [1.0] * 3, intensity_range(phantom.volume.array, seeds), Progress())
        result = classes_around_strokes(features, seeds).classes == 1
        scores.append(2 * np.count_nonzero(result & truth) / (result.sum() + truth.sum()))
    assert scores[0] > 0.93
    assert np.diff(scores).min() > -0.02


def test_lines_and_shells_are_strokes_and_balls_are_dabs() -> None:
    strokes = np.full((30, 30, 30), UNKNOWN, np.int16)
    strokes[2, 4:24, 3:5] = 1
    assert find_dabs(strokes)[0].is_stroke
    shell = np.full_like(strokes, 0)
    shell[2:28, 2:28, 2:28] = UNKNOWN
    assert find_dabs(shell)[0].is_stroke
    for radius in (0.5, 1.5, 3.0, 6.0):
        ball = np.where(ball_at(np.array([15, 15, 15]), radius, strokes.shape), 1, UNKNOWN)
        assert not find_dabs(ball)[0].is_stroke
        assert not find_dabs(np.where(np.indices(ball.shape)[0] > 15, UNKNOWN, ball))[0].is_stroke  # half of one


def test_two_dabs_that_touch_are_no_stroke() -> None:
    middle, step = np.array([15, 15, 15]), np.array([0, 0, 5])
    pair = ball_at(middle, 2.0, (30, 30, 30)) | ball_at(middle + step, 2.0, (30, 30, 30))
    pair[17, 15, [15, 20]] = False  # a border of the cell cut them off a little
    (dab,) = find_dabs(np.where(pair, 0, UNKNOWN).astype(np.int16))
    assert not dab.is_stroke


def test_dabs_that_correct_do_not_turn_edges_into_walls() -> None:
    phantom = simulate(48, seed=201, kind="fibroblast")
    truth = phantom.truth.labels == 1
    strokes = np.zeros(truth.shape, np.uint8)
    places = [((21, 28, 23), True), ((43, 24, 13), False), ((18, 19, 22), False), ((22, 16, 20), True)]
    for place, inside in places:
        strokes[ball_at(np.array(place), 2.0, truth.shape) & (truth == inside)] = INSIDE if inside else OUTSIDE
        seeds = np.select([strokes == INSIDE, strokes == OUTSIDE], [1, 0], UNKNOWN).astype(np.int16)
        features = prepare(phantom.volume.array, [1.0] * 3, intensity_range(phantom.volume.array, seeds), Progress())
        first = classes_around_strokes(features, seeds)
        assert not first.walls
    result = first.classes == 1
    assert 2 * np.count_nonzero(result & truth) / (result.sum() + truth.sum()) > 0.75


@pytest.mark.parametrize(("brightness", "least"), [(0.0, 0.98), (0.4, 0.97), (1.0, 0.97)])
def test_a_second_dab_takes_a_second_object_but_nothing_where_the_image_shows_none(
    brightness: float, least: float
) -> None:
    shape = (40, 40, 40)
    first, second = ball_at(np.array([20, 20, 10]), 7, shape), ball_at(np.array([20, 20, 30]), 6, shape)
    image = first + brightness * second + np.random.default_rng(0).normal(0, 0.1, shape)
    truth = first | second if brightness else first
    strokes, result = ball_at(np.array([20, 20, 10]), 2, shape).astype(np.uint8), None
    for _ in range(2):
        labels = Segmentation.from_labels(strokes, names={1: "cell"})
        result = fill(Volume(image.astype(np.float32)), labels, mode="scribbles", device="cpu", previous=result)
        strokes[ball_at(np.array([20, 20, 30]), 1.5, shape)] = 1
    found = result.segmentation.labels == 1
    assert 2 * np.count_nonzero(found & truth) / (found.sum() + truth.sum()) > least
