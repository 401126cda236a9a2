"""Fill, predict, train, measure and compare on arrays, on volumes, and on arrays of other libraries."""

import dataclasses
import inspect

import numpy as np
import pytest
from ballcase import BALL, IMAGE, LABELLED, SHAPE, SPARSE, X

import ACSegLib as acseg
from ACSegLib.arrays import is_mapped
from ACSegLib.errors import InputError
from ACSegLib.volume import Geometry, Segment, Segmentation, Volume

FRONT_DOOR = {"spacing", "unit", "progress"}


@pytest.fixture(scope="module")
def filled():
    return acseg.fill(IMAGE, SPARSE)


def parameters(function, without):
    """Names and defaults of a function's parameters."""
    return {
        name: None if parameter.default is inspect.Parameter.empty else parameter.default
        for name, parameter in inspect.signature(function).parameters.items()
        if name not in without
    }


def fields(dataclass, without):
    return {
        field.name: None if field.default is dataclasses.MISSING else field.default
        for field in dataclasses.fields(dataclass)
        if field.name not in without
    }


def test_fill_has_every_option_of_a_request_with_its_default():
    from ACSegLib.workflows import FillRequest

    own = parameters(acseg.api.fill, {*FRONT_DOOR, "image", "labels", "protected"})
    assert own == fields(FillRequest, {"volume", "labels"}) | {"box": None}


def test_fill_puts_every_option_into_the_request(monkeypatch):
    from ACSegLib import workflows

    options = {
        "axis": "k", "slices": [6, 12], "mode": "scribbles", "background": "a", "ignore": "b", "only": ("c",),
        "leave_out": ("d",), "islands": 1.0, "holes": 2.0, "smooth": 3.0, "resample": True, "device": "cpu",
        "gamma": 0.5, "edge": 4.0, "memory": 5.0, "probabilities": True, "suggest": 6,
        "cells": True, "ignore_unlike": True,
    }  # fmt: skip
    assert options.keys() == fields(workflows.FillRequest, {"volume", "labels", "box"}).keys()
    requests = []
    monkeypatch.setattr(workflows, "run", lambda request, **_: requests.append(request))
    acseg.fill(IMAGE, SPARSE, **options)
    asked = {name: getattr(requests[0], name) for name in options}
    assert asked == {**options, "slices": {"k": [6, 12]}}


def test_measure_has_every_option_of_a_request_with_its_default():
    from ACSegLib.workflows import MeasureRequest

    own = parameters(acseg.api.measure, {*FRONT_DOOR, "labels", "image", "resample"})
    theirs = fields(MeasureRequest, {"labels", "volume"})
    theirs["thin_structures"] = theirs.pop("thin_parts")
    theirs.pop("unit")
    theirs["table_unit"] = "file"  # the unit that the user gave with the spacing
    assert own == theirs


def test_measure_puts_every_option_into_the_request(monkeypatch):
    from ACSegLib import workflows

    options = {
        "table_unit": "nm", "segments": ("Segment_1",), "cells": False, "min_volume": 1.0, "exclude_border": True,
        "thin_structures": False, "thin_radius": 2.0, "contacts": False, "contact_gap": 3.0, "intensity_unit": "1/um",
        "bead_reference": 4.0, "bead_name": "sphere", "surface_method": "faces", "connectivity": 6,
    }  # fmt: skip
    requests = []
    monkeypatch.setattr(workflows, "run", lambda request, **_: requests.append(request) or [])
    acseg.measure(BALL, IMAGE, **options)
    names = {"table_unit": "unit", "thin_structures": "thin_parts"}
    assert {name: getattr(requests[0], names.get(name, name)) for name in options} == options


def test_compare_has_every_setting_with_its_default():
    from ACSegLib.workflows import CompareRequest

    own = parameters(acseg.api.compare, {*FRONT_DOOR, "result", "reference", "ignore", "resample"})
    theirs = fields(CompareRequest, {"result", "reference", "ignored"})
    theirs.pop("unit")
    theirs["table_unit"] = "file"  # the unit that the user gave with the spacing
    assert own == theirs


def test_a_fill_of_arrays_gives_arrays(filled):
    assert type(filled.labels) is np.ndarray
    assert filled.labels.shape == filled.uncertainty.shape == SHAPE
    assert np.mean(filled.labels != BALL) < 0.01
    for k in LABELLED:
        np.testing.assert_array_equal(filled.labels[k], BALL[k])


def test_the_spacing_of_a_fill_is_in_array_order():
    result = acseg.fill(IMAGE, SPARSE, spacing=(3, 2, 1), unit="um")
    assert result.segmentation.geometry == Geometry((1, 2, 3), unit="um")


