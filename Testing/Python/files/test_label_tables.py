"""Names and colours that other programs keep beside labels, in headers of NIfTI, and in look-up tables of ImageJ."""

import json

import nibabel
import numpy as np
import pytest
import SimpleITK
import tifffile
from filecases import SHAPE, STRAIGHT, labels

from ACSegLib.files import open_segmentation, save_segmentation
from ACSegLib.files.slicer_segments import read as read_slicer
from ACSegLib.volume import Segment, Segmentation

VOXELS = np.zeros(SHAPE, np.uint8)
VOXELS[1, 2, 3], VOXELS[2, 2, 2] = 1, 3

#: As ITK-SNAP 4 writes them.
ITK_SNAP = """################################################
# ITK-SnAP Label Description File
# File format:
# IDX   -R-  -G-  -B-  -A--  VIS MSH  LABEL
# Fields:
#    IDX:   Zero-based index
################################################
    0     0    0    0        0  0  0    "Clear Label"
    1   255    0    0        1  1  1    "cell body"
    3     0    0  255      0.5  1  1    "vacuole, large"
"""
#: As Slicer writes them: spaces become underscores.
CTBL = """# Color table file /data/labels.ctbl
# 3 values
0 Background 0 0 0 0
1 cell_body 255 0 0 255
3 vacuole,_large 0 0 255 255
"""
CSV = 'LabelValue,Name,Color_R,Color_G,Color_B,Color_A\n1,cell body,255,0,0,255\n3,"vacuole, large",0,0,255,255\n'

#: As a spreadsheet saves it where the decimal sign is a comma.
SEMICOLONS = CSV.replace(",", ";").replace("vacuole;", "vacuole,")


def _nifti(path):
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(VOXELS), str(path))


def _is_named(found):
    rows = {segment.value: (segment.name, segment.colour) for segment in found.segments}
    return rows == {1: ("cell body", (1.0, 0.0, 0.0)), 3: ("vacuole, large", (0.0, 0.0, 1.0))}


@pytest.mark.filterwarnings("ignore:.*its names are those of")
@pytest.mark.parametrize("ending", [".nii.gz", ".nrrd", ".mha"])
@pytest.mark.parametrize(
    ("name", "text"),
    [
        *[("a.label", ITK_SNAP), ("a.txt", ITK_SNAP), ("a.csv", CSV), ("a.csv", SEMICOLONS)],
        *[("a.ctbl", CTBL), ("a_ColorTable.ctbl", CTBL), ("a.txt", CTBL)],
    ],
)
def test_tables_beside_labels_are_read(ending, name, text, tmp_path):
    _nifti(tmp_path / f"a{ending}")
    (tmp_path / name).write_text(text)
    found = open_segmentation(tmp_path / f"a{ending}")
    assert _is_named(found)
    assert found.meta["notes"] == [f"a{ending}: its names are those of {name}."]


@pytest.mark.filterwarnings("ignore:.*its names are those of")
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_tables_in_the_encodings_of_windows(encoding, ending, tmp_path):
    _nifti(tmp_path / "a.nii.gz")
    text = ITK_SNAP.replace("cell body", "Zellkörper").replace("\n", ending)
    (tmp_path / "a.label").write_bytes(text.encode(encoding))
    assert open_segmentation(tmp_path / "a.nii.gz").segments[0].name == "Zellkörper"


def test_of_two_names_of_a_value_the_first_is_used_and_told(tmp_path):
    """The same voxels were measured as two segments."""
    _nifti(tmp_path / "a.nii.gz")
    (tmp_path / "a.ctbl").write_text(CTBL + "1 bead 0 0 255 255\n")
    with pytest.warns(UserWarning, match="its value 1 has two names; cell body is used, not bead"):
        assert _is_named(found := open_segmentation(tmp_path / "a.nii.gz"))
    assert len(found.segments) == 2


