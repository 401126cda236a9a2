"""AmiraMesh against files made by hand, byte by byte."""

import zlib

import numpy as np
import pytest
from filecases import ROTATION, numbers

from ACSegLib.errors import FileError
from ACSegLib.files import open_segmentation, open_volume
from ACSegLib.files.registry import collect_notes, inventory
from ACSegLib.volume import Geometry

SHAPE = (4, 5, 6)
LITTLE = "# AmiraMesh BINARY-LITTLE-ENDIAN 2.1"
PARAMETERS = """Parameters {
    Units { Coordinates "nm" }
    Content "6x5x4 short, uniform coordinates",
    BoundingBox 10 110 -20 20 0 6,
    CoordType "uniform"
}
"""
PLACE = Geometry((20, 10, 2), (10, -20, 0), unit="nm")


def _write(path, sections, first=LITTLE, parameters=PARAMETERS, size="6 5 4"):
    """`sections`: list of (lattice text, bytes)."""
    head = f"{first}\n# CreationDate: today\n\ndefine Lattice {size}\n\n{parameters}\n"
    head += "".join(f"{text} @{n}{coding}\n" for n, (text, coding, _) in enumerate(sections, start=1))
    data = head.encode("latin-1") + b"\n# Data section follows\n"
    for n, (_, _, body) in enumerate(sections, start=1):
        data += f"@{n}\n".encode() + body + b"\n"
    path.write_bytes(data)


TYPES = {"u1": "byte", "i2": "short", "u2": "ushort", "i4": "int", "f4": "float", "f8": "double"}


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("first", [LITTLE, "# AmiraMesh 3D BINARY 2.0", "# Avizo BINARY-LITTLE-ENDIAN 2.1"])
@pytest.mark.parametrize("packed", [False, True])
def test_types_byte_orders_and_zlib(kind, first, packed, tmp_path):
    array = numbers(kind, SHAPE)
    order = "<" if "LITTLE" in first else ">"
    body = array.astype(order + kind).tobytes()
    body = zlib.compress(body) if packed else body
    coding = f"(HxZip,{len(body)})" if packed else ""
    _write(tmp_path / "a.rec", [(f"Lattice {{ {TYPES[kind]} Data }}", coding, body)], first)
    found = open_volume(tmp_path / "a.rec")
    assert found.array.dtype == np.dtype(kind)
    assert found.array.dtype.isnative
    np.testing.assert_array_equal(found.array, array)
    assert found.geometry == PLACE


@pytest.mark.parametrize("kind", ["u1", "i2", "f4"])
def test_ascii(kind, tmp_path):
    array = numbers(kind, SHAPE)
    body = "\n".join(repr(v) if kind == "f4" else str(v) for v in array.ravel().tolist()).encode()
    _write(tmp_path / "a.am", [(f"Lattice {{ {TYPES[kind]} Data }}", "", body)], "# AmiraMesh 3D ASCII 2.0")
    np.testing.assert_array_equal(open_volume(tmp_path / "a.am").array, array)
    _write(tmp_path / "b.am", [(f"Lattice {{ {TYPES[kind]} Data }}", "", body[:50])], "# AmiraMesh 3D ASCII 2.0")
    with pytest.raises(FileError, match=r"b\.am.*cut short"):
        open_volume(tmp_path / "b.am")


def _runs(values):
    """HxByteRLE, written independently: runs of three or more repeat, the rest is literal, in pieces of at most 127."""
    packed, place = bytearray(), 0
    values = bytes(values)
    while place < len(values):
        run = 1
        while place + run < len(values) and run < 127 and values[place + run] == values[place]:
            run += 1
        if run >= 3:
            packed += bytes([run, values[place]])
            place += run
            continue
        stop = place
        while stop < len(values) and stop - place < 127 and len(set(values[stop : stop + 3])) > 1:
            stop += 1
        stop = max(stop, place + 1)
        packed += bytes([128 + stop - place]) + values[place:stop]
        place = stop
    return bytes(packed)


MATERIALS = """Parameters {
    Materials {
        Exterior { Color 0 0 0, Id 1 }
        cytoplasm {
            Id 2,
            Color 0.1 0.2 0.3
        }
        "polystyrene bead" { Color 1 0 0.5 }
        Inside3
        {
            Transparency 0.5
        }
    }
    BoundingBox 0 5 0 4 0 3
    CoordType "uniform"
}
"""


