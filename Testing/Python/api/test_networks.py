"""Train and predict on arrays."""

import dataclasses
import inspect
import sys
from pathlib import Path

import numpy as np
import pytest
from ballcase import BALL, IMAGE, SHAPE, SPARSE

import ACSegLib as acseg
from ACSegLib.errors import InputError
from ACSegLib.volume import Geometry, Segmentation, Volume
from ACSegLib.workflows import PredictRequest

pytest.importorskip("torch")
sys.path.insert(0, str(Path(__file__).parents[1] / "network"))
from known_networks import threshold_model

TINY = {
    "epochs": 1, "steps_per_epoch": 2, "validation_part": 0, "device": "cpu", "precision": "float32",
    "patch": [16, 16, 16], "base_filters": 4, "levels": 2, "batch": 1, "grow": False,
}  # fmt: skip


@pytest.fixture
def model():
    return threshold_model(50.0)


def test_predict_has_every_option_of_a_request_with_its_default():
    own = {name: value.default for name, value in inspect.signature(acseg.api.predict).parameters.items()}
    for name in ("image", "model", "spacing", "unit", "progress"):
        own.pop(name)
    theirs = {field.name: field.default for field in dataclasses.fields(PredictRequest)}
    assert own == {name: value for name, value in theirs.items() if name not in ("volume", "model")} | {"roi": None}


def test_predict_puts_every_option_into_the_request(monkeypatch, model):
    from ACSegLib import workflows

    options = {
        "probabilities": True, "tta": True, "refine": "none", "thin": 0.3, "contrast": "dark", "device": "cpu",
        "largest": ("cell",), "islands": 1.0, "holes": 2.0, "native": True, "stride": 16, "resample": False,
        "backend": "pytorch", "precision": "float32", "overlap": 0.1, "memory": 3.0,
    }  # fmt: skip
    requests = []
    monkeypatch.setattr(workflows, "run", lambda request, **_: requests.append(request))
    acseg.predict(IMAGE, model, roi=np.s_[2:8, 4:, :], tile=(16, 20, 24), **options)
    assert {name: getattr(requests[0], name) for name in options} == options
    assert requests[0].roi == (0, SHAPE[2], 4, SHAPE[1], 2, 8)
    assert requests[0].tile == (24, 20, 16)


def test_a_prediction_of_an_array_gives_an_array(model):
    prediction = acseg.predict(IMAGE, model, refine="none")
    assert prediction.labels.shape == SHAPE
    np.testing.assert_array_equal(prediction.labels > 0, IMAGE > 50)
    assert prediction.probabilities is None
    assert acseg.predict(IMAGE, model, probabilities=True).probabilities.shape == (3, *SHAPE)


def test_a_prediction_is_on_the_grid_of_its_volume(model):
    volume = Volume(IMAGE, Geometry((1, 2, 3), (4, 5, 6), unit="nm"))
    assert acseg.predict(volume, model).segmentation.geometry == volume.geometry
    assert acseg.predict(IMAGE, model, spacing=(3, 2, 1), unit="nm").segmentation.geometry.spacing == (1, 2, 3)


def test_a_region_is_in_array_order(model):
    labels = acseg.predict(IMAGE, model, roi=np.s_[8:16, :, -20:], refine="none").labels
    expected = np.zeros(SHAPE, bool)
    expected[8:16, :, -20:] = IMAGE[8:16, :, -20:] > 50
    np.testing.assert_array_equal(labels > 0, expected)
    with pytest.raises(InputError, match=r"three slices along \(z, y, x\)"):
        acseg.predict(IMAGE, model, roi=(1, 2, 3))


def test_a_spacing_without_a_unit_is_refused_where_the_model_has_one():
    with pytest.raises(InputError, match=r"no unit.*\(3, 2, 1\) nm.*unit="):
        acseg.predict(IMAGE, threshold_model(50.0, spacing=(1, 2, 3)), spacing=(3, 2, 1))


def test_a_model_may_be_a_file(tmp_path, model):
    assert acseg.save(tmp_path / "model.acseg", model) == []
    labels = acseg.predict(IMAGE, tmp_path / "model.acseg").labels
    np.testing.assert_array_equal(labels, acseg.predict(IMAGE, model).labels)
    with pytest.raises(InputError, match=r"model must be .*ndarray"):
        acseg.predict(IMAGE, IMAGE)


@pytest.mark.parametrize("library", ["torch", "dask.array", "zarr"])
def test_images_of_other_libraries_are_predicted(library, model):
    module = pytest.importorskip(library)
    convert = {"torch": "tensor", "dask.array": "from_array", "zarr": "array"}[library]
    labels = acseg.predict(getattr(module, convert)(IMAGE), model, refine="none").labels
    np.testing.assert_array_equal(labels > 0, IMAGE > 50)


def test_an_image_that_stays_on_the_disk_is_predicted(tmp_path, model):
    acseg.save(tmp_path / "cell.nrrd", Volume(IMAGE))
    prediction = acseg.predict(acseg.open(tmp_path / "cell.nrrd", lazy=True), model, refine="none")
    assert prediction.report.image_on_disk
    np.testing.assert_array_equal(prediction.labels > 0, IMAGE > 50)


def test_training_on_arrays_and_on_files_gives_the_same_model(tmp_path):
    geometry = Geometry((1, 2, 3), unit="nm")
    acseg.save(tmp_path / "cell.nrrd", Volume(IMAGE, geometry))
    acseg.save(tmp_path / "cell.seg.nrrd", Segmentation.from_labels(BALL.astype(np.uint8), geometry))
    sources = {
        "arrays": ((IMAGE, BALL), {"spacing": (3, 2, 1), "unit": "nm"}),
        "files": ((tmp_path / "cell.nrrd", tmp_path / "cell.seg.nrrd"), {}),
    }
    digests = {}
    for name, (pair, where) in sources.items():
        result = acseg.train([pair], **where, **TINY)
        digests[name] = {key: value.numpy().tobytes() for key, value in result.model.state_dict.items()}
    assert digests["arrays"] == digests["files"]
    assert acseg.predict(IMAGE, result).labels.shape == SHAPE


def test_sparse_labels_are_trained_on():
    result = acseg.train([(IMAGE, SPARSE)], **TINY)
    assert [segment.name for segment in result.model.segments] == ["Segment_1"]


def test_an_unknown_option_of_a_training_is_named():
    with pytest.raises(InputError, match=r"no option 'minuets'; it has: preset, minutes"):
        acseg.train([(IMAGE, BALL)], minuets=5)
    with pytest.raises(InputError, match="pair 0 is not an image and its labels"):
        acseg.train([IMAGE])
