"""acseg phantom: what it writes, and that it writes whole tomograms or nothing."""

import json

import numpy as np
import pytest

from ACSegLib.commands import load
from ACSegLib.commands.main import main
from ACSegLib.commands.options import from_mapping
from ACSegLib.errors import Cancelled, FileError
from ACSegLib.files import open_segmentation, open_volume, save_volume
from ACSegLib.jobs import Progress
from ACSegLib.phantom import label_slices, simulate, vary_packed

command = load("phantom")


def run(progress=None, **values):
    return command.run(from_mapping(command.Options, values), progress or Progress())


def files_in(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_files_hold_what_was_simulated(tmp_path):
    out = tmp_path / "new" / "phantoms"
    results = run(output=str(out), size=[40, 32, 24], seed=3, every=8, kind="beta-cell", beads=1)
    name = "beta-cell-3"
    assert files_in(out) == sorted(
        [f"images/{name}.nrrd", f"recipes/{name}.json"]
        + [f"{folder}/{name}.seg.nrrd" for folder in ("truth", "sparse", "parts")]
    )
    expected = simulate((24, 32, 40), 3, "beta-cell", beads=1)
    volume = open_volume(out / "images" / f"{name}.nrrd")
    np.testing.assert_array_equal(volume.array, expected.volume.array)
    assert volume.geometry.matches(expected.volume.geometry)
    assert volume.geometry.unit == "nm"
    truth = open_segmentation(out / "truth" / f"{name}.seg.nrrd")
    np.testing.assert_array_equal(truth.labels, expected.truth.labels)
    assert [segment.name for segment in truth.segments] == ["cytoplasm", "bead"]
    sparse = open_segmentation(out / "sparse" / f"{name}.seg.nrrd")
    np.testing.assert_array_equal(sparse.labels, label_slices(expected.truth, 8)[0].labels)
    parts = open_segmentation(out / "parts" / f"{name}.seg.nrrd")
    np.testing.assert_array_equal(parts.mask("filopodia"), expected.mask("filopodia"))
    recipe = json.loads((out / "recipes" / f"{name}.json").read_text())
    assert recipe["recipe"]["kind"] == "beta-cell"
    assert recipe["labelled_slices"] == {"k": [4, 12, 20]}
    assert results.tomograms[0].voxels["cytoplasm"] == int(expected.truth.mask(1).sum())
    assert name in command.describe(results)


def test_count_takes_the_next_seeds_and_vary_varies(tmp_path):
    run(output=str(tmp_path / "a"), size=[20], count=3, seed=5)
    assert [p.stem for p in sorted((tmp_path / "a" / "recipes").iterdir())] == ["t-cell-5", "t-cell-6", "t-cell-7"]
    run(output=str(tmp_path / "b"), size=[20], count=4, vary=True, photons=1234.0)
    recipes = [json.loads(p.read_text())["recipe"] for p in (tmp_path / "b" / "recipes").iterdir()]
    assert len({recipe["medium"] for recipe in recipes}) == 4
    assert {recipe["photons"] for recipe in recipes} == {1234.0}


def test_a_shaky_hand_draws_otherwise_than_the_truth(tmp_path):
    run(output=str(tmp_path), size=[32], shake=1.5)
    truth, sparse = (open_segmentation(tmp_path / f / "t-cell-0.seg.nrrd").labels for f in ("truth", "sparse"))
    assert np.any(truth[10] != sparse[10])


def test_a_cancel_leaves_whole_tomograms_only(tmp_path):
    calls = []

    def cancelled():
        calls.append(1)
        return any((tmp_path / "out" / "truth").glob(".*t-cell-1.seg.nrrd"))  # the second one is half written

    with pytest.raises(Cancelled):
        run(Progress(cancelled=cancelled), output=str(tmp_path / "out"), size=[20], count=3)
    assert {path.split("/")[1].split(".")[0] for path in files_in(tmp_path / "out")} == {"t-cell-0"}
    assert len(files_in(tmp_path / "out")) == 5


def test_an_early_cancel_leaves_not_even_a_folder(tmp_path):
    with pytest.raises(Cancelled):
        run(Progress(cancelled=lambda: True), output=str(tmp_path / "a" / "b"), size=[20])
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_way_is_named(tmp_path):
    (tmp_path / "taken").write_text("x")
    with pytest.raises(FileError, match="taken is a file"):
        run(output=str(tmp_path / "taken"), size=[20])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--size", "24", "24"], "--size takes one number or three"),
        (["--size", "0"], "--size 0 is out of range"),
        (["--every", "0"], "--every 0 is out of range"),
        (["--shake", "-1"], "--shake"),
        (["--missing-wedge", "180"], "--missing-wedge"),
        (["--kind", "cat"], "invalid choice"),
    ],
)
def test_bad_values_end_with_2_and_write_nothing(tmp_path, capsys, arguments, words):
    assert main(["phantom", "-o", str(tmp_path / "out"), *arguments]) == 2
    assert words in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_packed_cells_are_written_with_one_label_each(tmp_path):
    run(output=str(tmp_path), size=[32], seed=4, packed=True, capillary_axis="j")
    (recipe,) = (json.loads(path.read_text())["recipe"] for path in (tmp_path / "recipes").iterdir())
    assert recipe["packing"] >= 1
    assert recipe["axis"] == "j"
    (cells,) = (open_segmentation(path) for path in (tmp_path / "cells").iterdir())
    (truth,) = (open_segmentation(path) for path in (tmp_path / "truth").iterdir())
    np.testing.assert_array_equal(cells.labels > 0, truth.mask("cytoplasm"))
    assert all(segment.name.startswith("cell ") for segment in cells.segments)


def test_tomograms_like_another_have_its_axis_and_bore(tmp_path):
    recipe = vary_packed(
        5, packing=3, column=False, holder="capillary", wall=True, capillary=0.4, axis="j", filling=0.6, beads=0
    )
    made = simulate(64, 5, recipe=recipe, glass=0.9, medium=0.13, cytoplasm=0.3, nucleus=0.3, texture=0.01)
    save_volume(made.volume, tmp_path / "real.nrrd")
    results = run(output=str(tmp_path / "twins"), size=[32], count=2, like=str(tmp_path / "real.nrrd"))
    assert results.like["axis"] == "j"
    assert results.like["capillary"] == pytest.approx(0.4, rel=0.1)
    recipes = [json.loads(path.read_text())["recipe"] for path in (tmp_path / "twins" / "recipes").iterdir()]
    assert [recipe["axis"] for recipe in recipes] == ["j", "j"]
    assert len(list((tmp_path / "twins" / "cells").iterdir())) == 2
    assert "capillary along j" in command.describe(results)
