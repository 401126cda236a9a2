"""acseg info: what it prints and reports, against what the files were made of."""

import json
import subprocess
import sys

import h5py
import numpy as np
import pytest

from ACSegLib.arrays import is_mapped
from ACSegLib.commands import info, load
from ACSegLib.commands.main import main
from ACSegLib.errors import Cancelled
from ACSegLib.files import save_segmentation, save_volume
from ACSegLib.files.lazy import ChunkedArray
from ACSegLib.jobs import CancelFlag, Progress
from ACSegLib.volume import Geometry, Segment, Segmentation, Volume

PLACE = Geometry((20, 30, 40), (1, 2, 3), unit="nm")


@pytest.fixture
def image(tmp_path):
    path = tmp_path / "image.nrrd"
    array = np.random.default_rng(0).normal(5, 2, (30, 40, 50)).astype(np.float32)
    array[3, 4, 5] = np.nan
    save_volume(Volume(array, PLACE), path)
    return path, array


@pytest.fixture
def drawn(tmp_path):
    path = tmp_path / "labels.seg.nrrd"
    array = np.zeros((30, 40, 50), np.uint8)
    array[5:26:10, 10:30, 10:40] = 1
    array[5, 2:5, 2:5] = 4
    rows = [Segment("cytoplasm", 1, (1, 0, 0)), Segment("bead", 4, (0, 1, 0)), Segment("ignore", 9)]
    save_segmentation(Segmentation((array,), rows, PLACE), path)
    return path


def _results(arguments, capsys):
    assert main(["info", *map(str, arguments), "--json", "--quiet"]) == 0
    return json.loads(capsys.readouterr().out)["results"]


def test_segments_of_one_name_are_told_apart(tmp_path, capsys):
    rows = [Segment("cell", 1), Segment("bead", 2), Segment("cell", 3)]
    save_segmentation(Segmentation((np.arange(60).reshape(3, 4, 5) % 4,), rows, PLACE), tmp_path / "a.seg.nrrd")
    found = _results([tmp_path / "a.seg.nrrd"], capsys)["segments"]
    assert [row["name"] for row in found] == ["cell (1)", "bead", "cell (2)"]


def test_the_voxel_size_that_a_file_lacks_can_be_stated(tmp_path, capsys):
    save_volume(Volume(np.zeros((3, 4, 5), np.uint8), Geometry((1, 1, 1), (4, 5, 6))), tmp_path / "bare.nrrd")
    found = _results([tmp_path / "bare.nrrd", "--voxel-size", "30,30,40", "--unit", "nm"], capsys)
    assert (found["spacing"], found["unit"]) == ([30, 30, 40], "nm")
    assert found["origin"] == [120, 150, 240]
    assert main(["info", str(tmp_path / "bare.nrrd"), "--voxel-size", "30"]) == 2
    assert "needs a unit" in capsys.readouterr().err


@pytest.mark.parametrize("ending", ["nrrd", "mrc", "ome.zarr"])
def test_a_large_file_is_described_from_the_disk(ending, tmp_path, capsys, monkeypatch):
    array = np.random.default_rng(0).normal(5, 2, (30, 40, 50)).astype(np.float32)
    labels = np.zeros((30, 40, 50), np.uint8)
    labels[5:26:10, 10:30, 10:40] = 1
    save_volume(Volume(array, PLACE), tmp_path / f"image.{ending}")
    save_segmentation(Segmentation((labels,), [Segment("cell", 1)], PLACE), tmp_path / f"labels.{ending}")
    expected = [_results([tmp_path / f"{name}.{ending}"], capsys) for name in ("image", "labels")]
    kept = []
    monkeypatch.setattr("ACSegLib.compute.usable_memory", lambda: 1000)
    monkeypatch.setattr(info, "_grid", lambda content, grid=info._grid: kept.append(content.array) or grid(content))
    assert [_results([tmp_path / f"{name}.{ending}"], capsys) for name in ("image", "labels")] == expected
    assert all(is_mapped(array) or isinstance(array, ChunkedArray) for array in kept)


