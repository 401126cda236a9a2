"""Output files appear whole or not at all."""

import contextlib
import errno
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from ACSegLib.errors import Cancelled, FileError
from ACSegLib.files.atomic import all_or_none, atomic_output, discard_open_outputs


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_appears_when_the_block_ends(tmp_path):
    with atomic_output(tmp_path / "cell.seg.nrrd") as temporary:
        assert temporary.name.endswith("cell.seg.nrrd")
        assert temporary.parent == tmp_path
        temporary.write_text("whole")
        assert not (tmp_path / "cell.seg.nrrd").exists()
    assert names(tmp_path) == ["cell.seg.nrrd"]
    assert (tmp_path / "cell.seg.nrrd").read_text() == "whole"


def test_a_folder_that_a_thread_of_the_writer_makes_anew_is_removed_again(tmp_path, monkeypatch):
    look, late = Path.unlink, [True]

    def look_before_the_thread_writes(path, **options):
        look(path, **options)
        if late and late.pop():
            path.mkdir()
            (path / ".zattrs").write_text("{}")

    def write():
        with atomic_output(tmp_path / "cell.ome.zarr") as temporary:
            temporary.mkdir()
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "unlink", look_before_the_thread_writes)
    with pytest.raises(FileError, match="No space left"):
        write()
    assert not late
    assert not names(tmp_path)


@pytest.mark.parametrize("error", [RuntimeError, Cancelled, KeyboardInterrupt, FileError])
def test_after_an_error_the_old_output_is_untouched(tmp_path, error):
    target = tmp_path / "out.nrrd"
    target.write_text("old")

    def write():
        with atomic_output(target) as temporary:
            temporary.write_text("half")
            raise error("stop")

    with pytest.raises(error):
        write()
    assert names(tmp_path) == ["out.nrrd"]
    assert target.read_text() == "old"


def test_a_folder_replaces_a_folder(tmp_path):
    target = tmp_path / "out.ome.zarr"
    for content in ("first", "second"):
        with atomic_output(target) as temporary:
            temporary.mkdir()
            (temporary / content).write_text(content)
    assert names(tmp_path) == ["out.ome.zarr"]
    assert names(target) == ["second"]


def test_a_file_never_replaces_a_folder(tmp_path):
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "a.txt").write_text("kept")
    with pytest.raises(FileError, match="it is a folder"), atomic_output(tmp_path / "results") as path:
        path.write_text("new")
    assert [p.name for p in tmp_path.iterdir()] == ["results"]
    assert (tmp_path / "results" / "a.txt").read_text() == "kept"


def test_a_failed_folder_leaves_the_old_one(tmp_path):
    target = tmp_path / "out.ome.zarr"
    target.mkdir()
    (target / "old").write_text("old")

    def write():
        with atomic_output(target) as temporary:
            temporary.mkdir()
            (temporary / "half").write_text("half")
            raise Cancelled

    with pytest.raises(Cancelled):
        write()
    assert names(tmp_path) == ["out.ome.zarr"]
    assert names(target) == ["old"]


@pytest.mark.parametrize("error", [None, Cancelled("cancelled"), OSError(28, "No space left on device")])
def test_outputs_that_belong_together_appear_together(tmp_path, error):
    def write():
        with all_or_none():
            with atomic_output(tmp_path / "a.nrrd") as temporary:
                temporary.write_text("new")
            with atomic_output(tmp_path / "b.zarr") as temporary:
                temporary.mkdir()
                if error:
                    raise error
            assert names(tmp_path)[-1] == "a.nrrd"
            assert (tmp_path / "a.nrrd").read_text() == "old"

    (tmp_path / "a.nrrd").write_text("old")
    with pytest.raises((Cancelled, FileError)) if error else contextlib.nullcontext():
        write()
    assert names(tmp_path) == (["a.nrrd"] if error else ["a.nrrd", "b.zarr"])
    assert (tmp_path / "a.nrrd").read_text() == ("old" if error else "new")


def test_a_process_that_ends_at_once_leaves_nothing_that_waits_for_others(tmp_path):
    with contextlib.suppress(FileError), all_or_none():
        with atomic_output(tmp_path / "a") as temporary:
            temporary.write_text("whole")
        discard_open_outputs()
        assert names(tmp_path) == []


def write_nothing(path):
    with atomic_output(path):
        pass


def test_a_block_that_writes_nothing_is_an_error(tmp_path):
    with pytest.raises(FileError, match="nothing was written"):
        write_nothing(tmp_path / "out.nrrd")
    assert names(tmp_path) == []


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(FileError, match="nowhere does not exist"):
        write_nothing(tmp_path / "nowhere" / "out.nrrd")


@pytest.mark.skipif(os.name == "nt", reason="permissions of POSIX systems")
@pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission_is_named(tmp_path):
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(FileError, match="no permission"):
            write_nothing(tmp_path / "out.nrrd")
    finally:
        tmp_path.chmod(0o700)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no limit on the size of a file")
def test_a_full_disk_ends_in_a_sentence_and_leaves_nothing(tmp_path):
    # A limit on file size makes the same kind of error as a full disk, in a process of its own.
    code = f"""
        import resource, signal
        from ACSegLib.errors import FileError
        from ACSegLib.files.atomic import atomic_output
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
        try:
            with atomic_output({str(tmp_path / "big.nrrd")!r}) as temporary:
                temporary.write_bytes(bytes(1 << 20))
        except FileError as error:
            print(error)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, encoding="utf-8", timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert "cannot write" in done.stdout
    assert "big.nrrd" in done.stdout
    assert names(tmp_path) == []


def test_numpys_words_for_a_full_disk_are_not_passed_on(tmp_path):
    def write():
        with atomic_output(tmp_path / "a.tif"):
            raise OSError("175616 requested and 16208 written")  # as ndarray.tofile does, without a number

    with pytest.raises(FileError, match=r"a\.tif: the disk took only a part of it; free some space"):
        write()


def test_the_output_may_be_in_the_working_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with atomic_output("out.txt") as temporary:
        temporary.write_text("x")
    assert names(tmp_path) == ["out.txt"]


@pytest.mark.parametrize("folder", [False, True])
def test_a_symbolic_link_stays_and_what_it_leads_to_is_written(tmp_path, folder):
    """As when a link in the project leads to a large disk."""
    disk = tmp_path / "disk"
    disk.mkdir()
    try:
        (tmp_path / "out.zarr").symlink_to(disk / "real.zarr")
    except OSError:
        pytest.skip("this account may not make symbolic links")
    for text in ("first", "second"):
        with atomic_output(tmp_path / "out.zarr") as temporary:
            assert temporary.parent == disk.resolve()
            if folder:
                temporary.mkdir()
            ((temporary / "0") if folder else temporary).write_text(text)
        assert ((disk / "real.zarr" / "0") if folder else disk / "real.zarr").read_text() == text
    assert (tmp_path / "out.zarr").is_symlink()
    assert names(disk) == ["real.zarr"]
