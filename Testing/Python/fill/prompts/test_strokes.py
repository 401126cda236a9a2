"""Fills from strokes and dabs: what is marked is found, and what only looks like it is not."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import ndimage
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import dijkstra

from ACSegLib.errors import InputError
from ACSegLib.fill import fill, refill
from ACSegLib.fill.constants import MIN_PLACE
from ACSegLib.fill.prior.features import ImageFeatures, prepare
from ACSegLib.fill.prompts.geodesic_kernels import spread_classes
from ACSegLib.fill.prompts.stroke_evidence import place_weight
from ACSegLib.fill.prompts.strokes import FirstSegmentation, classes_around_strokes
from ACSegLib.fill.seeds import UNKNOWN
from ACSegLib.jobs import Progress
from ACSegLib.phantom import simulate
from ACSegLib.phantom.strokes import INSIDE, OUTSIDE, ball_at, draw_dabs, draw_strokes, next_dab
from ACSegLib.volume import Segmentation, Volume


@pytest.fixture(scope="module")
def phantom():
    return simulate(48, seed=3)


def found(phantom, strokes: np.ndarray) -> np.ndarray:
    labels = Segmentation.from_labels(strokes, phantom.volume.geometry, {INSIDE: "cell", OUTSIDE: "outside"})
    background = "outside" if (strokes == OUTSIDE).any() else None
    return fill(phantom.volume, labels, mode="scribbles", background=background).segmentation.labels == INSIDE


def dice(a: np.ndarray, b: np.ndarray) -> float:
    return 2 * np.count_nonzero(a & b) / (a.sum() + b.sum())


def test_five_strokes_give_the_cell_and_its_volume(phantom) -> None:
    truth = phantom.truth.labels == 1
    strokes = draw_strokes(truth, [12, 18, 24, 30, 36], 0.8)
    result = found(phantom, strokes)
    assert dice(result, truth) > 0.96
    assert abs(result.sum() / truth.sum() - 1) < 0.03
    assert result[strokes == INSIDE].all()
    assert not result[strokes == OUTSIDE].any()


@pytest.mark.parametrize("seed", [0, 1])
def test_two_dabs_do_not_take_the_wall_of_the_capillary_for_cell(phantom, seed: int) -> None:
    truth = phantom.truth.labels == 1
    result = found(phantom, draw_dabs(truth, 1.5, seed))
    assert dice(result, truth) > 0.96
    assert not result[phantom.mask("wall")].any()


def test_one_dab_inside_is_enough_for_a_cell_in_medium(phantom) -> None:
    truth = phantom.truth.labels == 1
    dabs = draw_dabs(truth, 1.5)
    dabs[dabs == OUTSIDE] = 0
    assert dice(found(phantom, dabs), truth) > 0.93


def test_strokes_on_the_background_alone_are_refused_in_a_sentence(phantom) -> None:
    dabs = draw_dabs(phantom.truth.labels == 1, 1.5)
    dabs[dabs == INSIDE] = 0
    with pytest.raises(InputError, match="mark background only; draw a stroke inside"):
        found(phantom, dabs)


@pytest.fixture(scope="module")
def twins() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two bright balls of one look: the image, and the truth of each."""
    k, j, i = np.indices((40, 40, 56))
    first, other = ((k - 20) ** 2 + (j - 20) ** 2 + (i - centre) ** 2 <= 10**2 for centre in (15, 39))
    image = 100.0 * (first | other) + np.random.default_rng(0).normal(0, 6, first.shape)
    return image.astype(np.float32), first, other


@pytest.mark.parametrize("erased", [False, True])
def test_a_look_alike_does_not_take_the_cell_with_it_when_it_is_drawn_as_background(
    twins: tuple[np.ndarray, np.ndarray, np.ndarray], erased: bool
) -> None:
    image, first, other = twins
    strokes = np.zeros(image.shape, np.uint8)
    strokes[20, 18:23, 13:17] = INSIDE
    if erased:
        strokes[20, 18:23, 38:41] = OUTSIDE
    labels = Segmentation.from_labels(strokes, names={INSIDE: "cell", **({OUTSIDE: "outside"} if erased else {})})
    result = fill(Volume(image), labels, mode="scribbles", background="outside" if erased else None)
    found = result.segmentation.labels == INSIDE
    assert dice(found, first) > 0.97
    assert not found[other].any()


