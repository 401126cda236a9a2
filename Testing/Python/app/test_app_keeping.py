"""No work is lost: it is saved within seconds, found again, and whatever stands in the way is one sentence."""

import asyncio
import errno
import json
import os
import shutil
import zipfile

import numpy as np
import pytest

pytest.importorskip("starlette")
pytest.importorskip("httpx")

from appcases import SHAPE, labels_of, make_folder, page, ramp

from ACSegLib.app.contract import JobInfo
from ACSegLib.app.events import Hub
from ACSegLib.app.folder import Folder
from ACSegLib.app.keeping import Keeper
from ACSegLib.app.requests import OpenRequest
from ACSegLib.app.session import Session
from ACSegLib.files import open_segmentation, save_volume
from ACSegLib.volume import Geometry, Volume

PLANE = np.zeros(SHAPE[1:], np.uint8)
PLANE[3:9, 4:20] = 1


@pytest.fixture
def root(tmp_path):
    return make_folder(tmp_path)


@pytest.fixture
def keeper(root):
    """A session without a server, saved when the test says so."""
    session = Session(Folder(root))
    keeper = Keeper(session)
    keeper.session = session
    session.open(OpenRequest("ramp.nrrd"))
    yield keeper
    keeper.close()


def test_the_voxel_size_that_was_given_is_found_again(tmp_path):
    image = tmp_path / "plain.mha"
    save_volume(Volume(ramp().array), image)
    size = {"spacing": [30.0, 30.0, 40.0], "unit": "nm"}
    with page(tmp_path, image.name) as client:
        client.put("/api/labels/z/4", content=PLANE.tobytes())
        client.post("/api/spacing", json=size)
    with page(tmp_path, image.name) as client:
        volume = client.get("/api/state").json()["volume"]
        assert (volume["spacing"], volume["unit"], volume["spacing_known"]) == (*size.values(), True)
        assert "The voxel size is the one that you gave: 30 x 30 x 40 nm." in volume["notes"]
        answer = client.post("/api/save", json={"path": "drawn.nrrd"})
        assert answer.status_code == 200, answer.text
        assert open_segmentation(tmp_path / "drawn.nrrd").geometry.in_unit("nm").spacing == pytest.approx((30, 30, 40))
    with page(tmp_path) as client:  # labels that are given instead of the work do not change the image
        client.post("/api/open", json={"path": image.name, "labels": "drawn.nrrd"})
        assert client.get("/api/state").json()["volume"]["spacing"] == size["spacing"]
    save_volume(Volume(ramp().array, Geometry((5, 5, 5), unit="um")), image)
    with page(tmp_path, image.name) as client:  # another file, which states a size of its own
        volume = client.get("/api/state").json()["volume"]
        assert (volume["spacing"], volume["unit"]) == ([5, 5, 5], "um")


def saved_file(root):
    (path,) = (root / ".acseg").glob("ramp*.zip")
    return path


def save_now(keeper):
    keeper._next = 0.0
    keeper.tick()


def test_work_is_found_again_after_a_crash(root, tmp_path):
    crashed = tmp_path / "after"
    with page(root, "ramp.nrrd") as client:
        client.patch("/api/segments/1", json={"name": "cell", "colour": "#102030"})
        client.put("/api/labels/z/5", content=PLANE.tobytes())
        client.put("/api/labels/x/7", content=bytes(20 * 30))
        while client.get("/api/state").json()["autosave"]["pending"]:
            pass  # saved by itself, within seconds
        shutil.copytree(root, crashed)  # as the disk is if the machine stops now
        expected = labels_of(client)
    with page(crashed, "ramp.nrrd") as client:
        state = client.get("/api/state").json()
        assert np.array_equal(labels_of(client), expected)
        assert state["labels"]["labelled"] == {"x": [7], "y": [], "z": [5]}
        assert state["labels"]["segments"] == [{"value": 1, "name": "cell", "colour": "#102030"}]
        assert state["autosave"]["restored"] > 0
        assert [n["key"] for n in state["notices"]] == ["restored"]


