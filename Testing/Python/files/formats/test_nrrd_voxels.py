"""Encodings, spellings and spread voxels of NRRD, against ITK's own reader (NrrdIO of Teem)."""

import bz2
import gzip

import numpy as np
import pytest
import SimpleITK

from ACSegLib.errors import FileError
from ACSegLib.files import open_volume

ARRAY = np.arange(4 * 5 * 6, dtype="<i2").reshape(4, 5, 6) * 271 - 9000
BASIC = ["type: short", "dimension: 3", "sizes: 6 5 4", "endian: little"]
PLACE = ["space: left-posterior-superior", "space directions: (2,0,0) (0,3,0) (0,0,4)", "space origin: (5,6,7)"]
PACKED = {"raw": bytes, "gzip": gzip.compress, "bzip2": bz2.compress}


def _header(path, fields, behind=b"", magic="NRRD0005"):
    path.write_bytes("\n".join([magic, *fields]).encode() + b"\n" + behind)


def _assert_as_itk(path, array=ARRAY):
    image, found = SimpleITK.ReadImage(str(path)), open_volume(path)
    np.testing.assert_array_equal(SimpleITK.GetArrayFromImage(image), array)
    np.testing.assert_array_equal(found.array, array)
    assert found.array.dtype == array.dtype.newbyteorder("=")
    np.testing.assert_allclose(found.geometry.spacing, image.GetSpacing(), rtol=1e-12)
    np.testing.assert_allclose(found.geometry.origin, image.GetOrigin(), rtol=1e-12)
    np.testing.assert_allclose(found.geometry.direction, image.GetDirection(), atol=1e-12)


@pytest.mark.parametrize("encoding", PACKED)
@pytest.mark.parametrize("how", ["LIST", "LIST 2", "pattern", "pattern down", "slabs", "pattern of slabs"])
def test_voxels_spread_over_files(encoding, how, tmp_path):
    count = 2 if "slabs" in how else 4
    for n, part in enumerate(np.split(ARRAY, count)):
        (tmp_path / f"part{n + 7:03d}.raw").write_bytes(PACKED[encoding](part.tobytes()))
    names = [f"./part{n + 7:03d}.raw" for n in range(count)]
    field = {
        "pattern": "./part%03d.raw 7 10 1",
        "pattern down": "./part%03d.raw 10 7 -1",
        "pattern of slabs": "./part%03d.raw 7 8 1 3",
        "slabs": "LIST 3",
    }.get(how, how)
    listed = "".join(f"{name}\n" for name in names).encode() if field.startswith("LIST") else b""
    _header(tmp_path / "a.nhdr", [*BASIC, *PLACE, f"encoding: {encoding}", f"data file: {field}"], listed)
    array = ARRAY[::-1] if "down" in how else ARRAY
    np.testing.assert_array_equal(open_volume(tmp_path / "a.nhdr").array, array)
    if encoding != "bzip2":  # which ITK is built without
        _assert_as_itk(tmp_path / "a.nhdr", array)


@pytest.mark.parametrize("parts", [2, 3, 7])
def test_gzip_of_several_members(parts, tmp_path):
    """bgzip, and programs that append, write one member after the other; zlib reads them as one."""
    packed = b"".join(gzip.compress(part.tobytes()) for part in np.array_split(ARRAY.ravel(), parts))
    _header(tmp_path / "a.nrrd", [*BASIC, *PLACE, "encoding: gzip"], b"\n" + packed)
    _assert_as_itk(tmp_path / "a.nrrd")


@pytest.mark.parametrize("order", ["little", "big"])
@pytest.mark.parametrize("detached", [False, True])
def test_hexadecimal(order, detached, tmp_path):
    text = ARRAY.astype("<i2" if order == "little" else ">i2").tobytes().hex(" ").upper()
    lines = "\n".join(text[at : at + 60] for at in range(0, len(text), 60)).replace(" ", "").encode()
    fields = [*BASIC[:3], f"endian: {order}", *PLACE, "encoding: hex"]
    if detached:
        (tmp_path / "a.hex").write_bytes(lines)
        _header(tmp_path / "a.nhdr", [*fields, "data file: a.hex"])
        _assert_as_itk(tmp_path / "a.nhdr")
    else:
        _header(tmp_path / "a.nrrd", fields, b"\n" + lines)
        _assert_as_itk(tmp_path / "a.nrrd")


