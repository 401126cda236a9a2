"""Arrays of other libraries become volumes and segmentations, or are refused in a sentence."""

import types

import numpy as np
import pytest

from ACSegLib.arrays import to_numpy
from ACSegLib.errors import InputError, MemoryLimitError
from ACSegLib.volume import Geometry, Segment, Segmentation, Volume

IMAGE = np.arange(4 * 5 * 6, dtype=np.float32).reshape(4, 5, 6)
LABELS = (IMAGE > 60).astype(np.uint8)


def torch_tensor(array):
    return pytest.importorskip("torch").tensor(array)


def torch_with_gradient(array):
    return pytest.importorskip("torch").tensor(array.astype(np.float32), requires_grad=True)


def dask_array(array):
    return pytest.importorskip("dask.array").from_array(array, chunks=2)


def zarr_array(array):
    return pytest.importorskip("zarr").array(array)


def xarray_array(array):
    return pytest.importorskip("xarray").DataArray(array)


def unmasked(array):
    return np.ma.masked_array(array)


@pytest.mark.parametrize(
    "make", [torch_tensor, torch_with_gradient, dask_array, zarr_array, xarray_array, unmasked, np.asfortranarray]
)
def test_arrays_of_other_libraries_keep_their_values(make):
    volume = Volume(make(IMAGE))
    assert type(volume.array) is np.ndarray
    np.testing.assert_array_equal(volume.array, IMAGE)


@pytest.mark.parametrize("make", [torch_tensor, dask_array, zarr_array, xarray_array, unmasked])
def test_labels_of_other_libraries_keep_their_values(make):
    np.testing.assert_array_equal(Segmentation.from_labels(make(LABELS)).labels, LABELS)


def test_bfloat16_tensors_become_float32():
    torch = pytest.importorskip("torch")
    volume = Volume(torch.tensor(IMAGE).bfloat16())
    assert volume.array.dtype == np.float32
    np.testing.assert_allclose(volume.array, IMAGE, rtol=0.01)


@pytest.mark.parametrize("make", [np.asarray, unmasked, dask_array, zarr_array, xarray_array])
def test_foreign_byte_order_is_converted(make):
    array = Volume(make(IMAGE.astype(">f4"))).array
    assert array.dtype.isnative
    np.testing.assert_array_equal(array, IMAGE)


def test_extended_floats_become_float64():
    assert Volume(IMAGE.astype(np.longdouble)).array.dtype == np.float64


@pytest.mark.parametrize("dtype", [np.int16, np.int32, np.float64])
def test_masked_voxels_of_an_image_become_nan(dtype):
    array = Volume(np.ma.masked_greater(IMAGE.astype(dtype), 100)).array
    assert array.dtype == (np.float32 if dtype is np.int16 else np.float64)
    np.testing.assert_array_equal(np.isnan(array), IMAGE > 100)
    np.testing.assert_array_equal(array[IMAGE <= 100], IMAGE[IMAGE <= 100])


def test_masked_labels_are_refused():
    with pytest.raises(InputError, match=r"59 masked voxels.*filled\(0\)"):
        Segmentation.from_labels(np.ma.masked_equal(LABELS, 1))


@pytest.mark.parametrize(
    ("array", "sentence"),
    [
        (IMAGE[0], r"3 dimensions \(z, y, x\), not 2.*one array"),
        (IMAGE[..., None], r"not 4.*one channel"),
        (IMAGE.ravel(), "not 1"),
        (IMAGE[:0], "empty"),
        (IMAGE.astype(complex), "complex128"),
        (IMAGE.astype(object), "object"),
        (IMAGE.astype(str), "not numbers"),
        (IMAGE.tolist(), "not list"),
        ("cell.nrrd", r"not str.*acseg\.open"),
        (None, "not NoneType"),
    ],
)
def test_what_is_no_volume_is_refused_in_a_sentence(array, sentence):
    with pytest.raises(InputError, match=sentence):
        Volume(array)


@pytest.mark.parametrize(
    ("array", "sentence"),
    [
        (IMAGE, r"float32.*whole numbers.*astype\(int\)"),
        (LABELS.astype(np.int16) - 1, "negative value -1"),
        (LABELS[0], r"not 2"),
    ],
)
def test_what_is_no_label_array_is_refused_in_a_sentence(array, sentence):
    with pytest.raises(InputError, match=sentence):
        Segmentation.from_labels(array)


