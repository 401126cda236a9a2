"""Jobs in the worker process: what they give, that they can be cancelled and undone, and that no edit is lost."""

import csv
import io
import tempfile

import numpy as np
import pytest

pytest.importorskip("starlette")
pytest.importorskip("httpx")

from appcases import (
    cell_case,
    dice,
    finished,
    labels_of,
    make_folder,
    page,
    plane_of,
    put_slices,
    run_job,
    standing_still,
)

from ACSegLib.files import save_segmentation, save_volume
from ACSegLib.volume import Segmentation
from ACSegLib.worker import Worker

LABELLED = (2, 7, 12, 17, 21)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    root = tmp_path_factory.mktemp("root")
    volume, truth = cell_case()
    save_volume(volume, root / "cell.nrrd")
    save_segmentation(Segmentation.from_labels(truth, volume.geometry, names={1: "cell"}), root / "truth.seg.nrrd")
    with page(root, ready=True) as client:
        client.truth = truth
        yield client


@pytest.fixture
def client(server):
    assert server.post("/api/open", json={"path": "cell.nrrd", "fresh": True}).status_code == 200
    return server


def test_a_fill_of_labelled_slices_finds_the_cell_and_says_how_good_it_is(client):
    put_slices(client, client.truth, LABELLED)
    job = run_job(client, "fill")
    assert job["state"] == "done", job
    assert job["fraction"] == 1
    labels = labels_of(client) == 1
    assert dice(labels, client.truth == 1) > 0.95
    assert all(np.array_equal(labels[k], client.truth[k] == 1) for k in LABELLED)
    state = client.get("/api/state").json()
    assert state["labels"]["complete"] is True
    assert state["labels"]["labelled"]["z"] == list(LABELLED)
    assert state["fill"]["dice"] > 0.9
    assert list(state["fill"]["segment_dice"]) == ["1"]
    assert abs(state["fill"]["segment_dice"]["1"] - dice(labels, client.truth == 1)) < 0.1
    assert state["fill"]["axis"] == "z"
    assert len(state["fill"]["suggestions"]) == 3
    assert not set(state["fill"]["suggestions"]) & set(LABELLED)
    strip = client.get("/api/strip/z").json()
    assert strip["labelled"] == list(LABELLED)
    assert len(strip["uncertainty"]) == 24
    assert strip["suggestions"] == state["fill"]["suggestions"]
    shown = np.stack([plane_of(client.get(f"/api/uncertainty/z/{k}")) for k in range(24)])
    assert np.allclose(strip["uncertainty"], shown.mean(axis=(1, 2)) / 255, atol=1e-4)


def test_an_edited_slice_refills_its_neighbourhood_alone(client):
    put_slices(client, client.truth, LABELLED)
    run_job(client, "fill")
    first = labels_of(client)
    put_slices(client, np.zeros_like(client.truth), [14])
    job = run_job(client, "fill")
    assert job["message"].startswith("Refilled")
    second = labels_of(client)
    changed = np.flatnonzero((first != second).any(axis=(1, 2)))
    assert 14 in changed
    assert changed.min() > 12
    assert changed.max() < 17
    assert not second[14].any()


def test_undo_of_a_job_is_exact_keeps_later_edits_and_can_be_redone(client):
    put_slices(client, client.truth, LABELLED)
    sparse = labels_of(client)
    run_job(client, "fill")
    filled = labels_of(client)
    assert np.array_equal(labels_of(client, "before"), sparse)
    state = client.post("/api/undo").json()
    assert (state["undo"], state["redo"], state["fill"]) == ("", "fill", None)
    assert np.array_equal(labels_of(client), sparse)
    client.post("/api/redo")
    assert np.array_equal(labels_of(client), filled)
    drawn = np.zeros_like(filled)
    drawn[9, 10:20, 10:20] = 1
    put_slices(client, drawn, [9])
    state = client.post("/api/undo").json()
    assert state["labels"]["labelled"]["z"] == [2, 7, 9, 12, 17, 21]
    sparse[9] = drawn[9]
    assert np.array_equal(labels_of(client), sparse)
    client.post("/api/redo")
    filled[9] = drawn[9]
    assert np.array_equal(labels_of(client), filled)


