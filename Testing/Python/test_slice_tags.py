"""The labelled slices of a segmentation travel with it, in every format, and count while its labels are the same."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ACSegLib import Geometry, Segmentation
from ACSegLib.files import open_segmentation, save_segmentation
from ACSegLib.slice_tags import SLICES_TAG, counted, stored_slices, with_labelled_slices

SLICES = {"k": [0, 3, 9], "i": [4]}
GEOMETRY = Geometry((30.0, 30.0, 30.0), (1.0, 2.0, 3.0), unit="nm")


@pytest.fixture
def labelled() -> Segmentation:
    labels = np.zeros((10, 9, 8), np.uint8)
    labels[2:7, 2:6, 1:5], labels[3:5, 6:8, 3:7] = 1, 2
    names = {1: "cell", 2: "bead: round"}
    return with_labelled_slices(Segmentation.from_labels(labels, GEOMETRY, names), SLICES)


def edited(segmentation: Segmentation, place: tuple[int, int, int], value: int) -> Segmentation:
    layer = segmentation.layers[0].copy()
    layer[place] = value
    return replace(segmentation, layers=(layer,))


def test_they_are_read_as_they_were_stored(labelled: Segmentation) -> None:
    assert stored_slices(labelled) == (SLICES, [])
    assert stored_slices(with_labelled_slices(labelled, {"j": [5]})) == ({"j": [5]}, [])
    assert stored_slices(with_labelled_slices(labelled, {})) == ({}, [])


@pytest.mark.parametrize(
    "name", ["a.seg.nrrd", "a.nrrd", "a.nii.gz", "a.mha", "a.tif", "a.ome.tif", "a.mrc", "a.ome.zarr", "a.h5"]
)
def test_every_format_keeps_them(labelled: Segmentation, tmp_path: Path, name: str) -> None:
    save_segmentation(labelled, tmp_path / name)
    assert stored_slices(open_segmentation(tmp_path / name)) == (SLICES, [])


def test_an_edited_slice_does_not_count_and_is_told(labelled: Segmentation) -> None:
    slices, notes = stored_slices(edited(labelled, (3, 2, 1), 0))
    assert slices == {"k": [0, 9], "i": [4]}
    assert notes == [
        "changed since they were labelled, so that corrections may change them again: 1 slice along z (k)."
    ]
    assert stored_slices(edited(labelled, (0, 0, 0), 2))[0] == {"k": [3, 9], "i": [4]}, "of either segment"
    assert stored_slices(edited(labelled, (4, 2, 1), 0)) == (SLICES, []), "other slices may change"


def test_a_part_that_moved_within_a_slice_is_an_edit(labelled: Segmentation) -> None:
    layer = labelled.layers[0].copy()
    layer[3] = np.roll(layer[3], 1, axis=1)
    slices, (note,) = stored_slices(replace(labelled, layers=(layer,)))
    assert slices["k"] == [0, 9]
    assert "changed since they were labelled" in note


def test_on_another_grid_none_counts_and_this_is_told(labelled: Segmentation) -> None:
    slices, (note,) = stored_slices(replace(labelled, layers=(labelled.layers[0][1:],)))
    assert slices == {}
    assert "on another grid" in note
    assert "--sparse" in note


def test_segments_filled_one_after_the_other_keep_the_slices_of_both(labelled: Segmentation) -> None:
    first, second = labelled.segments
    own = with_labelled_slices(labelled, {"k": [4]}).segments[1]
    assert stored_slices(replace(labelled, segments=[first, own])) == ({"k": [0, 3, 4, 9], "i": [4]}, [])
    assert stored_slices(replace(labelled, segments=[second]))[0] == SLICES, "a segment that is left out tells nothing"


@pytest.mark.parametrize(
    "text", ["", "k=1", "size=10,9,8", "size=10,9 k=1", "size=10,9,8 k=99", "size=10,9,8 q=1", "k=x"]
)
def test_a_tag_of_another_program_says_nothing(labelled: Segmentation, text: str) -> None:
    rows = [replace(s, tags={SLICES_TAG: text}) for s in labelled.segments]
    assert stored_slices(replace(labelled, segments=rows)) == ({}, [])


def test_numbers_of_slices_in_words() -> None:
    assert counted(SLICES) == "3 slices along z (k), 1 slice along x (i)"