def test_an_image(image, capsys):
    path, array = image
    found = _results([path], capsys)
    assert found["kind"] == "image"
    assert found["shape_ijk"] == [50, 40, 30]
    assert (found["dtype"], found["bytes"], found["unit"]) == ("float32", array.nbytes, "nm")
    assert found["spacing"] == [20, 30, 40]
    assert found["origin"] == [1, 2, 3]
    figures = found["intensity"]
    assert figures["minimum"] == np.nanmin(array)
    assert figures["maximum"] == np.nanmax(array)
    assert figures["mean"] == pytest.approx(np.nanmean(array.astype(float)))
    assert figures["standard_deviation"] == pytest.approx(np.nanstd(array.astype(float)))
    assert figures["percentiles"]["50"] == pytest.approx(np.nanmedian(array))
    assert figures["percentiles"]["99"] == pytest.approx(np.nanpercentile(array, 99), rel=1e-6)
    assert figures["not_finite_voxels"] == 1


def test_the_deviation_of_an_image_far_from_zero(tmp_path, capsys):
    array = np.random.default_rng(0).normal(1e9, 1, (5, 40, 50))
    save_volume(Volume(array, PLACE), tmp_path / "image.nrrd")
    figures = _results([tmp_path / "image.nrrd"], capsys)["intensity"]
    assert figures["standard_deviation"] == pytest.approx(np.std(array), rel=1e-6)
    assert figures["mean"] == pytest.approx(np.mean(array), rel=1e-15)


def test_labels(drawn, capsys):
    found = _results([drawn], capsys)
    assert found["kind"] == "labels"
    rows = {row["name"]: row for row in found["segments"]}
    assert {name: row["voxels"] for name, row in rows.items()} == {"cytoplasm": 1800, "bead": 9, "ignore": 0}
    assert rows["bead"]["volume"] == 9 * 20 * 30 * 40
    assert found["labelled_slices"] == {"k": [5, 15, 25]}
    assert found["labelled_voxels"] == 1809


def test_the_table_for_people(drawn, image, capsys):
    assert main(["info", str(drawn), "--quiet"]) == 0
    text = capsys.readouterr().out
    for words in (
        "NRRD",
        "50 x 40 x 30 voxels",
        "20 x 30 x 40 nm",
        "cytoplasm",
        "1,800",
        "3 slices along axis z (k): 5, 15, 25",
    ):
        assert words in text
    assert main(["info", str(image[0]), "--quiet"]) == 0
    text = capsys.readouterr().out
    assert "1 voxels are NaN" in text
    assert "percentiles" in text


@pytest.mark.parametrize(("unit", "heading", "volume"), [("nm", "um3", "0.0432"), ("mm", "mm3", "43200000")])
def test_volumes_are_in_a_unit_that_can_be_read(unit, heading, volume, tmp_path, capsys):
    array = np.zeros((20, 30, 40), np.uint8)
    array[5:15, 5:17, 5:20] = 1
    save_segmentation(Segmentation.from_labels(array, Geometry((20, 30, 40), unit=unit)), tmp_path / "cell.seg.nrrd")
    assert main(["info", str(tmp_path / "cell.seg.nrrd"), "--quiet"]) == 0
    table = capsys.readouterr().out
    assert f"volume ({heading})" in table
    (row,) = (line.split() for line in table.splitlines() if "Segment_1" in line)
    assert float(row[3]) == float(volume)


