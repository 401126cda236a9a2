import json
import signal
import sys
from pathlib import Path

import numpy as np
import pytest
from fulldisk import fill_disk_at
from interrupted import run_interrupted

sys.path.append(str(Path(__file__).parents[1] / "network"))
from biomedisa_files import random_weights, write_model
from known_networks import threshold_model

from ACSegLib.commands import predict as command
from ACSegLib.commands.main import main
from ACSegLib.commands.options import from_mapping
from ACSegLib.errors import FileError, InputError
from ACSegLib.files import open_segmentation, open_volume, save_volume
from ACSegLib.jobs import CancelFlag, Progress
from ACSegLib.network.model.model_file import save_model
from ACSegLib.network.model.pretrained import pretrained_model
from ACSegLib.volume import Geometry, Volume

GEOMETRY = Geometry((30, 30, 35), (100, -50, 7), (0, 1, 0, 1, 0, 0, 0, 0, -1), "nm")


def two_balls(noise=0.0, seed=0):
    """A ball of 1.5 with a ball of 0.5 beside it and a hole of -1 in it."""
    k, j, i = np.mgrid[:20, :24, :40]
    image = np.full(k.shape, -1.0)
    image[(k - 10) ** 2 + (j - 12) ** 2 + (i - 12) ** 2 < 64] = 0.5
    image[(k - 10) ** 2 + (j - 12) ** 2 + (i - 32) ** 2 < 16] = 0.5
    image[10, 12, 12] = -1.0
    return image + noise * np.random.default_rng(seed).normal(size=image.shape)


@pytest.fixture
def files(tmp_path):
    save_model(threshold_model(), tmp_path / "m.acseg")
    save_volume(Volume(two_balls().astype(np.float32), GEOMETRY), tmp_path / "cell.nrrd")
    return tmp_path


def run(folder, image="cell.nrrd", output="out.seg.nrrd", progress=None, **options):
    values = {"images": [str(folder / image)], "output": str(folder / output), "model": str(folder / "m.acseg")}
    return command.run(from_mapping(command.Options, {**values, **options}), progress or Progress()).to_dict()


def test_result_lies_on_the_image(files, capsys):
    arguments = ["predict", str(files / "cell.nrrd"), "-m", str(files / "m.acseg"), "-o", str(files / "out.seg.nrrd")]
    assert main([*arguments, "--json", str(files / "r.json"), "--quiet"]) == 0
    found = open_segmentation(files / "out.seg.nrrd")
    assert found.geometry.matches(open_volume(files / "cell.nrrd").geometry)
    assert np.array_equal(found.mask("cell"), two_balls() > 0)
    report = json.loads((files / "r.json").read_text())["results"]
    row = report["images"][0]
    assert row["segments"][0] == {"name": "cell", "value": 1, "voxels": int(np.sum(two_balls() > 0))}
    assert row["backend"] in ("openvino", "pytorch")
    assert row["precision"] in ("float32", "bfloat16", "float16")
    printed = capsys.readouterr().out
    assert "cell" in printed
    assert "written" in printed


def test_a_disk_that_is_full_before_the_last_output_leaves_all_as_it_was(files, monkeypatch):
    before = sorted(files.iterdir())
    fill_disk_at(files / "out.seg.nrrd", monkeypatch)
    with pytest.raises(FileError, match="No space left"):
        run(files, probabilities=str(files / "p.nrrd"))
    assert sorted(files.iterdir()) == before


def test_clean_up(files):
    run(files, largest=["cell"], holes=10)
    found = open_segmentation(files / "out.seg.nrrd").mask("cell")
    assert not found[:, :, 26:].any()
    assert found[10, 12, 12]
    run(files, islands=0.5)
    assert not open_segmentation(files / "out.seg.nrrd").mask("cell")[:, :, 26:].any()


def test_islands_that_leave_nothing_are_told(files):
    (image,) = run(files, islands=1e6)["images"]
    assert image["segments"][0]["voxels"] == 0
    assert "--islands removed all voxels of cell; use a smaller number" in image["notes"]
    assert not image["estimates"]
    (image,) = run(files, islands=100)["images"]
    assert image["segments"][0]["voxels"] > 0
    assert not [note for note in image["notes"] if "--islands" in note]


