"""Slices come and go exactly, along each axis."""

import struct
import zlib

import numpy as np
import pytest

pytest.importorskip("starlette")
pytest.importorskip("httpx")

from appcases import SHAPE, ball_labels, make_folder, page, plane_of, ramp


@pytest.fixture
def client(tmp_path):
    with page(make_folder(tmp_path), "ramp.nrrd") as client:
        yield client


def test_the_state_describes_the_volume(client):
    state = client.get("/api/state").json()
    volume = state["volume"]
    assert volume["shape"] == list(SHAPE)
    assert volume["spacing"] == [0.1, 0.1, 0.2]
    assert volume["unit"] == "um"
    assert volume["spacing_known"] is True
    assert volume["range"] == [0, 23999]
    assert state["labels"]["labelled"] == {"x": [], "y": [], "z": []}
    assert state["formats"][0] == ".seg.nrrd"


@pytest.mark.parametrize(("axis", "index"), [("z", 3), ("y", 29), ("x", 0)])
@pytest.mark.parametrize("bits", [8, 16])
def test_a_slice_of_the_image_is_linear_in_its_window(client, axis, index, bits):
    low, high = 5000, 15000
    answer = client.get(f"/api/slice/{axis}/{index}?low={low}&high={high}&bits={bits}")
    shown = plane_of(answer, "u1" if bits == 8 else "<u2")
    values = np.take(ramp().array, index, {"z": 0, "y": 1, "x": 2}[axis]).astype(float)
    expected = np.clip((values - low) / (high - low), 0, 1) * (2**bits - 1)
    assert shown.shape == values.shape
    assert np.abs(shown - expected).max() <= 0.51


def test_a_packed_slice_is_put_as_it_was(client):
    drawn = np.zeros(SHAPE[1:], np.uint8)
    drawn[5:12, 7:30] = 1
    packed = zlib.compress(drawn.tobytes())
    answer = client.put("/api/labels/z/4", content=packed, headers={"Content-Encoding": "deflate"})
    assert answer.status_code == 200, answer.text
    assert np.array_equal(plane_of(client.get("/api/labels/z/4")), drawn)


@pytest.mark.parametrize(
    ("packing", "body", "status"),
    [
        ("br", b"x", 400),
        ("deflate", b"x", 400),
        ("deflate", zlib.compress(bytes(1200))[:-3], 400),
        ("deflate", zlib.compress(bytes(10**8)), 413),  # a bomb is unpacked no further than a slice
    ],
)
def test_a_packed_slice_that_cannot_be_is_one_sentence(client, packing, body, status):
    answer = client.put("/api/labels/z/4", content=body, headers={"Content-Encoding": packing})
    assert answer.status_code == status
    assert answer.json()["error"].endswith(".")
    assert not plane_of(client.get("/api/labels/z/4")).any()


def test_missing_values_are_black(tmp_path):
    from ACSegLib.files import save_volume
    from ACSegLib.volume import Volume

    array = np.full((3, 4, 5), np.nan, np.float32)
    array[1, 2, 3], array[1, 2, 4] = 1.0, np.inf
    save_volume(Volume(array), tmp_path / "gaps.nrrd")
    with page(tmp_path, "gaps.nrrd") as client:
        shown = plane_of(client.get("/api/slice/z/1?low=0&high=1"))
        assert shown[2].tolist() == [0, 0, 0, 255, 255]
        assert shown.sum() == 510


@pytest.mark.parametrize(
    "path", ["slice/z/20", "slice/w/0", "labels/x/40", "slice/z/0?low=2&high=1", "slice/z/0?bits=9", "slice/z/0?low=a"]
)
def test_what_there_is_not_is_one_sentence(client, path):
    answer = client.get(f"/api/{path}")
    assert answer.status_code == 400
    assert answer.json()["error"].endswith(".")


@pytest.mark.parametrize(("axis", "number"), [("z", 0), ("y", 1), ("x", 2)])
def test_a_slice_that_was_put_is_in_the_labels_and_in_no_other_slice(client, axis, number):
    plane = np.zeros(SHAPE[:number] + SHAPE[number + 1 :], np.uint8)
    plane[2:7, 3:9] = 1
    before = client.get("/api/state").json()["labels"]["version"]
    answer = client.put(f"/api/labels/{axis}/5", content=plane.tobytes(), headers={"X-ACSeg-Client": "a-page-1"})
    assert answer.json()["labelled"][axis] == [5]
    state = client.get("/api/state").json()["labels"]
    assert state["version"] == answer.json()["version"] > before
    assert state["changed_by"] == "a-page-1"
    expected = np.zeros(SHAPE, np.uint8)
    np.moveaxis(expected, number, 0)[5] = plane
    volume = np.stack([plane_of(client.get(f"/api/labels/z/{k}")) for k in range(SHAPE[0])])
    assert np.array_equal(volume, expected)
    assert client.get(f"/api/strip/{axis}").json()["occupied"] == [5]


def test_an_empty_slice_counts_as_labelled_until_it_is_taken_back(client):
    nothing = bytes(30 * 40)
    assert client.put("/api/labels/z/4", content=nothing).json()["labelled"]["z"] == [4]
    assert client.put("/api/labels/z/4?labelled=0", content=nothing).json()["labelled"]["z"] == []


@pytest.mark.parametrize("body", [b"", b"\1" * 1199, b"\1" * 1201, b"\2" * 1200])
def test_a_slice_of_another_size_or_unknown_segments_changes_nothing(client, body):
    version = client.get("/api/state").json()["labels"]["version"]
    answer = client.put("/api/labels/z/4", content=body)
    assert answer.status_code == 400
    assert client.get("/api/state").json()["labels"]["version"] == version
    assert not plane_of(client.get("/api/labels/z/4")).any()


