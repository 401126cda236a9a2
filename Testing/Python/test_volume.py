"""Geometry, volumes and segmentations."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ACSegLib.errors import InputError
from ACSegLib.geometry import unit_symbol
from ACSegLib.volume import (
    DEFAULT_COLOURS,
    Geometry,
    Segment,
    Segmentation,
    Volume,
    label_dtype,
    require_same_grid,
    unique_values,
)

TURNED = (0, -1, 0, 1, 0, 0, 0, 0, 1)  # i runs along +y, j along -x


def test_a_voxel_lies_where_the_formula_says():
    geometry = Geometry((2, 3, 4), (10, 20, 30), TURNED, "nm")
    # origin + direction @ (spacing * (1, 2, 3)) = origin + direction @ (2, 6, 12) = (10 - 6, 20 + 2, 30 + 12)
    np.testing.assert_allclose(geometry.ijk_to_lps @ [1, 2, 3, 1], [4, 22, 42, 1])
    assert geometry.voxel_volume == pytest.approx(24)


def test_a_crop_keeps_the_place_of_its_voxels():
    geometry = Geometry((2, 3, 4), (10, 20, 30), TURNED, "nm")
    crop = geometry.cropped((5, -6, 7))
    np.testing.assert_allclose(crop.ijk_to_lps @ [0, 0, 0, 1], geometry.ijk_to_lps @ [5, -6, 7, 1])
    np.testing.assert_allclose(crop.ijk_to_lps @ [1, 1, 1, 1], geometry.ijk_to_lps @ [6, -5, 8, 1])


@given(
    st.tuples(*[st.floats(1e-3, 1e3)] * 3),
    st.sampled_from(["nm", "um", "mm", "cm", "m", "angstrom"]),
    st.sampled_from(["nm", "um", "mm", "cm", "m", "angstrom"]),
)
def test_units_there_and_back(spacing, first, second):
    geometry = Geometry(spacing, (1, -2, 3), unit=first)
    there = geometry.in_unit(second)
    assert there.unit == second
    assert there.matches(geometry)
    np.testing.assert_allclose(there.in_unit(first).spacing, spacing, rtol=1e-12)


@pytest.mark.parametrize(
    ("unit", "symbol"),
    [("um", "µm"), ("1/um", "1/µm"), ("um3", "µm3"), ("angstrom", "Å"), ("nm", "nm"), ("vacuum", "vacuum"), ("", "")],
)
def test_units_are_shown_with_their_symbol(unit, symbol):
    assert unit_symbol(unit) == symbol


def test_units_in_numbers():
    assert Geometry((60, 60, 60), unit="nm").in_unit("um").spacing == pytest.approx((0.06,) * 3)
    assert Geometry((1, 1, 1), unit="angstrom").in_unit("nm").spacing == pytest.approx((0.1,) * 3)
    with pytest.raises(InputError, match="unknown"):
        Geometry().in_unit("nm")


@pytest.mark.parametrize(
    ("values", "word"),
    [
        ({"spacing": (1, 1)}, "spacing"),
        ({"spacing": (1, 0, 1)}, "positive"),
        ({"spacing": (1, -2, 1)}, "positive"),
        ({"spacing": (1, np.nan, 1)}, "finite"),
        ({"origin": (1, np.inf, 1)}, "origin"),
        ({"direction": (1, 0, 0, 1, 0, 0, 0, 0, 1)}, "invertible"),
        ({"unit": "parsec"}, "parsec"),
        ({"spacing": (1e-300, 1, 1), "unit": "nm"}, "voxels of 1e-300 x 1 x 1 nm are impossible"),
        ({"spacing": (1, 1, 1e7), "unit": "m"}, "impossible"),
    ],
)
def test_impossible_geometries_are_refused(values, word):
    with pytest.raises(InputError, match=word):
        Geometry(**values)


def test_grids_match_to_a_quarter_of_a_voxel_at_every_corner():
    one = Geometry((60, 60, 60), (1e5, 0, 0), unit="nm")
    assert one.matches(Geometry((0.06,) * 3, (100, 0, 0), unit="um"))
    assert one.matches(Geometry((60, 60, 60), (1e5 + 0.05, 0, 0), unit="nm"))
    assert one.matches(Geometry((60, 60, 60), (1e5 + 14, 0, 0), unit="nm"))
    assert not one.matches(Geometry((60, 60, 60), (1e5 + 16, 0, 0), unit="nm"))
    longer = Geometry((60, 60, 60.03), (1e5, 0, 0), unit="nm")  # at voxel 499 this is a quarter of a voxel too far
    assert one.matches(longer, (490, 20, 20))
    assert not one.matches(longer, (510, 20, 20))
    assert one.shift_of(longer, (101, 20, 20)) == pytest.approx(0.05)
    assert not one.matches(Geometry((60, 60, 61), (1e5, 0, 0), unit="nm"))
    assert not one.matches(Geometry((60, 60, 60), (1e5, 0, 0), TURNED, "nm"))


def test_grids_match_by_numbers_or_where_nothing_is_known():
    """Programs that know no nm keep the numbers and say mm, or write no geometry at all."""
    one = Geometry((60, 60, 60), (1e5, 0, 0), unit="nm")
    for unit in ("px", "mm", "um"):
        assert one.matches(Geometry((60, 60, 60), (1e5, 0, 0), unit=unit))
    assert one.matches(Geometry())
    assert Geometry().matches(one)
    assert not one.matches(Geometry((1, 1, 2)))
    assert not one.matches(Geometry((60, 60, 61), (1e5, 0, 0), unit="mm"))


@pytest.mark.parametrize("shape", [(3, 4), (2, 3, 4, 5), (0, 3, 4)])
def test_volumes_have_three_axes(shape):
    with pytest.raises(InputError, match=r"3 dimensions|empty"):
        Volume(np.zeros(shape))


def test_volumes_hold_numbers():
    with pytest.raises(InputError, match="complex"):
        Volume(np.zeros((2, 3, 4), complex))
    assert Volume(np.zeros((2, 3, 4), np.float16)).shape == (2, 3, 4)


def test_from_labels_names_what_it_finds():
    array = np.zeros((2, 3, 4), np.int16)
    array[0, 0, 0], array[1, 1, 1] = 7, 3
    found = Segmentation.from_labels(array, names={7: "cell", 5: "bead"}, colours={7: (1, 0, 0)})
    assert [(s.value, s.name) for s in found.segments] == [(3, "Segment_3"), (5, "bead"), (7, "cell")]
    assert found.segment("cell").colour == (1, 0, 0)
    assert found.segments[0].colour == DEFAULT_COLOURS[0]
    assert found.mask("cell").sum() == 1
    assert found.mask(3)[1, 1, 1]
    with pytest.raises(InputError, match="negative value -1"):
        Segmentation.from_labels(array - 1)
    with pytest.raises(InputError, match="whole"):
        Segmentation.from_labels(array.astype(float))


def test_the_name_of_a_segment_is_one_line():
    assert Segment("cyto\r\nplasm\x1b[1m\u2028end", 1).name == "cyto plasm [1m end"
    assert Segment("Zytoplasma, größer als 1 µm", 1).name == "Zytoplasma, größer als 1 µm"


@given(st.integers(0, 2**32), st.integers(1, 6))
def test_masks_packed_into_layers_come_out_again(seed, count):
    rng = np.random.default_rng(seed)
    masks = [rng.random((3, 4, 5)) < rng.uniform(0, 0.6) for _ in range(count)]
    rows = [Segment(f"s{n}", int(rng.integers(1, 4)), id=f"id{n}") for n in range(count)]
    packed = Segmentation.from_masks(masks, rows, Geometry())
    for mask, row, old in zip(masks, packed.segments, rows, strict=True):
        assert (row.name, row.value, row.id) == (old.name, old.value, old.id)
        np.testing.assert_array_equal(packed.mask(row), mask)


def test_disjoint_masks_share_a_layer():
    masks = [np.arange(24).reshape(2, 3, 4) % 3 == n for n in range(3)]
    packed = Segmentation.from_masks(masks, [Segment(f"s{n}", n + 1) for n in range(3)], Geometry())
    assert len(packed.layers) == 1
    assert not packed.overlapping


def test_flattening_lets_the_later_row_win():
    first, second = np.zeros((1, 2, 3), np.uint8), np.zeros((1, 2, 3), np.uint8)
    first[0, 0] = 5
    second[0, :, 0] = 5
    both = Segmentation((first, second), [Segment("a", 5), Segment("b", 5, layer=1)])
    with pytest.raises(InputError, match="2 layers"):
        _ = both.labels
    flat = both.flattened()
    np.testing.assert_array_equal(flat.labels[0], [[2, 1, 1], [2, 0, 0]])
    assert [(s.name, s.value, s.layer) for s in flat.segments] == [("a", 1, 0), ("b", 2, 0)]
    assert flat.flattened() is flat


def test_segmentations_are_checked():
    with pytest.raises(InputError, match="different shapes"):
        Segmentation((np.zeros((1, 2, 3), np.uint8), np.zeros((1, 2, 4), np.uint8)))
    with pytest.raises(InputError, match="no label array"):
        Segmentation(())
    with pytest.raises(InputError, match="0 is background"):
        Segment("x", 0)
    with pytest.raises(InputError, match=r"no segment 'z'.*a \(1\)"):
        Segmentation((np.zeros((1, 2, 3), np.uint8),), [Segment("a", 1)]).segment("z")


def test_a_mask_is_a_layer_of_ones():
    mask = np.indices((2, 3, 4)).sum(0) > 3
    layer = Segmentation((mask,), [Segment("a", 1)]).labels
    assert layer.dtype == np.uint8
    assert np.shares_memory(layer, mask)
    np.testing.assert_array_equal(layer, mask)


def test_a_name_that_is_the_id_of_another_segment_is_refused():
    """As after a person swapped names: neither of the two is taken without a word."""
    rows = [Segment("bead", 1, id="cell"), Segment("cell", 2, id="bead"), Segment("wall", 3, id="wall")]
    labels = Segmentation((np.zeros((2, 2, 2), np.uint8),), rows, Geometry(), "drawing")
    for key in ("cell", "bead"):
        with pytest.raises(InputError, match=f"has a segment named '{key}', and '{key}' is also the id of segment"):
            labels.segment(key)
    assert labels.segment("wall") is rows[2]
    assert labels.segment(2) is rows[1]


def test_a_segment_is_found_by_the_numbers_of_numpy():
    labels = Segmentation.from_labels(np.arange(24, dtype=np.uint8).reshape(2, 3, 4))
    for value in np.unique(labels.labels)[1:]:
        assert labels.mask(value).sum() == 1
        assert labels.segment(value).value == value


@given(st.integers(0, 2**32), st.sampled_from(["u1", "i1", "u2", "i4", "u8", "i8"]))
def test_unique_values_are_numpys(seed, kind):
    rng = np.random.default_rng(seed)
    info = np.iinfo(kind)
    high = min(info.max, 2**62 if seed % 2 else 1000)
    array = rng.integers(max(info.min, -5), high, (3, 4, 5), dtype=np.int64, endpoint=True).astype(kind)
    np.testing.assert_array_equal(unique_values(array), np.unique(array))


@pytest.mark.parametrize(
    ("kept", "value", "wanted"),
    [(None, 255, "u1"), (None, 256, "u2"), ("u2", 7, "u2"), ("u1", 300, "u2"), ("i1", 127, "i1"), ("i8", 2**40, "i8")],
)
def test_the_type_of_labels_holds_all_values(kept, value, wanted):
    assert label_dtype([1, value], kept and np.dtype(kept)) == np.dtype(wanted)


def test_images_and_labels_must_lie_on_each_other():
    image = Volume(np.zeros((2, 3, 4)), Geometry((1, 2, 3), unit="nm"), "image")
    labels = Segmentation.from_labels(np.zeros((2, 3, 4), np.uint8), Geometry((1, 2, 3), unit="nm"))
    require_same_grid(image, labels)
    with pytest.raises(InputError, match=r"4 x 3 x 2 voxels.*--resample"):
        require_same_grid(image, Segmentation.from_labels(np.zeros((2, 3, 5), np.uint8)))
    with pytest.raises(InputError, match="different positions"):
        require_same_grid(image, Segmentation.from_labels(labels.labels, Geometry((1, 2, 3), (9, 0, 0), unit="nm")))
    with pytest.raises(InputError, match=r"^segmentation 'before' has .*--resample .* the grid of the segmentation\.$"):
        require_same_grid(replace(labels, name="before"), Segmentation.from_labels(np.zeros((2, 3, 5), np.uint8)))


def test_volumes_are_equal_only_to_themselves_and_can_be_keys():
    volume = Volume(np.zeros((2, 3, 4)))
    assert volume == volume
    assert volume != Volume(volume.array)
    assert len({volume, Volume(volume.array)}) == 2


def test_forty_segments_without_colours_get_forty_colours():
    labels = np.arange(48).reshape(3, 4, 4)
    colours = np.array([segment.colour for segment in Segmentation.from_labels(labels).segments[:40]])
    away = np.linalg.norm(colours[:, None] - colours, axis=2)[~np.eye(40, dtype=bool)]
    assert away.min() > 0.09  # of the sides of the colour cube; 0.0 where colours are used again
    assert ((colours >= 0) & (colours <= 1)).all()