@pytest.mark.parametrize("text", ["", "notes on this cell\n1 of 3\n", "cell,volume\n1,3\n", "1 a b c d\n"])
def test_other_files_beside_labels_are_no_tables(text, tmp_path):
    _nifti(tmp_path / "a.nii.gz")
    for name in ("a.txt", "a.csv", "a.label"):
        (tmp_path / name).write_text(text)
    assert [segment.name for segment in open_segmentation(tmp_path / "a.nii.gz").segments] == ["Segment_1", "Segment_3"]


def test_tables_are_written_beside_nifti(tmp_path):
    original = labels(STRAIGHT)
    assert save_segmentation(original, tmp_path / "a.nii.gz") == []
    snap = [line for line in (tmp_path / "a.label").read_text("utf-8").splitlines() if not line.startswith("#")]
    assert snap[0].split(None, 7)[7] == '"Clear Label"'
    assert snap[1].split(None, 7) == ["2", "26", "51", "76", "1", "1", "1", '"cytoplasm"']
    slicer = [line for line in (tmp_path / "a.ctbl").read_text("utf-8").splitlines() if not line.startswith("#")]
    assert slicer[1:] == ["2 cytoplasm 26 51 76 255", "7 Zellkörper_β 255 0 128 255"]
    nibabel.save(nibabel.Nifti1Image(nibabel.load(tmp_path / "a.nii.gz").get_fdata(), np.eye(4)), tmp_path / "a.nii.gz")
    with pytest.warns(UserWarning, match=r"a\.label"):  # without our record the table beside it names the segments
        found = open_segmentation(tmp_path / "a.nii.gz")
    assert [segment.name for segment in found.segments] == ["cytoplasm", "Zellkörper β"]


def test_a_table_of_another_maker_is_left_as_it_is(tmp_path):
    (tmp_path / "a.label").write_text(ITK_SNAP)
    lost = save_segmentation(labels(STRAIGHT), tmp_path / "a.nii.gz")
    assert (tmp_path / "a.label").read_text() == ITK_SNAP
    assert "a.label" in lost[0]
    assert save_segmentation(labels(STRAIGHT), tmp_path / "b.nii.gz") == []
    assert save_segmentation(labels(STRAIGHT), tmp_path / "b.nii.gz") == []  # its own ones are replaced


#: As TotalSegmentator and Connectome Workbench write it.
XML = """<?xml version="1.0" encoding="UTF-8"?> <CaretExtension>  <Date><![CDATA[2013-07-14T05:45:09]]></Date>
<VolumeInformation Index="0">   <LabelTable>
<Label Key="1" Red="1.0" Green="0.0" Blue="0.0" Alpha="1"><![CDATA[cell body]]></Label>
<Label Key="3" Red="0.0" Green="0.0" Blue="1.0" Alpha="1"><![CDATA[vacuole, large]]></Label>
</LabelTable>  <StudyMetaDataLinkSet>  </StudyMetaDataLinkSet>  <VolumeType><![CDATA[Label]]></VolumeType>
</VolumeInformation></CaretExtension>"""


@pytest.mark.parametrize("code", [0, 30])
def test_label_table_in_a_nifti_extension(code, tmp_path):
    image = nibabel.Nifti1Image(VOXELS.transpose(), np.eye(4))
    image.header.extensions.append(nibabel.nifti1.Nifti1Extension(code, XML.encode()))
    image.to_filename(tmp_path / "a.nii.gz")
    assert _is_named(open_segmentation(tmp_path / "a.nii.gz"))


def test_our_nifti_holds_a_label_table_for_others(tmp_path):
    from xml.etree import ElementTree

    save_segmentation(labels(STRAIGHT), tmp_path / "a.nii")
    extensions = nibabel.load(tmp_path / "a.nii").header.extensions
    text = next(e.content for e in extensions if e.get_code() == 30)
    rows = ElementTree.fromstring(text).iter("Label")
    assert {int(row.get("Key")): row.text for row in rows} == {2: "cytoplasm", 7: "Zellkörper β"}


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_tiff_labels_show_in_their_colours(dtype, tmp_path):
    save_segmentation(labels(STRAIGHT, dtype), tmp_path / "a.tif")
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        values = file.imagej_metadata
    assert (values["min"], values["max"]) == (0, 255)
    table = np.reshape(values["LUTs"], (3, 256))
    assert [tuple(table[:, value]) for value in (0, 2, 7)] == [(0, 0, 0), (26, 51, 76), (255, 0, 128)]


