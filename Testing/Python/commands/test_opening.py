"""Options that all commands share for what they read: voxel size, unit and data set; and ``acseg convert``."""

from __future__ import annotations

import inspect
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ACSegLib.commands import COMMANDS, load
from ACSegLib.commands.convert import _named
from ACSegLib.commands.main import main
from ACSegLib.commands.opening import read_voxel_size, with_voxel_size
from ACSegLib.commands.options import describe_options
from ACSegLib.commands.pairs import find_pairs
from ACSegLib.errors import InputError
from ACSegLib.files import open_segmentation, open_volume, registry, save_segmentation, save_volume
from ACSegLib.files.tables import read_table
from ACSegLib.volume import Geometry, Segmentation, Volume

SHAPE = (12, 14, 16)
#: Commands that open no image or labels, or show a file as it is.
WITHOUT = {"phantom", "model info", "model import", "demo", "completion", "app"}


def ball() -> np.ndarray:
    k, j, i = np.indices(SHAPE) - np.array([6, 7, 8])[:, None, None, None]
    return k * k + j * j + i * i < 25


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An image and sparse labels in TIFF files that state no voxel size."""
    import tifffile

    monkeypatch.chdir(tmp_path)
    image = ball() + np.random.default_rng(0).normal(0, 0.1, SHAPE)
    tifffile.imwrite("image.tif", image.astype(np.float32))
    labels = np.zeros(SHAPE, np.uint8)
    labels[2:11:4] = ball()[2:11:4]
    tifffile.imwrite("labels.tif", labels)
    tifffile.imwrite("dense.tif", ball().astype(np.uint8))
    return tmp_path


@pytest.mark.parametrize("command", [c for c in COMMANDS if c not in WITHOUT])
def test_every_command_that_opens_images_takes_voxel_size_unit_and_data_set(command: str) -> None:
    names = {info.name for info in describe_options(load(command).Options)}
    assert {"voxel_size", "unit"} <= names
    assert names & {"image_dataset", "labels_dataset", "dataset"}


def test_voxel_sizes_are_read_or_refused() -> None:
    assert read_voxel_size("30,30,40") == read_voxel_size("30 x 30 x 40") == (30.0, 30.0, 40.0)
    assert read_voxel_size("0.03") == (0.03,) * 3
    for wrong in ("", "30,30", "a,b,c", "0,1,1", "-1", "inf", "nan"):
        with pytest.raises(InputError, match="--voxel-size"):
            read_voxel_size(wrong)


def test_the_place_of_a_cropped_file_moves_along() -> None:
    turn = (0.8, -0.6, 0.0, 0.6, 0.8, 0.0, 0.0, 0.0, 1.0)
    whole = Geometry((1.0, 1.0, 2.0), direction=turn)
    part = whole.cropped((3, 4, 5))
    wanted = Geometry((30.0, 30.0, 40.0), direction=turn, unit="nm")
    assert with_voxel_size(part, (30.0, 30.0, 40.0), "nm").matches(wanted.cropped((3, 4, 5)))


def test_a_stated_voxel_size_gives_no_position():
    """Labels without any geometry lie on an image that does not lie at 0 also with the voxel size that it has."""
    image = Geometry((30.0, 30.0, 40.0), (500.0, 0.0, -70.0), unit="nm")
    stated = with_voxel_size(Geometry(), image.spacing, "nm")
    assert stated.matches(image, (10, 10, 10))
    assert not with_voxel_size(replace(image, origin=(0.0, 0.0, 0.0)), image.spacing, "nm").matches(image, (10, 10, 10))


def test_fill_takes_the_voxel_size_that_the_files_lack(bare: Path) -> None:
    arguments = ["fill", "image.tif", "labels.tif", "-o", "out.seg.nrrd", "--quiet", "--gamma", "0.3"]
    assert main([*arguments, "--voxel-size", "30,30,40", "--unit", "nm"]) == 0
    assert open_segmentation("out.seg.nrrd").geometry.in_unit("nm").matches(Geometry((30.0, 30.0, 40.0), unit="nm"))


def test_measure_counts_in_the_voxel_size_it_is_told(bare: Path) -> None:
    voxels = int(ball().sum())
    for more, unit in (
        (["--voxel-size", "0.03", "--file-unit", "um"], "um"),
        (["--voxel-size", "30", "--unit", "nm"], "nm"),
        (["--voxel-size", "30", "--file-unit", "nm"], "um"),
        (["--voxel-size", "30,30,30", "--file-unit", "nm", "--unit", "nm"], "nm"),
    ):
        assert main(["measure", "dense.tif", "-o", "t.csv", "--image", "image.tif", "--quiet", *more]) == 0
        row = read_table("t.csv")[0]
        assert row["unit"] == unit
        assert row["volume"] == pytest.approx(voxels * (30.0 if unit == "nm" else 0.03) ** 3)


def test_a_unit_without_voxel_size_is_told(bare: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fill = ["fill", "image.tif", "labels.tif", "-o", "out.seg.nrrd", "--gamma", "0.3", "--unit", "nm"]
    measure = ["measure", "dense.tif", "-o", "t.csv", "--file-unit", "nm"]
    for arguments, of in (
        (fill, "image.tif"),
        (measure, "dense.tif"),
        ([*measure, "--image", "image.tif"], "image.tif"),
    ):
        for size in ([], ["--voxel-size", "30"]):
            assert main([*arguments, *size, "--quiet"]) == 0
            texts = capsys.readouterr()
            told = re.findall(r"(\S+): states no voxel size, .* 1 x 1 x 1 nm", texts.out + texts.err)
            assert told == ([] if size else [of])


def test_a_voxel_size_without_unit_is_refused(bare: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fill", "image.tif", "labels.tif", "-o", "out.seg.nrrd", "--quiet", "--voxel-size", "30"]) == 2
    assert "add for example --unit nm" in capsys.readouterr().err
    for files, more in ((["measure", "dense.tif"], []), (["compare", "dense.tif", "dense.tif"], ["--unit", "px"])):
        assert main([*files, "-o", "t.csv", "--quiet", "--voxel-size", "30", *more]) == 2
        assert "add for example --file-unit nm" in capsys.readouterr().err


def test_data_sets_are_chosen_for_images_and_labels(bare: Path, capsys: pytest.CaptureFixture[str]) -> None:
    h5py = pytest.importorskip("h5py")
    with h5py.File("project.h5", "w") as file:
        file["raw"] = open_volume("image.tif").array
        file["other"] = np.zeros(SHAPE, np.float32)
        file["cells"] = open_segmentation("labels.tif").labels
    arguments = ["fill", "project.h5", "project.h5", "-o", "out.nrrd", "--quiet", "--gamma", "0.3"]
    for flag in ("--dataset", "--image-dataset"):
        assert main([*arguments, flag, "raw", "--labels-dataset", "cells"]) == 0
        assert open_segmentation("out.nrrd").labels.any()
    assert main(arguments) == 2
    assert "choose one with --dataset" in capsys.readouterr().err


def test_one_file_may_hold_image_and_labels_in_every_command(bare: Path) -> None:
    h5py = pytest.importorskip("h5py")
    with h5py.File("project.h5", "w") as file:
        file["raw"] = open_volume("image.tif").array
        file["cells"] = ball().astype(np.uint8)
    chosen = ["--dataset", "raw", "--labels-dataset", "cells", "--quiet"]
    assert main(["measure", "project.h5", "--image", "project.h5", "-o", "t.csv", *chosen]) == 0
    row = read_table("t.csv")[0]
    assert row["voxels"] == int(ball().sum())
    assert row["lac_mean"] == pytest.approx(float(open_volume("image.tif").array[ball()].mean()), rel=1e-5)
    (pair,) = find_pairs(["project.h5"], ["project.h5"])
    assert (pair.image, pair.labels) == ("project.h5", "project.h5")


def test_convert_keeps_what_the_format_can_hold(bare: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["convert", "image.tif", "image.nii.gz", "--voxel-size", "30,30,40", "--unit", "nm", "--quiet"]) == 0
    assert "16 x 14 x 12 voxels (x, y, z), voxel size 30 x 30 x 40 nm" in capsys.readouterr().out
    converted = open_volume("image.nii.gz")
    assert np.array_equal(converted.array, open_volume("image.tif").array)
    assert converted.geometry.in_unit("nm").matches(Geometry((30.0, 30.0, 40.0), unit="nm"))


@pytest.mark.parametrize("ending", [".nrrd", ".nii.gz", ".mha", ".tif", ".ome.tif", ".mrc", ".ome.zarr", ".h5"])
def test_convert_reads_every_format_whole_or_cropped(ending: str, bare: Path) -> None:
    """Images are left on the disk until they are written; Zarr's arrays had no such way."""
    geometry = Geometry((30.0, 30.0, 40.0), (100.0, 200.0, 300.0), unit="nm")
    array = open_volume("image.tif").array
    save_volume(Volume(array, geometry), f"placed{ending}")
    assert main(["convert", f"placed{ending}", "whole.nrrd", "--quiet"]) == 0
    assert main(["convert", f"placed{ending}", "part.nrrd", "--quiet", "--crop", "3", "9", "2", "8", "1", "5"]) == 0
    whole, part = open_volume("whole.nrrd"), open_volume("part.nrrd")
    assert np.array_equal(whole.array, array)
    assert whole.geometry.in_unit("nm").matches(geometry)
    assert np.array_equal(part.array, array[1:5, 2:8, 3:9])
    assert part.geometry.in_unit("nm").matches(geometry.cropped((3, 2, 1)))


