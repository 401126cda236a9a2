"""Two files on one grid: units that differ or are not told, cropped labels, and what is refused."""

from __future__ import annotations

import json
import re
import warnings
from dataclasses import replace

import h5py
import numpy as np
import pytest
import tifffile
import zarr

from ACSegLib.commands.main import main
from ACSegLib.errors import FileError, InputError
from ACSegLib.files import open_segmentation, open_volume, save_segmentation, save_volume
from ACSegLib.files.registry import collect_notes
from ACSegLib.files.tables import read_table
from ACSegLib.placement import (
    in_one_unit,
    notes_on_lengths,
    place_labels,
    with_default_unit,
    with_geometry_of,
    with_image,
    with_margin,
    with_room_for,
)
from ACSegLib.volume import Geometry, Segmentation, Volume, require_same_grid

NM = Geometry((35.0, 35.0, 70.0), (100.0, -20.0, 3.0), unit="nm")
UNTOLD = replace(NM, unit="px")
_TURNED = (0.8, -0.6, 0.0, 0.6, 0.8, 0.0, 0.0, 0.0, 1.0)
SHAPE = (16, 18, 20)


def box(geometry=NM, start=(4, 5, 6)):
    labels = np.zeros(SHAPE, np.uint8)
    labels[tuple(slice(s, s + 8) for s in start)] = 1
    return Segmentation.from_labels(labels, geometry, {1: "cytoplasm"})


def test_labels_whose_axes_run_the_other_way_are_refused_as_such():
    """As labels that nibabel saved with a plain diagonal affine, which is in RAS."""
    image = Volume(np.zeros(SHAPE, np.float32), Geometry((2.0, 2.0, 2.0), unit="um"))
    backwards = Geometry((2.0, 2.0, 2.0), direction=(-1.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0, 1.0), unit="um")
    with pytest.raises(InputError, match=r"their axes run in other directions.*save them with its voxel size"):
        place_labels(box(backwards), image)


@pytest.mark.parametrize(
    ("mine", "theirs", "agreed"),
    [
        (UNTOLD, NM, NM),
        (NM, UNTOLD, NM),
        (replace(NM, unit="mm"), NM, NM),
        (NM, replace(NM, unit="mm"), NM),
        (replace(NM, unit="um"), NM, NM),
        (replace(NM, unit="mm"), UNTOLD, replace(NM, unit="mm")),
        (Geometry(), NM, NM),
        (NM, Geometry(), NM),
    ],
)
def test_equal_numbers_get_the_unit_that_is_to_be_believed(mine, theirs, agreed):
    first, second = in_one_unit(box(mine), box(theirs))
    assert first.geometry == second.geometry == agreed


def test_equal_lengths_and_other_grids_stay_as_they_are():
    for other in (NM.in_unit("um"), replace(NM, origin=(0.0, 0.0, 0.0), unit="um")):
        first, second = in_one_unit(box(other), box(NM))
        assert (first.geometry, second.geometry) == (other, NM)


def test_a_unit_is_told_only_where_none_is():
    assert with_default_unit(box(UNTOLD), "nm").geometry == NM
    assert with_default_unit(box(NM), "mm").geometry == NM
    assert with_default_unit(box(UNTOLD), None).geometry == UNTOLD


@pytest.mark.parametrize("step", [2.0, 1.3])
def test_labelled_voxels_that_resampling_leaves_out_are_counted(step):
    coarse = box(replace(NM, spacing=tuple(step * size for size in NM.spacing), origin=(300.0, 200.0, 500.0)))
    image = Volume(np.zeros(SHAPE), NM, "tomogram")
    places = np.argwhere(coarse.layers[0])[:, ::-1] * coarse.geometry.spacing + coarse.geometry.origin
    index = (places - NM.origin) / NM.spacing
    lost = np.count_nonzero(((index < -0.5) | (index > np.array(SHAPE[::-1]) - 0.5)).any(axis=1))
    assert 0 < lost < len(places)
    for bring in (place_labels, with_image):
        with pytest.warns(UserWarning, match=f"{lost} labelled voxels lie outside tomogram and were left out"):
            bring(coarse, image, resample=True)


