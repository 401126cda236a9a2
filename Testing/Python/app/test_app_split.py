"""Splitting touching cells in the page: a segment for each cell, also on labelled slices, and one step to undo."""

import numpy as np
import pytest

pytest.importorskip("starlette")
pytest.importorskip("httpx")

from appcases import finished, labels_of, page, put_slices, run_job, touching_cells


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    root = tmp_path_factory.mktemp("root")
    balls, merged = touching_cells(root)
    with page(root) as client:
        client.balls, client.merged = balls, merged
        yield client


@pytest.fixture
def client(server):
    body = {"path": "cells.nrrd", "labels": "merged.seg.nrrd", "fresh": True}
    assert server.post("/api/open", json=body).status_code == 200
    return server


def segments_of(client):
    """Name -> value of the segments that the page shows."""
    return {s["name"]: s["value"] for s in client.get("/api/state").json()["labels"]["segments"]}


@pytest.mark.parametrize("options", [{}, {"segment": "yeast"}, {"segment": "yeast", "count": 2}])
def test_touching_cells_become_segments_of_their_own_and_others_stay(client, options):
    put_slices(client, client.merged, [10])
    job = run_job(client, "split", **options)
    assert job["state"] == "done", job
    assert job["message"] == "Split yeast: 2 cells."
    assert job["notes"][0].startswith("yeast: 2 cells")
    values, labels = segments_of(client), labels_of(client)
    assert list(values) == ["yeast 1", "yeast 2", "gold bead"]
    assert np.array_equal(labels == values["gold bead"], client.balls == 3)
    assert np.array_equal(labels > 0, client.merged > 0)
    found = labels[(client.balls == 1) | (client.balls == 2)]
    truth = client.balls[(client.balls == 1) | (client.balls == 2)]
    ones = np.isin(found, values["yeast 1"])
    assert max(np.mean(ones == (truth == 1)), np.mean(ones == (truth == 2))) > 0.98
    assert len(np.unique(labels[10])) == 3  # the labelled slice is split too
    assert client.get("/api/state").json()["labels"]["labelled"]["z"] == [10]


def test_a_split_is_undone_and_redone_exactly_in_one_step_with_the_names(client):
    before = labels_of(client)
    run_job(client, "split")
    after, values = labels_of(client), segments_of(client)
    state = client.post("/api/undo").json()
    assert (state["undo"], state["redo"]) == ("", "split")
    assert np.array_equal(labels_of(client), before)
    assert segments_of(client) == {"yeast": 1, "gold bead": 2}
    client.post("/api/redo")
    assert np.array_equal(labels_of(client), after)
    assert segments_of(client) == values


def test_a_slice_that_is_edited_while_cells_are_split_is_kept(client):
    drawn = np.zeros_like(client.merged)
    drawn[5, 3, :] = 1
    client.post("/api/jobs/split", json={})
    put_slices(client, drawn, [5])
    assert finished(client)["state"] == "done"
    assert np.array_equal(labels_of(client)[5], drawn[5])
    assert segments_of(client)["yeast"] == 1
    assert len(segments_of(client)) == 4


def test_a_fill_after_a_split_fills_the_cells_of_the_labelled_slices(client):
    run_job(client, "split")
    split, values = labels_of(client), segments_of(client)
    put_slices(client, split, range(1, 20, 3))
    assert run_job(client, "fill")["state"] == "done"
    filled = labels_of(client)
    for name in ("yeast 1", "yeast 2"):
        one, other = filled == values[name], split == values[name]
        assert 2 * np.sum(one & other) / (one.sum() + other.sum()) > 0.9


def test_where_nothing_touches_nothing_is_changed(client):
    before = labels_of(client)
    job = run_job(client, "split", segment="gold bead")
    assert job["message"].startswith("No touching cells")
    assert np.array_equal(labels_of(client), before)
    assert client.get("/api/state").json()["undo"] == ""


@pytest.mark.parametrize(
    ("options", "words"),
    [({"segment": "mouse"}, "mouse"), ({"count": 1.5}, "count"), ({"count": "two"}, "count"), ({"seams": 3}, "seams")],
)
def test_a_split_that_cannot_be_done_is_one_sentence(client, options, words):
    answer = client.post("/api/jobs/split", json=options)
    assert answer.status_code == 400
    assert words in answer.json()["error"]


def test_labels_that_are_not_filled_are_not_split(client):
    client.post("/api/open", json={"path": "cells.nrrd", "fresh": True})
    put_slices(client, client.balls > 0, [10])
    answer = client.post("/api/jobs/split", json={})
    assert answer.status_code == 400
    assert "fill" in answer.json()["error"]
