"""Images too large to refine, or without a cell: a result and a clear sentence."""

import numpy as np
import pytest
from known_networks import threshold_model

from ACSegLib.errors import InputError
from ACSegLib.jobs import Progress
from ACSegLib.network.model.model_file import load_model
from ACSegLib.network.model.preprocessing import Normalisation
from ACSegLib.network.model.pretrained import pretrained_model
from ACSegLib.network.predict import canonical
from ACSegLib.phantom import simulate
from ACSegLib.volume import Volume
from ACSegLib.workflows import PredictRequest, run
from ACSegLib.workflows.walk_refinement import bytes_to_prepare


def test_an_image_too_large_to_refine_keeps_no_probabilities(monkeypatch):
    """Those on the working grid serve a walk alone."""
    volume = simulate((24, 24, 24), seed=1, reconstruct=False).volume
    model = threshold_model(mean_side=16, canonical_axes=True)
    refined = run(PredictRequest(volume=volume, model=model))
    assert (refined.probabilities, refined.report.walk_band_voxels) == (None, 3)
    assert len(refined.interpolated) == 3
    monkeypatch.setattr("ACSegLib.compute.usable_memory", lambda *_: bytes_to_prepare(24**3) - 1)
    found = run(PredictRequest(volume=volume, model=model))
    assert (found.probabilities, found.interpolated, found.report.walk_band_voxels) == (None, None, None)
    assert [note for note in found.report.notes if note.startswith("the surface was not refined: the walk needs")]
    unrefined = run(PredictRequest(volume=volume, model=model, refine="none"))
    np.testing.assert_array_equal(found.labels, unrefined.labels)


def test_cells_of_an_image_without_any_are_told_and_no_error():
    volume = simulate((24, 24, 24), seed=1, reconstruct=False).volume
    found = run(PredictRequest(volume=volume, model=threshold_model(level=1e6), cells=True))
    assert not found.labels.any()
    assert found.report.notes == ["no cell was found, so that there is none to split"]


@pytest.mark.parametrize("value", [-50.0, 50.0])
@pytest.mark.parametrize("reduced", [{}, {"mean_side": 16, "canonical_axes": True}])
def test_a_padded_image_has_the_labels_of_the_image_and_a_note(value, reduced):
    image = simulate((24, 28, 28), seed=1, reconstruct=False).volume.array
    padded = np.full((24, 36, 36), value, np.float32)
    padded[:, 4:32, 4:32] = image
    model = threshold_model(0.5, normalisation=Normalisation(), **reduced)
    expected = run(PredictRequest(volume=Volume(image), model=model, refine="none")).labels
    found = run(PredictRequest(volume=Volume(padded), model=model, refine="none"))
    assert np.mean(found.labels[:, 4:32, 4:32] == expected) > 0.999
    assert not found.labels[:, :3].any()
    told = "the image is region 4 32 4 32 0 24" if reduced else f"the value {value:g} around the specimen"
    assert [note for note in found.report.notes if told in note]


@pytest.mark.parametrize("missing", [0, 5])
def test_an_image_of_one_value_is_told_and_not_labelled(missing):
    array = np.full((20, 20, 20), 7.0, np.float32)
    array[:missing] = np.nan
    with pytest.raises(InputError, match="has the value 7 everywhere"):
        run(PredictRequest(volume=Volume(array, name="blank"), model=load_model(pretrained_model())))


def test_a_reduced_result_is_brought_to_the_image_in_parts_that_can_be_cancelled(monkeypatch):
    volume = simulate((40, 24, 24), seed=1, reconstruct=False).volume
    request = PredictRequest(volume=volume, model=threshold_model(mean_side=16, canonical_axes=True), refine="none")
    asked: list[float] = []
    expected = run(request, progress=Progress(cancelled=lambda: bool(asked.append(0.0))))
    at_once = len(asked)
    monkeypatch.setattr(canonical, "_TAKEN_VOXELS", 1)
    found = run(request, progress=Progress(cancelled=lambda: bool(asked.append(0.0))))
    np.testing.assert_array_equal(found.labels, expected.labels)
    assert found.labels.any()
    assert len(asked) - at_once > at_once + 10


def test_a_cancel_does_not_wait_until_an_image_is_examined(monkeypatch, tmp_path):
    """Reading it from a slow disk may take long, so that each block is followed by a look."""
    array = simulate((24, 24, 24), seed=1, reconstruct=False).volume.array
    image = np.lib.format.open_memmap(tmp_path / "image.npy", "w+", np.float32, array.shape)
    image[:] = array
    monkeypatch.setattr("ACSegLib.files.lazy._BLOCK_BYTES", 24 * 24 * 4)
    message, asked = "", []

    def note(fraction, text):
        nonlocal message
        message = text

    progress = Progress(note, lambda: bool(asked.append(message)))
    model = threshold_model(normalisation=Normalisation("volume"))
    run(PredictRequest(volume=Volume(image), model=model, refine="none"), progress=progress)
    assert asked.count("examining the image") >= 2 * 24, (
        "once for the statistics, and once for values that are no number"
    )
