"""Segments whose names say that they are no structures, in every command alike."""

import json

import numpy as np
import pytest

from ACSegLib.commands.main import main
from ACSegLib.files import open_segmentation, save_segmentation, save_volume
from ACSegLib.files.tables import read_table
from ACSegLib.network.train.data import encode_labels, join_tables
from ACSegLib.special_segments import role_of, roles_of, structures
from ACSegLib.volume import Geometry, Segment, Segmentation, Volume

PLACE = Geometry((0.1, 0.1, 0.1), unit="um")


@pytest.mark.parametrize(
    ("names", "role"),
    [
        (
            ("ignore", "Ignore", "IGNORED", "Unlabelled", "unlabeled", "not labelled", "Ignore region", "don't care"),
            "ignore",
        ),
        (
            ("background", "Background", "BG", "Exterior", "EXTERIOR", "Clear Label", "clear_label", "Back-ground"),
            "background",
        ),
        (("cell", "cytoplasm", "backgrounds", "exterior membrane", "ignorance", "unknown", "void", ""), None),
    ],
)
def test_names_mean_what_they_say(names, role):
    assert {role_of(name) for name in names} == {role}


def _labels(names=("cell", "Ignore", "Exterior", "unlabelled")):
    array = np.zeros((6, 8, 10), np.uint8)
    array[1:4, 2:6, 2:6] = 1
    for value in range(2, len(names) + 1):
        array[value, :, 7] = value
    return Segmentation((array,), [Segment(name, n) for n, name in enumerate(names, 1)], PLACE, "labels")


def test_segments_of_one_role_are_joined():
    found = roles_of(_labels())
    assert [segment.name for segment in found.segmentation.segments] == ["cell", "Ignore", "Exterior"]
    assert found.segmentation.segment(found.ignore).name == "Ignore"
    assert int(found.segmentation.mask(found.ignore).sum()) == 16
    assert found.segmentation.segment(found.background).name == "Exterior"
    assert [note.split(";")[0] for note in found.notes] == [
        "labels: 'Ignore' and 'unlabelled' marks voxels to leave out, as the name says",
        "labels: 'Exterior' is background, as the name says",
    ]


def test_a_role_that_is_given_is_that_segments_alone():
    found = roles_of(_labels(), ignore="cell", background="Ignore")
    assert [found.segmentation.segment(key).name for key in (found.ignore, found.background)] == ["cell", "Ignore"]
    assert found.notes == []


def test_labels_of_nothing_else_stay_as_they_are():
    labels = _labels(("background",))
    assert roles_of(labels).segmentation is labels
    assert structures(labels)[0] is labels


def test_structures_are_what_is_left():
    found, ignored, notes = structures(_labels())
    assert [segment.name for segment in found.segments] == ["cell"]
    assert np.array_equal(np.unique(found.labels), (0, 1))
    assert int(ignored.sum()) == 16
    assert len(notes) == 2
    assert [s.name for s in structures(_labels(), keep=("Ignore",))[0].segments] == ["cell", "Ignore"]


def test_training_leaves_regions_out_and_knows_background():
    labels = _labels()
    table = join_tables([labels.segments])
    assert [segment.name for segment in table] == ["cell"]
    target, _ = encode_labels(labels, table)
    assert set(np.unique(target[0][labels.mask("Ignore")])) == {255}
    assert set(np.unique(target[0][labels.mask("unlabelled")])) == {255}
    assert set(np.unique(target[0][labels.mask("Exterior")])) == {0}


def test_measure_and_compare_say_so(tmp_path, capsys):
    save_segmentation(_labels(), tmp_path / "a.seg.nrrd")
    table = tmp_path / "t.csv"
    assert (
        main(["measure", str(tmp_path / "a.seg.nrrd"), "-o", str(table), "--no-thin-parts", "--no-cells", "--quiet"])
        == 0
    )
    assert [row["segment"] for row in read_table(table)] == ["cell"]
    assert "note: a: 'Exterior' is background" in capsys.readouterr().out
    other = _labels()
    other.layers[0][4, :, 7] = 1  # differs in an unlabelled region alone
    save_segmentation(other, tmp_path / "b.seg.nrrd")
    words = [str(tmp_path / "b.seg.nrrd"), str(tmp_path / "a.seg.nrrd")]
    assert main(["compare", *words, "-o", str(table), "--quiet"]) == 0
    assert [(row["segment"], row["dice"]) for row in read_table(table)] == [("cell", 1.0)]


def test_fill_leaves_out_what_is_called_so(tmp_path, capsys):
    z, y, x = np.ogrid[:20, :24, :24]
    truth = (z - 10) ** 2 + (y - 12) ** 2 + (x - 12) ** 2 <= 64
    drawn = np.zeros(truth.shape, np.uint8)
    for k in (4, 7, 10, 13, 16):
        drawn[k] = truth[k]
    drawn[5:15, 2:4, 2:4] = 2
    labels = Segmentation((drawn,), [Segment("cell", 1), Segment("IGNORE", 2)], PLACE)
    save_volume(Volume(truth.astype(np.float32) * 60, PLACE), tmp_path / "a.nrrd")
    save_segmentation(labels, tmp_path / "l.seg.nrrd")
    words = [str(tmp_path / name) for name in ("a.nrrd", "l.seg.nrrd")]
    report = tmp_path / "r.json"
    assert main(["fill", *words, "-o", str(tmp_path / "f.seg.nrrd"), "--json", str(report), "--quiet"]) == 0
    assert [segment.name for segment in open_segmentation(tmp_path / "f.seg.nrrd").segments] == ["cell"]
    assert any("'IGNORE' marks voxels" in note for note in json.loads(report.read_text())["results"]["warnings"])
    assert "note: l: 'IGNORE' marks voxels to leave out" in capsys.readouterr().out