def test_the_end_of_the_server_saves_what_is_left(root):
    with page(root, "ramp.nrrd") as client:
        client.put("/api/labels/z/5", content=PLANE.tobytes())
    with page(root, "ramp.nrrd") as client:
        assert labels_of(client).sum() == PLANE.sum()


def test_to_start_afresh_sets_the_work_aside_and_keeps_it(root):
    with page(root, "ramp.nrrd") as client:
        client.put("/api/labels/z/5", content=PLANE.tobytes())
        state = client.post("/api/open", json={"path": "ramp.nrrd", "fresh": True}).json()
        assert state["autosave"]["restored"] is None
        assert not labels_of(client).any()
    assert len(list((root / ".acseg").glob("*.old.zip"))) == 1


def test_labels_that_are_named_win_over_work_that_was_saved_and_lose_to_work_that_was_not(root):
    with page(root, "ramp.nrrd") as client:
        client.put("/api/labels/z/5", content=PLANE.tobytes())
        state = client.post("/api/open", json={"path": "ramp.nrrd", "labels": "ball.seg.nrrd"}).json()
        assert state["labels"]["labelled"]["z"] == [5]  # the unsaved work
        client.post("/api/save", json={"path": "saved.seg.nrrd"})
        state = client.post("/api/open", json={"path": "ramp.nrrd", "labels": "ball.seg.nrrd"}).json()
        assert [s["name"] for s in state["labels"]["segments"]] == ["ball", "shell"]
        client.put("/api/labels/z/0", content=bytes(1200))
        expected = labels_of(client)
    with page(root, "ramp.nrrd") as client:
        assert np.array_equal(labels_of(client), expected)


def test_what_was_edited_and_decided_since_a_prediction_is_known_after_a_restart(keeper, root):
    session = keeper.session
    session.put("z", 4, PLANE.tobytes(), True, "")
    decided = np.zeros(SHAPE, bool)
    decided[4] = True
    session.finish_job("predict", session.info.id, session.segmentation(), decided=decided)
    save_now(keeper)
    session.put("z", 5, PLANE.tobytes(), True, "")
    save_now(keeper)
    before = session.work
    keeper.close()
    again = Session(Folder(root))
    keeper = Keeper(again)
    again.open(OpenRequest("ramp.nrrd"))
    keeper.close()
    assert again.work.edited == {("z", 5)}
    assert again.work.baseline[5].max() == 0
    assert np.array_equal(again.work.baseline, before.baseline)
    assert np.array_equal(again.work.decided, decided)


def test_a_stroke_packs_one_plane_anew(keeper, root):
    for k in (5, 6):
        keeper.session.put("z", k, PLANE.tobytes(), True, "")
    save_now(keeper)
    across = np.zeros((20, 40), np.uint8)
    across[5, 4:20] = 1  # as it is, along y = 4
    across[11, 7] = 1
    for axis, index, body, planes in (("z", 6, bytes(1200), {6}), ("y", 4, across.tobytes(), {6, 11})):
        keeper.session.put(axis, index, body, True, "")
        changes = keeper.session.take_changes()
        assert changes.planes == planes
        keeper.session.changes_done(changes)  # as if they could not be saved: they are due again
    save_now(keeper)
    with zipfile.ZipFile(saved_file(root)) as archive:
        assert archive.namelist() == ["state.json", "planes/000005", "planes/000011"]
        assert json.loads(archive.read("state.json"))["labelled"]["z"] == [5, 6]


@pytest.fixture
def full_disk():
    """No file of this process may grow beyond 4 KiB, as on a full disk."""
    resource = pytest.importorskip("resource")
    import signal

    before = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    def fill(size):
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[0][1]))

    yield fill
    resource.setrlimit(resource.RLIMIT_FSIZE, before[0])
    signal.signal(signal.SIGXFSZ, before[1])