def test_cropped_labels_are_copied_where_nothing_is_lost():
    whole = box()
    part = Segmentation((whole.labels[3:14, 4:15, 5:16],), whole.segments, NM.cropped((5, 4, 3)))
    assert np.array_equal(place_labels(part, whole).labels, whole.labels)
    smaller = replace(part, layers=(part.labels[:6],))
    with pytest.raises(InputError, match=r"192 of 512 labelled voxels .* lie outside .*--resample"):
        place_labels(whole, smaller)
    assert place_labels(whole, smaller, resample=True).shape == smaller.shape
    with pytest.raises(InputError, match="save them with its voxel size, origin and direction"):
        place_labels(whole, box(replace(NM, origin=(110.0, -20.0, 3.0))))  # half voxels


def cropped_by_slicer(whole, meta=None):
    """The part of a segmentation that holds labels, as Slicer saves it: lengths without a unit."""
    part = whole.labels[4:12, 5:13, 6:14].copy()
    known = {"reference_offset": (6, 5, 4), **(meta or {})}
    return Segmentation(part, whole.segments, UNTOLD.cropped((6, 5, 4)), "cropped", known)


def test_a_reference_that_slicer_has_cropped_counts_what_a_result_has_beyond_it(tmp_path):
    """The result was refused, or with --resample lost what was wrong in it."""
    truth, more = box(), box().labels.copy()
    more[0:2, 0:4, 0:8] = 1  # 64 wrong voxels beside 512 right ones
    result = Segmentation(more, truth.segments, NM, "result")
    reference = with_room_for(cropped_by_slicer(truth), result)
    assert np.array_equal(reference.labels, truth.labels)
    assert with_room_for(truth, cropped_by_slicer(truth)) is truth
    plain = replace(cropped_by_slicer(truth), meta={})  # of another program, which may have labelled a part
    assert with_room_for(plain, result) is plain
    elsewhere = replace(result, geometry=replace(NM, origin=(90000.0, 0.0, 0.0)))
    assert with_room_for(cropped_by_slicer(truth), elsewhere).shape == (8, 8, 8)
    save_segmentation(result, tmp_path / "result.seg.nrrd")
    save_segmentation(replace(cropped_by_slicer(truth), geometry=NM.cropped((6, 5, 4))), tmp_path / "truth.seg.nrrd")
    files = [str(tmp_path / f"{name}.seg.nrrd") for name in ("result", "truth")]
    assert main(["compare", *files, "-o", str(tmp_path / "c.csv"), "--quiet"]) == 0
    (row,) = read_table(tmp_path / "c.csv")
    assert row["dice"] == pytest.approx(2 * 512 / (512 + 576))
    assert row["unit"] == "um"
    assert not row["touches_border"]


def test_a_part_that_slicer_has_saved_does_not_end_at_the_border_of_the_volume():
    whole = box()
    for extent, pads in (((0, 19, 0, 17, 0, 15), (2, 2, 2)), ((0, 13, 5, 12, 0, 15), (2, 0, 1)), (None, (1, 1, 1))):
        part = cropped_by_slicer(whole, {"reference_extent": extent} if extent else {})
        found = with_margin(part)
        assert [n - 8 for n in found.shape] == list(pads)
        assert np.array_equal(place_labels(found, whole, resample=True).labels, whole.labels)
    assert with_margin(whole) is whole


