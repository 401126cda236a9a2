"""Sample data, against a stand-in of the Dataverse native API on this machine's loopback."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from workbench import add_volume, pump


def nrrd(array: np.ndarray) -> bytes:
    kind = {"float32": "float", "uint8": "unsigned char"}[str(array.dtype)]
    sizes = " ".join(str(n) for n in array.shape[::-1])
    header = f"NRRD0004\ntype: {kind}\ndimension: 3\nsizes: {sizes}\nencoding: raw\nendian: little\n\n"
    return header.encode() + array.tobytes()


@pytest.fixture
def server():
    """Serves one data set of two cells; `files` may be changed by a test, `asked` counts requests."""
    labels = np.zeros((5, 6, 7), np.uint8)
    labels[1:4, 2:4, 2:5] = 1
    files = {}
    for number, name in enumerate(("T_cell_01.nrrd", "T_cell_02.nrrd"), start=1):
        files[10 * number] = (name, nrrd(np.full((5, 6, 7), number, np.float32)))
        files[10 * number + 1] = (name.replace(".nrrd", "_labels.nrrd"), nrrd(labels))
    state = {
        "files": files,
        "asked": [],
        "gate": threading.Event(),
        "sums": {n: hashlib.md5(data).hexdigest() for n, (_, data) in files.items()},
    }

    state["gate"].set()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            state["asked"].append(self.path)
            if self.path.startswith("/api/datasets/:persistentId/?persistentId=doi%3A10.11588%2Fdata%2FXEBZLL"):
                rows = [
                    {"dataFile": {"id": n, "filename": name, "filesize": len(data), "md5": state["sums"][n]}}
                    for n, (name, data) in state["files"].items()
                ]
                self.answer(json.dumps({"status": "OK", "data": {"latestVersion": {"files": rows}}}).encode())
            elif self.path.startswith("/api/access/datafile/"):
                state["gate"].wait()
                self.answer(state["files"][int(self.path.split("/")[-1].split("?")[0])][1])
            else:
                self.send_error(404)

        def answer(self, body):
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments):
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.handle_error = lambda *_: None  # a client that was cancelled is gone
    thread = threading.Thread(target=http.serve_forever, daemon=True)
    thread.start()
    state["address"] = f"http://127.0.0.1:{http.server_port}"
    yield state
    http.shutdown()
    http.server_close()


def dataverse(address):
    from ACSegLib.files.dataverse import Dataverse

    return Dataverse(address, "doi:10.11588/data/XEBZLL")


def test_a_cell_is_downloaded_checked_loaded_and_cached(scene, server, tmp_path):
    import slicer
    from ACSegPanels.sampledata import loadTCell

    server_side = dataverse(server["address"])
    volume, labels = loadTCell(2, server_side, tmp_path)
    assert (slicer.util.arrayFromVolume(volume) == 2).all()
    assert labels.GetSegmentation().GetNumberOfSegments() == 1
    count = len(server["asked"])
    loadTCell(2, server_side, tmp_path)
    assert len(server["asked"]) == count + 1, "only the list is asked for again"


def test_a_damaged_download_is_refused_and_leaves_nothing(scene, server, tmp_path):
    from ACSegPanels.sampledata import loadTCell

    server["sums"][10] = "0" * 32
    with pytest.raises(OSError, match="arrived damaged"):
        loadTCell(1, dataverse(server["address"]), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_names_of_a_server_cannot_leave_the_folder(scene, server, tmp_path):
    name, data = server["files"][10]
    server["files"][10] = (f"../../{name}", data)
    server_side = dataverse(server["address"])
    file = next(f for f in server_side.files() if f.identifier == 10)
    path = server_side.download(file, tmp_path / "cache")
    assert path == tmp_path / "cache" / name


def test_no_server_is_a_sentence(scene, tmp_path):
    from ACSegPanels.sampledata import loadTCell

    with pytest.raises(OSError, match="could not be read from"):
        loadTCell(1, dataverse("http://127.0.0.1:9"), tmp_path)


def test_registering_downloads_nothing(scene, server, monkeypatch):
    import slicer
    from ACSegPanels import sampledata

    monkeypatch.setattr(sampledata, "SERVER", server["address"])
    slicer.modules.sampleDataSources.clear()
    sampledata.registerAll()
    sampledata.registerAll()
    assert len(slicer.modules.sampleDataSources["ACSeg"]) == 11
    assert server["asked"] == []


def test_the_simulated_cell_lies_on_its_tomogram(scene):
    from ACSegPanels.sampledata import simulatedCell

    from ACSegLib.scene import segmentation_from_node

    volume, sparse = simulatedCell(size=32, every=8)
    drawn = segmentation_from_node(sparse, volume).labels
    assert drawn.any()
    assert (drawn.any(axis=(1, 2)).sum()) <= 5
    other = add_volume(np.zeros((2, 2, 2), np.uint8))
    assert other.GetName() == "tomogram"


def test_what_is_registered_is_what_sample_data_can_show(scene):
    """Each source has one address and one name, and a button of its own."""
    import slicer
    from ACSegPanels import sampledata

    slicer.modules.sampleDataSources.clear()
    sampledata.registerAll()
    sources = slicer.modules.sampleDataSources["ACSeg"]
    assert len({source.sampleDescription for source in sources}) == 11
    for source in sources:
        assert [len(field) for field in (source.uris, source.fileNames, source.nodeNames)] == [1, 1, 1]


class Window:
    """Slicer's main window, and a look at its progress dialog at every turn of the event loop."""

    def __init__(self, seen):
        import qt
        from PySide6.QtWidgets import QMainWindow

        self.window = QMainWindow()
        self.window.setObjectName("qSlicerMainWindow")
        self._seen = seen
        self.timer = qt.QTimer()
        self.timer.setInterval(5)
        self.timer.connect("timeout()", self._turn)
        self.timer.start()

    def _turn(self):
        from PySide6.QtWidgets import QProgressDialog

        for dialog in self.window.findChildren(QProgressDialog):
            self._seen(dialog)

    def close(self):
        self.timer.stop()
        self.window.setObjectName("")  # it may live on for a while, and must not be found as the next test's window
        self.window.close()
        self.window.deleteLater()
        pump(lambda: True)


