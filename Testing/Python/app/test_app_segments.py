"""Segments of the page that come, go and come back: a value means one segment, whatever is undone."""

import numpy as np
import pytest

pytest.importorskip("starlette")
pytest.importorskip("httpx")

from appcases import ball_labels, finished, labels_of, make_folder, page, touching_cells

from ACSegLib.app.correcting import plan_correction
from ACSegLib.app.requests import CorrectOptions
from ACSegLib.errors import InputError

BALLS = ball_labels().labels


@pytest.fixture
def client(tmp_path):
    with page(make_folder(tmp_path), "ramp.nrrd", "ball.seg.nrrd") as client:
        yield client


def segments_of(client):
    """Value -> name of the segments that the page shows."""
    return {s["value"]: s["name"] for s in client.get("/api/state").json()["labels"]["segments"]}


def draw(client, slice_, value):
    """Draw a line of a segment on a slice, and give the slice."""
    plane = labels_of(client)[slice_]
    plane[2, 2:30] = value
    client.put(f"/api/labels/z/{slice_}", content=plane.tobytes())
    return plane


def test_a_new_segment_is_not_taken_for_a_deleted_one_that_comes_back(client):
    client.delete("/api/segments/2")
    client.post("/api/segments", json={"name": "vesicle"})
    (new,) = (value for value, name in segments_of(client).items() if name == "vesicle")
    draw(client, 1, new)
    client.post("/api/undo")
    assert segments_of(client) == {1: "ball", 2: "shell", new: "vesicle"}
    labels = labels_of(client)
    assert np.array_equal(labels == 2, BALLS == 2)
    assert np.array_equal(np.unique(np.nonzero(labels == new)[0]), [1])
    client.post("/api/redo")
    assert segments_of(client) == {1: "ball", new: "vesicle"}
    assert np.array_equal(labels_of(client) > 0, (BALLS == 1) | (labels == new))


def test_a_deleted_segment_leaves_nothing_for_the_next_of_its_value(client):
    """Neither what the labels were before the edits, nor the strokes that they were filled from, has its value."""
    work = client.session.work
    draw(client, 3, 1)
    work.strokes, work.background = np.where(BALLS == 2, BALLS, 0), 2
    client.delete("/api/segments/2")
    work = client.session.work
    assert np.array_equal(work.baseline, np.where(BALLS == 2, 0, BALLS))
    assert not work.strokes.any()
    assert work.background == 0
    client.post("/api/undo")
    assert np.array_equal(client.session.work.baseline, BALLS)


def test_an_edit_that_outlives_an_undo_can_be_carried_into_the_volume(client):
    client.delete("/api/segments/2")
    plane = draw(client, 10, 1)
    client.post("/api/undo")
    work = client.session.work
    assert np.array_equal(work.baseline, BALLS)
    plan = plan_correction(client.session, CorrectOptions())
    assert np.array_equal(plan.arrays["before 0"], BALLS)
    assert np.array_equal(plan.arrays["after 0"][10], plane)


def test_labels_that_are_too_large_to_be_corrected_are_told(client, monkeypatch):
    monkeypatch.setattr("ACSegLib.app.history.MAX_IN_MEMORY", 100)
    draw(client, 3, 1)
    with pytest.raises(InputError, match="labels of more than 2 GiB are not corrected on the page"):
        plan_correction(client.session, CorrectOptions())


def test_a_segment_that_is_added_while_cells_are_split_is_no_cell(tmp_path):
    touching_cells(tmp_path)
    with page(tmp_path, "cells.nrrd", "merged.seg.nrrd") as client:
        client.post("/api/jobs/split", json={})
        client.post("/api/segments", json={"name": "vesicle"})
        assert finished(client)["state"] == "done"
        values = {name: value for value, name in segments_of(client).items()}
        assert list(values) == ["yeast 1", "yeast 2", "gold bead", "vesicle"]
        labels = labels_of(client)
        assert not (labels == values["vesicle"]).any()
        assert all((labels == values[name]).any() for name in ("yeast 1", "yeast 2", "gold bead"))
        assert len({s.id for s in client.session.work.labels.segments}) == 4
