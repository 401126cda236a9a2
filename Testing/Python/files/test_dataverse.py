"""Downloads from a Dataverse server, here one on the loopback address, which may lie about its files."""

from __future__ import annotations

import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from ACSegLib.errors import FileError
from ACSegLib.files.dataverse import Dataverse, RemoteFile

BODY = b"voxels" * 100


@pytest.fixture
def server():
    """Answers every download with `state["body"]`, and says that it is as long as BODY."""
    state = {"body": BODY}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", str(len(BODY)))
            self.end_headers()
            self.wfile.write(state["body"])

        def log_message(self, *arguments):
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=http.serve_forever, daemon=True).start()
    state["dataverse"] = Dataverse(f"http://127.0.0.1:{http.server_port}", "doi:10.1/x")
    yield state
    http.shutdown()
    http.server_close()


SIZE = len(BODY)


def remote(name="cell.nrrd", size=SIZE, algorithm="SHA-256", checksum=None):
    hashed = hashlib.new(algorithm.lower().replace("-", ""), BODY)
    return RemoteFile(7, name, size, algorithm, checksum or hashed.hexdigest().upper())


@pytest.mark.parametrize("algorithm", ["MD5", "SHA-1", "SHA-256", "SHA-512"])
def test_each_checksum_of_dataverse_is_checked(server, tmp_path, algorithm):
    assert server["dataverse"].download(remote(algorithm=algorithm), tmp_path).read_bytes() == BODY
    with pytest.raises(FileError, match=r"other\.nrrd arrived damaged"):
        server["dataverse"].download(remote("other.nrrd", algorithm=algorithm, checksum="0" * 32), tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["cell.nrrd"]


def test_a_file_longer_than_listed_is_not_kept(server, tmp_path):
    with pytest.raises(FileError, match=r"cell\.nrrd is longer than the 10 bytes"):
        server["dataverse"].download(remote(size=10), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_connection_that_breaks_off_is_a_sentence(server, tmp_path):
    server["body"] = BODY[:100]
    with pytest.raises(FileError, match=r"cell\.nrrd (could not be downloaded|arrived damaged)"):
        server["dataverse"].download(remote(), tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("..", "file-7"),
        ("", "file-7"),
        ("../../cell.nrrd", "cell.nrrd"),
        ("..\\..\\cell.nrrd", "cell.nrrd"),
        ("C:cell.nrrd", "C_cell.nrrd"),
        ("a\x1b[31m\0.nrrd", "a_[31m_.nrrd"),
    ],
)
def test_names_of_files_stay_in_the_folder(server, tmp_path, name, written):
    assert server["dataverse"].download(remote(name), tmp_path) == tmp_path / written
    assert [p.name for p in tmp_path.iterdir()] == [written]
