import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from ACSegLib.commands import train as command
from ACSegLib.commands.main import _Display, main
from ACSegLib.commands.options import from_mapping
from ACSegLib.commands.pairs import core_name, find_pairs, read_table
from ACSegLib.errors import Cancelled, FileError, InputError
from ACSegLib.files import open_segmentation, open_volume, save_segmentation, save_volume
from ACSegLib.files.registry import collect_notes
from ACSegLib.jobs import CancelFlag, Progress
from ACSegLib.network.model import model_file
from ACSegLib.network.model.model_file import load_model, read_card
from ACSegLib.volume import Geometry, Segmentation, Volume


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Tiny networks are slower on many threads, most of all where tests run side by side."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


TINY = [
    "--patch",
    "16",
    "16",
    "16",
    "--base-filters",
    "4",
    "--levels",
    "3",
    "--steps-per-epoch",
    "3",
    "--device",
    "cpu",
]


def write(folder, name, seed, spacing=(30, 30, 30), image_ending=".nrrd", label_ending="_seg.seg.nrrd", values=(1, 2)):
    rng = np.random.default_rng(seed)
    k, j, i = np.mgrid[:18, :20, :18]
    radius = np.sqrt((k - 9) ** 2 + (j - 10) ** 2 + (i - 9) ** 2)
    labels = np.where(radius < 3, values[1], np.where(radius < 7, values[0], 0)).astype(np.uint8)
    image = ((radius < 7) + (radius < 3) + rng.normal(0, 0.3, labels.shape)).astype(np.float32)
    geometry = Geometry(spacing, unit="nm")
    for sub in ("images", "labels"):
        (folder / sub).mkdir(exist_ok=True)
    save_volume(Volume(image, geometry, name), folder / "images" / f"{name}{image_ending}")
    names = {values[0]: "cell", values[1]: "bead"}
    save_segmentation(Segmentation.from_labels(labels, geometry, names), folder / "labels" / f"{name}{label_ending}")


@pytest.fixture
def data(tmp_path):
    for n in range(3):
        write(tmp_path, f"cell{n}", n, values=(1, 2) if n else (2, 1))
    return tmp_path


def arguments(folder, *more):
    return ["train", "--images", str(folder / "images"), "--labels", str(folder / "labels"), "--quiet", *TINY, *more]


def test_trains_a_model_from_folders(data, capsys):
    output, report = data / "m.acseg", data / "r.json"
    code = main(
        arguments(
            data, "-o", str(output), "--epochs", "2", "--json", str(report), "--licence", "CC0", "--note", "A test."
        )
    )
    assert code == 0
    model = load_model(output)
    assert sorted(s.name for s in model.segments) == ["bead", "cell"]
    assert model.card["licence"] == "CC0"
    assert model.card["note"] == "A test."
    assert model.spacing == pytest.approx((30, 30, 30))
    assert model.unit == "nm"
    assert {row["source"]["image"] for row in model.card["training"]} == {f"cell{n}.nrrd" for n in range(3)}
    results = json.loads(report.read_text())["results"]
    assert results["steps"] == 6
    assert results["plan"]["patch_size"] == [16, 16, 16]
    text = capsys.readouterr().out
    assert "Trained on 3 volumes for 6 steps" in text
    assert "patch 16 x 16 x 16," in text
    assert "Validation Dice" in text
    written = {p.name for p in data.iterdir()}
    assert written == {"images", "labels", "m.acseg", "m.acseg.csv", "m.acseg.png", "r.json"}


def test_what_a_user_should_know_is_told_before_the_training(tmp_path):
    """Hours later is too late to learn which labels an image has got, or that a voxel size is missing."""
    for n, name in enumerate(("x", "y")):
        write(tmp_path, name, n)
        (tmp_path / "labels" / f"{name}_seg.seg.nrrd").rename(tmp_path / "labels" / f"of {name}.seg.nrrd")
    volume = open_volume(tmp_path / "images" / "y.nrrd")
    save_volume(Volume(volume.array, Geometry(), "y"), tmp_path / "images" / "y.nrrd")
    labels = open_segmentation(tmp_path / "labels" / "of y.seg.nrrd")
    save_segmentation(replace(labels, geometry=Geometry()), tmp_path / "labels" / "of y.seg.nrrd")
    files = [[str(path) for path in sorted((tmp_path / sub).iterdir())] for sub in ("images", "labels")]
    told = []
    progress = Progress(lambda _, message: told.append(message), notes=lambda note: told.append(f"note: {note}"))
    options = command.Options(
        str(tmp_path / "m.acseg"),
        *files,
        epochs=1,
        steps_per_epoch=1,
        patch=[16, 16, 16],
        base_filters=4,
        levels=2,
        device="cpu",
    )
    with collect_notes() as notes:
        results = command.run(options, progress)
    first_step = next(n for n, text in enumerate(told) if text.startswith("training: step"))
    before = "\n".join(text for text in told[:first_step] if text.startswith("note: "))
    assert "note: images and labels were paired by their order" in before
    assert "note: 1 of 2 volumes tell no voxel size (y); all volumes are taken voxel by voxel" in before
    assert "note: 2 volumes only" in before
    checked = told.index("starting PyTorch")
    assert any("tell no voxel size" in text for text in told[:checked])
    assert any("paired by their order" in note for note in notes)
    assert sum("tell no voxel size" in warning for warning in results.warnings) == 1