def test_arrays_that_cannot_be_copied_are_refused():
    class OnTheGpu:
        shape, dtype, ndim = (4, 5, 6), np.dtype(np.float32), 3

        def __array__(self, dtype=None, copy=None):
            raise TypeError("implicit conversion is not allowed; use .get()")

    with pytest.raises(InputError, match=r"OnTheGpu.*implicit conversion"):
        Volume(OnTheGpu())


def test_arrays_larger_than_the_memory_are_refused_before_they_are_read():
    dask = pytest.importorskip("dask.array")
    with pytest.raises(MemoryLimitError, match="dask array of 931"):
        to_numpy(dask.zeros((1000, 1000, 10**6), dtype=np.uint8), "image")


def test_repr_is_one_short_line_with_the_geometry_and_an_image_says_how_labels_are_opened():
    volume = Volume(np.zeros((64, 128, 96), np.int16), Geometry((30, 40, 50), unit="nm"), "cell 1")
    assert repr(volume) == "<Volume 'cell 1': shape (64, 128, 96), voxel size (50, 40, 30) nm, int16>"
    with pytest.raises(AttributeError, match=r"open labels with acseg.open\(path, labels=True\)"):
        volume.labels  # noqa: B018
    with pytest.raises(AttributeError, match="'Volume' object has no attribute 'shapes'"):
        volume.shapes  # noqa: B018
    segments = [Segment(f"cell {n}", n) for n in range(1, 8)]
    text = repr(Segmentation((LABELS,), segments, name="cells"))
    assert "7 segments (cell 1, cell 2, cell 3, cell 4 and 3 more)" in text
    assert len(text) < 200


def test_html_shows_a_thumbnail_and_escapes_names():
    imaging = pytest.importorskip("PIL.Image")
    import base64
    import io
    import re

    volume = Volume(np.arange(9 * 400 * 300, dtype=np.uint32).reshape(9, 400, 300), name="<script>")
    segmentation = Segmentation(
        (np.zeros((9, 10, 12), np.uint8), np.ones((9, 10, 12), np.uint8)),
        [Segment("<b>cell</b>", 1, (1, 0, 0)), Segment("nucleus", 1, (0, 0.5, 1), layer=1)],
    )
    for data, size in ((volume, (100, 134)), (segmentation, (12, 10))):
        text = data._repr_html_()
        assert "<script>" not in text
        assert "<b>" not in text
        picture = imaging.open(io.BytesIO(base64.b64decode(re.search(r"base64,([^\"]+)", text)[1])))
        assert picture.size == size
    assert picture.getpixel((3, 3)) == (0, 128, 255), "the later layer lies on top"
    assert "nucleus (1)" in text


def test_html_of_an_image_without_a_finite_value_is_black():
    assert "img" in Volume(np.full((2, 3, 4), np.nan))._repr_html_()


def test_numpy_reads_volumes_and_segmentations():
    volume, segmentation = Volume(IMAGE), Segmentation.from_labels(LABELS)
    assert np.asarray(volume) is volume.array
    np.testing.assert_array_equal(np.asarray(segmentation), LABELS)
    assert np.asarray(segmentation, np.int64).dtype == np.int64
    assert not np.shares_memory(np.array(volume), volume.array), "np.array copies"
    overlapping = Segmentation((LABELS, LABELS), [Segment("a", 1), Segment("b", 1, layer=1)])
    with pytest.raises(InputError, match="2 layers"):
        np.asarray(overlapping)


def test_a_module_name_alone_does_not_make_an_array():
    fake = types.SimpleNamespace(shape=(2, 2, 2))
    with pytest.raises(InputError, match="SimpleNamespace"):
        Volume(fake)


@pytest.mark.parametrize("dims", ["xyz", "zyx", "yzx"])
def test_named_dimensions_of_xarray_are_sorted(dims):
    xarray = pytest.importorskip("xarray")
    array = xarray.DataArray(IMAGE.transpose(["zyx".index(letter) for letter in dims]), dims=list(dims))
    np.testing.assert_array_equal(Volume(array).array, IMAGE)
    np.testing.assert_array_equal(Segmentation.from_labels(array > 100).labels, IMAGE > 100)
