"""``acseg correct`` as a person runs it: files in, files out, one sentence when it cannot be done."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fulldisk import fill_disk_at

from ACSegLib import Geometry, Segmentation, Volume
from ACSegLib.commands.main import main
from ACSegLib.files import open_segmentation, open_volume, save_segmentation, save_volume

GEOMETRY = Geometry((30.0, 30.0, 30.0), (1.0, 2.0, 3.0), unit="nm")


def ball(radius: float) -> np.ndarray:
    k, j, i = np.indices((24, 26, 28)) - np.array([12, 13, 14])[:, None, None, None]
    return k * k + j * j + i * i < radius * radius


def save(labels: np.ndarray, path: Path, names: dict[int, str] | None = None) -> None:
    save_segmentation(Segmentation.from_labels(labels.astype(np.uint8), GEOMETRY, names or {1: "cell"}), path)


@pytest.fixture
def case(tmp_path: Path) -> Path:
    """A folder with an image of a ball, a segmentation that is 2 voxels too small, and one with a slice drawn right."""
    truth, predicted = ball(9), ball(7)
    image = truth + np.random.default_rng(0).normal(0, 0.1, truth.shape)
    corrected = predicted.copy()
    corrected[12] = truth[12]
    save_volume(Volume(image.astype(np.float32), GEOMETRY), tmp_path / "image.nrrd")
    save(predicted, tmp_path / "before.seg.nrrd")
    save(corrected, tmp_path / "after.seg.nrrd")
    return tmp_path


def run(case: Path, *more: str, before: str = "before.seg.nrrd", after: str = "after.seg.nrrd") -> int:
    files = [str(case / name) for name in ("image.nrrd", before, after)]
    return main(["correct", *files, "-o", str(case / "out.seg.nrrd"), "--quiet", *more])


def test_a_disk_that_is_full_before_the_last_output_leaves_all_as_it_was(
    case: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = sorted(case.iterdir())
    fill_disk_at(case / "u.nrrd", monkeypatch)
    assert run(case, "--uncertainty", str(case / "u.nrrd")) == 2
    assert sorted(case.iterdir()) == before


def test_files_in_files_out(case: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(case, "--uncertainty", str(case / "u.nrrd"), "--json", str(case / "r.json")) == 0
    result = open_segmentation(case / "out.seg.nrrd")
    assert [s.name for s in result.segments] == ["cell"]
    assert result.geometry.matches(GEOMETRY)
    truth, found = ball(9), np.zeros(ball(9).shape, bool)
    found |= result.labels > 0
    assert 2 * np.count_nonzero(found & truth) / (np.count_nonzero(found) + np.count_nonzero(truth)) > 0.97
    assert np.array_equal(found[12], truth[12])
    assert open_volume(case / "u.nrrd").array.max() > 0
    report = json.loads((case / "r.json").read_text())["results"]
    assert report["slices"] == {"k": [12]}
    assert report["corrected_voxels"] > 1000
    text = capsys.readouterr().out
    assert "decided the slices z (k) = 12" in text
    assert "corrected" in text


def test_named_slices_are_decided(case: Path) -> None:
    assert run(case, "--slices", "z:12,16", "--json", str(case / "r.json")) == 0
    assert json.loads((case / "r.json").read_text())["results"]["slices"] == {"k": [12, 16]}
    assert np.array_equal(open_segmentation(case / "out.seg.nrrd").labels[16] > 0, ball(7)[16])


def labels_of(case: Path, *slices: int) -> str:
    """Sparse labels of a person who drew the small ball on some slices."""
    sparse = np.zeros_like(ball(7))
    sparse[list(slices)] = ball(7)[list(slices)]
    save(sparse, case / "sparse.seg.nrrd")
    return str(case / "sparse.seg.nrrd")


def test_slices_of_the_sparse_labels_stay(case: Path) -> None:
    assert run(case) == 0
    free = open_segmentation(case / "out.seg.nrrd").labels > 0
    assert run(case, "--sparse", labels_of(case, 8, 14, 16)) == 0
    kept = open_segmentation(case / "out.seg.nrrd").labels > 0
    for number in (14, 16):
        assert not np.array_equal(free[number], ball(7)[number]), "the correction reaches this slice"
        assert np.array_equal(kept[number], ball(7)[number])
    assert np.count_nonzero(kept[13]) > np.count_nonzero(ball(7)[13]), "slices between are corrected"
    assert np.array_equal(kept[12], ball(9)[12]), "what the person drew stays"


def filled_from(case: Path, *slices: int) -> None:
    output = str(case / "before.seg.nrrd")
    assert main(["fill", str(case / "image.nrrd"), labels_of(case, *slices), "-o", output, "--quiet"]) == 0
    labels = open_segmentation(case / "before.seg.nrrd").labels.copy()
    labels[12] = ball(9)[12]
    save(labels, case / "after.seg.nrrd")


def kept(case: Path, capsys: pytest.CaptureFixture[str]) -> tuple[np.ndarray, list[str]]:
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("kept")]
    return open_segmentation(case / "out.seg.nrrd").labels > 0, lines


def test_the_labelled_slices_of_a_fill_stay(case: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without the labels that it was filled from; and in a correction of the result, which no longer is a fill."""
    filled_from(case, 8, 14, 16)
    assert run(case) == 0
    found, lines = kept(case, capsys)
    assert lines == ["kept as they were labelled or decided before: 3 slices along z (k)"]
    assert np.array_equal(found[[8, 14, 16]], ball(7)[[8, 14, 16]])
    assert np.count_nonzero(found[13]) > np.count_nonzero(ball(7)[13]), "slices between are corrected"
    later = found.copy()
    later[10] = ball(6)[10]
    save(later, case / "after.seg.nrrd")
    (case / "out.seg.nrrd").rename(case / "result.seg.nrrd")
    assert run(case, before="result.seg.nrrd") == 0
    again, lines = kept(case, capsys)
    assert lines == ["kept as they were labelled or decided before: 4 slices along z (k)"]
    assert np.array_equal(again[[8, 10, 12, 14, 16]], later[[8, 10, 12, 14, 16]])
    assert not np.array_equal(again[11], found[11]), "slices beside it are corrected"


