"""Neighbours that nobody drew: they are found, and the fill stops at them."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from fiftycells import three_of_fifty_cells
from scipy import ndimage

from ACSegLib import Cancelled, Geometry, Progress, Segmentation, Volume
from ACSegLib.fill import FillResult, Settings, constants, fill, refill
from ACSegLib.fill.prior.neighbours import KnownPlanes, contest
from ACSegLib.fill.prior.screening import families_of, rivalries
from ACSegLib.fill.prior.shape import MAX_DISTANCE, NearestOutlines

SHAPE = (44, 40, 56)
SLICES = [4, 12, 20, 28, 36]
CENTRES = np.array([[22, 20, 17], [22, 20, 39]], float)


def balls(centres: np.ndarray, radius: float) -> np.ndarray:
    """Number of the nearest of some balls that overlap, 0 outside of all; int, (k, j, i)."""
    offset = np.indices(SHAPE)[None] - centres[:, :, None, None, None]
    distance = np.sqrt((offset**2).sum(1))
    return np.where(distance.min(0) < radius, distance.argmin(0) + 1, 0)


def image_of(cells: np.ndarray) -> Volume:
    """Grainy cells of one look, without any seam between them."""
    rng = np.random.default_rng(3)
    grain = ndimage.gaussian_filter(rng.normal(size=SHAPE), 1.5)
    image = ndimage.gaussian_filter((cells > 0) * (2 + 0.3 * grain / grain.std()), 0.7)
    return Volume((image + rng.normal(0, 0.4, SHAPE)).astype(np.float32), Geometry())


def sparse(truth: np.ndarray) -> Segmentation:
    """The labels of the labelled slices alone."""
    labels = np.zeros(SHAPE, np.uint8)
    labels[SLICES] = truth[SLICES]
    return Segmentation.from_labels(labels, Geometry(), {1: "cell"})


def dice(result: FillResult, truth: np.ndarray, value: int = 1) -> float:
    """Dice of a cell on the slices that were not labelled."""
    free = np.ones(len(truth), bool)
    free[SLICES] = False
    found, wanted = result.segmentation.labels[free] == value, truth[free] == value
    return 2 * np.count_nonzero(found & wanted) / (np.count_nonzero(found) + np.count_nonzero(wanted))


@pytest.fixture(scope="module")
def cells() -> np.ndarray:
    return balls(CENTRES, 13.0)


@pytest.fixture(scope="module")
def filled(cells: np.ndarray) -> FillResult:
    return fill(image_of(cells), sparse(cells == 1), axis="k", slices=SLICES, settings=Settings(1.0, 3.0))


def test_the_neighbour_is_found_on_the_labelled_slices(filled: FillResult, cells: np.ndarray) -> None:
    evidence = filled.state.context.evidence
    assert evidence.neighbours is not None
    planes = evidence.orientation.slices(SLICES)
    marked = np.stack([evidence.neighbours.mark(evidence.features, evidence.classes[k], k) for k in planes])
    found, wanted = marked == evidence.neighbours.looks[1], evidence.orientation.enter(cells)[planes] == 2
    assert 2 * np.count_nonzero(found & wanted) / (found.sum() + wanted.sum()) > 0.9


def test_the_fill_stops_at_the_neighbour(filled: FillResult, cells: np.ndarray) -> None:
    truth = cells == 1
    assert dice(filled, truth) > 0.97
    assert abs(np.count_nonzero(filled.segmentation.labels) / truth.sum() - 1) < 0.02
    assert np.array_equal(filled.segmentation.labels[SLICES] == 1, truth[SLICES])


def test_without_the_search_the_same_fill_is_worse(
    filled: FillResult, cells: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "MIN_NEIGHBOUR_SHARE", np.inf)
    settings = Settings(1.0, 3.0)
    plain = fill(image_of(cells), sparse(cells == 1), axis="k", slices=SLICES, settings=settings)
    assert plain.state.context.evidence.neighbours is None
    assert dice(plain, cells == 1) < dice(filled, cells == 1) - 0.01


def test_a_cell_alone_has_no_neighbour() -> None:
    alone = balls(CENTRES[:1], 13.0)
    result = fill(image_of(alone), sparse(alone), axis="k", slices=SLICES, settings=Settings(1.0, 3.0))
    assert result.state.context.evidence.neighbours is None


def test_a_refill_looks_for_the_neighbour_on_the_edited_slice(filled: FillResult, cells: np.ndarray) -> None:
    edited = sparse(cells == 1).labels.copy()
    edited[20] = cells[20] > 0  # the user gives the neighbour to the cell there
    labels = Segmentation.from_labels(edited, Geometry(), {1: "cell"})
    after = refill(filled, labels).state.context.evidence
    assert after.neighbours is not None
    (edited_plane,), (other_plane,) = (after.orientation.slices([k]) for k in (20, 12))
    assert after.neighbours.outlines.distances[edited_plane][1].max() < 0
    assert after.neighbours.outlines.distances[other_plane][1].max() > 0


def test_a_refill_of_two_slabs_gives_the_bits_of_a_refill_of_all(filled: FillResult, cells: np.ndarray) -> None:
    edited = sparse(cells == 1).labels.copy()
    edited[20, :, :10] = 0
    labels = Segmentation.from_labels(edited, Geometry(), {1: "cell"})
    quick, everything = refill(filled, labels), refill(filled, labels, SLICES)
    assert len(quick.report.slabs) == 2 < len(everything.report.slabs)
    assert np.array_equal(quick.segmentation.labels, everything.segmentation.labels)
    assert np.array_equal(quick.uncertainty, everything.uncertainty)


def test_two_drawn_cells_of_one_look_are_told_apart_by_their_outlines(
    cells: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels = np.zeros(SHAPE, np.uint8)
    labels[SLICES] = cells[SLICES]
    both = Segmentation.from_labels(labels, Geometry(), {1: "left", 2: "right"})
    found = []
    for least in (constants.RIVALS, np.inf):
        monkeypatch.setattr(constants, "RIVALS", least)
        monkeypatch.setattr(constants, "DOUBTFUL", least)
        result = fill(image_of(cells), both, axis="k", slices=SLICES, settings=Settings(1.0, 3.0))
        assert len(result.state.context.evidence.rivals) == (least < 1)
        found.append(min(dice(result, cells == 1), dice(result, (cells == 2) * 2, 2)))
    assert found[0] > 0.97
    assert found[0] > found[1]


def test_three_labelled_cells_of_fifty_alike_do_not_leak() -> None:
    truth, image, sparse_labels = three_of_fifty_cells()
    found = fill(image, sparse_labels).segmentation.labels
    for value in (1, 2, 3):
        both = np.count_nonzero((found == value) & (truth == value))
        assert 2 * both > 0.95 * (np.count_nonzero(found == value) + np.count_nonzero(truth == value))


def test_rivals_are_families_that_the_image_confuses_both_ways() -> None:
    confusion = np.eye(6)
    for a, b in ((1, 2), (2, 1), (2, 5), (5, 2), (3, 4)):  # 3 is taken for 4, but 4 is not taken for 3
        confusion[a, b] = 1.0
    assert families_of(rivalries(confusion) >= constants.RIVALS) == [[1, 2, 5]]
    assert families_of(rivalries(np.zeros((3, 3))) >= constants.RIVALS) == []


def dumbbell(neck: int) -> tuple[np.ndarray, np.ndarray]:
    """Two boxes with a passage, (3, 21, 41), and the plane along i in which its narrowest part lies."""
    alike = np.zeros((3, 21, 41), bool)
    alike[:, 3:18, :] = True
    alike[:, :, neck] = False
    alike[:, 9:12, neck] = True
    return alike, np.arange(41)


def shared_out(
    alike: np.ndarray,
    lead: np.ndarray,
    gap: float,
    *,
    classes: np.ndarray | None = None,
    edges: np.ndarray | None = None,
    reach: float = np.inf,
    progress: Progress | None = None,
) -> np.ndarray:
    """Share of the first of two segments, whose outlines are the same on all planes; NaN where nothing is shared out.

    `lead` is the difference of the distances to their outlines, (J, I).
    """
    pair = (np.stack([lead, -lead]) / 2).astype(np.float16)
    outlines = NearestOutlines(
        [[1], [2]], lead.shape, (1.0, 1.0, 1.0), np.float32(gap), {0: pair, len(alike) - 1: pair}
    )
    classes = np.full(alike.shape, -1, np.int16) if classes is None else classes
    edges = np.zeros(alike.shape, np.float32) if edges is None else edges
    groups = [[0], [1], [2]]
    known = KnownPlanes(
        range(len(alike)), classes, groups, edges, np.ones(3, np.float32), 10.0, None, progress or Progress()
    )
    owners = np.array([-1, 0, 1], np.int8)
    places, shares = contest(alike.astype(np.float32), outlines, known, owners, constants.MIN_LIKENESS, reach)
    assert np.allclose(shares.sum(axis=0), 1, atol=1e-6)
    out = np.full(alike.size, np.nan)
    out[places] = shares[0]
    return out.reshape(alike.shape)


def only_crossing(line: np.ndarray) -> float:
    """Where a line of shares, drawn from voxel to voxel, passes one half, which it must do once."""
    crossing = [i + (a - 0.5) / (a - b) for i, (a, b) in enumerate(itertools.pairwise(line)) if a > 0.5 >= b]
    assert len(crossing) == 1
    return crossing[0]


@pytest.mark.parametrize("neck", [16, 24])
def test_the_contest_ends_at_the_neck(neck: int) -> None:
    """The interpolated outlines meet in the middle, at 20; the neck lies beside it."""
    alike, place = dumbbell(neck)
    share = shared_out(alike, np.broadcast_to(20.0 - place, alike.shape[1:]), 24.0)
    assert abs(only_crossing(share[1, 10]) - neck) < 2.5


@pytest.mark.parametrize("seam", [16, 24])
def test_the_contest_ends_at_a_seam_that_the_image_shows(seam: int) -> None:
    """Without it, the segments would meet in the middle, at 20."""
    edges = np.zeros((3, 21, 41), np.float32)
    edges[:, :, seam] = 1.0
    lead = np.broadcast_to(20.0 - np.arange(41), edges.shape[1:])
    assert abs(only_crossing(shared_out(np.ones(edges.shape), lead, 24.0)[1, 10]) - 20) <= 1
    assert abs(only_crossing(shared_out(np.ones(edges.shape), lead, 24.0, edges=edges)[1, 10]) - seam) <= 1


def test_nothing_is_shared_out_beyond_the_reach_of_all_outlines() -> None:
    lead = np.broadcast_to(20.0 - np.arange(41), (21, 41))
    distances = np.abs(lead) / 2  # the nearer outline is as far inside as the other one is outside
    share = shared_out(np.ones((3, 21, 41)), lead, 24.0, reach=-4.0)
    assert np.array_equal(np.isnan(share[1]), distances <= 4)


def test_a_contest_can_be_cancelled() -> None:
    alike, place = dumbbell(20)
    stopped = Progress(cancelled=lambda: True)
    with pytest.raises(Cancelled):
        shared_out(alike, np.broadcast_to(20.0 - place, alike.shape[1:]), 24.0, progress=stopped)


def test_what_was_decided_in_between_moves_the_contest() -> None:
    lead = np.broadcast_to(20.0 - np.arange(41), (9, 41))
    classes = np.full((5, 9, 41), -1, np.int16)
    classes[:, 4, :27] = 1
    classes[:, 4, 27:] = 2
    share = shared_out(np.ones(classes.shape), lead, 30.0, classes=classes)
    assert (share[2, 3:6, 24] > 0.5).all()
    assert (share[2, 3:6, 30] < 0.5).all()


def test_an_outline_that_a_slice_does_not_show_closes_half_way() -> None:
    plane = np.zeros((21, 21), np.int16)
    plane[6:15, 6:15] = 1
    shown, empty = plane, np.zeros_like(plane)
    start = NearestOutlines([[1], [2]], plane.shape, (1.0, 1.0, 1.0), np.float32(10), {})
    outlines = start.updated({0: shown, 10: empty}, [0, 10], [])
    distances = outlines.planes(range(11))
    assert distances[4, 0].max() > 0 > distances[6, 0].max()
    corner = distances[:, 0, 0, 0]  # outside on both: as far away as on the slice that shows it
    assert np.allclose(corner[:10], corner[0])
    assert (distances[:, 1] == -2 * MAX_DISTANCE).all()  # shown by none