def test_a_run_report_repeats_its_command(bare: Path, capsys: pytest.CaptureFixture[str]) -> None:
    size = ["--voxel-size", "30,30,40", "--unit", "nm"]
    arguments = ["convert", "image.tif", "a.nrrd", *size, "--crop", "3", "9", "2", "8", "1", "5", "--json", "run.json"]
    assert main(arguments) == 0
    first = Path("a.nrrd").read_bytes()
    Path("a.nrrd").unlink()
    assert main(["convert", "--options", "run.json"]) == 0
    assert Path("a.nrrd").read_bytes() == first
    assert main(["convert", "image.tif", "b.nrrd", "--options=run.json", "--crop", "0", "2", "0", "3", "0", "4"]) == 0
    part = open_volume("b.nrrd")
    assert (part.shape, part.geometry.spacing) == ((4, 3, 2), (30.0, 30.0, 40.0))
    Path("odd.json").write_text('{"krop": []}')
    capsys.readouterr()
    for arguments, words in (
        (["info", "--options", "run.json"], "is the report of 'acseg convert', not of 'acseg info'"),
        (["convert", "--options", "none.json"], "none.json: cannot be read"),
        (["convert", "--options", "image.tif"], "is not a JSON file"),
        (["convert", "--options", "odd.json"], "convert has no option 'krop'"),
        (["convert", "--options"], "--options: expected one argument"),
    ):
        assert main(arguments) == 2
        assert words in capsys.readouterr().err