def test_notes_that_cannot_wait_are_shown_once_and_not_where_it_is_quiet(capsys):
    for quiet in (False, True):
        display = _Display(quiet)
        progress = Progress(display, notes=display.note)
        progress.tell(["a", "b"])
        progress.part(0.5, 1).tell(["b", "a"])
        display.close()
    assert capsys.readouterr().err == "note: a\nnote: b\n"


def test_sigterm_keeps_the_state_and_resume_goes_on(data):
    output = data / "m.acseg"
    words = [*arguments(data, "-o", str(output), "--epochs", "400")]
    words.remove("--quiet")
    process = subprocess.Popen(
        [sys.executable, "-m", "ACSegLib", *words],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    for line in process.stderr:
        if "training: step" in line:
            process.terminate()
            break
    _, errors = process.communicate(timeout=240)
    assert process.returncode == 130, errors
    assert "--resume" in errors
    assert "m.acseg.checkpoint" in errors
    assert not output.exists()
    assert (data / "m.acseg.checkpoint").is_file()
    assert main(arguments(data, "-o", str(output), "--epochs", "1", "--resume")) == 0
    assert not (data / "m.acseg.checkpoint").exists()
    assert read_card(output).card["steps"] >= 1


def test_a_refinement_network_that_was_interrupted_costs_nothing_of_the_first(data, monkeypatch):
    output = data / "m.acseg"
    words = ["-o", str(output), "--epochs", "1", "--surface-refinement"]
    flag = CancelFlag()
    started = "training the refinement network: step"
    progress = Progress(lambda _, message: flag.set() if message.startswith(started) else None, flag)
    options = {"images": [str(data / "images")], "labels": [str(data / "labels")], "output": str(output)}
    small = {"epochs": 1, "steps_per_epoch": 3, "patch": [16, 16, 16], "base_filters": 4, "levels": 3, "device": "cpu"}
    with pytest.raises(Cancelled):
        command.run(from_mapping(command.Options, {**options, **small, "surface_refinement": True}), progress)
    first = load_model(output)
    assert first.spec.refinement is None
    monkeypatch.setattr(command, "MIN_REFINEMENT_MINUTES", 0.001)
    assert main(arguments(data, *words, "--resume")) == 0
    both = load_model(output)
    assert both.card["date"] == first.card["date"]
    assert both.card["surface"]["steps"] >= 1
    assert all(torch.equal(both.state_dict[f"first.{name}"], tensor) for name, tensor in first.state_dict.items())
    assert main(arguments(data, *words, "--resume")) == 2


def test_a_disk_that_is_full_in_the_end_does_not_cost_the_training(data, monkeypatch, capsys):
    output = data / "m.acseg"
    words = arguments(data, "-o", str(output), "--epochs", "1")

    def full(*_):
        raise FileError("cannot write m.acseg: no space; free some space.")

    with monkeypatch.context() as patch:
        patch.setattr(model_file, "save_model", full)
        assert main(words) == 2
    assert "m.acseg.checkpoint; add --resume to continue" in capsys.readouterr().err
    assert main([*words, "--resume"]) == 0
    assert read_card(output).card["steps"] == 3
    assert not (data / "m.acseg.checkpoint").exists()


def test_a_folder_is_not_replaced_by_the_model(data, capsys):
    (data / "models").mkdir()
    (data / "models" / "kept").touch()
    assert main(arguments(data, "-o", str(data / "models"), "--epochs", "1")) == 2
    assert "is a folder; name a file in it" in capsys.readouterr().err
    assert (data / "models" / "kept").exists()


def test_fine_tuning_a_model_file(data):
    first, second = data / "a.acseg", data / "b.acseg"
    assert main(arguments(data, "-o", str(first), "--epochs", "1")) == 0
    assert main(arguments(data, "-o", str(second), "--epochs", "1", "--init", str(first))) == 0
    assert read_card(second).card["initial_model"]["date"] == read_card(first).card["date"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: (d / "labels" / "cell1_seg.seg.nrrd").unlink(), "cell1.nrrd has no labels"),
        (lambda d: (d / "images" / "cell1.nrrd").unlink(), "has no image"),
        (lambda d: write(d, "cell1", 1, label_ending=".nrrd"), "several label files"),
        (lambda d: write(d, "cell9", 0), "are the same image"),
        (lambda d: (d / "images" / "cell1.nrrd").write_bytes(b"NRRD0004\n"), "cell1"),
        (lambda d: [p.unlink() for p in (d / "labels").iterdir()], "holds no image"),
    ],
)
def test_bad_data_is_one_clear_message(data, capsys, change, message):
    change(data)
    assert main(arguments(data, "-o", str(data / "m.acseg"), "--epochs", "1")) == 2
    assert message in capsys.readouterr().err
    assert {p.name for p in data.iterdir()} == {"images", "labels"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"images": ["x"]}, "--labels"),
        ({"table": "x", "images": ["y"]}, "not both"),
        ({}, "nothing to train on"),
        ({"images": ["x"], "labels": ["y"], "val_images": ["z"]}, "belong together"),
    ],
)
def test_bad_options(tmp_path, options, message):
    with pytest.raises(InputError, match=message):
        command.run(from_mapping(command.Options, {"output": str(tmp_path / "m"), **options}), Progress())


