"""Arrays that go by files: exact, written in pieces, never half, and gone when nobody holds them."""

import os

import numpy as np
import pytest

from ACSegLib.errors import MemoryLimitError
from ACSegLib.worker import arrays
from ACSegLib.worker.arrays import ArrayFile, ArrayWriter, make_folders, remove_abandoned, remove_folders

CUBE = np.arange(24, dtype=np.float32).reshape(2, 3, 4)


@pytest.mark.parametrize(
    "array",
    [CUBE, CUBE[:, ::-1], CUBE.T, np.zeros((0, 3), np.uint8), np.array(7), CUBE > 5, CUBE.astype(">i2"), CUBE[0, 0]],
    ids=["plain", "reversed", "transposed", "empty", "scalar", "bool", "big-endian", "line"],
)
@pytest.mark.parametrize("piece", [7, 1 << 20])
def test_an_array_arrives_as_it_was(tmp_path, monkeypatch, array, piece):
    monkeypatch.setattr(arrays, "CHUNK", piece)
    writer = ArrayWriter({"a": array}, [tmp_path])
    file = ArrayFile.from_message(writer.write_all()["a"].message())
    arrived = file.take()
    assert arrived.dtype == array.dtype
    assert arrived.shape == array.shape
    assert np.array_equal(arrived, array)


def test_large_arrays_are_written_a_piece_at_a_time(tmp_path, monkeypatch):
    monkeypatch.setattr(arrays, "CHUNK", 16)
    writer = ArrayWriter({"a": CUBE}, [tmp_path])
    steps = 1
    while not writer.step():
        steps += 1
    assert steps == CUBE.nbytes / 16
    assert writer.fraction == 1.0


@pytest.mark.skipif(os.name == "nt", reason="a mapped file keeps its name on Windows")
def test_an_array_that_arrived_has_no_file_any_more_and_may_be_changed(tmp_path):
    file = ArrayWriter({"a": CUBE}, [tmp_path]).write_all()["a"]
    arrived = file.take()
    arrived[0] = 5
    assert list(tmp_path.iterdir()) == []
    assert (arrived[0] == 5).all()


def test_a_full_folder_gives_way_to_the_next(tmp_path, monkeypatch):
    full, roomy = tmp_path / "full", tmp_path / "roomy"
    full.mkdir()
    roomy.mkdir()
    usage = arrays.shutil.disk_usage(tmp_path)
    monkeypatch.setattr(
        arrays.shutil, "disk_usage", lambda folder: usage._replace(free=0 if folder == full else usage.free)
    )
    file = ArrayWriter({"a": CUBE}, [full, roomy]).write_all()["a"]
    assert file.path.startswith(str(roomy))
    assert list(full.iterdir()) == []


def test_a_folder_that_fills_up_while_writing_gives_way_to_the_next(tmp_path, monkeypatch):
    """Free space may vanish between the look and the write."""
    if not os.path.exists("/dev/full"):
        pytest.skip("there is no device that is always full")
    roomy = tmp_path / "roomy"
    roomy.mkdir()
    real = arrays.tempfile.mkstemp

    def full_first(suffix, dir):
        number, path = real(suffix=suffix, dir=dir)
        if dir == tmp_path:
            os.unlink(path)
            os.symlink("/dev/full", path)
        return number, path

    monkeypatch.setattr(arrays.tempfile, "mkstemp", full_first)
    file = ArrayWriter({"a": CUBE}, [tmp_path, roomy]).write_all()["a"]
    assert file.path.startswith(str(roomy))
    assert np.array_equal(file.take(), CUBE)
    assert list(tmp_path.iterdir()) == [roomy]


def test_where_no_folder_has_room_the_message_says_so(tmp_path, monkeypatch):
    usage = arrays.shutil.disk_usage(tmp_path)
    monkeypatch.setattr(arrays.shutil, "disk_usage", lambda folder: usage._replace(free=0))
    with pytest.raises(MemoryLimitError, match="no room"):
        ArrayWriter({"a": CUBE}, [tmp_path]).write_all()


def test_what_a_killed_front_end_left_is_removed_and_nothing_else(tmp_path):
    mine = make_folders(tmp_path)
    here = mine[-1].name.partition(f"{os.getpid()}-")[0]
    dead = tmp_path / f"{here}{2**22 + 7}-abc"
    other = tmp_path / "acseg-notes"
    for folder in (dead, other):
        folder.mkdir()
    logs = [tmp_path / f"{here}{number}-worker-abc.log" for number in (2**22 + 7, os.getpid())]
    for log in logs:
        log.touch()
    remove_abandoned([tmp_path / "x"])
    assert not dead.exists()
    assert other.exists()
    assert [log.exists() for log in logs] == [False, True]
    assert all(folder.exists() for folder in mine)
    remove_folders(mine)
    assert not any(folder.exists() for folder in mine)


def test_what_another_machine_has_in_a_shared_folder_stays(tmp_path, monkeypatch):
    """A container, or a machine on the same disk, numbers its processes anew."""
    monkeypatch.setattr(arrays.os, "getpid", lambda: 2**22 + 7)  # not a number of a process here
    with monkeypatch.context() as patch:
        patch.setattr(arrays.socket, "gethostname", lambda: "elsewhere")
        arrays._numbering.cache_clear()
        theirs = arrays.make_folder(tmp_path)
    arrays._numbering.cache_clear()
    mine = arrays.make_folder(tmp_path)
    remove_abandoned([tmp_path / "x"])
    assert list(tmp_path.iterdir()) == [theirs]
    assert mine != theirs
