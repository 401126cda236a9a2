"""OME-Zarr against groups written by zarr alone, and against the text of the specification."""

import json
import pickle
import shutil
import zipfile
from pathlib import Path

import numcodecs
import numpy as np
import pytest
from filecases import STRAIGHT, labels, numbers

from ACSegLib.errors import FileError
from ACSegLib.files import open_segmentation, open_volume, save_segmentation, save_volume
from ACSegLib.files.registry import collect_notes, inventory
from ACSegLib.placement import place_labels
from ACSegLib.volume import Geometry, Volume

zarr = pytest.importorskip("zarr", minversion="3.0", reason="the writer of these tests needs zarr 3")

FINE = numbers("u2", (8, 10, 12))
SPACE = [{"name": n, "type": "space", "unit": "nanometer"} for n in "zyx"]


def _group(path, levels, axes, version, extra=None, whole=None):
    """Write a group by zarr: `levels` is a list of (array, transforms)."""
    zarr_format = 2 if version == "0.4" else 3
    group = zarr.open_group(str(path), mode="w", zarr_format=zarr_format)
    datasets = []
    for n, (array, transforms) in enumerate(levels):
        data = group.create_array(f"scale{n}", shape=array.shape, dtype=array.dtype, chunks=(4,) * array.ndim)
        data[...] = array
        datasets.append({"path": f"scale{n}", "coordinateTransformations": transforms})
    scales = {"version": version, "axes": axes, "datasets": datasets}
    if whole:
        scales["coordinateTransformations"] = whole
    values = {"multiscales": [scales], **(extra or {})}
    if version == "0.4":
        group.attrs.update(values)
    else:
        group.attrs["ome"] = {"version": "0.5", **values}


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_levels_scale_and_translation(version, tmp_path):
    path = tmp_path / "a.zarr"
    _group(
        path,
        [
            (FINE, [{"type": "scale", "scale": [4, 3, 2]}, {"type": "translation", "translation": [40, 30, 20]}]),
            (FINE[::2, ::2, ::2], [{"type": "scale", "scale": [8, 6, 4]}]),
        ],
        SPACE,
        version,
    )
    found = open_volume(path)
    np.testing.assert_array_equal(found.array, FINE)
    assert found.geometry == Geometry((2, 3, 4), (20, 30, 40), unit="nm")
    coarse = open_volume(path, level=1)
    np.testing.assert_array_equal(coarse.array, FINE[::2, ::2, ::2])
    assert coarse.geometry == Geometry((4, 6, 8), unit="nm")
    with pytest.raises(FileError, match=r"a\.zarr.*2 resolution levels"):
        open_volume(path, level=2)
    assert [row.shape for row in inventory(path)] == [(8, 10, 12), (4, 5, 6)]