def test_names_are_paired():
    for name in (
        "T1.nii.gz",
        "t1_seg.seg.nrrd",
        "img_T1.mrc",
        "T1-labels.tif",
        "T1_0000.nii.gz",
        "labels_t1_filled.tif",
        "final.t1.tif",
    ):
        assert core_name(name) == "t1"
    assert core_name("T1.5.nrrd") == "t1.5"
    assert core_name("seg.nrrd") == "seg"


def test_lists_pair_by_order_when_the_names_say_nothing(tmp_path):
    files = [tmp_path / name for name in ("a.nrrd", "b.nrrd", "x.nrrd", "y.nrrd")]
    for file in files:
        file.touch()
    a, b, x, y = (str(f) for f in files)
    with collect_notes() as notes:
        assert [(p.image, p.labels) for p in find_pairs([a, b], [x, y])] == [(a, x), (b, y)]
    assert notes == [
        "images and labels were paired by their order, since their names differ: a.nrrd with x.nrrd, b.nrrd with "
        "y.nrrd."
    ]
    with pytest.raises(InputError, match="no labels"):
        find_pairs([a, b], [x])


@pytest.mark.parametrize("date", ["", "2024-05-01_"])
def test_lists_whose_order_contradicts_the_numbers_in_their_names_are_refused(tmp_path, date):
    """A shell sorts scan_10 before scan_2, but gt_02 before gt_10."""
    images = sorted(str(tmp_path / f"{date}scan_{n}.nrrd") for n in (1, 2, 10))
    labels = sorted(str(tmp_path / f"gt_{n:02d}.nrrd") for n in (1, 2, 10))
    for file in (*images, *labels):
        Path(file).touch()
    with pytest.raises(InputError, match=r"scan_10.nrrd comes with \S*gt_02.nrrd, and \S*gt_10.nrrd has its number"):
        find_pairs(images, labels)
    with collect_notes():
        pairs = find_pairs(sorted(images, key=len), labels)
    assert [(p.image[-7:-5], p.labels[-7:-5]) for p in pairs] == [("_1", "01"), ("_2", "02"), ("10", "10")]


def test_images_of_one_name_in_several_folders_are_told_apart(tmp_path):
    for cell in ("a", "b"):
        (tmp_path / cell).mkdir()
        for name in ("image.nrrd", "labels.nrrd"):
            (tmp_path / cell / name).touch()
    table = tmp_path / "t.csv"
    table.write_text("image,labels\na/image.nrrd,a/labels.nrrd\nb/image.nrrd,b/labels.nrrd\n")
    expected = [(tmp_path / cell / "image").as_posix() for cell in ("a", "b")]
    assert [pair.name for pair in read_table(table)[0]] == expected
    images, labels = ([str(tmp_path / cell / name) for cell in ("a", "b")] for name in ("image.nrrd", "labels.nrrd"))
    with collect_notes():
        assert [pair.name for pair in find_pairs(images, labels)] == expected


def test_table(tmp_path):
    for name in ("a.nrrd", "b.nrrd", "la.nrrd", "lb.nrrd"):
        (tmp_path / name).touch()
    table = tmp_path / "t.csv"
    table.write_text("Image;Labels;Set\na.nrrd;la.nrrd;train\nb.nrrd;lb.nrrd;validation\n")
    training, validation = read_table(table)
    assert [(p.name, p.labels) for p in training] == [("a", str(tmp_path / "la.nrrd"))]
    assert [p.name for p in validation] == ["b"]
    table.write_text("image\tlabels\na.nrrd\tla.nrrd\n")
    assert [(p.image, p.labels) for p in read_table(table)[0]] == [
        (str(tmp_path / "a.nrrd"), str(tmp_path / "la.nrrd"))
    ]
    table.write_text("image,labels,set\na.nrrd,la.nrrd,test\nc.nrrd,lb.nrrd,\n")
    with pytest.raises(InputError, match=r"line 2: set is 'test'[^\n]*\n  - line 3: .*c\.nrrd does not exist"):
        read_table(table)
    table.write_text("image,mask\n")
    with pytest.raises(InputError, match="image, mask; it needs"):
        read_table(table)
    with pytest.raises(FileError, match="cannot be read"):
        read_table(tmp_path / "none.csv")