def test_sparse_labels_overrule_what_a_fill_knows(case: Path, capsys: pytest.CaptureFixture[str]) -> None:
    filled_from(case, 8, 14, 16)
    assert run(case, "--sparse", labels_of(case, 16)) == 0
    found, lines = kept(case, capsys)
    assert lines == ["kept as they were labelled or decided before: 1 slice along z (k)"]
    assert np.array_equal(found[16], ball(7)[16])
    assert not np.array_equal(found[14], ball(7)[14])


def test_files_that_slicer_cropped_to_their_labels_are_placed(case: Path) -> None:
    assert run(case, "--sparse", labels_of(case, 8, 14, 16)) == 0
    whole = open_segmentation(case / "out.seg.nrrd").labels
    for name in ("before", "sparse"):
        labels = open_segmentation(case / f"{name}.seg.nrrd")
        box = tuple(slice(int(n.min()), int(n.max()) + 1) for n in np.nonzero(labels.labels))
        step = np.diag(GEOMETRY.spacing) @ [side.start for side in reversed(box)]
        placed = replace(GEOMETRY, origin=tuple(np.asarray(GEOMETRY.origin) + step))
        save_segmentation(
            Segmentation.from_labels(labels.labels[box], placed, {1: "cell"}), case / f"{name}-cut.seg.nrrd"
        )
    sparse = str(case / "sparse-cut.seg.nrrd")
    (case / "out.seg.nrrd").unlink()
    assert run(case, "--sparse", sparse, before="before-cut.seg.nrrd") == 0
    assert np.array_equal(open_segmentation(case / "out.seg.nrrd").labels, whole)


@pytest.mark.parametrize(("name", "message"), [("empty", "no voxel is labelled"), ("before", "nearly the whole")])
def test_other_labels_than_sparse_ones_are_one_sentence(
    case: Path, capsys: pytest.CaptureFixture[str], name: str, message: str
) -> None:
    save(np.zeros_like(ball(7)), case / "empty.seg.nrrd")
    assert run(case, "--sparse", str(case / f"{name}.seg.nrrd")) == 2
    error = capsys.readouterr().err
    assert message in error
    assert f"{name}.seg.nrrd" in error
    assert not (case / "out.seg.nrrd").exists()


def test_probabilities_are_read(case: Path) -> None:
    distance = 9 - np.sqrt(sum(n**2 for n in np.indices((24, 26, 28)) - np.array([12, 13, 14])[:, None, None, None]))
    save_volume(Volume((1 / (1 + np.exp(-distance))).astype(np.float32), GEOMETRY), case / "p.nrrd")
    assert run(case, "--probabilities", str(case / "p.nrrd")) == 0
    assert (open_segmentation(case / "out.seg.nrrd").labels > 0).sum() > 0.95 * ball(9).sum()