@pytest.mark.parametrize("version", ["0.4", "0.5"])
@pytest.mark.parametrize(
    ("path", "dataset"), [("a.zarr/in/scale1", None), ("a.zarr/in", "scale1"), ("a.zarr", "in/scale1")]
)
def test_a_level_by_its_own_path_has_the_place_that_its_image_states(path, dataset, version, tmp_path):
    zarr.open_group(str(tmp_path / "a.zarr"), mode="w", zarr_format=2 if version == "0.4" else 3)
    shifted = [{"type": "scale", "scale": [8, 6, 4]}, {"type": "translation", "translation": [2, 1.5, 1]}]
    levels = [(FINE, [{"type": "scale", "scale": [4, 3, 2]}]), (FINE[::2, ::2, ::2], shifted)]
    _group(tmp_path / "a.zarr" / "in", levels, SPACE, version)
    found = open_volume(tmp_path / path, dataset=dataset)
    np.testing.assert_array_equal(found.array, FINE[::2, ::2, ::2])
    assert found.geometry == Geometry((4, 6, 8), (1, 1.5, 2), unit="nm")


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_five_axes_other_units_and_whole_transforms(version, tmp_path):
    axes = [{"name": "t", "type": "time"}, {"name": "c", "type": "channel"}]
    axes += [
        {"name": n, "type": "space", "unit": u}
        for n, u in zip("zyx", ("micrometer", "nanometer", "nanometer"), strict=True)
    ]
    level = [
        {"type": "scale", "scale": [1, 1, 0.5, 100, 100]},
        {"type": "translation", "translation": [0, 0, 1, 10, 20]},
    ]
    whole = [{"type": "scale", "scale": [0.1, 1, 2, 2, 2]}]
    _group(tmp_path / "a.zarr", [(FINE[None, None], level)], axes, version, whole=whole)
    found = open_volume(tmp_path / "a.zarr")
    np.testing.assert_array_equal(found.array, FINE)
    assert found.geometry.unit == "nm"
    np.testing.assert_allclose(found.geometry.spacing, (200, 200, 1000))
    np.testing.assert_allclose(found.geometry.origin, (40, 20, 2000))
    two = [(np.zeros((1, 2, 4, 5, 6), np.uint8), level)]
    _group(tmp_path / "two.zarr", two, axes, version)
    with pytest.raises(FileError, match=r"two\.zarr.*2 channels"):
        open_volume(tmp_path / "two.zarr")


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_label_table(version, tmp_path):
    table = {
        "colors": [{"label-value": 2, "rgba": [51, 102, 255, 255]}],
        "properties": [{"label-value": 2, "name": "cell"}, {"label-value": 9, "class": "bead"}],
    }
    array = np.zeros((4, 5, 6), np.uint16)
    array[1], array[2] = 2, 9
    scale = [{"type": "scale", "scale": [1, 1, 1]}]
    _group(tmp_path / "a.zarr", [(array, scale)], SPACE, version, {"image-label": table})
    found = open_segmentation(tmp_path / "a.zarr")
    assert [(s.name, s.value) for s in found.segments] == [("cell", 2), ("bead", 9)]
    np.testing.assert_allclose(found.segments[0].colour, (0.2, 0.4, 1.0))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("nothing", [None, [{}], [{"label-value": 2, "rgba": None}], ["red"]])
def test_a_label_table_that_states_little(nothing, tmp_path):
    """ome-zarr-py writes null where there are no colours, and reads the other rows of a table with odd ones."""
    table = {"colors": nothing, "properties": [{"label-value": 2, "name": "cell"}]}
    array = np.full((4, 5, 6), 2, np.uint16)
    _group(
        tmp_path / "a.zarr", [(array, [{"type": "scale", "scale": [1, 1, 1]}])], SPACE, "0.4", {"image-label": table}
    )
    found = open_segmentation(tmp_path / "a.zarr")
    assert [(s.name, s.value) for s in found.segments] == [("cell", 2)]
    told = "states no label-value" in " ".join(found.meta.get("notes", []))
    assert told == (nothing in ([{}], ["red"]))


def test_a_label_image_inside_an_image(tmp_path):
    scale = [{"type": "scale", "scale": [4, 3, 2]}]
    _group(tmp_path / "a.zarr", [(FINE, scale)], SPACE, "0.4")
    (tmp_path / "a.zarr" / "labels").mkdir()
    _group(tmp_path / "a.zarr" / "labels" / "cells", [((FINE > 9).astype(np.uint8), scale)], SPACE, "0.4")
    assert open_segmentation(tmp_path / "a.zarr", dataset="labels/cells").geometry.spacing == (2, 3, 4)
    assert "labels/cells" in {row.dataset for row in inventory(tmp_path / "a.zarr")}
    np.testing.assert_array_equal(open_volume(tmp_path / "a.zarr").array, FINE)
    with pytest.raises(FileError, match="labels/other"):
        open_volume(tmp_path / "a.zarr", dataset="labels/other")


