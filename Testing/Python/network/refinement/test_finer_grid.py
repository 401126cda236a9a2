"""A refinement network whose output is added to the main network's logits, on a finer grid."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from ACSegLib.errors import Cancelled, InputError
from ACSegLib.jobs import Progress
from ACSegLib.network.model.architecture import build_network
from ACSegLib.network.model.model_file import Model, load_model, save_model
from ACSegLib.network.model.preprocessing import Preprocessing
from ACSegLib.network.model.spec import NetworkSpec, unet_spec
from ACSegLib.network.predict import estimates
from ACSegLib.network.predict.backends import openvino_is_installed
from ACSegLib.network.predict.inference import PredictionSettings, predict
from ACSegLib.network.refinement.correction import corrected, opinion, scale_to_segment
from ACSegLib.network.refinement.finer_grid import onto
from ACSegLib.network.refinement.network import refinement_network, with_refinement_network, with_refinement_network_of
from ACSegLib.segment_estimates import Estimator
from ACSegLib.volume import Segment, Volume
from ACSegLib.workflows import PredictRequest, run_predict

SETTINGS = PredictionSettings(backend="pytorch", device="cpu", precision="float32", keep_probabilities=True)
KERNELS = ((3, 3, 3), (3, 3, 3))
ADDITIVE = NetworkSpec(2, 2, (4, 8), kernels=KERNELS, additive=True)


def main_network():
    """A model that reduces images to 20^3 voxels, and finds what is bright."""
    torch.manual_seed(0)
    spec = unet_spec(1, base=4, strides=[(1, 1, 1), (2, 2, 2)], residual=False)
    network = build_network(spec)
    preprocessing = Preprocessing(patch_size=(16, 16, 16), mean_side=20, canonical_axes=True)
    return Model(spec, network.state_dict(), [Segment("cell", 3)], preprocessing)


def second_network(bias=(0.0, 0.0), weight=0.0):
    torch.manual_seed(1)
    network = build_network(ADDITIVE)
    with torch.no_grad():
        head = network.heads[0].conv.conv
        head.weight.mul_(weight)
        head.bias.copy_(torch.tensor(bias))
    return network.state_dict()


@pytest.fixture(scope="module")
def image():
    rng = np.random.default_rng(3)
    grid = np.mgrid[:38, :34, :30]
    inside = sum((g - c) ** 2 for g, c in zip(grid, (20, 15, 14), strict=True)) < 80
    return Volume((inside + rng.normal(0, 0.2, inside.shape)).astype(np.float32))


def test_the_kind_of_refinement_network_is_kept_in_the_file(tmp_path):
    model = with_refinement_network(main_network(), ADDITIVE, second_network())
    save_model(model, tmp_path / "m.acseg")
    assert load_model(tmp_path / "m.acseg").spec.refinement == ADDITIVE
    assert not NetworkSpec.from_json(replace(ADDITIVE, additive=False).to_json()).additive


@pytest.fixture
def unguarded(monkeypatch):
    """Without the rules of plausible growth, which have tests of their own: the main network here knows no cell."""
    monkeypatch.setattr("ACSegLib.network.refinement.finer_grid.keep_plausible", lambda *arguments: 0)


def test_a_network_that_adds_nothing_changes_nothing(image, unguarded):
    model = with_refinement_network(main_network(), ADDITIVE, second_network())
    plain, refined = (predict(image, model, replace(SETTINGS, correct=correct)) for correct in (False, True))
    assert refined.report.surface_regions > 0
    assert plain.report.surface_regions is None
    assert refined.report.working_shape == [38, 34, 30]
    assert plain.report.working_shape == [22, 20, 18]
    difference = np.abs(refined.probabilities.astype(float) - plain.probabilities.astype(float))
    assert difference.max() < 3e-3
    assert np.mean(refined.labels != plain.labels) < 1e-3


def test_what_the_network_adds_is_added_to_the_logits(image, unguarded):
    model = with_refinement_network(main_network(), ADDITIVE, second_network(bias=(0.0, 1.0)))
    plain, refined = (predict(image, model, replace(SETTINGS, correct=correct)) for correct in (False, True))
    assert refined.report.surface_regions == 1
    before, after = (np.asarray(p.probabilities[1], float) for p in (plain, refined))
    odds = (before + 1e-3) / (1 - before + 1e-3) * np.e
    assert np.abs(after - odds / (1 + odds)).max() < 5e-3


def test_results_do_not_depend_on_the_axes(image):
    model = with_refinement_network(main_network(), ADDITIVE, second_network(weight=1.0))
    found = predict(image, model, SETTINGS).labels
    turned = predict(Volume(np.ascontiguousarray(image.array.transpose(2, 0, 1)[::-1])), model, SETTINGS).labels
    assert 0 < np.count_nonzero(found) < found.size
    assert np.mean(turned != found.transpose(2, 0, 1)[::-1]) < 1e-4


@pytest.mark.skipif(not openvino_is_installed(), reason="OpenVINO is not installed")
def test_openvino_gives_the_labels_of_pytorch(image):
    model = with_refinement_network(main_network(), ADDITIVE, second_network(weight=1.0))
    pytorch, openvino = (predict(image, model, replace(SETTINGS, backend=name)) for name in ("pytorch", "openvino"))
    assert openvino.report.backend == "openvino"
    assert np.mean(pytorch.labels != openvino.labels) < 1e-4


def test_refine_chooses_whether_the_network_corrects(image):
    model = with_refinement_network(main_network(), ADDITIVE, second_network(bias=(0.0, 2.0)))

    def report(**options):
        return run_predict(PredictRequest(volume=image, model=model, **options)).report

    assert report(refine="none").surface_regions is None
    assert report(refine="network").surface_regions == 1
    finest = report()
    assert finest.surface_regions == 1
    assert finest.walk_band_voxels is None, "the finer grid is the image's, so that no walk is needed"
    walked = report(refine="walk")
    assert walked.surface_regions is None
    assert walked.walk_band_voxels is not None
    with pytest.raises(InputError, match="no-resample"):
        report(refine="network", resample=False)


def test_estimates_are_those_of_the_networks_that_ran(image, monkeypatch):
    first = main_network()
    first.state_dict["heads.0.conv.conv.weight"].zero_()
    first.state_dict["heads.0.conv.conv.bias"].copy_(torch.tensor((0.0, 5.0)))  # certain that all is cell
    model = with_refinement_network(first, ADDITIVE, second_network())
    errors = {estimates.identity(first): 0.2, estimates.identity(model): 0.1}
    known = {
        name: {"cell": Estimator((np.log(error), *[0] * 7), (0,) * 8, (-0.1, 0.1), (0, 0), (0,) * 8, 1.0)}
        for name, error in errors.items()
    }
    monkeypatch.setattr(estimates, "ESTIMATORS", known)
    dice = {}
    for way in ("auto", "none", "walk", "network"):
        outcome = run_predict(PredictRequest(volume=image, model=model, refine=way, tta=True, device="cpu"))
        dice[way] = [e.dice.value for e in outcome.report.estimates]
    assert dice == {"auto": [0.9], "none": [0.8], "walk": [0.8], "network": [0.9]}


def test_an_adapted_model_keeps_the_refinement_network():
    model = with_refinement_network(main_network(), ADDITIVE, second_network(weight=1.0))
    adapted = with_refinement_network_of(main_network(), model)
    second = refinement_network(adapted)
    assert second.spec == ADDITIVE
    assert all(torch.equal(v, second.state_dict[k]) for k, v in refinement_network(model).state_dict.items())
    assert with_refinement_network_of(model, main_network()) is model


@pytest.mark.parametrize("scale", [1.0, 250.0, -1.0])
def test_an_image_is_scaled_by_the_contrast_of_the_segment(scale):
    labels = np.zeros((30, 30, 30), np.uint8)
    labels[10:20, 10:20, 10:20] = 1
    values = np.where(labels, 0.6, 0.2)
    values[0] = 9.0  # the glass
    scaled = scale_to_segment((scale * values + 3).astype(np.float32), [labels])
    assert np.allclose(scaled[labels == 1], 1, atol=1e-3)
    assert np.allclose(scaled[1:][labels[1:] == 0], 0, atol=1e-3)
    assert np.allclose(scaled[0], 22, atol=1e-3), "how bright the glass is tells where a cell ends that touches it"
    with pytest.raises(Cancelled):
        scale_to_segment(values, [labels], Progress(cancelled=lambda: True))


def test_an_image_without_a_segment_stays_as_it_is():
    values = np.random.default_rng(0).normal(size=(20, 20, 20)).astype(np.float32)
    labels = np.zeros(values.shape, np.uint8)
    assert scale_to_segment(values, [labels]) is values
    labels[10, 10, 10] = 1
    assert scale_to_segment(values, [labels]) is values


def test_sums_of_logits_are_products_of_probabilities():
    rng = np.random.default_rng(0)
    logits, change = rng.normal(0, 1, (2, 3, 4, 4, 4))
    for overlapping in (False, True):
        spec = NetworkSpec(4, 3, (4, 8), "sigmoid" if overlapping else "softmax", kernels=KERNELS, additive=True)

        def answer(values, overlapping=overlapping):
            tensor = torch.from_numpy(values)
            return (tensor.sigmoid() if overlapping else tensor.softmax(0)).numpy()

        found = corrected(answer(logits), answer(change), spec)
        assert np.abs(found - answer(logits + change)).max() < 0.02
        assert opinion(answer(logits), spec).shape == ((3 if overlapping else 2), 4, 4, 4)


def test_probabilities_are_interpolated_over_the_same_box():
    coarse = np.linspace(0, 1, 10, dtype=np.float32)[None, :, None, None] * np.ones((2, 1, 10, 10), np.float32)
    fine = onto(coarse, (20, 20, 20))
    assert fine.shape == (2, 20, 20, 20)
    assert np.allclose(
        fine[0, 1:-1, 3, 3],
        np.interp((np.arange(20) + 0.5) / 2 - 0.5, np.arange(10), coarse[0, :, 0, 0])[1:-1],
        atol=1e-5,
    )