def test_probabilities_with_another_voxel_size_are_one_sentence(case: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_volume(Volume(ball(9).astype(np.float32), replace(GEOMETRY, spacing=(30.0, 30.0, 60.0))), case / "p.nrrd")
    assert run(case, "--probabilities", str(case / "p.nrrd")) == 2
    assert "'p', given as the probabilities of 'cell'" in capsys.readouterr().err
    assert not (case / "out.seg.nrrd").exists()


def test_probabilities_of_two_segments_of_one_name_are_those_that_a_fill_wrote(case: Path) -> None:
    halves = [ball(9) & side for side in (np.indices(ball(9).shape)[2] < 14, np.indices(ball(9).shape)[2] >= 14)]
    sparse = np.zeros(ball(9).shape, np.uint8)
    for value, half in enumerate(halves, start=1):
        sparse[6:20:3][half[6:20:3]] = value
    save(sparse, case / "sparse.seg.nrrd", {1: "cell", 2: "cell"})
    words = ["-o", str(case / "filled.seg.nrrd"), "--probabilities", str(case / "p.nrrd"), "--quiet"]
    assert main(["fill", str(case / "image.nrrd"), str(case / "sparse.seg.nrrd"), *words]) == 0
    filled = open_segmentation(case / "filled.seg.nrrd")
    filled.labels[10] = np.where(ball(11)[10], 1, 0)
    save_volume(Volume(filled.labels, GEOMETRY), case / "drawn.mha")  # by a program that keeps no names
    save_segmentation(filled, case / "drawn.seg.nrrd")
    for drawn in ("drawn.seg.nrrd", "drawn.mha"):
        assert run(case, "--probabilities", str(case / "p.nrrd"), before="filled.seg.nrrd", after=drawn) == 0
        assert [s.name for s in open_segmentation(case / "out.seg.nrrd").segments] == ["cell", "cell"]


@pytest.mark.parametrize("flag", ["-o", "--uncertainty"])
def test_probabilities_of_one_of_several_segments_are_not_replaced(
    case: Path, capsys: pytest.CaptureFixture[str], flag: str
) -> None:
    halves = np.where(np.indices(ball(9).shape)[2] < 14, 1, 2)
    for name, radius in (("before", 7), ("after", 9)):
        save(halves * ball(radius), case / f"{name}.seg.nrrd", {1: "left", 2: "right"})
    for name, n in (("left", 1), ("right", 2)):
        save_volume(Volume((ball(9) & (halves == n)).astype(np.float32), GEOMETRY), case / f"p-{name}.nrrd")
    written = (case / "p-right.nrrd").read_bytes()
    assert run(case, "--probabilities", str(case / "p.nrrd"), flag, str(case / "p-right.nrrd")) == 2
    assert "p-right.nrrd is an input of this step" in capsys.readouterr().err
    assert (case / "p-right.nrrd").read_bytes() == written


def test_missing_probabilities_of_a_cell_are_told(case: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_volume(Volume(ball(9).astype(np.float32), GEOMETRY), case / "p.nrrd")
    halves = np.where(np.indices(ball(9).shape)[2] < 14, 1, 2) * ball(9)
    save(halves.astype(np.uint8), case / "cells.seg.nrrd", {1: "cell 1", 2: "cell 2"})
    assert run(case, "--probabilities", str(case / "p.nrrd"), before="cells.seg.nrrd", after="cells.seg.nrrd") == 2
    error = capsys.readouterr().err
    assert "p-cell_1.nrrd: there is no such file of the probabilities of 'cell 1'" in error
    assert "correct them without --probabilities" in error


def test_the_same_file_twice_is_one_sentence(case: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(case, after="before.seg.nrrd") == 2
    assert "does not differ from the segmentation" in capsys.readouterr().err
    assert not (case / "out.seg.nrrd").exists()


def test_a_fill_of_a_corrected_prediction_points_to_correct(case: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = [str(case / "image.nrrd"), str(case / "after.seg.nrrd")]
    assert main(["fill", *files, "-o", str(case / "out.seg.nrrd"), "--quiet"]) == 2
    assert "acseg correct" in capsys.readouterr().err
    assert not (case / "out.seg.nrrd").exists()