@pytest.mark.parametrize("noise", [0.3, 0.6])
def test_a_dab_in_each_of_two_touching_balls_tells_them_apart(noise: float) -> None:
    """The core of a blurred ball stands out no more than all of it, although its intensity varies less."""
    shape = (28, 28, 48)
    first, other = (ball_at(np.array([14, 14, i]), 9, shape) for i in (15, 31))
    image = ndimage.gaussian_filter((first | other) + np.random.default_rng(0).normal(0, noise, shape), 0.7)
    dabs = INSIDE * ball_at(np.array([14, 14, 14]), 2, shape).astype(np.uint8)
    dabs[ball_at(np.array([14, 14, 31]), 2, shape)] = OUTSIDE
    labels = Segmentation.from_labels(dabs, names={INSIDE: "cell", OUTSIDE: "background"})
    result = fill(Volume(image.astype(np.float32)), labels, mode="scribbles", background="background")
    assert dice(result.segmentation.labels == INSIDE, first) > 0.85


def test_an_image_of_one_value_is_refused_in_a_sentence() -> None:
    dabs = np.zeros((20, 20, 20), np.uint8)
    dabs[9:12, 9:12, 9:12] = INSIDE
    image = Volume(np.full(dabs.shape, 7, np.float32), name="flat")
    with pytest.raises(InputError, match="'flat' has the same value everywhere"):
        fill(image, Segmentation.from_labels(dabs, names={INSIDE: "cell"}), mode="scribbles")


@pytest.mark.parametrize("seed", [12, 13])
def test_one_voxel_is_enough_for_a_cell_in_medium(seed: int) -> None:
    made = simulate(48, seed=seed)
    truth = made.truth.labels == 1
    middle = np.unravel_index(int(np.argmax(ndimage.distance_transform_edt(truth))), truth.shape)
    dab = np.zeros(truth.shape, np.uint8)
    dab[middle] = INSIDE
    assert dice(found(made, dab), truth) > 0.9


def noise_and_balls() -> tuple[ImageFeatures, np.ndarray, np.ndarray]:
    """An image that shows nothing, a ball that was seen in it, and seeds: a dab in its middle and one at its border."""
    shape = (40, 40, 40)
    image = ndimage.gaussian_filter(np.random.default_rng(4).normal(size=shape), 1.0).astype(np.float32)
    seen = ball_at(np.array([20, 20, 16]), 9, shape)
    seeds = np.full(shape, UNKNOWN, np.int16)
    seeds[ball_at(np.array([20, 20, 16]), 2, shape)] = 1
    seeds[ball_at(np.array([20, 20, 28]), 2, shape)] = 1
    return prepare(image, [1.0] * 3, (float(image.min()), float(image.max())), Progress()), seen, seeds


def test_what_was_seen_stays_but_around_the_new_dab() -> None:
    features, seen, seeds = noise_and_balls()
    before = FirstSegmentation(seen.astype(np.int16), walls=True)
    after = classes_around_strokes(features, seeds, seen=before).classes == 1
    far = np.indices(seen.shape)[2] < 16
    assert np.array_equal(after[far], seen[far])
    assert after[seeds == 1].all()
    assert dice(classes_around_strokes(features, seeds).classes == 1, seen) < dice(after, seen) - 0.1


def test_a_meaning_for_which_clearly_more_speaks_replaces_what_was_seen(twins) -> None:
    image, first, _other = twins
    seeds = np.full(image.shape, UNKNOWN, np.int16)
    seeds[20, 18:23, 13:17] = 1
    features = prepare(image, [1.0] * 3, (float(image.min()), float(image.max())), Progress())
    core = FirstSegmentation(ball_at(np.array([20, 20, 15]), 6, image.shape).astype(np.int16), walls=False)
    assert dice(classes_around_strokes(features, seeds, seen=core).classes == 1, first) > 0.9


def test_what_was_seen_counts_only_as_long_as_its_strokes_stay(twins) -> None:
    image, _first, _other = twins
    strokes = np.zeros(image.shape, np.uint8)
    strokes[20, 18:23, 13:17] = INSIDE
    result = fill(Volume(image), Segmentation.from_labels(strokes, names={INSIDE: "cell"}), mode="scribbles")
    evidence = result.state.context.evidence
    assert evidence.seen_in(evidence.classes) is not None
    more = evidence.classes.copy()
    more[2, 2, 2] = 0
    assert evidence.seen_in(more) is not None
    less = evidence.classes.copy()
    less[20, 18, 13] = UNKNOWN
    assert evidence.seen_in(less) is None