def test_a_slice_that_is_labelled_while_a_fill_runs_is_kept(client):
    put_slices(client, client.truth, LABELLED)
    client.post("/api/jobs/fill", json={})
    drawn = np.zeros_like(client.truth)
    drawn[10, :, 3] = 1
    put_slices(client, drawn, [10])
    assert finished(client)["state"] == "done"
    assert np.array_equal(labels_of(client)[10], drawn[10])
    assert 10 in client.get("/api/state").json()["labels"]["labelled"]["z"]


def test_a_cancelled_job_changes_nothing_and_the_next_one_runs(client):
    put_slices(client, client.truth, LABELLED)
    sparse = labels_of(client)
    with standing_still(client):
        client.post("/api/jobs/fill", json={})
        client.post("/api/cancel", json={})
    job = finished(client)
    assert job["state"] == "cancelled"
    assert np.array_equal(labels_of(client), sparse)
    assert client.get("/api/state").json()["undo"] == ""
    assert run_job(client, "fill")["state"] == "done"


def test_two_jobs_at_once_are_refused_with_a_sentence(client):
    put_slices(client, client.truth, LABELLED)
    with standing_still(client):
        client.post("/api/jobs/fill", json={})
        answer = client.post("/api/jobs/measure", json={})
    assert answer.status_code == 409
    assert "fill" in answer.json()["error"]
    client.post("/api/cancel", json={})
    finished(client)


@pytest.mark.parametrize(
    ("kind", "options", "status", "words"),
    [
        ("fill", {}, 400, "no slice is labelled"),
        ("measure", {}, 400, "nothing to measure"),
        ("fill", {"axis": 3}, 400, "axis"),
        ("fill", {"islands": "many"}, 400, "islands"),
        ("fill", {"colour": "red"}, 400, "colour"),
        ("paint", {}, 404, "paint"),
        ("predict", {"model": "../m.acseg"}, 403, "m.acseg"),
        ("train", {"images": ["cell.nrrd"], "labels": ["truth.seg.nrrd"], "model": "m.txt"}, 400, ".acseg"),
    ],
)
def test_a_job_that_cannot_be_done_is_one_sentence(client, kind, options, status, words):
    answer = client.post(f"/api/jobs/{kind}", json=options)
    assert answer.status_code == status
    assert words.lower() in answer.json()["error"].lower()


def test_pairs_that_touch_are_a_table_of_their_own(client):
    """A wall of 2 x 5 x 6 blocks: of more than 50 segments, the table has no column for each."""
    assert "pairs that touch" in client.get("/api/contacts.csv").text
    counts = (2, 5, 6)
    blocks = np.arange(1, 61).reshape(counts)
    labels = np.zeros(client.truth.shape, np.uint8)
    labels[2:10, 2:22, 2:26] = blocks.repeat(4, axis=0).repeat(4, axis=1).repeat(4, axis=2)
    save_segmentation(
        Segmentation.from_labels(labels, cell_case()[0].geometry), client.session.folder.root / "b.seg.nrrd"
    )
    client.post("/api/open", json={"path": "cell.nrrd", "labels": "b.seg.nrrd", "fresh": True})
    assert client.get("/api/state").json()["contacts"] is False
    assert run_job(client, "measure", cells=False)["state"] == "done"
    assert client.get("/api/state").json()["contacts"] is True
    answer = client.get("/api/contacts.csv")
    assert 'filename="cell-contacts.csv"' in answer.headers["content-disposition"]
    areas = {
        frozenset((row["segment"], row["other"])): float(row["contact_area"])
        for row in csv.DictReader(io.StringIO(answer.text))
    }
    touching = [
        frozenset(f"Segment_{value}" for value in pair)
        for axis in range(3)
        for pair in zip(
            blocks.take(range(counts[axis] - 1), axis).flat, blocks.take(range(1, counts[axis]), axis).flat, strict=True
        )
    ]
    by_faces = {pair for pair, area in areas.items() if area > 0.5 * max(areas.values())}  # others touch along edges
    assert by_faces == set(touching)