def test_tiff_labels_of_high_values_have_their_range(tmp_path):
    array = VOXELS.astype(np.uint16) * 300
    original = Segmentation((array,), [Segment("a", 300), Segment("b", 900)], STRAIGHT)
    save_segmentation(original, tmp_path / "a.tif")
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        assert file.imagej_metadata["max"] == 900


@pytest.mark.parametrize(
    ("row", "layers", "expected"),
    [
        ({"LabelValue": "3.0", "Layer": "1.0"}, 2, (3, 1)),
        ({"LabelValue": "3"}, 1, (3, 0)),
        ({}, 1, (5, 0)),  # no value in a single layer: the place in the table
        ({}, 6, (1, 4)),  # Slicer before 4.11: a layer for each segment
        ({"Layer": "2"}, 3, (1, 2)),
        ({"LabelValue": "x", "Layer": "0"}, 1, (5, 0)),
    ],
)
def test_values_and_layers_of_slicer_segments(row, layers, expected):
    keys = {f"Segment4_{key}": text for key, text in {"Name": "cell", **row}.items()}
    found, _ = read_slicer(keys, layers)
    assert [(segment.value, segment.layer) for segment in found] == [expected]


@pytest.mark.parametrize(("layer", "told"), [("-5", True), ("9", True), ("nan", False), ("1e400", False)])
def test_segments_of_layers_that_are_not_there_are_left_out_and_told(layer, told):
    found, notes = read_slicer({"Segment0_Name": "cell", "Segment0_LabelValue": "1", "Segment0_Layer": layer}, 2)
    assert all(segment.layer == 0 for segment in found)
    assert [f"cell is in layer {layer}" in note for note in notes] == [True] * told


def test_two_segments_of_the_same_voxels_are_one_and_told():
    """As in the header of several layers of which a program has kept one."""
    rows = [{"Name": name, "LabelValue": "1", "Layer": "0"} for name in ("cell", "nucleus")]
    found, notes = read_slicer({f"Segment{n}_{key}": v for n, row in enumerate(rows) for key, v in row.items()}, 1)
    assert [segment.name for segment in found] == ["cell"]
    assert "gives nucleus the voxels of cell" in notes[0]


@pytest.mark.parametrize("colour", ["nan 0 0", "inf 1 1", "0.5 0.5", "red"])
def test_colours_that_are_none_are_replaced(colour):
    found, _ = read_slicer({"Segment0_Name": "cell", "Segment0_LabelValue": "1", "Segment0_Color": colour}, 1)
    assert all(0 <= v <= 1 for v in found[0].colour)


@pytest.mark.filterwarnings("ignore:.*its names are those of")
@pytest.mark.parametrize("folder", ["labelsTr", "."])
@pytest.mark.parametrize(
    "names",
    [
        {"background": 0, "cell body": 1, "ignore": 3, "whole": [1, 3]},
        {"0": "background", "1": "cell body", "3": "ignore"},
    ],
)
def test_names_of_nnunet(names, folder, tmp_path):
    (tmp_path / folder).mkdir(exist_ok=True)
    _nifti(tmp_path / folder / "a_001.nii.gz")
    (tmp_path / "dataset.json").write_text(json.dumps({"labels": names, "channel_names": {"0": "x"}}))
    found = open_segmentation(tmp_path / folder / "a_001.nii.gz")
    assert {segment.value: segment.name for segment in found.segments} == {1: "cell body", 3: "ignore"}


@pytest.mark.parametrize("text", ["", "[1, 2]", '{"labels": [1]}', '{"labels": {"a": "b"}}', '{"labels": {"a": {}}}'])
def test_other_files_of_that_name_are_passed_over(text, tmp_path):
    _nifti(tmp_path / "a.nii.gz")
    (tmp_path / "dataset.json").write_text(text)
    assert [segment.name for segment in open_segmentation(tmp_path / "a.nii.gz").segments] == ["Segment_1", "Segment_3"]
