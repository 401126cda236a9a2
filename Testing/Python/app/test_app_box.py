"""A box around one of two alike balls, and a closed line around one: the server reads them as the shell does."""

import numpy as np
import pytest

pytest.importorskip("starlette")
pytest.importorskip("httpx")

from appcases import dice, labels_of, page, put_slices, run_job

from ACSegLib.files import save_volume
from ACSegLib.volume import Geometry, Volume
from ACSegLib.workflows import FillRequest, run_fill

SHAPE = (24, 28, 48)
BOX = [3, 24, 2, 26, 1, 23]


@pytest.fixture(scope="module")
def case():
    """The image of two alike balls, and the first ball."""
    z, y, x = np.indices(SHAPE)
    first, second = ((z - 12) ** 2 + (y - 14) ** 2 + (x - middle) ** 2 < 9**2 for middle in (13, 35))
    noise = np.random.default_rng(3).normal(0, 0.05, SHAPE)
    image = (first | second) + noise
    return Volume(image.astype(np.float32), Geometry((50, 50, 50), unit="nm"), "cells"), first


@pytest.fixture
def client(tmp_path, case):
    save_volume(case[0], tmp_path / "cells.nrrd")
    with page(tmp_path, "cells.nrrd") as client:
        yield client


@pytest.fixture
def dab():
    labels = np.zeros(SHAPE, np.uint8)
    labels[12, 12:16, 10:16] = 1
    return labels


@pytest.fixture
def line():
    """A circle one to two voxels wide, just outside of the first ball."""
    y, x = np.indices(SHAPE[1:])
    radius = np.hypot(y - 14, x - 13)
    labels = np.zeros(SHAPE, np.uint8)
    labels[12] = (radius >= 9) & (radius < 10.5)
    return labels


def set_box(client, box):
    answer = client.post("/api/box", json={"box": box})
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_dab_in_a_box_fills_one_of_two_alike_balls(client, case, dab):
    volume, ball = case
    put_slices(client, dab, [12])
    drawn = client.session.segmentation()
    job = run_job(client, "fill", box=set_box(client, BOX)["box"])
    assert job["state"] == "done", job["message"]
    labels = labels_of(client) == 1
    assert dice(labels, ball) > 0.95
    assert not labels[:, :, BOX[1] :].any()
    alone = run_fill(FillRequest(volume=volume, labels=drawn, box=BOX)).segmentation
    assert np.array_equal(labels, alone.mask(alone.segments[0]))


def test_a_correction_after_a_fill_in_a_box_is_a_stroke(client, dab):
    put_slices(client, dab, [12])
    run_job(client, "fill", box=BOX)
    assert np.array_equal(client.session.work.strokes, dab)


def test_what_is_erased_from_a_fill_in_a_box_is_background_for_the_next_one(client, dab):
    client.post("/api/segments", json={"name": "outside"})
    put_slices(client, dab, [12])
    run_job(client, "fill", box=BOX, background="outside")
    plane = labels_of(client)[12].copy()
    assert plane[21:].any()
    plane[21:] = 0
    client.put("/api/labels/z/12", content=plane.tobytes())
    assert run_job(client, "fill", box=BOX, background="outside")["state"] == "done"
    labels = labels_of(client)
    assert set(np.unique(labels)) == {0, 1}
    assert not labels[12, 21:].any()
    assert (labels[dab == 1] == 1).all()


def test_whole_slices_use_no_box(client, case):
    _volume, ball = case
    put_slices(client, ball.astype(np.uint8), [5, 12, 19])
    assert run_job(client, "fill", box=BOX, mode="slices")["state"] == "done"
    assert client.session.work.strokes is None
    assert dice(labels_of(client) == 1, ball) > 0.95


def test_a_closed_line_is_filled_and_only_where_it_is_told_apart(client, case, line):
    volume, ball = case
    put_slices(client, line, [12])
    drawn = client.session.segmentation()
    job = run_job(client, "fill", mode="auto")
    assert any("taken for outlines (k = 12" in note for note in job["notes"])
    labels = labels_of(client) == 1
    assert dice(labels, ball) > 0.85
    alone = run_fill(FillRequest(volume=volume, labels=drawn)).segmentation
    assert np.array_equal(labels, alone.mask(alone.segments[0]))
    client.post("/api/undo", json={})
    run_job(client, "fill", mode="slices")
    assert not labels_of(client)[12, 10:18, 9:17].any()


def test_labelled_slices_stay_labelled_slices_where_they_are_told_apart(client, case):
    _volume, ball = case
    labels = ball.astype(np.uint8)
    put_slices(client, labels, [1, 5, 12, 19, 23])  # the first and the last one are empty
    assert run_job(client, "fill", mode="auto")["state"] == "done"
    assert client.session.work.strokes is None
    found = labels_of(client)
    assert dice(found == 1, ball) > 0.95
    assert not found[[1, 23]].any()


def test_the_box_is_found_again_and_goes_with_the_image(client):
    root = client.session.folder.root
    assert set_box(client, BOX)["box"] == BOX
    client.session.keeper.close()
    with page(root, "cells.nrrd") as again:
        assert again.get("/api/state").json()["box"] == BOX
        assert set_box(again, [])["box"] == []
        again.session.keeper.close()
    with page(root, "cells.nrrd") as third:
        assert third.get("/api/state").json()["box"] == []
        set_box(third, BOX)
        save_volume(Volume(np.zeros((4, 5, 6), np.float32), Geometry((1, 1, 1)), "small"), root / "small.nrrd")
        third.post("/api/open", json={"path": "small.nrrd"})
        assert third.get("/api/state").json()["box"] == []


@pytest.mark.parametrize(
    ("box", "said"),
    [
        ([1, 2, 3], "six whole numbers"),
        ([5, 5, 0, 4, 0, 4], "5..5 along i"),
        ([0, 4, 0, 4, 0, 25], "0..25 along k must lie within 0..24"),
        ([0, 4.5, 0, 4, 0, 4], "list"),
        ("all", "list"),
    ],
)
def test_a_box_that_is_none_is_one_sentence_and_changes_nothing(client, box, said):
    set_box(client, BOX)
    answer = client.post("/api/box", json={"box": box})
    assert answer.status_code == 400
    assert said in answer.json()["error"]
    assert client.get("/api/state").json()["box"] == BOX


def test_a_box_without_a_stroke_in_it_is_one_sentence(client, dab):
    put_slices(client, dab, [12])
    answer = client.post("/api/jobs/fill", json={"box": [30, 40, 5, 20, 5, 20]})
    assert answer.status_code == 400
    assert "drawn inside the box" in answer.json()["error"]
    assert np.array_equal(labels_of(client), dab)