def test_a_fill_of_a_volume_gives_the_labels_of_arrays(filled):
    volume = Volume(IMAGE, Geometry(origin=(5, 6, 7)))
    result = acseg.fill(volume, Segmentation.from_labels(SPARSE, volume.geometry, {1: "cell"}))
    np.testing.assert_array_equal(result.labels, filled.labels)
    assert result.segmentation.geometry == volume.geometry
    assert result.segmentation.segment("cell").value == 1


@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.uint16, np.int32, np.float16, np.float64, ">i2", ">f4"])
def test_every_real_number_type_is_filled(dtype):
    image = np.clip(IMAGE, -100, 120).astype(dtype)
    assert np.mean(acseg.fill(image, SPARSE).labels != BALL) < 0.01


@pytest.mark.parametrize("dtype", [bool, np.int8, np.uint16, np.int64, np.uint64])
def test_every_whole_number_type_is_a_label(dtype, filled):
    np.testing.assert_array_equal(acseg.fill(IMAGE, SPARSE.astype(dtype)).labels, filled.labels)


@pytest.mark.parametrize("library", ["torch", "dask.array", "zarr"])
def test_arrays_of_other_libraries_are_filled(library, filled):
    module = pytest.importorskip(library)
    convert = {"torch": "tensor", "dask.array": "from_array", "zarr": "array"}[library]
    image, labels = (getattr(module, convert)(array) for array in (IMAGE, SPARSE))
    np.testing.assert_array_equal(acseg.fill(image, labels).labels, filled.labels)


@pytest.mark.parametrize("hole", [np.nan, "mask"])
def test_voxels_without_a_value_stay_background(hole):
    outside = np.zeros(SHAPE, bool)
    outside[9, 14, 13] = True
    image = np.ma.array(IMAGE, mask=outside) if hole == "mask" else np.where(outside, np.nan, IMAGE)
    labels = acseg.fill(image, SPARSE).labels
    assert BALL[9, 14, 13]
    assert labels[9, 14, 13] == 0
    assert labels[9, 14, 14] == 1


@pytest.mark.parametrize(
    ("image", "labels", "sentence"),
    [
        (IMAGE[0], SPARSE[0], r"3 dimensions \(z, y, x\), not 2"),
        (IMAGE.astype(complex), SPARSE, "complex128"),
        (IMAGE, IMAGE, "whole numbers"),
        (IMAGE, SPARSE.astype(int) - 1, "negative"),
        (IMAGE, np.zeros_like(SPARSE), "labelled|drawn"),
        (IMAGE, np.ma.masked_equal(SPARSE, 1), "masked"),
        (np.full(SHAPE, np.nan), SPARSE, "finite"),
        ("tomogram.nrrd", SPARSE, r"acseg\.open"),
    ],
)
def test_what_cannot_be_filled_is_refused_in_a_sentence(image, labels, sentence):
    with pytest.raises(InputError, match=sentence):
        acseg.fill(image, labels)


def test_a_fill_and_a_correction_note_that_the_device_is_missing(monkeypatch, filled):
    monkeypatch.setattr("ACSegLib.compute.device_count", lambda kind: 0)
    note = "device cuda was asked for, but there is no cuda device; the processor was used."
    result = acseg.fill(IMAGE, SPARSE, device="cuda")
    assert note in result.report.warnings
    assert note not in filled.report.warnings
    corrected = result.labels.copy()
    corrected[0] = 1
    assert note in acseg.correct(IMAGE, result.labels, corrected, device="cuda").report.warnings


def test_a_refill_of_an_edited_array_equals_a_fill_with_its_settings(filled):
    edited = SPARSE.copy()
    edited[9] = BALL[9]
    result = acseg.refill(filled, edited)
    assert result.refilled == [9]
    np.testing.assert_array_equal(result.labels[9], BALL[9])


def test_a_new_value_in_a_refill_becomes_a_segment(filled):
    edited = SPARSE.copy()
    edited[6, :5, :5] = 4
    result = acseg.refill(filled, edited)
    assert result.refilled is None, "a new segment needs a complete fill"
    assert [segment.value for segment in result.segmentation.segments] == [1, 4]
    assert np.all(result.labels[6, :5, :5] == 4)


def test_a_refill_names_the_shapes_that_differ(filled):
    with pytest.raises(InputError, match=r"image has shape \(24, 28, 26\).*labels has \(23, 28, 26\)"):
        acseg.refill(filled, SPARSE[1:])