def test_a_folder_of_some_labelled_slices_lies_on_the_slices_of_the_same_names(tmp_path, capsys):
    image = np.random.default_rng(0).normal(0, 0.1, (12, 10, 10)).astype(np.float32)
    labels = np.zeros(image.shape, np.uint8)
    labels[:8, 2:7, 2:7] = 1
    for folder in ("image", "numbered", "other"):
        (tmp_path / folder).mkdir()
    for k, plane in enumerate(image + labels):
        tifffile.imwrite(tmp_path / "image" / f"scan_{k:03d}.tif", plane)
    for k in (1, 5, 7, 10):  # nothing is drawn on the last one
        tifffile.imwrite(tmp_path / "numbered" / f"drawn{k}.tif", labels[k])
        tifffile.imwrite(tmp_path / "other" / f"drawn{k + 5}.tif", labels[k])
    placed = place_labels(open_segmentation(tmp_path / "numbered", gaps=True), open_volume(tmp_path / "image"))
    assert placed.shape == image.shape
    assert np.array_equal(placed.labels[[1, 5, 7, 10]], labels[[1, 5, 7, 10]])
    assert np.flatnonzero(placed.labels.any(axis=(1, 2))).tolist() == [1, 5, 7]
    arguments = ["fill", str(tmp_path / "image"), str(tmp_path / "numbered"), "-o", str(tmp_path / "a.nrrd"), "--json"]
    assert main([*arguments, "--quiet"]) == 0
    assert json.loads(capsys.readouterr().out)["results"]["slices"] == {"k": [1, 5, 7, 10]}
    for folder in ("image", "numbered"):  # of a folder of other numbers, and without an image, the gaps are errors
        with pytest.raises((InputError, FileError), match="are missing between"):
            place_labels(open_segmentation(tmp_path / "other", gaps=folder == "image"), open_volume(tmp_path / "image"))


@pytest.mark.parametrize("onto", [Geometry(), NM])
def test_cropped_labels_that_state_no_position_are_refused_or_told(onto):
    """A TIFF that was cropped and labelled: nothing tells where it was cut out."""
    whole = replace(box(onto), name="image")
    part = Segmentation((whole.labels[:14, :15, :16],), whole.segments, name="part")
    with pytest.raises(InputError, match=r"'part' have 16 x 15 x 14 voxels, 'image' has 20 x 18 x 16.*no position"):
        place_labels(part, whole)
    with pytest.warns(UserWarning, match=r"part: .*states no position; its first voxel was placed on the first"):
        placed = place_labels(part, whole, resample=True)
    assert np.array_equal(placed.labels, whole.labels)


def test_cropped_labels_with_a_voxel_size_but_no_position_are_told():
    place = Geometry((30.0, 30.0, 40.0), unit="nm")
    whole = box(place)
    part = Segmentation((whole.labels[:14, :15, :16],), whole.segments, place, name="part")
    with pytest.warns(UserWarning, match="part: .*states no position"):
        assert np.array_equal(place_labels(part, whole).labels, whole.labels)


def _without_position(path, labels):
    """Labels with a voxel size of 35 x 35 x 70 nm, in formats whose files state no position."""
    if path.suffix == ".tif":
        words = {"axes": "ZYX", "spacing": 70.0, "unit": "nm"}
        tifffile.imwrite(path, labels, imagej=True, resolution=(1 / 35, 1 / 35), metadata=words)
    elif path.suffix == ".h5":
        with h5py.File(path, "w") as file:
            file.create_dataset("label", data=labels).attrs["element_size_um"] = (0.07, 0.035, 0.035)
    else:
        group = zarr.open_group(str(path), mode="w", zarr_format=2)
        group.create_array("0", data=labels)
        level = {"path": "0", "coordinateTransformations": [{"type": "scale", "scale": [70, 35, 35]}]}
        axes = [{"name": letter, "type": "space", "unit": "nanometer"} for letter in "zyx"]
        group.attrs["multiscales"] = [{"version": "0.4", "axes": axes, "datasets": [level]}]


@pytest.mark.parametrize("ending", [".tif", ".h5", ".ome.zarr"])
@pytest.mark.parametrize("direction", [NM.direction, (-1, 0, 0, 0, -1, 0, 0, 0, 1), _TURNED])
def test_labels_without_a_position_lie_on_an_image_of_the_same_voxels(ending, direction, tmp_path):
    """As drawn in Fiji on a tomogram that does not lie at 0."""
    image, path = Volume(np.zeros(SHAPE), replace(NM, direction=direction), "image"), tmp_path / f"part{ending}"
    _without_position(path, box().labels)
    with pytest.warns(UserWarning, match="part: states no position; part was laid on image voxel by voxel"):
        placed = place_labels(open_segmentation(path), image)
    assert np.array_equal(placed.labels, box().labels)
    assert placed.geometry.in_unit("nm").shift_of(image.geometry, SHAPE) < 1e-6
    other = replace(image, geometry=replace(image.geometry, spacing=(35.0, 35.0, 60.0)))
    with pytest.raises(InputError, match="same shape but different positions"):
        place_labels(open_segmentation(path), other)
    _without_position(path, box().labels[:14, :15, :16])
    with pytest.raises(InputError, match="the labels state no position"):
        place_labels(open_segmentation(path), image)
    with pytest.warns(UserWarning, match=r"part: .*states no position; its first voxel was placed on the first"):
        placed = place_labels(open_segmentation(path), image, resample=True)
    assert np.array_equal(placed.labels, box().labels)