def test_plain_arrays_and_collections(tmp_path):
    data = zarr.open_array(str(tmp_path / "plain.zarr"), mode="w", shape=FINE.shape, dtype=">u2", chunks=(4, 4, 4),
                           zarr_format=2)  # fmt: skip
    data[...] = FINE
    found = open_volume(tmp_path / "plain.zarr").array
    assert found.dtype.isnative
    np.testing.assert_array_equal(found, FINE)
    group = zarr.open_group(str(tmp_path / "group.zarr"), mode="w")
    group.create_array("a", shape=(2, 3, 4), dtype="u1")
    assert open_volume(tmp_path / "group.zarr").shape == (2, 3, 4)
    group.create_array("b", shape=(2, 3, 4), dtype="u1")
    with pytest.raises(FileError, match=r"group\.zarr.*a, b"):
        open_volume(tmp_path / "group.zarr")
    root = zarr.open_group(str(tmp_path / "converted.zarr"), mode="w", zarr_format=2)
    root.attrs["bioformats2raw.layout"] = 3
    _group(tmp_path / "converted.zarr" / "0", [(FINE, [{"type": "scale", "scale": [4, 3, 2]}])], SPACE, "0.4")
    assert open_volume(tmp_path / "converted.zarr").geometry.spacing == (2, 3, 4)


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.filterwarnings("error:.*not recognized")
def test_files_of_the_system_between_chunks_are_passed_over(zarr_format, tmp_path):
    """As Windows and clouds keep in folders. Blosc states the length of a chunk at its start, which is checked."""
    packed = numcodecs.Blosc() if zarr_format == 2 else zarr.codecs.BloscCodec()
    group = zarr.open_group(str(tmp_path / "a.zarr"), mode="w", zarr_format=zarr_format)
    group.create_array("a", shape=FINE.shape, dtype=FINE.dtype, chunks=(4, 4, 4), compressors=packed)[...] = FINE
    for folder in [tmp_path / "a.zarr", *filter(Path.is_dir, (tmp_path / "a.zarr").rglob("*"))]:
        (folder / "desktop.ini").write_text("[.ShellClassInfo]\nIconResource=C:\\a.ico\n")
    np.testing.assert_array_equal(open_volume(tmp_path / "a.zarr").array, FINE)
    chunk = next(file for file in (tmp_path / "a.zarr" / "a").rglob("*0") if file.is_file())
    chunk.write_bytes(chunk.read_bytes()[:-1])
    with pytest.raises(FileError, match="cut short"):
        open_volume(tmp_path / "a.zarr")


def test_images_in_groups_below_are_found_and_named(tmp_path):
    """As labels of napari in a store of their own (labels/cells), or arrays of several layers."""
    path = tmp_path / "a.zarr"
    zarr.open_group(str(path / "labels" / "more"), mode="w", zarr_format=2)
    for group in (path, path / "labels"):
        (group / ".zgroup").write_text('{"zarr_format": 2}')
    with pytest.raises(FileError, match=r"a\.zarr: holds no array of three dimensions"):
        open_volume(path)
    _group(path / "labels" / "cells", [(FINE, [{"type": "scale", "scale": [4, 3, 2]}])], SPACE, "0.4")
    found = open_volume(path)
    np.testing.assert_array_equal(found.array, FINE)
    assert found.geometry.spacing == (2, 3, 4)
    zarr.create_array(str(path / "labels" / "more" / "nuclei"), shape=(2, 3, 4), dtype="u1", zarr_format=2)
    with pytest.raises(FileError, match=r"--dataset.*: labels/cells, labels/more/nuclei\.$"):
        open_volume(path)


def test_nothing_is_unpickled(tmp_path):
    """numcodecs has a codec that unpickles; a file that asks for it is refused before a byte is decoded."""

    class Trap:
        def __reduce__(self):
            return (open, (str(tmp_path / "sprung"), "w"))

    place = tmp_path / "a.zarr"
    save_volume(Volume(FINE, STRAIGHT), place)
    metadata = json.loads((place / "0" / ".zarray").read_text())
    metadata |= {"compressor": {"id": "pickle", "protocol": 4}}
    (place / "0" / ".zarray").write_text(json.dumps(metadata))
    for chunk in [p for p in (place / "0").rglob("*") if p.is_file() and not p.name.startswith(".")]:
        chunk.write_bytes(pickle.dumps(Trap()))
    with pytest.raises(FileError, match=r"a\.zarr.*pickle"):
        open_volume(place)
    assert not (tmp_path / "sprung").exists()