def test_a_full_disk_is_told_the_last_file_stays_and_the_next_try_saves(keeper, root, full_disk):
    session = keeper.session
    session.put("z", 5, PLANE.tobytes(), True, "")
    save_now(keeper)
    before = saved_file(root).read_bytes()
    noise = np.random.default_rng(0).integers(0, 2, SHAPE, np.uint8)
    for k in range(SHAPE[0]):
        session.put("z", k, noise[k].tobytes(), True, "")
    full_disk(1 << 10)
    save_now(keeper)
    full_disk(1 << 40)
    assert os.strerror(errno.EFBIG) in session.autosave.error
    assert str(root) not in session.autosave.error
    assert session.notices["autosave"].level == "error"
    assert saved_file(root).read_bytes() == before
    save_now(keeper)
    assert session.autosave.error == ""
    assert "autosave" not in session.notices
    with zipfile.ZipFile(saved_file(root)) as archive:
        assert len(archive.namelist()) == 1 + SHAPE[0]


@pytest.mark.parametrize("damage", [b"", b"not a zip file", "half"])
def test_damaged_work_is_kept_and_told(root, damage):
    with page(root, "ramp.nrrd") as client:
        client.put("/api/labels/z/5", content=PLANE.tobytes())
    path = saved_file(root)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2] if damage == "half" else damage)
    with page(root) as client:
        answer = client.post("/api/open", json={"path": "ramp.nrrd"})
        assert answer.status_code == 400
        assert ".old.zip" in answer.json()["error"]
        assert client.post("/api/open", json={"path": "ramp.nrrd"}).status_code == 200
    assert len(list((root / ".acseg").glob("*.old.zip"))) == 1


def test_work_that_unpacks_to_more_than_a_plane_is_refused(root):
    import zlib

    with page(root, "ramp.nrrd") as client:
        client.put("/api/labels/z/5", content=PLANE.tobytes())
    path = saved_file(root)
    with zipfile.ZipFile(path) as archive:
        state = archive.read("state.json")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("state.json", state)
        archive.writestr("planes/000005", zlib.compress(bytes(10**7)))
    with page(root) as client:
        assert "another size" in client.post("/api/open", json={"path": "ramp.nrrd"}).json()["error"]


def test_a_second_server_does_not_open_the_same_image(root):
    with page(root, "ramp.nrrd"), page(root) as other:
        answer = other.post("/api/open", json={"path": "ramp.nrrd"})
        assert answer.status_code == 409
        assert "another ACSeg server" in answer.json()["error"]
        assert answer.json()["error"].count(".") == 2  # of the name of the file, and the end of the sentence
        assert other.get("/api/state").json()["volume"] is None
    with page(root) as other:
        assert other.post("/api/open", json={"path": "ramp.nrrd"}).status_code == 200


def test_an_image_that_changes_on_the_disk_is_told_and_the_notice_ends_with_its_cause(keeper, root):
    image = (root / "ramp.nrrd").read_bytes()
    times = os.stat(root / "ramp.nrrd")
    (root / "ramp.nrrd").write_bytes(image[:-4])
    save_now(keeper)
    assert "changed on the disk" in keeper.session.notices["file changed"].message
    (root / "ramp.nrrd").unlink()
    save_now(keeper)
    assert "no longer there" in keeper.session.notices["file changed"].message
    (root / "ramp.nrrd").write_bytes(image)
    os.utime(root / "ramp.nrrd", ns=(times.st_atime_ns, times.st_mtime_ns))
    save_now(keeper)
    assert "file changed" not in keeper.session.notices


def test_the_list_has_images_labels_and_models_and_a_folder_of_slices_once(root):
    import tifffile

    (root / "slices").mkdir()
    for k in range(20):
        tifffile.imwrite(root / "slices" / f"{k:03d}.tif", ramp().array[k])
    (root / "deep").mkdir()
    (root / "deep" / "cell_labels.nii.gz").write_bytes(b"")
    (root / "deep" / "my.acseg").write_bytes(b"")
    (root / ".hidden").mkdir()
    (root / ".hidden" / "x.nrrd").write_bytes(b"")
    with page(root) as client:
        kinds = {entry["path"]: entry["kind"] for entry in client.get("/api/files").json()}
        assert kinds == {
            "ball.seg.nrrd": "labels",
            "deep/cell_labels.nii.gz": "labels",
            "deep/my.acseg": "model",
            "ramp.nrrd": "image",
            "slices": "image",
        }
        assert client.post("/api/open", json={"path": "slices"}).json()["volume"]["shape"] == list(SHAPE)