def test_dense_labels_open_complete_and_with_names_and_colours(tmp_path):
    with page(make_folder(tmp_path), "ramp.nrrd", "ball.seg.nrrd") as client:
        labels = client.get("/api/state").json()["labels"]
        assert [(s["value"], s["name"], s["colour"]) for s in labels["segments"]] == [
            (1, "ball", "#ff0000"),
            (2, "shell", "#0000ff"),
        ]
        assert labels["complete"] is True
        assert np.array_equal(plane_of(client.get("/api/labels/x/20")), ball_labels().labels[:, :, 20])


def test_labels_with_a_segment_for_what_nobody_labelled_open_as_labelled_slices(tmp_path):
    from ACSegLib.files import save_segmentation
    from ACSegLib.volume import Segmentation

    make_folder(tmp_path)
    dense = ball_labels()
    sparse, numbers = np.full(dense.shape, 9, np.uint8), [0, 6, 14]
    sparse[numbers] = dense.labels[numbers]
    names = {1: "ball", 2: "shell", 9: "unlabelled"}
    save_segmentation(Segmentation.from_labels(sparse, dense.geometry, names), tmp_path / "sparse.seg.nrrd")
    with page(tmp_path, "ramp.nrrd", "sparse.seg.nrrd") as client:
        assert client.get("/api/state").json()["labels"]["complete"] is False
        assert client.get("/api/strip/z").json()["labelled"] == numbers


def test_the_copies_for_3d_lie_on_one_grid_with_true_proportions(tmp_path):
    import nibabel

    from ACSegLib.files import save_segmentation, save_volume
    from ACSegLib.volume import Geometry, Segmentation, Volume

    image = np.zeros((10, 300, 520), np.float32)
    image[:, 90:, :] = 7
    labels = (image > 0).astype(np.uint8)
    geometry = Geometry((2, 2, 6), unit="nm")
    save_volume(Volume(image, geometry), tmp_path / "step.nrrd")
    save_segmentation(Segmentation.from_labels(labels, geometry), tmp_path / "step.seg.nrrd")
    with page(tmp_path, "step.nrrd", "step.seg.nrrd") as client:
        files = []
        for name in ("preview.nii", "labels.nii"):
            (tmp_path / name).write_bytes(client.get(f"/api/{name}").content)
            files.append(nibabel.load(tmp_path / name))
    for file in files:
        assert file.shape == (174, 150, 10)  # 520 / 3, 300 / 2
        assert np.allclose(np.abs(np.diag(file.affine))[:3], [1.5, 1, 1.5])
        assert np.unique(np.asarray(file.dataobj)).tolist() == [
            0,
            {"preview.nii": 255}.get(file.get_filename().rsplit("/")[-1], 1),
        ]
    assert np.array_equal(np.asarray(files[0].dataobj) > 0, np.asarray(files[1].dataobj) > 0)


@pytest.mark.parametrize(("size", "edges"), [(256, (40, 30, 20)), (40, (40, 30, 20)), (16, (14, 15, 10))])
def test_the_copies_for_3d_are_no_larger_than_the_page_asks_for(tmp_path, size, edges):
    with page(make_folder(tmp_path), "ramp.nrrd", "ball.seg.nrrd") as client:
        for address in (f"/api/preview.nii?size={size}", f"/api/labels.nii?of=labels&size={size}"):
            header = client.get(address).content[:352]
            assert struct.unpack_from("<3h", header, 42) == edges  # dim[1] to dim[3] of NIfTI


@pytest.mark.parametrize("size", ["0", "15", "257", "many", "nan", "inf"])
def test_a_copy_for_3d_of_no_such_size_is_refused(tmp_path, size):
    with page(make_folder(tmp_path), "ramp.nrrd") as client:
        for address in (f"/api/preview.nii?size={size}", f"/api/labels.nii?size={size}"):
            answer = client.get(address)
            assert answer.status_code == 400
            assert answer.json()["error"].startswith("Size must be ")


def test_segments_are_added_changed_and_removed(client):
    state = client.post("/api/segments", json={"name": "nucleus", "colour": "#0a0b0c"}).json()
    assert state["labels"]["segments"][1] == {"value": 2, "name": "nucleus", "colour": "#0a0b0c"}
    state = client.patch("/api/segments/2", json={"name": "core"}).json()
    assert state["labels"]["segments"][1] == {"value": 2, "name": "core", "colour": "#0a0b0c"}
    assert client.post("/api/segments", json={"name": "core"}).status_code == 400
    assert client.patch("/api/segments/2", json={"colour": "red"}).status_code == 400
    client.put("/api/labels/z/4", content=bytes([1, 2] * 600))
    state = client.delete("/api/segments/2").json()
    assert [s["value"] for s in state["labels"]["segments"]] == [1]
    assert plane_of(client.get("/api/labels/z/4")).ravel()[:4].tolist() == [1, 0, 1, 0]
    state = client.post("/api/undo").json()
    assert [s["value"] for s in state["labels"]["segments"]] == [1, 2]
    assert plane_of(client.get("/api/labels/z/4")).ravel()[:4].tolist() == [1, 2, 1, 2]
    client.post("/api/redo")
    assert plane_of(client.get("/api/labels/z/4")).ravel()[:4].tolist() == [1, 0, 1, 0]


def test_more_than_255_segments_take_two_bytes_a_voxel(client):
    for _ in range(255):
        state = client.post("/api/segments", json={}).json()
    assert state["labels"]["bytes_per_voxel"] == 2
    plane = np.full((30, 40), 256, "<u2")
    assert client.put("/api/labels/z/1", content=plane.tobytes()).status_code == 200
    assert np.array_equal(plane_of(client.get("/api/labels/z/1"), "<u2"), plane)
