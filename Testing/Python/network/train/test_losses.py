import numpy as np
import pytest
import torch

from ACSegLib.network.train.data import IGNORE
from ACSegLib.network.train.losses import SegmentationLoss, soft_dice_loss

UNIFORM = [1.0, 1.0, 1.0]


def sample(seed=0, shape=(6, 8, 10)):
    generator = torch.Generator().manual_seed(seed)
    target = torch.randint(0, 3, (1, 1, *shape), generator=generator).to(torch.uint8)
    return torch.randn(1, 3, *shape, generator=generator), target


def perfect(target, classes=3):
    return torch.nn.functional.one_hot(target[:, 0].long(), classes).movedim(-1, 1).float() * 40 - 20


def test_numbers_against_monai_without_ignored_voxels():
    from monai.losses import DiceCELoss

    logits, target = sample()
    expected = DiceCELoss(
        include_background=False, to_onehot_y=True, softmax=True, smooth_nr=1.0, smooth_dr=1.0
    )(logits, target.long())  # fmt: skip
    # MONAI adds smooth_nr to 2 * intersection and smooth_dr to the sum, as here
    assert float(SegmentationLoss(UNIFORM)(logits, target)) == pytest.approx(float(expected), rel=1e-5)


def test_perfect_and_wrong():
    _, target = sample()
    loss = SegmentationLoss(UNIFORM)
    assert float(loss(perfect(target), target)) < 1e-3
    assert float(loss(perfect((target + 1) % 3), target)) > 5


def test_ignored_voxels_do_not_count_and_get_no_gradient():
    logits, target = sample()
    target[:, :, 3:] = IGNORE
    loss = SegmentationLoss([0.5, 1.0, 2.0])
    logits.requires_grad_()
    value = loss(logits, target)
    value.backward()
    assert not logits.grad[:, :, 3:].any()
    assert logits.grad[:, :, :3].any()
    other = logits.detach().clone()
    other[:, :, 3:] = 17.0
    assert float(loss(other, target)) == pytest.approx(value.item())
    alone = loss(logits.detach()[:, :, :3], target[:, :, :3])
    assert float(alone) == pytest.approx(value.item(), rel=1e-5)


def test_nothing_known_is_zero_and_finite():
    logits, target = sample()
    target[:] = IGNORE
    logits.requires_grad_()
    value = SegmentationLoss(UNIFORM)(logits, target)
    value.backward()
    assert float(value) == 0
    assert not logits.grad.any()


def test_class_weights_change_the_balance():
    target = torch.zeros(1, 1, 4, 4, 4, dtype=torch.uint8)
    target[..., 0] = 1
    wrong_rare = perfect(torch.zeros_like(target), 2) / 10
    light, heavy = SegmentationLoss([1.0, 1.0]), SegmentationLoss([1.0, 4.0])
    assert float(heavy(wrong_rare, target)) > float(light(wrong_rare, target))


def test_deep_supervision_weights_halve():
    logits, target = sample(shape=(8, 8, 8))
    loss = SegmentationLoss(UNIFORM)
    coarse = torch.randn(1, 3, 4, 4, 4)
    both = float(loss([logits, coarse], target))
    expected = (float(loss(logits, target)) + 0.5 * float(loss(coarse, target[:, :, 1::2, 1::2, 1::2]))) / 1.5
    assert both == pytest.approx(expected, rel=1e-5)


def test_thin_drawn_slices_reach_the_coarse_levels():
    target = torch.full((1, 1, 16, 16, 16), IGNORE, dtype=torch.uint8)
    target[:, :, 6] = 1  # an even plane: taking every other voxel would miss it
    coarse = torch.zeros(1, 3, 4, 4, 4, requires_grad=True)
    SegmentationLoss(UNIFORM)([torch.zeros(1, 3, 16, 16, 16), coarse], target).backward()
    assert coarse.grad[:, :, 1].any()
    assert not coarse.grad[:, :, 0].any()


def test_segments_nobody_looked_for_may_hide_in_the_background():
    target = torch.zeros(1, 1, 4, 4, 4, dtype=torch.uint8)
    says_two = perfect(torch.full_like(target, 2))
    loss = SegmentationLoss(UNIFORM)
    assert float(loss(says_two, target)) > 5
    assert float(loss(says_two, target, torch.tensor([[True, False]]))) < 1e-3
    says_one = perfect(torch.full_like(target, 1))
    assert float(loss(says_one, target, torch.tensor([[True, False]]))) > 5


def test_sigmoid_outputs_may_overlap():
    target = torch.zeros(1, 2, 4, 4, 4, dtype=torch.uint8)
    target[:, 0, :3] = 1
    target[:, 1, 2:] = 1
    loss = SegmentationLoss([1.0, 1.0], overlapping=True)
    assert float(loss(target.float() * 40 - 20, target)) < 1e-3
    target[:, 1, 0] = IGNORE
    logits = (target == 1).float() * 40 - 20
    logits[:, 1, 0] = 50
    assert float(loss(logits, target)) < 1e-3


def test_soft_dice_leaves_out_absent_segments():
    truth = torch.zeros(1, 2, 4, 4, 4)
    truth[:, 0] = 1
    found = truth.clone()
    found[:, 1] = 0.9
    assert float(soft_dice_loss(found, truth)) == pytest.approx(0, abs=1e-6)
    assert np.isclose(float(soft_dice_loss(0 * truth, truth)), 1 - 1 / 65)