def test_convert_takes_a_folder_file_by_file(bare: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("all").mkdir()
    Path("all/image.tif").write_bytes(Path("image.tif").read_bytes())
    save_segmentation(Segmentation.from_labels(ball().astype(np.uint8), names={1: "cytoplasm"}), "all/cell.seg.nrrd")
    Path("all", "broken.nrrd").write_text("NRRD0004\nnothing\n")
    assert main(["convert", "all", "converted/", "--ending", ".nii.gz", "--quiet"]) == 2
    assert "1 of 3 failed:\n  broken" in capsys.readouterr().out
    assert np.array_equal(open_volume("converted/image.nii.gz").array, open_volume("image.tif").array)
    assert [s.name for s in open_segmentation("converted/cell.nii.gz").segments] == ["cytoplasm"]
    Path("all", "cell.mha").write_bytes(b"")
    for arguments, words in (
        (["all", "more"], "two outputs"),
        (["image.tif", "image.nrrd", "--ending", ".tif"], "--ending is for a folder"),
        (["image.tif", "image.odd"], "must end in"),
    ):
        assert main(["convert", *arguments, "--quiet"]) == 2
        assert words in capsys.readouterr().err


def test_convert_crops_in_place(bare: Path, capsys: pytest.CaptureFixture[str]) -> None:
    geometry = Geometry((30.0, 30.0, 40.0), (100.0, 200.0, 300.0), unit="nm")
    save_volume(Volume(open_volume("image.tif").array, geometry), "placed.nrrd")
    assert main(["convert", "placed.nrrd", "part.mrc", "--crop", "3", "9", "2", "8", "1", "5", "--quiet"]) == 0
    part, whole = open_volume("part.mrc"), open_volume("placed.nrrd")
    assert np.array_equal(part.array, whole.array[1:5, 2:8, 3:9])
    assert part.geometry.in_unit("nm").matches(geometry.cropped((3, 2, 1)))
    for wrong in ("0 17 0 1 0 1", "5 5 0 1 0 1", "-1 3 0 1 0 1", "0 1 2 3"):
        assert main(["convert", "placed.nrrd", "wrong.nrrd", "--quiet", "--crop", *wrong.split()]) == 2
        assert "--crop" in capsys.readouterr().err
    assert not (bare / "wrong.nrrd").exists()


def test_convert_keeps_names_and_colours_of_labels(bare: Path) -> None:
    labels = Segmentation.from_labels(ball().astype(np.uint8), names={1: "cytoplasm"}, colours={1: (0.0, 1.0, 0.0)})
    save_segmentation(labels, "cell.seg.nrrd")
    assert main(["convert", "cell.seg.nrrd", "cell.nii.gz", "--quiet"]) == 0
    converted = open_segmentation("cell.nii.gz")
    assert [(s.name, s.colour) for s in converted.segments] == [("cytoplasm", (0.0, 1.0, 0.0))]
    assert main(["convert", "dense.tif", "named.seg.nrrd", "--names", "1=cell body", "7=bead", "--quiet"]) == 0
    with pytest.warns(UserWarning, match="names the value 7, which no voxel has, but not 1"):
        _named(open_segmentation("dense.tif"), {7: "bead"})
    assert [(s.name, s.value) for s in open_segmentation("named.seg.nrrd").segments] == [("cell body", 1)]
    for wrong in ("cell", "0=cell", "1=", "1=a 1=b", "1=a 2=a"):
        assert main(["convert", "dense.tif", "odd.seg.nrrd", "--quiet", "--names", *wrong.split()]) == 2
    assert not Path("odd.seg.nrrd").exists()
    assert main(["convert", "dense.tif", "dense.seg.nrrd", "--as", "labels", "--quiet"]) == 0
    assert np.array_equal(open_segmentation("dense.seg.nrrd").labels > 0, ball())
    assert main(["convert", "image.tif", "image.seg.nrrd", "--as", "labels", "--quiet"]) == 2


def test_a_unit_alone_is_that_of_files_that_name_none(bare: Path) -> None:
    geometry = Geometry((30.0, 30.0, 40.0), unit="px")
    save_volume(Volume(open_volume("image.tif").array, geometry), "image.nrrd")
    assert main(["convert", "image.nrrd", "in_nm.nrrd", "--unit", "nm", "--quiet"]) == 0
    assert open_volume("in_nm.nrrd").geometry.matches(replace(geometry, unit="nm"))
    assert open_volume("in_nm.nrrd").geometry.unit == "nm"


@pytest.mark.parametrize("flag", ["-o", "--output"])
def test_convert_takes_its_output_as_the_other_commands_do(bare: Path, flag: str) -> None:
    assert main(["convert", "image.tif", "--crop", "0", "2", "0", "2", "0", "2", flag, "part.nrrd", "--quiet"]) == 0
    assert open_volume("part.nrrd").shape == (2, 2, 2)


@pytest.mark.parametrize("word", ["-opart.nrrd", "-o=part.nrrd", "--output=part.nrrd"])
def test_convert_takes_its_output_in_one_word(bare: Path, word: str) -> None:
    assert main(["convert", "image.tif", word, "--crop", "0", "2", "0", "2", "0", "2", "--quiet"]) == 0
    assert open_volume("part.nrrd").shape == (2, 2, 2)


def notes_of(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return [line for line in capsys.readouterr().out.splitlines() if line.startswith("note: ")]


def test_a_choice_that_a_format_does_not_offer_is_told(bare: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["convert", "image.tif", "image.nrrd", "--quiet"]) == 0
    capsys.readouterr()
    assert main(["info", "image.nrrd", "--dataset", "raw", "--level", "2", "--quiet"]) == 0
    assert notes_of(capsys) == [
        "note: image.nrrd: NRRD has no data sets, so 'raw' chooses nothing.",
        "note: image.nrrd: NRRD has no resolution levels, so level 2 chooses nothing.",
    ]


def test_formats_that_offer_a_choice_are_those_that_read_it() -> None:
    for chosen in registry.formats():
        source = inspect.getsource(chosen)  # type: ignore[arg-type]
        assert ("request.dataset" in source) == (chosen.NAME in registry.WITH_DATASETS), chosen.NAME
        assert ("request.level" in source) == (chosen.NAME in registry.WITH_LEVELS), chosen.NAME


def test_images_and_segmentations_in_the_place_of_one_another_are_told(
    bare: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["convert", "image.tif", "image.seg.nrrd", "--quiet"]) == 0
    told = notes_of(capsys)[-1]
    assert "image.seg.nrrd: is an image, and Slicer opens files of this name" in told
    assert "--as labels" in told
    labels = np.zeros((6, 7, 8), np.uint8)
    labels[2:4, 2:4, 2:4] = 1
    save_segmentation(Segmentation.from_labels(labels, Geometry(unit="um")), "labels.seg.nrrd")
    assert main(["threshold", "labels.seg.nrrd", "-o", "otsu", "--min-size", "1", "--quiet"]) == 0
    assert "labels.seg.nrrd: is a segmentation; its label values are used as intensities." in capsys.readouterr().out


@pytest.mark.parametrize("what", ["one slice", "small dots", "many cells", "floats"])
def test_labels_without_a_table_in_the_place_of_an_image_are_told(tmp_path: Path, what: str) -> None:
    labels = np.zeros((40, 30, 32), np.uint16)
    if what == "one slice":
        labels[19, 4:20, 5:22] = 100
    elif what == "small dots":
        for x in range(4):
            labels[::4, ::5, x::8] = 1
    else:
        labels[:] = np.kron(np.arange(80).reshape(4, 5, 4), np.ones((10, 6, 8), np.uint16))
    save_volume(Volume(labels.astype(np.float32 if what == "floats" else np.uint16)), tmp_path / "a.nrrd")
    with pytest.warns(UserWarning, match="a.nrrd: its values look like labels.*check that it is the tomogram"):
        open_volume(tmp_path / "a.nrrd")


@pytest.mark.parametrize("what", ["photons", "masked", "smooth", "constant", "levels"])
def test_images_are_not_taken_for_labels(tmp_path: Path, what: str, recwarn: pytest.WarningsRecorder) -> None:
    random, shape = np.random.default_rng(0), (12, 30, 32)
    image = {
        "photons": random.poisson(0.4, shape).astype(np.uint8),
        "masked": np.where(np.indices(shape)[1] > 25, random.integers(90, 110, shape), 0).astype(np.uint8),
        "smooth": np.indices(shape).sum(axis=0).astype(np.float32) / 8,
        "constant": np.full(shape, 7, np.uint8),
        "levels": random.integers(0, 4, shape).astype(np.uint8),
    }[what]
    save_volume(Volume(image), tmp_path / "a.nrrd")
    open_volume(tmp_path / "a.nrrd")
    assert not [str(found.message) for found in recwarn]


@pytest.mark.parametrize("command", ["fill", "split", "correct"])
def test_a_result_has_the_voxel_size_that_the_labels_alone_state(
    bare: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    known, sparse, drawn = Geometry((30.0, 30.0, 60.0), (5.0, 6.0, 7.0), unit="nm"), ball(), ball()
    sparse[1::2] = False
    drawn[6, 2:12, 2:12] = True
    for name, labels in (("whole", ball()), ("sparse", sparse), ("drawn", drawn)):
        save_segmentation(Segmentation.from_labels(labels, known), f"{name}.seg.nrrd")
    files = {
        "fill": ["image.tif", "sparse.seg.nrrd"],
        "split": ["whole.seg.nrrd", "--image", "image.tif"],
        "correct": ["image.tif", "whole.seg.nrrd", "drawn.seg.nrrd"],
    }[command]
    assert main([command, *files, "-o", "out.seg.nrrd", "--quiet"]) == 0
    assert open_segmentation("out.seg.nrrd").geometry == known
    assert "image: its voxel size was taken from" in capsys.readouterr().out