def test_probabilities_are_written_a_file_a_segment(files):
    results = run(files, probabilities=str(files / "p.nrrd"))
    cell = open_volume(files / "p-cell.nrrd")
    assert cell.geometry.matches(GEOMETRY)
    assert np.array_equal(cell.array > 0.5, two_balls() > 0)
    assert {Path(p).name for p in results["outputs"].values()} == {"out.seg.nrrd", "p-cell.nrrd", "p-bead.nrrd"}


def test_results_go_into_folders_that_are_named(files):
    (files / "results").mkdir()
    (files / "results" / "older.seg.nrrd").touch()
    results = run(files, output="results", probabilities=str(files / "p") + "/")
    assert {Path(p).relative_to(files).as_posix() for p in results["outputs"].values()} == {
        "results/cell.seg.nrrd",
        "p/cell-cell.nrrd",
        "p/cell-bead.nrrd",
    }
    assert (files / "results" / "older.seg.nrrd").exists()


def test_probabilities_of_several_images_go_into_a_folder_that_is_not_there_yet(files):
    (files / "images").mkdir()
    save_volume(Volume(two_balls().astype(np.float32), GEOMETRY), files / "images" / "one.nrrd")
    save_volume(Volume(two_balls().astype(np.float32), GEOMETRY), files / "images" / "two.nrrd")
    run(files, image="images", output="results", probabilities=str(files / "p"))
    assert sorted(path.name for path in (files / "p").iterdir()) == [
        f"{image}-{segment}.nrrd" for image in ("one", "two") for segment in ("bead", "cell")
    ]


def test_several_images_need_the_name_of_a_folder(files):
    with pytest.raises(InputError, match="is the name of a file; name a folder"):
        run(files, image="", output="results.seg.nrrd")
    assert not (files / "results.seg.nrrd").exists()


def test_segmentations_beside_images_are_left_out(files):
    run(files, output="cell.seg.nrrd")
    results = run(files, image="", output="results")
    assert [Path(row["image"]).name for row in results["images"]] == ["cell.nrrd"]


def test_region_is_given_in_ijk(files):
    run(files, roi=[0, 12, 0, 24, 0, 20])
    found = open_segmentation(files / "out.seg.nrrd").mask("cell")
    assert np.array_equal(found[:, :, :12], (two_balls() > 0)[:, :, :12])
    assert not found[:, :, 12:].any()


def test_region_stays_the_region_when_the_walk_refines_it(files):
    save_model(threshold_model(longest_side=20), files / "m.acseg")
    row = run(files, roi=[0, 20, 0, 24, 0, 20])["images"][0]
    found = open_segmentation(files / "out.seg.nrrd").mask("cell")
    assert row["region_shape"] == [20, 24, 28]  # with surroundings
    assert row["walk_band_voxels"] == 3
    assert found[10, 12, 14]
    assert not found[:, :, 20:].any()


def test_folder_goes_on_after_a_bad_file(files, capsys):
    images = files / "images"
    images.mkdir()
    for n in range(2):
        save_volume(Volume(two_balls(0.2, n).astype(np.float32), GEOMETRY), images / f"cell{n}.nrrd")
    (images / "broken.nrrd").write_text("NRRD0004\nnothing\n")
    arguments = ["predict", str(images), "-m", str(files / "m.acseg"), "-o", str(files / "results"), "--quiet"]
    assert main([*arguments, "--precision", "float32"]) == 2  # bfloat16 rounds intensities next to the threshold
    assert sorted(p.name for p in (files / "results").iterdir()) == ["cell0.seg.nrrd", "cell1.seg.nrrd"]
    printed = capsys.readouterr().out
    assert "1 of 3 failed:\n  " in printed
    assert "broken.nrrd: " in printed.split("failed:")[1]
    for n in range(2):
        found = open_segmentation(files / "results" / f"cell{n}.seg.nrrd")
        assert np.array_equal(found.labels == 0, two_balls(0.2, n).astype(np.float32) <= 0)


