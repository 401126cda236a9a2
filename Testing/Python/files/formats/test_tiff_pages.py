"""Stacks written page by page, against the pages as tifffile reads each of them."""

import numpy as np
import pytest
import tifffile

from ACSegLib.errors import FileError
from ACSegLib.files import open_volume
from ACSegLib.files.registry import collect_notes, inventory

ARRAY = (np.arange(5 * 16 * 24) * 7).reshape(5, 16, 24).astype(np.uint16)


def _write(path, pages, changes=None, **options):
    """Write one page after another, pages of `changes` with options of their own; gives what tifffile reads."""
    with tifffile.TiffWriter(path) as writer:
        for n, page in enumerate(pages):
            writer.write(
                page, **{"photometric": "minisblack", "contiguous": False, **options, **(changes or {}).get(n, {})}
            )
    with tifffile.TiffFile(path) as file:
        return [page.asarray() for page in file.pages]


@pytest.mark.parametrize(
    ("changes", "options"),
    [
        ({}, {}),
        ({}, {"compression": "zlib"}),
        ({}, {"metadata": None}),
        ({2: {"compression": "zlib"}}, {"metadata": None}),
        ({1: {"predictor": True}, 3: {"predictor": True}}, {"metadata": None, "compression": "lzw"}),
        ({2: {"rowsperstrip": 3}}, {"metadata": None}),
        ({2: {"tile": (16, 16)}}, {"metadata": None}),
    ],
    ids=["loop", "packed loop", "plain", "one packed", "predictors", "strips", "one tiled"],
)
def test_pages_are_slices_however_each_is_stored(changes, options, tmp_path):
    pages = _write(tmp_path / "a.tif", ARRAY, changes, **options)
    with collect_notes() as notes:
        found = open_volume(tmp_path / "a.tif")
    np.testing.assert_array_equal(found.array, np.stack(pages))
    np.testing.assert_array_equal(found.array, ARRAY)
    assert notes == []
    assert len(inventory(tmp_path / "a.tif")) < 2


def test_a_loop_that_appends(tmp_path):
    for plane in ARRAY:
        tifffile.imwrite(tmp_path / "a.tif", plane, append=True, photometric="minisblack")
    np.testing.assert_array_equal(open_volume(tmp_path / "a.tif").array, ARRAY)


@pytest.mark.parametrize(
    ("odd", "options", "words"),
    [
        (ARRAY[2, :9], {}, r"page 3 \(24 x 9 uint16"),
        (ARRAY[2].astype(np.uint8), {}, r"page 3 \(24 x 16 uint8"),
        (ARRAY[2], {"photometric": "miniswhite"}, r"page 3 .*miniswhite"),
        (np.stack([ARRAY[2]] * 3, axis=-1), {"photometric": "rgb"}, r"page 3 .*rgb|has 3 colour channels"),
    ],
)
@pytest.mark.parametrize("metadata", [None, {}])
def test_an_odd_page_between_others_is_refused(odd, options, words, metadata, tmp_path):
    pages = [odd if n == 2 else plane for n, plane in enumerate(ARRAY)]
    _write(tmp_path / "a.tif", pages, {2: options}, metadata=metadata)
    with pytest.raises(FileError, match=words):
        open_volume(tmp_path / "a.tif")


def test_pages_of_all_sizes_are_told(tmp_path):
    _write(tmp_path / "a.tif", [ARRAY[0, : n + 3] for n in range(4)])
    with pytest.raises(FileError, match="4 pages are of different sizes or types"):
        open_volume(tmp_path / "a.tif")


def test_thumbnails_between_slices_are_left_out(tmp_path):
    pages = [page for plane in ARRAY for page in (plane, plane[::4, ::4])]
    _write(tmp_path / "a.tif", pages, {n: {"subfiletype": 1} for n in range(1, 10, 2)}, metadata=None)
    np.testing.assert_array_equal(open_volume(tmp_path / "a.tif").array, ARRAY)


def test_values_from_white_to_black_are_told(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", ARRAY, photometric="miniswhite")
    with pytest.warns(UserWarning, match="lowest value is white"):
        np.testing.assert_array_equal(open_volume(tmp_path / "a.tif").array, ARRAY)
