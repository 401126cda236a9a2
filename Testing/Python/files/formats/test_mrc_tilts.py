"""Tilt series among MRC files, written as the format's descriptions say: by SerialEM, FEI and IMOD."""

import mrcfile
import numpy as np
import pytest

from ACSegLib.files import open_volume
from ACSegLib.files.registry import collect_notes

ANGLES = np.array([-60.0, -20.5, 0.0, 30.25, 61.0])


def _write(path, kind=b"", header=b"", counts=None, order="<"):
    with mrcfile.new(path, overwrite=True) as file:
        if header:
            file.set_extended_header(np.frombuffer(header, "V1"))
            file.header.exttyp = kind
        file.set_data(np.zeros((len(ANGLES), 6, 7), np.float32))
    if counts:  # bytes for each section, and flags of what they are
        data = bytearray(path.read_bytes())
        data[128:132] = np.array(counts, order + "i2").tobytes()
        path.write_bytes(bytes(data))


def _notes(path, **options):
    with collect_notes() as notes:
        assert open_volume(path, **options).shape == (len(ANGLES), 6, 7)
    return [note for note in notes if "tilt series" in note]


def _serial(angles):
    rows = np.zeros((len(angles), 4), "<i2")
    rows[:, 0] = np.round(angles * 100)
    return rows.tobytes()


@pytest.mark.parametrize("kind", [b"SERI", b""])
@pytest.mark.parametrize("lazy_from", [None, 0])
def test_angles_of_serialem(tmp_path, kind, lazy_from):
    _write(tmp_path / "a.mrc", kind, _serial(ANGLES), (8, 1 | 2))  # a tilt angle, and 6 bytes of a montage
    (note,) = _notes(tmp_path / "a.mrc", lazy_from=lazy_from)
    assert "angles -60 to 61 degrees in its extended header" in note


def test_angles_of_a_microscope(tmp_path):
    rows = np.zeros(len(ANGLES), mrcfile.dtypes.get_ext_header_dtype(b"FEI1"))
    rows["Alpha tilt"], rows["Metadata size"] = ANGLES, rows.dtype.itemsize
    _write(tmp_path / "a.mrc", b"FEI1", rows.tobytes())
    (note,) = _notes(tmp_path / "a.mrc")
    assert "angles -60 to 61 degrees" in note


@pytest.mark.parametrize(("ending", "told"), [(".st", True), (".mrc", True), (".rec", False)])
def test_angles_in_a_file_of_imod(tmp_path, ending, told):
    (tmp_path / "a.rawtlt").write_text("\n".join(f"{angle:7.2f}" for angle in ANGLES))
    _write(tmp_path / f"a{ending}")
    assert bool(_notes(tmp_path / f"a{ending}")) == told


def test_no_angles_of_the_sections(tmp_path):
    _write(tmp_path / "plain.mrc")
    _write(tmp_path / "montage.mrc", b"SERI", _serial(ANGLES), (8, 2 | 8))
    _write(tmp_path / "agard.mrc", b"", _serial(ANGLES), (3, 1))  # numbers, not bytes
    _write(tmp_path / "still.mrc", b"SERI", _serial(np.zeros(5)), (8, 1 | 2))
    (tmp_path / "short.tlt").write_text("1.0\n2.0\n")
    _write(tmp_path / "short.mrc")
    for path in tmp_path.glob("*.mrc"):
        assert not _notes(path), path.name