def _ome(path, array, start, step=0.3, unit="µm", stated=0.3):
    """An OME-TIFF of tifffile whose planes state their positions."""
    count = len(array)
    planes = {f"Position{axis}": [start[n]] * count for n, axis in enumerate("XY")}
    planes["PositionZ"] = [start[2] + step * k for k in range(count)]
    planes |= {f"Position{axis}Unit": [unit] * count for axis in "XYZ"}
    sizes = {"PhysicalSizeX": 0.1, "PhysicalSizeY": 0.2} | ({"PhysicalSizeZ": stated} if stated else {})
    units = {f"{name}Unit": "µm" for name in sizes}
    tifffile.imwrite(path, array, ome=True, metadata={"axes": "ZYX", "Plane": planes, **sizes, **units})


def test_a_part_of_an_ome_tiff_lies_where_its_planes_put_it(tmp_path):
    labels = box().labels
    _ome(tmp_path / "image.ome.tif", np.zeros(SHAPE, np.float32), (500.0, -70.0, 12.0))
    _ome(tmp_path / "part.ome.tif", labels[3:, 2:, 5:], (500.5, -69.6, 12.9))
    image, part = open_volume(tmp_path / "image.ome.tif"), open_segmentation(tmp_path / "part.ome.tif")
    with pytest.warns(UserWarning, match="part: was placed on image by the positions of the planes"):
        placed = place_labels(part, image)
    assert np.array_equal(placed.labels, labels)
    assert image.geometry.origin == (0, 0, 0)  # where Slicer and Fiji put it
    _ome(tmp_path / "copied.ome.tif", labels[:14, :15, :16], (500.0, -70.0, 12.0))
    with pytest.warns(UserWarning, match="copied: .*states no position"):
        place_labels(open_segmentation(tmp_path / "copied.ome.tif"), image)
    _ome(tmp_path / "other.ome.tif", labels, (700.0, -70.0, 12.0))
    with pytest.warns(UserWarning, match="other: .*its planes state other positions"):
        assert np.array_equal(place_labels(open_segmentation(tmp_path / "other.ome.tif"), image).labels, labels)


@pytest.mark.parametrize("odd", [{"unit": "reference frame"}, {"step": -0.3}, {"step": 0.0}])
def test_planes_without_usable_positions_place_nothing(odd, tmp_path):
    _ome(tmp_path / "a.ome.tif", np.zeros(SHAPE, np.float32), (500.0, -70.0, 12.0), **odd)
    with collect_notes() as notes:
        found = open_volume(tmp_path / "a.ome.tif")
    assert "position" not in found.meta
    assert notes == []
    assert found.geometry == Geometry((0.1, 0.2, 0.3), unit="um")


@pytest.mark.parametrize(
    ("stated", "depth", "note"),
    [(None, 0.6, "states no PhysicalSizeZ; .* 0.6 um, is used"), (0.3, 0.3, "0.6 um apart .* 0.3 um by PhysicalSizeZ")],
)
def test_positions_of_planes_tell_their_distance(stated, depth, note, tmp_path):
    _ome(tmp_path / "a.ome.tif", np.zeros(SHAPE, np.float32), (500.0, -70.0, 12.0), step=0.6, stated=stated)
    with pytest.warns(UserWarning, match=note):
        assert open_volume(tmp_path / "a.ome.tif").geometry == Geometry((0.1, 0.2, depth), unit="um")


