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
    simulated = script.simulated("train", 30_001, script.Sizes(24, 26, 16))
    image, truth = script.in_canonical_orientation(*script.reduced(*simulated, 16))
    assert canonical_orientation(image.array).axes == (0, 1, 2)
    assert image.shape == truth.labels.shape
    original, labels = script.reduced(*simulated, 16)
    assert np.bincount(truth.labels.ravel()).tolist() == np.bincount(labels.labels.ravel()).tolist()
    means = [
        float(array[segmentation.labels == 0].mean())
        for array, segmentation in ((image.array, truth), (original.array, labels))
    ]
    assert means[0] == pytest.approx(means[1], rel=1e-4)


def test_volumes_without_cells_hold_specks_at_most(script):
    sizes = script.Sizes(24, 26, 16)
    for seed in range(70_000, 70_004):  # with wall, medium alone, with wall, noise
        image, truth = script.simulated("empty", seed, sizes)
        assert truth.mask("cytoplasm").mean() < 0.01
        assert image.array.std() > 0


def test_hard_volumes_hold_the_beads_that_they_are_made_for(script):
    sizes = script.Sizes(40, 44, 40)
    with_beads = [script.simulated("hard", seed, sizes)[1].mask("bead").any() for seed in (50_000, 50_002, 50_003)]
    assert sum(with_beads) >= 2


@pytest.fixture
def real_data(tmp_path):
    """A slice with a cell between two walls, and a cell in suspension, as the folder of the real volumes has them."""
    import tifffile

    from ACSegLib.files import save_segmentation, save_volume
    from ACSegLib.volume import Segment, Segmentation, Volume

    rng = np.random.default_rng(0)
    slices, suspension = tmp_path / "sxt_mef_slices", tmp_path / "hl60_odt"
    slices.mkdir()
    suspension.mkdir()
    row, column = np.mgrid[:200, :160]
    cell = np.hypot((row - 100) / 80, (column - 80) / 50) < 1
    tifffile.imwrite(slices / "4hpi_cellmask_threshold.tif", (cell * 255).astype(np.uint8))
    tifffile.imwrite(
        slices / "Berkeley_Berkely-4hpi_slice188.tif", (cell + rng.normal(0, 0.1, cell.shape)).astype(np.float32)
    )
    k, j, i = np.mgrid[:100, :40, :40]
    ball = np.hypot(np.hypot(k - 45, j - 20), i - 20) < 15
    volume = Volume((ball + rng.normal(0, 0.1, ball.shape)).astype(np.float32))
    save_volume(volume, suspension / "hl60_ri.nrrd")
    labels = Segmentation((ball.astype(np.uint8),), [Segment("cell", 1)], volume.geometry)
    save_segmentation(labels, suspension / "hl60_otsu_cell.nrrd")
    return tmp_path


def test_parts_of_real_cells_are_labelled_where_they_are_bright(script, real_data):
    parts = script.RealVolumes(real_data)
    for seed in (60_000, 60_001):  # cut from the cell in suspension; the slice turned about its axis
        image, truth = parts.draw(seed)
        cell = truth.mask("cytoplasm")
        assert 0 < cell.mean() < 1
        middle = (image.array[cell].mean() + image.array[~cell].mean()) / 2
        assert np.mean((image.array > middle) == cell) > 0.9


def test_parts_of_real_cells_need_their_folder(script, tmp_path, capsys):
    with pytest.raises(SystemExit):
        script.main([str(tmp_path), "--real", "4"])
    assert "--real needs --data" in capsys.readouterr().err