def test_runs_and_materials(tmp_path):
    labels = np.zeros(SHAPE, np.uint8)
    labels[1:3, 1:4, 2:5] = 1
    labels[3, 4] = [0, 1, 2, 3, 2, 2]
    body = _runs(labels.tobytes())
    _write(tmp_path / "a.labels", [("Lattice { byte Labels }", f"(HxByteRLE,{len(body)})", body)], LITTLE, MATERIALS)
    found = open_segmentation(tmp_path / "a.labels")
    np.testing.assert_array_equal(found.labels, labels)
    assert [(s.name, s.value) for s in found.segments] == [("cytoplasm", 1), ("polystyrene bead", 2), ("Inside3", 3)]
    assert found.segments[0].colour == (0.1, 0.2, 0.3)
    assert found.segments[1].colour == (1, 0, 0.5)
    assert found.geometry == Geometry()


def test_materials_that_are_named_within(tmp_path):
    """As Amira 2 wrote them: all of them without a name before the brace."""
    labels = np.arange(np.prod(SHAPE), dtype=np.uint8).reshape(SHAPE) % 4
    materials = """Parameters {
    Materials {
        { Id 0, Name "Exterior" }
        { Id 4, Color 0.25 0.5 0.75, Name "Nucleus" }
        { Id 7, Name "cell wall" }
        { Id 9 }
    }
}
"""
    _write(tmp_path / "a.am", [("Lattice { byte Labels }", "", labels.tobytes())], LITTLE, materials)
    found = open_segmentation(tmp_path / "a.am")
    assert [(s.name, s.value) for s in found.segments] == [("Nucleus", 1), ("cell wall", 2), ("Segment_3", 3)]
    assert found.segments[0].colour == (0.25, 0.5, 0.75)


@pytest.mark.parametrize(("highest", "first"), [(2, 1), (1, 0)])
def test_materials_without_exterior(highest, first, tmp_path):
    """As other programs write them: the values tell if the first material is 1, or background as in Amira."""
    labels = np.arange(np.prod(SHAPE), dtype=np.uint8).reshape(SHAPE) % (highest + 1)
    materials = "Parameters {\n Materials {\n Nucleus { Id 1 }\n Wall { Id 2 }\n }\n}\n"
    _write(tmp_path / "a.am", [("Lattice { byte Labels }", "", labels.tobytes())], LITTLE, materials)
    with pytest.warns(UserWarning, match=f"Nucleus, was given the value {first}"):
        found = open_segmentation(tmp_path / "a.am")
    assert {s.value: s.name for s in found.segments} == ({1: "Nucleus", 2: "Wall"} if first else {1: "Wall"})


def test_runs_of_any_data(tmp_path):
    rng = np.random.default_rng(0)
    values = np.repeat(rng.integers(0, 256, 400, np.uint8), rng.integers(1, 400, 400))
    body = _runs(values.tobytes())
    size = f"{len(values)} 1 1"
    lattice = ("Lattice { byte Data }", f"(HxByteRLE,{len(body)})", body)
    _write(tmp_path / "a.am", [lattice], parameters="", size=size)
    np.testing.assert_array_equal(open_volume(tmp_path / "a.am").array.ravel(), values)


def test_a_lattice_is_chosen_by_name(tmp_path):
    raw, labels = numbers("i2", SHAPE), numbers("u1", SHAPE)
    packed = zlib.compress(labels.tobytes())
    sections = [
        ("Lattice { short Data }", "", raw.astype("<i2").tobytes()),
        ("Lattice { byte Labels }", f"(HxZip,{len(packed)})", packed),
        ("Lattice { float Last }", "", raw.astype("<f4").tobytes()),
    ]
    _write(tmp_path / "a.am", sections)
    with pytest.raises(FileError, match=r"choose one.*Data, Labels, Last"):
        open_volume(tmp_path / "a.am")
    np.testing.assert_array_equal(open_volume(tmp_path / "a.am", dataset="Data").array, raw)
    np.testing.assert_array_equal(open_volume(tmp_path / "a.am", dataset="Labels").array, labels)
    np.testing.assert_array_equal(open_volume(tmp_path / "a.am", dataset="Last").array, raw)
    assert [row.dataset for row in inventory(tmp_path / "a.am")] == ["Data", "Labels", "Last"]
    with pytest.raises(FileError, match="no lattice 'Other'"):
        open_volume(tmp_path / "a.am", dataset="Other")