@pytest.mark.parametrize("kind", ["short", "double"])
def test_text_with_commas_and_lines(kind, tmp_path):
    array = ARRAY if kind == "short" else ARRAY / 8
    text = "\n".join(", ".join(map(str, row)) for row in array.reshape(-1, 6).tolist()).encode()
    _header(tmp_path / "a.nrrd", [f"type: {kind}", *BASIC[1:3], *PLACE, "encoding: text"], b"\n" + text)
    _assert_as_itk(tmp_path / "a.nrrd", array)


def test_fields_in_any_case_and_spelling(tmp_path):
    (tmp_path / "v.bin").write_bytes(b"a line\nanother\nxyz" + ARRAY.astype(">i2").tobytes())
    fields = [
        "Type: Short", "DIMENSION: 3", "Sizes: 6 5 4", "Endian: BIG", "Space: Left-Posterior-Superior",
        "Space Directions: (2,0,0) (0,3,0) (0,0,4)", "SpaceOrigin: (5,6,7)", "Encoding: RAW", "LineSkip: 2",
        "ByteSkip: 3", "Kinds: domain domain domain", "DataFile: v.bin",
    ]  # fmt: skip
    _header(tmp_path / "a.nhdr", fields, b"\n")
    _assert_as_itk(tmp_path / "a.nhdr")


def test_each_axis_in_any_case(tmp_path):
    fields = [*BASIC, "Spacings: 2 3 4", "AxisMins: 10 20 30", "Centers: node node node", "encoding: raw"]
    _header(tmp_path / "a.nrrd", fields, b"\n" + ARRAY.tobytes())
    _assert_as_itk(tmp_path / "a.nrrd")


@pytest.mark.parametrize(
    "fields",
    [
        ["spacings: -2 3 -4"],
        ["space: LPS", "space directions: (2, 0, 0) ( 0,3,0 ) (0, 0, -4)", "space origin: (5, 6, 7)"],
    ],
)
def test_backward_axes_and_spaces_in_vectors(fields, tmp_path):
    _header(tmp_path / "a.nrrd", [*BASIC, *fields, "encoding: raw"], b"\n" + ARRAY.tobytes())
    _assert_as_itk(tmp_path / "a.nrrd")


@pytest.mark.parametrize("skip", ["byte skip: -1", "line skip: 1"])
@pytest.mark.parametrize("encoding", PACKED)
def test_skips_before_packed_voxels(encoding, skip, tmp_path):
    """Lines are skipped before the data are unpacked, bytes after (NRRD specification, "byte skip")."""
    packed = PACKED[encoding](b"1234567" + ARRAY.tobytes()) if "byte" in skip else PACKED[encoding](ARRAY.tobytes())
    (tmp_path / "v.bin").write_bytes((b"" if "byte" in skip else b"a line\n") + packed)
    _header(tmp_path / "a.nhdr", [*BASIC, f"encoding: {encoding}", skip, "data file: v.bin"])
    np.testing.assert_array_equal(open_volume(tmp_path / "a.nhdr").array, ARRAY)


@pytest.mark.parametrize(
    ("field", "listed", "words"),
    [
        ("LIST", b"a.raw\n", "names 1 data files of 2 axes|does not|cut short"),
        ("LIST", b"a.raw\na.raw\n", "names 2 data files of 2 axes"),
        ("LIST", b"a.raw\n../b.raw\n", "outside the header's folder"),
        ("a%s.raw 1 4 1", b"", "no place for a number"),
        ("a%999999999d.raw 1 4 1", b"", "no place for a number"),
        ("a%d.raw 1 4 0", b"", "which are 0"),
        ("a%d.raw 1 99999999999 1", b"", "which are 99999999999"),
        ("a%d.raw 1 4 1", b"", r"a1\.raw is missing"),
    ],
)
def test_lists_that_do_not_fit_are_refused(field, listed, words, tmp_path):
    (tmp_path / "a.raw").write_bytes(ARRAY[0].tobytes())
    _header(tmp_path / "a.nhdr", [*BASIC, "encoding: raw", f"data file: {field}"], listed)
    with pytest.raises(FileError, match=words):
        open_volume(tmp_path / "a.nhdr")
