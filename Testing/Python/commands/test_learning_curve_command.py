"""acseg learning-curve: the paper's fit from its table, runs that are kept, and what to label next."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from ACSegLib.commands import learning_curve
from ACSegLib.commands.main import main
from ACSegLib.errors import FileError, InputError
from ACSegLib.files import open_segmentation, save_segmentation, save_volume
from ACSegLib.files.tables import read_table, write_table
from ACSegLib.jobs import Progress
from ACSegLib.measure.overlap import overlap_counts, overlap_scores
from ACSegLib.volume import Geometry, Segmentation, Volume

NM = Geometry((100.0, 100.0, 100.0), unit="nm")
# Erozan et al., iScience 27 (2024) 109856, Table 1, hand labels.
TABLE_1 = zip([5, 10, 20, 30, 43], [86.81, 87.69, 90.93, 92.61, 93.87], [30.90, 17.48, 12.72, 10.37, 7.37], strict=True)


def test_the_papers_answer_from_its_table(tmp_path, capsys):
    rows = [{"labels": "hand", "volumes": n, "dice": d / 100, "dice_sd": s / 100} for n, d, s in TABLE_1]
    write_table(rows, tmp_path / "table1.csv")
    output = tmp_path / "study"
    assert main(["learning-curve", "-o", str(output), "--scores", str(tmp_path / "table1.csv"), "--quiet"]) == 0
    out = capsys.readouterr().out
    assert "98 % at 96 volumes" in out
    assert "53 more" in out
    assert len(read_table(output / "summary.csv")) == 5


def test_a_table_without_the_columns_is_named(tmp_path, capsys):
    write_table([{"cells": 5, "dice": 0.8}], tmp_path / "scores.csv")
    assert main(["learning-curve", "-o", str(tmp_path), "--scores", str(tmp_path / "scores.csv"), "--quiet"]) == 2
    assert "scores.csv has no column 'volumes'; give a table with" in capsys.readouterr().err


def test_percentages_are_refused_with_the_way_out(tmp_path, capsys):
    write_table([{"volumes": n, "dice": d} for n, d in ((5, 86.8), (10, 0.9))], tmp_path / "scores.csv")
    assert main(["learning-curve", "-o", str(tmp_path), "--scores", str(tmp_path / "scores.csv"), "--quiet"]) == 2
    assert "has the Dice 86.8; divide percentages by 100" in capsys.readouterr().err


def write_study(folder, count, seed=0, blur=0.0):
    from scipy import ndimage

    for name in ("images", "labels"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    k, j, i = np.indices((24, 24, 24)) - 11.5
    for n in range(count):
        rng = np.random.default_rng(seed + n)
        truth = k * k + j * j + i * i <= rng.uniform(5, 8) ** 2
        image = ndimage.gaussian_filter(truth + rng.normal(0, 0.3, truth.shape), blur)
        save_volume(Volume(image.astype(np.float32), NM), folder / "images" / f"c{n}.nrrd")
        labels = Segmentation.from_labels(truth.astype(np.uint8), NM, {1: "cytoplasm"})
        save_segmentation(labels, folder / "labels" / f"c{n}.seg.nrrd")
    return folder


@pytest.fixture
def study(tmp_path):
    write_study(tmp_path / "train", 4)
    write_study(tmp_path / "test", 2, seed=50)
    return tmp_path


def options(study, **changes):
    return learning_curve.Options(
        output=str(study / "out"),
        images=str(study / "train/images"),
        labels=[f"hand={study / 'train/labels'}"],
        test_images=str(study / "test/images"),
        test_labels=str(study / "test/labels"),
        **changes,
    )


def dice_of_the_number(item, work, progress):
    """Work that scores two segments by the number of volumes, and leaves a mark."""
    with open(f"{work.output}/marks", "a") as stream:
        stream.write(item.name + "\n")
    kind, count = item.values["labels"], int(item.values["count"])
    dice = 1 - 0.3 * np.exp(-0.1 * count)
    names = [role.removeprefix("test image ") for role in item.files if role.startswith("test image ")]
    row = {"labels": kind, "volumes": count, "model": item.name}
    return [
        {**row, "volume_name": name, "dice": dice + more, "segment": segment}
        for name in names
        for segment, more in (("cytoplasm", -0.01), ("bead", 0.01))
    ]


def test_runs_are_kept_and_more_can_be_added(study, monkeypatch):
    monkeypatch.setattr(learning_curve, "one_run", dice_of_the_number)
    results = learning_curve.run(options(study, counts=[1, 2]), Progress())
    assert [r["volumes"] for r in results.summary] == [1, 2]
    assert len(read_table(study / "out/learning_curve.csv")) == 4
    results = learning_curve.run(options(study, counts=[1, 2, 4], repeats=2), Progress())
    marks = (study / "out/marks").read_text().split()
    assert marks == ["hand-001-0", "hand-002-0", "hand-001-1", "hand-002-1", "hand-004-0", "hand-004-1"]
    assert results.fits["hand"].a == pytest.approx(0.1, rel=1e-4)
    assert results.fits["hand"].volumes == pytest.approx(np.log(0.3 / 0.02) / 0.1, rel=1e-4)


def touch_later(path):
    """Write a file again, so that its time is another one."""
    before = path.stat()
    path.write_bytes(path.read_bytes())
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 10**9))


def test_runs_whose_files_changed_are_done_again_and_no_others(study, monkeypatch):
    monkeypatch.setattr(learning_curve, "one_run", dice_of_the_number)
    monkeypatch.chdir(study)

    def done(**changes):
        before = (study / "out/marks").read_text().split() if (study / "out/marks").exists() else []
        results = learning_curve.run(options(study, counts=[2, 4], **changes), Progress())
        return (study / "out/marks").read_text().split()[len(before) :], results.summary[0]["dice"]

    every, mean = done()
    assert every == ["hand-002-0", "hand-004-0"]
    # Another segment to score, another device, and a folder named as the labels are: nothing of it trains anything.
    (study / "hand").mkdir()
    assert done(segment="cytoplasm", device="cpu") == ([], pytest.approx(mean - 0.01))
    outside = (
        {f"c{n}" for n in range(4)} - {Path(r["image"]).stem for r in read_table("out/runs/hand-002-0.csv")}
    ).pop()
    touch_later(study / f"train/labels/{outside}.seg.nrrd")
    assert done()[0] == ["hand-004-0"]
    for changed in ("test/labels/c1.seg.nrrd", "test/images/c0.nrrd"):
        touch_later(study / changed)
        assert done()[0] == every


def test_what_cannot_be_scored_is_told_before_any_training(study, monkeypatch):
    monkeypatch.setattr(learning_curve, "one_run", dice_of_the_number)
    with pytest.raises(InputError, match="no test volume has a segment named 'nucleus' to score; there are: cytoplasm"):
        learning_curve.run(options(study, counts=[1], segment="nucleus"), Progress())
    truth = open_segmentation(study / "test/labels/c1.seg.nrrd")
    coarse = Geometry((200.0, 200.0, 200.0), unit="nm")
    halved = Segmentation.from_labels(truth.labels[::2, ::2, ::2].copy(), coarse, {1: "cytoplasm"})
    save_segmentation(halved, study / "test/labels/c1.seg.nrrd")
    with pytest.raises(InputError, match="--resample"):
        learning_curve.run(options(study, counts=[1]), Progress())
    assert not (study / "out/marks").exists()
    learning_curve.run(options(study, counts=[1], resample=True), Progress())


def test_subsets_are_nested_and_the_same_for_each_kind(study, monkeypatch):
    monkeypatch.setattr(learning_curve, "one_run", dice_of_the_number)
    chosen = options(study, counts=[1, 3])
    chosen.labels = [f"hand={study / 'train/labels'}", f"filled={study / 'train/labels'}"]
    learning_curve.run(chosen, Progress())
    names = {}
    for table in (study / "out/runs").glob("*.csv"):
        names[table.stem] = {row["image"] for row in read_table(table)}
    assert names["hand-001-0"] < names["hand-003-0"]
    assert names["hand-003-0"] == names["filled-003-0"]


def test_a_real_run_trains_tests_and_suggests(study, monkeypatch):
    pytest.importorskip("torch", reason="training needs torch")
    done, one_run = [], learning_curve.one_run
    monkeypatch.setattr(learning_curve, "one_run", lambda item, *rest: done.append(item.name) or one_run(item, *rest))
    write_study(study / "new", 2, seed=90)
    write_study(study / "odd", 1, seed=95, blur=2.0)
    (study / "odd/images/c0.nrrd").rename(study / "new/images/odd.nrrd")
    chosen = options(study, counts=[2], minutes=0.05, unlabelled=str(study / "new/images"))
    results = learning_curve.run(chosen, Progress())
    rows = read_table(study / "out/learning_curve.csv")
    assert [r["volume_name"] for r in rows] == ["c0", "c1"]
    assert all(0 <= r["dice"] <= 1 for r in rows)
    assert "two different numbers" in results.fits["hand"].error
    assert results.suggestions[0]["image"].endswith("odd.nrrd")
    model = study / "out/models/hand-002-0.acseg"
    trained = model.stat().st_mtime_ns
    save_segmentation(open_segmentation(study / "test/labels/c0.seg.nrrd"), study / "test/labels/c1.seg.nrrd")
    learning_curve.run(options(study, counts=[2], minutes=0.05), Progress())
    assert done == ["hand-002-0"] * 2, "it was tested again"
    assert model.stat().st_mtime_ns == trained, "it was not trained again"


def test_a_simulated_study_has_both_kinds_of_labels_and_a_truth(tmp_path, monkeypatch):
    monkeypatch.setattr(learning_curve, "one_run", dice_of_the_number)
    chosen = learning_curve.Options(
        output=str(tmp_path / "out"), simulate=2, simulate_test=1, size=32, every=6, shake=0.5, counts=[1, 2]
    )
    results = learning_curve.run(chosen, Progress())
    runs = {(r["labels"], r["volumes"]) for r in results.summary}
    assert runs == {(kind, count) for kind in ("filled", "hand") for count in (1, 2)}
    folder = tmp_path / "out/simulated"
    filled, hand = (open_segmentation(folder / name / "cell000.seg.nrrd") for name in ("filled", "hand"))
    dice = overlap_scores(*overlap_counts(filled.labels == 1, hand.labels == 1))["dice"]
    assert 0.8 < dice < 1
    assert open_segmentation(folder / "test_truth/cell000.seg.nrrd").shape == (32, 32, 32)
    before = (folder / "images/cell001.nrrd").stat().st_mtime_ns
    chosen.simulate = 3
    learning_curve.run(chosen, Progress())
    assert (folder / "images/cell001.nrrd").stat().st_mtime_ns == before
    assert (folder / "images/cell002.nrrd").exists()
    chosen.shake = 2.0
    with pytest.raises(FileError, match="another simulation"):
        learning_curve.run(chosen, Progress())


def test_bad_designs_say_why(study):
    with pytest.raises(InputError, match="--counts asks for 9"):
        learning_curve.run(options(study, counts=[9]), Progress())
    chosen = options(study, counts=[1])
    chosen.test_images, chosen.test_labels = chosen.images, str(study / "train/labels")
    with pytest.raises(InputError, match="both a training image and a test image"):
        learning_curve.run(chosen, Progress())
    with pytest.raises(InputError, match="--simulate"):
        learning_curve.run(learning_curve.Options(output=str(study / "out")), Progress())
    assert not (study / "out").exists()
