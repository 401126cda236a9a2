"""The validation set that a training takes from its own volumes, and the weights that it chooses by it."""

import numpy as np
import pytest
from training_cases import pair, settings

from ACSegLib.jobs import Progress
from ACSegLib.network.model.spec import unet_spec
from ACSegLib.network.train import trainer
from ACSegLib.network.train.data import IGNORE, Prepared
from ACSegLib.network.train.settings import make_fabric
from ACSegLib.network.train.trainer import MAX_DICE_LOSS_OF_LAST, Trainer
from ACSegLib.network.train.training import train
from ACSegLib.network.train.validation import Scores, validate
from ACSegLib.network.train.validation_split import split_validation


def case(name, boxes, shape=(40, 30, 20), segments=2):
    """A volume whose segments 1, 2, ... fill the boxes ((k0, k1), (j0, j1), (i0, i1)) in this order."""
    target = np.zeros((1, *shape), np.uint8)
    for value, box in enumerate(boxes, start=1):
        if box is not None:
            target[(0, *(slice(a, b) for a, b in box))] = value
    return Prepared(name, np.zeros(shape, np.float32), target, np.ones(segments, bool))


def voxels(cases, value):
    return sum(int(np.count_nonzero(c.target == value)) for c in cases)


CELL = ((2, 38), (5, 25), (5, 15))


def test_five_volumes_give_whole_volumes_and_fewer_give_blocks():
    cases = [case(f"v{n}", [CELL]) for n in range(5)]
    whole = split_validation(cases, 0.2, seed=0)
    assert not whole.blocks
    assert (len(whole.training), len(whole.validation)) == (4, 1)
    assert f"not trained on: {whole.validation[0].name}" in whole.note
    few = split_validation(cases[:4], 0.2, seed=0)
    assert few.blocks
    assert (len(few.training), len(few.validation)) == (4, 4)
    assert "4 volumes only" in few.note


@pytest.mark.parametrize(("volumes", "rough"), [(2, True), (6, True), (15, True), (20, False)])
def test_a_small_validation_set_does_not_choose_the_weights(volumes, rough):
    assert split_validation([case(f"v{n}", [CELL]) for n in range(volumes)], 0.2, seed=0).rough == rough


@pytest.mark.parametrize(("k", "j"), [(1, 8), (10, 2), (33, 8)])
def test_a_small_segment_is_in_the_validation_set_wherever_it_lies(k, j):
    """Two volumes with a bead each: one is scored on its bead, the other still teaches it."""
    bead = ((k, k + 4), (j, j + 4), (8, 12))
    cases = [case("a", [CELL, bead]), case("b", [CELL, ((18, 22), (12, 16), (8, 12))])]
    split = split_validation(cases, 0.2, seed=0)
    total = voxels(cases, 2)
    assert 0 < voxels(split.validation, 2) < total
    assert voxels(split.validation, 2) + voxels(split.training, 2) == total
    assert 0 < voxels(split.validation, 1) < voxels(split.training, 1)


def test_every_voxel_is_in_one_of_the_two_sets():
    cases = [case("a", [CELL]), case("b", [CELL], shape=(20, 44, 30))]
    split = split_validation(cases, 0.25, seed=0)
    for whole, training, held in zip(cases, split.training, split.validation, strict=True):
        assert training.image.size + held.image.size == whole.image.size
        assert held.image.size == pytest.approx(0.25 * whole.image.size, rel=0.1)


def test_sparse_labels_are_counted_on_labelled_slices_alone():
    sparse = case("a", [CELL])
    unlabelled = [k for k in range(40) if k not in (5, 20, 36)]
    sparse.target[0, unlabelled] = IGNORE
    split = split_validation([sparse], 0.2, seed=0)
    assert voxels(split.validation, 1) > 0
    assert voxels(split.training, 1) > 0


def test_a_block_is_predicted_within_its_surroundings_and_scored_on_its_own_voxels():
    """A network that labels by what lies 6 planes away is right about a block, although the answer lies outside it."""
    import torch

    class FarSighted(torch.nn.Module):
        """Finds in each plane what the image has 6 planes further in."""

        def forward(self, image):
            found = torch.roll(image, 6, dims=2)
            return torch.cat([-found, found], 1)

    truth = (np.random.default_rng(0).random((1, 40, 16, 16)) > 0.5).astype(np.uint8)
    image = np.roll(truth[0], -6, axis=0).astype(np.float32) * 2 - 1
    volume = Prepared("a", image, truth, np.ones(1, bool))
    fabric, spec = make_fabric(settings(), "cpu"), unet_spec(1, base=4, strides=[[1, 1, 1], [2, 2, 2]])
    alone = volume.block(0, 32, 40, "")
    within = volume.block(0, 32, 40, "", surroundings=8)
    assert within.image.shape[0] == 16
    assert within.target.shape[1] == 8
    scores = [validate(fabric, FarSighted(), [c], spec, (16, 16, 16), Progress()).mean for c in (alone, within)]
    assert scores[0] < 0.8
    assert scores[1] == 1