def test_labels_keep_their_position_on_an_image_without_one(tmp_path):
    _without_position(tmp_path / "image.tif", np.zeros(SHAPE, np.uint8))
    image = open_volume(tmp_path / "image.tif")
    with pytest.warns(UserWarning, match="image: states no position"):
        placed = place_labels(box(), image)
    assert placed.geometry == NM
    require_same_grid(image, placed)


def _cropped_by_slicer(path, part, start, size, spacing=1):
    """A .seg.nrrd of Slicer of an image for which it had no voxel size, cropped to what was drawn."""
    extent = "".join(f"0;{n - 1};" for n in size)
    axes = " ".join(f"({','.join(str(spacing * (a == b)) for b in range(3))})" for a in range(3))
    fields = {
        "type": "unsigned char", "dimension": 3, "space": "left-posterior-superior", "encoding": "raw",
        "sizes": " ".join(map(str, part.shape[::-1])), "space directions": axes,
        "space origin": f"({','.join(str(spacing * n) for n in start)})",
    }  # fmt: skip
    keys = {
        "Segment0_ID": "cell", "Segment0_Name": "cell", "Segment0_LabelValue": 1, "Segment0_Layer": 0,
        "Segmentation_ReferenceImageExtentOffset": " ".join(map(str, start)),
        "Segmentation_ConversionParameters": f"Reference image geometry|{'1;' * 16}{extent}|Reference&",
        "Segmentation_MasterRepresentation": "Binary labelmap",
    }  # fmt: skip
    rows = [f"{name}: {value}" for name, value in fields.items()] + [f"{name}:={value}" for name, value in keys.items()]
    path.write_bytes("\n".join(["NRRD0004", *rows, "", ""]).encode() + part.tobytes())


@pytest.mark.parametrize("place", [NM, replace(NM, origin=(0.0, 0.0, 0.0), direction=_TURNED), replace(NM, unit="px")])
def test_a_part_that_slicer_saved_of_an_image_without_a_voxel_size_lies_on_its_voxels(place, tmp_path):
    """Slicer knows no voxel size of a TIFF of ImageJ."""
    image, labels = Volume(np.zeros(SHAPE), place, "image"), box().labels
    _cropped_by_slicer(tmp_path / "part.seg.nrrd", labels[4:12, 5:13, 6:14], (6, 5, 4), SHAPE[::-1])
    with pytest.warns(UserWarning, match="part: states no voxel size.* by the voxels that it covers"):
        placed = place_labels(open_segmentation(tmp_path / "part.seg.nrrd"), image)
    assert np.array_equal(placed.labels, labels)
    for size, spacing in (((20, 18, 17), 1), (SHAPE[::-1], 2)):  # of another image, or with a voxel size
        _cropped_by_slicer(tmp_path / "other.seg.nrrd", labels[4:12, 5:13, 6:14], (6, 5, 4), size, spacing)
        with pytest.raises(InputError):
            place_labels(open_segmentation(tmp_path / "other.seg.nrrd"), image)


def test_a_part_of_a_volume_without_a_position_has_its_own():
    """Parts of one file lie where they were cut out."""
    silent = replace(NM, origin=(0.0, 0.0, 0.0), has_position=False)
    assert silent.matches(NM, SHAPE)
    assert not silent.cropped((1, 0, 0)).matches(NM, SHAPE)
    assert not replace(NM, origin=(0.0, 0.0, 0.0)).matches(NM, SHAPE)


@pytest.mark.parametrize("turned", [False, True])
def test_labels_that_a_crop_has_cut_are_told(turned):
    """A cell that was cut with its labels was measured, and filled on, as if it ended there."""
    whole = replace(box(), name="image")
    cut = Segmentation((whole.labels[:, :, :10],), whole.segments, NM, name="cut")
    if turned:  # the same voxels, with x reversed and y and z exchanged
        axes = (-1.0, 0, 0, 0, 0, 1, 0, 1, 0)
        place = Geometry((35.0, 70.0, 35.0), NM.cropped((9, 0, 0)).origin, axes, "nm")
        cut = Segmentation((cut.labels.transpose(1, 0, 2)[:, :, ::-1],), whole.segments, place, name="cut")
    with pytest.warns(UserWarning, match=r"cut: covers a part of image only, .* along i; .* may be cut"):
        placed = place_labels(cut, whole)
    assert np.array_equal(placed.labels[:, :, :10], whole.labels[:, :, :10])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        place_labels(cropped_by_slicer(whole), whole)  # to the labels, which are whole
        place_labels(replace(cut, layers=(whole.labels[:, :, :16],), geometry=NM), whole)  # beside the labels
        inner = Segmentation((whole.labels[2:12, 3:13, 4:14],), whole.segments, NM.cropped((4, 3, 2)))
        place_labels(inner, replace(whole, layers=(whole.labels[:12, :13, :14],)))  # where the image ends as well