@pytest.fixture
def window(scene):
    made = []

    def make(seen):
        made.append(Window(seen))
        return made[-1]

    yield make
    for one in made:
        one.close()


def test_the_program_stays_live_while_a_cell_is_simulated(scene, window, monkeypatch):
    import slicer
    from ACSegPanels import sampledata

    start = sampledata.startSimulatedCell
    monkeypatch.setattr(sampledata, "startSimulatedCell", lambda: start(size=64, every=8))
    values, texts = [], set()
    window(lambda dialog: (values.append(dialog.value), texts.add(dialog.labelText)))
    nodes = sampledata.Sample(0)(None)
    assert [node.GetClassName() for node in nodes] == ["vtkMRMLScalarVolumeNode", "vtkMRMLSegmentationNode"]
    assert slicer.mrmlScene.GetFirstNodeByName("Simulated T cell") is nodes[0]
    assert max(values) > 0
    assert len(texts) > 1  # the loop turned at different stages of the work


def test_simulating_can_be_cancelled_in_its_dialog(scene, window):
    import slicer
    from ACSegPanels import sampledata
    from PySide6.QtWidgets import QPushButton

    before = slicer.mrmlScene.GetNumberOfNodes()
    window(lambda dialog: dialog.value > 0 and dialog.findChild(QPushButton).click())
    assert sampledata.Sample(0)(None) == []
    assert slicer.mrmlScene.GetNumberOfNodes() == before


def test_a_failed_download_is_told_in_a_sentence(scene, window, monkeypatch):
    import slicer
    from ACSegPanels import sampledata

    told = []
    monkeypatch.setattr(sampledata, "SERVER", "http://127.0.0.1:9")
    monkeypatch.setattr(slicer.util, "errorDisplay", lambda text, **_: told.append(text))
    window(lambda dialog: None)
    assert sampledata.Sample(3)(None) == []
    assert len(told) == 1
    assert "could not be read from http://127.0.0.1:9" in told[0]


def test_a_download_that_is_cancelled_leaves_no_file(scene, server, tmp_path):
    """In the middle of a file, while the server is silent."""
    from ACSegPanels.sampledata import startTCell

    from ACSegLib.errors import Cancelled

    server["gate"].clear()
    task = startTCell(1, dataverse(server["address"]), tmp_path)
    while not any("datafile" in path for path in server["asked"]):
        task.poll()
        time.sleep(0.01)
    task.cancel()
    with pytest.raises(Cancelled):
        task.wait()
    server["gate"].set()
    assert list(tmp_path.iterdir()) == []