def test_an_error_of_the_work_is_shown_as_a_sentence(client):
    client.put("/api/labels/z/12", content=bytes(1600))
    job = run_job(client, "fill")
    assert job["state"] == "failed"
    assert job["message"].endswith(".")
    assert "Traceback" not in job["message"]


def test_the_table_has_units_and_its_rows_lead_to_their_cells(client):
    client.post("/api/open", json={"path": "cell.nrrd", "labels": "truth.seg.nrrd", "fresh": True})
    job = run_job(client, "measure", unit="nm")
    assert job["state"] == "done", job
    assert any("have no unit, so reports" in note for note in job["notes"])
    table = client.get("/api/table").json()
    volume = table["columns"].index("volume (nm³)")
    assert table["rows"][0][volume] == pytest.approx(client.truth.sum() * 50**3)
    assert table["centres"][0] == pytest.approx(np.argwhere(client.truth).mean(axis=0), abs=1)
    rows = list(csv.DictReader(io.StringIO(client.get("/api/table.csv").text)))
    assert float(rows[0]["volume"]) == pytest.approx(client.truth.sum() * 50**3)
    assert client.get("/api/table.xlsx").content[:2] == b"PK"
    assert client.get("/api/table.exe").status_code == 404
    report = client.get("/api/report.html")
    assert report.status_code == 200, report.text
    assert "cell" in report.text
    assert "attachment" in report.headers["content-disposition"]


def test_a_table_says_that_the_labels_or_the_voxel_size_changed_since(client):
    def outdated():
        return client.get("/api/state").json()["table_outdated"]

    client.post("/api/open", json={"path": "cell.nrrd", "labels": "truth.seg.nrrd", "fresh": True})
    assert not outdated()
    run_job(client, "measure")
    client.patch("/api/segments/1", json={"colour": "#102030"})
    assert not outdated()
    put_slices(client, 0 * client.truth, [11])
    assert outdated()
    run_job(client, "measure")
    assert not outdated()
    client.post("/api/spacing", json={"spacing": [30, 30, 30], "unit": "nm"})
    assert outdated()


def test_reference_labels_are_shown_with_the_values_of_the_same_names(client):
    client.post("/api/segments", json={"name": "Cell"})
    state = client.post("/api/reference", json={"path": "truth.seg.nrrd"}).json()
    assert state["overlays"]["reference"] > 0
    assert np.array_equal(labels_of(client, "reference"), client.truth * 2)
    assert client.post("/api/reference", json={"path": ""}).json()["overlays"]["reference"] == 0
    assert client.get("/api/reference/z/0").status_code == 404


@pytest.mark.parametrize("ending", [".seg.nrrd", ".nii.gz", ".mha", ".tif"])
def test_labels_are_saved_and_downloaded_in_each_format_with_their_geometry(client, ending, tmp_path):
    from ACSegLib.files import open_segmentation

    put_slices(client, client.truth, LABELLED)
    client.patch("/api/segments/1", json={"name": "my cell", "colour": "#ff8000"})
    expected = labels_of(client)
    name = f"out/saved{ending}"
    answer = client.post("/api/save", json={"path": name})
    assert answer.json()["path"] == name, answer.text
    (tmp_path / f"copy{ending}").write_bytes(client.get(f"/api/download?ending={ending}").content)
    for path in (client.session.folder.root / name, tmp_path / f"copy{ending}"):
        saved = open_segmentation(path)
        assert np.array_equal(saved.labels, expected)
        assert saved.geometry.in_unit("nm").spacing == pytest.approx((50, 50, 50))
    again = client.post("/api/save", json={"path": name})
    assert again.status_code == 409
    assert client.post("/api/save", json={"path": name, "overwrite": True}).status_code == 200


def test_downloaded_labels_do_not_have_the_name_of_the_image(client):
    for ending, name in ((".seg.nrrd", "cell.seg.nrrd"), (".nrrd", "cell-labels.nrrd")):
        assert f'filename="{name}"' in client.get(f"/api/download?ending={ending}").headers["content-disposition"]