def test_labels_with_exchanged_axes_are_laid_without_a_note(recwarn):
    """Their shape is another one, though both begin at 0."""
    plain = replace(NM, origin=(0.0, 0.0, 0.0), spacing=(35.0, 35.0, 35.0))
    drawn = box(plain)
    turned = replace(plain, direction=(0.0, 0.0, 1.0, 0.0, 1.0, 0.0, 1.0, 0.0, 0.0))
    given = Segmentation.from_labels(np.ascontiguousarray(drawn.layers[0].transpose(2, 1, 0)), turned)
    placed = place_labels(given, Volume(np.zeros(SHAPE), plain))
    np.testing.assert_array_equal(placed.layers[0], drawn.layers[0])
    assert not recwarn.list


def test_empty_labels_are_empty_on_any_grid():
    """Slicer saves a single voxel, of no place, where nothing is drawn."""
    empty = Segmentation.from_labels(np.zeros((1, 1, 1), np.uint8), Geometry(), {1: "cell"})
    placed = place_labels(empty, Volume(np.zeros(SHAPE), NM))
    assert (placed.shape, placed.geometry, placed.layers[0].any()) == (SHAPE, NM, False)


def test_flipped_labels_in_the_same_place_are_not_called_moved():
    whole = box()
    flipped = replace(NM, origin=tuple(NM.cropped((19, 0, 0)).origin), direction=(-1.0, 0, 0, 0, 1, 0, 0, 0, 1))
    labels = Segmentation((whole.labels[:, :, ::-1],), whole.segments, flipped)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.array_equal(place_labels(labels, whole).labels, whole.labels)


def test_labels_are_laid_on_their_image():
    image = Volume(np.zeros((7, 8, 9)), Geometry((2, 3, 4), (5, 6, 7), _TURNED, "nm"), "image")
    full = np.zeros(image.shape, np.uint8)
    full[2:5, 1:6, 3:8] = np.random.default_rng(0).integers(0, 3, (3, 5, 5))
    crop = Segmentation.from_labels(full[2:5, 1:6, 3:8], image.geometry.cropped((3, 1, 2)), name="crop")
    np.testing.assert_array_equal(place_labels(crop, image).labels, full)
    unitless = replace(crop, geometry=replace(crop.geometry, unit="px"))
    placed = place_labels(unitless, image)
    assert placed.geometry == image.geometry
    np.testing.assert_array_equal(placed.labels, full)
    other = replace(crop, geometry=replace(crop.geometry, spacing=(1, 3, 4)))
    with pytest.raises(InputError, match="--resample"):
        place_labels(other, image)
    assert place_labels(other, image, resample=True).shape == image.shape
    far = replace(crop, geometry=image.geometry.cropped((100, 0, 0)))
    with pytest.raises(InputError, match=r"no label of 'crop'.*belong together"):
        place_labels(far, image)


def test_labels_that_lie_elsewhere_are_refused():
    with pytest.raises(InputError, match=r"no label of .*35 x 35 x 70 mm"):
        place_labels(box(replace(NM, unit="mm", origin=(1e3, 0, 0))), box(), resample=True)