def test_a_refill_knows_the_places_of_new_strokes(twins: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    image, first, other = twins
    strokes = np.zeros(image.shape, np.uint8)
    strokes[20, 18:23, 13:17] = INSIDE
    strokes[2, 2, 2] = OUTSIDE
    labels = Segmentation.from_labels(strokes, names={INSIDE: "cell", OUTSIDE: "outside"})
    before = fill(Volume(image), labels, mode="scribbles", background="outside")
    strokes[20, 18:23, 38:41] = INSIDE
    found = refill(before, Segmentation.from_labels(strokes, names={INSIDE: "cell", OUTSIDE: "outside"}))
    assert dice(found.segmentation.labels == INSIDE, first | other) > 0.95


@pytest.mark.parametrize("weakest", [1.0, 0.4])
def test_one_dab_fills_a_cell_up_to_the_middle_of_its_walls(weakest: float) -> None:
    shape, side = (48, 48, 48), 16
    image = np.zeros(shape)
    for axis in range(3):
        np.moveaxis(image, axis, 0)[side - 1 :: side] = 1.0
    image[:, :, 31] *= weakest
    image[15] *= weakest
    image = ndimage.gaussian_filter(image, 1.0)
    image = image / image.max() + np.random.default_rng(1).normal(0, 0.1, shape)
    truth = np.zeros(shape, bool)
    truth[side : 2 * side - 1, side : 2 * side - 1, side : 2 * side - 1] = True  # up to the middle of its walls
    strokes = np.zeros(shape, np.uint8)
    strokes[22:25, 22:25, 22:25] = INSIDE
    labels = Segmentation.from_labels(strokes, names={INSIDE: "cell"})
    found = fill(Volume(image.astype(np.float32)), labels, mode="scribbles").segmentation.labels == INSIDE
    assert dice(found, truth) > 0.9
    assert not (found & ~ndimage.binary_dilation(truth, np.ones((3, 3, 3)))).any()  # nothing beyond the walls


def test_places_count_most_where_the_appearance_does_not_tell() -> None:
    assert place_weight(0.99) == MIN_PLACE
    assert MIN_PLACE < place_weight(0.8) < 1
    assert place_weight(0.5) == 1


@pytest.fixture(scope="module")
def hollow() -> tuple[Volume, np.ndarray, np.ndarray]:
    """A bright ball with a dark one in it: the image, the inside of the dark ball, and a dab in the bright one."""
    shape = (36, 36, 36)
    dark = ball_at(np.array([18, 18, 21]), 4, shape)
    image = 100.0 * (ball_at(np.array([18, 18, 18]), 13, shape) & ~dark) + np.random.default_rng(0).normal(0, 4, shape)
    return Volume(image.astype(np.float32)), dark, INSIDE * ball_at(np.array([18, 18, 10]), 2, shape).astype(np.uint8)


def test_what_an_object_encloses_belongs_to_it(hollow: tuple[Volume, np.ndarray, np.ndarray]) -> None:
    image, dark, dab = hollow
    labels = Segmentation.from_labels(dab, names={INSIDE: "cell"})
    assert fill(image, labels, mode="scribbles").segmentation.labels[dark].all()
    with_holes = fill(image, labels, mode="scribbles", holes=True).segmentation.labels
    inner = ndimage.binary_erosion(dark, iterations=2)
    assert not with_holes[inner].any()


def test_background_in_a_hole_keeps_it(hollow: tuple[Volume, np.ndarray, np.ndarray]) -> None:
    image, dark, dab = hollow
    strokes = np.where(ndimage.binary_erosion(dark, iterations=3), OUTSIDE, dab).astype(np.uint8)
    labels = Segmentation.from_labels(strokes, names={INSIDE: "cell", OUTSIDE: "outside"})
    found = fill(image, labels, mode="scribbles", background="outside").segmentation.labels == INSIDE
    assert not found[ndimage.binary_erosion(dark, iterations=1)].any()


def test_background_at_one_end_of_a_cell_does_not_cut_off_the_other_one() -> None:
    """A cell that is darker towards one end touches another one there; dabs say so, the second near the contact."""
    shape = (32, 32, 72)
    k, j, i = np.indices(shape)
    cell = ((k - 16) / 11) ** 2 + ((j - 16) / 11) ** 2 + ((i - 26) / 19) ** 2 <= 1
    other = ((k - 16) / 11) ** 2 + ((j - 16) / 11) ** 2 + ((i - 56) / 12) ** 2 <= 1
    image = np.where(cell, 40.0 + i, 0) + np.where(other & ~cell, 100.0, 0)
    image = ndimage.gaussian_filter(image, 0.7) + np.random.default_rng(0).normal(0, 3, shape)
    strokes = np.zeros(shape, np.uint8)
    scores = []
    for middle, value in (((16, 16, 26), INSIDE), ((16, 16, 56), OUTSIDE), ((16, 16, 49), OUTSIDE)):
        strokes[ball_at(np.array(middle), 2, shape) & (strokes == 0)] = value
        names = {INSIDE: "cell", **({OUTSIDE: "outside"} if (strokes == OUTSIDE).any() else {})}
        labels = Segmentation.from_labels(strokes, names=names)
        background = "outside" if OUTSIDE in names else None
        found = fill(Volume(image.astype(np.float32)), labels, mode="scribbles", background=background)
        scores.append(dice(found.segmentation.labels == INSIDE, cell))
    assert scores[2] > 0.95
    assert scores[2] > scores[1] - 0.01


@pytest.mark.parametrize("at_walls", [False, True])
def test_paths_are_the_cheapest_ones(at_walls: bool) -> None:
    rng = np.random.default_rng(5)
    shape = (4, 5, 6)
    values = rng.integers(0, 200, shape).astype(np.int16)
    lengths = rng.integers(1, 9, (3, 3, 3)).astype(np.int32)
    lengths = np.maximum(lengths, lengths[::-1, ::-1, ::-1])
    classes = np.full(shape, UNKNOWN, np.int16)
    classes[0, 0, 0], classes[3, 4, 5], classes[1, 4, 0] = 0, 2, 1
    places = list(np.ndindex(shape))
    number = {place: n for n, place in enumerate(places)}
    rows, columns, costs = [], [], []
    for place in places:
        for step in itertools.product((-1, 0, 1), repeat=3):
            other = tuple(p + s for p, s in zip(place, step, strict=True))
            if any(step) and other in number:
                rows.append(number[place])
                columns.append(number[other])
                a, b = int(values[place]), int(values[other])
                costs.append((max(a, b) if at_walls else abs(a - b)) + lengths[tuple(s + 1 for s in step)])
    graph = csr_matrix((costs, (rows, columns)), shape=(len(places),) * 2)
    seeds = [number[0, 0, 0], number[1, 4, 0], number[3, 4, 5]]
    expected = dijkstra(graph, indices=seeds)
    distances = np.empty(shape, np.int32)
    spread_classes(values, at_walls, lengths, classes, distances)
    assert np.array_equal(distances.ravel(), expected.min(axis=0))
    assert np.array_equal(expected[classes.ravel(), np.arange(len(places))], expected.min(axis=0))


def test_a_coarse_search_keeps_every_stroke(monkeypatch) -> None:
    monkeypatch.setattr("ACSegLib.fill.prompts.strokes.MAX_GEODESIC_VOXELS", 1500)
    image = np.zeros((20, 22, 24), np.float32)
    image[6:16, 6:16, 6:16] = 1
    seeds = np.full(image.shape, UNKNOWN, np.int16)
    seeds[10, 10, 10], seeds[10, 10, 11], seeds[2, 2, 2] = 1, 0, 0
    seeds[7, 8, 8:12] = 1
    classes = classes_around_strokes(prepare(image, (1.0, 1.0, 1.0), (0.0, 1.0)), seeds).classes
    assert np.array_equal(classes[seeds >= 0], seeds[seeds >= 0])
    assert dice(classes == 1, image > 0) > 0.95


def test_the_next_dab_lies_in_the_largest_error() -> None:
    truth = np.zeros((20, 20, 20), bool)
    truth[2:18, 2:18, 2:18] = True
    labels = truth.copy()
    labels[4:14, 4:14, 4:14] = False
    labels[19, 19, 19] = True
    dab = next_dab(truth, labels)
    assert set(np.unique(dab)) == {0, INSIDE}
    assert not labels[dab == INSIDE].any()
    assert not next_dab(truth, truth).any()
