"""Labels of a few slices that are measured as if they were filled."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import ACSegLib as acseg
from ACSegLib.commands.main import main
from ACSegLib.files import save_segmentation
from ACSegLib.unfilled_labels import unfilled_notes
from ACSegLib.volume import Geometry, Segmentation

SHAPE = (48, 30, 32)


def ball(centre: tuple[int, int, int], radius: float) -> np.ndarray:
    offsets = [index - middle for index, middle in zip(np.indices(SHAPE), centre, strict=True)]
    return sum(offset**2 for offset in offsets) < radius**2


def on_slices(mask: np.ndarray, axis: int, step: int) -> np.ndarray:
    kept, chosen = np.zeros_like(mask), [slice(None)] * 3
    chosen[axis] = slice(2, None, step)
    kept[tuple(chosen)] = mask[tuple(chosen)]
    return kept


def notes(mask: np.ndarray) -> list[str]:
    return unfilled_notes(Segmentation.from_labels(mask.astype(np.uint8), Geometry(), name="cell"))


@pytest.mark.parametrize(("axis", "name"), [(0, "z (k)"), (1, "y (j)"), (2, "x (i)")])
def test_slices_with_nothing_between_are_told(axis: int, name: str) -> None:
    (note,) = notes(on_slices(ball((24, 15, 16), 13), axis, 5))
    assert note.startswith("cell: the labels lie on ")
    assert f"slices along {name} only" in note


@pytest.mark.parametrize(
    "mask",
    [
        ball((24, 15, 16), 13),
        ball((8, 15, 16), 5) | ball((40, 15, 16), 5),  # far apart, with no slice between
        on_slices(ball((2, 15, 16), 13), 0, 60),  # a single slice may be all that there is
        np.zeros(SHAPE, bool),
    ],
    ids=["a cell", "two cells", "one slice", "nothing"],
)
def test_a_whole_segmentation_has_no_note(mask: np.ndarray) -> None:
    assert notes(mask) == []


def test_measure_mesh_split_and_python_tell(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    labels = on_slices(ball((24, 15, 16), 13), 0, 5).astype(np.uint8)
    path = tmp_path / "cell.seg.nrrd"
    save_segmentation(Segmentation.from_labels(labels, Geometry((30,) * 3, unit="nm")), path)
    for command, output in (("measure", "t.csv"), ("mesh", "m.stl"), ("split", "s.seg.nrrd")):
        assert main([command, str(path), "-o", str(tmp_path / output), "--quiet"]) == 0
        assert "cell: the labels lie on 5 slices along z (k) only" in capsys.readouterr().out, command
    with pytest.warns(UserWarning, match="the labels lie on 5 slices"):
        acseg.measure(labels)


def test_a_comparison_tells_which_side_is_not_filled(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = ball((24, 15, 16), 13).astype(np.uint8)
    sparse = on_slices(whole > 0, 0, 5).astype(np.uint8)
    for name, labels in (("whole", whole), ("sparse", sparse)):
        segmentation = Segmentation.from_labels(labels, Geometry((30,) * 3, unit="nm"))
        save_segmentation(segmentation, tmp_path / f"{name}.seg.nrrd")

    def told(*words: str) -> str:
        assert main(["compare", *(str(tmp_path / f"{n}.seg.nrrd") for n in words[:2]), *words[2:], "--quiet"]) == 0
        return capsys.readouterr().out

    assert "the labels of the result lie on 5 slices along z (k) only" in told("sparse", "whole")
    assert "the labels of the reference lie on 5 slices along z (k) only" in told("whole", "sparse")
    for words in (["sparse", "sparse"], ["whole", "whole"], ["sparse", "whole", "--slice", "z22"]):
        assert "lie on" not in told(*words), words
    with pytest.warns(UserWarning, match="the labels of the result lie on 5 slices"):
        acseg.compare(sparse, whole)