def test_an_upload_gets_a_plain_and_free_name_below_the_root_folder(root):
    content = (root / "ramp.nrrd").read_bytes()
    with page(root) as client:
        answer = client.post("/api/upload?name=..%2F..%2Fevil%2Framp.nrrd", content=content)
        assert answer.json()["path"] == "ramp-2.nrrd"
        assert (root / "ramp-2.nrrd").read_bytes() == content
        assert client.post("/api/open", json={"path": "ramp-2.nrrd"}).status_code == 200
        assert client.post("/api/upload?name=..", content=b"x").status_code == 400
        assert client.post("/api/upload?name=.hidden.nrrd", content=b"x").json()["path"] == "hidden.nrrd"


@pytest.mark.parametrize("stated", [True, False])
def test_an_upload_that_is_too_large_is_one_sentence_and_leaves_nothing(root, stated):
    with page(root, upload_limit=10000) as client:
        before = sorted(p.name for p in root.iterdir())
        body = bytes(20000) if stated else (bytes(5000) for _ in range(4))
        answer = client.post("/api/upload?name=big.nrrd", content=body)
        assert answer.status_code == 413
        assert "limit of uploads" in answer.json()["error"]
        assert sorted(p.name for p in root.iterdir()) == before


def test_a_second_tab_reads_is_told_and_can_take_over(root):
    first, second = {"X-ACSeg-Client": "tab-number-1"}, {"X-ACSeg-Client": "tab-number-2"}
    with page(root, "ramp.nrrd") as client:
        assert client.post("/api/claim", headers=first).json()["writer"] == "tab-number-1"
        assert client.put("/api/labels/z/5", content=PLANE.tobytes(), headers=first).status_code == 200
        for refused in (
            client.put("/api/labels/z/6", content=PLANE.tobytes(), headers=second),
            client.post("/api/jobs/fill", json={}, headers=second),
            client.post("/api/open", json={"path": "ramp.nrrd"}),
        ):
            assert refused.status_code == 409
            assert "another tab" in refused.json()["error"].lower()
        assert client.get("/api/labels/z/5", headers=second).status_code == 200
        assert client.post("/api/claim", headers=second).json()["writer"] == "tab-number-2"
        assert client.put("/api/labels/z/6", content=PLANE.tobytes(), headers=first).status_code == 409
        assert client.put("/api/labels/z/6", content=PLANE.tobytes(), headers=second).status_code == 200
        assert client.post("/api/claim", headers={"X-ACSeg-Client": "<script>"}).status_code == 400


def test_pages_are_told_of_changes_and_jobs_and_the_first_one_may_write(root):
    async def story():
        session = Session(Folder(root))
        hub = Hub(session)
        hub.start()
        first, second = hub.listen("tab-number-1"), hub.listen("tab-number-2")

        async def next_of(events):
            event, data = (await anext(events)).splitlines()[:2]
            return event.removeprefix("event: "), json.loads(data.removeprefix("data: "))

        assert (await next_of(first))[1]["writer"] == "tab-number-1"
        assert (await next_of(second))[1]["writer"] == "tab-number-1"
        await next_of(first)  # that it is the writer now
        await next_of(second)
        for _ in range(5):
            session.notice("a", "Something.")
            session.notice("b", "Something else.")
        event, state = await next_of(second)
        assert event == "state"
        assert [n["key"] for n in state["notices"]] == ["a", "b"]  # five changes at once are told once
        hub.tell_job(JobInfo(1, "fill", "running", 0.5, "filling", 1.0))
        event, job = await next_of(second)
        assert (event, job["kind"], job["fraction"]) == ("job", "fill", 0.5)
        await first.aclose()
        assert (await next_of(second))[1]["writer"] == ""  # the right is free
        await second.aclose()

    asyncio.run(story())


