import pytest
import torch

from ACSegLib.network.model.architecture import build_network
from ACSegLib.network.model.spec import unet_spec


@pytest.mark.parametrize("residual", [True, False])
def test_shapes_and_deep_supervision(residual):
    spec = unet_spec(2, base=4, residual=residual)
    network = build_network(spec)
    image = torch.randn(2, 1, 16, 24, 16)
    outputs = network(image)
    assert [tuple(o.shape) for o in outputs] == [(2, 3, 16, 24, 16), (2, 3, 8, 12, 8), (2, 3, 4, 6, 4)]
    network.eval()
    assert network(image).shape == (2, 3, 16, 24, 16)


@pytest.mark.parametrize("residual", [True, False])
def test_names_and_results_are_those_of_monais_blocks(residual):
    from monai.networks.blocks.dynunet_block import UnetBasicBlock, UnetOutBlock, UnetResBlock, UnetUpBlock

    torch.manual_seed(0)
    strides, kernels = [(1, 1, 1), (1, 2, 2), (2, 2, 2)], [(1, 3, 3), (3, 3, 3), (3, 3, 3)]
    spec = unet_spec(2, base=4, strides=strides, kernels=kernels, residual=residual)
    network = build_network(spec).eval()
    norm, block = ("INSTANCE", {"affine": True}), UnetResBlock if residual else UnetBasicBlock
    encoder = [block(3, *widths, kernels[n], strides[n], norm) for n, widths in enumerate([(1, 4), (4, 8), (8, 16)])]
    decoder = [UnetUpBlock(3, 2 * n, n, kernels[m], 1, strides[m + 1], norm) for m, n in ((1, 8), (0, 4))]
    head = UnetOutBlock(3, 4, 3)
    own = [*network.encoder, *network.decoder, network.heads[-1]]
    for theirs, ours in zip([*encoder, *decoder, head], own, strict=True):
        theirs.load_state_dict(ours.state_dict())
    image = torch.randn(1, 1, 8, 16, 16)
    fine = encoder[0](image)
    middle = encoder[1](fine)
    coarse = encoder[2](middle)
    expected = head(decoder[1](decoder[0](coarse, middle), fine))
    torch.testing.assert_close(network(image), expected, atol=1e-4, rtol=1e-4)


def test_anisotropic_strides_keep_the_coarse_axis():
    spec = unet_spec(
        1,
        base=4,
        strides=[(1, 1, 1), (1, 2, 2), (2, 2, 2), (2, 2, 2), (2, 2, 2)],
        kernels=[(1, 3, 3)] + [(3, 3, 3)] * 4,
    )
    assert spec.patch_divisor == (8, 16, 16)
    assert len(spec.filters) == 5
    assert build_network(spec).eval()(torch.randn(1, 1, 16, 32, 32)).shape == (1, 2, 16, 32, 32)


def test_instance_norm_makes_a_batch_of_independent_images():
    network = build_network(unet_spec(1, base=4)).eval()
    images = torch.randn(2, 1, 16, 16, 16)
    together = network(images)
    torch.testing.assert_close(together[1:], network(images[1:]), atol=1e-5, rtol=1e-5)


def test_overlapping_classes_have_no_channel_for_background():
    assert unet_spec(3, overlapping=True).out_channels == 3