def test_ours_follows_the_specification(tmp_path):
    """Metadata as OME-Zarr 0.4 demands, a pyramid whose levels lie on each other, chunks in nested folders."""
    k, j, i = np.indices((70, 65, 130), dtype=np.float32)
    geometry = Geometry((2, 3, 4), (20, 30, 40), unit="nm")
    save_volume(Volume(100 * k + 10 * j + i, geometry), tmp_path / "a.ome.zarr")
    values = json.loads((tmp_path / "a.ome.zarr" / ".zattrs").read_text())["multiscales"][0]
    assert values["version"] == "0.4"
    assert values["axes"] == SPACE
    assert [d["path"] for d in values["datasets"]] == ["0", "1", "2"]
    assert json.loads((tmp_path / "a.ome.zarr" / "0" / ".zarray").read_text())["dimension_separator"] == "/"
    for level, steps in enumerate([(1, 1, 1), (2, 2, 2), (2, 2, 4)]):
        found = open_volume(tmp_path / "a.ome.zarr", level=level)
        np.testing.assert_allclose(found.geometry.spacing, np.array(geometry.spacing) * steps[::-1])
        at = found.geometry.ijk_to_lps @ [5, 6, 7, 1]
        z, y, x = ((at[:3] - geometry.origin) / geometry.spacing)[::-1]
        assert found.array[7, 6, 5] == pytest.approx(100 * z + 10 * y + x, rel=1e-6)


def test_our_label_table(tmp_path):
    original = labels(STRAIGHT)
    save_segmentation(original, tmp_path / "a.ome.zarr")
    table = json.loads((tmp_path / "a.ome.zarr" / ".zattrs").read_text())["image-label"]
    assert table["properties"] == [{"label-value": s.value, "name": s.name} for s in original.segments]
    assert table["colors"][0] == {"label-value": 2, "rgba": [26, 51, 76, 255]}


def test_label_pyramids_hold_no_new_labels(tmp_path):
    array = np.zeros((70, 70, 70), np.uint8)
    array[::2], array[1::2] = 3, 9
    from ACSegLib.volume import Segmentation

    save_segmentation(Segmentation.from_labels(array), tmp_path / "a.ome.zarr")
    coarse = open_segmentation(tmp_path / "a.ome.zarr", level=1)
    assert coarse.shape == (35, 35, 35)
    assert set(np.unique(coarse.labels)) == {3}


SCALE = {"type": "scale", "scale": [4, 3, 2]}
SHIFT = {"type": "translation", "translation": [40, 30, 20]}
AFFINE = {"type": "affine", "affine": [[4, 0, 0, 40], [0, 3, 0, 30], [0, 0, 2, 20]]}


@pytest.mark.parametrize(
    "transforms",
    [
        [{"type": "sequence", "transformations": [SCALE, SHIFT]}],
        [{"type": "sequence", "transformations": [{"type": "sequence", "transformations": [SCALE]}, SHIFT]}],
        [{"type": "identity"}, SCALE, SHIFT],
        [AFFINE],
    ],
)
def test_nested_transforms(transforms, tmp_path):
    _group(tmp_path / "a.zarr", [(FINE, transforms)], SPACE, "0.5")
    assert open_volume(tmp_path / "a.zarr").geometry == Geometry((2, 3, 4), (20, 30, 40), unit="nm")


@pytest.mark.parametrize(
    "transform",
    [
        {"type": "rotation", "rotation": [[0, 1, 0], [1, 0, 0], [0, 0, 1]]},
        {"type": "affine", "affine": [[4, 1, 0, 0], [0, 3, 0, 0], [0, 0, 2, 0]]},
        {"type": "mapAxis", "mapAxis": [1, 0, 2]},
    ],
)
def test_transforms_that_turn_are_refused(transform, tmp_path):
    _group(tmp_path / "a.zarr", [(FINE, [SCALE, transform])], SPACE, "0.5")
    with pytest.raises(FileError, match=f"coordinate transform of type {transform['type']!r}"):
        open_volume(tmp_path / "a.zarr")


