"""A box as a prompt: one dab inside and the box around the object are enough."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

import ACSegLib as acseg
from ACSegLib import Segmentation, Volume
from ACSegLib.errors import InputError
from ACSegLib.fill.prior.features import intensity_range, prepare
from ACSegLib.fill.prompts.box import SHELL, with_shell
from ACSegLib.fill.prompts.stroke_voxels import closed_room
from ACSegLib.fill.prompts.strokes import StrokeSearch
from ACSegLib.fill.seeds import UNKNOWN
from ACSegLib.jobs import Progress
from ACSegLib.workflows import FillRequest, run_fill

SIZE = 40


def two_balls() -> tuple[Volume, np.ndarray, np.ndarray]:
    """Two bright balls of one look; the first one, its truth and a dab in it."""
    k, j, i = np.indices((SIZE,) * 3)
    first = (k - 12) ** 2 + (j - 14) ** 2 + (i - 13) ** 2 < 9**2
    other = (k - 29) ** 2 + (j - 27) ** 2 + (i - 28) ** 2 < 8**2
    image = (first | other) + np.random.default_rng(0).normal(0, 0.2, first.shape)
    dab = (k - 12) ** 2 + (j - 14) ** 2 + (i - 13) ** 2 < 3**2
    return Volume(image.astype(np.float32)), first, dab


def test_a_dab_and_a_box_give_the_object_and_nothing_else() -> None:
    volume, truth, dab = two_balls()
    labels = Segmentation.from_labels(dab.astype(np.uint8), names={1: "cell"})
    box = (2, 25, 3, 26, 1, 24)
    outcome = run_fill(FillRequest(volume=volume, labels=labels, box=box, device="cpu", suggest=0))
    assert [s.name for s in outcome.segmentation.segments] == ["cell"]
    found = outcome.segmentation.mask("cell")
    assert 2 * np.count_nonzero(found & truth) / (found.sum() + truth.sum()) > 0.95
    assert not found[24:].any()
    assert not found[:, :, :2].any()
    again = acseg.fill(volume, labels, box=np.s_[1:24, 3:26, 2:25], device="cpu", suggest=0)
    assert np.array_equal(again.labels, outcome.labels)


def test_the_shell_goes_around_the_box_and_over_nothing_that_was_drawn() -> None:
    _, _, dab = two_balls()
    drawn = dab.astype(np.uint8)
    drawn[12, 14, 25] = 1  # beside the box
    labels, name = with_shell(Segmentation.from_labels(drawn, names={1: "cell"}), (2, 25, 3, 26, 1, 24), None)
    shell = labels.mask(name)
    assert labels.segment(name).name == SHELL
    assert not shell[1:24, 3:26, 2:25].any()
    assert labels.labels[12, 14, 25] == 1
    assert np.count_nonzero(shell) == 26 * 27 * 27 - 23**3 - 1  # two voxels thick; one only at the end of the volume
    same, again = with_shell(labels, (2, 25, 3, 26, 1, 24), None)
    assert (again, len(same.segments)) == (name, 2)


@pytest.mark.parametrize(
    ("box", "said"),
    [((2, 25, 3), "six whole numbers"), ((2, 50, 3, 26, 1, 24), "within 0..40"), ((30, 39) * 3, "nothing is drawn")],
)
def test_a_box_that_makes_no_sense_is_refused_in_one_sentence(box: tuple[int, ...], said: str) -> None:
    _, _, dab = two_balls()
    labels = Segmentation.from_labels(dab.astype(np.uint8), names={1: "cell"})
    with pytest.raises(InputError, match=said):
        with_shell(labels, box, None)


def test_strokes_on_an_oblique_plane_are_strokes() -> None:
    """Labels drawn in an oblique view land on scattered voxels of every slice; no voxel between them is known."""
    volume, truth, _ = two_balls()
    k, j, i = np.indices((SIZE,) * 3)
    oblique = np.abs((k - 12) + 0.5 * (j - 14) - 0.7 * (i - 13)) < 0.7
    near = (k - 12) ** 2 + (j - 14) ** 2 + (i - 13) ** 2
    drawn = np.where(oblique & (near < 6**2), 1, np.where(oblique & (near > 11**2) & (near < 13**2), 2, 0))
    labels = Segmentation.from_labels(drawn.astype(np.uint8), names={1: "cell", 2: "background"})
    for mode in ("auto", "scribbles"):
        result = acseg.fill(volume, labels, mode=mode, device="cpu", suggest=0)
        found = result.segmentation.mask("cell")
        assert result.slices == {}
        assert 2 * np.count_nonzero(found & truth) / (found.sum() + truth.sum()) > 0.95


def walled_cells() -> tuple[Volume, np.ndarray, np.ndarray]:
    """Cubes of one look, all with bright walls; the one in the middle, and a dab in it."""
    side, k = 14, np.indices((3 * 14 + 1,) * 3)
    blurred = ndimage.gaussian_filter((k % side == 0).any(axis=0).astype(float), 1.0)
    image = blurred + np.random.default_rng(0).normal(0, 0.05, blurred.shape)
    inner = ((k > side) & (k < 2 * side)).all(axis=0)
    return Volume(image.astype(np.float32)), inner, ((k - 3 * side // 2) ** 2).sum(axis=0) <= 4


@pytest.mark.parametrize("margin", [1, 2, 4])
def test_a_box_around_a_cell_with_walls_makes_the_fill_no_worse(margin: int) -> None:
    volume, truth, dab = walled_cells()
    labels = Segmentation.from_labels(dab.astype(np.uint8), names={1: "cell"})

    def dice(box: tuple[int, ...]) -> float:
        request = FillRequest(volume=volume, labels=labels, mode="scribbles", box=box, device="cpu", suggest=0)
        found = run_fill(request).segmentation.mask("cell")
        return 2 * np.count_nonzero(found & truth) / (found.sum() + truth.sum())

    assert dice((15 - margin, 28 + margin) * 3) > dice(()) - 0.02


def test_a_dab_that_touches_the_shell_is_a_dab_of_its_own() -> None:
    volume, _, dab = two_balls()
    drawn = dab.astype(np.uint8)
    drawn[3:6, 5:8, 20:24] = 2  # inside the box, up to its face
    labels = Segmentation.from_labels(drawn, names={1: "cell", 2: "background"})
    shelled, _ = with_shell(labels, (2, 24, 3, 26, 1, 24), "background")
    seeds = np.select([shelled.labels == 1, shelled.labels == 2], [1, 0], UNKNOWN).astype(np.int16)
    features = prepare(volume.array, [1.0] * 3, intensity_range(volume.array, seeds), Progress())
    search = StrokeSearch.of(features, seeds)
    assert search.room == np.s_[1:24, 3:26, 2:24]
    assert sorted((d.number, len(d.places[0])) for d in search.dabs) == [(0, 36), (1, np.count_nonzero(dab))]


def test_a_shell_with_a_gap_closes_nothing() -> None:
    strokes = np.full((12, 12, 12), UNKNOWN, np.int16)
    strokes[2:10, 2:10, 2:10] = 0
    strokes[3:9, 3:9, 3:9] = UNKNOWN
    assert closed_room(strokes) is None  # no segment says which side is meant
    strokes[5, 5, 5] = 1
    assert closed_room(strokes) == np.s_[3:9, 3:9, 3:9]
    strokes[2, 5, 5] = UNKNOWN
    assert closed_room(strokes) is None