def test_transform(tmp_path):
    """Amira keeps its 4 x 4 transform columns first."""
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = ROTATION, (100, 200, 300)
    text = " ".join(repr(float(v)) for v in matrix.T.ravel())
    parameters = PARAMETERS.replace("Parameters {", f"Parameters {{\n    TransformationMatrix {text},")
    _write(tmp_path / "a.am", [("Lattice { byte Data }", "", bytes(120))], parameters=parameters)
    found = open_volume(tmp_path / "a.am").geometry
    np.testing.assert_allclose(found.ijk_to_lps, matrix @ PLACE.ijk_to_lps, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("unit", ["µm", "um", "micrometer"])
def test_units(unit, tmp_path):
    _write(tmp_path / "a.am", [("Lattice { byte Data }", "", bytes(120))], parameters=PARAMETERS.replace("nm", unit))
    assert open_volume(tmp_path / "a.am").geometry.unit == "um"


def test_one_slice_and_no_unit(tmp_path):
    parameters = 'Parameters {\n BoundingBox 0 5 0 4 0 0.5,\n CoordType "uniform"\n}\n'
    _write(tmp_path / "a.am", [("Lattice { byte Data }", "", bytes(30))], parameters=parameters, size="6 5 1")
    assert open_volume(tmp_path / "a.am").geometry == Geometry((1, 1, 0.5))


def test_what_is_not_one_volume_is_refused(tmp_path):
    one = [("Lattice { byte Data }", "", bytes(120))]
    cases = {
        "stacked": ({"parameters": PARAMETERS.replace('"uniform"', '"stacked"')}, one, "stacked coordinates"),
        "vectors": ({}, [("Lattice { float[3] Data }", "", bytes(1440))], r"float\[3\]"),
        "flat": ({"size": "6 5"}, [("Lattice { byte Data }", "", bytes(30))], "2D"),
        "codec": ({}, [("Lattice { byte Data }", "(HxNew,120)", bytes(120))], "HxNew"),
        "empty": ({}, [], "no data section|no lattice"),
    }
    for name, (options, sections, words) in cases.items():
        _write(tmp_path / f"{name}.am", sections, **options)
        with pytest.raises(FileError, match=rf"{name}\.am.*({words})"):
            open_volume(tmp_path / f"{name}.am")
    surface = "# HyperSurface 0.1 ASCII\nParameters {\n}\n"
    (tmp_path / "surface.am").write_text(
        "# AmiraMesh 3D ASCII 2.0\ndefine Vertices 3\nVertices { float[3] x } @1\n@1\n0 0 0\n"
    )
    with pytest.raises(FileError, match=r"surface\.am.*lattice"):
        open_volume(tmp_path / "surface.am")
    (tmp_path / "b.surf").write_text(surface)
    with pytest.raises(FileError, match=r"b\.surf.*is a surface mesh"):
        open_volume(tmp_path / "b.surf")


def test_a_box_that_runs_backwards(tmp_path):
    """The first voxel lies where the box begins, and the others where it ends."""
    text = (
        "# AmiraMesh BINARY-LITTLE-ENDIAN 2.1\ndefine Lattice 5 4 3\nParameters {\n    BoundingBox 8 0 0 9 0 8,\n"
        '    CoordType "uniform"\n}\nLattice { byte Data } @1\n\n@1\n'
    )
    (tmp_path / "a.am").write_bytes(text.encode() + bytes(60))
    found = open_volume(tmp_path / "a.am").geometry
    assert found == Geometry((2, 3, 4), (8, 0, 0), (-1, 0, 0, 0, 1, 0, 0, 0, 1))


def test_a_box_without_height_states_no_size_along_it(tmp_path):
    """It was 1, in the unit of the others."""
    parameters = PARAMETERS.replace("0 6,", "3 3,")
    _write(tmp_path / "a.am", [("Lattice { byte Data }", "", bytes(120))], parameters=parameters)
    with pytest.warns(UserWarning, match="no voxel size along z; that of x is used"):
        assert open_volume(tmp_path / "a.am").geometry.spacing == (20, 10, 20)


@pytest.mark.parametrize(("kind", "told"), [("ushort", False), ("byte", True)])
def test_voxels_that_the_header_does_not_state_are_told(kind, told, tmp_path):
    _write(tmp_path / "a.am", [(f"Lattice {{ {kind} Data }}", "", numbers("u2", SHAPE).tobytes())])
    with collect_notes() as notes:
        open_volume(tmp_path / "a.am")
    assert ["bytes of image data, but its header states 120" in note for note in notes] == [True] * told