def test_labels_without_a_table_are_known_by_their_regions(tmp_path, capsys, monkeypatch):
    array = np.zeros((20, 30, 40), np.uint16)
    array[5:15, 5:25, 5:35] = 300
    save_volume(Volume(array, PLACE), tmp_path / "a.tif")
    assert _results([tmp_path / "a.tif"], capsys)["kind"] == "labels"
    assert _results([tmp_path / "a.tif", "--as", "image"], capsys)["kind"] == "image"
    for value in (0, 7):  # an image of one value shows no region
        save_volume(Volume(np.full((20, 30, 40), value, np.uint8), PLACE), tmp_path / "one.tif")
        assert _results([tmp_path / "one.tif"], capsys)["kind"] == "image"
    monkeypatch.setattr(info, "_SAMPLE", array.size // 10)
    array[:] = 0
    array[7, 5:15, 5:15] = 1  # on a slice that is not looked at first
    save_volume(Volume(array, PLACE), tmp_path / "sparse.tif")
    assert _results([tmp_path / "sparse.tif"], capsys)["kind"] == "labels"
    monkeypatch.undo()
    noise = np.random.default_rng(0).integers(0, 200, (20, 30, 40), np.uint8)
    save_volume(Volume(noise, PLACE), tmp_path / "b.tif")
    assert _results([tmp_path / "b.tif"], capsys)["kind"] == "image"
    assert len(_results([tmp_path / "b.tif", "--as", "labels"], capsys)["segments"]) == 199


def test_an_image_that_is_nearly_all_zero_is_no_labels(tmp_path, capsys):
    rng = np.random.default_rng(0)
    dark = np.zeros((20, 30, 40), np.uint8)
    spots = rng.random(dark.shape) < 0.004
    dark[spots] = rng.integers(1, 255, np.count_nonzero(spots))
    padded = np.zeros((20, 30, 40), np.uint8)
    padded[8:12, 10:20, 10:25] = rng.integers(1, 255, (4, 10, 15))
    cells = np.zeros((20, 30, 40), np.uint8)  # many cells of a few voxels each
    for n in range(60):
        cells[2 * (n // 12), 4 * (n % 6) : 4 * (n % 6) + 3, 6 * (n % 12 // 6) : 6 * (n % 12 // 6) + 3] = n + 1
    for name, array, kind in (("dark", dark, "image"), ("padded", padded, "image"), ("cells", cells, "labels")):
        save_volume(Volume(array, PLACE), tmp_path / f"{name}.tif")
        assert _results([tmp_path / f"{name}.tif"], capsys)["kind"] == kind, name


def test_containers_are_listed_and_chosen_from(tmp_path, capsys):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["raw"] = np.zeros((4, 5, 6), np.float32)
        file["label"] = np.zeros((4, 5, 6), np.uint8)
    found = _results([tmp_path / "a.h5"], capsys)
    assert "kind" not in found
    assert {row["dataset"]: row["shape"] for row in found["contents"]} == {"raw": [4, 5, 6], "label": [4, 5, 6]}
    assert main(["info", str(tmp_path / "a.h5"), "--quiet"]) == 0
    assert "choose one with --dataset" in capsys.readouterr().out
    assert _results([tmp_path / "a.h5", "--dataset", "raw"], capsys)["dtype"] == "float32"


def test_levels_are_listed_and_chosen(tmp_path, capsys):
    save_volume(Volume(np.zeros((70, 70, 70), np.uint8), PLACE), tmp_path / "a.ome.zarr")
    found = _results([tmp_path / "a.ome.zarr"], capsys)
    assert [row["shape"] for row in found["contents"]] == [[70, 70, 70], [35, 35, 35]]
    assert _results([tmp_path / "a.ome.zarr", "--level", "1"], capsys)["spacing"] == [40, 60, 80]


@pytest.mark.parametrize("arguments", [["absent.nrrd"], ["--level", "-1", "x.nrrd"], ["--as", "words", "x.nrrd"], []])
def test_bad_input_ends_with_2(arguments, capsys):
    assert main(["info", *arguments]) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_it_can_be_cancelled(image):
    flag = CancelFlag()
    flag.set()
    with pytest.raises(Cancelled):
        info.run(info.Options(str(image[0])), Progress(cancelled=flag))


def test_the_module_is_light():
    """Help must come at once: nothing heavy is imported with the command."""
    code = "import sys, ACSegLib.commands.info as m; print([n for n in %r if n in sys.modules])"
    heavy = ["torch", "numba", "SimpleITK", "scipy", "skimage", "h5py", "tifffile", "zarr", "nibabel", "mrcfile"]
    out = subprocess.run(
        [sys.executable, "-c", code % heavy], capture_output=True, text=True, encoding="utf-8", check=True
    ).stdout
    assert out.strip() == "[]"
    assert load("info") is info


def test_ranges_of_slices():
    assert info._ranges([1, 2, 3, 7, 9, 10]) == "1-3, 7, 9-10"
    assert info._ranges([]) == ""


def test_columns_stay_aligned_with_large_values_and_odd_names(tmp_path, capsys):
    names = {7: "two\nlines", 2**32 - 1: "n" * 80, 1_234_567: "c"}
    labels = np.zeros((4, 5, 6), np.uint32)
    labels[:3, 0, 0] = list(names)
    save_segmentation(Segmentation.from_labels(labels, Geometry((1, 1, 1), unit="um"), names), tmp_path / "l.nrrd")
    assert main(["info", str(tmp_path / "l.nrrd"), "--quiet"]) == 0
    lines = capsys.readouterr().out.splitlines()
    first = next(n for n, line in enumerate(lines) if line.split()[:1] == ["name"])
    ends = [line.index("colour") if n == 0 else line.index("#") for n, line in enumerate(lines[first : first + 4])]
    assert lines[first + 1].startswith("    two lines ")
    assert ends[0] == ends[1] == ends[2] == ends[3] - 40  # a very long name moves its own line only


def test_directions_have_no_negative_zero(tmp_path, capsys):
    turned = Geometry((1, 1, 1), direction=(-1, 0, 0, 0, -1, 0, -0.0, 1e-17, 1), unit="um")
    save_volume(Volume(np.zeros((3, 3, 3), np.float32), turned), tmp_path / "v.nrrd")
    assert main(["info", str(tmp_path / "v.nrrd"), "--quiet"]) == 0
    assert "direction    i (-1, 0, 0); j (0, -1, 0); k (0, 0, 1)" in capsys.readouterr().out


def test_a_folder_gives_a_line_for_each_file(image, drawn, capsys):
    folder = str(image[0].parent)
    assert main(["info", folder, "--quiet"]) == 0
    head, *lines = [line.split("  ") for line in capsys.readouterr().out.splitlines()]
    assert head[0] == "file"
    told = {words[0]: [word.strip() for word in words[1:] if word] for words in lines}
    assert told["image.nrrd"][:3] == ["50 x 40 x 30", "float32", "20 x 30 x 40 nm"]
    assert told["image.nrrd"][3].startswith("image, ")
    assert told["labels.seg.nrrd"][3] == "labels, 3 slices along z (k): cytoplasm, bead, ignore"
    (image[0].parent / "model.acseg.nrrd").write_bytes(b"no image")
    assert main(["info", folder, "--json", "--quiet"]) == 2
    results = json.loads(capsys.readouterr().out)["results"]
    assert results["files"]["labels.seg.nrrd"]["labelled_slices"] == {"k": [5, 15, 25]}
    assert list(results["failures"]) == ["model.acseg.nrrd"]


def test_a_network_is_no_image(tmp_path, capsys):
    (tmp_path / "m.acseg").write_bytes(b"weights")
    assert main(["info", str(tmp_path / "m.acseg")]) == 2
    assert "'acseg model info' shows it" in capsys.readouterr().err
    with h5py.File(tmp_path / "biomedisa.h5", "w") as file:
        for name, shape in (
            ("meta/labels", 3),
            ("model_weights/a", (3, 3, 3)),
            ("model_weights/b", (3, 3, 3)),
        ):
            file[name] = np.ones(shape)
    assert main(["info", str(tmp_path / "biomedisa.h5")]) == 2
    assert "'acseg model info' shows it" in capsys.readouterr().err


def test_of_a_folder_of_folders_these_are_named(tmp_path, capsys):
    for name in ("images", "labels", ".cache"):
        (tmp_path / name).mkdir()
    assert main(["info", str(tmp_path)]) == 2
    assert "or one of its folders: images, labels." in capsys.readouterr().err