def test_a_scale_in_an_array_is_told_and_a_negative_one_mirrors(tmp_path):
    _group(tmp_path / "a.zarr", [(FINE, [{"type": "scale", "path": "sizes"}])], SPACE, "0.4")
    with pytest.warns(UserWarning, match="keeps a scale in an array of its own"):
        assert open_volume(tmp_path / "a.zarr").geometry == Geometry()
    _group(tmp_path / "b.zarr", [(FINE, [{"type": "scale", "scale": [-4, 3, 2]}, SHIFT])], SPACE, "0.4")
    direction = (1, 0, 0, 0, 1, 0, 0, 0, -1)
    assert open_volume(tmp_path / "b.zarr").geometry == Geometry((2, 3, 4), (20, 30, 40), direction, "nm")


@pytest.mark.parametrize("version", ["0.4", "0.5"])
@pytest.mark.parametrize("packing", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("top", ["", "cell.ome.zarr/"])
def test_zip_archives(version, packing, top, tmp_path):
    folder = tmp_path / "a.zarr"
    _group(
        folder, [(FINE, [SCALE, SHIFT]), (FINE[::2, ::2, ::2], [{"type": "scale", "scale": [8, 6, 4]}])], SPACE, version
    )
    with zipfile.ZipFile(tmp_path / "a.zarr.zip", "w", packing) as archive:
        for file in folder.rglob("*"):
            if file.is_file():
                archive.write(file, f"{top}{file.relative_to(folder).as_posix()}")
    for limit in (None, 0):
        found = open_volume(tmp_path / "a.zarr.zip", lazy_from=limit)
        np.testing.assert_array_equal(np.asarray(found.array), FINE)
        assert found.geometry == Geometry((2, 3, 4), (20, 30, 40), unit="nm")
    np.testing.assert_array_equal(open_volume(tmp_path / "a.zarr.zip", level=1).array, FINE[::2, ::2, ::2])
    assert [row.shape for row in inventory(tmp_path / "a.zarr.zip")] == [(8, 10, 12), (4, 5, 6)]


def test_damaged_and_other_zip_archives(tmp_path):
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
        archive.writestr("a.txt", "text")
    with pytest.raises(FileError, match="archive without a Zarr image"):
        open_volume(tmp_path / "other.zip")
    np.savez(tmp_path / "arrays.npz", FINE)
    with pytest.raises(FileError, match="is an archive of NumPy arrays; save the one you need"):
        open_volume(tmp_path / "arrays.npz")
    with zipfile.ZipFile(tmp_path / "RoiSet.zip", "w") as archive:
        archive.writestr("0001-0100.roi", "Iout")
    with pytest.raises(FileError, match="is a ROI set of ImageJ"):
        open_volume(tmp_path / "RoiSet.zip")
    data = (tmp_path / "other.zip").read_bytes()
    (tmp_path / "cut.zarr.zip").write_bytes(data[:-30])
    with pytest.raises(FileError, match="damaged or cut short"):
        open_volume(tmp_path / "cut.zarr.zip")


def test_several_images_of_one_collection_are_told(tmp_path):
    group = zarr.open_group(str(tmp_path / "a.zarr"), mode="w", zarr_format=2)
    group.attrs["bioformats2raw.layout"] = 3
    for n in range(2):
        _group(tmp_path / "a.zarr" / str(n), [(FINE + n, [SCALE])], SPACE, "0.4")
    with pytest.warns(UserWarning, match="holds 2 images; 0 was read.*0, 1"):
        np.testing.assert_array_equal(open_volume(tmp_path / "a.zarr").array, FINE)
    np.testing.assert_array_equal(open_volume(tmp_path / "a.zarr", dataset="1").array, FINE + 1)


def test_a_size_of_a_plain_array_whose_order_and_unit_are_not_known_is_told(tmp_path):
    """As funlib and CREMI write it."""
    import zarr

    data = zarr.open(str(tmp_path / "a.zarr"), mode="w", shape=(4, 5, 6), dtype="u1")
    data[:], data.attrs["resolution"] = 1, [40, 4, 4]
    with pytest.warns(UserWarning, match=r"resolution \(40, 4, 4\) may be a voxel size"):
        assert open_volume(tmp_path / "a.zarr", labels_too=True).geometry.unit == "px"


@pytest.mark.parametrize("letters", ["zyx", "xyz"])
@pytest.mark.parametrize("output", ["own", {"name": "own"}])
def test_axes_of_the_own_coordinate_system(letters, output, tmp_path):
    """OME-Zarr 0.6: the transform of a level names its coordinate system; another may turn the image."""
    order = ["zyx".index(letter) for letter in letters]
    step = {"type": "scale", "scale": [[4.0, 3.0, 2.0][n] for n in order], "output": output}
    _group(tmp_path / "a.zarr", [(FINE.transpose(order), [step])], None, "0.6")
    systems = [
        {"name": "atlas", "axes": [{"name": n, "type": "space", "unit": "meter"} for n in "abc"]},
        {"name": "own", "axes": [{"name": n, "type": "space", "unit": "nanometer"} for n in letters]},
    ]
    turn = {"type": "rotation", "rotation": [[0, 1, 0], [1, 0, 0], [0, 0, 1]], "input": "own", "output": "atlas"}
    group = zarr.open_group(str(tmp_path / "a.zarr"))
    ome = group.attrs["ome"]
    ome["multiscales"][0] |= {"axes": None, "coordinateSystems": systems, "coordinateTransformations": [turn]}
    group.attrs["ome"] = ome
    found = open_volume(tmp_path / "a.zarr")
    np.testing.assert_array_equal(found.array, FINE)
    assert found.geometry == Geometry((2, 3, 4), unit="nm")


def test_numbers_that_do_not_fit_the_axes_are_told(tmp_path):
    """Programs write three numbers for four axes (fractal-tasks-core 420)."""
    channel = [{"name": "c", "type": "channel"}, *SPACE]
    _group(tmp_path / "a.zarr", [(FINE[None], [SCALE])], channel, "0.4")
    with pytest.raises(FileError, match=r"a\.zarr: its scale has 3 numbers, but the image has 4 axes"):
        open_volume(tmp_path / "a.zarr")
    _group(tmp_path / "b.zarr", [(FINE, [SCALE])], channel, "0.4")
    with pytest.raises(FileError, match=r"b\.zarr: names 4 axes, but the image has 3"):
        open_volume(tmp_path / "b.zarr")


def test_levels_listed_in_another_order(tmp_path):
    coarse = {"type": "scale", "scale": [8, 6, 4]}
    _group(tmp_path / "a.zarr", [(FINE[::2, ::2, ::2], [coarse]), (FINE, [SCALE])], SPACE, "0.4")
    assert open_volume(tmp_path / "a.zarr").geometry.spacing == (2, 3, 4)
    assert open_volume(tmp_path / "a.zarr", level=1).geometry.spacing == (4, 6, 8)
    assert [row.shape for row in inventory(tmp_path / "a.zarr")] == [(8, 10, 12), (4, 5, 6)]


def test_a_level_that_is_not_there_is_named(tmp_path):
    coarse = {"type": "scale", "scale": [8, 6, 4]}
    _group(tmp_path / "a.zarr", [(FINE, [SCALE]), (FINE[::2, ::2, ::2], [coarse])], SPACE, "0.4")
    shutil.rmtree(tmp_path / "a.zarr" / "scale0")
    with pytest.raises(FileError, match=r"a\.zarr: its resolution level 0, 'scale0', is not there.*--level"):
        open_volume(tmp_path / "a.zarr")
    assert open_volume(tmp_path / "a.zarr", level=1).geometry.spacing == (4, 6, 8)
    assert [row.level for row in inventory(tmp_path / "a.zarr")] == [1]


@pytest.mark.filterwarnings("ignore:Consolidated metadata")
@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("dims", ["zyx", "xyz"])
def test_coordinates_of_xarray(zarr_format, dims, tmp_path):
    """The only 3D array is read, in the order that the names of its dimensions tell, with the steps of coordinates."""
    xarray = pytest.importorskip("xarray")
    sizes, steps = dict(zip("zyx", FINE.shape, strict=True)), {"z": 4.0, "y": 3.0, "x": 2.0}
    coords = {c: (c, 7 + steps[c] * np.arange(sizes[c]), {"units": "nm"}) for c in dims}
    array = FINE.transpose(["zyx".index(letter) for letter in dims])
    xarray.Dataset({"raw": (tuple(dims), array)}, coords=coords).to_zarr(tmp_path / "a.zarr", zarr_format=zarr_format)
    for dataset in (None, "raw"):
        found = open_volume(tmp_path / "a.zarr", dataset=dataset)
        np.testing.assert_array_equal(found.array, FINE)
        assert found.geometry == Geometry((2, 3, 4), (7, 7, 7), unit="nm")


@pytest.mark.parametrize("lazy_from", [None, 0])
def test_packed_values_are_those_of_xarray(lazy_from, tmp_path):
    """Stored as 16-bit numbers with a scale, an offset, and a number for no value."""
    xarray = pytest.importorskip("xarray")
    lac = np.round(FINE % 1000 * 0.01 - 1, 2)
    lac[1, 2, 3] = np.nan
    packed = {"dtype": "int16", "scale_factor": 0.01, "add_offset": -1.0, "missing_value": np.int16(-999)}
    xarray.Dataset({"lac": (tuple("zyx"), lac)}).to_zarr(tmp_path / "a.zarr", zarr_format=3, encoding={"lac": packed})
    with collect_notes() as notes:
        found = open_volume(tmp_path / "a.zarr", lazy_from=lazy_from)
    wanted = xarray.open_zarr(tmp_path / "a.zarr").lac.to_numpy()
    assert found.array.dtype == np.float32
    np.testing.assert_allclose(found.array, wanted, atol=1e-6)
    assert ["has 1 voxels" in note for note in notes] == [True]


def test_a_part_of_an_image_of_xarray_lies_where_its_coordinates_put_it(tmp_path):
    """Cropped, and with y running backwards, as xarray keeps what was chosen of an array."""
    xarray = pytest.importorskip("xarray")
    drawn = np.zeros(FINE.shape, np.uint8)
    drawn[1:-2, 2:-2, 3:-1] = FINE[1:-2, 2:-2, 3:-1] % 2
    coords = {c: (c, 5 + 2.0 * np.arange(n), {"units": "nm"}) for c, n in zip("zyx", FINE.shape, strict=True)}
    whole = xarray.Dataset({"image": (tuple("zyx"), FINE), "labels": (tuple("zyx"), drawn)}, coords=coords)
    whole[["image"]].to_zarr(tmp_path / "image.zarr")
    part = whole[["labels"]].isel(z=slice(1, -1), y=slice(None, 1, -1), x=slice(2, None))
    part.to_zarr(tmp_path / "labels.zarr")
    placed = place_labels(open_segmentation(tmp_path / "labels.zarr"), open_volume(tmp_path / "image.zarr"))
    np.testing.assert_array_equal(placed.labels, drawn)


@pytest.mark.parametrize(("size", "told"), [(2.0, False), (1.0, True)])
@pytest.mark.parametrize("sides", [(20, 16, 11), (9, 8, 7)])
def test_a_level_that_is_shorter_than_the_finest_is_told(sides, size, told, tmp_path):
    """Some programs give the scale of the finest level to all of them; sizes are rounded to whole voxels."""
    levels = [np.zeros(tuple(-(-n // f) for n in sides), np.uint8) for f in (1, 2)]
    scales = [[{"type": "scale", "scale": [f * 0.3] * 3}] for f in (1, size)]
    _group(tmp_path / "a.zarr", list(zip(levels, scales, strict=True)), SPACE, "0.4")
    with collect_notes() as notes:
        open_volume(tmp_path / "a.zarr", level=1)
    assert ["the voxel size of one of them is wrong" in note for note in notes if "level 1" in note] == [True] * told
    with collect_notes() as notes:
        open_volume(tmp_path / "a.zarr", level=0)
    assert not any("level" in note for note in notes)