def test_a_folder_of_which_nothing_is_predicted_leaves_no_folder(files, capsys):
    (files / "images").mkdir()
    (files / "images" / "broken.nrrd").write_text("NRRD0004\nnothing\n")
    arguments = ["predict", str(files / "images"), "-m", str(files / "m.acseg"), "-o", str(files / "results")]
    assert main([*arguments, "--probabilities", str(files / "p/"), "--quiet"]) == 2
    assert "none of the 1 images could be predicted; the first: " in capsys.readouterr().err
    assert sorted(path.name for path in files.iterdir()) == ["cell.nrrd", "images", "m.acseg"]


def test_an_interrupted_folder_continues_with_skip_existing(files, capsys):
    images = files / "images"
    images.mkdir()
    for n in range(2):
        save_volume(Volume(two_balls(0.2, n).astype(np.float32), GEOMETRY), images / f"cell{n}.nrrd")
    arguments = ["predict", str(images), "-m", str(files / "m.acseg"), "-o", str(files / "results"), "--quiet"]
    (files / "results").mkdir()
    done = files / "results" / "cell0.seg.nrrd"
    done.write_text("the result of an earlier run")
    assert main([*arguments, "--skip-existing", "--json", str(files / "r.json")]) == 0
    assert done.read_text() == "the result of an earlier run"
    assert open_segmentation(files / "results" / "cell1.seg.nrrd").labels.any()
    results = json.loads((files / "r.json").read_text())["results"]
    assert results["skipped"] == [str(images / "cell0.nrrd")]
    assert [row["image"] for row in results["images"]] == [str(images / "cell1.nrrd")]
    assert main([*arguments, "--skip-existing"]) == 0
    assert "skipped, because the results exist: 2 images" in capsys.readouterr().out


def folder_of_images(files, count=3):
    images = files / "images"
    images.mkdir()
    for n in range(count):
        save_volume(Volume(two_balls(0.2, n).astype(np.float32), GEOMETRY), images / f"cell{n}.nrrd")
    return images


def test_workers_give_the_results_of_one_process(files, capsys):
    images = folder_of_images(files)
    (images / "broken.nrrd").write_text("NRRD0004\nnothing\n")
    reports = []
    for workers in (1, 2):
        arguments = [
            "predict",
            str(images),
            "-m",
            str(files / "m.acseg"),
            "-o",
            str(files / f"out{workers}"),
            "--quiet",
        ]
        assert main([*arguments, "--workers", str(workers), "--json", str(files / "r.json")]) == 2
        assert "1 of 4 failed:\n  " in capsys.readouterr().out
        reports.append(json.loads((files / "r.json").read_text())["results"])
    for n in range(3):
        one, two = (open_segmentation(files / f"out{w}" / f"cell{n}.seg.nrrd").labels for w in (1, 2))
        assert one.any()
        assert np.array_equal(one, two)
    names = [[Path(row["image"]).name for row in report["images"]] for report in reports]
    assert names[0] == names[1] == ["broken.nrrd", "cell0.nrrd", "cell1.nrrd", "cell2.nrrd"]
    assert list(reports[1]["failures"]) == [str(images / "broken.nrrd")]
    assert list(reports[0]["outputs"]) == list(reports[1]["outputs"])


def test_an_interrupt_ends_all_workers_and_leaves_no_half_results(files):
    folder_of_images(files, 4)
    arguments = ["predict", "images", "-m", "m.acseg", "-o", "out", "--workers", "2", "--json", "r.json"]
    done = run_interrupted(files, signal.SIGINT, "^1 of 4", *arguments)
    assert (done.returncode, "Traceback" in done.stderr) == (130, False), done.stderr
    assert json.loads((files / "r.json").read_text())["results"]["exit_code"] == 130
    for path in (files / "out").iterdir():
        assert path.name.endswith(".seg.nrrd")
        assert open_segmentation(path).labels.any()


def refuse_work(fraction, message):
    if message.startswith("tile"):
        pytest.fail("the image was predicted before the error was found")


