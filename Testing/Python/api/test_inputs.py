"""Arrays with a spacing, in the order of the array, become volumes and segmentations."""

import numpy as np
import pytest
from ballcase import BALL, IMAGE, SHAPE, SPARSE, Z

import ACSegLib as acseg
from ACSegLib.api.inputs import array_geometry, as_pair, as_segmentation, as_segmentations, as_volume
from ACSegLib.errors import InputError
from ACSegLib.volume import Geometry, Segmentation, Volume

PLACED = Geometry((1, 2, 3), (4, 5, 6), unit="nm")


def test_spacing_is_in_the_order_of_the_array():
    assert array_geometry((3, 2, 1), "nm") == Geometry((1, 2, 3), unit="nm")
    assert array_geometry(np.array([3, 2, 1]), None) == Geometry((1, 2, 3), unit="px")
    assert array_geometry(2, "um") == Geometry((2, 2, 2), unit="um")
    assert array_geometry(None, None) == Geometry()


@pytest.mark.parametrize("spacing", [(1, 2), (1, 2, 3, 4), (1, 0, 1), (1, -1, 1), (1, np.nan, 1), "wide", (1, "x", 2)])
def test_an_impossible_spacing_is_refused(spacing):
    with pytest.raises(InputError, match=r"spacing must be one or three positive numbers.*\(z, y, x\)"):
        array_geometry(spacing, "nm")


def test_a_unit_needs_a_spacing():
    with pytest.raises(InputError, match="unit='nm' needs a spacing"):
        as_volume(IMAGE, unit="nm")


def test_a_unit_that_is_none_is_refused():
    with pytest.raises(InputError, match="furlong"):
        as_volume(IMAGE, 1, "furlong")


def test_a_volume_keeps_its_own_voxel_size():
    volume = Volume(IMAGE, PLACED)
    assert as_volume(volume) is volume
    assert as_volume(volume, (3, 2, 1), "nm") is volume, "the same voxel size is no contradiction"
    with pytest.raises(InputError, match=r"own voxel size, \(3, 2, 1\) nm"):
        as_volume(volume, (1, 2, 3), "nm")
    with pytest.raises(InputError, match="own voxel size"):
        as_volume(volume, unit="um")


@pytest.mark.parametrize("located", [Volume(IMAGE, PLACED), Segmentation.from_labels(SPARSE, PLACED)])
def test_an_array_lies_where_its_partner_lies(located):
    image, labels = (located, SPARSE) if isinstance(located, Volume) else (IMAGE, located)
    volume, segmentation = as_pair(image, labels)
    assert volume.geometry == segmentation.geometry == PLACED


def test_labels_may_be_a_volume():
    segmentation = as_segmentation(Volume(SPARSE, PLACED, "masks"))
    assert segmentation.geometry == PLACED
    assert [segment.value for segment in segmentation.segments] == [1]


def test_shapes_that_differ_are_named():
    with pytest.raises(InputError, match=r"image has shape \(24, 28, 26\) \(z, y, x\), but labels has \(24, 28, 25\)"):
        as_pair(IMAGE, SPARSE[..., :-1])
    with pytest.raises(InputError, match=r"result has shape .*, but reference has"):
        as_segmentations(SPARSE, SPARSE[:-1])


def test_a_segmentation_is_no_image():
    with pytest.raises(InputError, match="image is a segmentation"):
        as_volume(Segmentation.from_labels(SPARSE))


def test_values_of_an_array_become_segments():
    labels = SPARSE.astype(np.int64)
    labels[0, 0, 0] = 300
    segmentation = as_segmentation(labels, 1, "um")
    assert [segment.name for segment in segmentation.segments] == ["Segment_1", "Segment_300"]
    assert segmentation.shape == SHAPE


def test_errors_name_keywords_of_python():
    zeros = np.zeros((4, 4, 4), np.uint8)
    with pytest.raises(InputError, match=r"^slices 'first' is not a list of slice numbers"):
        acseg.fill(zeros, zeros + 1, slices="first")
    with pytest.raises(InputError, match=r"^bead_reference needs the tomogram; give it with image[.]"):
        acseg.measure(zeros + 1, bead_reference=2.0)


@pytest.mark.parametrize("name", ["decided", "protected"])
@pytest.mark.parametrize(
    ("mask", "problem"),
    [
        (BALL.astype(np.uint8), "must be an array of bool, not of uint8"),
        (BALL[:1], r"has \(1, 28, 26\)"),
        (BALL.tolist(), "list"),
    ],
)
def test_a_mask_is_an_array_of_bool_on_the_grid(name, mask, problem):
    with pytest.raises(InputError, match=f"{name}.*{problem}"):
        acseg.correct(IMAGE, BALL, BALL | (Z == 12), **{name: mask})


def test_a_mask_of_one_slice_is_not_spread_over_a_fill():
    with pytest.raises(InputError, match=r"protected has \(1, 28, 26\)"):
        acseg.fill(IMAGE, SPARSE, protected=BALL[:1])


def test_masks_of_other_libraries_count():
    torch = pytest.importorskip("torch")
    masks = (Z < 9, torch.tensor(Z < 9))
    one, other = (acseg.fill(IMAGE, SPARSE, protected=mask).labels for mask in masks)
    np.testing.assert_array_equal(one, other)


def test_a_text_names_one_segment():
    labels = np.where(Z < 12, BALL, 2 * BALL)
    table = acseg.measure(labels, segments="Segment_2", cells=False)
    assert list(table["voxels"]) == [(BALL & (Z >= 12)).sum()]
    assert list(acseg.split(labels, segments="Segment_2").counts) == ["Segment_2"]


def test_a_text_names_one_segment_of_a_fill():
    assert acseg.fill(IMAGE, SPARSE, only="Segment_1").labels.any()
    with pytest.raises(InputError, match="no segment 'cell'"):
        acseg.fill(IMAGE, SPARSE, only="cell")


def test_a_label_too_large_to_count_is_named():
    with pytest.raises(InputError, match="'labels' holds the value 9223372036854775808; labels must be"):
        acseg.measure(SPARSE.astype(np.uint64) << np.uint64(63))