def test_meshes_of_the_segments_are_downloaded(client):
    client.post("/api/open", json={"path": "cell.nrrd", "labels": "truth.seg.nrrd", "fresh": True})
    answer = client.get("/api/download?ending=.obj")
    assert answer.status_code == 200, answer.text
    corners = [line.split()[1:4] for line in answer.text.splitlines() if line.startswith("v ")]
    extent = np.ptp(np.array(corners, float), axis=0)
    true = [50 * np.ptp(places) for places in np.nonzero(client.truth)[::-1]]
    assert extent == pytest.approx(true, abs=75)  # the surface lies within a voxel of the outermost centres


@pytest.mark.parametrize("path", ["cell.nrrd", "x.docx", "../x.seg.nrrd"])
def test_the_image_itself_and_unknown_endings_are_not_written(client, path):
    answer = client.post("/api/save", json={"path": path, "overwrite": True})
    assert answer.status_code in (400, 403)
    assert str(client.session.folder.root) not in answer.text


def test_names_and_colours_are_in_the_saved_segmentation(client):
    from ACSegLib.files import open_segmentation

    client.patch("/api/segments/1", json={"name": "my cell", "colour": "#ff8000"})
    put_slices(client, client.truth, LABELLED)
    client.post("/api/save", json={"path": "named.seg.nrrd", "overwrite": True})
    (segment,) = open_segmentation(client.session.folder.root / "named.seg.nrrd").segments
    assert segment.name == "my cell"
    assert segment.colour == pytest.approx((1, 128 / 255, 0), abs=0.003)


def test_a_correction_follows_the_image_around_what_was_edited(client):
    """Opened labels lack a part of the cell; the cell is completed on three slices, and between them by itself."""
    wrong = client.truth.copy()
    _z, y, x = np.indices(wrong.shape)
    wrong[x + y > 44] = 0
    save_segmentation(
        Segmentation.from_labels(wrong, cell_case()[0].geometry), client.session.folder.root / "part.seg.nrrd"
    )
    state = client.post("/api/open", json={"path": "cell.nrrd", "labels": "part.seg.nrrd", "fresh": True}).json()
    assert (state["labels"]["complete"], state["labels"]["edited"]) == (True, 0)
    assert client.post("/api/jobs/correct", json={}).status_code == 400
    put_slices(client, client.truth, (8, 11, 14))
    assert client.get("/api/state").json()["labels"]["edited"] == 3
    job = run_job(client, "correct")
    assert job["state"] == "done", job
    labels = labels_of(client)
    for k in (9, 10, 12, 13):
        assert dice(labels[k] == 1, client.truth[k] == 1) > 0.9 > dice(wrong[k] == 1, client.truth[k] == 1)
    assert all(np.array_equal(labels[k], client.truth[k]) for k in (8, 11, 14))
    assert client.get("/api/state").json()["labels"]["edited"] == 0
    client.post("/api/undo")
    assert np.array_equal(labels_of(client)[9], wrong[9])
    assert client.get("/api/state").json()["labels"]["edited"] == 3


def test_to_open_another_volume_stops_what_runs_for_the_one_before(client):
    save_volume(cell_case()[0], client.session.folder.root / "other.nrrd")
    put_slices(client, client.truth, LABELLED)
    with standing_still(client):
        client.post("/api/jobs/fill", json={})
        client.post("/api/open", json={"path": "other.nrrd", "fresh": True})
    assert finished(client)["state"] in ("cancelled", "failed")
    assert not labels_of(client).any()


def test_a_prediction_labels_the_volume_with_the_segments_of_the_model(client):
    pytest.importorskip("openvino")
    client.patch("/api/segments/1", json={"name": "Cytoplasm"})
    put_slices(client, client.truth, (12,))
    job = run_job(client, "predict", refine="none")
    assert job["state"] == "done", job
    state = client.get("/api/state").json()
    assert [s["name"] for s in state["labels"]["segments"]] == ["Cytoplasm", "bead"]
    assert state["labels"]["complete"] is True
    assert state["undo"] == "predict"
    assert np.array_equal(labels_of(client)[12], client.truth[12])