@pytest.mark.parametrize("unit", ["px", "mm", "um"])
@pytest.mark.parametrize("start", [(0, 0, 0), (5, 4, 3)])
def test_plain_numbers_place_labels_whose_unit_is_another(unit, start):
    """Slicer keeps the numbers of an image in nm, says mm, and crops to what was drawn."""
    whole = box()
    part = whole.labels[start[2] : 14, start[1] : 15, start[0] : 16]
    crop = Segmentation((part,), whole.segments, replace(NM.cropped(start), unit=unit), "crop")
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        placed = place_labels(crop, whole)
    assert np.array_equal(placed.labels, whole.labels)
    assert placed.geometry == NM
    assert [str(one.message).startswith("crop: its place fits") for one in told] == [True] * (
        unit != "px" and start != (0, 0, 0)
    )


def test_lengths_place_labels_of_another_unit():
    whole = box()
    crop = Segmentation((whole.labels[3:14, 4:15, 5:16],), whole.segments, NM.cropped((5, 4, 3)).in_unit("um"))
    assert np.array_equal(place_labels(crop, whole).labels, whole.labels)


def test_labels_of_the_same_shape_that_lie_elsewhere_are_told():
    whole = box()
    moved = replace(whole, geometry=NM.cropped((1, 0, -2)), name="moved")
    with pytest.warns(UserWarning, match=r"moved by \+1, \+0, -2 voxels along i, j, k"):
        placed = place_labels(moved, whole)
    assert np.array_equal(placed.labels, np.roll(whole.labels, (-2, 0, 1), (0, 1, 2)))


@pytest.mark.parametrize(("part", "told"), [(0.009, False), (0.02, True), (0.24, True), (0.26, None)])
@pytest.mark.parametrize("start", [(0, 0, 0), (3, 2, 1)])
@pytest.mark.parametrize("unit", ["nm", "um", "mm"])
def test_labels_beside_their_image_by_a_part_of_a_voxel_are_laid_on_it_with_a_note(part, told, start, unit):
    """Headers round; programs that place a volume by a corner differ by half a voxel."""
    whole = box()
    i, j, k = start
    place = NM.cropped((i + part, j, k))
    place = replace(place, unit="mm") if unit == "mm" else place.in_unit(unit)
    beside = Segmentation((whole.labels[k:, j:, i:],), whole.segments, place, "beside")
    with collect_notes() as notes:
        if told is None:
            with pytest.raises(InputError, match=r"different positions|voxels .*--resample"):
                place_labels(beside, whole)
            return
        placed = place_labels(beside, whole)
    np.testing.assert_array_equal(placed.labels, whole.labels)
    assert [f"up to {part:g} voxels beside" in note for note in notes if "voxels beside" in note] == [True] * told
    agreed, _ = in_one_unit(placed, whole)
    assert agreed.geometry.in_unit("nm").shift_of(NM, whole.shape) < (1e-6 if told else 0.01)


def test_labels_that_lose_a_slice_are_refused():
    whole = box()
    with pytest.raises(InputError, match="lie outside"):
        place_labels(replace(whole, geometry=NM.cropped((0, 0, 6))), whole)


def test_labels_that_slicer_saved_without_unit(tmp_path):
    """Slicer keeps the numbers of the image and names no unit; a truth or an image in nm says what they mean."""
    save_segmentation(box(UNTOLD), tmp_path / "result.seg.nrrd")
    save_segmentation(box(), tmp_path / "truth.seg.nrrd")
    save_volume(Volume(np.ones(SHAPE, np.float32), NM), tmp_path / "image.nrrd")
    result, truth, table = (str(tmp_path / name) for name in ("result.seg.nrrd", "truth.seg.nrrd", "t.csv"))
    volume = 8**3 * 0.035 * 0.035 * 0.07
    for pair in ((result, truth), (truth, result)):
        assert main(["compare", *pair, "-o", table, "--quiet"]) == 0
        (row,) = read_table(table)
        assert (row["dice"], row["unit"]) == (1.0, "um")
        assert row["truth_volume"] == pytest.approx(volume)
    for more in (["--image", str(tmp_path / "image.nrrd")], ["--file-unit", "nm"]):
        assert main(["measure", result, "-o", table, "--quiet", *more]) == 0
        assert read_table(table)[0]["volume"] == pytest.approx(volume)


