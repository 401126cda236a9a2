"""Prediction by OpenVINO alone: the graph says what the PyTorch module says, and PyTorch is not imported."""

import subprocess
import sys
import textwrap
from dataclasses import replace

import numpy as np
import pytest
import torch
from known_networks import threshold_model

from ACSegLib.errors import InputError
from ACSegLib.files import save_volume
from ACSegLib.network.model.architecture import build_seeded
from ACSegLib.network.model.model_file import Model, load_model, save_model
from ACSegLib.network.model.preprocessing import Preprocessing
from ACSegLib.network.model.pretrained import pretrained_model
from ACSegLib.network.model.spec import BIOMEDISA_KIND, NetworkSpec, unet_spec
from ACSegLib.network.predict.inference import PredictionSettings, predict
from ACSegLib.phantom import simulate
from ACSegLib.volume import Segment, Volume

openvino = pytest.importorskip("openvino", reason="OpenVINO is not installed")

ANISOTROPIC = {"strides": ((1, 1, 1), (1, 2, 2), (2, 2, 2)), "kernels": ((1, 3, 3), (3, 3, 3), (3, 3, 3))}
BIOMEDISA = NetworkSpec(kind=BIOMEDISA_KIND, in_channels=1, filters=(4, 8, 16), out_channels=3)
SPECS = {
    "residual blocks": unet_spec(2, base=4),
    "plain blocks, one head": unet_spec(2, base=4, residual=False, deep_supervision=False),
    "overlapping segments, anisotropic": unet_spec(3, overlapping=True, base=4, **ANISOTROPIC),
    "with a refinement network": replace(unet_spec(2, base=4), refinement=unet_spec(2, base=4, in_channels=3)),
    "Biomedisa's": BIOMEDISA,
    "Biomedisa's, residual": replace(BIOMEDISA, residual=True),
}


def random_network(spec):
    """Weights, and statistics of batch normalisations, that leave no layer without an effect."""
    network = build_seeded(spec, 0)
    generator = torch.Generator().manual_seed(1)
    for name, tensor in network.state_dict().items():
        if name.endswith(("bias", "running_mean")):
            tensor.copy_(torch.randn(tensor.shape, generator=generator))
        elif "norm" in name and tensor.is_floating_point():
            tensor.copy_(0.5 + torch.rand(tensor.shape, generator=generator))
    return network.eval()


@pytest.mark.parametrize("kind", SPECS)
def test_the_graph_gives_the_probabilities_of_the_pytorch_module(kind):
    from ACSegLib.network.predict.openvino_graph import build_graph

    spec, image = SPECS[kind], np.random.default_rng(0).normal(size=(1, 1, 16, 24, 32)).astype(np.float32)
    network = random_network(spec)
    with torch.inference_mode():
        logits = network(torch.from_numpy(image))
    expected = (logits.sigmoid() if spec.overlapping else logits.softmax(1)).numpy()
    weights = {name: tensor.numpy() for name, tensor in network.state_dict().items()}
    options = {"INFERENCE_PRECISION_HINT": "f32"}
    compiled = openvino.Core().compile_model(build_graph(spec, weights, image.shape[2:]), "CPU", options)
    np.testing.assert_allclose(compiled([image])[0], expected, atol=2e-5)


def test_openvino_and_pytorch_give_the_same_labels_with_the_shipped_model():
    volume = simulate(40, seed=3, reconstruct=False).volume
    model = load_model(pretrained_model(), arrays=True)
    model = replace(model, preprocessing=replace(model.preprocessing, mean_side=40))  # the image is not enlarged
    found = {
        backend: predict(volume, model, PredictionSettings(device="cpu", backend=backend, precision="float32"))
        for backend in ("openvino", "pytorch")
    }
    labels = {name: result.segmentation.labels for name, result in found.items()}
    assert labels["pytorch"].any()
    assert (labels["openvino"] == labels["pytorch"]).mean() >= 0.9999


def test_a_weight_that_is_missing_or_of_another_shape_is_a_clear_error():
    model = threshold_model()
    weights = model.arrays()
    settings = PredictionSettings(device="cpu", backend="openvino", precision="float32")
    volume = Volume(np.zeros((8, 8, 8), np.float32))
    name = next(iter(weights))
    wider = np.concatenate([weights[name]] * 2, axis=1)
    for damaged in ({k: v for k, v in weights.items() if k != name}, {**weights, name: wider}):
        broken = Model(model.spec, damaged, model.segments, model.preprocessing)
        with pytest.raises(InputError, match="damaged"):
            predict(volume, broken, settings)


def test_acseg_predict_works_where_pytorch_is_not_installed(tmp_path):
    """Every import of torch, and of what needs it, fails in the process that predicts."""
    spec = unet_spec(2, base=4)
    segments = [Segment("cytoplasm", 1), Segment("bead", 2)]
    preprocessing = Preprocessing(patch_size=(16, 16, 16), longest_side=24)
    model = Model(spec, random_network(spec).state_dict(), segments, preprocessing)
    save_model(model, tmp_path / "model.acseg")
    save_volume(simulate(32, seed=1, reconstruct=False).volume, tmp_path / "image.nrrd")
    program = f"""
        import sys
        for name in ("torch", "monai", "lightning"):
            sys.modules[name] = None  # as if it were not installed
        from ACSegLib.commands.main import main
        image, model = {str(tmp_path / "image.nrrd")!r}, {str(tmp_path / "model.acseg")!r}
        common = ["predict", image, "-o", {str(tmp_path / "cell.seg.nrrd")!r}, "--json"]
        codes = [main([*common, *more]) for more in (["-m", model, "--tta"], [])]
        codes.append(main(["predict", image, "-o", "x.seg.nrrd", "--engine", "pytorch"]))
        print("codes", codes, file=sys.stderr)
        import ACSegLib as acseg
        volume = acseg.open(image)
        print("in Python", acseg.predict(volume, model).labels.shape, file=sys.stderr)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        capture_output=True,
        text=True,
        encoding="utf-8",
        cwd=tmp_path,
        timeout=240,
    )
    assert "codes [0, 0, 2]" in done.stderr, done.stderr
    assert "in Python (32, 32, 32)" in done.stderr, done.stderr
    assert 'pip install "acseg[network]"' in done.stderr
    assert '"openvino"' in done.stdout
