import json
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from biomedisa_files import random_weights, reference_network, write_model
from scipy.special import softmax

from ACSegLib.errors import FileError, InputError, MemoryLimitError
from ACSegLib.jobs import Progress
from ACSegLib.network.biomedisa.model_import import import_biomedisa, is_biomedisa_file
from ACSegLib.network.biomedisa.prediction import predict_biomedisa, predict_like_biomedisa
from ACSegLib.network.model.model_file import load_model, save_model
from ACSegLib.network.model.preprocessing import normalise
from ACSegLib.network.predict.inference import PredictionSettings, predict
from ACSegLib.volume import Geometry, Volume

SHARED = Path(__file__).resolve().parents[5] / "shared" / "data" / "biomedisa_models"


def probabilities_of(model, image):
    with torch.inference_mode():
        logits = model.network()(torch.from_numpy(image.astype(np.float32))[None, None])
    return np.moveaxis(logits.softmax(1).numpy()[0], 0, -1)


@pytest.mark.parametrize("name", ["keras2", "keras3"])
def test_published_files_give_biomedisas_own_result(name):
    if not SHARED.is_dir():
        pytest.skip(f"Biomedisa's model files are not at {SHARED}")
    model = import_biomedisa(next(SHARED.glob(f"{name}_*.h5")))
    expected = np.load(SHARED / "expected.npz")
    volume = Volume(expected["image"], Geometry((30, 30, 30), unit="nm"), "fixture")
    found = predict_biomedisa(volume, model, PredictionSettings(keep_probabilities=True), 32, Progress())
    assert np.count_nonzero(found.segmentation.labels != expected[f"labels_{name}"]) == 0
    assert np.abs(np.moveaxis(found.probabilities, 0, -1) - expected[f"probs_{name}"]).max() < 1e-5
    assert [s.value for s in found.segmentation.segments] == [1, 5]
    assert found.segmentation.geometry == volume.geometry


@pytest.mark.parametrize("keras", [2, 3])
@pytest.mark.parametrize(("filters", "resnet"), [((3, 4), False), ((2, 3, 4), True)])
def test_network_agrees_with_the_definition_of_its_layers(tmp_path, keras, filters, resnet):
    layers = random_weights(filters, 3, resnet=resnet)
    write_model(tmp_path / "m.h5", layers, keras=keras, resnet=resnet)
    model = import_biomedisa(tmp_path / "m.h5")
    assert model.spec.filters == tuple(filters)
    assert model.spec.residual is resnet
    image = np.random.default_rng(1).random((8, 12, 8))
    expected = reference_network(image, layers, len(filters) - 1, resnet)
    assert np.abs(probabilities_of(model, image) - expected).max() < 1e-5
    save_model(model, tmp_path / "m.acseg")
    again = load_model(tmp_path / "m.acseg")
    assert np.array_equal(probabilities_of(again, image), probabilities_of(model, image))
    assert again.preprocessing == model.preprocessing


def test_old_and_new_description(tmp_path):
    layers = random_weights((2, 3), 3)
    write_model(tmp_path / "old.h5", layers, keras=2)
    old = import_biomedisa(tmp_path / "old.h5").preprocessing.biomedisa
    assert (old.scale, old.patch, old.scaling) == ((16, 24, 20), (16, 16, 16), True)
    assert (old.mean, old.std, old.labels, old.patch_normalise) == ((0.4,), (0.2,), (0, 1, 5), False)
    settings = {"normalization": np.array([[0.7], [0.1]]), "patch_size": np.array([32, 16, 16])}
    write_model(tmp_path / "new.h5", layers, keras=3, patch_normalization=1, scaling=0, **settings)
    new = import_biomedisa(tmp_path / "new.h5").preprocessing.biomedisa
    assert (new.mean, new.std, new.patch) == ((0.7,), (0.1,), (32, 16, 16))
    assert (new.scaling, new.patch_normalise, new.normalise) == (False, True, False)


def test_cropping_network_is_reported(tmp_path):
    path = tmp_path / "m.h5"
    write_model(path, random_weights((2, 3), 3))
    assert import_biomedisa(path).card["cropping"] is None
    with h5py.File(path, "a") as file:
        file["cropping_meta/configuration"] = np.arange(7.0)
    assert import_biomedisa(path).card["cropping"] == {"configuration": [0, 1, 2, 3, 4, 5, 6]}