def test_a_block_has_so_much_beside_it_that_a_patch_fits():
    split = split_validation([case("a", [CELL])], 0.2, seed=0, patch_size=(24, 16, 16))
    (held,) = split.validation
    assert held.target.shape == (1, 8, 30, 20)
    assert held.image.shape == (24, 30, 20)
    assert split.training[0].image.shape == (32, 30, 20)


def test_the_note_says_how_many_segments_the_blocks_have():
    """A bead that reaches through the middle only is in no block at an end."""
    middle = case("a", [((0, 40), (0, 30), (0, 20)), ((18, 22), (13, 17), (8, 12))])
    assert "1 of 2 segments are in it" in split_validation([middle], 0.2, seed=0).note
    assert "all segments are in it" in split_validation([case("b", [CELL, ((33, 37), (8, 12), (8, 12))])], 0.2, 0).note


def test_nothing_is_spared_of_volumes_that_are_too_small_or_empty():
    for nothing in (case("flat", [((0, 3), (0, 3), (0, 3))], shape=(5, 5, 5)), case("empty", [None])):
        split = split_validation([nothing], 0.2, seed=0)
        assert split.validation == []
        assert "nothing was validated" in split.note


def test_a_false_voxel_in_a_block_without_the_segment_costs_one_voxel_not_a_block():
    """The second block has no bead, and a voxel of one is found there; no block has a nucleus."""
    cell, bead, nucleus = [[90, 100, 100]] * 2, [[45, 50, 50], [0, 1, 0]], [[0, 0, 0], [0, 1, 0]]
    scores = Scores(np.array([cell, bead, nucleus], float).swapaxes(0, 1))
    np.testing.assert_allclose(scores.by_segment, [0.9, 2 * 45 / 101, np.nan])
    assert scores.mean == pytest.approx((0.9 + 90 / 101) / 2)
    np.testing.assert_allclose(scores.dice, [[0.9, 0.9, np.nan], [0.9, 0, 0]])  # as each block alone is scored


def with_scores(monkeypatch, dice, cases):
    """Let the validations give these Dice in turn."""
    counts = (np.broadcast_to(np.array([value, 1.0, 1.0]), (cases, 2, 3)) for value in dice)
    monkeypatch.setattr(trainer, "validate", lambda *_: Scores(next(counts)))


def trained_with(monkeypatch, dice, **options):
    """Train on two volumes whose validations give these Dice in turn; the result, and the last averaged weights."""
    last = {}
    with_scores(monkeypatch, dice, cases=2)
    prefer = Trainer._prefer_last

    def watched(running):
        last.update({k: v.clone() for k, v in running.averaged.state_dict().items()})
        prefer(running)

    monkeypatch.setattr(Trainer, "_prefer_last", watched)
    monkeypatch.setattr("ACSegLib.network.train.training._calibrated", lambda model, *_: model)
    return train([pair(0), pair(1)], settings(epochs=len(dice), **options)), last


@pytest.mark.parametrize(
    ("dice", "keeps_last"),
    [
        ((0.5, 0.8, 0.79), True),
        ((0.5, 0.8, 0.9), True),
        ((0.5, 0.8, 0.8 - MAX_DICE_LOSS_OF_LAST - 0.01), False),
        ((0.9, 0.5, 0.4), False),
    ],
)
def test_with_blocks_the_last_weights_are_kept_unless_they_are_clearly_worse(monkeypatch, dice, keeps_last):
    found, last = trained_with(monkeypatch, dice)
    same = all(bool((found.model.state_dict[name] == value).all()) for name, value in last.items())
    assert same == keeps_last
    kept = found.model.card["validation"]
    assert kept["mean_dice"] == pytest.approx(dice[-1] if keeps_last else max(dice))
    assert any(("last averaged weights were kept" in w) == keeps_last for w in found.warnings if "were kept" in w)


def test_whole_validation_volumes_choose_the_best_weights(monkeypatch):
    with_scores(monkeypatch, (0.9, 0.89), cases=1)
    found = train([pair(0), pair(1)], settings(epochs=2), validation=[pair(9)])
    assert found.model.card["validation"]["mean_dice"] == pytest.approx(0.9)
    assert not any("were kept" in warning for warning in found.warnings)
