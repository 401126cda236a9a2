"""The script that trains the model that ships with ACSeg works, from the simulation to the model file."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from ACSegLib.network.model.model_file import load_model
from ACSegLib.network.predict.orientation import canonical_orientation

SCRIPT = Path(__file__).resolve().parents[4] / "Resources" / "Models" / "train_shipped_model.py"


@pytest.fixture
def script(monkeypatch):
    """The script, with tomograms so small that it takes seconds."""
    spec = importlib.util.spec_from_file_location("train_shipped_model", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    sizes = {"SMALLEST": 24, "LARGEST": 26, "WORKING_SIDE": 16, "VALIDATION_VOLUMES": 1, "STAGES": {16: 1.0}}
    for name, value in sizes.items():
        monkeypatch.setattr(module, name, value)
    return module


def test_the_script_simulates_trains_and_describes_a_model(script, tmp_path):
    cache, output = tmp_path / "cache", tmp_path / "model.acseg"
    assert script.main([str(cache), "-o", str(output), "--volumes", "2", "--minutes", "0.01"]) == 0
    model = load_model(output)
    assert [segment.name for segment in model.segments] == ["cytoplasm", "bead"]
    assert (model.preprocessing.mean_side, model.preprocessing.canonical_axes) == (16, True)
    assert "2 simulated soft X-ray tomograms" in model.card["trained_on"]
    assert len(list((cache / "train" / "images").glob("*.nrrd"))) == 2
    assert script.main([str(cache), "-o", str(output), "--volumes", "2", "--minutes", "0.01", "--resume"]) == 0
    again = load_model(output)  # the stage was complete, so that only the description is new
    assert all((again.state_dict[name] == value).all() for name, value in model.state_dict.items())


def test_the_script_trains_in_the_orientation_of_predictions(script):
    image, truth = script.in_canonical_orientation(*script.reduced(*script.simulated(30_001), 16))
    assert canonical_orientation(image.array).order == (0, 1, 2)
    assert image.shape == truth.labels.shape
    original, labels = script.reduced(*script.simulated(30_001), 16)
    assert np.bincount(truth.labels.ravel()).tolist() == np.bincount(labels.labels.ravel()).tolist()
    means = [
        float(array[segmentation.labels == 0].mean())
        for array, segmentation in ((image.array, truth), (original.array, labels))
    ]
    assert means[0] == pytest.approx(means[1], rel=1e-4)