def test_measure_reads_the_spacing_in_array_order():
    box = np.zeros((8, 9, 10), np.uint8)
    box[2:4, 3:6, 2:7] = 1  # 2 x 3 x 5 voxels of 4 x 2 x 1 um
    table = acseg.measure(box, spacing=(4, 2, 1), unit="um", surface_method="faces", cells=False)
    assert table["volume"].tolist() == [2 * 4 * 3 * 2 * 5]
    assert table["surface_area"].tolist() == [2 * (8 * 6 + 8 * 5 + 6 * 5)]
    assert table[0]["unit"] == "um"


def test_measure_reads_intensities_inside_the_segments():
    table = acseg.measure(BALL, IMAGE, cells=False, thin_structures=False)
    assert table["lac_mean"][0] == pytest.approx(IMAGE[BALL].mean(), rel=1e-5)
    with pytest.raises(InputError, match="image has shape"):
        acseg.measure(BALL, IMAGE[1:])


def test_measure_leaves_out_what_is_no_structure_unless_it_is_named():
    labels = Segmentation.from_labels(BALL + 2 * ~BALL.astype(bool), names={1: "cell", 2: "background"})
    with pytest.warns(UserWarning, match="'background' is background, as the name says"):
        table = acseg.measure(labels, cells=False, thin_structures=False)
    assert list(table["segment"]) == ["cell"]
    table = acseg.measure(labels, segments=["background"], cells=False, thin_structures=False)
    assert list(table["segment"]) == ["background"]


def test_compare_reads_the_spacing_in_array_order():
    reference = np.zeros((12, 12, 12), np.uint8)
    reference[4:8, 4:8, 4:8] = 1
    table = acseg.compare(np.roll(reference, 1, axis=0), reference, spacing=(3, 1, 1), unit="nm")
    assert table["dice"].tolist() == [0.75]
    assert table["surface_distance_95"].tolist() == [3]
    assert acseg.compare(reference, reference, ignore=reference == 0)["dice"].tolist() == [1]


def test_named_segments_are_compared_with_an_array_by_value():
    named = Segmentation.from_labels(SPARSE, names={1: "cell"})
    assert acseg.compare(named, SPARSE)["dice"].tolist() == [1]


@pytest.mark.parametrize("name", ["cells.seg.nrrd", "cells.nii.gz", "cells.tif"])
def test_a_saved_segmentation_opens_as_a_segmentation(tmp_path, name):
    segmentation = Segmentation.from_labels(SPARSE, Geometry((1, 2, 3), unit="um"), {1: "cell"})
    assert acseg.save(tmp_path / name, segmentation) == []
    opened = acseg.open(tmp_path / name)
    assert isinstance(opened, Segmentation)
    assert opened.segment("cell").value == 1
    np.testing.assert_array_equal(opened.labels, SPARSE)
    assert isinstance(acseg.open(tmp_path / name, labels=False), Volume)


def test_a_saved_volume_opens_as_a_volume(tmp_path):
    acseg.save(tmp_path / "cell.nrrd", Volume(IMAGE, Geometry((1, 2, 3), unit="um")))
    assert isinstance(acseg.open(tmp_path / "cell.nrrd"), Volume)
    np.testing.assert_array_equal(acseg.open(tmp_path / "cell.nrrd").array, IMAGE)
    assert is_mapped(acseg.open(tmp_path / "cell.nrrd", lazy=True).array)
    acseg.save(tmp_path / "masks.nrrd", Volume(SPARSE))
    assert isinstance(acseg.open(tmp_path / "masks.nrrd", labels=True), Segmentation)


def test_results_and_tables_are_saved(tmp_path, filled):
    acseg.save(tmp_path / "cell.seg.nrrd", filled)
    np.testing.assert_array_equal(acseg.open(tmp_path / "cell.seg.nrrd").labels, filled.labels)
    acseg.save(tmp_path / "cell.csv", acseg.compare(filled.segmentation, BALL))
    assert (tmp_path / "cell.csv").read_text().startswith("segment,")
    with pytest.raises(InputError, match=r"ndarray.*Geometry"):
        acseg.save(tmp_path / "cell.nrrd", IMAGE)


def test_the_array_of_overlapping_segments_is_refused_in_a_sentence():
    overlapping = Segmentation((SPARSE, SPARSE), [Segment("cell", 1), Segment("nucleus", 1, layer=1)])
    result = acseg.fill(IMAGE, overlapping)
    with pytest.raises(InputError, match="2 layers"):
        result.labels  # noqa: B018
    with pytest.raises(InputError, match="give the edited labels as a Segmentation"):
        acseg.refill(result, SPARSE)
    with pytest.raises(InputError, match="give the edited labels as a Segmentation"):
        acseg.correct(IMAGE, overlapping, SPARSE)


