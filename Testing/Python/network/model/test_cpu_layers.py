import pytest
import torch
from torch import nn

from ACSegLib.network.model import cpu_layers
from ACSegLib.network.model.architecture import build_network
from ACSegLib.network.model.spec import unet_spec


def gradients(network, image):
    network.zero_grad()
    outputs = network(image)
    sum((output**2).mean() for output in outputs).backward()
    return outputs[0].detach(), {name: p.grad.clone() for name, p in network.named_parameters()}


@pytest.mark.parametrize("residual", [True, False])
def test_same_results_and_gradients_as_torch(monkeypatch, residual):
    torch.manual_seed(0)
    network = build_network(unet_spec(2, base=32, strides=[(1, 1, 1), (2, 2, 2)], residual=residual)).double()
    image = torch.randn(1, 1, 20, 28, 8, dtype=torch.float64)
    padded = []
    wanted = cpu_layers.Convolution._wanted_planes
    monkeypatch.setattr(
        cpu_layers.Convolution, "_wanted_planes", lambda s, x: padded.append(wanted(s, x)) or padded[-1]
    )
    monkeypatch.setattr(cpu_layers, "_plain_cpu", lambda _: True)
    fast = gradients(network, image)
    assert any(padded)
    monkeypatch.setattr(cpu_layers, "_plain_cpu", lambda _: False)
    slow = gradients(network, image)
    torch.testing.assert_close(fast[0], slow[0])
    for name in slow[1]:
        torch.testing.assert_close(fast[1][name], slow[1][name], msg=name)


@pytest.mark.parametrize(("kernel", "stride", "bias"), [(3, 1, True), (3, 2, False), (1, 1, True)])
def test_a_prediction_convolves_small_images_without_copies_of_every_voxel(kernel, stride, bias):
    """Torch's own way for them, ``slow_conv3d``, holds every voxel once for each weight of the kernel."""
    torch.manual_seed(0)
    layer = cpu_layers.Convolution(4, 8, kernel, stride, kernel // 2, bias=bias)
    image = torch.randn(1, 4, 12, 10, 14)
    with torch.no_grad(), torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as seen:
        found = layer(image)
    weight, offset = layer.weight.double(), None if layer.bias is None else layer.bias.double()
    exact = nn.functional.conv3d(image.double(), weight, offset, layer.stride, layer.padding)
    torch.testing.assert_close(found.double(), exact, rtol=0, atol=1e-5)
    if torch.backends.mkldnn.is_available():
        assert not [event.key for event in seen.key_averages() if "slow_conv" in event.key]


def test_channels_last_is_kept():
    layer = cpu_layers.InstanceNorm(8, affine=True)
    image = torch.randn(1, 8, 6, 6, 6).contiguous(memory_format=torch.channels_last_3d)
    assert layer(image).is_contiguous(memory_format=torch.channels_last_3d)


def test_sixteen_bits_and_tracing_take_torchs_own_way():
    image = torch.randn(1, 8, 6, 6, 6)
    assert cpu_layers._plain_cpu(image)
    assert not cpu_layers._plain_cpu(image.to(torch.bfloat16))
    with torch.autocast("cpu", torch.bfloat16):
        assert not cpu_layers._plain_cpu(image)
    traced = torch.jit.trace(cpu_layers.InstanceNorm(8, affine=True), image)
    assert "instance_norm" in str(traced.inlined_graph)


@pytest.mark.parametrize("order", [torch.contiguous_format, torch.channels_last_3d])
@pytest.mark.parametrize(("size", "close"), [(24, 1e-3), (96, 1e-5)])
def test_normalisation_is_exact_enough(order, size, close):
    """Against double precision; the mean of three deviations is what single precision sums suffer from."""
    torch.manual_seed(0)
    image = torch.randn(1, 2, size, size, size) + 3
    exact = nn.InstanceNorm3d(2)(image.double())
    found = cpu_layers.InstanceNorm(2)(image.contiguous(memory_format=order))
    assert float((found - exact).abs().max()) < close
