"""A fill from strokes in the page: what was drawn stays known, and corrections of the result are strokes."""

import shutil

import numpy as np
import pytest

pytest.importorskip("starlette")
pytest.importorskip("httpx")

from appcases import cell_case, dice, labels_of, page, plane_of, put_slices, run_job

from ACSegLib.files import save_volume

CELL, OUTSIDE = 1, 2


@pytest.fixture(scope="module")
def case():
    """The image of a ball, its true labels, and two strokes on one slice."""
    volume, truth = cell_case()
    strokes = np.zeros_like(truth)
    strokes[12, 20, 12:26] = CELL
    strokes[12, 3:5, 3:37] = OUTSIDE
    return volume, truth, strokes


@pytest.fixture
def client(tmp_path, case):
    volume, _truth, strokes = case
    save_volume(volume, tmp_path / "cell.nrrd")
    with page(tmp_path, "cell.nrrd") as client:
        client.patch("/api/segments/1", json={"name": "cell"})
        client.post("/api/segments", json={"name": "outside"})
        put_slices(client, strokes, [12])
        yield client


def fill(client):
    job = run_job(client, "fill", mode="scribbles", background="outside")
    assert job["state"] == "done", job["message"]


def test_strokes_are_filled_and_undo_brings_them_back(client, case):
    _volume, truth, strokes = case
    fill(client)
    labels = labels_of(client)
    assert dice(labels == CELL, truth == 1) > 0.9
    assert set(np.unique(labels)) == {0, CELL}
    state = client.get("/api/state").json()
    assert [s["name"] for s in state["labels"]["segments"]] == ["cell", "outside"]
    assert (state["fill"]["mode"], state["fill"]["background"]) == ("scribbles", "outside")
    client.post("/api/undo", json={})
    assert np.array_equal(labels_of(client), strokes)


def test_a_stroke_on_the_result_is_known_to_the_next_fill_alone(client, case):
    fill(client)
    filled = labels_of(client)[12]
    edited = filled.copy()
    edited[2:4, 30:36] = CELL
    edited[26:34, 16:22] = 0  # erased within the cell
    assert filled[26:30, 16:22].all()
    client.put("/api/labels/z/12", content=edited.tobytes())
    strokes = client.session.work.strokes[12]
    expected = case[2][12].copy()
    expected[2:4, 30:36] = CELL
    expected[26:34, 16:22][filled[26:34, 16:22] != 0] = OUTSIDE
    assert np.array_equal(strokes, expected)
    fill(client)
    again = labels_of(client)[12]
    assert (again[2:4, 30:36] == CELL).all()
    assert not again[26:34, 16:22][expected[26:34, 16:22] == OUTSIDE].any()


def test_what_is_drawn_after_a_fill_stays_a_stroke_through_undo_and_redo(client, case):
    fill(client)
    filled = labels_of(client)
    edited = filled[5].copy()
    edited[1:3, 1:9] = CELL
    client.put("/api/labels/z/5", content=edited.tobytes())
    client.post("/api/undo", json={})
    stroke = np.where(edited != filled[5], edited, 0)
    assert np.array_equal(plane_of(client.get("/api/labels/z/5")), stroke)
    client.post("/api/redo", json={})
    assert np.array_equal(plane_of(client.get("/api/labels/z/5")), edited)
    assert np.array_equal(client.session.work.strokes[5], stroke)
    assert np.array_equal(client.session.work.strokes[12], case[2][12])


def test_an_unknown_background_is_one_sentence(client):
    answer = client.post("/api/jobs/fill", json={"mode": "scribbles", "background": "nothing"})
    assert answer.status_code == 400
    assert "nothing" in answer.json()["error"]


def test_strokes_uncertainty_and_suggestions_are_found_again(client, case):
    fill(client)
    labels, uncertainty = labels_of(client), labels_of(client, "uncertainty")
    expected, root = client.get("/api/state").json(), client.session.folder.root
    while client.get("/api/state").json()["autosave"]["pending"]:
        pass  # saved by itself, within seconds
    shutil.copytree(root, root.parent / "crashed")
    with page(root.parent / "crashed", "cell.nrrd") as again:
        assert np.array_equal(labels_of(again), labels)
        assert np.array_equal(labels_of(again, "uncertainty"), uncertainty)
        assert uncertainty.any()
        assert np.array_equal(again.session.work.strokes, case[2])
        state = again.get("/api/state").json()
        assert state["fill"] == expected["fill"]
        fill(again)
        assert np.array_equal(labels_of(again), labels)


def test_work_whose_uncertainty_is_lost_or_damaged_is_found_without_it(client):
    fill(client)
    labels, root = labels_of(client), client.session.folder.root
    client.session.keeper.close()
    (path,) = (root / ".acseg").glob("*.uncertainty")
    for damage in (lambda: path.write_bytes(path.read_bytes()[:100]), path.unlink):
        damage()
        with page(root, "cell.nrrd") as again:
            assert np.array_equal(labels_of(again), labels)
            assert again.get("/api/state").json()["overlays"]["uncertainty"] == 0


def test_only_the_last_uncertainty_is_kept(client):
    for _ in range(2):
        fill(client)
        client.session.keeper._next = 0.0
        client.session.keeper.tick()
    client.post("/api/undo", json={})
    client.session.keeper.close()
    assert len(list((client.session.folder.root / ".acseg").glob("*.uncertainty"))) == 1
