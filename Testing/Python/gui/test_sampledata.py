"""Sample data, against a stand-in of the Dataverse native API on this machine's loopback."""

from __future__ import annotations

import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from workbench import add_volume


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
    state = {"files": files, "asked": [], "sums": {n: hashlib.md5(data).hexdigest() for n, (_, data) in files.items()}}

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
    thread = threading.Thread(target=http.serve_forever, daemon=True)
    thread.start()
    state["address"] = f"http://127.0.0.1:{http.server_port}"
    yield state
    http.shutdown()
    http.server_close()


def test_a_cell_is_downloaded_checked_loaded_and_cached(scene, server, tmp_path):
    import slicer
    from ACSegPanels.sampledata import Dataverse, loadTCell

    dataverse = Dataverse(server["address"])
    volume, labels = loadTCell(2, dataverse, tmp_path)
    assert (slicer.util.arrayFromVolume(volume) == 2).all()
    assert labels.GetSegmentation().GetNumberOfSegments() == 1
    count = len(server["asked"])
    loadTCell(2, dataverse, tmp_path)
    assert len(server["asked"]) == count + 1, "only the list is asked for again"


def test_a_damaged_download_is_refused_and_leaves_nothing(scene, server, tmp_path):
    from ACSegPanels.sampledata import Dataverse, loadTCell

    server["sums"][10] = "0" * 32
    with pytest.raises(OSError, match="arrived damaged"):
        loadTCell(1, Dataverse(server["address"]), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_names_of_a_server_cannot_leave_the_folder(scene, server, tmp_path):
    from ACSegPanels.sampledata import Dataverse

    name, data = server["files"][10]
    server["files"][10] = (f"../../{name}", data)
    dataverse = Dataverse(server["address"])
    file = next(f for f in dataverse.files() if f.identifier == 10)
    path = dataverse.download(file, tmp_path / "cache")
    assert path == tmp_path / "cache" / name


def test_no_server_is_a_sentence(scene, tmp_path):
    from ACSegPanels.sampledata import Dataverse, loadTCell

    with pytest.raises(OSError, match="could not be read from"):
        loadTCell(1, Dataverse("http://127.0.0.1:9"), tmp_path)


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

    volume, drawing = simulatedCell(size=32, every=8)
    drawn = segmentation_from_node(drawing, volume).labels
    assert drawn.any()
    assert (drawn.any(axis=(1, 2)).sum()) <= 5
    other = add_volume(np.zeros((2, 2, 2), np.uint8))
    assert other.GetName() == "tomogram"
