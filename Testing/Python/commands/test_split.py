"""``acseg split``, and cells apart in fill and measure: files in, files out, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import ACSegLib as acseg
from ACSegLib.commands.main import main
from ACSegLib.commands.split import Results, describe
from ACSegLib.errors import InputError
from ACSegLib.files import open_segmentation, save_segmentation, save_volume
from ACSegLib.volume import Geometry, Segment, Segmentation, Volume
from ACSegLib.workflows import FillRequest, SplitOutcome, SplitRequest, run

GEOMETRY = Geometry(spacing=(50.0, 50.0, 50.0), unit="nm")
GRID = np.indices((28, 28, 48)) + 0.5
AWAY = np.stack([np.sqrt((GRID[0] - 14) ** 2 + (GRID[1] - 14) ** 2 + (GRID[2] - x) ** 2) for x in (14, 32)])
CELLS = np.where(AWAY.min(axis=0) < 11, AWAY.argmin(axis=0) + 1, 0).astype(np.uint8)
IMAGE = np.where(CELLS, 10.0, 0.0).astype(np.float32) + np.random.default_rng(0).normal(0, 0.5, CELLS.shape)


def touching(bead=True):
    labels = (CELLS > 0).astype(np.uint8)
    rows = [Segment("cytoplasm", 1)]
    if bead:
        labels[2:5, 2:5, 2:5] = 2
        rows.append(Segment("bead", 2))
    return Segmentation((labels,), rows, GEOMETRY, "cells")


@pytest.fixture
def files(tmp_path):
    save_segmentation(touching(), tmp_path / "cells.seg.nrrd")
    save_volume(Volume(IMAGE.astype(np.float32), GEOMETRY, "image"), tmp_path / "image.nrrd")
    return tmp_path


def test_the_shell_writes_a_segment_for_each_cell(files, capsys):
    out = files / "apart.seg.nrrd"
    assert main(["split", str(files / "cells.seg.nrrd"), "--image", str(files / "image.nrrd"), "-o", str(out)]) == 0
    assert "2 cells" in capsys.readouterr().out
    result = open_segmentation(out)
    assert [s.name for s in result.segments] == ["cytoplasm 1", "cytoplasm 2", "bead"]
    parts = [result.mask(name) for name in ("cytoplasm 1", "cytoplasm 2")]
    overlaps = [[(part & (n == CELLS)).sum() / part.sum() for n in (1, 2)] for part in parts]
    assert sorted(np.argmax(overlaps, axis=1)) == [0, 1]
    assert np.max(overlaps, axis=1).min() > 0.95
    assert np.array_equal(result.mask("bead"), touching().mask("bead"))


def test_sizes_are_a_range_only_where_they_differ():
    sizes = {"a": [9, 7], "b": [7, 7], "c": [1]}
    lines = describe(Results({name: len(each) for name, each in sizes.items()}, sizes, [])).splitlines()
    assert lines == ["5 cells", "  a: 2, of 7 to 9 voxels", "  b: 2, of 7 voxels", "  c: 1, of 1 voxel"]


def test_a_folder_is_split_file_by_file(files, capsys, monkeypatch):
    monkeypatch.chdir(files)
    for name in ("images", "cells"):
        (files / name).mkdir()
    for name in ("a", "b"):
        (files / "cells" / f"{name}_filled.seg.nrrd").write_bytes((files / "cells.seg.nrrd").read_bytes())
    (files / "images" / "a.nrrd").write_bytes((files / "image.nrrd").read_bytes())
    folder = ["split", str(files / "cells"), "-o", str(files / "apart"), "--quiet"]
    assert main([*folder, "--image", str(files / "images")]) == 2
    assert "b_filled.seg.nrrd has no image" in capsys.readouterr().out
    (result,) = (files / "apart").iterdir()
    assert result.name == "a_filled.seg.nrrd"
    assert main(["split", str(files / "cells.seg.nrrd"), "--image", str(files / "image.nrrd"), "-o", "o.nrrd"]) == 0
    assert np.array_equal(open_segmentation(result).labels, open_segmentation("o.nrrd").labels)
    assert main(folder) == 0
    assert len(list((files / "apart").iterdir())) == 2
    assert main([*folder, "--seeds", str(files / "cells.seg.nrrd")]) == 2
    assert "--seeds needs a single segmentation" in capsys.readouterr().err


def test_seeds_of_one_segment_mark_a_cell_with_each_dab(files):
    dabs = np.zeros(CELLS.shape, np.uint8)
    dabs[14, 13:16, 13:16] = dabs[14, 13:16, 31:34] = dabs[14, 13:16, 22:24] = 1
    save_segmentation(Segmentation((dabs,), [Segment("dabs", 1)], GEOMETRY), files / "seeds.seg.nrrd")
    out = files / "apart.seg.nrrd"
    assert main(["split", str(files / "cells.seg.nrrd"), "--seeds", str(files / "seeds.seg.nrrd"), "-o", str(out)]) == 0
    assert [s.name for s in open_segmentation(out).segments][:3] == ["cytoplasm 1", "cytoplasm 2", "cytoplasm 3"]


def test_nothing_to_split_is_a_sentence(files, capsys):
    save_segmentation(Segmentation((0 * CELLS,), [Segment("cell", 1)], GEOMETRY, "empty"), files / "empty.seg.nrrd")
    assert main(["split", str(files / "empty.seg.nrrd"), "-o", str(files / "x.seg.nrrd")]) == 2
    assert "there is nothing to split" in capsys.readouterr().err


def test_what_cannot_be_split_is_refused():
    labels = touching()
    with pytest.raises(InputError, match="no segment 'nucleus'"):
        run(SplitRequest(labels=labels, segments=["nucleus"]))
    with pytest.raises(InputError, match="of which segment"):
        run(SplitRequest(labels=labels, segments=["cytoplasm", "bead"], count=2))
    beads = Segmentation((labels.mask("bead").astype(np.uint8),), [Segment("bead", 1)], GEOMETRY)
    with pytest.raises(InputError, match="no segment of cells to split"):
        run(SplitRequest(labels=beads))
    seeds = Segmentation((labels.mask("bead").astype(np.uint8),), [Segment("seed", 1)], GEOMETRY)
    with pytest.raises(InputError, match="no seed lies in a segment"):
        run(SplitRequest(labels=labels, seeds=seeds))


def test_a_request_and_its_outcome_travel():
    import json

    sent = SplitRequest(labels=touching(), volume=Volume(IMAGE, GEOMETRY), seeds=touching(), count=2, seams="dark")
    message, arrays = sent.pack()
    there = SplitRequest.unpack(json.loads(json.dumps(message)), arrays)
    assert there.pack()[0] == message
    outcome = run(SplitRequest(labels=touching()))
    message, arrays = outcome.pack()
    back = SplitOutcome.unpack(json.loads(json.dumps(message)), arrays)
    assert back.counts == {"cytoplasm": 2}
    assert np.array_equal(back.labels, outcome.labels)


def test_more_than_255_cells_have_values_of_their_own():
    centres = np.stack(np.meshgrid(range(4, 32, 7), range(4, 60, 7), range(4, 60, 7), indexing="ij"), -1).reshape(-1, 3)
    mask = np.zeros((32, 60, 60), bool)
    for k, j, i in centres:
        mask[k - 2 : k + 3, j - 2 : j + 3, i - 2 : i + 3] = True
    outcome = acseg.split(mask)
    assert outcome.counts == {"Segment_1": len(centres)}
    assert len(centres) == 256
    assert outcome.labels.max() == 256
    assert len({s.id for s in outcome.segmentation.segments}) == 256


def test_overlapping_segments_keep_their_layers():
    labels = touching(bead=False)
    nuclei = (AWAY.min(axis=0) < 4).astype(np.uint8)
    both = Segmentation(
        (labels.layers[0], nuclei), [Segment("cell", 1), Segment("nucleus", 1, layer=1)], GEOMETRY, "both"
    )
    result = run(SplitRequest(labels=both)).segmentation
    assert [s.name for s in result.segments] == ["cell 1", "cell 2", "nucleus 1", "nucleus 2"]
    assert [s.layer for s in result.segments] == [0, 0, 1, 1]
    assert np.array_equal(result.layers[1] > 0, nuclei > 0)


def test_a_fill_gives_cells_apart_on_request():
    volume = Volume(IMAGE.astype(np.float32), GEOMETRY)
    sparse = np.zeros_like(CELLS)
    sparse[4:25:5] = CELLS[4:25:5] > 0
    labels = Segmentation((sparse,), [Segment("cytoplasm", 1)], GEOMETRY)
    outcome = run(FillRequest(volume=volume, labels=labels, axis="k", cells=True, gamma=0.3))
    assert [s.name for s in outcome.segmentation.segments] == ["cytoplasm 1", "cytoplasm 2"]
    assert any("2 cells" in text for text in outcome.report.warnings)


def test_measure_says_which_cells_touch(files):
    out = files / "table.csv"
    assert main(["measure", str(files / "cells.seg.nrrd"), "-o", str(out), "--unit", "nm", "--cells"]) == 0
    from ACSegLib.files.tables import read_table

    rows = [row for row in read_table(out) if row["kind"] == "cell" and row["segment"] == "cytoplasm"]
    assert [row["touches"] for row in rows] == ["cytoplasm 2", "cytoplasm 1"]
    neck = np.pi * (11**2 - 9**2) * 50**2
    assert rows[0]["contact: other cells"] == pytest.approx(neck, rel=0.15)
    assert sum(row["voxels"] for row in rows) == (CELLS > 0).sum()
    together = acseg.measure(touching(), contacts=False, thin_structures=False)
    assert [row["cell"] for row in together if row["segment"] == "cytoplasm"] == [0, 1]


def test_seeds_give_the_number_of_cells():
    marks = np.zeros(CELLS.shape, np.uint8)
    marks[14, 14, 14], marks[14, 14, 32] = 1, 2
    request = SplitRequest(labels=touching(False), seeds=Segmentation.from_labels(marks, GEOMETRY), count=3)
    outcome = run(request)
    assert outcome.counts == {"cytoplasm": 2}
    assert "the number of cells (3) was not used, since the seeds give it." in outcome.notes


def two_segments_and_an_empty_one():
    """Touching cells on the left, one cell on the right, and a segment without a voxel."""
    labels = np.zeros((28, 28, 80), np.uint8)
    labels[:, :, :48] = CELLS > 0
    labels[:, :, 54:] = 3 * (CELLS == 1)[:, :, :26]
    rows = [Segment("left", 1), Segment("nothing", 2), Segment("right", 3)]
    return Segmentation((labels,), rows, GEOMETRY, "mixed")


def test_an_empty_segment_stays_and_needs_no_name_beside_a_number():
    outcome = run(SplitRequest(labels=replace(two_segments_and_an_empty_one(), segments=[
        Segment("left", 1), Segment("nothing", 2)]), count=2))  # fmt: skip
    assert outcome.counts == {"left": 2}
    assert [s.name for s in outcome.segmentation.segments] == ["left 1", "left 2", "nothing"]
    assert "nothing was not split: it has no labelled voxel." in outcome.notes
    with pytest.raises(InputError, match="nothing, have no labelled voxel"):
        run(SplitRequest(labels=two_segments_and_an_empty_one(), segments=["nothing"]))


def test_seeds_of_several_segments_are_told_from_those_that_lie_outside():
    labels = two_segments_and_an_empty_one()
    marks = np.zeros(labels.shape, np.uint8)
    marks[14, 14, 14], marks[14, 14, 32], marks[14, 14, 66] = 1, 2, 3
    outcome = run(SplitRequest(labels=labels, seeds=Segmentation.from_labels(marks, GEOMETRY)))
    assert outcome.counts == {"left": 2, "right": 1}
    assert not any("seeds" in note for note in outcome.notes)
    marks[0, 0, 0], marks[14, 14, 66] = 4, 0
    outcome = run(SplitRequest(labels=labels, seeds=Segmentation.from_labels(marks, GEOMETRY)))
    assert "left: 1 of 3 seeds lie outside the segments and do not count." in outcome.notes
    assert "right was not split: it holds no seed and stays one cell." in outcome.notes


def test_a_number_below_that_of_the_parts_says_what_it_removed():
    labels = two_segments_and_an_empty_one().layers[0] > 0
    right = int(labels[:, :, 54:].sum())
    outcome = acseg.split(labels, count=1)
    assert outcome.counts == {"Segment_1": 1}
    assert outcome.notes == [
        "Segment_1: 1 cell.",
        "Segment_1: 3 cells are found if no number is given.",
        f"Segment_1: 1 part of up to {right} voxels became background, as the number given is 1.",
    ]


def test_what_cannot_be_heeded_is_told():
    mask = CELLS > 0
    dark = acseg.split(mask, seams="dark")
    assert dark.counts == {"Segment_1": 2}
    assert "Segment_1: no dark seams can be seen without an image; the shape decided." in dark.notes
    large = acseg.split(mask, smallest=1e6)
    assert f"Segment_1: no part has 1000000 voxels; the largest, of {mask.sum()} voxels, was kept." in large.notes