def test_a_tab_that_was_closed_before_it_listened_does_not_keep_the_right(root):
    async def story():
        session = Session(Folder(root))
        hub = Hub(session)
        hub.claim("tab-number-1")  # and it is closed at once
        second, third = hub.listen("tab-number-2"), hub.listen("tab-number-3")
        assert '"writer": "tab-number-2"' in await anext(second)
        assert '"writer": "tab-number-2"' in await anext(third)
        await second.aclose()
        await third.aclose()

    asyncio.run(story())


def test_along_x_a_mapped_volume_is_shown_coarsely_and_in_place(tmp_path, monkeypatch):
    from ACSegLib.app import images, opening
    from ACSegLib.app.requests import OpenRequest

    save_volume(ramp(), tmp_path / "ramp.mha")
    monkeypatch.setattr(opening, "MAX_IN_MEMORY", 1000)
    monkeypatch.setattr(images, "_MAX_ROWS", 150)  # of 600: every second one along both axes
    session = Session(Folder(tmp_path))
    session.open(OpenRequest("ramp.mha"))
    shown = images.take_shown_slice(session.volume.array, "x", 7)
    true = ramp().array[:, :, 7]
    assert shown.shape == true.shape
    assert np.array_equal(shown[::2, ::2], true[::2, ::2])
    assert np.array_equal(shown[1::2, 1::2], true[::2, ::2])
    assert np.array_equal(images.take_shown_slice(session.volume.array, "y", 7), ramp().array[:, 7])


def test_what_is_special_about_labels_is_told(root):
    """Overlapping segments become one layer; labels on another grid come onto that of the image."""
    from appcases import GEOMETRY, ball_labels

    from ACSegLib.files import save_segmentation
    from ACSegLib.volume import Segment, Segmentation

    ball = ball_labels().labels > 0
    both = Segmentation(
        ((ball * 1).astype(np.uint8), (ball * 1).astype(np.uint8)),
        [Segment("one", 1, layer=0), Segment("two", 1, layer=1)],
        GEOMETRY,
    )
    save_segmentation(both, root / "both.seg.nrrd")
    cropped = Segmentation.from_labels(ball_labels().labels[5:], GEOMETRY.cropped((0, 0, 5)))
    save_segmentation(cropped, root / "cropped.seg.nrrd")
    with page(root, "ramp.nrrd", "both.seg.nrrd") as client:
        assert "overlap" in " ".join(client.get("/api/state").json()["volume"]["notes"])
        assert np.array_equal(labels_of(client) == 2, ball)
        client.post("/api/open", json={"path": "ramp.nrrd", "labels": "cropped.seg.nrrd", "fresh": True})
        assert np.array_equal(labels_of(client)[5:], ball_labels().labels[5:])
        assert not labels_of(client)[:5].any()


def test_a_large_volume_is_read_slice_by_slice_and_says_so(tmp_path, monkeypatch):
    from appcases import plane_of

    from ACSegLib.app import opening

    save_volume(ramp(), tmp_path / "ramp.mha")
    monkeypatch.setattr(opening, "MAX_IN_MEMORY", 1000)
    with page(tmp_path, "ramp.mha") as client:
        volume = client.get("/api/state").json()["volume"]
        assert volume["lazy"] is True
        assert "slice by slice" in volume["notes"][-1]
        shown = plane_of(client.get("/api/slice/y/7?low=0&high=23999&bits=16"), "<u2")
        assert np.allclose(shown / 65535 * 23999, ramp().array[:, 7], atol=0.2)
        assert client.get("/api/preview.nii").status_code == 200
        client.put("/api/labels/z/5", content=PLANE.tobytes())
        assert labels_of(client).sum() == PLANE.sum()