def test_patches_are_summed_as_described(tmp_path):
    """Unscaled, each patch normalised by itself; checked against a plain loop over the padded volume."""
    layers = random_weights((2, 3), 2)
    write_model(tmp_path / "m.h5", layers, keras=3, labels=(0, 7), scaling=0, patch_normalization=1)
    model = import_biomedisa(tmp_path / "m.h5")
    image = np.random.default_rng(2).normal(5, 2, (20, 16, 10)).astype(np.float32)
    calls = []

    def network(tile):
        calls.append(tile)
        return softmax(np.stack([tile[:, 0], 0.3 - tile[:, 0]], axis=1), axis=1).astype(np.float32)

    labels, found = predict_like_biomedisa(image, model.preprocessing.biomedisa, network, stride=8, probabilities=True)
    padded = np.concatenate([image, image[-12:][::-1]], axis=0)
    padded = np.concatenate([padded, padded[:, :, -6:][:, :, ::-1]], axis=2)
    padded = (padded - padded.min()) / (padded.max() - padded.min())
    total, count = np.zeros((2, 32, 16, 16)), np.zeros((32, 16, 16))
    for k in (0, 8, 16):
        tile = padded[k : k + 16]
        tile = (tile - tile.mean()) / tile.std()
        total[:, k : k + 16] += softmax(np.stack([tile, 0.3 - tile]), axis=0)
        count[k : k + 16] += 1
    assert len(calls) == 3
    expected = (total / count)[:, :20, :, :10]
    assert np.abs(found - expected).max() < 1e-5
    certain = np.abs(expected[0] - 0.5) > 1e-4
    assert np.array_equal(labels[certain], (7 * expected.argmax(0))[certain])


def test_intensities_are_matched_as_in_training(tmp_path):
    write_model(tmp_path / "m.h5", random_weights((2, 3), 3), keras=2, scale=(16, 16, 16))
    model = import_biomedisa(tmp_path / "m.h5")
    image = np.random.default_rng(3).gamma(2, 100, (16, 16, 16)).astype(np.float32)
    expected = np.clip((image - image.mean()) / image.std() * 0.2 + 0.4, 0, 1)
    tiles = []

    def network(tile):
        tiles.append(tile[0, 0])
        return np.zeros((1, 3, *tile.shape[2:]), np.float32)

    predict_like_biomedisa(image, model.preprocessing.biomedisa, network, stride=16)
    assert np.abs(tiles[0] - expected).max() < 1e-5
    # Run natively, or fine-tuned, the same weights see the same intensities.
    assert np.abs(normalise(image, model.preprocessing.normalisation) - expected).max() < 1e-4


def test_native_run_keeps_the_grid(tmp_path):
    write_model(tmp_path / "m.h5", random_weights((2, 3), 3), keras=2)
    model = import_biomedisa(tmp_path / "m.h5")
    image = np.random.default_rng(4).random((13, 18, 11)).astype(np.float32)
    found = predict(Volume(image), model, PredictionSettings(backend="pytorch", precision="float32", tile=(14, 18, 12)))
    tile = np.pad(normalise(image, model.preprocessing.normalisation), [(0, 1), (0, 0), (0, 1)], mode="edge")
    expected = probabilities_of(model, tile)[:13, :18, :11].argmax(-1)
    assert np.array_equal(found.segmentation.labels, np.array([0, 1, 5])[expected])


def test_voxels_that_are_no_numbers_are_the_mean_of_the_others(tmp_path):
    write_model(tmp_path / "m.h5", random_weights((2, 3), 3), keras=3, scale=(16, 16, 16))
    model = import_biomedisa(tmp_path / "m.h5")
    options = PredictionSettings(device="cpu", backend="pytorch", keep_probabilities=True)
    image = np.random.default_rng(5).random((16, 16, 16)).astype(np.float32)
    image[3, 4, 5], image[6, 7, 8] = np.nan, np.inf
    found = predict_biomedisa(Volume(image), model, options, 16, Progress())
    assert "2 voxels are not finite; they were replaced by the mean" in found.report.notes
    image[3, 4, 5] = image[6, 7, 8] = image[np.isfinite(image)].mean()
    expected = predict_biomedisa(Volume(image), model, options, 16, Progress())
    assert np.abs(found.probabilities - expected.probabilities).max() < 1e-5
    assert len(expected.report.notes) == 1
    with pytest.raises(InputError, match="no finite value"):
        predict_biomedisa(Volume(np.full_like(image, np.nan)), model, options, 16, Progress())
    with pytest.raises(InputError, match="the value 3 everywhere"):
        predict_biomedisa(Volume(np.full_like(image, 3)), model, options, 16, Progress())