def test_bad_input_leaves_nothing(files):
    for options, words in (
        ({"model": str(files / "cell.nrrd")}, "not a model file"),
        ({"tile": [8, 8]}, "--tile must be three"),
        ({"tile": [9, 8, 8]}, "multiples"),
        ({"roi": [0, 1]}, "--roi must be six"),
        ({"roi": [0, 99, 0, 1, 0, 1]}, "roi 0..99 along i"),
        ({"refine": "network"}, "no refinement network"),
        ({"largest": ["liver"]}, "no such segment; it has: cell, bead"),
        ({"output": "out.foo"}, "must end in"),
        ({"output": "no/out.seg.nrrd"}, "does not exist"),
        ({"output": "cell.nrrd"}, "is an input"),
        ({"probabilities": "p.foo"}, "must end in"),
        ({"image": "missing.nrrd"}, "missing.nrrd"),
    ):
        with pytest.raises((InputError, FileError), match=words):
            run(files, progress=Progress(refuse_work), **options)
        assert not (files / "out.seg.nrrd").exists()
    (files / "file").write_text("x")
    images = [str(files / "cell.nrrd"), str(files / "m.acseg")]
    options = from_mapping(command.Options, {"images": images, "output": str(files / "file")})
    with pytest.raises(InputError, match="name a folder"):
        command.run(options, Progress())


def test_cancel_leaves_nothing(files):
    flag = CancelFlag()
    progress = Progress(lambda fraction, message: flag.set() if "tile" in message else None, flag)
    with pytest.raises(Exception, match="cancelled"):
        run(files, progress=progress)
    assert not [p for p in files.iterdir() if "out" in p.name]


def test_biomedisa_file_is_used_directly(files):
    write_model(files / "b.h5", random_weights((2, 3), 3), scale=(16, 16, 16))
    results = run(files, model=str(files / "b.h5"), output="b.seg.nrrd", stride=16)
    assert results["images"][0]["tiles"] == 1
    assert "Biomedisa's way" in results["images"][0]["notes"][0]
    assert {s.value for s in open_segmentation(files / "b.seg.nrrd").segments} == {1, 5}
    native = run(files, model=str(files / "b.h5"), output="n.seg.nrrd", native=True)
    assert native["images"][0]["working_shape"] == [20, 24, 40]
    with pytest.raises(InputError, match="--native"):
        run(files, model=str(files / "b.h5"), tta=True)


def test_without_a_model_the_shipped_one_is_used(files):
    try:
        pretrained_model()
    except FileError as error:
        pytest.skip(str(error))
    results = run(files, model=None, refine="none")
    assert [s["name"] for s in results["images"][0]["segments"]] == ["cytoplasm", "bead"]
    assert results["model"]["file"] == "pretrained"


@pytest.mark.parametrize("image", ["cell.nrrd", "cell.mrc", "cell.ome.zarr"])
def test_images_larger_than_memory_stay_on_the_disk(files, monkeypatch, image):
    """With no memory for them, image and labels are mapped; what comes out is the same."""
    from ACSegLib.network.predict import plane_sink

    save_volume(Volume(two_balls().astype(np.float32), GEOMETRY), files / image)
    tile = {"tile": [16, 16, 16], "refine": "none"}
    usual = run(files, image, "usual.seg.nrrd", **tile)["images"][0]
    monkeypatch.setattr(command, "_IN_MEMORY_SHARE", 0)
    monkeypatch.setattr(plane_sink, "_LABELS_SHARE", 0)
    streamed = run(files, image, "streamed.seg.nrrd", probabilities=str(files / "p.nrrd"), **tile)["images"][0]
    assert (usual["image_on_disk"], streamed["image_on_disk"]) == (False, True)
    assert streamed["estimated_memory_bytes"] < usual["estimated_memory_bytes"]
    one, other = (open_segmentation(files / f"{name}.seg.nrrd") for name in ("usual", "streamed"))
    assert np.array_equal(one.labels, other.labels)
    assert one.geometry.matches(other.geometry)


def test_what_the_format_cannot_hold_is_told(files):
    save_model(threshold_model(-0.8, output="sigmoid"), files / "m.acseg")
    row = run(files, output="out.nii.gz")["images"][0]
    assert any("overlapping" in note for note in row["notes"])