def test_a_fill_keeps_label_values_beyond_32_bits(filled):
    result = acseg.fill(IMAGE, SPARSE.astype(np.uint64) << 40)
    assert np.array_equal(result.labels, filled.labels.astype(np.uint64) << 40)


def test_progress_ends_at_one_even_if_nothing_was_to_do(filled):
    for step in (acseg.fill, lambda image, labels, progress: acseg.refill(filled, labels, progress=progress)):
        seen = []
        step(IMAGE, SPARSE, progress=acseg.Progress(lambda fraction, message, seen=seen: seen.append(fraction)))
        assert seen[-1] == 1
        assert seen == sorted(seen)


def test_lengths_of_a_file_without_a_voxel_size_are_told_and_can_be_stated(tmp_path):
    np.save(tmp_path / "cell.npy", BALL)
    labels = acseg.open(tmp_path / "cell.npy", labels=True)
    settings = {"cells": False, "thin_structures": False}
    with pytest.warns(UserWarning, match=r"data of cell state no voxel size.*state it with spacing") as told:
        assert acseg.measure(labels, **settings)[0]["unit"] == "px"
    assert {warning.filename for warning in told} == {__file__}
    with pytest.warns(UserWarning, match="state no voxel size"):
        acseg.compare(labels, labels)
    with pytest.warns(UserWarning, match="state no voxel size"):
        acseg.measure(BALL, table_unit="um", **settings)
    table = acseg.measure(labels, spacing=(4, 2, 1), unit="um", **settings)
    assert table["volume"][0] == 8 * BALL.sum()
    assert table[0]["unit"] == "um"


def test_absorption_per_voxel_that_is_passed_for_lac_is_told():
    image = np.where(BALL, 0.02, 0.001).astype(np.float32)  # 0.4 1/um in voxels of 0.05 um
    settings = {"spacing": 0.05, "unit": "um", "cells": False, "thin_structures": False}
    with pytest.warns(UserWarning, match=r"if the values are per voxel of 0.05 um, it is 0.4 1/um"):
        acseg.measure(BALL, image, intensity_unit="1/um", **settings)


def test_voxels_without_a_value_in_the_image_are_told():
    settings = {"cells": False, "thin_structures": False}
    for image, missing in ((np.where(X < 13, np.nan, 1.0), BALL & (X < 13)), (np.full(SHAPE, np.nan), BALL)):
        with pytest.warns(UserWarning, match=rf"{missing.sum()} of {BALL.sum()} voxels of Segment_1 .*no finite value"):
            acseg.measure(BALL, image, **settings)


def test_a_comparison_leaves_out_what_the_reference_ignores_as_the_shell_does():
    reference = np.where(X < 13, BALL, 2 * BALL)
    names = {1: "cell", 2: "ignore"}
    sides = (Segmentation.from_labels(labels, names=names) for labels in (BALL, reference))
    with pytest.warns(UserWarning, match="ignore"):
        table = acseg.compare(*sides, distances=False)
    assert (list(table["segment"]), list(table["dice"])) == (["cell"], [1.0])


def test_a_comparison_tells_how_it_paired_segments_without_a_common_name():
    first, second = (Segmentation.from_labels(BALL, names={1: name}) for name in ("cell", "nucleus"))
    with pytest.warns(UserWarning, match="no segment name in common; they were compared by value"):
        assert acseg.compare(first, second, distances=False)["dice"][0] == 1
    with pytest.raises(InputError, match="ignore must be an array of bool"):
        acseg.compare(first, second, ignore=BALL.astype(int))


@pytest.mark.parametrize("unit", ["nm", "mm", "px"])
def test_cropped_labels_of_another_unit_are_laid_on_their_image_as_in_the_shell(unit):
    place = Geometry((30, 30, 30), unit="nm")
    whole, image = Segmentation.from_labels(BALL, place), Volume(IMAGE, place)
    cropped = Segmentation.from_labels(BALL[3:], Geometry((30, 30, 30), (0, 0, 90), unit=unit))
    settings = {"cells": False, "thin_structures": False}
    assert acseg.measure(cropped, image, **settings)[0] == acseg.measure(whole, image, **settings)[0]
    assert acseg.compare(cropped, whole, distances=False)[0]["dice"] == 1


def test_another_grid_is_resampled_where_that_is_asked_for():
    labels, image = (
        Segmentation.from_labels(BALL, Geometry((1.5, 1.5, 1.5), unit="nm")),
        Volume(IMAGE, Geometry(unit="nm")),
    )
    with pytest.raises(InputError, match="different positions"):
        acseg.measure(labels, image, cells=False)
    with pytest.warns(UserWarning, match="labelled voxels lie outside"):
        assert acseg.measure(labels, image, cells=False, resample=True)[0]["voxels"] < BALL.sum()
