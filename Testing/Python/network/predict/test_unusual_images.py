"""Images too large to refine, or without a cell: a result and a clear sentence."""

import numpy as np
from known_networks import threshold_model

from ACSegLib.phantom import simulate
from ACSegLib.workflows import PredictRequest, run
from ACSegLib.workflows.walk_refinement import BYTES_TO_PREPARE


def test_an_image_too_large_to_refine_keeps_no_probabilities(monkeypatch):
    """They would take six bytes a voxel of the disk for a walk that cannot start."""
    volume = simulate((24, 24, 24), seed=1, reconstruct=False).volume
    model = threshold_model(mean_side=16, canonical_axes=True)
    refined = run(PredictRequest(volume=volume, model=model))
    assert (refined.probabilities is not None, refined.report.walk_band_voxels) == (True, 3)
    monkeypatch.setattr("ACSegLib.compute.usable_memory", lambda: 24**3 * BYTES_TO_PREPARE - 1)
    found = run(PredictRequest(volume=volume, model=model))
    assert (found.probabilities, found.report.walk_band_voxels) == (None, None)
    assert [note for note in found.report.notes if note.startswith("the surface was not refined: the walk needs")]
    unrefined = run(PredictRequest(volume=volume, model=model, refine="none"))
    np.testing.assert_array_equal(found.labels, unrefined.labels)


def test_cells_of_an_image_without_any_are_told_and_no_error():
    volume = simulate((24, 24, 24), seed=1, reconstruct=False).volume
    found = run(PredictRequest(volume=volume, model=threshold_model(level=1e6), cells=True))
    assert not found.labels.any()
    assert found.report.notes == ["no cell was found, so that there is none to split"]