def test_figures_without_unit_come_with_a_note(tmp_path, capsys):
    save_segmentation(box(UNTOLD), tmp_path / "result.seg.nrrd")
    assert main(["measure", str(tmp_path / "result.seg.nrrd"), "-o", str(tmp_path / "t.csv"), "--quiet"]) == 0
    assert "the data of result state no unit of length," in capsys.readouterr().out
    assert read_table(tmp_path / "t.csv")[0]["unit"] == "px"


def test_lengths_in_voxels_come_with_a_note_unless_asked_for(tmp_path, capsys):
    """A file without voxel size, in each command whose lengths are then numbers of voxels."""
    path, table, mesh = (str(tmp_path / name) for name in ("cell.tif", "t.csv", "cell.stl"))
    save_segmentation(box(Geometry()), path)
    for command in (["measure", path, "-o", table], ["compare", path, path], ["mesh", path, "-o", mesh]):
        assert main([*command, "--quiet"]) == 0
        told = capsys.readouterr()
        assert "the data of cell state no voxel size," in told.out + told.err
        assert main([*command, "--quiet", "--unit", "px"]) == 0
        told = capsys.readouterr()
        assert "no voxel size" not in told.out + told.err


def test_slicers_numbers_in_nanometres_are_not_passed_for_millimetres(tmp_path, capsys):
    """An image and labels as Slicer saves them, without unit: the format's rule is mm, and the note says so."""
    save_segmentation(box(UNTOLD), tmp_path / "cell.seg.nrrd")
    save_volume(Volume(np.ones(SHAPE, np.float32), UNTOLD), tmp_path / "image.nrrd")
    header, voxels = (tmp_path / "image.nrrd").read_bytes().split(b"\n\n", 1)
    lines = [line for line in header.split(b"\n") if b"units" not in line]
    (tmp_path / "image.nrrd").write_bytes(b"\n".join(lines) + b"\n\n" + voxels)
    image = str(tmp_path / "image.nrrd")
    mesh = ["mesh", image, "-o", str(tmp_path / "cell.stl"), "--quiet"]
    for words in (mesh, ["compare", image, image, "--quiet"], ["info", image, "--quiet"]):
        unit = "--unit" if words[0] == "info" else "--file-unit"
        assert main(words) == 0
        told = capsys.readouterr().out
        assert re.search(r"data of image.* have voxels of more than 5 mm,", told)
        assert unit in told
        assert main([*words, unit, "nm"]) == 0
        assert "voxels of" not in capsys.readouterr().out
    command = ["measure", str(tmp_path / "cell.seg.nrrd"), "--image", str(tmp_path / "image.nrrd"), "--quiet"]
    table = str(tmp_path / "t.csv")
    assert main([*command, "-o", table]) == 0
    assert "data of cell have voxels of more than 5 mm," in capsys.readouterr().out
    assert main([*command, "-o", table, "--file-unit", "nm"]) == 0
    assert "voxels of" not in capsys.readouterr().out
    assert read_table(table)[0]["volume"] == pytest.approx(8**3 * 0.035 * 0.035 * 0.07)


def test_a_note_on_many_volumes_counts_them_and_names_three():
    sizeless = {name: ("px", 1.0) for name in "dbca"}
    (note,) = notes_on_lengths(sizeless, "um")
    assert note.startswith("the data of a, b, c, ... (4) state no voxel size, so that")
    assert notes_on_lengths({"c": ("mm", 30.0)}, "um")[0].startswith("the data of c have voxels of more than 5 mm,")


@pytest.mark.parametrize(
    ("image", "labels", "wanted"),
    [
        (Geometry(), NM, NM),
        (UNTOLD, NM, NM),
        (replace(NM, unit="mm"), NM, NM),
        (NM.in_unit("um"), NM, NM.in_unit("um")),
        (NM, UNTOLD, NM),
        (NM, Geometry(), NM),
        (Geometry(), Geometry(unit="mm"), Geometry()),  # what Slicer writes where it knows no voxel size
    ],
)
def test_an_image_takes_the_voxel_size_of_its_labels_where_it_states_none(image, labels, wanted):
    volume = Volume(np.zeros(SHAPE, np.uint8), image, "image")
    with collect_notes() as notes:
        assert with_geometry_of(box(labels), volume).geometry == wanted
    assert bool(notes) == (wanted != image)