def test_a_training_is_the_command_on_files_of_the_root_folder(client):
    from ACSegLib.app.networks import plan_training
    from ACSegLib.app.requests import TrainOptions
    from ACSegLib.commands.options import from_mapping
    from ACSegLib.commands.train import Options

    root = client.session.folder.root
    plan = plan_training(client.session, TrainOptions(["cell.nrrd"], ["truth.seg.nrrd"], "my.acseg", 2.5))
    assert (plan.task, plan.message["command"]) == ("command", "train")
    options = from_mapping(Options, plan.message["options"])
    assert options.images == [str(root / "cell.nrrd")]
    assert options.labels == [str(root / "truth.seg.nrrd")]
    assert (options.output, options.minutes) == (str(root / "my.acseg"), 2.5)


def test_a_voxel_size_is_asked_for_where_the_file_has_none(client):
    from ACSegLib.volume import Volume

    save_volume(Volume(cell_case()[0].array), client.session.folder.root / "plain.mha")
    state = client.post("/api/open", json={"path": "plain.mha"}).json()
    assert state["volume"]["spacing_known"] is False
    put_slices(client, client.truth, LABELLED)
    notes = run_job(client, "measure")["notes"]
    assert any("state no voxel size" in note and "state it with 'Voxel size'" in note for note in notes)
    state = client.post("/api/spacing", json={"spacing": [30, 30, 40], "unit": "nm"}).json()
    assert state["volume"]["spacing"] == [30, 30, 40]
    assert state["volume"]["spacing_known"] is True
    assert client.post("/api/spacing", json={"spacing": [0, 1, 1], "unit": "nm"}).status_code == 400
    assert client.post("/api/spacing", json={"spacing": [1, 1], "unit": "nm"}).status_code == 400
    assert client.post("/api/spacing", json={"spacing": [1, 1, 1], "unit": "mile"}).status_code == 400


def test_a_prediction_keeps_labelled_slices_and_values_of_segments(client):
    from ACSegLib.app.labels import Labels
    from ACSegLib.app.networks import with_values_of
    from ACSegLib.volume import Segment

    labels = Labels(np.full((2, 3, 4), 2, np.uint8), [Segment("Bead", 2), Segment("debris", 3)])
    predicted = Segmentation(np.array([[[1, 2], [0, 1]]], np.uint8), [Segment("cell", 1), Segment("bead", 2)])
    merged = with_values_of(labels, predicted)
    assert [(s.name, s.value) for s in merged.segments] == [("Bead", 2), ("debris", 3), ("cell", 1)]
    assert merged.labels.tolist() == [[[1, 2], [0, 1]]]
    assert len({s.id for s in merged.segments}) == 3
    others = with_values_of(labels, predicted, taken=[1])  # undo may bring a segment of this value back
    assert [(s.name, s.value) for s in others.segments] == [("Bead", 2), ("debris", 3), ("cell", 4)]
    fresh = with_values_of(Labels.empty((2, 3, 4)), predicted)
    assert [(s.name, s.value) for s in fresh.segments] == [("cell", 1), ("bead", 2)]


def test_no_temporary_file_stays_after_errors_downloads_and_the_end_in_the_midst_of_work(tmp_path, monkeypatch):
    root, place = tmp_path / "root", tmp_path / "temporary"
    root.mkdir()
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    with page(make_folder(root), "ramp.nrrd", "ball.seg.nrrd", ready=True, worker=Worker()) as client:
        of_worker = set(place.iterdir())
        for path in ("report.html", "table.csv", "download?ending=.docx", "download?ending=.ome.zarr"):
            assert client.get(f"/api/{path}").status_code >= 400, path
        assert client.get("/api/download?ending=.nrrd").status_code == 200
        assert client.post("/api/jobs/predict", json={"model": "../other.acseg"}).status_code == 403
        assert set(place.iterdir()) == of_worker
        with standing_still(client):
            assert client.post("/api/jobs/predict", json={}).status_code == 200
            assert set(place.iterdir()) > of_worker
    assert not list(place.iterdir())