def test_bad_stride_and_memory(tmp_path):
    write_model(tmp_path / "m.h5", random_weights((2, 3), 3))
    model = import_biomedisa(tmp_path / "m.h5")
    image = np.zeros((8, 8, 8), np.float32)
    with pytest.raises(InputError, match="stride must be 1 to 16"):
        predict_like_biomedisa(image, model.preprocessing.biomedisa, lambda tile: tile, stride=17)
    with pytest.raises(MemoryLimitError, match="--native"):
        predict_like_biomedisa(image, model.preprocessing.biomedisa, lambda tile: tile, stride=8, available_memory=1000)
    settings = PredictionSettings(roi=((0, 9), (0, 8), (0, 8)))
    with pytest.raises(InputError, match="roi"):
        predict_biomedisa(Volume(image), model, settings, 8, Progress())


def edit(path, change):
    with h5py.File(path, "a") as file:
        change(file)


def _without_config(file):
    del file.attrs["model_config"]


def _with_nan(file):
    file["model_weights/conv_1_1/conv_1_1/kernel:0"][0, 0, 0, 0, 0] = np.nan


def _wrong_shape(file):
    del file["model_weights/conv_2_1/conv_2_1/kernel:0"]
    file["model_weights/conv_2_1/conv_2_1/kernel:0"] = np.zeros((3, 3, 3, 9, 3), np.float32)


def _linked(file):
    del file["model_weights/conv_1_1/conv_1_1/bias:0"]
    file["model_weights/conv_1_1/conv_1_1/bias:0"] = h5py.ExternalLink("/etc/hostname", "/")


def _huge(file):
    del file["model_weights/conv_1_1/conv_1_1/bias:0"]
    file.create_dataset("model_weights/conv_1_1/conv_1_1/bias:0", (1 << 44,), "f4", chunks=(1 << 20,))


def _objects(file):
    del file["model_weights/conv_1_1/conv_1_1/bias:0"]
    file["model_weights/conv_1_1/conv_1_1/bias:0"] = np.array(["a", "b"], dtype=h5py.string_dtype())


def _no_meta(file):
    del file["meta"]


def _labels(file):
    del file["meta/labels"]
    file["meta/labels"] = np.array([0, 1])


def _config_is_no_object(file):
    file.attrs["model_config"] = "[1, 2"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_without_config, "weights alone"),
        (_with_nan, "not finite"),
        (_wrong_shape, "block 2"),
        (_linked, "link to another place"),
        (_huge, "bias:0 holds float32"),
        (_objects, "bias:0 holds object"),
        (_no_meta, "'meta'"),
        (_labels, "labels"),
        (_config_is_no_object, "damaged or of another program"),
    ],
)
def test_crafted_or_damaged_files_are_refused(tmp_path, change, words):
    path = tmp_path / "m.h5"
    write_model(path, random_weights((2, 3), 3))
    edit(path, change)
    with pytest.raises(FileError, match=words) as caught:
        import_biomedisa(path)
    assert str(path) in str(caught.value)


def test_layers_that_could_run_code_are_refused(tmp_path):
    path, marker = tmp_path / "m.h5", tmp_path / "ran"
    payload = {"class_name": "Lambda", "config": {"name": "l", "function": f"open({str(marker)!r}, 'w')"}}
    write_model(path, random_weights((2, 3), 3), extra=[payload])
    with pytest.raises(FileError, match="is a Lambda"):
        import_biomedisa(path)
    assert not marker.exists()


def test_truncated_and_foreign_files(tmp_path):
    whole = tmp_path / "m.h5"
    write_model(whole, random_weights((2, 3), 3))
    assert is_biomedisa_file(whole)
    (tmp_path / "cut.h5").write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    (tmp_path / "text.h5").write_text(json.dumps({"a": 1}))
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["raw"] = np.zeros(3)
    for name in ("cut.h5", "text.h5", "other.h5", "missing.h5"):
        with pytest.raises(FileError, match=name):
            import_biomedisa(tmp_path / name)
